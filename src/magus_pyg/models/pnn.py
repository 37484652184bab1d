"""Product-based neural networks: the products of the fields go into the first layer."""

from abc import abstractmethod
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from magus_pyg.errors import ConfigError
from magus_pyg.models.feature_space import FeatureSpace
from magus_pyg.models.field_model import FieldModelOptions, FieldRecommender, Terms
from magus_pyg.models.fields import Side
from magus_pyg.models.mlp import MLP

__all__ = ["PNN", "PNNOptions", "add_weighted", "inner_products"]

# Pairs of the fields user, profile, item, words, in the order of their weights.
_PAIRS = ((0, 1), (2, 3), (0, 2), (0, 3), (1, 2), (1, 3))


@dataclass
class PNNOptions(FieldModelOptions):
    """Options of the product-based network, beside those of all models of fields.

    Attributes:
        name: "pnn".
        product: "inner" or "outer".
    """

    name: str = "pnn"
    product: str = "inner"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.product not in ("inner", "outer"):
            raise ConfigError(f'PNNOptions.product must be "inner" or "outer" (got {self.product!r})')


class _Products(nn.Module):
    """W_p times the products of the four fields, from the two vectors of either side."""

    weight: Tensor

    @abstractmethod
    def rows(self, left: Tensor, right: Tensor, total: Tensor) -> Tensor:
        """[n, units] for left and right [n, 2, dim], added to `total`."""

    @abstractmethod
    def pairs(self, left: Tensor, right: Tensor) -> Tensor:
        """[n, m, units] for left [n, 2, dim] and right [m, 2, dim]."""


class _Inner(_Products):
    """Inner products of the pairs (user, profile), (item, words), (user, item), (user, words), (profile, item),
    (profile, words).

    Args:
        units: of the first layer.
        generator: of the weights before training.
    """

    def __init__(self, units: int, generator: torch.Generator) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(units, 6))
        nn.init.xavier_uniform_(self.weight, generator=generator)

    def rows(self, left: Tensor, right: Tensor, total: Tensor) -> Tensor:
        return add_weighted(total, inner_products(left, right), self.weight)

    def pairs(self, left: Tensor, right: Tensor) -> Tensor:
        across = left.flatten(0, 1) @ right.flatten(0, 1).T
        across = across.view(len(left), 2, len(right), 2).transpose(1, 2).reshape(len(left), len(right), 4)
        own = left.prod(1).sum(1, keepdim=True) * self.weight[:, 0]
        other = right.prod(1).sum(1, keepdim=True) * self.weight[:, 1]
        return F.linear(across, self.weight[:, 2:]).add_(own.unsqueeze(1)).add_(other)


def inner_products(left: Tensor, right: Tensor) -> Tensor:
    """The products of the `_PAIRS` of four vectors, [n, 6].

    Args:
        left: [n, 2, dim], the vectors 0 and 1.
        right: [n, 2, dim], the vectors 2 and 3.
    """
    if torch.compiler.is_compiling():  # a compiler fuses plain operations itself
        return _inner_products(left, right)
    products: Tensor = _InnerProducts.apply(left, right)  # type: ignore[no-untyped-call]
    return products


def _inner_products(left: Tensor, right: Tensor) -> Tensor:
    fields = (*left.unbind(1), *right.unbind(1))
    return torch.stack([(fields[one] * fields[other]).sum(1) for one, other in _PAIRS], 1)


class _InnerProducts(torch.autograd.Function):
    """`inner_products`, whose gradient is summed in place."""

    @staticmethod
    def forward(ctx: Any, left: Tensor, right: Tensor) -> Tensor:
        ctx.save_for_backward(left, right)
        return _inner_products(left, right)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor]:
        left, right = ctx.saved_tensors
        fields = (*left.unbind(1), *right.unbind(1))
        given = torch.empty_like(left), torch.empty_like(right)
        for number, total in enumerate((*given[0].unbind(1), *given[1].unbind(1))):
            terms = [
                (fields[pair[1 - pair.index(number)]], gradient[:, place : place + 1])
                for place, pair in enumerate(_PAIRS)
                if number in pair
            ]
            torch.mul(*terms[0], out=total)
            for field, weight in terms[1:]:
                total.addcmul_(field, weight)
        return given


def add_weighted(total: Tensor, x: Tensor, weight: Tensor) -> Tensor:
    """total [n, units] + x [n, few] times the transposed weight [units, few]."""
    if torch.compiler.is_compiling() or torch.is_autocast_enabled(total.device.type):
        return total + F.linear(x, weight)
    added: Tensor = _AddWeighted.apply(total, x, weight)  # type: ignore[no-untyped-call]
    return added


class _AddWeighted(torch.autograd.Function):
    """`add_weighted`; with few columns, its gradient's products take a fraction of the time the other way round."""

    @staticmethod
    def forward(ctx: Any, total: Tensor, x: Tensor, weight: Tensor) -> Tensor:
        ctx.save_for_backward(x, weight)
        return torch.addmm(total, x, weight.T)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        x, weight = ctx.saved_tensors
        return gradient, (weight.T @ gradient.T).T, (x.T @ gradient).T


class _Outer(_Products):
    """The outer product of the sum of the fields with itself.

    Args:
        units: of the first layer.
        dim: length of the vectors.
        generator: of the weights before training.
    """

    def __init__(self, units: int, dim: int, generator: torch.Generator) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(units, dim, dim))
        nn.init.xavier_uniform_(self.weight.view(units, dim * dim), generator=generator)

    def rows(self, left: Tensor, right: Tensor, total: Tensor) -> Tensor:
        return total + self._squares(left.sum(1) + right.sum(1))

    def pairs(self, left: Tensor, right: Tensor) -> Tensor:
        # The square of a sum: the squares of both sides, and 2 (symmetrised) across.
        total, other = left.sum(1), right.sum(1)
        both = self.weight + self.weight.transpose(1, 2)
        across: Tensor = torch.einsum("nd,hde,me->nmh", total, both, other)
        return across + self._squares(total).unsqueeze(1) + self._squares(other)

    def _squares(self, total: Tensor) -> Tensor:
        product = total.unsqueeze(2) * total.unsqueeze(1)
        return F.linear(product.flatten(1), self.weight.flatten(1))


class PNN(FieldRecommender):
    r"""Product-based neural network (Qu et al. 2016, "Product-based Neural Networks for User Response Prediction").

    .. math::
        h_1 = \text{relu}(W_z z + W_p p + b_1), \qquad y = \text{MLP}(h_1)

    z are the vectors of the fields user, profile, item and words side by side (the linear signals), p their products;
    the sum is Eq. 3 of the paper. With `product: inner` p holds the inner products of the six pairs of different
    fields (Sec. III-B); with `product: outer` it is the outer product of the sum of the vectors with itself
    (Sec. III-C). A field of several values is the mean of their vectors; a cold id has a zero vector, and a word
    combination has no item, so their products are 0.

    Where the paper and the released code differ: the paper takes the products of all pairs, those of a field with
    itself included, and factorises the weights of the inner products to save time; the released code takes
    each pair of different fields once, with a weight of its own. Here it is as in the code: with four fields there is
    nothing to save. Neither has linear terms beside the network, so there are none.

    Args:
        options: see `PNNOptions`.
        features: what is known of users, items and words.
        seed: of the weights before training.
    """

    options: PNNOptions

    def __init__(self, options: PNNOptions, features: FeatureSpace, seed: int = 0) -> None:
        super().__init__(options, features, seed)
        generator, units = self.layers_generator(), options.hidden[0]
        self.layers = MLP(4 * options.dim, options.hidden, 1, options.hidden_dropout, generator)
        self.products: _Products = (
            _Inner(units, generator) if options.product == "inner" else _Outer(units, options.dim, generator)
        )

    @property
    def width(self) -> int:
        """The widest layer."""
        return max(self.options.hidden)

    def user_terms(self, side: Side) -> Terms:
        """The vectors [n, 2, dim], and the side's share of W_z z + b_1 [n, units]."""
        first, size = self.layers.first, 2 * self.options.dim
        return side.vectors, F.linear(side.vectors.flatten(1), first.weight[:, :size], first.bias)

    def candidate_terms(self, side: Side) -> Terms:
        """As `user_terms`, without the bias."""
        first, size = self.layers.first, 2 * self.options.dim
        return side.vectors, F.linear(side.vectors.flatten(1), first.weight[:, size:])

    def row_logits(self, left: Side, right: Side) -> Tensor:
        """Logits [n] of rows."""
        vectors, first = self.user_terms(left)
        second = self.layers.first.weight[:, 2 * self.options.dim :]
        total = torch.addmm(first, right.vectors.flatten(1), second.T)
        return self.layers.rest(self.products.rows(vectors, right.vectors, total)).squeeze(-1)

    def combine(self, left: Terms, right: Terms, pairs: bool) -> Tensor:
        """Logits, [n] or [n, m]."""
        (vectors, first), (other, other_first) = left, right
        if pairs:
            total = first.unsqueeze(1) + other_first + self.products.pairs(vectors, other)
        else:
            total = self.products.rows(vectors, other, first + other_first)
        return self.layers.rest(total).squeeze(-1)

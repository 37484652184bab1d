"""The parts that the deep interest network is made of: its activation and its attention."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from magus_pyg.models.kernels.gather_rows import gather_rows
from magus_pyg.models.mlp import MLP

__all__ = ["ActivationUnit", "Dice"]


class Dice(nn.Module):
    r"""Data adaptive activation (Zhou et al. 2018, Sec. 5.2): a PReLU whose corner lies where the data lie.

    .. math::
        f(s) = p(s) \, s + (1 - p(s)) \, \alpha s, \qquad
        p(s) = \sigma\left(\frac{s - E[s]}{\sqrt{Var[s] + \epsilon}}\right)

    Mean and variance are those of the batch in training (over all devices), and moving averages in evaluation. As in
    the released code α starts at 0; its further weight inside σ, which starts at 0 there, is not in the paper and not
    here.

    Args:
        size: number of units, each with its own α, mean and variance.
        eps: ε.
        momentum: the share of a batch in the moving averages.

    Shapes: [..., size] to the same; training takes the statistics over all but the last dimension.
    """

    #: True while several devices train together; `fit` sees to it.
    across_devices: bool = False
    mean: Tensor
    var: Tensor

    def __init__(self, size: int, eps: float = 1e-8, momentum: float = 0.1) -> None:
        super().__init__()
        self.eps = eps
        self.momentum = momentum
        self.alpha = nn.Parameter(torch.zeros(size))
        self.register_buffer("mean", torch.zeros(size))
        self.register_buffer("var", torch.ones(size))

    def forward(self, s: Tensor) -> Tensor:
        """The activation of s."""
        if self.training:
            normal = self._by_batch(s.reshape(-1, s.shape[-1]).to(self.mean.dtype)).view(s.shape)
        else:
            scale = torch.rsqrt(self.var + self.eps)
            normal = torch.addcmul(-self.mean * scale, s, scale)
        return s * (self.alpha + torch.sigmoid(normal) * (1 - self.alpha))  # p s + (1 - p) α s

    def _by_batch(self, s: Tensor) -> Tensor:
        """The rows [n, size], normalised by their own mean and variance; if there are any, the averages move."""
        if self.across_devices:
            total = self._over_devices(torch.cat([s.sum(0), s.new_full((1,), len(s))]))
            count = total[-1].clamp(min=1)
            mean = total[:-1] / count
            var = self._over_devices((s - mean).square().sum(0)) / count
            self._move(mean, var, total[-1] > 0)
            return (s - mean) * torch.rsqrt(var + self.eps)
        if not len(s):
            return s
        # The same in one pass, and one backwards.
        normal, mean, scale = torch.native_batch_norm(s, None, None, None, None, True, 0.0, self.eps)
        self._move(mean, (scale.square().reciprocal() - self.eps).clamp(min=0), True)
        return normal

    @torch.no_grad()
    def _move(self, mean: Tensor, var: Tensor, there: Tensor | bool) -> None:
        self.mean += self.momentum * there * (mean - self.mean)
        self.var += self.momentum * there * (var - self.var)

    def _over_devices(self, values: Tensor) -> Tensor:
        """The sum over the devices of a training, differentiable."""
        if self.across_devices:
            from torch.distributed.nn.functional import all_reduce

            values = all_reduce(values)  # type: ignore[no-untyped-call]
        return values


class ActivationUnit(nn.Module):
    r"""The weight of an item of the history for a candidate: a small network over both and their product.

    .. math::
        a(e, v) = \text{MLP}([\,v,\; e,\; v \odot e\,])

    The paper (Zhou et al. 2018, Fig. 2) gives the "out product" beside both vectors; the released code has v, e, v - e
    and the product of the entries. The difference adds nothing to a layer that is linear in v and e, and is left out.
    As the first layer is linear, what it takes from v is computed once a candidate, and what it takes from e once an
    item; only the product's part is computed for each pair.

    Args:
        size: length of the vectors.
        hidden: units of the hidden layers, with `Dice`.
        generator: of the weights before training.
    """

    def __init__(self, size: int, hidden: Sequence[int], generator: torch.Generator | None = None) -> None:
        super().__init__()
        self.size = size
        self.mlp = MLP(3 * size, hidden, 1, generator=generator, activation=Dice)

    def forward(self, query: Tensor, key: Tensor, row: Tensor, place: Tensor) -> Tensor:
        """The weights of e pairs.

        Args:
            query: [n, size], candidates.
            key: [m, size], items.
            row: int64 [e], which candidate.
            place: int64 [e], which item.

        Returns:
            float [e].
        """
        of_query, of_key, of_product = self.mlp.first.weight.chunk(3, 1)
        hidden = gather_rows(F.linear(query, of_query, self.mlp.first.bias), row)
        hidden = hidden + gather_rows(F.linear(key, of_key), place)
        hidden = hidden + F.linear(gather_rows(query, row) * gather_rows(key, place), of_product)
        return self.mlp.rest(hidden).squeeze(-1)

    def grid(self, query: Tensor, key: Tensor) -> Tensor:
        """The weights of all candidates with all items.

        Args:
            query: [b, c, size], or [1, c, size] where all b share them.
            key: [b, l, size].

        Returns:
            float [b, c, l].
        """
        of_query, of_key, of_product = self.mlp.first.weight.chunk(3, 1)
        # (v ⊙ e) W = v (e ⊙ W): so the product with W is one of matrices, and no product of a pair is formed.
        scaled = (key.unsqueeze(2) * of_product).flatten(1, 2)  # [b, l · units, size]
        hidden = query @ scaled.mT
        hidden = hidden.view(*hidden.shape[:2], key.shape[1], len(of_product))
        hidden = (
            hidden + F.linear(query, of_query, self.mlp.first.bias).unsqueeze(2) + F.linear(key, of_key).unsqueeze(1)
        )
        return self.mlp.rest(hidden).squeeze(-1)

"""Product-based neural networks: the products of the fields go into the first layer."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from magus_pyg.models.feature_space import FeatureSpace
from magus_pyg.models.fields import EMBEDDINGS, LAYERS, FieldEmbeddings, generator_of
from magus_pyg.models.interaction_model import InteractionOptions, InteractionRecommender
from magus_pyg.models.kernels.field_products import add_inner_products, add_outer_product
from magus_pyg.models.kernels.field_vectors import FieldVectors, linear_of_fields
from magus_pyg.models.mlp import MLP
from magus_pyg.options import check_options, one_of

__all__ = ["PNN", "PNNOptions"]


@dataclass
class PNNOptions(InteractionOptions):
    """Options of the product-based network, beside those of all models of fields.

    Attributes:
        name: "pnn".
        product: "inner" or "outer".
    """

    name: str = "pnn"
    product: str = "inner"

    def __post_init__(self) -> None:
        super().__post_init__()
        check_options(self, product=one_of(("inner", "outer")))


class PNN(InteractionRecommender):
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
        dim, units, generator = options.dim, options.hidden[0], generator_of(seed, LAYERS)
        self.fields = FieldEmbeddings(features, dim, options.init_std, generator_of(seed, EMBEDDINGS))
        self.layers = MLP(4 * dim, options.hidden, 1, options.hidden_dropout, generator)  # the first one is W_z, b_1
        self.products = ProductWeights(units, (6,) if options.product == "inner" else (dim, dim), generator)

    def interact(self, user: FieldVectors, item: FieldVectors) -> Tensor:
        """MLP(h_1) of pairs, [n] or [n, m]."""
        first, add = self.layers.first, add_inner_products if self.options.product == "inner" else add_outer_product
        return self.layers.rest(
            add(linear_of_fields(user, item, first.weight, first.bias), user, item, self.products.weight)  # Eq. 3
        ).squeeze(-1)


class ProductWeights(nn.Module):
    """W_p, [units, *shape], which weighs the products."""

    def __init__(self, units: int, shape: tuple[int, ...], generator: torch.Generator) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(units, *shape))
        nn.init.xavier_uniform_(self.weight.view(units, -1), generator=generator)

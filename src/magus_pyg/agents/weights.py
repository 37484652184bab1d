"""Learned edge weights: node features by feature propagation (Eqs. 10-13), and the weights made of them (Eq. 14)."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch_geometric.data import HeteroData

from magus_pyg.agents.fitted_states import values_text
from magus_pyg.agents.magus import EdgeFactors
from magus_pyg.errors import ModelError
from magus_pyg.graph import improves_edges, item_queries, n_items, n_nodes, node_parts, node_wholes
from magus_pyg.models import BaseRecommender
from magus_pyg.models.kernels.bag_index import bag_sums, index_bags
from magus_pyg.models.kernels.embedding_bag_mean import embedding_bag_mean
from magus_pyg.nn import FeaturePropagation
from magus_pyg.options import above, at_least, between, check_options, one_of
from magus_pyg.ragged import Ragged
from magus_pyg.random import derive_seed
from magus_pyg.training.descent import Descent, seeded_generator, train_epochs
from magus_pyg.training.stopping import EarlyStopping

__all__ = ["FEATURE_FORMS", "WeightFeatures", "WeightForm", "WeightTrainOptions", "edge_factors", "train_node_features"]

FEATURE_FORMS = ("dot", "cosine", "centred")

_ROWS = 1 << 15
"""Queries looked at together."""

_MANY = 2
"""How many times the rows of a step items must be for those of the rows to be looked at alone."""

_LARGE = 1 << 24
"""Numbers of features beyond which a graph is large: they then stay in float32, as which run folders keep them."""


@dataclass
class WeightTrainOptions:
    """How the node features of MAGUS+ are trained.

    Attributes:
        epochs: most passes over the training rows.
        batch_size: rows a step.
        lr: learning rate of Adam.
        patience: training stops after this many epochs without a lower loss on the validation rows.
        negatives: "all": N- holds all nodes that inhibit, which needs R⊥ and is for small graphs; "items": N- holds
            items only, exact from R+ alone.
    """

    epochs: int = 20
    batch_size: int = 4096
    lr: float = 3e-3
    patience: int = 3
    negatives: str = "items"

    def __post_init__(self) -> None:
        count = at_least(1)
        rules = {"epochs": count, "batch_size": count, "patience": count, "lr": above(0)}
        check_options(self, "magus.training", negatives=one_of(("all", "items")), **rules)


class NodeFeatures(nn.Module):
    """e_v of every node: Eq. (10), then one layer of Eqs. (11) and (12) (the paper's footnote: one layer).

    The items' vectors are frozen ones of the base model, the queries' are trained, started from the base model's
    vectors of their words.

    Args:
        graph: the relational graph.
        items: [I, d], frozen.
        queries: [Q, d], the start of the trained vectors.
        negatives: see `WeightTrainOptions`.
        seed: of W1 and W2.
    """

    items: Tensor
    _total: Tensor

    def __init__(self, graph: HeteroData, items: Tensor, queries: Tensor, negatives: str, seed: int) -> None:
        super().__init__()
        self.graph = graph
        self.register_buffer("items", items.detach().clone())
        self.register_buffer("_total", self.items.sum(0), persistent=False)
        self.queries = nn.Parameter(queries.detach().clone())
        self.skip = _independent(graph) if negatives == "all" else None
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(derive_seed(seed, 0x57))
            self.propagation = FeaturePropagation(items.shape[1], cached=True).to(items.dtype)
        held = item_queries(graph)
        self._held = Ragged(held.ptr, held.index - len(items))
        self._bags = index_bags(self._held, torch.arange(len(items)), len(queries), self.queries.dtype)

    def forward(self) -> Tensor:
        """[N, d], non-negative."""
        x = torch.cat([self.items, self.queries])  # Eq. (10)
        if self.skip is None:
            return torch.cat([self.of_items(), self._of_queries(x)])
        edges = improves_edges(self.graph)
        features: Tensor = self.propagation(
            x, torch.cat([edges, edges.flip(0)], dim=1), skip_edge_index=self.skip  # N+: both ways
        )  # Eqs. (11), (12)  # fmt: skip
        return features

    def of_items(self, chosen: Tensor | None = None) -> Tensor:
        """[n, d]: the rows of chosen items, all if None; Eq. (13) looks at them alone, and nothing else is made."""
        if self.skip is not None:
            rows = self.forward()[: len(self.items)]
            return rows if chosen is None else rows[chosen]
        bags = self._bags if chosen is None else None
        positive = embedding_bag_mean(self, "queries", self._held, chosen, bags)  # N+: the item's queries
        items = self.items if chosen is None else self.items[chosen]
        others = self._total - items  # N-: the other items
        features: Tensor = self.propagation.combine(items, positive - others / max(len(self.items) - 1, 1))
        return features

    def _of_queries(self, x: Tensor) -> Tensor:
        """[Q, d]: N+ of a query is what it is part of and its parts, N- the items that do not contain it."""
        count, total = len(self.items), self.items.sum(0)
        parts, wholes = node_parts(self.graph), node_wholes(self.graph)
        holders = self._held.transpose(len(self.queries))
        features = torch.empty_like(self.queries)
        for rows in torch.split(torch.arange(len(self.queries)), _ROWS):
            near = [_sums(x, some.select(rows + count)) for some in (parts, wholes)]
            inside = holders.select(rows)
            many = (parts.lengths[rows + count] + wholes.lengths[rows + count]).clamp(min=1).unsqueeze(1)
            others = (count - inside.lengths).clamp(min=1).unsqueeze(1)
            negative = torch.where(inside.lengths.unsqueeze(1) < count, total - _sums(self.items, inside), 0.0)
            difference = (near[0] + near[1]) / many - negative / others
            features[rows] = self.propagation.combine(x[rows + count], difference)
        return features


def _sums(x: Tensor, rows: Ragged) -> Tensor:
    """The sums of x [N, d] over rows of its rows, [R, d]."""
    return bag_sums(x, rows.index, rows.ptr[:-1])


def _independent(graph: HeteroData) -> Tensor:
    """R⊥ with R+ (pairs that some item contains), for the complement: quadratic in the queries of an item."""
    from magus_pyg.graph import SessionGraphBuilder

    builder = SessionGraphBuilder(graph)
    graphs = builder.build(torch.arange(n_items(graph)).unsqueeze(0))
    return builder.compatible(graphs, torch.arange(n_items(graph), n_nodes(graph)))


def train_node_features(
    graph: HeteroData,
    model: BaseRecommender,
    train: tuple[Tensor, Tensor, Tensor],
    validation: tuple[Tensor, Tensor, Tensor],
    options: WeightTrainOptions | None = None,
    seed: int = 0,
) -> Tensor:
    """Train the node features of MAGUS+ by Eq. (13): the log-loss of sigmoid(e_u·e_v) over the users' items.

    Args:
        graph: the relational graph.
        model: a trained base recommender with embeddings; e_u and the items' start come frozen from it.
        train, validation: rows (user, item, label), int64 [n] each, labels 0 and 1.
        options: how to train; the defaults if None.
        seed: of W1, W2 and the order of the rows.

    Returns:
        float32 [N, d], the e_v of Eq. (14).

    Raises:
        ModelError: a base model without embeddings, or a loss that is not finite.
    """
    options = options or WeightTrainOptions()
    if not model.has_embeddings:
        name = type(model).__name__
        raise ModelError(f"magus=plus needs a base model with user and item embeddings, and {name} has none")
    count = n_items(graph)
    words = Ragged(graph.word_ptr, graph.word_index).select(torch.arange(count, n_nodes(graph)))
    features = NodeFeatures(
        graph, model.item_embedding(torch.arange(count)), model.query_embedding(words), options.negatives, seed
    )
    users = model.user_embedding(torch.arange(model.features.n_users)).detach()
    # Of a large graph a step is mostly reading and writing the queries' vectors: then in one pass.
    fused = features.queries.numel() > _LARGE
    optimizer = torch.optim.Adam(features.parameters(), lr=options.lr, fused=fused or None)
    every = torch.arange(validation[0].numel())

    def losses(epoch: int) -> Iterator[Tensor]:
        order = torch.randperm(train[0].numel(), generator=seeded_generator(seed, epoch, 0x58))
        for rows in torch.split(order, options.batch_size):
            yield _log_loss(features, users, train, rows)

    @torch.no_grad()
    def held_out_loss(epoch: int, loss: float) -> float:
        return float(_log_loss(features, users, validation, every))

    descent = Descent("the loss of the edge weights", optimizer, "lower magus.training.lr")

    kept = {name: weight.detach().clone() for name, weight in features.named_parameters()}

    def present() -> dict[str, Tensor]:
        for name, weight in features.named_parameters():
            kept[name].copy_(weight.detach())
        return kept

    stopping = EarlyStopping(options.patience, maximise=False)
    best = train_epochs(descent, losses, range(options.epochs), held_out_loss, stopping, present, kept)
    features.load_state_dict(best, strict=False)
    del optimizer, descent, best
    kept.clear()  # of a large graph each of these is as long as the features
    with torch.no_grad():
        learned: Tensor = features()
    return learned


def _log_loss(features: NodeFeatures, users: Tensor, data: tuple[Tensor, Tensor, Tensor], rows: Tensor) -> Tensor:
    """Eq. (13), as a mean."""
    user, item, label = (column[rows] for column in data)
    chosen = None
    if len(features.items) > _MANY * len(rows):  # of many items a step holds few
        chosen, item = torch.unique(item, return_inverse=True)
    logit = (users[user] * features.of_items(chosen)[item]).sum(1)
    loss: Tensor = F.binary_cross_entropy_with_logits(logit, label.to(logit.dtype))
    return loss


@dataclass
class WeightForm:
    """How node features become edge weights; the unit weights of Eq. (3) are the defaults.

    Attributes:
        feature: "dot": the dot product of Eq. (14), divided by its mean; "cosine": of vectors of length 1, divided by
            its mean; "centred": 1 + the cosine of vectors less their mean.
        shrink: s of R+ in w = 1 + s (w' - 1), w' the feature's weight; in [0, 1].
        shrink_minus: s of R-.
        minus_scale: factor on the R- weights of the first guess (Eq. 4).
        refusal: weight of a refused node in Eq. (9); 0 as printed, where it sends nothing.
        raw: the printed form: the dot product itself, neither scaled nor shrunk.
    """

    feature: str = "dot"
    shrink: float = 0.0
    shrink_minus: float = 0.0
    minus_scale: float = 1.0
    refusal: float = 0.0
    raw: bool = False

    def __str__(self) -> str:
        if self.raw:
            return "the dot products of Eq. (14) as printed"
        return values_text(self).removesuffix(", raw False")

    def __post_init__(self) -> None:
        check_options(
            self,
            feature=one_of(FEATURE_FORMS),
            shrink=between(0, 1),
            shrink_minus=between(0, 1),
            minus_scale=at_least(0),
            refusal=at_least(0),
        )


class WeightFeatures:
    """Node features in the scales of the forms, each made once for all forms that are tried.

    Args:
        graph: the relational graph.
        features: [N, d], the e_v of `train_node_features`.

    Raises:
        ModelError: features of another graph, or not finite.
    """

    def __init__(self, graph: HeteroData, features: Tensor) -> None:
        if features.dim() != 2 or features.shape[0] != n_nodes(graph):
            raise ModelError(f"features must be [{n_nodes(graph)}, d] for this graph, got {list(features.shape)}")
        if not bool(torch.isfinite(features).all()):
            raise ModelError("the node features are not all finite")
        self.graph = graph
        self.dot = features.detach().to(torch.float64 if features.numel() <= _LARGE else torch.float32)

    @cached_property
    def cosine(self) -> Tensor:
        """[N, d], rows of length 1."""
        return F.normalize(self.dot, dim=1)

    @cached_property
    def centred(self) -> Tensor:
        """[N, d], rows of length 1 after their mean was taken away."""
        return F.normalize(self.dot - self.dot.mean(0), dim=1)

    @cached_property
    def mean_dot(self) -> tuple[float, float]:
        """The mean weights of R+ and R- by the dot product."""
        return _mean_weights(self.graph, self.dot)

    @cached_property
    def mean_cosine(self) -> tuple[float, float]:
        """The mean weights of R+ and R- by the cosine."""
        return _mean_weights(self.graph, self.cosine)

    def factors(self, form: WeightForm) -> EdgeFactors:
        """The factors whose dot products are the edge weights, for R+ and R- apart (Eq. 14 in one of its forms).

        All forms are affine in a dot product, so each is a dot product of vectors with one more coordinate:
        1 + s (w/m - 1) = (1 - s) + (s/m) w.

        Raises:
            ModelError: features that are all zero.
        """
        if form.raw:
            return EdgeFactors(self.dot, self.dot, form.minus_scale, form.refusal)
        constant = self.dot.new_ones((self.dot.shape[0], 1))
        if form.feature == "centred":  # 1 + s·cos
            positive = torch.cat([constant, form.shrink**0.5 * self.centred], 1)
            negative = torch.cat([constant, form.shrink_minus**0.5 * self.centred], 1)
            return EdgeFactors(positive, negative, form.minus_scale, form.refusal)
        x, means = (self.cosine, self.mean_cosine) if form.feature == "cosine" else (self.dot, self.mean_dot)
        sides = []
        for shrink, mean in zip((form.shrink, form.shrink_minus), means, strict=True):
            if shrink and not mean > 0:
                raise ModelError("the node features give no positive weight: MAGUS+ has learned nothing from this data")
            scale = (shrink / mean) ** 0.5 if shrink else 0.0
            sides.append(torch.cat([(1.0 - shrink) ** 0.5 * constant, scale * x], 1))
        return EdgeFactors(sides[0], sides[1], form.minus_scale, form.refusal)


def edge_factors(graph: HeteroData, features: Tensor, form: WeightForm) -> EdgeFactors:
    """The factors of one form; arguments and errors as of `WeightFeatures` and its `factors`."""
    return WeightFeatures(graph, features).factors(form)


def _mean_weights(graph: HeteroData, x: Tensor) -> tuple[float, float]:
    """Mean dot product over R+, and over the R- pairs that an item is in (exact from R+ alone, reading 6)."""
    edges = improves_edges(graph)
    weight = FeaturePropagation.edge_weight(x, edges).to(torch.float64)
    count = n_items(graph)
    items, with_item = x[:count].to(torch.float64), weight[edges[1] < count]
    # Ordered pairs (item, any other node), less the item itself and its R+: all of them are R-.
    total = float(items.sum(0) @ x.sum(0, dtype=torch.float64) - items.square().sum() - with_item.sum())
    pairs = count * (x.shape[0] - 1) - with_item.numel()
    return (float(weight.mean()) if weight.numel() else 0.0), (total / pairs if pairs else 0.0)

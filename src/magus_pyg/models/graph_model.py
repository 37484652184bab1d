"""What the graph recommenders share: node inputs, propagation over the whole graph or a sample, look-up of nodes."""

from abc import abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch_geometric.data import HeteroData

from magus_pyg.errors import ConfigError
from magus_pyg.models.base import TrainingTerms
from magus_pyg.models.batches import Batch
from magus_pyg.models.dot_product import DotProductRecommender
from magus_pyg.models.feature_space import Candidates, FeatureSpace
from magus_pyg.models.graph_inputs import GraphInputs, QueryIndex, sample_neighbours
from magus_pyg.models.interactions import Interactions
from magus_pyg.models.kernels.dropout import dropout
from magus_pyg.models.kernels.embedding_bag_mean import embedding_bag_mean, plain_bag_mean
from magus_pyg.models.kernels.embedding_tables import add_tables, look_up
from magus_pyg.models.kernels.gather_rows import gather_rows
from magus_pyg.models.model_options import WIDEST, ModelOptions
from magus_pyg.options import at_least, at_most, between, check_options, one_of
from magus_pyg.ragged import Ragged

__all__ = ["GraphModelOptions", "GraphRecommender", "Nodes"]

_EDGES = 1 << 16
"""Edges that a layer runs over at once while scoring: tens of megabytes, which are used again by the next ones."""

#: Vectors of all nodes, or of the sources and the receivers of edges.
Nodes = Tensor | tuple[Tensor, Tensor]


@dataclass
class GraphModelOptions(ModelOptions):
    """What the graph recommenders have in common.

    Attributes:
        name: key of the model in `MODELS`.
        dim: length of the node vectors.
        layers: number of layers.
        dropout: share of the entries of node vectors set to 0 in a training step, in [0, 1).
        init_std: standard deviation of the embeddings before training; the linear weights start at 0.
        inhibits: items drawn for each node out of those it is R- to.
        sampling: "full" propagates the whole graph in each training step, "neighbours" a sample around the step's
            rows, "auto" the whole graph up to `full_edges` edges.
        full_edges: the limit of "auto".
        fanouts: neighbours sampled for a node, one number a layer, the nearest hop first.
    """

    name: str = "rgcn"
    dim: int = 64
    layers: int = 2
    dropout: float = 0.2
    init_std: float = 0.1
    inhibits: int = 10
    sampling: str = "auto"
    full_edges: int = 500_000
    fanouts: list[int] = field(default_factory=lambda: [15, 10])

    def __post_init__(self) -> None:
        check_options(
            self,
            **dict.fromkeys(("dim", "layers", "fanouts"), at_least(1)),
            **dict.fromkeys(("init_std", "inhibits", "full_edges"), at_least(0)),
            dropout=between(0, 1, "[)"),
            sampling=one_of(("auto", "full", "neighbours")),
        )
        check_options(
            self, dim=at_most(WIDEST), layers=at_most(100), inhibits=at_most(10_000), fanouts=at_most(100_000)
        )
        if len(self.fanouts) != self.layers:
            raise ConfigError(
                f"{type(self).__name__}.fanouts must be {self.layers} numbers, one a layer (got {list(self.fanouts)})"
            )


class GraphRecommender(DotProductRecommender):
    r"""A recommender whose users, items and queries are nodes of one graph (reading 26; see `graph_inputs.RELATIONS`).

    .. math::
        y = b + \ell_u + \ell_v + \langle h_u, h_v \rangle, \qquad h = h^{(0)} + \text{layers}(h^{(0)})

    A user starts from h⁽⁰⁾, an id embedding plus the mean of the profile values' embeddings, an item from an id
    embedding plus the mean of its words', a query from the mean of its words'. ℓ are the linear terms of ids, words and
    profile values. Embeddings are e_u = [h_u, ℓ_u + b, 1] and e_v = [h_v, 1, ℓ_v]. A word combination that is a query
    node has that node's vector; any other has the mean of its words' nodes.

    In a training step the edges of the rows that are to be predicted are left out of the graph, or a model would read
    the label off them. Small graphs are propagated whole; of large ones a step takes sampled neighbours, and scoring
    propagates the whole graph once and keeps it.

    Args:
        options: see `GraphModelOptions`.
        features: what is known of users, items and words.
        graph: the relational graph of the same items and words.
        interactions: the training rows.
        seed: of the weights before training and of the sample of R-.
    """

    options: GraphModelOptions
    edge_index: Tensor
    edge_type: Tensor
    edge_row: Tensor
    _edge_ptr: Tensor
    _node_words_ptr: Tensor
    _node_words_index: Tensor
    _word_node: Tensor

    def __init__(
        self,
        options: GraphModelOptions,
        features: FeatureSpace,
        graph: HeteroData,
        interactions: Interactions,
        seed: int = 0,
    ) -> None:
        super().__init__(options, features, seed)
        inputs = GraphInputs.build(graph, interactions, features, options.inhibits, seed)
        self.n_nodes = inputs.n_nodes
        edges = inputs.edge_index.shape[1]
        self.sampled = options.sampling == "neighbours" or (options.sampling == "auto" and edges > options.full_edges)
        counts = torch.bincount(inputs.edge_index[1], minlength=self.n_nodes + features.n_users)
        self.query_index = QueryIndex(inputs.words, features.n_items)
        single = Ragged(torch.arange(features.n_words + 1), torch.arange(features.n_words))
        for name, tensor in (
            ("edge_index", inputs.edge_index),
            ("edge_type", inputs.edge_type),
            ("edge_row", inputs.edge_row),
            ("_edge_ptr", torch.cat([counts.new_zeros(1), counts.cumsum(0)])),
            ("_node_words_ptr", inputs.words.ptr),
            ("_node_words_index", inputs.words.index.to(torch.int64)),
            ("_word_node", self.query_index.find(single)),
        ):
            self.register_buffer(name, tensor, persistent=False)
        # Layers fill themselves from torch's generator, which is put back as it was.
        with torch.random.fork_rng([]):
            torch.default_generator.manual_seed(seed)
            self.layers = self.make_layers()
            add_tables(self, features.sizes, options.dim, lambda size: torch.empty(size).normal_(std=options.init_std))
        self.bias = nn.Parameter(torch.zeros(()))

    @abstractmethod
    def make_layers(self) -> nn.ModuleList:
        """The layers, each dim to dim."""

    @abstractmethod
    def run_layer(self, layer: nn.Module, x: Nodes, edge_index: Tensor, edge_type: Tensor) -> Tensor:
        """One layer over all nodes of the graph in their order, [n, dim] to [n, dim].

        Or over a sample: from the vectors of sources [n, dim] and receivers [m, dim] to [m, dim].
        """

    @property
    def node_words(self) -> Ragged:
        """[N] rows of word ids of the item and query nodes."""
        return Ragged(self._node_words_ptr, self._node_words_index)

    def training_terms(self, batch: Batch) -> TrainingTerms:
        """Logits [n] of rows, whose own edges are not used, and the mean squared length of the embeddings they use."""
        ends = (batch.user + self.n_nodes, batch.item.contiguous())
        predicted = batch.user * self.features.n_items + batch.item
        step = self._sampled_step if self.sampled else self._whole_step
        (user, item), (h_user, h_item) = step(ends, predicted)
        norm = (user.square().sum() + item.square().sum()) / max(1, len(predicted))
        logits = (h_user * h_item).sum(1) + user[:, -1] + item[:, -1] + self.bias
        return TrainingTerms(logits, norm, norm.new_zeros(()))

    def _whole_step(self, ends: tuple[Tensor, Tensor], predicted: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        """What the nodes of both ends start from, [n, dim + 1] each, and their vectors after the layers, [n, dim].

        Args:
            ends: the nodes of users and of items, int64 [n] each.
            predicted: int64, values of `edge_row` whose edges are left out.
        """
        there = ~torch.isin(self.edge_row, predicted)
        start = self._start(self._all_nodes())
        hidden = self._propagate(start, self.edge_index[:, there], self.edge_type[there])
        return [gather_rows(start, end) for end in ends], [gather_rows(hidden, end) for end in ends]

    def _sampled_step(self, ends: tuple[Tensor, Tensor], predicted: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        """As `_whole_step`, over sampled neighbours."""
        key = int(torch.randint(1 << 62, ()))  # from the step's own generator
        seeds = torch.unique(torch.cat(ends))
        nodes, edges = sample_neighbours(self._edge_ptr, seeds, list(self.options.fanouts), self.edge_index[0], key)
        place = [self._places(some) for some in nodes]
        start = self._start(nodes[-1])
        kept = [part[~torch.isin(self.edge_row.index_select(0, part), predicted)] for part in edges]
        hidden = self._propagate_sample(start, nodes, place, kept)
        starts = [gather_rows(start, place[-1].index_select(0, end)) for end in ends]
        return starts, [gather_rows(hidden, place[0].index_select(0, end)) for end in ends]

    def _places(self, nodes: Tensor) -> Tensor:
        """int64 [N + U], where each of some nodes stands among them; what other entries hold means nothing.

        Looking nodes up in it takes a twentieth of the time of a binary search.
        """
        table = nodes.new_empty(self.n_nodes + self.features.n_users)
        return table.index_copy_(0, nodes, torch.arange(len(nodes), device=nodes.device))

    def logits(self, user: Tensor, candidates: Candidates) -> Tensor:
        """The dot products of the pairs, [n]; the graph is propagated once."""
        hidden = self._hidden()
        return (self._user_vectors(hidden, user) * self._candidate_vectors(hidden, candidates)).sum(1)

    def embed_users(self, user: Tensor) -> Tensor:
        """[h, linear + bias, 1], float [n, dim + 2], for `user` int64 [n]."""
        return self._user_vectors(self._hidden(), user)

    def embed_candidates(self, candidates: Candidates) -> Tensor:
        """[h, 1, linear], float [n, dim + 2], for n candidates."""
        return self._candidate_vectors(self._hidden(), candidates)

    def _user_vectors(self, hidden: Tensor, user: Tensor) -> Tensor:
        linear = self._user_start(user)[:, -1:] + self.bias
        return torch.cat([hidden[user + self.n_nodes], linear, torch.ones_like(linear)], 1)

    def _candidate_vectors(self, hidden: Tensor, candidates: Candidates) -> Tensor:
        words, n_items = candidates.words, self.features.n_items
        node = candidates.item
        linear = (
            plain_bag_mean(self, "word", words)[:, -1]
            + look_up(self, "item", node.clamp(max=n_items - 1))[:, -1] * self.item_known[node]
        )
        pure = (node == n_items).nonzero().squeeze(1)
        if len(pure):
            combination = words.select(pure)
            found = self.query_index.find(combination)
            nodes_of_words = self._word_node[combination.index]
            valid = nodes_of_words >= 0
            of_words = hidden[nodes_of_words.clamp(min=0)] * valid.unsqueeze(1)
            mean = of_words.new_zeros(len(pure), hidden.shape[1]).index_add(0, combination.row, of_words)
            mean = mean / combination.lengths.clamp(min=1).unsqueeze(1)
            vectors = torch.where((found >= 0).unsqueeze(1), hidden[found.clamp(min=0)], mean)
            h = hidden[node.clamp(max=n_items - 1)].index_copy(0, pure, vectors)
        else:
            h = hidden[node]
        return torch.cat([h, torch.ones_like(linear).unsqueeze(1), linear.unsqueeze(1)], 1)

    def _hidden(self) -> Tensor:
        """[N + U, dim], all nodes after the last layer; kept while scoring."""
        if self.training or torch.is_grad_enabled():
            return self._propagate(self._start(self._all_nodes()), self.edge_index, self.edge_type)
        hidden: Tensor = self._cached("nodes", lambda: self._propagate_in_blocks(self._start(self._all_nodes())))
        return hidden

    def _all_nodes(self) -> Tensor:
        return torch.arange(self.n_nodes + self.features.n_users, device=self.device)

    def _propagate(self, start: Tensor, edge_index: Tensor, edge_type: Tensor) -> Tensor:
        """The vectors of all nodes with some edges, [N + U, dim], from what they start from."""
        first = x = self._drop(start[:, :-1])
        for number, layer in enumerate(self.layers):
            x = self.run_layer(layer, x, edge_index, edge_type)
            if number < len(self.layers) - 1:
                x = self._drop(F.relu(x))
        return first + x

    def _propagate_in_blocks(self, start: Tensor) -> Tensor:
        """As `_propagate` with all edges, for some nodes after the others: with what `_EDGES` edges need beside them.

        Where steps run over the whole graph, the memory holds all edges anyway.
        """
        if not self.sampled or self.edge_index.shape[1] <= _EDGES:
            return self._propagate(start, self.edge_index, self.edge_type)
        first = x = start[:, :-1]
        for number, layer in enumerate(self.layers):
            parts = []
            for begin, end in self._blocks():
                edges = slice(int(self._edge_ptr[begin]), int(self._edge_ptr[end]))
                read, place = self.edge_index[0, edges].unique(return_inverse=True)  # type: ignore[no-untyped-call]
                ends = torch.stack([place, self.edge_index[1, edges] - begin])
                parts.append(self.run_layer(layer, (x[read], x[begin:end]), ends, self.edge_type[edges]))
            x = torch.cat(parts)
            if number < len(self.layers) - 1:
                x = F.relu(x)
        return first + x

    def _blocks(self) -> Iterator[tuple[int, int]]:
        """Nodes from one number up to another with at most `_EDGES` edges towards them, or one node of more."""
        begin, count = 0, len(self._edge_ptr) - 1
        while begin < count:
            most = self._edge_ptr[begin] + _EDGES
            end = max(begin + 1, int(torch.searchsorted(self._edge_ptr, most, right=True)) - 1)
            yield begin, end
            begin = end

    def _propagate_sample(self, start: Tensor, nodes: list[Tensor], place: list[Tensor], edges: list[Tensor]) -> Tensor:
        """The vectors of the first of some sets of nodes, [n, dim], from what the last set's start from.

        The first layer runs from the farthest nodes to those one hop nearer, the last to the first set: what a layer
        would give to other nodes is never read. See `sample_neighbours`; `place` are the `_places` of the sets.
        """
        first = x = self._drop(start[:, :-1])
        hops = range(len(self.layers) - 1, -1, -1)
        for layer, hop in zip(self.layers, hops, strict=True):
            source, target = (side.index_select(0, edges[hop]) for side in self.edge_index)
            ends = torch.stack([place[hop + 1].index_select(0, source), place[hop].index_select(0, target)])
            receivers = gather_rows(x, place[hop + 1].index_select(0, nodes[hop]))
            x = self.run_layer(layer, (x, receivers), ends, self.edge_type.index_select(0, edges[hop]))
            if hop:
                x = self._drop(F.relu(x))
        return gather_rows(first, place[-1].index_select(0, nodes[0])) + x

    def _start(self, nodes: Tensor) -> Tensor:
        """What some nodes (int64 [n], ascending) start from, [n, dim + 1], the linear weights last."""
        self._forget()
        split = int(torch.searchsorted(nodes, self.n_nodes))
        return torch.cat([self._node_start(nodes[:split]), self._user_start(nodes[split:] - self.n_nodes)])

    def _node_start(self, node: Tensor) -> Tensor:
        """[n, dim + 1] for item and query nodes, ascending: the mean of the words plus a known item's vector."""
        items = node[: int(torch.searchsorted(node, self.features.n_items))]
        own = look_up(self, "item", items) * self.item_known.index_select(0, items).unsqueeze(1)
        mean = embedding_bag_mean(self, "word", self.node_words, node)
        return torch.cat([own + mean[: len(items)], mean[len(items) :]])

    def _user_start(self, user: Tensor) -> Tensor:
        """[n, dim + 1] for users."""
        own = look_up(self, "user", user) * self.user_known.index_select(0, user).unsqueeze(1)
        return own + embedding_bag_mean(self, "profile", self.user_profiles, user)

    def _drop(self, x: Tensor) -> Tensor:
        return dropout(x, self.options.dropout, self.training)

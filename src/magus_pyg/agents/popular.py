"""The MPS and Hybrid rows of Table 1: nodes ranked once, by how many training positives they cover."""

import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from magus_pyg.agents.items import mark_shown
from magus_pyg.agents.ranking import rank_list
from magus_pyg.graph import item_queries, n_items, n_nodes, node_words
from magus_pyg.models import MPS, Candidates
from magus_pyg.simulation.protocol import Feedback, Play, Scorer, SessionView

__all__ = ["PopularAgent", "node_counts"]


def node_counts(graph: HeteroData, positives: Tensor) -> Tensor:
    """How many positive rows have an item that is a node or contains it (reading 31).

    Args:
        graph: the relational graph.
        positives: [I], the positive rows of each item.

    Returns:
        float64 [N].
    """
    queries = item_queries(graph)
    own = positives.to(queries.index.device, torch.float64)
    counts = own.new_zeros(n_nodes(graph))
    counts[: n_items(graph)] = own
    return counts.index_add_(0, queries.index, own.repeat_interleave(queries.lengths))


class PopularAgent:
    """List items and queries by their counts, largest first, whatever is answered; no node is shown twice.

    The count of a node is that of `node_counts` over the whole catalogue, so queries, which cover many items, crowd the
    lists. With `MPS` it is the value; with `Hybrid` its standardised logarithm is mixed with the likeness of the node's
    words to the user's. Of equal nodes the lower one comes first, so an item before its queries.

    Args:
        graph: the relational graph.
        model: `MPS` or `Hybrid`.
    """

    name = "static"

    def __init__(self, graph: HeteroData, model: MPS) -> None:
        self.graph = graph
        self.scorer: Scorer | Tensor = model
        self.model = model
        self.words = node_words(graph)

    def __repr__(self) -> str:
        return f"PopularAgent({type(self.model).__name__})"

    def start(self, view: SessionView) -> Play:
        """Begin B sessions."""
        node, valid = view.graphs.node, view.graphs.valid
        counts = node_counts(self.graph, self.model.positives).to(node.device)
        chosen = node[valid]
        user = view.user.unsqueeze(1).expand_as(node)[valid]
        value = torch.zeros(node.shape, dtype=torch.float64, device=node.device)
        value[valid] = self._values(user, chosen, counts[chosen]).to(node.device, torch.float64)
        return _PopularPlay(view, value)

    def _values(self, user: Tensor, node: Tensor, count: Tensor) -> Tensor:
        device, first_query = self.model.device, n_items(self.graph)
        item = torch.where(node < first_query, node, first_query)
        given = Candidates(item.to(device), self.words.select(node).to(device))
        return self.model.node_values(user.to(device), given, count.to(device))


class _PopularPlay:
    def __init__(self, view: SessionView, value: Tensor) -> None:
        self.view, self.value, self.left = view, value, view.graphs.valid.clone()
        self.none = torch.zeros_like(value)

    def recommend(self) -> Tensor:
        view = self.view
        return rank_list(self.value, self.none, self.left, view.list_length, view.graphs.is_item, view.min_items)

    def update(self, feedback: Feedback) -> None:
        self.left = mark_shown(self.left, feedback.shown)

    def node_scores(self) -> Tensor:
        return self.value

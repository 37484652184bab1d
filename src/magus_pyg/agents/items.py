"""`items`: the honest floor. It lists the best-scored items not yet shown, and asks nothing."""

import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from magus_pyg.agents.node_rules import NodeRules
from magus_pyg.agents.ranking import rank_top
from magus_pyg.simulation.protocol import Feedback, Play, Scorer, SessionView

__all__ = ["ItemsAgent"]


class ItemsAgent:
    """List the best-scored items not yet shown.

    It learns from an answer only that the items of the list are no targets. Every table carries it: what a method
    that also shows queries is worth is its distance from here.

    Args:
        graph: the relational graph.
        scorer: a base recommender, or a matrix of scores [U, I].
    """

    name = "items"

    def __init__(self, graph: HeteroData, scorer: Scorer | Tensor) -> None:
        self.graph = graph
        self.scorer = scorer

    def __repr__(self) -> str:
        return "ItemsAgent()"

    @property
    def node_rules(self) -> NodeRules:
        """See `NodeAgent`."""
        return NodeRules("none")

    def start(self, view: SessionView) -> Play:
        """Begin B sessions."""
        return _ItemsPlay(view)


class _ItemsPlay:
    def __init__(self, view: SessionView) -> None:
        self.length = view.list_length
        graphs = view.graphs
        self.value = torch.zeros(graphs.node.shape, dtype=torch.float64, device=graphs.node.device)
        self.value[:, : graphs.n_candidates] = view.scores
        self.left = graphs.valid & graphs.is_item

    def recommend(self) -> Tensor:
        return rank_top(self.value, self.value, self.left, self.length)

    def update(self, feedback: Feedback) -> None:
        self.left = mark_shown(self.left, feedback.shown)

    def node_scores(self) -> Tensor:
        return self.value


def mark_shown(left: Tensor, shown: Tensor) -> Tensor:
    """`left` [B, M] with the shown slots [B, N] (-1 for none) taken out."""
    row, column = torch.nonzero(shown >= 0, as_tuple=True)
    left = left.clone()
    left[row, shown[row, column]] = False
    return left

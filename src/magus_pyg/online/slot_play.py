"""An agent's play of one session, which knows slots, as a play that knows nodes."""

from copy import copy
from typing import Self

import torch
from torch import Tensor

from magus_pyg.agents.bayes.belief import log_odds
from magus_pyg.graph import SessionGraphs
from magus_pyg.online.node_play import NodePlay
from magus_pyg.simulation.answers import AnsweredList
from magus_pyg.simulation.protocol import Listener, Play

__all__ = ["SlotPlay"]


class SlotPlay(NodePlay):
    """See `NodePlay`.

    Args:
        play: an agent's play of one session.
        graphs: its session graph.
        list_length: N.
    """

    def __init__(self, play: Play, graphs: SessionGraphs, list_length: int) -> None:
        self.play, self.graphs, self.list_length = play, graphs, list_length

    @property
    def listens(self) -> bool:
        """Whether the agent takes words."""
        return isinstance(self.play, Listener)

    @property
    def between(self) -> str:  # type: ignore[override]
        """How explanations call what `scale` does."""
        return getattr(self.play, "between", "scaled")

    def placed(self, node: int) -> str:
        """By what a node stands in its list, where the agent says it."""
        placed = getattr(self.play, "placed", None)
        return "" if placed is None else placed(int(self.slots(torch.tensor([node]))))

    def slots(self, nodes: Tensor) -> Tensor:
        """The slots of nodes of the session, int64."""
        return torch.searchsorted(self.graphs.node[0], nodes)  # items, then queries: ascending

    def recommend(self) -> Tensor:
        """The next list; see `NodePlay`."""
        slots = self.play.recommend()[0]
        return self.graphs.node[0, slots[slots >= 0]]

    def scale(self) -> None:
        """Eq. (6), where the agent has it."""
        scale = getattr(self.play, "scale", None)
        if scale is not None:
            scale()

    def update(self, answer: AnsweredList) -> None:
        """Take in an answer."""
        shown = torch.full((1, self.list_length), -1, dtype=torch.int64)
        shown[0, : len(answer.shown)] = self.slots(torch.tensor(answer.shown, dtype=torch.int64))
        self.play.update(answer.feedback(shown))

    def tell(self, node: int, liked: bool) -> None:
        """Take in a word."""
        assert isinstance(self.play, Listener), "only those that listen are told"
        self.play.tell(self.slots(torch.tensor([node])), liked)

    def values(self, nodes: Tensor) -> Tensor:
        """The values by which nodes were ranked last."""
        return self.play.node_scores()[0, self.slots(nodes)]

    def explained(self, node: int) -> float:
        """The log-odds under a belief, else the value."""
        return log_odds(self.play, int(self.slots(torch.tensor([node]))))

    def copy(self) -> Self:
        """The session as it is now: plays replace what changes."""
        other = copy(self)
        other.play = copy(self.play)
        return other

"""The honest floor over a whole catalogue: the best-scored items, no queries."""

from copy import copy
from typing import Self

import torch
from torch import Tensor

from magus_pyg.errors import SessionError
from magus_pyg.online.catalogue.first_guess import Guess
from magus_pyg.online.node_play import NodePlay
from magus_pyg.simulation.answers import AnsweredList

__all__ = ["ItemsPlay"]


class ItemsPlay(NodePlay):
    """A person's session.

    Args:
        guess: the scores of the items alone; not changed.
        list_length: N.
    """

    def __init__(self, guess: Guess, list_length: int) -> None:
        self.guess, self.list_length = guess, list_length
        self.shown = torch.zeros(0, dtype=torch.int64, device=guess.y.device)

    def recommend(self) -> Tensor:
        """The next list; see `NodePlay`."""
        return self.guess.next_items(self.list_length, self.shown)

    def update(self, answer: AnsweredList) -> None:
        """Take in an answer; see `NodePlay`."""
        shown = torch.tensor(answer.shown, dtype=torch.int64, device=self.shown.device)
        self.shown = torch.cat([self.shown, shown])

    def scale(self) -> None:
        """Base scores stay as they are."""

    @property
    def listens(self) -> bool:
        """Words are not taken in."""
        return False

    def tell(self, node: int, liked: bool) -> None:
        """See `NodePlay`; SessionError, since nothing but the base scores counts here."""
        raise SessionError("a list of the best-scored items takes no words")

    def values(self, nodes: Tensor) -> Tensor:
        """The base scores, 0 of queries; see `NodePlay`."""
        nodes = nodes.to(self.shown.device)
        inside = nodes < self.guess.index.n_items
        return torch.where(inside, self.guess.y[torch.where(inside, nodes, 0)], 0.0)

    def explained(self, node: int) -> float:
        """The value of a node; see `NodePlay`."""
        return float(self.values(torch.tensor([node])))

    def copy(self) -> Self:
        """The session as it is now."""
        return copy(self)

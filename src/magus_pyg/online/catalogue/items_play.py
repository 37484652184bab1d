"""The honest floor over a whole catalogue: the best-scored items, no queries."""

import torch
from torch import Tensor

from magus_pyg.online.catalogue.first_guess import Guess, order_nodes
from magus_pyg.online.catalogue.play import Answer
from magus_pyg.online.catalogue.sparse_play import best_nodes

__all__ = ["ItemsPlay"]


class ItemsPlay:
    """A person's session.

    Args:
        guess: the scores of the items alone; not changed.
        list_length: N.
    """

    def __init__(self, guess: Guess, list_length: int) -> None:
        self.guess, self.list_length = guess, list_length
        self.shown = torch.zeros(0, dtype=torch.int64, device=guess.y.device)

    def recommend(self) -> Tensor:
        """The next list; see `CataloguePlay`."""
        best = self.guess.best[~torch.isin(self.guess.best, self.shown)][: self.list_length]
        if best.numel() == self.list_length:
            return best
        active = self.guess.active
        left = self.guess.y.clone() if active is None else torch.where(active, self.guess.y, -torch.inf)
        left[self.shown] = -torch.inf
        some = best_nodes(left, self.list_length)
        return order_nodes(self.guess, some, left[some])[: self.list_length]

    def update(self, answer: Answer) -> None:
        """Take in an answer; see `CataloguePlay`."""
        shown = torch.tensor(answer.shown, dtype=torch.int64, device=self.shown.device)
        self.shown = torch.cat([self.shown, shown])

    def values(self, nodes: Tensor) -> Tensor:
        """The base scores; see `CataloguePlay`."""
        return self.guess.y[nodes.to(self.shown.device)]

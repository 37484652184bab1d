"""The nodes a rival chooses among: the candidates of a session and its distinct queries."""

import torch
from torch import Tensor

from magus_pyg.agents.bayes.choices import distinct_queries
from magus_pyg.agents.ranking import rank_top
from magus_pyg.graph import SessionGraphs
from magus_pyg.ragged import Ragged

__all__ = ["SessionNodes", "steady"]

_GRID = 2.0**30


def steady(value: Tensor) -> Tensor:
    """float64 values on a grid of 2**-30.

    Matrix products add in an order that depends on how many sessions are played at once. What differs in the last bits
    is equal after rounding, so that lists do not depend on the batch.
    """
    return torch.round(value.to(torch.float64) * _GRID) / _GRID


class SessionNodes:
    """D places a session: first the C item slots, then one place for each set of candidates that some query names.

    Queries that the same candidates contain get the same answer, so one of them (that with the fewest words) stands for
    all; a query that all candidates contain asks nothing and has no place. Nothing here is summed over places, whose
    number depends on the batch.

    Attributes:
        graphs: the session graphs.
        slot: int64 [B, D], the slot of each place, -1 for none.
        n_items: C.
    """

    def __init__(self, graphs: SessionGraphs) -> None:
        self.graphs = graphs
        self.n_items = graphs.n_candidates
        choices = distinct_queries(graphs)
        item = torch.arange(self.n_items, device=graphs.node.device)
        items = torch.where(graphs.valid[:, : self.n_items], item, -1)
        self.slot = torch.cat([items, choices.slot], 1)
        self._query, self._item = choices.query, choices.item
        self._size = choices.slot.shape[1]
        self._session = torch.div(choices.query, max(self._size, 1), rounding_mode="floor")
        self._members = Ragged.from_pairs(choices.query, choices.item, choices.slot.numel())

    @property
    def valid(self) -> Tensor:
        """bool [B, D]: the places that hold a node."""
        return self.slot >= 0

    @property
    def node(self) -> Tensor:
        """int64 [B, D]: the node of each place, 0 where there is none."""
        if not self.slot.shape[1]:
            return self.slot
        return self.graphs.node.gather(1, self.slot.clamp(min=0)).clamp(min=0)

    @property
    def is_item(self) -> Tensor:
        """bool [D]."""
        return torch.arange(self.slot.shape[1], device=self.slot.device) < self.n_items

    def mass(self, belief: Tensor) -> Tensor:
        """The belief in the items that contain each place's node: [B, C] to [B, D]; an item contains itself."""
        n_sessions = belief.shape[0]
        mass = belief.new_zeros(n_sessions * self._size)
        mass.index_add_(0, self._query, belief.reshape(-1)[self._session * self.n_items + self._item])
        return torch.cat([belief, mass.view(n_sessions, self._size)], 1)

    def share(self) -> Tensor:
        """float64 [B, D]: the share of the session's candidates that contain each node."""
        present = self.graphs.valid[:, : self.n_items].to(torch.float64)
        return self.mass(present) / present.sum(1, keepdim=True).clamp(min=1)

    def covers(self, place: Tensor) -> Tensor:
        """bool [B, C]: the items that contain the node at `place` int64 [B]; none where it is -1."""
        n_sessions = place.numel()
        row = torch.arange(n_sessions, device=place.device)
        inside = torch.zeros((n_sessions, self.n_items), dtype=torch.bool, device=place.device)
        at_item = (place >= 0) & (place < self.n_items)
        inside[row[at_item], place[at_item]] = True
        asked = place >= self.n_items
        position, item = self._members.gather(row[asked] * self._size + place[asked] - self.n_items)
        inside[row[asked][position], item] = True
        return inside

    def holds(self, shown: Tensor) -> Tensor:
        """bool [B, D]: the places whose node is among the slots `shown` int64 [B, N] (-1 for none)."""
        same = (self.slot.unsqueeze(2) == shown.unsqueeze(1)) & (shown >= 0).unsqueeze(1)
        return same.any(2)

    def slots_of(self, places: Tensor) -> Tensor:
        """The slots of places [B, N]; -1 stays -1."""
        if not self.slot.shape[1]:
            return places
        return torch.where(places >= 0, self.slot.gather(1, places.clamp(min=0)), -1)

    def by_slot(self, value: Tensor, other: float = 0.0) -> Tensor:
        """Values of places [B, D] by slot, float64 [B, M]; `other` for slots without a place."""
        out = torch.full(self.graphs.node.shape, other, dtype=torch.float64, device=value.device)
        row, column = torch.nonzero(self.valid, as_tuple=True)
        out[row, self.slot[row, column]] = value[row, column].to(torch.float64)
        return out

    def fill(self, shown: Tensor, left: Tensor, value: Tensor) -> Tensor:
        """Lists with empty places take the best items left, then the queries left, which say nothing new.

        Args:
            shown: int64 [B, N] slots, -1 for none.
            left: bool [B, M], the slots not shown before.
            value: float64 [B, C], how good the items are.

        Returns:
            int64 [B, N], -1 last and only where no node is left.
        """
        if not bool((shown < 0).any()):
            return shown
        free = left.clone()
        row, column = torch.nonzero(shown >= 0, as_tuple=True)
        free[row, shown[row, column]] = False
        least = torch.finfo(torch.float64).min
        worth = torch.full(self.graphs.node.shape, least, dtype=torch.float64, device=shown.device)
        worth[:, : self.n_items] = value.clamp(min=least / 2)
        extra = rank_top(worth, torch.zeros_like(worth), free, shown.shape[1])
        both = torch.cat([shown, extra], 1)
        order = torch.argsort((both < 0).to(torch.int64), dim=1, stable=True)[:, : shown.shape[1]]
        return both.gather(1, order)

"""The distinct queries of sessions: those that the same candidates contain are one choice."""

from dataclasses import dataclass
from functools import cached_property
from weakref import WeakKeyDictionary

import torch
from torch import Tensor

from magus_pyg.graph import SessionGraphs
from magus_pyg.random import hash_keys

__all__ = ["QueryChoices", "distinct_queries"]


@dataclass(frozen=True)
class QueryChoices:
    """The choices of B sessions, at most G a session.

    Attributes:
        slot: int64 [B, G], the slot that stands for each choice (the lowest, hence the fewest words), -1 pads.
        query: int64 [E] flat choices (b * G + g), ascending, and
        item: int64 [E], the item slot in the session: an item that the choice's queries are part of, ascending
            within a choice.
    """

    slot: Tensor
    query: Tensor
    item: Tensor

    @cached_property
    def start(self) -> Tensor:
        """int64 [B + 1]: where the pairs of each session begin."""
        n_sessions, size = self.slot.shape
        edges = torch.arange(n_sessions + 1, device=self.slot.device) * size
        return torch.searchsorted(self.query, edges)

    @cached_property
    def lengths(self) -> Tensor:
        """int64 [B]: the pairs of each session."""
        return self.start[1:] - self.start[:-1]

    def pairs(self, rows: Tensor, n_items: int) -> tuple[Tensor, Tensor]:
        """The pairs of chosen sessions, numbered anew.

        Args:
            rows: int64 [R], ascending, repeats allowed.
            n_items: C.

        Returns:
            `(choice, item)`, int64 [E'] each: flat choices r * G + g, ascending, and flat item slots r * C + slot.
        """
        size = self.slot.shape[1]
        every = torch.arange(self.slot.shape[0], device=rows.device)
        if rows.shape == every.shape and bool((rows == every).all()):
            return self.query, self.query // max(size, 1) * n_items + self.item
        length = self.lengths[rows]
        owner = torch.arange(rows.numel(), device=rows.device).repeat_interleave(length)
        first = self.start[rows] - (length.cumsum(0) - length)
        place = first.index_select(0, owner) + torch.arange(owner.numel(), device=rows.device)
        shift = (torch.arange(rows.numel(), device=rows.device) - rows) * size
        choice = self.query.index_select(0, place) + shift.index_select(0, owner)
        return choice, owner * n_items + self.item.index_select(0, place)

    def dense(self, n_candidates: int) -> Tensor:
        """bool [B, G, C]: which items contain the choices."""
        n_sessions, size = self.slot.shape
        inside = torch.zeros((n_sessions * size, n_candidates), dtype=torch.bool, device=self.slot.device)
        inside[self.query, self.item] = True
        return inside.view(n_sessions, size, n_candidates)


_made: WeakKeyDictionary[SessionGraphs, QueryChoices] = WeakKeyDictionary()


def distinct_queries(graphs: SessionGraphs) -> QueryChoices:
    """Group the queries of each session by the candidates that contain them; made once for all that play the graphs.

    Sets of candidates are told apart by the sum of 64 random bits of each candidate, so two different sets of one
    session fall together with probability 2**-64. Queries in all candidates ask nothing and are left out.
    """
    found = _made.get(graphs)
    if found is None:
        found = _made[graphs] = _distinct(graphs)
    return found


def _distinct(graphs: SessionGraphs) -> QueryChoices:
    query, item = graphs.item_edges
    n_flat, n_slots = graphs.node.numel(), graphs.n_slots
    item_slot = item % n_slots
    code = torch.zeros(n_flat, dtype=torch.int64, device=query.device)
    code.index_add_(0, query, hash_keys(item_slot, 0x5E7))
    size = torch.bincount(query, minlength=n_flat)
    n_items = graphs.valid[:, : graphs.n_candidates].sum(1)
    asks = (size > 0) & (size < n_items[graphs.session])
    flat = torch.nonzero(asks).flatten()  # ascending: by session, then by slot
    order = torch.argsort(code[flat], stable=True)
    order = order[torch.argsort(graphs.session[flat[order]], stable=True)]  # by session, code, slot
    ordered, session = flat[order], graphs.session[flat[order]]
    first = torch.ones_like(ordered, dtype=torch.bool)
    first[1:] = (code[ordered[1:]] != code[ordered[:-1]]) | (session[1:] != session[:-1])
    chosen, _ = torch.sort(ordered[first])  # ascending slots within a session
    owner = graphs.session[chosen]
    count = torch.bincount(owner, minlength=graphs.n_sessions)
    width = int(count.max()) if count.numel() else 0
    rank = torch.arange(chosen.numel(), device=chosen.device) - (count.cumsum(0) - count)[owner]
    slot = torch.full((graphs.n_sessions, width), -1, dtype=torch.int64, device=chosen.device)
    slot[owner, rank] = chosen % n_slots

    place = torch.full((n_flat,), -1, dtype=torch.int64, device=chosen.device)
    place[chosen] = owner * width + rank
    kept = place[query] >= 0
    return QueryChoices(slot, place[query[kept]], item_slot[kept])  # item_edges ascend by query, then item

"""What an answered list says of its nodes: the one place where an answer is given its meaning (Definition D.1).

A person looks at the items of a list first and clicks the first one wanted; else at its queries from the top and clicks
the first that is part of something wanted; else nothing. So

* a click on an item says that it is the one; only such a click can end a session;
* a click on a query says that no item of the list is wanted and that the queries above it are refused. The queries
  below it were not read: they say nothing. Beside a clicked item no query was read;
* without a click all nodes are refused;
* Not Care to a query says that several wanted items contain it, and takes it out of the list.

F.2 reads less into the order and refuses all but the clicked node (`all_refused`). `said` reads the lists of many
sessions at once, `said_in_list` and `AnsweredList.said` that of one person, all by `_said`.
"""

from collections.abc import Container, Sequence
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import Tensor

from magus_pyg.simulation.protocol import Feedback

__all__ = ["AnsweredList", "Said", "at_click", "first_click", "said", "said_in_list"]

_Number = TypeVar("_Number", int, Tensor)


class Said:
    """What an answer says of a node of the list: plain numbers, since lists are read in the midst of every round."""

    ABSENT = -1
    """There is no node, or the session was over."""
    REFUSED = 0
    UNREAD = 1
    """The node says nothing: it was not looked at."""
    NOT_CARE = 2
    CLICKED = 3


def _said(
    place: _Number, clicked: _Number, is_query: _Number, item_clicked: _Number, not_care: _Number, all_refused: bool
) -> _Number:
    """The `Said` of a node at a place of a list; numbers and truth values of one node, or tensors that broadcast."""
    unread = is_query & (item_clicked | ((clicked >= 0) & (place > clicked)))
    # `a > b` of truth values: a and not b. REFUSED is 0.
    passed = (Said.REFUSED if all_refused else Said.UNREAD) * (unread > not_care)
    return Said.CLICKED * (place == clicked) + Said.NOT_CARE * not_care + passed


def said(feedback: Feedback, n_items: int, all_refused: bool = False) -> Tensor:
    """What the answers to B lists say.

    Args:
        feedback: the answers.
        n_items: C; lower slots hold items.
        all_refused: whether a click refuses what was not read too (F.2).

    Returns:
        int64 [B, N], a `Said` for each place.
    """
    clicked, is_query = feedback.clicked.unsqueeze(1), feedback.shown >= n_items
    place = torch.arange(feedback.shown.shape[1], device=feedback.shown.device)
    item_clicked = at_click(~is_query, feedback.clicked).unsqueeze(1)
    found = _said(place, clicked, is_query, item_clicked, feedback.not_care, all_refused)
    return torch.where((feedback.shown >= 0) & feedback.active.unsqueeze(1), found, Said.ABSENT)


def said_in_list(
    is_query: Sequence[bool], clicked: int, not_care: Container[int], all_refused: bool = False
) -> list[int]:
    """What the answer to one list says: a `Said` for each place.

    Args:
        is_query: which places hold queries.
        clicked: the place of the click, -1 for none.
        not_care: the places answered Not Care.
        all_refused: as of `said`.
    """
    item_clicked = clicked >= 0 and not is_query[clicked]
    return [
        _said(place, clicked, query, item_clicked, place in not_care, all_refused)
        for place, query in enumerate(is_query)
    ]


def at_click(mask: Tensor, clicked: Tensor) -> Tensor:
    """Whether the clicks int64 [B] (places, -1 for none) are on one of the marked places, bool [B, N]: bool [B]."""
    place = torch.arange(mask.shape[1], device=mask.device)
    return (mask & (place == clicked.unsqueeze(1))).any(1)


def first_click(is_item: Tensor, liked: Tensor) -> Tensor:
    """The click in a list: the first liked item, else the first liked query, else none.

    Args:
        is_item: bool [B, N].
        liked: bool [B, N], what the user would say Yes to; False in empty slots.

    Returns:
        int64 [B], positions from 0, -1 for none.
    """
    if not liked.shape[1]:
        return torch.full((liked.shape[0],), -1, dtype=torch.int64, device=liked.device)
    preference = liked.to(torch.int64) * (1 + is_item.to(torch.int64))
    best, position = preference.max(1).values, preference.argmax(1)  # argmax: the first of equals
    return torch.where(best > 0, position, -1)


@dataclass(frozen=True)
class AnsweredList:
    """The list of one person, and what was answered.

    Attributes:
        shown: the nodes, in the order of the list.
        clicked: the clicked node, or None.
        not_care: the queries answered Not Care.
    """

    shown: tuple[int, ...]
    clicked: int | None = None
    not_care: tuple[int, ...] = ()

    @property
    def position(self) -> int:
        """The place of the click in the list (from 0), -1 for none."""
        return -1 if self.clicked is None else self.shown.index(self.clicked)

    def found(self, n_items: int) -> int | None:
        """The item that was clicked, which ends the session, or None; nodes below `n_items` are items."""
        return self.clicked if self.clicked is not None and self.clicked < n_items else None

    def said(self, n_items: int, all_refused: bool = False) -> list[int]:
        """What the answer says: a `Said` for each node of the list; arguments as of `said`."""
        not_care = [self.shown.index(node) for node in self.not_care]
        return said_in_list([node >= n_items for node in self.shown], self.position, not_care, all_refused)

    def without(self, gone: Container[int], n_items: int) -> "AnsweredList":
        """The answer as if some nodes had not been in the list.

        Where one of them is the clicked one, the queries that were not read because of the click go too: nothing is
        known of them.

        Args:
            gone: nodes.
            n_items: as of `said`.
        """
        lost = self.clicked is not None and self.clicked in gone
        says = zip(self.shown, self.said(n_items), strict=True)
        kept = tuple(node for node, one in says if node not in gone and not (lost and one == Said.UNREAD))
        return AnsweredList(kept, None if lost else self.clicked, tuple(node for node in self.not_care if node in kept))

    def split(self, n_items: int, all_refused: bool) -> tuple[list[int], list[int]]:
        """The nodes that Eq. (8) sets to 1 (the clicked one) and to 0 (the refused ones)."""
        says = self.said(n_items, all_refused)
        no = [node for node, one in zip(self.shown, says, strict=True) if one == Said.REFUSED]
        return [] if self.clicked is None else [self.clicked], no

    def feedback(self, slots: Tensor) -> Feedback:
        """The same for agents: a batch of one session whose list holds the slots int64 [1, N], -1 pads."""
        not_care = torch.zeros_like(slots, dtype=torch.bool)
        not_care[0, : len(self.shown)] = torch.tensor([node in self.not_care for node in self.shown], dtype=torch.bool)
        return Feedback(slots, torch.tensor([self.position]), not_care, torch.ones(1, dtype=torch.bool))

"""What an agent sees and does in EAR's protocol, and the part of its state that all agents have in common."""

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

from magus_pyg.dialogues.dialogue_taste import KnownItems

__all__ = ["Action", "CandidateState", "DialogueAgent", "DialoguePlay", "DialogueView", "Reply"]


@dataclass(frozen=True)
class DialogueView:
    """What an agent knows when B dialogues with the same given attribute begin. The target is not in it.

    The candidates are the C items that have the given attribute; an agent names an item by its column there.

    Attributes:
        given: the attribute that the item in mind has.
        items: int64 [C], the candidates, ascending.
        has: bool [C, W], which candidate has which attribute.
        group: int64 [C], candidates with the same attributes have the same number, from 0.
        allowed: bool [B, C], False at the user's known items.
        scores: float64 [B, C], the base recommender's scores.
        popularity: int64 [C], how many users know each candidate.
        known: what the user of each dialogue knows.
        turns: the most turns of a dialogue.
        list_length: items shown in a turn.
        key: int64 [B], a random key of each dialogue.
    """

    given: int
    items: Tensor
    has: Tensor
    group: Tensor
    allowed: Tensor
    scores: Tensor
    popularity: Tensor
    known: KnownItems
    turns: int
    list_length: int
    key: Tensor


@dataclass(frozen=True)
class Action:
    """What is done in a turn.

    Attributes:
        ask: int64 [B], the attribute asked, -1 where items are shown.
        show: int64 [B, N], the columns of the items shown, best first, -1 pads; all -1 where an attribute is asked.
    """

    ask: Tensor
    show: Tensor


@dataclass(frozen=True)
class Reply:
    """An action and its answers; shown items were refused (a dialogue ends with a hit).

    Attributes:
        ask, show: as in `Action`.
        yes: bool [B], the answer where an attribute was asked.
    """

    ask: Tensor
    show: Tensor
    yes: Tensor


class DialoguePlay(Protocol):
    """B running dialogues of an agent."""

    def act(self, turn: int) -> Action:
        """The action of this turn (from 1)."""
        ...

    def update(self, reply: Reply) -> None:
        """Take in the answers."""
        ...

    def keep(self, rows: Tensor) -> None:
        """Go on with the dialogues `rows` (int64 [K]) alone; the others are over."""
        ...


@runtime_checkable
class DialogueAgent(Protocol):
    """A way to ask and show: plays B dialogues at once and never sees their targets.

    Attributes:
        name: how tables and records call it.
    """

    name: str

    def start(self, view: DialogueView) -> DialoguePlay:
        """Begin B dialogues."""
        ...


class CandidateState:
    """Which items may still be the one in mind, for agents that filter: the base class of their plays.

    An item misses an answer that it does not fit: a Yes to an attribute it lacks, and, where refusals are used, a No
    to one it has. The candidates are the items with the fewest misses among those not shown yet. While answers are true
    that is no miss; after answers that rule out all items it is those that contradict the fewest.

    Args:
        view: the dialogues.
        refusals: whether a No counts.

    Attributes:
        left: bool [B, C], neither known nor shown.
        asked: bool [B, W], asked or given.
    """

    def __init__(self, view: DialogueView, refusals: bool) -> None:
        self.view, self.refusals = view, refusals
        self.key = view.key
        self.left = view.allowed.clone()
        self.asked = torch.zeros((len(view.key), view.has.shape[1]), dtype=torch.bool, device=view.has.device)
        self.asked[:, view.given] = True
        self.misses = torch.zeros(self.left.shape, dtype=torch.int16, device=view.has.device)
        self.rank = rank_of(view.scores)

    def candidates(self) -> Tensor:
        """bool [B, C], the items that fit the answers best and were not shown."""
        if not self.left.shape[1]:
            return self.left.clone()
        misses = torch.where(self.left, self.misses, torch.iinfo(torch.int16).max)
        return self.left & (misses == misses.min(1, keepdim=True).values)

    def best(self, candidates: Tensor) -> Tensor:
        """int64 [B, N], the best candidates by base score, then (where they are fewer) the best of the rest."""
        n = self.rank.shape[1]
        rank = torch.where(candidates, self.rank, torch.where(self.left, self.rank + n, 2 * n))
        return first_columns(rank, self.view.list_length, 2 * n)

    def update(self, reply: Reply) -> None:
        """Count misses; mark what was asked and shown."""
        self.left = take_out(self.left, reply.show)
        row = torch.nonzero(reply.ask >= 0).flatten()
        word = reply.ask[row]
        self.asked[row, word] = True
        inside = self.view.has.T[word]  # [K, C]
        yes = reply.yes[row].unsqueeze(1)
        missed = torch.where(yes, ~inside, inside if self.refusals else torch.zeros_like(inside))
        self.misses[row] += missed.to(torch.int16)

    def keep(self, rows: Tensor) -> None:
        """See `DialoguePlay.keep`."""
        for name in ("key", "left", "asked", "misses", "rank"):
            setattr(self, name, getattr(self, name)[rows])


def rank_of(scores: Tensor) -> Tensor:
    """int64 [B, C]: the place of each column by falling score, equal scores by column."""
    order = torch.argsort(scores, dim=1, descending=True, stable=True)
    place = torch.arange(scores.shape[1], device=scores.device).expand_as(order)
    return torch.empty_like(order).scatter_(1, order, place)


def first_columns(rank: Tensor, n: int, none: int) -> Tensor:
    """int64 [B, n]: the columns of the n lowest ranks in ascending order, -1 where the rank is `none`."""
    size = min(n, rank.shape[1])
    lowest = rank.topk(size, dim=1, largest=False, sorted=True)
    columns = torch.where(lowest.values < none, lowest.indices, -1)
    return torch.nn.functional.pad(columns, (0, n - size), value=-1)


def take_out(left: Tensor, shown: Tensor) -> Tensor:
    """`left` bool [B, C] without the columns `shown` int64 [B, N] (-1 pads)."""
    left = left.clone()
    row, place = torch.nonzero(shown >= 0, as_tuple=True)
    left[row, shown[row, place]] = False
    return left

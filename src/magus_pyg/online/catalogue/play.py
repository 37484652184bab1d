"""What an answered list says, and the protocol of everything that plays a catalogue with one person."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from torch import Tensor

__all__ = ["Answer", "Answered", "CataloguePlay", "read_answer"]


@dataclass(frozen=True)
class Answer:
    """The answer to a list.

    Attributes:
        shown: the nodes of the list, in order.
        clicked: the clicked node, or None.
        not_care: the queries answered Not Care.
    """

    shown: tuple[int, ...]
    clicked: int | None = None
    not_care: tuple[int, ...] = ()


@dataclass(frozen=True)
class Answered:
    """The nodes of a list that Eq. (8) sets to 1 and to 0.

    Attributes:
        yes: the clicked node, if any.
        no: the refused ones.
    """

    yes: Sequence[int]
    no: Sequence[int]


def read_answer(answer: Answer, n_items: int, unknown_below: bool) -> Answered:
    """Which nodes an answer sets to 1 and which to 0 (Eq. 8, F.2).

    Args:
        answer: the answer; queries answered Not Care are in neither.
        n_items: I; lower nodes are items.
        unknown_below: whether the queries below the clicked node say nothing.
    """
    shown, clicked = answer.shown, answer.clicked
    place = len(shown) if clicked is None else shown.index(clicked)
    no = [
        node
        for at, node in enumerate(shown)
        if node != clicked and node not in answer.not_care and not (unknown_below and at > place and node >= n_items)
    ]
    return Answered([] if clicked is None else [clicked], no)


class CataloguePlay(Protocol):
    """A running session over a catalogue."""

    def recommend(self) -> Tensor:
        """The next list: int64 [n], best first, none shown before; shorter where no more nodes are left."""
        ...

    def update(self, answer: Answer) -> None:
        """Take in the answer to the list of the last `recommend`."""
        ...

    def values(self, nodes: Tensor) -> Tensor:
        """float64: the values by which nodes were ranked last."""
        ...

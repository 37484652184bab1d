"""What a person said, and the protocol of everything that plays one session by the nodes of the graph."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, Self

from torch import Tensor

from magus_pyg.graph import Word

__all__ = ["Answer", "Answered", "NodePlay", "Told", "read_answer", "take_in"]


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
class Told:
    """What a person said outside a list; each word is evidence on its own, in this order.

    Attributes:
        words: the words.
        liked: whether the person wants them, or does not.
        nodes: the query of each word alone, -1 where the session has none: no item of it has the word.
    """

    words: tuple[Word, ...]
    liked: bool
    nodes: tuple[int, ...]


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


class NodePlay(Protocol):
    """One running session. What changes in it is replaced, not changed in place, so that copies stand on their own."""

    def recommend(self) -> Tensor:
        """The next list: int64 [n], best first, none shown before; shorter where no more nodes are left."""
        ...

    def scale(self) -> None:
        """Bring the scores to one scale (Eq. 6), as every round begins; what has one, or needs none, stays."""
        ...

    def update(self, answer: Answer) -> None:
        """Take in the answer to a list, whether or not `recommend` gave it."""
        ...

    @property
    def listens(self) -> bool:
        """Whether words that are said outside a list mean something to it."""
        ...

    def tell(self, node: int, liked: bool) -> None:
        """Take in that a person wants the word of a one-word query, or does not; the query is not shown any more."""
        ...

    def values(self, nodes: Tensor) -> Tensor:
        """float64: the values by which nodes were ranked last."""
        ...

    def explained(self, node: int) -> float:
        """The value whose changes are explained: the log-odds under a belief, else the value of the ranking."""
        ...

    def copy(self) -> Self:
        """The session as it is now, which goes on by itself."""
        ...


def take_in(play: NodePlay, event: Answer | Told) -> None:
    """Take in what a person said."""
    if isinstance(event, Answer):
        play.update(event)
        return
    for node in event.nodes:
        if node >= 0:
            play.tell(node, event.liked)

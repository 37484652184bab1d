"""What a person said, and the protocol of everything that plays one session by the nodes of the graph."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, Self

from torch import Tensor

from magus_pyg.graph import Word
from magus_pyg.simulation.answers import AnsweredList

__all__ = ["NodePlay", "Told", "by_liking", "take_in"]


@dataclass(frozen=True)
class Told:
    """What a person said outside a list at once; each word is evidence on its own, in this order.

    Attributes:
        words: the words.
        liked: whether the person wants each of them, or does not.
        nodes: the query of each word alone, -1 where the session has none: no item of it has the word.
    """

    words: tuple[Word, ...]
    liked: tuple[bool, ...]
    nodes: tuple[int, ...]


def by_liking(words: Sequence[Word], liked: Sequence[bool]) -> list[tuple[bool, tuple[Word, ...]]]:
    """The words that are wanted (True) and those that are not, whichever was said first before the other.

    Args:
        words, liked: as of `Told`.
    """
    pairs = [*zip(words, liked, strict=True)]
    return [(kind, tuple(word for word, wanted in pairs if wanted == kind)) for kind in dict.fromkeys(liked)]


class NodePlay(Protocol):
    """One running session. What changes in it is replaced, not changed in place, so that copies stand on their own."""

    def recommend(self) -> Tensor:
        """The next list: int64 [n], best first, none shown before; shorter where no more nodes are left."""
        ...

    between: str = "scaled"
    """How explanations call what `scale` does: "scaled" or "drift"."""

    def scale(self) -> None:
        """What happens as every round begins: scores are brought to one scale (Eq. 6), a belief that forgets drifts;
        once a round."""
        ...

    def update(self, answer: AnsweredList) -> None:
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

    def placed(self, node: int) -> str:
        """By what a node stands where it does in its list, in words; "" where that is the value that is explained."""
        return ""

    def copy(self) -> Self:
        """The session as it is now, which goes on by itself."""
        ...


def take_in(play: NodePlay, event: AnsweredList | Told) -> None:
    """Take in what a person said."""
    if isinstance(event, AnsweredList):
        play.update(event)
        return
    for node, liked in zip(event.nodes, event.liked, strict=True):
        if node >= 0:
            play.tell(node, liked)

"""What a query is called: its words for a list, the gentle question; and the protocol of everything that says it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from magus_pyg.graph import Word

__all__ = ["Phrasing", "Rewriter", "Source"]

Source = Literal["rule", "model", "cache"]
"""Where a text comes from: the rule, a model that was asked just now, or one that was asked before."""


@dataclass(frozen=True)
class Phrasing:
    """A query in words that a person would use.

    Attributes:
        words: those of its words that say what it selects, in a natural order.
        text: they as one text, such as "blue shirt".
        question: the gentle question, such as "Do you like blue shirts?".
        source: where they come from.
    """

    words: tuple[Word, ...]
    text: str
    question: str
    source: Source = "rule"

    def to_dict(self) -> dict[str, Any]:
        """As JSON can hold it."""
        words = [[word.field, word.value] for word in self.words]
        return {"words": words, "text": self.text, "question": self.question, "source": self.source}

    @classmethod
    def of_dict(cls, entries: Mapping[str, Any]) -> "Phrasing":
        """What `to_dict` gave."""
        words = tuple(Word(str(field), str(value)) for field, value in entries["words"])
        return cls(words, str(entries["text"]), str(entries["question"]), entries["source"])


class Rewriter(Protocol):
    """A way to put queries into words. All that it says is checked before it is shown."""

    @property
    def version(self) -> str:
        """What its texts depend on beside words and locale: they are kept under it."""
        ...

    def rewrite(self, words: Sequence[Word], locale: str) -> tuple[list[int], str]:
        """Keywords and a question.

        Args:
            words: a query's words.
            locale: the language's name.

        Returns:
            The places of the words that are kept, in order, and the question with "{query}" where they stand.

        Raises:
            RewriterError: nothing can be said just now.
        """
        ...

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
    """A model that puts queries into words and reads texts. All that it says is checked before it is shown."""

    @property
    def version(self) -> str:
        """What its texts depend on beside words and locale: they are kept under it."""
        ...

    def rewrite(self, words: Sequence[Word], locale: str) -> tuple[list[str], str]:
        """Keywords and a question.

        Args:
            words: a query's words.
            locale: the language's name.

        Returns:
            The values that are kept, in order, and the question with "{query}" where they stand.

        Raises:
            LanguageError: nothing can be said.
        """
        ...

    def read(
        self, text: str, locale: str, fields: Mapping[str, Sequence[str]], ordered: Sequence[str]
    ) -> dict[str, Any]:
        """What a person wrote.

        Args:
            text: as it was written.
            locale: the language's name.
            fields: word field -> some of its values, the most frequent first.
            ordered: the fields whose values have an order.

        Returns:
            `wanted` and `unwanted`, lists of {field, value}, and `leanings`, a list of {field, end}.

        Raises:
            LanguageError: nothing can be said.
        """
        ...

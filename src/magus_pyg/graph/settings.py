"""How a graph was built: kept in the graph and in its file, so that items can be added to it by the same rules."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from magus_pyg.graph._texts import Texts
from magus_pyg.graph.vocabulary import Word

__all__ = ["GraphSettings", "QueryWording", "SearchedQueries"]

QueryWording = tuple[str | tuple[str, str], ...]
"""The words of a searched query as they were given: values or (field, value)."""


class SearchedQueries:
    """The distinct searched queries that a graph was built with, kept as bytes.

    Args:
        texts: [D] texts, each a JSON list of the words of one query.
        times: int64 [D], how often each was given.

    Raises:
        ValueError: if the parts do not fit together.
    """

    def __init__(self, texts: Texts, times: np.ndarray) -> None:
        if len(texts) != times.size:
            raise ValueError(f"{len(texts)} searched queries with {times.size} counts")
        self.texts, self.times = texts, times

    @classmethod
    def of(cls, distinct: Mapping[QueryWording, int]) -> "SearchedQueries":
        """The queries of a count of each."""
        texts = [json.dumps(words, default=lambda _: None) for words in distinct]  # what is no text is no word either
        return cls(Texts.of(texts), np.array(list(distinct.values()), dtype=np.int64))

    def distinct(self) -> dict[QueryWording, int]:
        """The queries and how often each was given, in the order of the log."""
        read = (tuple(word if isinstance(word, str) else tuple(word) for word in json.loads(t)) for t in self.texts)
        return dict(zip(read, self.times.tolist(), strict=True))

    def __len__(self) -> int:
        return len(self.texts)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, SearchedQueries):
            return NotImplemented
        return self.texts == other.texts and np.array_equal(self.times, other.times)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"SearchedQueries({len(self)})"


@dataclass(frozen=True)
class GraphSettings:
    """The arguments of `build_relational_graph` that the graph does not hold anyway, and what `max_share` left out.

    Attributes:
        word_fields, item_id, max_share, materialize, separator, title_field: as given.
        merge_fields: pairs of a merged field and its columns.
        dropped: the words that were left out, and how many items carry each.
        searched: the searched queries.
        min_support: how many items contain a query node at the least.
    """

    word_fields: tuple[str, ...]
    item_id: str = "item_id"
    max_share: float = 1.0
    materialize: bool | Literal["auto"] = "auto"
    separator: str = "|"
    merge_fields: tuple[tuple[str, tuple[str, ...]], ...] = ()
    dropped: tuple[tuple[Word, int], ...] = ()
    searched: SearchedQueries = field(default_factory=lambda: SearchedQueries.of({}))
    title_field: str | None = None
    min_support: int = 1

    def header(self) -> dict[str, object]:
        """All but the searched queries, as JSON can hold it."""
        return {
            "word_fields": list(self.word_fields),
            "item_id": self.item_id,
            "max_share": self.max_share,
            "materialize": self.materialize,
            "separator": self.separator,
            "merge_fields": [[name, list(members)] for name, members in self.merge_fields],
            "dropped": [[*word, count] for word, count in self.dropped],
            "title_field": self.title_field,
            "min_support": self.min_support,
        }

    @classmethod
    def of_header(cls, header: Mapping[str, Any], searched: SearchedQueries) -> "GraphSettings":
        """What `header` gave, read back.

        Raises:
            KeyError, TypeError, ValueError: a damaged header.
        """
        return cls(
            word_fields=tuple(header["word_fields"]),
            item_id=header["item_id"],
            max_share=float(header["max_share"]),
            materialize=header["materialize"],
            separator=header["separator"],
            merge_fields=tuple((name, tuple(members)) for name, members in header["merge_fields"]),
            dropped=tuple((Word(name, value), int(count)) for name, value, count in header["dropped"]),
            searched=searched,
            title_field=header.get("title_field"),  # files of earlier releases have none
            min_support=int(header.get("min_support", 1)),  # likewise
        )

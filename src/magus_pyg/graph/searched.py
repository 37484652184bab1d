"""Searched queries of a log: matched to words, and nodes of their own where longer than the enumerated ones."""

import logging
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from magus_pyg.errors import GraphError
from magus_pyg.graph._cells import is_missing
from magus_pyg.graph.combinations import Levels, by_size, count_pairs
from magus_pyg.graph.settings import QueryWording
from magus_pyg.graph.vocabulary import Vocabulary, Word
from magus_pyg.memory import require_memory
from magus_pyg.ragged import Ragged

__all__ = [
    "LongQueries",
    "count_queries",
    "listed_words",
    "match_queries",
    "match_wordings",
    "match_words",
    "one_word",
    "parse_query",
]

logger = logging.getLogger(__name__)

_PIECE = 2**22  # (query, item) pairs looked at at once

Query = str | Sequence[str | tuple[str, str] | None]


@dataclass(frozen=True)
class LongQueries:
    """L searched queries of more words than the enumerated combinations, each contained in some item.

    Attributes:
        words: [L] rows of word ids, sorted by size, then by words.
        item, item_part: int64 [E] each: item `item` contains long query `item_part`.
        parts: [L] rows: combinations (0..Q-1) and long queries (Q + l) strictly part of each.
    """

    words: Ragged
    item: Tensor
    item_part: Tensor
    parts: Ragged


def parse_query(query: Query, separator: str = "|") -> list[str | tuple[str, str]]:
    """The words of a query given as a text or as a sequence; blanks of a text and missing entries are left out.

    Raises:
        GraphError: an entry that is no word.
    """
    if isinstance(query, str):
        return [text for text in (part.strip() for part in query.split(separator)) if text]
    if not isinstance(query, Iterable):
        raise GraphError(f"a query is one word or a list of words, got {query!r}")
    words: list[str | tuple[str, str]] = []
    for word in [query] if isinstance(query, Word) else query:
        if isinstance(word, str):
            words.append(word)
        elif isinstance(word, tuple | list) and len(word) == 2 and all(isinstance(part, Hashable) for part in word):
            words.append((word[0], word[1]))
        elif not is_missing(word):
            raise GraphError(f"a word of a searched query is a value or a pair (field, value), got {word!r}")
    return words


def listed_words(words: Query, vocabulary: Vocabulary) -> list[str | tuple[str, str]]:
    """The words that somebody gives as one word (see `one_word`) or as several; missing entries are left out.

    Raises:
        GraphError: an entry that is no word, or as of `one_word`.
    """
    alone = one_word(words, vocabulary)
    return parse_query(words) if alone is None else [alone]


def one_word(words: Query, vocabulary: Vocabulary) -> str | tuple[str, str] | None:
    """The word, if it is one alone: a text, a `Word`, or a pair of texts of which the first is a word field.

    Raises:
        GraphError: a pair that may mean one word or two.
    """
    if isinstance(words, str | Word):
        return words
    if type(words) is tuple and len(words) == 2 and words[0] in vocabulary.words.fields and isinstance(words[1], str):
        field, value = str(words[0]), words[1]
        if vocabulary.find(field):
            raise GraphError(
                f"{words!r} may be one word, of the field {field!r}, or two: give [({field!r}, {value!r})] or "
                f"[{field!r}, {value!r}]"
            )
        return field, value
    return None


def count_queries(queries: Iterable[Query], separator: str = "|") -> dict[QueryWording, int]:
    """The distinct searched queries, and how often each was given.

    Args:
        queries: the searched queries, repeats allowed.
        separator: the text between the words of a query given as one text.

    Raises:
        GraphError: one text in place of a list of queries, or an entry that is no word.
    """
    if isinstance(queries, str):
        raise GraphError(f"queries must be a list of searched queries, got the text {queries!r}")
    distinct: dict[QueryWording, int] = {}
    for query in queries:
        words = tuple(parse_query(query, separator))
        distinct[words] = distinct.get(words, 0) + 1
    return distinct


def match_queries(
    distinct: Mapping[QueryWording, int],
    vocabulary: Vocabulary,
    levels: Levels,
    max_words: int,
    item_words: Ragged,
    min_support: int = 1,
) -> tuple[LongQueries, dict[str, int]]:
    """Match searched queries to words, and find those that need a node of their own.

    Args:
        distinct: the queries, as of `count_queries`.
        vocabulary: the words of the graph.
        levels: the enumerated combinations.
        max_words: the most words of an enumerated combination.
        item_words: [I] rows of word ids, ascending within a row.
        min_support: how many items contain a query node at the least.

    Returns:
        The long queries, and the counts: "searched queries", "searched words unknown or ambiguous", "searched
        queries that no item contains" (or too few), "searched queries without a known word".

    Raises:
        GraphError: more pairs of long queries and items than the memory holds.
    """
    matched, counts = match_wordings(distinct, vocabulary)
    counts["searched queries that no item contains"] = 0
    rows = sorted(matched, key=lambda ids: (len(ids), ids))
    ragged = Ragged.from_lists([list(ids) for ids in rows])
    whole = torch.zeros(len(rows), dtype=torch.bool)
    for chosen, words_of_size in by_size(ragged):
        if words_of_size.shape[1] <= max_words:  # then some item contains the query if it is among the enumerated
            whole[chosen] = levels.find(words_of_size) >= 0
    longer = torch.nonzero(ragged.lengths > max_words).flatten()
    holding, item = _containing(ragged.select(longer), item_words, levels.n_words)
    enough = torch.bincount(holding, minlength=longer.numel()) >= min_support
    whole[longer] = enough
    holding, item = holding[enough[holding]], item[enough[holding]]
    counts["searched queries that no item contains"] = sum(
        matched[ids] for ids, kept in zip(rows, whole.tolist(), strict=True) if not kept
    )
    for what, number in list(counts.items())[1:]:
        if number:
            logger.info("%s: %d", what, number)
    held = whole[longer]
    number_of = held.cumsum(0) - 1
    long = ragged.select(longer[held])
    return _long_queries(long, item, number_of[holding], levels, max_words), counts


def match_wordings(
    distinct: Mapping[QueryWording, int], vocabulary: Vocabulary
) -> tuple[dict[tuple[int, ...], int], dict[str, int]]:
    """Match searched queries to words (reading 3); arguments and counts as of `match_queries`.

    Returns:
        The queries by their known words, ids ascending, in the order given, and how often each was given; those that
        differ in unknown words alone are one. And the counts.
    """
    counts = {
        "searched queries": sum(distinct.values()),
        "searched words unknown or ambiguous": 0,
        "searched queries without a known word": 0,
    }
    matched: dict[tuple[int, ...], int] = {}
    for words, times in distinct.items():
        ids, lost = match_words(words, vocabulary)
        counts["searched words unknown or ambiguous"] += lost * times
        if ids:
            matched[ids] = matched.get(ids, 0) + times
        else:
            counts["searched queries without a known word"] += times
    return matched, counts


def match_words(words: Iterable[str | tuple[str, str]], vocabulary: Vocabulary) -> tuple[tuple[int, ...], int]:
    """The ids of known words, ascending and distinct, and how many words were unknown or ambiguous."""
    ids, lost = set(), 0
    for word in words:
        found = vocabulary.find(word)
        if len(found) == 1:
            ids.add(found[0])
        else:
            lost += 1
    return tuple(sorted(ids)), lost


def _containing(queries: Ragged, rows: Ragged, n_words: int) -> tuple[Tensor, Tensor]:
    """Which rows hold all words of a query: `(query, row)`, int64 [pairs] each, ascending by query, then by row.

    The rows that hold the rarest word of a query are looked through for its other words, some queries at a time.

    Args:
        queries: [L] rows of word ids, at least one word each.
        rows: [R] rows of word ids, ascending within a row.
        n_words: W.

    Raises:
        GraphError: if there are more pairs than the memory holds.
    """
    none = torch.zeros(0, dtype=torch.int64)
    if not len(queries):
        return none, none
    holders = rows.transpose(n_words)
    held = rows.row * n_words + rows.index  # ascending
    frequency = holders.lengths
    rare_first = np.lexsort((frequency[queries.index].numpy(), queries.row.numpy()))
    words = queries.index[torch.from_numpy(rare_first)]
    lengths, start = queries.lengths, queries.ptr[:-1]
    cost = frequency[words[start]].cumsum(0)
    found_query, found_row = [none], [none]
    first, pairs = 0, 0
    while first < len(queries):
        before = int(cost[first - 1]) if first else 0
        last = max(int(torch.searchsorted(cost, before + _PIECE, right=True)), first + 1)
        query, row = holders.gather(words[start[first:last]])
        query += first
        for place in range(1, int(lengths[first:last].max())):
            more = lengths[query] > place
            key = row[more] * n_words + words[start[query[more]] + place]
            kept = ~more
            kept[more] = held[torch.searchsorted(held, key).clamp_(max=held.numel() - 1)] == key
            query, row = query[kept], row[kept]
        found_query.append(query)
        found_row.append(row)
        pairs += query.numel()
        advice = f"pass fewer searched queries of many words ({len(queries):,} are longer than max_words)"
        require_memory(24 * pairs, f"R+ of the first {last:,} long searched queries", advice)
        first = last
    return torch.cat(found_query), torch.cat(found_row)


def _long_queries(words: Ragged, item: Tensor, item_part: Tensor, levels: Levels, max_words: int) -> LongQueries:
    """The long queries with what contains them and what they contain."""
    none = torch.zeros(0, dtype=torch.int64)
    if not len(words):
        return LongQueries(words, none, none, Ragged.from_pairs(none, none, 0))
    short = count_pairs(words.lengths, max_words)
    require_memory(24 * short, f"R+ with {short:,} parts of long searched queries", "lower max_words")
    row, part = [], []
    for chosen, of_size in by_size(words):
        # Some item contains the query, so each of its short combinations exists.
        subsets = levels.subsets(of_size, max_words)
        row.append(chosen.unsqueeze(1).expand_as(subsets).reshape(-1))
        part.append(subsets.reshape(-1))
    inner, outer = _containing(words, words, levels.n_words)
    nested = inner != outer
    row.append(outer[nested])
    part.append(inner[nested] + levels.total)
    rows, parts = torch.cat(row), torch.cat(part)
    order = torch.argsort(rows * (levels.total + len(words)) + parts)
    return LongQueries(words, item, item_part, Ragged.from_pairs(rows[order], parts[order], len(words)))

"""Searched queries of a log: matched to words, and nodes of their own where longer than the enumerated ones."""

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
from scipy import sparse
from torch import Tensor

from magus_pyg.errors import GraphError
from magus_pyg.graph.combinations import Combinations
from magus_pyg.graph.words import Vocabulary
from magus_pyg.ragged import Ragged

__all__ = ["LongQueries", "match_queries", "parse_query"]

logger = logging.getLogger(__name__)

Query = str | Sequence[str | tuple[str, str]]


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
    """The words of a query given as a text or as a sequence; blanks of a text are left out.

    Raises:
        GraphError: an entry that is no word.
    """
    if isinstance(query, str):
        return [text for text in (part.strip() for part in query.split(separator)) if text]
    for word in query:
        if not isinstance(word, str) and (not isinstance(word, tuple | list) or len(word) != 2):
            raise GraphError(f"a word of a searched query is a value or a pair (field, value), got {word!r}")
    return [word if isinstance(word, str) else (word[0], word[1]) for word in query]


def match_queries(
    queries: Iterable[Query],
    vocabulary: Vocabulary,
    item_words: Ragged,
    base: Combinations,
    max_words: int,
    separator: str = "|",
) -> tuple[LongQueries, dict[str, int]]:
    """Match searched queries to words, and find those that need a node of their own.

    Args:
        queries: the searched queries, repeats allowed.
        vocabulary: the words of the graph.
        item_words: [I] rows of word ids.
        base: the enumerated combinations.
        max_words: the most words of an enumerated combination.
        separator: the text between the words of a query given as one text.

    Returns:
        The long queries, and the counts: "searched queries", "searched words unknown or ambiguous", "searched
        queries that no item contains", "searched queries without a known word".

    Raises:
        GraphError: one text in place of a list of queries, or an entry that is no word.
    """
    if isinstance(queries, str):
        raise GraphError(f"queries must be a list of searched queries, got the text {queries!r}")
    distinct: dict[tuple[str | tuple[str, str], ...], int] = {}
    for query in queries:
        words = tuple(parse_query(query, separator))
        distinct[words] = distinct.get(words, 0) + 1
    counts = {
        "searched queries": sum(distinct.values()),
        "searched words unknown or ambiguous": 0,
        "searched queries without a known word": 0,
        "searched queries that no item contains": 0,
    }
    matched: dict[tuple[int, ...], int] = {}
    for words, times in distinct.items():
        ids, lost = match_words(words, vocabulary)
        counts["searched words unknown or ambiguous"] += lost * times
        if ids:
            matched[ids] = matched.get(ids, 0) + times
        else:
            counts["searched queries without a known word"] += times

    rows = sorted(matched, key=lambda ids: (len(ids), ids))
    contains = _contains(rows, item_words, len(vocabulary.words))  # [rows, I]
    whole = contains.getnnz(axis=1) > 0
    counts["searched queries that no item contains"] = sum(
        matched[ids] for ids, kept in zip(rows, whole, strict=True) if not kept
    )
    long = [position for position, ids in enumerate(rows) if whole[position] and len(ids) > max_words]
    for what, number in list(counts.items())[1:]:
        if number:
            logger.info("%s: %d", what, number)
    return _long_queries([rows[p] for p in long], contains[long], base, max_words, len(vocabulary.words)), counts


def match_words(words: Iterable[str | tuple[str, str]], vocabulary: Vocabulary) -> tuple[tuple[int, ...], int]:
    """The ids of known words, ascending and distinct, and how many words were unknown or ambiguous."""
    ids, lost = set(), 0
    for word in words:
        found = (
            vocabulary.by_value.get(word, [])
            if isinstance(word, str)
            else [vocabulary.by_word[word]]
            if word in vocabulary.by_word
            else []
        )
        if len(found) == 1:
            ids.add(found[0])
        else:
            lost += 1
    return tuple(sorted(ids)), lost


def _incidence(rows: Ragged, n_words: int) -> sparse.csr_matrix:
    values = torch.ones(rows.index.numel(), dtype=torch.int32).numpy()
    return sparse.csr_matrix((values, rows.index.numpy(), rows.ptr.numpy()), shape=(len(rows), n_words))


def _contains(rows: list[tuple[int, ...]], item_words: Ragged, n_words: int) -> sparse.csr_matrix:
    """bool [rows, I]: the items that have all words of a row."""
    ragged = Ragged.from_lists([list(ids) for ids in rows])
    common = (_incidence(ragged, n_words) @ _incidence(item_words, n_words).T).tocoo()
    full = common.data == ragged.lengths.numpy()[common.row]
    return sparse.csr_matrix(
        (common.data[full] > 0, (common.row[full], common.col[full])), shape=(len(rows), len(item_words))
    )


def _long_queries(
    rows: list[tuple[int, ...]], contains: sparse.csr_matrix, base: Combinations, max_words: int, n_words: int
) -> LongQueries:
    words = Ragged.from_lists([list(ids) for ids in rows])
    none = torch.zeros(0, dtype=torch.int64)
    if not rows:
        return LongQueries(words, none, none, Ragged.from_pairs(none, none, 0))
    pairs = contains.tocoo()
    # Their short parts are combinations of some item that contains them, so each exists: count common words.
    short = (_incidence(words, n_words) @ _incidence(base.words, n_words).T).tocoo()
    is_part = short.data == base.words.lengths.numpy()[short.col]
    nested = (_incidence(words, n_words) @ _incidence(words, n_words).T).tocoo()
    is_nested = (nested.data == words.lengths.numpy()[nested.col]) & (nested.row != nested.col)
    row = torch.cat([_long(short.row[is_part]), _long(nested.row[is_nested])])
    part = torch.cat([_long(short.col[is_part]), _long(nested.col[is_nested]) + len(base.words)])
    return LongQueries(words, _long(pairs.col), _long(pairs.row), Ragged.from_pairs(row, part, len(rows)))


def _long(values: object) -> Tensor:
    return torch.as_tensor(values, dtype=torch.int64)

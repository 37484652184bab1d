"""What sessions are given: scores by node or by item id, ids, and words as people write them."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from magus_pyg.errors import GraphError, ModelError
from magus_pyg.graph import Word, id_texts, item_nodes, n_items
from magus_pyg.graph.searched import listed_words, match_wordings

__all__ = ["Scores", "SearchedWords", "Wording", "read_searched", "read_words", "scores_by_node"]

Wording = str | tuple[str, str]
"""A word: its value, or (field, value)."""

Scores = Tensor | Sequence[float] | Mapping[str, float] | pd.Series
"""Base scores: [I] in node order, or by item id (a mapping, or a Series by its labels)."""

SearchedWords = tuple[tuple[Word, ...], ...]
"""Searched queries, each once, as the words of the graph."""


def scores_by_node(graph: HeteroData, scores: Scores) -> tuple[Tensor, Tensor | None]:
    """Base scores in node order.

    Args:
        graph: the relational graph.
        scores: [I]; or by item id, each item by its label.

    Returns:
        The scores [I], and which items have one, bool [I]; None for all.

    Raises:
        ModelError: a vector of another length, what is no number, or two scores of one item.
        GraphError: an unknown item id.
    """
    count = n_items(graph)
    if not isinstance(scores, Mapping | pd.Series):
        try:
            vector = scores if isinstance(scores, Tensor) else _vector(scores)
        except (TypeError, ValueError, OverflowError, RuntimeError) as error:
            raise ModelError(
                f"scores must be numbers, one per item, [{count}], got a {type(scores).__name__}"
            ) from error
        if vector.shape != (count,):
            raise ModelError(f"scores must have one value per item, [{count}], got {list(vector.shape)}")
        return vector, None
    ids, values = id_texts(scores.keys()), [_number(*entry) for entry in scores.items()]
    if len(set(ids)) < len(ids):
        twice = next(item for item, times in Counter(ids).items() if times > 1)
        raise ModelError(f"item {twice!r} has two scores")
    nodes = item_nodes(graph, ids)
    vector, given = torch.zeros(count, dtype=torch.float64), torch.zeros(count, dtype=torch.bool)
    vector[nodes], given[nodes] = torch.tensor(values, dtype=torch.float64), True
    return vector, None if bool(given.all()) else given


def _vector(scores: Any) -> Tensor:
    kind = torch.complex128 if np.iscomplexobj(scores) else torch.float64
    # Arrays of pandas are read-only, of which tensors warn.
    return torch.as_tensor(scores.copy() if isinstance(scores, np.ndarray) else scores, dtype=kind)


def _number(item: object, value: Any) -> float:
    what = f"the score of item {str(item)!r} is {value!r}"
    if np.iscomplexobj(value):
        raise ModelError(f"{what}: scores must be real numbers")
    try:
        if not isinstance(value, str | bytes):
            return float(value)
    except OverflowError:
        raise ModelError(f"the score of item {str(item)!r} is a number beyond float64: scale it down") from None
    except (TypeError, ValueError, RuntimeError):
        pass
    raise ModelError(f"{what}: scores must be numbers")


def read_words(graph: HeteroData, words: Wording | Sequence[Wording]) -> tuple[tuple[Word, ...], int]:
    """Words that a person says, as the graph has them, each once, in the order given.

    Args:
        graph: the relational graph.
        words: one word or several; see `listed_words`.

    Returns:
        The words, and how many were given that no item has; they are left out (reading 20).

    Raises:
        GraphError: a word that stands in several fields, what is no word, or nothing.
    """
    vocabulary = graph.vocabulary
    listed = listed_words(words, vocabulary)
    if not listed:
        raise GraphError("at least one word is needed")
    known = [word for word in listed if vocabulary.find(word)]
    found = dict.fromkeys(vocabulary.words[vocabulary.word_id(word)] for word in known)
    return tuple(found), len(listed) - len(known)


def read_searched(
    graph: HeteroData, searched: Iterable[Wording | Sequence[Wording]] | None
) -> tuple[SearchedWords, dict[str, int]]:
    """Searched queries as the graph has them: by their known words (reading 3), and each once.

    Args:
        graph: the relational graph.
        searched: the queries, each as for `listed_words`; None for none.

    Returns:
        The queries, and what was left out of them: see `match_wordings`; counts of 0 are not in it.

    Raises:
        GraphError: one text or word in place of a list of queries, or what is no word.
    """
    if isinstance(searched, str | Word) or not (searched is None or isinstance(searched, Iterable)):
        raise GraphError(f"searched must be a list of searched queries, got {searched!r}")
    given = Counter(tuple(listed_words(words, graph.vocabulary)) for words in searched or ())
    matched, counts = match_wordings(given, graph.vocabulary)
    del counts["searched queries"]
    words = graph.vocabulary.words
    return tuple(tuple(words[word] for word in ids) for ids in matched), {
        what: count for what, count in counts.items() if count
    }

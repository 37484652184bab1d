"""What sessions are given: scores by node or by item id, and words as people write them."""

from collections.abc import Mapping, Sequence

import pandas as pd
import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from magus_pyg.errors import GraphError, ModelError
from magus_pyg.graph import Word, item_nodes, n_items

__all__ = ["Scores", "Wording", "read_searched", "read_words", "scores_by_node"]

Wording = str | tuple[str, str]
"""A word: its value, or (field, value)."""

Scores = Tensor | Sequence[float] | Mapping[str, float] | pd.Series
"""Base scores: [I] in node order, or by item id (a mapping, or a Series by its labels)."""


def scores_by_node(graph: HeteroData, scores: Scores) -> tuple[Tensor, Tensor | None]:
    """Base scores in node order.

    Args:
        graph: the relational graph.
        scores: [I]; or by item id, each item by its label.

    Returns:
        The scores, floating [I], and which items have one, bool [I]; None for all.

    Raises:
        ModelError: a vector of another length, or two scores of one item.
        GraphError: an unknown item id.
    """
    count = n_items(graph)
    if not isinstance(scores, Mapping | pd.Series):
        vector = scores.detach() if isinstance(scores, Tensor) else torch.as_tensor(scores, dtype=torch.float64)
        if vector.shape != (count,):
            raise ModelError(f"scores must have one value per item, [{count}], got {list(vector.shape)}")
        return vector, None
    ids, values = [str(item) for item in scores.keys()], [float(value) for value in dict(scores).values()]  # noqa: SIM118
    if len(set(ids)) < len(ids):
        twice = next(item for item in ids if ids.count(item) > 1)
        raise ModelError(f"item {twice!r} has two scores")
    nodes = item_nodes(graph, ids)
    vector, given = torch.zeros(count, dtype=torch.float64), torch.zeros(count, dtype=torch.bool)
    vector[nodes], given[nodes] = torch.tensor(values, dtype=torch.float64), True
    return vector, None if bool(given.all()) else given


def read_words(graph: HeteroData, words: Wording | Sequence[Wording]) -> tuple[Word, ...]:
    """Words as the graph has them, each once, in the order given; one text, or one `Word`, is one word.

    Raises:
        GraphError: a word that is unknown or stands in several fields, or no word.
    """
    listed = [words] if isinstance(words, str | Word) else list(words)
    if not listed:
        raise GraphError("at least one word is needed")
    return tuple(dict.fromkeys(graph.vocabulary.words[graph.vocabulary.word_id(word)] for word in listed))


def read_searched(graph: HeteroData, searched: Sequence[Sequence[Wording]] | None) -> tuple[tuple[Word, ...], ...]:
    """Searched queries as the graph has them.

    Raises:
        GraphError: as of `read_words`.
    """
    return tuple(read_words(graph, words) for words in searched or ())

"""What sessions are given: scores by node or by item id, and words as people write them."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from magus_pyg.errors import GraphError, ModelError
from magus_pyg.graph import Word, item_id_of, item_nodes, n_items

__all__ = ["Scores", "Wording", "check_finite", "read_searched", "read_words", "scores_by_node"]

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
        ModelError: a vector of another length, what is no number, or two scores of one item.
        GraphError: an unknown item id.
    """
    count = n_items(graph)
    if not isinstance(scores, Mapping | pd.Series):
        try:
            vector = scores.detach() if isinstance(scores, Tensor) else torch.as_tensor(scores, dtype=torch.float64)
        except (TypeError, ValueError, RuntimeError) as error:
            raise ModelError(
                f"scores must be numbers, one per item, [{count}], got a {type(scores).__name__}"
            ) from error
        if vector.shape != (count,):
            raise ModelError(f"scores must have one value per item, [{count}], got {list(vector.shape)}")
        if vector.is_complex():
            raise ModelError(f"scores must be real numbers, got {vector.dtype}")
        return vector, None
    ids, values = [str(item) for item in scores.keys()], [_number(*entry) for entry in scores.items()]  # noqa: SIM118
    if len(set(ids)) < len(ids):
        twice = next(item for item in ids if ids.count(item) > 1)
        raise ModelError(f"item {twice!r} has two scores")
    nodes = item_nodes(graph, ids)
    vector, given = torch.zeros(count, dtype=torch.float64), torch.zeros(count, dtype=torch.bool)
    vector[nodes], given[nodes] = torch.tensor(values, dtype=torch.float64), True
    return vector, None if bool(given.all()) else given


def check_finite(graph: HeteroData, nodes: Tensor, values: Tensor) -> None:
    """Check the scores of items, floating [C] for their nodes int64 [C].

    Raises:
        ModelError: one that is NaN or infinite, or two further apart than a float64 can say.
    """
    if not values.numel():
        return
    low, high = (float(end) for end in torch.aminmax(values))
    if math.isfinite(high - low):
        return
    bad = torch.nonzero(~torch.isfinite(values)).flatten().tolist()
    if not bad:
        raise ModelError(f"scores from {low} to {high} are further apart than numbers go: scale them down")
    item = item_id_of(graph, int(nodes[bad[0]]))
    raise ModelError(f"the score of item {item!r} is {float(values[bad[0]])}: scores must be finite")


def _number(item: object, value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError):
        raise ModelError(f"the score of item {str(item)!r} is {value!r}: scores must be numbers") from None


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

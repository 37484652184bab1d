"""What holds of a graph to which items were added: it is that of all items, and old nodes are where the map says."""

import numpy as np
import torch
from torch_geometric.data import HeteroData

import magus_pyg as mp
from magus_pyg.graph import n_items, n_nodes, node_words


def assert_same(first: HeteroData, second: HeteroData) -> None:
    """Every number, word, count and setting."""
    assert first.edge_types == second.edge_types
    assert n_nodes(first) == n_nodes(second)
    assert first["node"].is_item.equal(second["node"].is_item)
    for edge in first.edge_types:
        mine, other = first[edge].edge_index, second[edge].edge_index
        assert mine.dtype == other.dtype
        assert torch.equal(mine, other), edge
        assert mine.is_contiguous()
    for name in ("word_ptr", "word_index"):
        assert first[name].dtype == second[name].dtype
        assert torch.equal(first[name], second[name]), name
    assert first.vocabulary.words == second.vocabulary.words
    assert first.vocabulary.words.fields == second.vocabulary.words.fields
    assert first.vocabulary.item_ids == second.vocabulary.item_ids
    for texts, same in zip(
        (first.vocabulary.item_ids, first.vocabulary.words.values),
        (second.vocabulary.item_ids, second.vocabulary.words.values),
        strict=True,
    ):
        assert texts.ends.dtype == same.ends.dtype
        for mine_index, other_index in zip(texts.index_arrays, same.index_arrays, strict=True):
            assert mine_index.dtype == other_index.dtype
            assert np.array_equal(mine_index, other_index)
    for name in ("n_items", "max_words", "relations", "counts", "settings"):
        assert first[name] == second[name], name


def assert_mapped(before: HeteroData, extension: mp.Extension) -> None:
    """Every old node is where the map says, with the same words, and the others are new."""
    graph, node_map = extension
    words = [frozenset(before.vocabulary.words[word] for word in row) for row in node_words(before).tolist()]
    now = [frozenset(graph.vocabulary.words[word] for word in row) for row in node_words(graph).tolist()]
    assert node_map.shape == (n_nodes(before),)
    assert node_map[: n_items(before)].tolist() == list(range(n_items(before)))
    for node, other in enumerate(node_map.tolist()):
        if other < 0:  # only a searched query can go, where one of its words became ambiguous
            assert len(words[node]) > before.max_words
            assert words[node] not in now[n_items(graph) :]
        else:
            assert words[node] == now[other]
    kept = node_map[node_map >= 0]
    assert bool((kept[1:] > kept[:-1]).all())
    assert sorted([*kept.tolist(), *extension.new_nodes.tolist()]) == list(range(n_nodes(graph)))

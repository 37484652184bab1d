"""Queries of too few items are left out: against itertools, by `auto`, among searched ones, in catalogues."""

from collections import Counter
from itertools import combinations
from pathlib import Path

import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch_geometric.data import HeteroData

import magus_pyg as mp
from magus_pyg.errors import GraphError
from magus_pyg.graph import (
    RelationalRows,
    RelationalTrees,
    build_relational_graph,
    extend_relational_graph,
    find_query,
    item_queries,
    load_graph,
    min_support,
    n_items,
    n_nodes,
    node_words,
    save_graph,
)
from magus_pyg.graph.combinations import enumerate_combinations
from magus_pyg.ragged import Ragged

Rows = list[set[int]]
CATALOGUES = st.lists(st.sets(st.integers(0, 6), max_size=6), min_size=1, max_size=7)


def words_of_items(rows: Rows) -> tuple[Ragged, int]:
    known = sorted(set().union(*rows))
    return Ragged.from_lists([sorted(known.index(word) for word in row) for row in rows]), len(known)


@given(CATALOGUES, st.integers(1, 4), st.integers(1, 4))
def test_combinations_of_enough_items_equal_itertools(rows: Rows, max_words: int, least: int) -> None:
    item_words, n_words = words_of_items(rows)
    items = [set(row) for row in item_words.tolist()]
    found = enumerate_combinations(item_words, n_words, max_words, least)
    support = Counter(c for row in items for k in range(1, max_words + 1) for c in combinations(sorted(row), k))
    expected = sorted((c for c, many in support.items() if many >= least), key=lambda c: (len(c), c))
    assert [tuple(row) for row in found.words.tolist()] == expected
    assert found.item_parts.tolist() == [[n for n, q in enumerate(expected) if set(q) <= row] for row in items]
    assert found.parts.tolist() == [[n for n, q in enumerate(expected) if set(q) < set(w)] for w in expected]
    for query, many in support.items():
        place = expected.index(query) if many >= least else -1
        assert found.levels.find(torch.tensor([query])).tolist() == [place]


@given(CATALOGUES, st.integers(1, 3), st.integers(1, 60))
def test_auto_leaves_out_what_one_item_contains_beyond_the_limit(rows: Rows, max_words: int, most: int) -> None:
    item_words, n_words = words_of_items(rows)
    every = enumerate_combinations(item_words, n_words, max_words)
    found = enumerate_combinations(item_words, n_words, max_words, "auto", most)
    assert found.min_support == (2 if len(every.words) > most else 1)
    expected = enumerate_combinations(item_words, n_words, max_words, found.min_support)
    assert found.words.tolist() == expected.words.tolist()
    assert found.item_parts.tolist() == expected.item_parts.tolist()


def shop() -> pd.DataFrame:
    tags = ["a|b|c|d", "a|b|c|e", "a|b|f", "c|d|g", "a|b|c|d", "h", ""]
    return pd.DataFrame({"item_id": [f"i{n}" for n in range(len(tags))], "tag": tags})


def shop_graph(least: int = 2, rows: slice = slice(None), **options: object) -> HeteroData:
    return build_relational_graph(shop()[rows], ["tag"], min_support=least, **options)  # type: ignore[arg-type]


def queries_of(graph: HeteroData) -> set[str]:
    words = [str(word.value) for word in graph.vocabulary.words]
    rows = node_words(graph).tolist()[n_items(graph) :]
    return {"".join(sorted(words[word] for word in row)) for row in rows}


def test_queries_by_hand() -> None:
    """a, b: 4 items; c: 4; d: 3; e, f, g, h: 1. abc: 3; abd, acd, bcd: 2; cd: 3."""
    assert queries_of(shop_graph()) == {
        "a", "b", "c", "d", "ab", "ac", "bc", "ad", "bd", "cd", "abc", "abd", "acd", "bcd"
    }  # fmt: skip
    assert queries_of(shop_graph(3)) == {"a", "b", "c", "d", "ab", "ac", "bc", "cd", "abc"}
    assert queries_of(shop_graph(5)) == set()
    graph = shop_graph()
    assert graph["node"].is_item.tolist() == [node < 7 for node in range(n_nodes(graph))]
    assert find_query(graph, ["h"]) is None


def test_searched_queries_have_as_many_items() -> None:
    """Of four words: abcd is of two items, abce of one. Of three: cdg is of one."""
    graph = shop_graph(queries=["a|b|c|d", "a|b|c|e", "c|d|g", "a|b|c"])
    assert "abcd" in queries_of(graph)
    assert queries_of(graph) - queries_of(shop_graph()) == {"abcd"}
    assert graph.counts["searched queries that no item contains"] == 2
    long = find_query(graph, ["a", "b", "c", "d"])
    assert [item for item, row in enumerate(item_queries(graph).tolist()) if long in row] == [0, 4]


def test_it_is_kept_and_items_are_added_by_it(tmp_path: Path) -> None:
    graph = build_relational_graph(shop()[:4], ["tag"], min_support="auto", max_queries=10)
    assert min_support(graph) == 2
    save_graph(graph, tmp_path / "graph")
    loaded = load_graph(tmp_path / "graph")
    assert min_support(loaded) == 2
    extension = extend_relational_graph(loaded, shop()[4:])
    rebuilt = shop_graph()
    assert extension.graph["node", "improves", "node"].edge_index.equal(rebuilt["node", "improves", "node"].edge_index)
    before = [set(row) for row in node_words(graph).tolist()]
    words = [str(word.value) for word in graph.vocabulary.words]
    after = [str(word.value) for word in rebuilt.vocabulary.words]
    for node, moved in enumerate(extension.node_map.tolist()):
        assert {words[word] for word in before[node]} == {after[word] for word in node_words(rebuilt).tolist()[moved]}


def test_what_is_refused() -> None:
    with pytest.raises(GraphError, match='min_support must be at least 1 or "auto", got 0'):
        shop_graph(0)
    with pytest.raises(GraphError, match="max_queries must be at least 1, got 0"):
        shop_graph(max_queries=0)
    with pytest.raises(GraphError, match="trees need the nodes of build_relational_graph with min_support=1"):
        RelationalTrees(shop_graph())


@given(CATALOGUES, st.data())
def test_rows_find_what_trees_find(rows: Rows, data: st.DataObject) -> None:
    items = pd.DataFrame({"item_id": range(len(rows)), "tag": ["|".join(map(str, row)) for row in rows]})
    graph = build_relational_graph(items, ["tag"], queries=["0|1|2|3", "1|2|3|4|5"])
    trees, flat = RelationalTrees(graph), RelationalRows(graph)
    node = data.draw(st.integers(0, n_nodes(graph) - 1))
    active = torch.tensor(data.draw(st.lists(st.booleans(), min_size=len(graph.word_ptr), max_size=n_nodes(graph) + 1)))
    assert flat.items_of(node).tolist() == trees.items_of(node).tolist()
    for offered in (None, active):
        expected, found = trees.touch(node, offered), flat.touch(node, offered)
        assert found.node.tolist() == expected.node.tolist()
        assert found.is_whole.tolist() == expected.is_whole.tolist()


@pytest.mark.parametrize("variant", ["base", "bayes"])
def test_a_catalogue_plays_as_a_session_of_all_items(variant: str) -> None:
    graph = shop_graph()
    scores = torch.arange(7.0)
    alone = mp.MagusSession(graph, scores, variant, list_length=2, rounds=4)
    shared = mp.Catalogue(graph, variant).session(scores, list_length=2, rounds=4)
    clicks = 0
    while not alone.done:
        lists = [[entry.node for entry in session.recommend()] for session in (alone, shared)]
        assert lists[0] == lists[1]
        query = next((node for node in lists[0] if node >= 7), None)
        clicks += query is not None
        for session in (alone, shared):
            session.feedback(query)
    assert clicks

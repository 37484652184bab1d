"""Words, query nodes and how a graph is read; what cannot be built or found."""

import logging
from itertools import combinations

import numpy as np
import pandas as pd
import pytest
import torch
from catalogues import APPLE_FIELDS, Catalogue, catalogues
from hypothesis import given
from hypothesis import strategies as st

from magus_pyg.errors import DataError, GraphError
from magus_pyg.graph import (
    IMPROVES,
    INDEPENDENT,
    INHIBITS,
    Word,
    build_relational_graph,
    build_word_table,
    find_query,
    improves_edges,
    item_id_of,
    item_node,
    item_queries,
    n_items,
    n_nodes,
    node_words,
    query_node,
    words_of,
)
from magus_pyg.graph.combinations import count_pairs, enumerate_combinations
from magus_pyg.graph.words import join_words
from magus_pyg.ragged import Ragged


def table(**columns: list[object]) -> pd.DataFrame:
    count = len(next(iter(columns.values())))
    return pd.DataFrame({"item_id": [f"i{n}" for n in range(count)], **columns})


# ---------------------------------------------------------------- words


def test_words_are_numbered_by_field_then_value() -> None:
    words = build_word_table(table(b=["y|x", "x", None], a=["x", " ", "y | y"]), ["b", "a"])
    assert words.words == (Word("b", "x"), Word("b", "y"), Word("a", "x"), Word("a", "y"))
    assert words.item_words.tolist() == [[0, 1, 2], [0], [3]]
    assert words.wordless == 0
    assert str(words.words[0]) == "x"


def test_merged_fields_share_their_words() -> None:
    items = table(top=["food", "drink"], brand=["x", "x"], sub=["milk|food", "milk"])
    words = build_word_table(items, ["top", "brand", "sub"], {"category": ["top", "sub"]})
    assert words.words == (
        *(Word("category", "drink"), Word("category", "food"), Word("category", "milk")),
        Word("brand", "x"),
    )
    assert words.item_words.tolist() == [[1, 2, 3], [0, 2, 3]]
    by_name = build_word_table(items, ["category", "brand"], {"category": ["top", "sub"]})
    assert by_name.words == words.words
    assert by_name.item_words.tolist() == words.item_words.tolist()


@given(catalogue=catalogues(), cut=st.integers(0, 6))
def test_words_of_two_tables_are_joined_in_order(catalogue: Catalogue, cut: int) -> None:
    parts = [catalogue.table[:cut], catalogue.table[cut:], catalogue.table[:0], catalogue.table]
    *tables, whole = [build_word_table(part, catalogue.word_fields, catalogue.merge_fields).words for part in parts]
    joined, numbers = join_words(tables)
    assert joined == whole
    assert joined.fields == whole.fields
    for words, number in zip(tables, numbers, strict=True):
        assert [joined[place] for place in number.tolist()] == list(words)


def test_max_share_leaves_out_what_more_items_carry(caplog: pytest.LogCaptureFixture) -> None:
    items = table(a=["x", "x", "x", "y"], b=["z", "z", None, None])
    with caplog.at_level(logging.INFO):
        words = build_word_table(items, ["a", "b"], max_share=0.5)
    assert words.dropped == (Word("a", "x"),)  # 3 of 4; z is on 2 of 4, which is not more than half
    assert words.words == (Word("a", "y"), Word("b", "z"))
    assert words.item_words.tolist() == [[1], [1], [], [0]]
    assert words.wordless == 1
    assert "a=x (75%)" in caplog.text
    graph = build_relational_graph(items, ["a", "b"], max_share=0.5)
    assert graph.counts["words dropped by max_share"] == 1
    assert graph.counts["items without words"] == 1


@pytest.mark.parametrize("share", [0.0, -1.0, 1.01, float("nan")])
def test_max_share_out_of_range(share: float) -> None:
    with pytest.raises(GraphError, match=r"max_share must be in \(0, 1\]"):
        build_word_table(table(a=["x"]), ["a"], max_share=share)


@pytest.mark.parametrize(
    ("fields", "merge", "message"),
    [
        (["a", "colour"], {}, "'colour'"),
        (["a"], {"m": ["a", "size"]}, "'size'"),
        (["a"], {"m": ["a"], "n": ["a"]}, "merged into both 'm' and 'n'"),
        (["a"], {"m": "a"}, "must be a list"),
        ("a", {}, "word_fields must be a list of fields, got the text 'a'"),
    ],
)
def test_unusable_fields_are_named(fields: list[str] | str, merge: dict[str, list[str]], message: str) -> None:
    with pytest.raises(DataError, match=message):
        build_word_table(table(a=["x"]), fields, merge)


def test_values_that_are_no_text_become_text() -> None:
    words = build_word_table(table(year=[1999, 2001], price=[1.5, np.nan]), ["year", "price"])
    assert words.words == (Word("year", "1999"), Word("year", "2001"), Word("price", "1.5"))
    assert words.item_words.tolist() == [[0, 2], [1]]


# ---------------------------------------------------------------- combinations


@given(
    st.lists(st.sets(st.integers(0, 6), max_size=6), min_size=1, max_size=6),
    st.integers(1, 4),
)
def test_combinations_equal_itertools(rows: list[set[int]], max_words: int) -> None:
    known = sorted(set().union(*rows))
    rows = [{known.index(word) for word in row} for row in rows]  # every word is in some row
    item_words = Ragged.from_lists([sorted(row) for row in rows])
    found = enumerate_combinations(item_words, len(known), max_words)
    expected = sorted(
        {c for row in rows for k in range(1, max_words + 1) for c in combinations(sorted(row), k)},
        key=lambda c: (len(c), c),
    )
    assert [tuple(row) for row in found.words.tolist()] == expected
    parts = [[n for n, q in enumerate(expected) if set(q) <= row] for row in rows]
    assert found.item_parts.tolist() == parts
    assert found.parts.tolist() == [[n for n, q in enumerate(expected) if set(q) < set(w)] for w in expected]
    assert count_pairs(item_words.lengths, max_words) == sum(map(len, parts))


def test_max_words_below_one() -> None:
    with pytest.raises(GraphError, match="max_words must be at least 1, got 0"):
        build_relational_graph(table(a=["x"]), ["a"], max_words=0)


def test_a_large_vocabulary_keeps_its_combinations_apart() -> None:
    # Keys of pairs and triples of 3,000 words: 2.7e10 would not fit 32 bits.
    count = 1000
    items = table(**{field: [f"{field}{n}" for n in range(count)] for field in "abc"})
    graph = build_relational_graph(items, list("abc"))
    assert n_nodes(graph) == count + 7 * count
    for item in (0, 1, 500, 999):
        node = find_query(graph, [f"c{item}", f"a{item}", f"b{item}"])
        assert node is not None
        assert words_of(graph, node) == words_of(graph, item)
    assert find_query(graph, ["a0", "b1"]) is None
    assert find_query(graph, ("a", "a0")) == find_query(graph, "a0") == find_query(graph, [("a", "a0")])


# ---------------------------------------------------------------- reading a graph


@given(catalogues())
def test_round_trips(catalogue: Catalogue) -> None:
    graph = build_relational_graph(catalogue.table, **catalogue.build_arguments, materialize=False)
    assert n_items(graph) == len(catalogue.table)
    for node in range(n_items(graph)):
        assert item_node(graph, item_id_of(graph, node)) == node
    for node in range(n_items(graph), n_nodes(graph)):
        words = words_of(graph, node)
        assert find_query(graph, words[::-1]) == node
        assert query_node(graph, tuple(node_words(graph).tolist()[node])) == node
        values = [word.value for word in words]
        if all(len(graph.vocabulary.by_value[value]) == 1 for value in values):
            assert find_query(graph, values) == node


def test_find_query_by_value_and_by_field(apple: pd.DataFrame) -> None:
    graph = build_relational_graph(apple, APPLE_FIELDS)
    assert find_query(graph, "pro") == 6
    assert find_query(graph, ["pro"]) == 6
    assert find_query(graph, ["grey", "macbook"]) == find_query(graph, [("line", "macbook"), "grey", "grey"]) == 10
    assert find_query(graph, ["iphone", "grey"]) is None
    with pytest.raises(GraphError, match="unknown word 'galaxy'"):
        find_query(graph, ["galaxy"])
    with pytest.raises(GraphError, match=r"unknown word 'pro' in field 'line'.*\['colour', 'level', 'line'\]"):
        find_query(graph, [("line", "pro")])
    with pytest.raises(GraphError, match="at least one word"):
        find_query(graph, [])
    for word in (3, ("line",), None):
        with pytest.raises(GraphError, match=r"a word is a value or a pair \(field, value\), got"):
            find_query(graph, [word])  # type: ignore[list-item]


def test_a_value_in_two_fields_is_ambiguous() -> None:
    graph = build_relational_graph(table(brand=["apple", "pear"], fruit=["pear", "apple"]), ["brand", "fruit"])
    with pytest.raises(GraphError, match=r"'apple' is ambiguous: .*\['brand', 'fruit'\]"):
        find_query(graph, ["apple"])
    assert words_of(graph, find_query(graph, [("fruit", "apple")])) == (Word("fruit", "apple"),)


@pytest.mark.parametrize("node", [-1, 13, True, 1.5])
def test_nodes_outside_the_graph(apple: pd.DataFrame, node: float) -> None:
    graph = build_relational_graph(apple, APPLE_FIELDS)
    with pytest.raises(GraphError, match=r"is not in the graph: its nodes are 0\.\.12"):
        words_of(graph, node)


def test_items_and_queries_are_told_apart(apple: pd.DataFrame) -> None:
    graph = build_relational_graph(apple, APPLE_FIELDS)
    with pytest.raises(GraphError, match="node 10 is the query 'macbook grey', not an item"):
        item_id_of(graph, 10)
    with pytest.raises(GraphError, match="unknown item id 'Z': the graph has 3 items"):
        item_node(graph, "Z")


# ---------------------------------------------------------------- item tables


@pytest.mark.parametrize(
    ("items", "message"),
    [
        (pd.DataFrame({"id": ["i"], "a": ["x"]}), "no column 'item_id'"),
        (pd.DataFrame({"item_id": ["i"], "b": ["x"]}), "word field 'a'"),
        (pd.DataFrame({"item_id": [], "a": []}), "at least one item"),
        (pd.DataFrame({"item_id": ["i", None], "a": ["x", "y"]}), "row 1 of the item table has no item_id"),
        (pd.DataFrame({"item_id": [1.0, np.nan], "a": ["x", "y"]}), "row 1 of the item table has no item_id"),
        (pd.DataFrame({"item_id": ["i", "j", "i"], "a": ["x"] * 3}), r"item_id 'i' stands twice .*row 2"),
        (pd.DataFrame({"item_id": [1, "1"], "a": ["x", "y"]}), "item_id '1' stands twice"),
    ],
)
def test_unusable_item_tables(items: pd.DataFrame, message: str) -> None:
    with pytest.raises(DataError, match=message):
        build_relational_graph(items, ["a"])


def test_item_ids_become_text_and_the_index_does_not_matter() -> None:
    items = pd.DataFrame({"sku": [10, 7], "a": ["x", "y"]}, index=[5, 5])
    graph = build_relational_graph(items, ["a"], item_id="sku")
    assert [item_id_of(graph, node) for node in (0, 1)] == ["10", "7"]
    assert item_node(graph, 7) == 1  # type: ignore[arg-type]


def test_one_item() -> None:
    graph = build_relational_graph(table(a=["x"]), ["a"])
    assert n_nodes(graph) == 2
    assert improves_edges(graph).tolist() == [[1], [0]]
    assert graph[INHIBITS].edge_index.shape == graph[INDEPENDENT].edge_index.shape == (2, 0)


@pytest.mark.parametrize("queries", [None, ["x", "y|z"]])
def test_no_words_at_all(queries: list[str] | None) -> None:
    graph = build_relational_graph(table(a=[None, " | "]), ["a"], queries=queries)
    assert n_nodes(graph) == 2
    assert graph.counts["items without words"] == 2
    assert improves_edges(graph).shape == (2, 0)
    assert graph[INHIBITS].edge_index.tolist() == [[0, 1], [1, 0]]  # two items
    assert item_queries(graph).tolist() == [[], []]
    assert words_of(graph, 0) == ()


def test_equal_items_are_two_nodes_and_neither_is_the_query() -> None:
    graph = build_relational_graph(table(a=["x", "x"]), ["a"])
    assert n_nodes(graph) == 3
    assert improves_edges(graph).tolist() == [[2, 2], [0, 1]]
    assert graph[INHIBITS].edge_index.tolist() == [[0, 1], [1, 0]]


def test_the_table_is_left_as_it_was(apple: pd.DataFrame) -> None:
    before = apple.copy(deep=True)
    build_relational_graph(apple, APPLE_FIELDS)
    pd.testing.assert_frame_equal(apple, before)


# ---------------------------------------------------------------- searched queries


def test_long_searched_queries_become_nodes(apple: pd.DataFrame) -> None:
    graph = build_relational_graph(
        apple,
        APPLE_FIELDS,
        max_words=1,
        queries=[
            "macbook|pro",  # longer than max_words: a node
            "pro | macbook",  # the same again
            ["grey", ("line", "macbook"), "pro"],  # a node that has the first as a part
            "iphone",  # is a node already
            "iphone|grey",  # no item contains it
            "galaxy|pro",  # one word unknown: the query `pro`
            "galaxy|",  # no word known
        ],
    )
    assert [" ".join(map(str, words_of(graph, node))) for node in range(3, n_nodes(graph))] == [
        *("airpods", "iphone", "macbook", "pro", "grey", "macbook pro", "macbook pro grey"),
    ]
    assert graph.counts == {
        "words dropped by max_share": 0,
        "items without words": 0,
        "searched queries": 7,
        "searched words unknown or ambiguous": 2,
        "searched queries without a known word": 1,
        "searched queries that no item contains": 1,
    }
    # Nodes: items A 0, B 1, C 2; airpods 3, iphone 4, macbook 5, pro 6, grey 7, macbook pro 8, macbook pro grey 9.
    assert graph[IMPROVES].edge_index.T.tolist() == [
        *([5, 0], [6, 0], [7, 0], [8, 0], [9, 0]),  # what item A contains
        *([3, 1], [4, 2], [6, 2]),
        *([5, 8], [6, 8]),
        *([5, 9], [6, 9], [7, 9], [8, 9]),
    ]
    assert find_query(graph, ["pro", "macbook"]) == 8
    assert find_query(graph, ["pro", "grey"]) is None


def test_long_searched_queries_contain_only_their_own_combinations() -> None:
    # Words a, b, c, d of one item; `a b c` is searched, and pairs are nodes already.
    graph = build_relational_graph(table(w=["a|b|c|d"]), ["w"], max_words=2, queries=["a|b|c"])
    node = find_query(graph, ["a", "b", "c"])
    assert node == n_nodes(graph) - 1
    part, whole = improves_edges(graph)
    parts = [" ".join(map(str, words_of(graph, number))) for number in part[whole == node].tolist()]
    assert parts == ["a", "b", "c", "a b", "a c", "b c"]


def test_long_searched_queries_contain_one_another_only_where_nested() -> None:
    queries = ["a|b|c", "b|c|d", "a|b|c|d"]
    graph = build_relational_graph(table(w=["a|b|c|d|e"]), ["w"], max_words=1, queries=queries)
    # Item 0, words a 1, b 2, c 3, d 4, e 5; a b c 6, b c d 7, a b c d 8.
    part, whole = improves_edges(graph)
    assert part[whole == 6].tolist() == [1, 2, 3]
    assert part[whole == 7].tolist() == [2, 3, 4]
    assert part[whole == 8].tolist() == [1, 2, 3, 4, 6, 7]
    assert (6, 7) in set(map(tuple, graph[INDEPENDENT].edge_index.T.tolist()))


@pytest.mark.parametrize(
    ("queries", "message"),
    [("a|b", "queries must be a list .*'a|b'"), ([["a", ("w",)]], r"\('w',\)"), ([["a", 7]], "got 7")],
)
def test_searched_queries_that_are_none(queries: object, message: str) -> None:
    with pytest.raises(GraphError, match=message):
        build_relational_graph(table(w=["a|b"]), ["w"], queries=queries)  # type: ignore[arg-type]


def test_an_ambiguous_searched_word_is_dropped_and_counted() -> None:
    items = table(brand=["apple", "pear"], fruit=["pear", "apple"])
    graph = build_relational_graph(items, ["brand", "fruit"], max_words=1, queries=["apple", [("fruit", "apple")]])
    assert graph.counts["searched words unknown or ambiguous"] == 1
    assert graph.counts["searched queries without a known word"] == 1


def test_searched_queries_of_a_generator_and_none_at_all() -> None:
    items = table(a=["x|y|z"])
    graph = build_relational_graph(items, ["a"], max_words=1, queries=(query for query in ["x|y"]))
    assert n_nodes(graph) == 1 + 3 + 1
    assert torch.equal(build_relational_graph(items, ["a"], queries=[]).word_index,
                       build_relational_graph(items, ["a"]).word_index)  # fmt: skip

"""What a cell of an item table is: lists are words as they are, whole numbers have no point, gaps make no word."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from magus_pyg.errors import DataError
from magus_pyg.graph import build_relational_graph, build_word_table, extend_relational_graph
from magus_pyg.graph.titles import read_titles


def _words(cells: object, separator: str = "|") -> list[list[str]]:
    table = build_word_table(pd.DataFrame({"f": cells}), ["f"], separator=separator)
    return [[str(table.words[word]) for word in row] for row in table.item_words.tolist()]


def _object(*cells: object) -> pd.Series:
    return pd.Series([*cells], dtype=object)


@pytest.mark.parametrize(
    "cells",
    [
        _object(["b", "a"], ["c", None], [], None),
        _object(("b", "a"), ("c", float("nan")), (), float("nan")),
        _object(np.array(["b", "a"]), np.array(["c", None], dtype=object), np.array([]), None),
        _object({"b", "a"}, frozenset(["c"]), set(), pd.NA),
        _object(["b", " a ", "b"], "c", "", None),
        pd.Series(pd.array(pa.array([["b", "a"], ["c", None], [], None]), dtype=pd.ArrowDtype(pa.list_(pa.string())))),
        _object("b|a", "c|", "|", None),
        pd.Series(["b|a", "c", "", None], dtype="category"),
    ],
)
def test_lists_and_texts_hold_the_same_words(cells: pd.Series) -> None:
    assert _words(cells) == [["a", "b"], ["c"], [], []]


def test_a_separator_is_for_texts_alone() -> None:
    assert _words(_object(["a|b", "c;d"], "a|b;c")) == [["a|b", "c;d"], ["a|b;c"]]
    assert _words(_object(["a|b"], ["x"])) == [["a|b"], ["x"]]
    assert _words(_object("a|b;c", "x"), ";") == [["a|b", "c"], ["x"]]


@pytest.mark.parametrize(
    "cells",
    [
        pd.Series([1994, 2001, None]),
        pd.Series([1994, 2001, None], dtype="Int64"),
        pd.Series([1994, 2001, None], dtype="float32"),
        _object(1994, 2001.0, None),
        _object("1994", 2001, np.nan),
        _object([1994], [2001.0, None], []),
        _object(np.array([1994.0]), np.array([2001.0, np.nan]), None),
        pd.Series([1994.0, 2001.0, None], dtype="category"),
        pd.Series(pa.array([1994.0, 2001.0, None]).to_pandas(), dtype=pd.ArrowDtype(pa.float64())),
        _object(b"1994", "2001", None),
    ],
)
def test_whole_numbers_have_no_point(cells: pd.Series) -> None:
    assert _words(cells) == [["1994"], ["2001"], []]


def test_other_numbers_are_as_they_were() -> None:
    assert _words(pd.Series([1.5, 2.0, float("inf")])) == [["1.5"], ["2"], ["inf"]]
    assert _words(_object(True, 1, "x")) == [["True"], ["1"], ["x"]]
    assert _words(pd.Series([1e300, -0.5])) == [["1e+300"], ["-0.5"]]


@pytest.mark.parametrize("cell", [{"a": 1}, [["a"]], [{"a": 1}], b"\xff"])
def test_what_is_no_word(cell: object) -> None:
    with pytest.raises(DataError, match=r"column 'f' of the item table holds (a dict|a list|bytes)"):
        _words(_object(cell, "x"))


def test_new_items_titles_and_ids_follow_the_same_rules() -> None:
    shop = pd.DataFrame({"item_id": [1.0, 2.0, 30.0], "year": [1994, 2001, None], "kind": [["m"], ["m", "b"], None]})
    graph = build_relational_graph(shop, ["year", "kind"], max_share=1.0)
    assert list(graph.vocabulary.item_ids) == ["1", "2", "30"]
    new = pd.DataFrame({"item_id": ["n"], "year": [1994], "kind": [("b", None, "m")]})
    more = extend_relational_graph(graph, new).graph
    assert [str(word) for word in more.vocabulary.words] == ["1994", "2001", "b", "m"]
    assert list(read_titles(pd.DataFrame({"t": [7, None, 7.5]}), "t")) == ["7", "", "7.5"]


def test_missing_entries_of_searched_queries_are_no_words() -> None:
    shop = pd.DataFrame({"item_id": ["x"], "kind": [["a", "b", "c", "d"]]})
    queries = [["a", None, "b", "c", float("nan"), "d"], ("d", ("kind", "c"), "b", "a", pd.NA)]
    graph = build_relational_graph(shop, ["kind"], max_words=3, max_share=1.0, queries=queries)
    plain = build_relational_graph(shop, ["kind"], max_words=3, max_share=1.0, queries=["a|b|c|d"])
    assert graph.num_nodes == plain.num_nodes == 1 + 4 + 6 + 4 + 1  # one item, its words, pairs, triples, and the query

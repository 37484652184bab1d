"""Items added to a graph: the graph of the joined table, number for number."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from catalogues import APPLE_FIELDS, apple_table, milk_table
from growing_graphs import assert_mapped, assert_same
from torch_geometric.data import HeteroData

import magus_pyg as mp
from magus_pyg.errors import DataError, GraphError
from magus_pyg.graph import IMPROVES, INDEPENDENT, INHIBITS, Word, build_relational_graph, n_nodes, node_words
from magus_pyg.graph.extend import extend_relational_graph


def milk_graph(rows: int, **settings: object) -> HeteroData:
    fields = ["brand", "kind", "offer"]
    return build_relational_graph(milk_table().head(rows), fields, **settings)  # type: ignore[arg-type]


# ---------------------------------------------------------------- by hand


def test_one_item_with_known_and_new_words() -> None:
    table = pd.DataFrame({"item_id": ["m", "c"], "brand": ["Oatly", "Kerry"], "kind": ["milk", "cheese"]})
    graph = build_relational_graph(table, ["brand", "kind"])
    # Nodes: m 0, c 1, Kerry 2, Oatly 3, cheese 4, milk 5, (Kerry, cheese) 6, (Oatly, milk) 7.
    assert n_nodes(graph) == 8
    new = pd.DataFrame({"item_id": ["n"], "brand": ["Kerry"], "kind": ["juice"], "colour": ["not a word field"]})
    extended, node_map = extend_relational_graph(graph, new)
    # m 0, c 1, n 2, Kerry 3, Oatly 4, cheese 5, juice 6, milk 7, (Kerry, cheese) 8, (Kerry, juice) 9, (Oatly, milk) 10.
    assert node_map.tolist() == [0, 1, 3, 4, 5, 7, 8, 10]
    assert mp.Extension(extended, node_map).new_nodes.tolist() == [2, 6, 9]
    assert extended.vocabulary.words == (
        *(Word("brand", "Kerry"), Word("brand", "Oatly")),
        *(Word("kind", "cheese"), Word("kind", "juice"), Word("kind", "milk")),
    )
    assert node_words(extended).tolist() == [
        *([1, 4], [0, 2], [0, 3]),
        *([0], [1], [2], [3], [4]),
        *([0, 2], [0, 3], [1, 4]),
    ]
    part, whole = extended[IMPROVES].edge_index.tolist()
    assert list(zip(whole, part, strict=True)) == [
        *((0, 4), (0, 7), (0, 10)),
        *((1, 3), (1, 5), (1, 8)),
        *((2, 3), (2, 6), (2, 9)),
        *((8, 3), (8, 5), (9, 3), (9, 6), (10, 4), (10, 7)),
    ]
    assert mp.find_query(extended, ["Kerry", "juice"]) == 9
    assert mp.item_node(extended, "n") == 2
    assert n_nodes(graph) == 8  # the graph before is as it was
    assert mp.find_query(graph, ["Kerry", "cheese"]) == 6


def test_an_equal_item_adds_no_query() -> None:
    graph = build_relational_graph(apple_table(), APPLE_FIELDS)
    extended, node_map = mp.extend_relational_graph(graph, apple_table().head(1).assign(item_id="A2"))
    assert n_nodes(extended) == n_nodes(graph) + 1
    assert node_map.tolist() == [0, 1, 2, *range(4, n_nodes(graph) + 1)]
    assert mp.words_of(extended, 3) == mp.words_of(graph, 0)


@pytest.mark.parametrize("materialize", [True, False, "auto"])
@pytest.mark.parametrize("rows", [1, 2, 3])
def test_relations_with_edges_are_made_again(rows: int, materialize: object) -> None:
    graph = milk_graph(rows, materialize=materialize)
    extended = extend_relational_graph(graph, milk_table()[rows:]).graph
    assert_same(extended, milk_graph(4, materialize=materialize))
    assert (INHIBITS in extended.edge_types) == (INDEPENDENT in extended.edge_types) == (materialize is not False)


@pytest.mark.parametrize("relations", ["swapped", "fields"])
def test_other_readings_of_the_relations(relations: str) -> None:
    graph = milk_graph(2, relations=relations)
    assert_same(extend_relational_graph(graph, milk_table()[2:]).graph, milk_graph(4, relations=relations))


def test_auto_follows_the_size() -> None:
    table = pd.DataFrame({"item_id": range(700), "word": [f"w{number}" for number in range(700)]})
    few = build_relational_graph(table.head(400), ["word"])
    assert INHIBITS in few.edge_types
    more = extend_relational_graph(few, table[400:]).graph
    assert INHIBITS not in more.edge_types
    assert_same(more, build_relational_graph(table, ["word"]))
    few = build_relational_graph(table.head(400), ["word"], relations="fields")
    with pytest.raises(GraphError, match="needs explicit edges, and 1400 nodes"):
        extend_relational_graph(few, table[400:])


# ---------------------------------------------------------------- max_share


def shares(values: list[str]) -> pd.DataFrame:
    return pd.DataFrame({"item_id": [f"i{n}" for n in range(len(values))], "w": values}, dtype=object)


@pytest.mark.parametrize(
    ("values", "old", "changes"),
    [
        (["x", "x", "y", "z", "x", "x"], 4, r"w=x \(67%: leave it out\)"),  # 2 of 4, then 4 of 6
        (["x", "x", "x", "y", "z", "z"], 4, r"w=x \(50%: take it in\)"),  # 3 of 4, then 3 of 6
        (["x", "x", "x", "y", "x", "z"], 4, None),  # left out before and after
        (["x", "y", "z", "u", "v", "v", "v", "v", "v"], 4, None),  # a new word on more than half of all
    ],
)
def test_shares_that_new_items_change(values: list[str], old: int, changes: str | None) -> None:
    table = shares(values)
    graph = build_relational_graph(table.head(old), ["w"], max_share=0.5)
    if changes is None:
        extended = extend_relational_graph(graph, table[old:]).graph
        assert_same(extended, build_relational_graph(table, ["w"], max_share=0.5))
        assert_same(extended, extend_relational_graph(graph, table[old:], common_words="keep").graph)
        return
    with pytest.raises(GraphError, match=rf"max_share=0.5 chooses other words: .*{changes}; build the graph again"):
        extend_relational_graph(graph, table[old:])
    kept = extend_relational_graph(graph, table[old:], common_words="keep").graph
    had = {word.value for word in graph.vocabulary.words}
    assert {word.value for word in kept.vocabulary.words} == had | ({"z"} if old < 5 else set())
    assert kept.settings.dropped == tuple((word, values.count(word.value)) for word, _ in graph.settings.dropped)
    # What was kept can go back: judged by all items again.
    again = shares([*values, *("uuvvrrss" if "x" in had else "xxxx")])
    if "x" in had:
        back = extend_relational_graph(kept, again[len(values) :]).graph
        assert_same(back, build_relational_graph(again, ["w"], max_share=0.5))


def test_many_changed_shares_are_counted() -> None:
    table = shares(["a|b|c|d|e|f|g", "h", "i", "a|b|c|d|e|f|g"])
    graph = build_relational_graph(table.head(3), ["w"], max_share=0.4)
    with pytest.raises(GraphError, match=r"w=e .*and 2 more"):
        extend_relational_graph(graph, table[3:])


# ---------------------------------------------------------------- searched queries


def test_a_searched_query_gets_its_first_item() -> None:
    table = pd.DataFrame({"item_id": ["0", "1", "2"], "w": ["a|b", "c|d", "a|b|c|d"]})
    graph = build_relational_graph(table.head(2), ["w"], max_words=2, queries=["a|b|c", "a|b|c", "a|e", "x"])
    assert mp.find_query(graph, ["a", "b", "c"]) is None
    assert graph.counts["searched queries that no item contains"] == 2
    extended = extend_relational_graph(graph, table[2:]).graph
    assert mp.find_query(extended, ["a", "b", "c"]) == n_nodes(extended) - 1
    assert extended.counts["searched queries that no item contains"] == 0
    rebuilt = build_relational_graph(table, ["w"], max_words=2, queries=["a|b|c", "a|b|c", "a|e", "x"])
    assert_same(extended, rebuilt)


def test_a_word_that_becomes_ambiguous_is_dropped_from_searched_queries() -> None:
    table = pd.DataFrame({"item_id": ["0", "1", "2"], "a": ["x|y|z|v", "x|y|v", "u"], "b": ["", "", "z"]}, dtype=object)
    queries = ["x|y|z", "x|y|v|z"]
    graph = build_relational_graph(table.head(2), ["a", "b"], max_words=2, queries=queries)
    assert mp.find_query(graph, ["x", "y", "z"]) == n_nodes(graph) - 2
    extension = extend_relational_graph(graph, table[2:])
    assert extension.node_map[-2:].tolist() == [-1, -1]
    assert mp.find_query(extension.graph, ["x", "y", "v"]) == n_nodes(extension.graph) - 1  # of items 0 and 1
    assert_mapped(graph, extension)
    assert_same(extension.graph, build_relational_graph(table, ["a", "b"], max_words=2, queries=queries))


def test_queries_of_odd_words_are_kept() -> None:
    queries = [[("a", "\ud800")], "\ud800", [("a", 3)], [("a", np.int64(3))], [(0, "x")], [["a", "x"], "y", "z"]]
    table = pd.DataFrame({"item_id": ["0", "1"], "a": ["x|y", "x|y|z|3"]})
    graph = build_relational_graph(table.head(1), ["a"], max_words=2, queries=queries)  # type: ignore[arg-type]
    rebuilt = build_relational_graph(table, ["a"], max_words=2, queries=queries)  # type: ignore[arg-type]
    assert_same(extend_relational_graph(graph, table[1:]).graph, rebuilt)


# ---------------------------------------------------------------- sizes 0 and 1


def test_no_new_items() -> None:
    graph = milk_graph(2)
    extension = extend_relational_graph(graph, milk_table().head(0))
    assert extension.graph is graph
    assert extension.node_map.tolist() == list(range(n_nodes(graph)))
    assert extension.new_nodes.tolist() == []
    with pytest.raises(DataError, match="no column 'item_id'"):
        extend_relational_graph(graph, pd.DataFrame())
    with pytest.raises(DataError, match="'kind'"):
        extend_relational_graph(graph, milk_table().head(0).drop(columns="kind"))


@pytest.mark.parametrize("first", ["", "x", "x|y"])
@pytest.mark.parametrize("second", ["", "x", "z|x", "u|v"])
@pytest.mark.parametrize("max_words", [1, 2])
def test_one_item_and_one_more(first: str, second: str, max_words: int) -> None:
    table = pd.DataFrame({"item_id": [1, 2], "w": [first, second]})
    graph = build_relational_graph(table.head(1), ["w"], max_words=max_words)
    extension = extend_relational_graph(graph, table[1:])
    assert_same(extension.graph, build_relational_graph(table, ["w"], max_words=max_words))
    assert_mapped(graph, extension)


# ---------------------------------------------------------------- files


def test_a_loaded_graph_takes_items(tmp_path: Path) -> None:
    settings = {"merge_fields": {"what": ["kind", "brand"]}, "max_share": 0.7, "queries": ["Milk|Brand A|On Sale"]}
    graph = milk_graph(2, max_words=1, **settings)
    mp.save_graph(graph, tmp_path / "g")
    loaded = mp.load_graph(tmp_path / "g")
    assert loaded.settings == graph.settings
    extended = extend_relational_graph(loaded, milk_table()[2:]).graph
    assert_same(extended, milk_graph(4, max_words=1, **settings))
    mp.save_graph(extended, tmp_path / "g")  # over the file that the old one is mapped from
    assert_same(mp.load_graph(tmp_path / "g"), extended)
    assert_same(loaded, graph)


# ---------------------------------------------------------------- bad input


def test_bad_tables() -> None:
    graph = milk_graph(2)
    new = milk_table()[2:]
    with pytest.raises(DataError, match="item_id 'A', 'B' of the new items: the graph has them already"):
        extend_relational_graph(graph, milk_table())
    many = pd.concat([milk_table().head(1).assign(item_id=f"i{number}") for number in range(8)])
    full = extend_relational_graph(graph, many).graph
    with pytest.raises(DataError, match="item_id 'i0', 'i1', 'i2', 'i3', 'i4' and 3 more of the new items"):
        extend_relational_graph(full, many)
    with pytest.raises(DataError, match="'D' stands twice"):
        extend_relational_graph(graph, pd.concat([new, new]))
    with pytest.raises(DataError, match="row 1 of the item table has no item_id"):
        extend_relational_graph(graph, new.assign(item_id=["D", None]))
    with pytest.raises(DataError, match="no column 'item_id'"):
        extend_relational_graph(graph, new.rename(columns={"item_id": "id"}))
    with pytest.raises(DataError, match="word field 'kind'"):
        extend_relational_graph(graph, new.drop(columns="kind"))
    with pytest.raises(GraphError, match='"raise" or "keep", got \'drop\''):
        extend_relational_graph(graph, new, common_words="drop")  # type: ignore[arg-type]
    assert_same(graph, milk_graph(2))


@pytest.mark.parametrize("store", ["node", IMPROVES])
def test_tensors_of_ones_own_are_not_lost(store: object) -> None:
    graph = milk_graph(2)
    graph[store].weight = torch.ones(3)
    with pytest.raises(GraphError, match=r"the graph holds .*weight, of which new nodes and edges have no values"):
        extend_relational_graph(graph, milk_table()[2:])


def test_too_little_memory_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    graph = milk_graph(2)
    monkeypatch.setattr("magus_pyg.memory.available_memory", lambda: 400)
    with pytest.raises(GraphError, match="would take about"):
        extend_relational_graph(graph, milk_table()[2:])


@pytest.mark.cuda
def test_a_graph_on_a_device_stays_there() -> None:
    graph = milk_graph(2).to("cuda")
    extended, node_map = extend_relational_graph(graph, milk_table()[2:])
    assert extended[IMPROVES].edge_index.is_cuda
    assert node_map.is_cuda
    assert_same(extended.to("cpu"), milk_graph(4))


def test_what_is_returned_is_independent_of_what_was() -> None:
    graph = milk_graph(2)
    extended = extend_relational_graph(graph, milk_table()[2:]).graph
    for tensor in (extended.word_ptr, extended.word_index, extended[IMPROVES].edge_index):
        tensor.zero_()
    assert_same(graph, milk_graph(2))


def test_a_graph_with_titles_is_extended_twice() -> None:
    table = pd.DataFrame({"item_id": ["a", "b", "c"], "brand": ["x", "y", "x"], "name": ["A one", "B two", "C three"]})
    graph = mp.build_relational_graph(table[:1], ["brand"], title_field="name")
    once = mp.extend_relational_graph(graph, table[1:2]).graph
    twice = mp.extend_relational_graph(once, table[2:]).graph
    whole = mp.build_relational_graph(table, ["brand"], title_field="name")
    assert twice.titles == whole.titles == ["A one", "B two", "C three"]
    assert type(twice.titles) is type(once.titles) is type(whole.titles)
    moved = mp.extend_relational_graph(once.to("cpu"), table[2:]).graph
    assert moved.titles == whole.titles

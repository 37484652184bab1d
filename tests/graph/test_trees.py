"""Relational trees: worked by hand on the milk graph, and equal to the flat rows of containment on any catalogue."""

from itertools import combinations

import pandas as pd
import pytest
import torch
from catalogues import APPLE_FIELDS, MILK_FIELDS, Catalogue, apple_table, catalogues, milk_table
from hypothesis import given
from hypothesis import strategies as st
from torch_geometric.data import HeteroData

import magus_pyg as mp
from magus_pyg.errors import GraphError
from magus_pyg.graph import (
    RelationalTrees,
    SessionGraphBuilder,
    item_queries,
    n_items,
    n_nodes,
    node_words,
    whole_units,
)
from magus_pyg.graph.access import node_wholes


def built(table: Catalogue) -> HeteroData:
    return mp.build_relational_graph(table.table, **table.build_arguments)  # type: ignore[arg-type]


def flat_sums(graph: HeteroData, values: torch.Tensor) -> torch.Tensor:
    """For every query the sum over the items that contain it, edge by edge, in the order of R+."""
    rows = item_queries(graph)
    units = whole_units(n_items(graph))
    sums = torch.zeros((n_nodes(graph), *values.shape[1:]), dtype=torch.float64)
    sums.index_add_(0, rows.index, (values.double() * units).round()[rows.row])
    return sums[n_items(graph) :] / units


def flat_touch(graph: HeteroData, node: int, active: set[int]) -> tuple[list[int], list[bool]]:
    """The nodes that an active item contains together with a node, and whether they contain it."""
    parts, wholes = item_queries(graph).tolist(), node_wholes(graph).tolist()
    holders = [item for item in range(n_items(graph)) if item in active and (item == node or node in parts[item])]
    touched = sorted({*holders, *(query for item in holders for query in parts[item])} - {node})
    return touched, [other in wholes[node] for other in touched]


def by_words(graph: HeteroData, item: int) -> dict[str, str]:
    """The tree of an item: the words of each query to those of its parent, "" for the root."""
    node, parent = RelationalTrees(graph).tree(item)
    assert node[0] == item
    assert parent[0] == -1
    name = ["" if at == item else "+".join(map(str, mp.words_of(graph, at))) for at in node.tolist()]
    return {name[at]: name[up] for at, up in enumerate(parent.tolist()) if at}


def test_the_trees_of_the_apples(apple: pd.DataFrame) -> None:
    """Words by field: macbook < pro < grey for item A; the whole set of B is one word, that of C two."""
    graph = mp.build_relational_graph(apple, APPLE_FIELDS, max_words=3)
    assert by_words(graph, 0) == {
        "macbook+pro+grey": "",
        "macbook+pro": "macbook+pro+grey",
        "macbook+grey": "macbook+pro+grey",
        "pro+grey": "macbook+pro+grey",
        "macbook": "macbook+pro",
        "pro": "macbook+pro",
        "grey": "macbook+grey",
    }
    assert by_words(graph, 1) == {"airpods": ""}
    assert by_words(graph, 2) == {"iphone+pro": "", "iphone": "iphone+pro", "pro": "iphone+pro"}


def test_the_milk_graph(milk: pd.DataFrame) -> None:
    """With two words a query, everything of two words hangs from the root; scores by hand."""
    graph = mp.build_relational_graph(milk, MILK_FIELDS, max_words=2)
    trees = RelationalTrees(graph)
    tree = by_words(graph, 3)  # the beef: Butcher, Beef, $9, On Sale
    assert sum(parent == "" for parent in tree.values()) == 6
    assert {name: parent for name, parent in tree.items() if "+" not in name} == {
        "Butcher": "Butcher+Beef",
        "Beef": "Butcher+Beef",
        "$9": "Butcher+$9",
        "On Sale": "Butcher+On Sale",
    }
    sums = dict(zip(trees.query.tolist(), trees.sums(torch.tensor([0.5, 0.25, 1.0, 0.125])).tolist(), strict=True))
    for words, expected in [(["Milk"], 1.75), (["Brand A"], 1.5), (["Brand A", "$3"], 1.5), (["On Sale"], 0.625)]:
        assert sums[mp.find_query(graph, words)] == expected  # type: ignore[index]
    node, is_whole = trees.touch(mp.find_query(graph, "On Sale"))  # type: ignore[arg-type]
    held = {query for item in (0, 3) for query in item_queries(graph).tolist()[item]}
    assert node.tolist() == [0, 3, *sorted(held - {mp.find_query(graph, "On Sale")})]
    wholes = [str(mp.words_of(graph, at)[-1]) == "On Sale" for at in node.tolist()]
    assert is_whole.tolist() == wholes


def test_items_with_the_same_words_share_their_tree() -> None:
    table = pd.DataFrame(
        {"item_id": list("abcdef"), "kind": ["x", "y", "x", "", "x", ""], "size": ["1", "1", "1", "", "2", ""]}
    )
    trees = RelationalTrees(mp.build_relational_graph(table, ["kind", "size"]))
    assert trees.n_shapes == 4
    assert trees.shape[0] == trees.shape[2]
    assert trees.shape[3] == trees.shape[5] == 0  # no words: the smallest set
    # 6 items to their sets, 2 x 3 from pairs to words; a set of two words is itself the query at the top.
    assert trees.n_edges == 12
    assert trees.shape.dtype == torch.int32
    assert "6 items, 7 queries, 4 word sets" in str(trees)


def test_equal_branches_are_stored_once() -> None:
    """100 items of three words each: 1,000 pairs (item, query) per 7, but what hangs from pairs is shared."""
    table = pd.DataFrame({"item_id": range(1000), "a": [f"a{n % 10}" for n in range(1000)]})
    table["b"] = [f"b{n // 10 % 10}" for n in range(1000)]
    table["c"] = [f"c{n // 100}" for n in range(1000)]
    trees = RelationalTrees(mp.build_relational_graph(table, ["a", "b", "c"]))
    # items to sets 1,000; to pairs 3 x 1,000; then a and b hang from the 100 pairs ab, c from the 100 pairs ac
    assert trees.n_edges == 1000 + 3000 + 200 + 100
    assert trees.n_shapes == 1000


@given(table=catalogues(max_items=8), seed=st.integers(0, 2**16), people=st.integers(0, 3))
def test_sums_are_those_of_the_flat_rows(table: Catalogue, seed: int, people: int) -> None:
    graph = built(table)
    trees = RelationalTrees(graph)
    generator = torch.Generator().manual_seed(seed)
    for shape in ((trees.n_items,), (trees.n_items, people)):
        values = torch.rand(shape, generator=generator, dtype=torch.float64)
        expected = flat_sums(graph, values)
        assert torch.equal(trees.sums(values), expected)
        assert torch.equal(trees.sums(values.float()), flat_sums(graph, values.float()))
        out = torch.full_like(expected, -1.0)
        assert trees.sums(values, out) is out
        assert torch.equal(out, expected)
    assert trees.query.tolist() == list(range(n_items(graph), n_nodes(graph)))
    assert trees.item.tolist() == list(range(n_items(graph)))


@given(table=catalogues(max_items=8), seed=st.integers(0, 2**16), parts=st.integers(1, 10))
def test_parts_add_up_to_the_whole(table: Catalogue, seed: int, parts: int) -> None:
    graph = built(table)
    trees = RelationalTrees(graph)
    values = torch.rand((trees.n_items, 2), generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    split = trees.split(parts)
    assert 1 <= len(split) <= min(parts, trees.n_shapes)
    assert sorted(item for part in split for item in part.item.tolist()) == trees.item.tolist()
    assert sum(part.n_shapes for part in split) == trees.n_shapes  # no word set is cut
    for given_values in (values, values[:, 0]):
        total = trees.add((part, part.sums(given_values[part.item])) for part in reversed(split))
        assert torch.equal(total, trees.sums(given_values))


@given(table=catalogues(max_items=8), data=st.data())
def test_a_selection_is_the_catalogue_of_its_items(table: Catalogue, data: st.DataObject) -> None:
    graph = built(table)
    trees = RelationalTrees(graph)
    chosen = data.draw(
        st.permutations(range(n_items(graph))).flatmap(lambda o: st.integers(0, len(o)).map(lambda n: o[:n]))
    )
    part = trees.select(torch.tensor(chosen, dtype=torch.int64))
    assert part.item.tolist() == chosen
    graphs = SessionGraphBuilder(graph).build(torch.tensor([chosen], dtype=torch.int64).reshape(1, -1))
    assert part.query.tolist() == [node for node in graphs.node[0].tolist() if node >= n_items(graph)]
    values = torch.rand(len(chosen), generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    everywhere = torch.zeros(n_items(graph), dtype=torch.float64)
    everywhere[chosen] = values
    assert torch.equal(part.sums(values), trees.sums(everywhere)[part.query - n_items(graph)])
    for node in range(n_nodes(graph)):
        touched, is_whole = part.touch(node)
        assert (touched.tolist(), is_whole.tolist()) == flat_touch(graph, node, set(chosen))
        assert part.items_of(node).tolist() == sorted(
            item for item in chosen if item == node or node in item_queries(graph).tolist()[item]
        )
    again = part.select(torch.tensor(chosen[:1], dtype=torch.int64))
    assert torch.equal(again.sums(values[:1]), trees.select(torch.tensor(chosen[:1]).long()).sums(values[:1]))


@given(table=catalogues(max_items=8), data=st.data())
def test_touch_is_that_of_the_flat_rows(table: Catalogue, data: st.DataObject) -> None:
    graph = built(table)
    trees = RelationalTrees(graph)
    offered = data.draw(st.sets(st.integers(0, n_items(graph) - 1)))
    active = torch.ones(n_nodes(graph), dtype=torch.bool)
    active[[item for item in range(n_items(graph)) if item not in offered]] = False
    for node in range(n_nodes(graph)):
        touched, is_whole = trees.touch(node)
        assert (touched.tolist(), is_whole.tolist()) == flat_touch(graph, node, set(range(n_items(graph))))
        touched, is_whole = trees.touch(node, active)
        assert (touched.tolist(), is_whole.tolist()) == flat_touch(graph, node, offered)


@given(table=catalogues())
def test_every_query_stands_once_in_a_tree_below_a_larger_one(table: Catalogue) -> None:
    graph = built(table)
    trees = RelationalTrees(graph)
    parts, words = item_queries(graph).tolist(), [set(row) for row in node_words(graph).tolist()]
    for item in range(n_items(graph)):
        node, parent = (column.tolist() for column in trees.tree(item))
        assert node == [item, *parts[item]]
        for at, up in list(enumerate(parent))[1:]:
            held, size = sorted(words[item]), len(words[node[at]])
            if size < min(len(held), table.max_words):
                lacks = next(word for word in held if word not in words[node[at]])
                assert words[node[up]] == words[node[at]] | {lacks}
                assert up > 0
            else:
                assert up == 0


def test_larger_word_sets_are_told_apart() -> None:
    """All sets of four to seven of seven words, max_words 2 and 3: more words than a query has."""
    sets = [chosen for size in (4, 5, 6, 7) for chosen in combinations("abcdefg", size)]
    table = pd.DataFrame({"item_id": range(2 * len(sets)), "word": ["|".join(chosen) for chosen in sets + sets[::-1]]})
    for most in (1, 2, 3):
        graph = mp.build_relational_graph(table, ["word"], max_words=most, materialize=False)
        trees = RelationalTrees(graph)
        assert trees.n_shapes == len(sets)
        assert torch.equal(trees.shape[: len(sets)], trees.shape[len(sets) :].flip(0))
        values = torch.rand(trees.n_items, generator=torch.Generator().manual_seed(most))
        assert torch.equal(trees.sums(values), flat_sums(graph, values))


@pytest.mark.parametrize("n", [1, 2])
def test_no_words(n: int) -> None:
    graph = mp.build_relational_graph(pd.DataFrame({"item_id": range(n), "kind": [""] * n}), ["kind"])
    trees = RelationalTrees(graph)
    assert (trees.n_items, trees.n_queries, trees.n_shapes) == (n, 0, 1)
    assert trees.sums(torch.ones(n)).shape == (0,)
    assert trees.sums(torch.ones(n, 3)).shape == (0, 3)
    assert [column.tolist() for column in trees.touch(0)] == [[], []]
    assert [column.tolist() for column in trees.tree(0)] == [[0], [-1]]
    assert trees.add((part, part.sums(torch.ones(part.n_items))) for part in trees.split(3)).shape == (0,)


def test_no_items_chosen(milk: pd.DataFrame) -> None:
    nothing = RelationalTrees(mp.build_relational_graph(milk, MILK_FIELDS)).select(torch.zeros(0, dtype=torch.int64))
    assert (nothing.n_items, nothing.n_queries, nothing.n_shapes, nothing.n_edges) == (0, 0, 0, 0)
    assert nothing.sums(torch.zeros(0)).shape == (0,)
    assert nothing.sums(torch.zeros(0, 2)).shape == (0, 2)
    assert nothing.touch(0).node.numel() == nothing.touch(5).node.numel() == 0
    assert nothing.split(2) == []


def test_memory_is_what_is_kept(milk: pd.DataFrame) -> None:
    trees = RelationalTrees(mp.build_relational_graph(milk, MILK_FIELDS))
    assert 0 < trees.nbytes < 64 * trees.n_edges


def test_whole_units_fill_float64() -> None:
    assert whole_units(1) == 2.0**40
    assert whole_units(0) == 2.0**40
    assert whole_units(2**12) == 2.0**40
    assert whole_units(2**12 + 1) == 2.0**39
    assert whole_units(1_090_390) == 2.0**31


def test_bad_input(milk: pd.DataFrame) -> None:
    graph = mp.build_relational_graph(milk, MILK_FIELDS)
    trees = RelationalTrees(graph)
    with pytest.raises(GraphError, match=r"\[4\] or \[4, B\], got \[3\]"):
        trees.sums(torch.zeros(3))
    with pytest.raises(GraphError, match=r"got \[4, 1, 1\]"):
        trees.sums(torch.zeros(4, 1, 1))
    with pytest.raises(GraphError, match=r"node 4 is no item: items are the nodes 0\.\.3"):
        trees.select(torch.tensor([0, 4]))
    with pytest.raises(GraphError, match="item 2 is chosen twice"):
        trees.select(torch.tensor([2, 0, 2]))
    with pytest.raises(GraphError, match="parts must be at least 1, got 0"):
        trees.split(0)
    with pytest.raises(GraphError, match="node 4 is not among the items"):
        trees.tree(4)
    with pytest.raises(GraphError, match="node 0 is not among the items"):
        trees.select(torch.tensor([1])).tree(0)
    with pytest.raises(GraphError, match="node 9999"):
        trees.touch(9999)
    graph["node", "improves", "node"].edge_index = graph["node", "improves", "node"].edge_index[:, 1:]
    with pytest.raises(GraphError, match="trees need the nodes of build_relational_graph"):
        RelationalTrees(graph)


@pytest.mark.cuda
@pytest.mark.parametrize("table", [apple_table, milk_table])
def test_cuda_gives_the_same(table: object) -> None:
    fields = APPLE_FIELDS if table is apple_table else MILK_FIELDS
    graph = mp.build_relational_graph(table(), fields)  # type: ignore[operator]
    here, there = RelationalTrees(graph), RelationalTrees(graph.clone().to("cuda"))
    values = torch.rand(n_items(graph), 2)
    for given_values in (values, values[:, 0]):
        assert torch.equal(there.sums(given_values.cuda()).cpu(), here.sums(given_values))
    for node in range(n_nodes(graph)):
        for one, other in zip(there.touch(node), here.touch(node), strict=True):
            assert torch.equal(one.cpu(), other)
    parts = there.split(2)
    total = there.add((part, part.sums(values.cuda()[part.item])) for part in parts)
    assert torch.equal(total.cpu(), here.sums(values))

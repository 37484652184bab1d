"""R+, R- and R⊥: every pair of two catalogues by hand, and random catalogues against brute force."""

import pandas as pd
import pytest
import torch
from catalogues import APPLE_FIELDS, MILK_FIELDS, Catalogue, catalogues, expected_relations, pairs
from hypothesis import given
from hypothesis import strategies as st
from torch_geometric.data import HeteroData

from magus_pyg.errors import GraphError
from magus_pyg.graph import (
    IMPROVES,
    INDEPENDENT,
    INHIBITS,
    build_relational_graph,
    find_query,
    item_queries,
    n_items,
    n_nodes,
    node_words,
    words_of,
)
from magus_pyg.graph.access import node_parts, node_wholes


def name(graph: HeteroData, node: int) -> str:
    """`item A` or the words of a query, as the tables below write them."""
    if node < n_items(graph):
        return f"item {graph.vocabulary.item_ids[node]}"
    return " ".join(str(word) for word in words_of(graph, node))


def named_pairs(graph: HeteroData, edge_type: tuple[str, str, str]) -> set[tuple[str, str]]:
    return {(name(graph, u), name(graph, v)) for u, v in pairs(graph[edge_type].edge_index)}


def both_ways(table: dict[str, str]) -> set[tuple[str, str]]:
    listed = [(u, v.strip()) for u, row in table.items() for v in row.split(",")]
    assert len(listed) == len(set(listed))
    return set(listed) | {(v, u) for u, v in listed}


# item A: macbook pro grey; item B: airpods; item C: iphone pro. Each unordered pair stands once in one of the tables.
APPLE_IMPROVES = {
    "airpods": "item B",
    "iphone": "item C, iphone pro",
    "macbook": "item A, macbook pro, macbook grey, macbook pro grey",
    "pro": "item A, item C, iphone pro, macbook pro, pro grey, macbook pro grey",
    "grey": "item A, macbook grey, pro grey, macbook pro grey",
    "iphone pro": "item C",
    "macbook pro": "item A, macbook pro grey",
    "macbook grey": "item A, macbook pro grey",
    "pro grey": "item A, macbook pro grey",
    "macbook pro grey": "item A",
}
APPLE_INHIBITS = {
    "item A": "item B, item C, airpods, iphone, iphone pro",
    "item B": "item C, iphone, macbook, pro, grey, iphone pro, macbook pro, macbook grey, pro grey, macbook pro grey",
    "item C": "airpods, macbook, grey, macbook pro, macbook grey, pro grey, macbook pro grey",
    "airpods": "iphone, macbook, pro, grey, iphone pro, macbook pro, macbook grey, pro grey, macbook pro grey",
    "iphone": "macbook, grey, macbook pro, macbook grey, pro grey, macbook pro grey",
    "iphone pro": "macbook, grey, macbook pro, macbook grey, pro grey, macbook pro grey",
}
APPLE_INDEPENDENT = {
    "iphone": "pro",
    "macbook": "pro, grey, pro grey",
    "pro": "grey, macbook grey",
    "grey": "macbook pro",
    "macbook pro": "macbook grey, pro grey",
    "macbook grey": "pro grey",
}


def test_every_pair_of_the_apple_catalogue(apple: pd.DataFrame) -> None:
    graph = build_relational_graph(apple, APPLE_FIELDS)
    assert n_nodes(graph) == 13  # 3 items, 5 words, 4 pairs of words, 1 triple
    assert graph["node"].is_item.tolist() == [True] * 3 + [False] * 10
    improves = {(part, whole.strip()) for part, row in APPLE_IMPROVES.items() for whole in row.split(",")}
    assert named_pairs(graph, IMPROVES) == improves
    assert named_pairs(graph, INHIBITS) == both_ways(APPLE_INHIBITS)
    assert named_pairs(graph, INDEPENDENT) == both_ways(APPLE_INDEPENDENT)
    assert len(improves) == 25
    assert len(both_ways(APPLE_INHIBITS)) == 2 * 43
    assert len(both_ways(APPLE_INDEPENDENT)) == 2 * 10  # 25 + 43 + 10 = 13 * 12 / 2


MILK_NODES = [
    *("item A", "item B", "item D", "item F", "Brand A", "Brand B", "Butcher", "Beef", "Milk", "Semi Skimmed"),
    *("Skimmed", "Whole", "1L", "2L", "$2", "$3", "$9", "On Sale"),
]
# One character a pair, rows and columns in the order above: + R+, - R-, o R⊥. Item A: Brand A, Milk, Semi Skimmed, 2L,
# $3, On Sale; B: Brand B, Milk, Skimmed, 1L, $2; D: Brand A, Milk, Whole, 2L, $3; F: Butcher, Beef, $9, On Sale.
MILK_TABLE = """
    . - - - + - - - + + - - - + - + - +
    - . - - - + - - + - + - + - + - - -
    - - . - + - - - + - - + - + - + - -
    - - - . - - + + - - - - - - - - + +
    + - + - . - - - o o - o - o - o - o
    - + - - - . - - o - o - o - o - - -
    - - - + - - . o - - - - - - - - o o
    - - - + - - o . - - - - - - - - o o
    + + + - o o - - . o o o o o o o - o
    + - - - o - - - o . - - - o - o - o
    - + - - - o - - o - . - o - o - - -
    - - + - o - - - o - - . - o - o - -
    - + - - - o - - o - o - . - o - - -
    + - + - o - - - o o - o - . - o - o
    - + - - - o - - o - o - o - . - - -
    + - + - o - - - o o - o - o - . - o
    - - - + - - o o - - - - - - - - . o
    + - - + o - o o o o - - - o - o o .
"""


def test_every_pair_of_the_milk_catalogue(milk: pd.DataFrame) -> None:
    graph = build_relational_graph(milk, MILK_FIELDS, max_words=1)
    assert [name(graph, node) for node in range(n_nodes(graph))] == MILK_NODES
    table = [line.split() for line in MILK_TABLE.split("\n") if line.strip()]
    nodes = range(len(MILK_NODES))
    queries = range(4, len(MILK_NODES))
    assert pairs(graph[IMPROVES].edge_index) == {(u, v) for u in queries for v in nodes if table[u][v] == "+"}
    assert pairs(graph[INHIBITS].edge_index) == {(u, v) for u in nodes for v in nodes if table[u][v] == "-"}
    assert pairs(graph[INDEPENDENT].edge_index) == {(u, v) for u in nodes for v in nodes if table[u][v] == "o"}


def test_the_three_scenarios_of_the_introduction(milk: pd.DataFrame) -> None:
    graph = build_relational_graph(milk, ["kind", "fat", "offer"], max_words=2)
    by_name = {name(graph, node): node for node in range(n_nodes(graph))}
    milk_node = by_name["Milk"]
    assert (milk_node, by_name["Milk Whole"]) in pairs(graph[IMPROVES].edge_index)
    assert (milk_node, by_name["Beef"]) in pairs(graph[INHIBITS].edge_index)
    assert (milk_node, by_name["On Sale"]) in pairs(graph[INDEPENDENT].edge_index)
    assert find_query(graph, ["Beef", "Whole"]) is None  # nothing is a node that no item contains


def test_swapped_exchanges_inhibition_and_independence(apple: pd.DataFrame) -> None:
    graph = build_relational_graph(apple, APPLE_FIELDS, relations="swapped")
    assert graph.relations == "swapped"
    assert named_pairs(graph, INHIBITS) == both_ways(APPLE_INDEPENDENT)
    assert named_pairs(graph, INDEPENDENT) == both_ways(APPLE_INHIBITS)


def test_fields_inhibit_where_a_field_is_shared(apple: pd.DataFrame) -> None:
    graph = build_relational_graph(apple, APPLE_FIELDS, max_words=1, relations="fields")
    # Items carry: A line, level, colour; B line; C line, level. Words carry their own field.
    inhibits = {
        "item A": "item B, item C, airpods, iphone",
        "item B": "item C, iphone, macbook",
        "item C": "airpods, macbook",
        "airpods": "iphone, macbook",
        "iphone": "macbook",
    }
    independent = {"item B": "pro, grey", "item C": "grey", "pro": "airpods, iphone, macbook, grey"}
    independent |= {"grey": "airpods, iphone, macbook"}
    assert named_pairs(graph, INHIBITS) == both_ways(inhibits)
    assert named_pairs(graph, INDEPENDENT) == both_ways(independent)


@given(catalogues(), st.sampled_from(["definition", "swapped", "fields"]))
def test_relations_split_all_pairs_and_equal_brute_force(catalogue: Catalogue, relations: str) -> None:
    graph = build_relational_graph(catalogue.table, **catalogue.build_arguments, materialize=True, relations=relations)
    nodes = catalogue.nodes
    assert n_nodes(graph) == len(nodes)
    improves, inhibits, independent = (pairs(graph[kind].edge_index) for kind in (IMPROVES, INHIBITS, INDEPENDENT))
    items = [node for node in nodes if node.is_item]
    assert (improves, inhibits, independent) == expected_relations(nodes, items, relations)
    both = improves | {(v, u) for u, v in improves}
    assert not both & inhibits
    assert not both & independent
    assert not inhibits & independent
    every = {(u, v) for u in range(len(nodes)) for v in range(len(nodes)) if u != v}
    assert both | inhibits | independent == every
    if relations == "definition":
        two_items = {(u, v) for u, v in every if max(u, v) < len(items)}
        assert two_items <= inhibits
        assert not any(min(u, v) < len(items) <= max(u, v) for u, v in independent)


@given(catalogues())
def test_nodes_words_and_rows_equal_brute_force(catalogue: Catalogue) -> None:
    graph = build_relational_graph(catalogue.table, **catalogue.build_arguments)
    nodes = catalogue.nodes
    for number, node in enumerate(nodes):
        assert set(words_of(graph, number)) == node.words
        if not node.is_item:
            assert find_query(graph, list(node.words)) == number
    improves, _, _ = expected_relations(nodes, [])
    count = n_items(graph)
    assert item_queries(graph).tolist() == [sorted(u for u, v in improves if v == item) for item in range(count)]
    assert node_parts(graph).tolist() == [sorted(u for u, v in improves if v == n) for n in range(len(nodes))]
    assert node_wholes(graph).tolist() == [sorted(v for u, v in improves if u == n) for n in range(len(nodes))]
    edges = graph[IMPROVES].edge_index
    assert torch.equal(edges[1] * len(nodes) + edges[0], (edges[1] * len(nodes) + edges[0]).sort().values)
    sizes = [(row.numel(), row.tolist()) for row in node_words(graph).index.split(node_words(graph).lengths.tolist())]
    assert sizes[count:] == sorted(sizes[count:])


@pytest.mark.parametrize(("materialize", "explicit"), [(True, True), (False, False), ("auto", True)])
def test_materialize(apple: pd.DataFrame, materialize: bool | str, explicit: bool) -> None:
    graph = build_relational_graph(apple, APPLE_FIELDS, materialize=materialize)
    assert (INHIBITS in graph.edge_types) is explicit
    assert (INDEPENDENT in graph.edge_types) is explicit


def test_auto_materializes_up_to_a_thousand_nodes() -> None:
    # n items with one word of their own each: n items + n queries.
    for count, explicit in [(500, True), (501, False)]:
        items = pd.DataFrame({"item_id": range(count), "word": range(count)})
        graph = build_relational_graph(items, ["word"])
        assert n_nodes(graph) == 2 * count
        assert (INHIBITS in graph.edge_types) is explicit


def test_unknown_materialize_is_named(apple: pd.DataFrame) -> None:
    with pytest.raises(GraphError, match=r"True, False or \"auto\", got 'sometimes'"):
        build_relational_graph(apple, APPLE_FIELDS, materialize="sometimes")  # type: ignore[arg-type]


@pytest.mark.parametrize("relations", ["swapped", "fields"])
def test_other_readings_need_explicit_edges(apple: pd.DataFrame, relations: str) -> None:
    with pytest.raises(GraphError, match=rf"relations='{relations}' needs explicit edges"):
        build_relational_graph(apple, APPLE_FIELDS, relations=relations, materialize=False)  # type: ignore[arg-type]


def test_unknown_relations_are_named(apple: pd.DataFrame) -> None:
    with pytest.raises(GraphError, match="'opposite'"):
        build_relational_graph(apple, APPLE_FIELDS, relations="opposite")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("materialize", "what"), [(True, "R- and R⊥ of 13 nodes"), (False, r"R\+ with 11 pairs of an item and a query")]
)
def test_too_little_memory_is_refused_before_the_work(
    apple: pd.DataFrame, monkeypatch: pytest.MonkeyPatch, materialize: bool, what: str
) -> None:
    # R+ of items with 3, 1 and 2 words: 7 + 1 + 3 pairs of 24 bytes; R-: 40 bytes for each of 13^2 pairs.
    available = 40 * 13**2 - 1 if materialize else 11 * 24 - 1
    monkeypatch.setattr("magus_pyg.memory.available_memory", lambda: available)
    with pytest.raises(GraphError, match=rf"{what} would take .* GiB .* available"):
        build_relational_graph(apple, APPLE_FIELDS, materialize=materialize)

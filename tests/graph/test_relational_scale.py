"""Catalogues that would take too much: each is built in pieces, or refused with the figure and what to change."""

from itertools import combinations
from math import comb

import numpy as np
import pandas as pd
import pytest
import torch
from torch_geometric.data import HeteroData

from magus_pyg.errors import DataError, GraphError
from magus_pyg.graph import (
    build_relational_graph,
    build_word_table,
    find_query,
    improves_edges,
    item_id_of,
    item_node,
    item_nodes,
    n_nodes,
    node_words,
)
from magus_pyg.graph.combinations import enumerate_combinations
from magus_pyg.ragged import Ragged


def in_every_item(count: int = 40) -> pd.DataFrame:
    return pd.DataFrame({"item_id": range(count), "w": [f"all|own {n % 7}|part {n % 3}" for n in range(count)]})


def all_distinct(count: int = 40) -> pd.DataFrame:
    return pd.DataFrame({"item_id": range(count), "w": [f"a{n}|b{n}|c{n}" for n in range(count)]})


def thirty_words(count: int = 4) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    rows = ["|".join(f"w{word:02d}" for word in rng.choice(40, 30, replace=False)) for _ in range(count)]
    return pd.DataFrame({"item_id": range(count), "w": rows})


def assert_as_defined(graph: HeteroData, max_words: int) -> None:
    """Nodes and R+ by Definition 3.1, counted out with sets of words."""
    rows = [frozenset(row) for row in node_words(graph).tolist()]
    items = rows[: int(graph.n_items)]
    short = {frozenset(c) for row in items for k in range(1, max_words + 1) for c in combinations(sorted(row), k)}
    queries = rows[int(graph.n_items) :]
    assert {row for row in queries if len(row) <= max_words} == short
    number = {row: place + len(items) for place, row in enumerate(queries)}
    assert len(number) == len(queries)
    long = [row for row in queries if len(row) > max_words]
    edges = set()
    for whole, row in [*enumerate(items), *((number[row], row) for row in queries)]:
        most = min(max_words, len(row))
        inside = [frozenset(c) for k in range(1, most + 1) for c in combinations(sorted(row), k)]
        inside += [other for other in long if other <= row]
        edges |= {(whole, number[other]) for other in inside if number[other] != whole}
    part, whole = improves_edges(graph)
    assert list(zip(whole.tolist(), part.tolist(), strict=True)) == sorted(edges)
    assert part.dtype == whole.dtype == graph.word_ptr.dtype == graph.word_index.dtype == torch.int64


@pytest.fixture(params=[7, 2**21])
def piece(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Work in tiny pieces, so that a small catalogue takes many, and in pieces of the real size."""
    monkeypatch.setattr("magus_pyg.graph.combinations._PIECE", request.param)
    monkeypatch.setattr("magus_pyg.graph.searched._PIECE", request.param)


@pytest.mark.usefixtures("piece")
@pytest.mark.parametrize("items", [in_every_item(), all_distinct(), pd.concat([in_every_item(3), all_distinct(3)])])
@pytest.mark.parametrize("max_words", [1, 2, 3])
def test_pathological_catalogues_are_built_as_defined(items: pd.DataFrame, max_words: int) -> None:
    items = items.assign(item_id=range(len(items)))
    queries = ["all|own 1|part 1", "all|own 1", "a1|b1|c1", "a1|b2", "all|b2", "all|own 2|part 2", "a2|b2", "all"]
    graph = build_relational_graph(items, ["w"], max_words=max_words, queries=queries, materialize=False)
    assert_as_defined(graph, max_words)


@pytest.mark.usefixtures("piece")
def test_items_of_thirty_words() -> None:
    items = thirty_words(2)
    long = items["w"][1].split("|")
    graph = build_relational_graph(items, ["w"], queries=["|".join(long[:5]), "|".join(long[:4]), "|".join(long)])
    assert_as_defined(graph, 3)
    whole = improves_edges(graph)[1]
    per_item = torch.bincount(whole, minlength=2)[:2].tolist()
    assert per_item == [comb(30, 1) + comb(30, 2) + comb(30, 3), 30 + 435 + 4060 + 3]
    assert n_nodes(graph) < 2 + 2 * 4525 + 3
    assert find_query(graph, long[:5]) is not None


@pytest.mark.parametrize(
    ("sizes", "max_words", "figure"),
    [
        ((10**9, 30), 3, r"4,525,000,000,000 pairs of an item and a query would take about \d{6}\.\d GiB"),
        ((10**12, 3), 3, r"7,000,000,000,000 pairs"),
        ((1, 10**6), 3, "166,666,666,667,500,000 pairs"),
        ((1, 200), 200, "R[+] with 1,606,938,044,258,990"),
    ],
)
def test_huge_catalogues_are_refused_before_anything_is_made(
    monkeypatch: pytest.MonkeyPatch, sizes: tuple[int, int], max_words: int, figure: str
) -> None:
    count, words = sizes
    monkeypatch.setattr("magus_pyg.memory.available_memory", lambda: 16 * 2**30)

    class Sizes(Ragged):  # a catalogue of which only the sizes are asked
        lengths = torch.tensor([words])  # type: ignore[assignment]

    import magus_pyg.graph.combinations as module

    counted = module.count_pairs
    monkeypatch.setattr(module, "count_pairs", lambda lengths, most: count * counted(lengths, most))
    rows = Sizes(torch.tensor([0, 0]), torch.zeros(0, dtype=torch.int64))
    with pytest.raises(GraphError, match=f"{figure}.*lower max_words or max_share, or name fewer word_fields"):
        enumerate_combinations(rows, words, max_words)


def memory_that_shrinks(monkeypatch: pytest.MonkeyPatch, what: str) -> None:
    """Let there be no memory left when the step `what` asks for it."""
    import magus_pyg.memory as memory

    require = memory.require_memory

    def ask(needed: int, step: str, advice: str) -> None:
        monkeypatch.setattr(memory, "available_memory", lambda: 0 if what in step else 2**50)
        require(needed, step, advice)

    for module in ("combinations", "searched", "relational"):
        monkeypatch.setattr(f"magus_pyg.graph.{module}.require_memory", ask)


@pytest.mark.parametrize(
    ("step", "advice"),
    [
        ("pairs of an item and a query", "lower max_words"),
        ("combinations of 2 words", "lower max_words"),
        ("pairs of queries", "lower max_words"),
        ("long searched queries", "fewer searched queries"),
        ("parts of long searched queries", "lower max_words"),
        ("edges", "lower max_words"),
        ("R- and R⊥", "materialize=False"),
    ],
)
def test_every_large_step_asks_for_its_memory(monkeypatch: pytest.MonkeyPatch, step: str, advice: str) -> None:
    memory_that_shrinks(monkeypatch, step)
    queries = ["all|own 1|part 1"]
    with pytest.raises(GraphError, match=rf"{step}.* would take about .* GiB, and 0\.0 GiB are available; .*{advice}"):
        build_relational_graph(in_every_item(), ["w"], max_words=2, queries=queries, materialize=True)


def test_cells_of_any_type_are_the_texts_they_are_written_as() -> None:
    mixed = pd.DataFrame({"item_id": range(5), "w": np.array([1, "1", 1.0, True, None], dtype=object)})
    table = build_word_table(mixed, ["w"])
    assert [word.value for word in table.words] == ["1", "True"]  # a whole number has no point
    assert table.item_words.tolist() == [[0], [0], [0], [1], []]
    categories = pd.DataFrame({"item_id": range(3), "w": pd.Categorical(["x|y", None, "y"])})
    assert build_word_table(categories, ["w"]).item_words.tolist() == [[0, 1], [], [1]]
    assert build_word_table(mixed, ["w"], separator="1").words == (("w", "True"),)
    with pytest.raises(GraphError, match="separator must not be empty"):
        build_word_table(mixed, ["w"], separator="")


@pytest.mark.parametrize("column", ["item_id", "w"])
def test_half_a_surrogate_pair_is_no_text(column: str) -> None:
    items = pd.DataFrame({"item_id": ["i"], "w": ["x"]}, dtype=object)
    items.loc[0, column] = "\ud800"
    with pytest.raises(DataError, match=rf"column '{column}' of the item table holds a text that is no Unicode"):
        build_relational_graph(items, ["w"])


def test_nodes_of_many_items() -> None:
    graph = build_relational_graph(all_distinct(), ["w"])
    nodes = [39, 0, 7, 7]
    assert item_nodes(graph, [item_id_of(graph, node) for node in nodes]).tolist() == nodes
    assert item_nodes(graph, []).tolist() == []
    assert item_node(graph, "12") == 12
    with pytest.raises(GraphError, match="unknown item id '77': the graph has 40 items, such as '0'"):
        item_nodes(graph, ["3", "77"])

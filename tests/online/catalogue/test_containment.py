"""What all people of a catalogue share: sums along the trees and over the rows, choosing the best, what is kept."""

import pandas as pd
import pytest
import torch
from catalogues import Catalogue as Table
from catalogues import catalogues
from hypothesis import given
from hypothesis import strategies as st

import magus_pyg as mp
from magus_pyg.graph import RelationalTrees, item_queries, n_items, n_nodes
from magus_pyg.online.catalogue import containment as catalogue_index
from magus_pyg.online.catalogue.containment import CatalogueIndex
from magus_pyg.online.catalogue.first_guess import best_nodes, contenders, query_sums


def index_of(table: Table) -> CatalogueIndex:
    return CatalogueIndex(mp.build_relational_graph(table.table, **table.build_arguments))  # type: ignore[arg-type]


@given(table=catalogues(max_items=8), seed=st.integers(0, 2**16), people=st.integers(0, 2))
def test_sums_are_the_same_along_the_trees_and_over_the_rows(table: Table, seed: int, people: int) -> None:
    index = index_of(table)
    values = torch.rand((index.n_items, people), generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    for given_values in (values, torch.rand(index.n_items, dtype=torch.float64)):
        whole = index.trees.whole(given_values)
        assert torch.equal(index.containment.total(whole), index.trees.total(whole))
        assert torch.equal(index.total(whole), index.trees.total(whole))
        assert torch.equal(query_sums(index, given_values), index.trees.sums(given_values))
    rows = item_queries(index.graph).tolist()
    held = [sum(node in row for row in rows) for node in range(index.n_items, index.n_nodes)]
    assert index.held_by.tolist() == index.places.lengths.tolist() == held


@given(table=catalogues(max_items=8), seed=st.integers(0, 2**16))
def test_weights_stay_with_their_pair(table: Table, seed: int) -> None:
    index = index_of(table)
    rows = item_queries(index.graph)
    of_pair = torch.rand((index.n_items, index.n_nodes), generator=torch.Generator().manual_seed(seed)).double()
    item = index.trees.grouped.long()[index.places.index.long()]
    weights = index.weighted_containment(of_pair[item, index.places.row + index.n_items])
    values = torch.rand(index.n_items, dtype=torch.float64)
    expected = torch.zeros(index.n_nodes, dtype=torch.float64)
    expected.index_add_(0, rows.index, of_pair[rows.row, rows.index] * values[rows.row])
    torch.testing.assert_close(weights.total(values), expected[index.n_items :])


def test_trees_are_used_where_word_sets_are_shared() -> None:
    few = pd.DataFrame(
        {"item_id": range(60), "a": [f"a{n % 3}" for n in range(60)], "b": [f"b{n % 2}" for n in range(60)]}
    )
    assert CatalogueIndex(mp.build_relational_graph(few, ["a", "b"])).sums_along_trees
    all_differ = pd.DataFrame({"item_id": range(60), "word": [f"w{n}" for n in range(60)]})
    assert not CatalogueIndex(mp.build_relational_graph(all_differ, ["word"])).sums_along_trees


@given(table=catalogues(max_items=8))
def test_touches_and_items_are_kept(table: Table) -> None:
    index = index_of(table)
    trees = RelationalTrees(index.graph)
    for _ in range(2):
        for node in range(n_nodes(index.graph)):
            for one, other in zip(index.touch(node), trees.touch(node), strict=True):
                assert torch.equal(one, other)
            assert index.touch(node) is index.touch(node)
            assert torch.equal(index.items_of(node), trees.items_of(node))
    active = torch.ones(index.n_nodes, dtype=torch.bool)
    active[0] = False
    for node in range(n_nodes(index.graph)):
        for one, other in zip(index.touch(node, active), trees.touch(node, active), strict=True):
            assert torch.equal(one, other)


def test_what_is_kept_is_bounded(milk: pd.DataFrame, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catalogue_index, "_KEPT_NODES", 20)
    index = CatalogueIndex(mp.build_relational_graph(milk, ["brand", "kind"]))
    for node in range(n_items(index.graph), index.n_nodes):
        first = index.touch(node)
        assert index.touch(node) is first
    held = sum(touched.node.numel() for touched in index._touched._found.values())
    assert held == index._touched._held <= 20


@given(data=st.data(), values=st.integers(0, 5))
def test_the_best_are_among_the_contenders(data: st.DataObject, values: int) -> None:
    """Many equal values, blocks that are not full, more wanted than there are blocks."""
    size = data.draw(st.sampled_from([1, 100, 128, 129, 300, 3000, 20_000]))
    n = data.draw(st.sampled_from([1, 2, 5, 50, 200]))
    generator = torch.Generator().manual_seed(data.draw(st.integers(0, 2**16)))
    scores = torch.rand(size, generator=generator, dtype=torch.float64)
    scores = (scores * 10**values).round() if values < 5 else scores
    if data.draw(st.booleans()):
        scores = scores.sort().values
    for largest in (True, False):
        places = contenders(scores, n, largest)
        assert torch.equal(places, torch.unique(places))
        last = torch.topk(scores, min(n, size), largest=largest).values[-1]
        wanted = torch.nonzero(scores >= last if largest else scores <= last).flatten()
        assert bool(torch.isin(wanted, places).all())
    scores[::7] = -torch.inf
    last = torch.topk(scores, min(n, size)).values[-1]
    expected = torch.nonzero((scores >= last) & (scores > -torch.inf)).flatten()
    assert torch.equal(best_nodes(scores, n), expected)
    assert best_nodes(scores, 0).numel() == 0


def test_few_of_many_are_looked_at() -> None:
    scores = torch.rand(1_000_000, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    assert contenders(scores, 3).numel() < 1000
    assert 1000 <= contenders(scores, 1000).numel() < 5000

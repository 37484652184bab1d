"""What a catalogue has learned and made, carried over to the graph with new items."""

from collections.abc import Callable

import pandas as pd
import pytest
import torch
from growing_catalogues import assert_alike, build, learned, scores_of, table

import magus_pyg as mp
from magus_pyg.agents import EdgeFactors
from magus_pyg.graph import n_nodes
from magus_pyg.online.catalogue import Catalogue
from magus_pyg.online.catalogue.carry_over import carry_edges, extended_factors
from magus_pyg.online.catalogue.containment import CatalogueIndex
from magus_pyg.online.catalogue.dense_play import CatalogueWeights


def test_factors_of_new_nodes_by_hand() -> None:
    """Items a (x), b (x, y), c (y); new items d (x, z), e (z)."""
    items = pd.DataFrame({"item_id": ["a", "b", "c", "d", "e"], "w": ["x", "x|y", "y", "x|z", "z"]})
    graph = mp.build_relational_graph(items.head(3), ["w"])  # a 0, b 1, c 2, x 3, y 4, xy 5
    side = torch.tensor([[1.0], [3.0], [8.0], [10.0], [20.0], [60.0]], dtype=torch.float64)
    extension = mp.extend_relational_graph(graph, items[3:])
    factors = extended_factors(EdgeFactors(side, side, 0.5, 0.25), extension)
    # Now a 0, b 1, c 2, d 3, e 4, x 5, y 6, z 7, xy 8, xz 9.
    assert factors.positive.flatten().tolist() == [
        *(1.0, 3.0, 8.0),
        2.0,  # d: x is on a and b; z is new
        4.0,  # e: no word that an old item has, so the mean of all
        *(10.0, 20.0),
        30.0,  # z: a new word, so the mean of the old queries
        60.0,
        10.0,  # xz: x
    ]
    assert factors.negative is factors.positive
    assert (factors.minus_scale, factors.refusal) == (0.5, 0.25)
    apart = extended_factors(EdgeFactors(side, 2.0 * side), extension)
    assert torch.equal(apart.negative, 2.0 * factors.positive)


@pytest.mark.parametrize("words", [("", "x"), ("", ""), ("x", "")])
def test_factors_where_nothing_is_known(words: tuple[str, str]) -> None:
    items = pd.DataFrame({"item_id": ["a", "b"], "w": words})
    graph = mp.build_relational_graph(items.head(1), ["w"])
    side = torch.arange(1.0, 1.0 + n_nodes(graph)).unsqueeze(1)
    extension = mp.extend_relational_graph(graph, items[1:])
    factors = extended_factors(EdgeFactors(side, side + 1.0), extension)
    assert factors.positive[1].item() == 1.0  # as the one old item
    assert torch.isfinite(factors.positive).all()
    assert torch.equal(factors.positive[extension.node_map], side)


def test_unit_weights_stay_unit() -> None:
    items = table(60, 1)
    graph = build(items.head(40))
    side = torch.full((n_nodes(graph), 3), 3.0**-0.5, dtype=torch.float64)  # means of it would be rounded
    catalogue = Catalogue(graph, "plus", EdgeFactors(side, side.clone(), 0.2, 0.7))
    catalogue.add_items(items[40:])
    assert catalogue.weights is None
    fresh = Catalogue(build(items), "plus", catalogue.factors)
    assert_alike(catalogue.session(scores_of(60, 1)), fresh.session(scores_of(60, 1)), 1)


def changed_rows(weights: CatalogueWeights) -> CatalogueWeights:
    return CatalogueWeights(weights.index, weights.positive + 1.0, weights.negative, weights.minus_scale)


def other_scale(weights: CatalogueWeights) -> CatalogueWeights:
    return CatalogueWeights(weights.index, weights.positive, weights.negative, 0.9)


def other_type(weights: CatalogueWeights) -> CatalogueWeights:
    return CatalogueWeights(weights.index, weights.positive.float(), weights.negative, weights.minus_scale)


def other_order(weights: CatalogueWeights) -> CatalogueWeights:
    index = CatalogueIndex(weights.index.graph)
    index.places = type(index.places)(index.places.ptr, index.places.index.flip(0))
    return CatalogueWeights(index, weights.positive, weights.negative, weights.minus_scale)


@pytest.mark.parametrize("change", [changed_rows, other_scale, other_type, other_order])
def test_edges_are_carried_over_only_where_they_are_the_same(
    change: Callable[[CatalogueWeights], CatalogueWeights],
) -> None:
    items = table(60, 2)
    graph = build(items.head(50))
    extension = mp.extend_relational_graph(graph, items[50:])
    factors = learned(graph, 2)
    before = CatalogueWeights.of(CatalogueIndex(graph), factors, dtype=torch.float64)
    now = CatalogueWeights.of(
        CatalogueIndex(extension.graph), extended_factors(factors, extension), dtype=torch.float64
    )
    assert not carry_edges(before, now, extension.node_map)  # not made yet
    _ = before.edge
    other = change(now)
    assert not carry_edges(before, other, extension.node_map)
    assert "edge" not in vars(other)
    assert carry_edges(before, now, extension.node_map)
    fresh = CatalogueWeights(now.index, now.positive, now.negative, now.minus_scale)
    assert torch.equal(vars(now)["edge"], fresh.edge)


def test_a_searched_query_that_goes_takes_its_edges_along() -> None:
    items = pd.DataFrame({"item_id": ["0", "1", "2"], "a": ["x|y|z", "x|y", "u"], "b": ["", "", "z"]}, dtype=object)
    arguments = {"word_fields": ["a", "b"], "max_words": 2, "queries": ["x|y|z"]}
    graph = mp.build_relational_graph(items.head(2), **arguments)  # type: ignore[arg-type]
    catalogue = Catalogue(graph, "plus", learned(graph, 1))
    catalogue.session([0.1, 0.9]).recommend()
    assert catalogue.add_items(items[2:]).node_map[-1] == -1
    fresh = Catalogue(mp.build_relational_graph(items, **arguments), "plus", catalogue.factors)  # type: ignore[arg-type]
    assert_alike(catalogue.session([0.1, 0.9, 0.5]), fresh.session([0.1, 0.9, 0.5]), 1)

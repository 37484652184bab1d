"""The page on layers in one's own model is true: its blocks run as one program, and give what it says they do."""

from typing import Any

import pytest
import torch
from doc_pages import run_blocks
from torch_geometric.typing import WITH_PYG_LIB, WITH_TORCH_SPARSE

from magus_pyg.errors import GraphError, ModelError


@pytest.fixture(scope="module")
def page() -> dict[str, Any]:
    """The names that its blocks make."""
    return run_blocks("layers.md")


def test_the_shapes_are_those_it_tells(page: dict[str, Any]) -> None:
    assert page["out"].shape == (6, 8)
    assert page["model"][4].prop_src.weight.shape == (8, 8)
    assert {kind: tuple(value.shape) for kind, value in page["by_type"].items()} == {"user": (4, 8), "item": (6, 8)}
    assert {kind: tuple(value.shape) for kind, value in page["propagated"].items()} == {"user": (4,), "item": (6,)}
    assert page["embedded"].shape == (6, 8)
    assert page["some"].shape == (2, 8)
    assert page["explanation"].edge_mask.shape == (20,)


def test_propagated_scores_are_those_of_each_type_of_edge(page: dict[str, Any]) -> None:
    scores, likes = page["scores"], page["likes"]
    expected = scores["item"].clone()
    expected.index_add_(0, likes[1], scores["user"][likes[0]])
    expected.index_add_(0, likes[1, :3], -scores["user"][likes[0, :3]])
    torch.testing.assert_close(page["propagated"]["item"], expected)


def test_both_relations_are_explained(page: dict[str, Any]) -> None:
    reaching = page["edge_index"][1] == 2
    mask = page["explanation"].edge_mask
    assert bool((mask[reaching] > 0).all())
    assert not mask[~reaching].any()
    assert bool(reaching[:15].any())
    assert bool(reaching[15:].any())


def test_a_complement_of_two_sets_and_sizes_left_open_are_errors(page: dict[str, Any]) -> None:
    with pytest.raises(GraphError, match=r"one node set, got a pair of 4 sources and 6 receivers.*neg_edge_index"):
        page["propagation"](page["scores"], page["data"].edge_index_dict)
    with pytest.raises(ModelError, match="cannot be left to the first call"):
        page["RGCNConv"](-1, 8, 3)
    with pytest.raises(ModelError, match="x_dst must be a floating tensor"):
        page["ours"]((page["x"], None), page["edge_index"], page["edge_type"])


@pytest.mark.skipif(not (WITH_PYG_LIB or WITH_TORCH_SPARSE), reason="NeighborLoader needs pyg-lib or torch-sparse")
def test_the_last_batch_is_the_layer_on_its_nodes(page: dict[str, Any]) -> None:
    assert page["seeds"].shape == (2, 8)
    batch, layer = page["batch"], page["convolution"]
    expected = layer(batch.x, batch.edge_index, batch.edge_type)[:2]
    torch.testing.assert_close(page["seeds"], expected)


@pytest.mark.parametrize("name", ["SignedLabelPropagation", "FeaturePropagation", "RGCNConv", "RGATConv", "GIPAConv"])
@pytest.mark.filterwarnings("ignore:.*torch.jit.script.*:DeprecationWarning")
def test_torchscript_takes_none(page: dict[str, Any], name: str) -> None:
    made = {"SignedLabelPropagation": (), "FeaturePropagation": (4,), "GIPAConv": (4, 4, 4)}
    layer = page[name](*made.get(name, (4, 4, 2)))
    with pytest.raises(RuntimeError, match="not subscriptable"):
        torch.jit.script(layer)

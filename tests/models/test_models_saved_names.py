"""The tensors of saved models keep their names, so that files of earlier releases stay loadable."""

import pandas as pd
import pytest

from magus_pyg.graph import build_relational_graph
from magus_pyg.models import (
    DeepFMOptions,
    DINOptions,
    FMOptions,
    GIPAOptions,
    GRUOptions,
    HybridOptions,
    LSTMOptions,
    MMoEOptions,
    MPSOptions,
    PNNOptions,
    RGATOptions,
    RGCNOptions,
    build_model,
)
from magus_pyg.testing import small_features
from magus_pyg.testing.small_log import ITEM_WORDS, TRAIN, interactions

KNOWN = {"calibration", "item_known", "user_known"}
TABLES = {"item", "profile", "user", "word"}
FIELDS = {"bias", *(f"fields.{name}" for name in TABLES)}


def mlp(name, layers):
    return {f"{name}.layers.{layer}.{kind}" for layer in range(layers) for kind in ("bias", "weight")}


def dice(name, layers):
    return {f"{name}.activations.{layer}.{kind}" for layer in range(layers) for kind in ("alpha", "mean", "var")}


def layer(*names):
    return {f"layers.0.{name}" for name in names}


CELL = {f"cell.{kind}_{end}" for kind in ("bias", "weight") for end in ("hh", "ih")} | {"project.weight"}
NAMES = [
    (FMOptions(dim=4), TABLES | {"bias"}),
    (DeepFMOptions(dim=4, hidden=[5]), FIELDS | mlp("deep", 2)),
    (PNNOptions(dim=4, hidden=[5]), FIELDS - {"bias"} | mlp("layers", 2) | {"products.weight"}),
    (
        MMoEOptions(dim=4, hidden=[5, 3], tower=[2]),
        FIELDS - {"bias"}
        | {"first.weight", "first.bias", "weights.0", "biases.0", "gates"}
        | mlp("towers.0", 2)
        | mlp("towers.1", 2),
    ),
    (
        DINOptions(dim=4, attention=[3], layers=[4, 2]),
        FIELDS | mlp("unit.mlp", 2) | dice("unit.mlp", 1) | mlp("top", 3) | dice("top", 2),
    ),
    (GRUOptions(dim=4), FIELDS | CELL),
    (LSTMOptions(dim=4), FIELDS | CELL),
    (RGCNOptions(dim=4, layers=1, fanouts=[2]), TABLES | {"bias"} | layer("bias", "lin.weight", "root")),
    (RGATOptions(dim=4, layers=1, fanouts=[2]), TABLES | {"bias"} | layer("bias", "lin.weight", "att_q", "att_k")),
    (
        GIPAOptions(dim=8, layers=1, fanouts=[2]),
        TABLES
        | {"bias"}
        | layer("embed.bias", "embed.weight", "conv.bias", "conv.prop_edge.weight", "conv.prop_src.weight")
        | layer("conv.root.weight", *(f"conv.att_{end}.{n}.weight" for end in ("dst", "edge", "src") for n in (0, 2))),
    ),
    (MPSOptions(), {"moments", "positives"}),
    (HybridOptions(), {"likeness", "moments", "ordered", "positives"}),
]


@pytest.mark.parametrize(("options", "names"), NAMES, ids=[options.name for options, _ in NAMES])
def test_names_of_tensors(options, names):
    items = pd.DataFrame({"item_id": range(len(ITEM_WORDS)), "word": ["|".join(map(str, row)) for row in ITEM_WORDS]})
    graph = build_relational_graph(items, ["word"])
    model = build_model(options, small_features(), graph, interactions(TRAIN))
    assert set(model.state_dict()) == names | KNOWN

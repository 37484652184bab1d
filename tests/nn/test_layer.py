"""The temporary files of generated code: gone once it is loaded, its text still known."""

import inspect
import sys
import tempfile
from pathlib import Path

import pytest
import torch

from magus_pyg.nn import FeaturePropagation, GIPAConv, RGATConv, RGCNConv, SignedLabelPropagation
from magus_pyg.nn._layer import Layer

CLASSES = (FeaturePropagation, GIPAConv, RGATConv, RGCNConv, SignedLabelPropagation)


def test_every_layer_is_one() -> None:
    assert all(issubclass(each, Layer) for each in CLASSES)


def test_a_layer_leaves_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    for module in [name for name in sys.modules if name.startswith(f"{__name__}_Doubling")]:
        monkeypatch.delitem(sys.modules, module)

    class Doubling(Layer):
        def forward(self, x: torch.Tensor, edge_index: torch.Tensor) -> torch.Tensor:
            return self.propagate(edge_index, x=x)  # type: ignore[no-any-return]

        def edge_updater(self, edge_index: torch.Tensor) -> None: ...

        def message(self, x_j: torch.Tensor) -> torch.Tensor:
            return 2 * x_j

    layer = Doubling()
    assert type(layer).propagate.__module__ == f"{__name__}_Doubling_propagate"
    assert list(tmp_path.iterdir()) == []
    assert inspect.getsource(layer.propagate).startswith("def propagate(")
    assert layer(torch.tensor([[1.0], [2.0]]), torch.tensor([[0, 1], [1, 1]])).tolist() == [[0.0], [6.0]]

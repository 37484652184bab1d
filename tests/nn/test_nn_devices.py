"""Layers on every device: the values of the CPU, and no tensor made elsewhere."""

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from all_layers import CHANNELS, LAYERS, ON_IMPLIED, Case, edges_between
from devices import DEVICES, devices, moved
from torch._subclasses.fake_tensor import FakeTensorMode

every_case = pytest.mark.parametrize(
    "case", [*LAYERS.values(), *ON_IMPLIED.values()], ids=[*LAYERS, *(f"{name} implied" for name in ON_IMPLIED)]
)


@every_case
def test_every_device_is_the_cpu(case: Case, device: torch.device) -> None:
    layer, edges = case.make().double(), edges_between(50, 50, 200)
    x = torch.rand(50, CHANNELS, dtype=torch.float64)
    there = case.call(layer, x, edges)
    assert there.device.type == device.type
    here = case.call(layer.cpu(), x.cpu(), edges.cpu())
    torch.testing.assert_close(there.cpu(), here)


@pytest.fixture
def nowhere(monkeypatch: pytest.MonkeyPatch) -> Iterator[torch.device]:
    """A device in name alone, on which tensors have shapes and a place, and mixing places is an error."""
    monkeypatch.setattr(torch.compiler, "is_compiling", lambda: True)  # checks of values have no values here
    device = torch.device("lazy:0")
    with FakeTensorMode(), device:
        yield device


@every_case
def test_no_tensor_is_made_elsewhere(case: Case, nowhere: torch.device) -> None:
    edges = torch.zeros(2, 9, dtype=torch.int64)
    out = case.call(case.make(), torch.rand(5, CHANNELS), edges)
    assert out.device == nowhere
    assert out.size(0) == 5


def test_a_tensor_made_elsewhere_is_found(nowhere: torch.device) -> None:
    with pytest.raises(RuntimeError, match="device"):
        torch.rand(5) + torch.rand(5, device="cpu")


@pytest.mark.parametrize(("kind", "there", "count"), [("cuda", False, 1), ("cuda", True, 2), ("mps", True, 1)])
def test_a_device_is_one_that_is_there(monkeypatch: pytest.MonkeyPatch, kind: str, there: bool, count: int) -> None:
    monkeypatch.setattr("torch.accelerator.current_accelerator", lambda: torch.device(kind))  # what torch is built for
    monkeypatch.setattr("torch.accelerator.is_available", lambda: there)
    assert devices() == [torch.device("cpu"), torch.device("cuda", 0)][:count]


def test_values_and_modules_are_moved() -> None:
    assert torch.device("cpu") in DEVICES
    given: dict[str, Any] = {"x": [torch.ones(2), (torch.ones(3), "word")], "layer": torch.nn.Linear(1, 1), "n": 3}
    there = moved(given, torch.device("meta"))
    assert there["x"][0].is_meta
    assert there["x"][1][0].is_meta
    assert there["layer"].weight.is_meta
    assert (there["x"][1][1], there["n"]) == ("word", 3)
    assert not given["x"][0].is_meta

"""Every test of layers runs on every device there is, and with the interface of `torch_sparse`."""

from collections.abc import Iterator

import pytest
import torch
from devices import DEVICES, moved
from sparse_stand_in import products

__all__ = ["products"]


@pytest.fixture(autouse=True, params=DEVICES, ids=str)
def device(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, products: None) -> Iterator[torch.device]:
    """The device of the test: tensors that it makes are made there, those that its file holds are moved there."""
    device: torch.device = request.param
    if device.type == "cpu":
        yield device
        return
    if request.node.get_closest_marker("cpu"):
        pytest.skip("is about what the CPU alone does")
    for name, value in vars(request.module).items():
        if isinstance(value, torch.Tensor):
            monkeypatch.setattr(request.module, name, value.to(device))
    with device:
        yield device


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> None:
    """Move tensors among the parameters of a test to its device."""
    device = pyfuncitem.funcargs.get("device")
    if isinstance(device, torch.device) and device.type != "cpu":
        for name, value in pyfuncitem.funcargs.items():
            pyfuncitem.funcargs[name] = moved(value, device)

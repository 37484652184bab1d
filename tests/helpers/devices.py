"""The devices that torch sees here, and values moved to one."""

from typing import Any

import torch
from torch.utils._pytree import tree_map


def devices() -> list[torch.device]:
    """The CPU, and the accelerator where there is one: a CUDA build of torch names its own on machines without, too.

    The layers are tested in float64, which MPS does not know.
    """
    there = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else None
    return [torch.device("cpu"), *([] if there is None or there.type == "mps" else [torch.device(there.type, 0)])]


DEVICES = devices()


def moved(values: Any, device: torch.device) -> Any:
    """`values` with all tensors and modules in its lists, tuples and dicts on `device`."""
    return tree_map(lambda one: one.to(device) if isinstance(one, torch.Tensor | torch.nn.Module) else one, values)

"""The devices that torch sees here, and values moved to one."""

from typing import Any

import torch
from torch.utils._pytree import tree_map

_THERE = torch.accelerator.current_accelerator()
# The layers are tested in float64, which MPS does not know.
DEVICES = [torch.device("cpu"), *([] if _THERE is None or _THERE.type == "mps" else [torch.device(_THERE.type, 0)])]


def moved(values: Any, device: torch.device) -> Any:
    """`values` with all tensors and modules in its lists, tuples and dicts on `device`."""
    return tree_map(lambda one: one.to(device) if isinstance(one, torch.Tensor | torch.nn.Module) else one, values)

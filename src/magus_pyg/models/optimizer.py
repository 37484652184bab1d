"""Adam whose step costs what the step used: rows without a gradient are not touched."""

from collections.abc import Callable
from typing import Any

import torch
import torch.distributed
from torch import Tensor
from torch.optim import Adam

__all__ = ["RowAdam", "mean_over_devices"]


class RowAdam(Adam):
    r"""Adam (Kingma and Ba 2015, Algorithm 1); where a gradient is sparse, row by row and lazily.

    .. math::
        m \leftarrow \beta_1 m + (1 - \beta_1) g, \quad
        v \leftarrow \beta_2 v + (1 - \beta_2) g^2, \quad
        \theta \leftarrow \theta - \eta \, \frac{m / (1 - \beta_1^t)}{\sqrt{v / (1 - \beta_2^t)} + \epsilon}

    A row of a sparse gradient has a t of its own, the number of steps that used it, and its moments stand still in
    between. So a row that is first used late takes a first step like any other; with the t of the whole training (as
    in `torch.optim.SparseAdam`) that step would be three times as long. Where each step uses every row, this is Adam.
    Dense gradients go to `torch.optim.Adam`, which is fused where the device can.

    Args:
        params, lr, betas, eps, fused: as for `torch.optim.Adam`.
    """

    def __init__(
        self,
        params: Any,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        fused: bool | None = None,
    ) -> None:
        super().__init__(params, lr=lr, betas=betas, eps=eps, fused=fused)

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """One step; `closure` computes loss and gradients, if given."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        by_row = [
            (parameter, parameter.grad, group)
            for group in self.param_groups
            for parameter in group["params"]
            if parameter.grad is not None and (parameter.grad.is_sparse or "uses" in self.state[parameter])
        ]
        for parameter, gradient, group in by_row:
            self._step_rows(parameter, gradient, group)
            parameter.grad = None  # hidden from the dense step
        super().step()
        for parameter, gradient, _ in by_row:
            parameter.grad = gradient
        return loss

    def _step_rows(self, parameter: Tensor, gradient: Tensor, group: dict[str, Any]) -> None:
        if gradient.is_sparse:
            gradient = gradient.coalesce()
            row, g = gradient.indices()[0], gradient.values()
        else:
            row, g = torch.arange(len(parameter), device=parameter.device), gradient
        state = self.state[parameter]
        if not state:
            # Floats, as a loaded state takes the type of the parameter.
            state["step"] = torch.zeros((), dtype=torch.float32)  # of the whole table; torch's Adam expects it
            state["uses"] = torch.zeros(len(parameter), dtype=torch.float32, device=parameter.device)
            state["exp_avg"] = torch.zeros_like(parameter)
            state["exp_avg_sq"] = torch.zeros_like(parameter)
        scale, overflow = getattr(self, "grad_scale", None), getattr(self, "found_inf", None)
        if overflow is not None and bool(overflow):  # a step that a scaler of gradients gives up
            return
        if scale is not None:
            g = g / scale
        beta1, beta2 = group["betas"]
        state["step"] += 1
        t = state["uses"].index_select(0, row).add_(1)
        m = state["exp_avg"].index_select(0, row).lerp_(g, 1 - beta1)
        v = state["exp_avg_sq"].index_select(0, row).mul_(beta2).addcmul_(g, g, value=1 - beta2)
        for name, value in (("uses", t), ("exp_avg", m), ("exp_avg_sq", v)):
            state[name].index_copy_(0, row, value)
        t = t.unsqueeze(1)
        step = (m / (1 - beta1**t)).div_((v / (1 - beta2**t)).sqrt_().add_(group["eps"]))
        parameter.index_add_(0, row, step, alpha=-group["lr"])


def mean_over_devices(gradient: Tensor) -> Tensor:
    """The mean of a sparse gradient over the devices of a training: rows and values of all are put together.

    Args:
        gradient: sparse [rows, width]; what a device did not use is 0.

    Returns:
        Sparse [rows, width], the same on each device.
    """
    gradient = gradient.coalesce()
    row, value = gradient.indices()[0], gradient.values()
    world = torch.distributed.get_world_size()
    counts = [torch.zeros(1, dtype=torch.int64, device=row.device) for _ in range(world)]
    torch.distributed.all_gather(counts, torch.tensor([len(row)], device=row.device))
    # Gathered tensors must be of one size: each device fills up with rows that are cut off again.
    most = max(int(count) for count in counts)
    rows = [row.new_empty(most) for _ in range(world)]
    values = [value.new_empty((most, *value.shape[1:])) for _ in range(world)]
    torch.distributed.all_gather(rows, torch.cat([row, row.new_zeros(most - len(row))]))
    torch.distributed.all_gather(values, torch.cat([value, value.new_zeros((most - len(value), *value.shape[1:]))]))
    kept = [int(count) for count in counts]
    row = torch.cat([part[:count] for part, count in zip(rows, kept, strict=True)])
    value = torch.cat([part[:count] for part, count in zip(values, kept, strict=True)])
    return torch.sparse_coo_tensor(row.unsqueeze(0), value / world, gradient.shape, check_invariants=False)

"""Adam whose step costs what the step used: rows without a gradient are not touched."""

import math
from collections.abc import Callable
from typing import Any

import torch
import torch.distributed
from torch import Tensor
from torch.optim import Adam
from torch.optim.adam import adam

__all__ = ["RowAdam", "gradient_rows", "mean_over_devices"]

_ROWS = 2048  # moved at once


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
        for group in self.param_groups:
            dense = []
            for parameter in group["params"]:
                gradient = parameter.grad
                if gradient is None:
                    continue
                if gradient.is_sparse or "uses" in self.state[parameter]:
                    self._step_rows(parameter, gradient, group)
                else:
                    dense.append(parameter)
            if dense:
                self._step_dense(dense, group)
        return loss

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients; as that of torch, without what it does for its profiler."""
        if not set_to_none:
            super().zero_grad(set_to_none)
            return
        for group in self.param_groups:
            for parameter in group["params"]:
                parameter.grad = None

    def _step_dense(self, parameters: list[Tensor], group: dict[str, Any]) -> None:
        """`torch.optim.Adam`'s own step for some parameters of a group, without what else its method looks after."""
        fused = bool(group["fused"])
        gradients: list[Tensor] = []
        means, squares, steps = [], [], []
        for parameter in parameters:
            assert parameter.grad is not None
            state = self.state[parameter]
            if not state:
                state["step"] = torch.zeros((), dtype=torch.float32, device=parameter.device if fused else "cpu")
                state["exp_avg"] = torch.zeros_like(parameter)
                state["exp_avg_sq"] = torch.zeros_like(parameter)
            gradients.append(parameter.grad)
            means.append(state["exp_avg"])
            squares.append(state["exp_avg_sq"])
            steps.append(state["step"])
        beta1, beta2 = group["betas"]
        adam(
            parameters,
            gradients,
            means,
            squares,
            [],
            steps,
            fused=group["fused"],
            grad_scale=getattr(self, "grad_scale", None),
            found_inf=getattr(self, "found_inf", None),
            amsgrad=False,
            beta1=beta1,
            beta2=beta2,
            lr=group["lr"],
            weight_decay=0,
            eps=group["eps"],
            maximize=False,
        )

    def _step_rows(self, parameter: Tensor, gradient: Tensor, group: dict[str, Any]) -> None:
        if gradient.is_sparse:
            row, g = gradient_rows(gradient)
        else:
            row, g = torch.arange(len(parameter), device=parameter.device), gradient
        state = self.state[parameter]
        if not state:
            # Floats, as a loaded state takes the type of the parameter.
            state["step"] = torch.zeros((), dtype=torch.float32)  # of the whole table; torch's Adam expects it
            dtype = torch.promote_types(parameter.dtype, torch.float32)
            state["uses"] = torch.zeros(len(parameter), dtype=dtype, device=parameter.device)
            state["exp_avg"] = torch.zeros_like(parameter)
            state["exp_avg_sq"] = torch.zeros_like(parameter)
        scale, overflow = getattr(self, "grad_scale", None), getattr(self, "found_inf", None)
        if overflow is not None and bool(overflow):  # a step that a scaler of gradients gives up
            return
        if scale is not None:
            g = g / scale
        state["step"] += 1
        # Some rows at a time, so that what is computed of them stays in the cache.
        for part, values in zip(torch.split(row, _ROWS), torch.split(g, _ROWS), strict=True):
            self._move_rows(parameter, state, part, values, group)

    @staticmethod
    def _move_rows(parameter: Tensor, state: dict[str, Any], row: Tensor, g: Tensor, group: dict[str, Any]) -> None:
        beta1, beta2 = group["betas"]
        t = state["uses"].index_select(0, row).add_(1)
        m = state["exp_avg"].index_select(0, row).lerp_(g, 1 - beta1)
        v = state["exp_avg_sq"].index_select(0, row).mul_(beta2).addcmul_(g, g, value=1 - beta2)
        for name, value in (("uses", t), ("exp_avg", m), ("exp_avg_sq", v)):
            state[name].index_copy_(0, row, value)
        # The corrections by t are numbers of a row, so they are not divided out of m and v entry by entry.
        first, second = (_correction(beta, t.unsqueeze(1)) for beta in (beta1, beta2))
        root = v.sqrt_().mul_(second.rsqrt_()).add_(group["eps"])
        parameter.index_add_(0, row, m.mul_(group["lr"] / first).div_(root), alpha=-1)


def _correction(beta: float, t: Tensor) -> Tensor:
    """1 - beta^t for float t; as it stands, that would lose four digits where beta is 0.999 and t small."""
    return -torch.expm1(t * (math.log(beta) if beta > 0 else -math.inf))


def gradient_rows(gradient: Tensor) -> tuple[Tensor, Tensor]:
    """The rows that a sparse gradient [rows, width] holds, int64 [m], each once and ascending, and their values."""
    row, value = gradient._indices()[0], gradient._values()
    # Autograd forgets on the way that a gradient is coalesced, and doing it again would cost as much as the step.
    if not bool((row[1:] > row[:-1]).all()):
        gradient = gradient.coalesce()
        row, value = gradient.indices()[0], gradient.values()
    return row, value


def mean_over_devices(gradient: Tensor) -> Tensor:
    """The mean of a sparse gradient over the devices of a training: rows and values of all are put together.

    Args:
        gradient: sparse [rows, width]; what a device did not use is 0.

    Returns:
        Sparse [rows, width], the same on each device.
    """
    row, value = gradient_rows(gradient)
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

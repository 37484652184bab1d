"""A side of the factorization machine in training with dropout, which every entry of every row has of its own."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from magus_pyg.models.kernels.dropout import fill_mask
from magus_pyg.models.kernels.side_rows import Bags, SideRows, row_gradient, squared_lengths, sum_runs

__all__ = ["read_dropped_side"]


def read_dropped_side(
    module: nn.Module, ids: str, values: str, index: Tensor, known: Tensor, bags: Bags, dropout: float
) -> SideRows:
    """As `read_side` with `joined` and `squares`, each entry of the vectors dropped by itself.

    The norm is that before dropout, the square that after it.

    Args:
        module: holds the tables, [I, dim + 1] and [V, dim + 1], with a linear weight as the last column.
        ids: name of the table of the ids.
        values: name of the table of the values.
        index: int64 [n], ids.
        known: float [n], 1 where the id has a training row, else 0.
        bags: [n] bags of values.
        dropout: the share of entries that are 0, in (0, 1).
    """
    sparse = getattr(module, "sparse", ())
    tables = getattr(module, ids), getattr(module, values)
    rows = _DroppedSide.apply(  # type: ignore[no-untyped-call]
        *tables, index, known, *bags, dropout, ids in sparse, values in sparse
    )
    return SideRows(*rows)


class _DroppedSide(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        id_table: Tensor,
        value_table: Tensor,
        ids: Tensor,
        known: Tensor,
        index: Tensor,
        position: Tensor,
        start: Tensor,
        scale: Tensor,
        dropout: float,
        sparse_ids: bool,
        sparse_values: bool,
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        # The n ids and the E values of all rows are one tensor of entries.
        n, width = len(ids), id_table.shape[1]
        rows = id_table.new_empty(n + len(index), width)
        torch.index_select(id_table.detach(), 0, ids, out=rows[:n])
        torch.index_select(value_table.detach(), 0, index, out=rows[n:])
        mask = torch.empty_like(rows)
        for part in (mask[:n], mask[n:]):  # drawn one after the other
            fill_mask(part, dropout, spare=1)
        dropped = rows * mask
        weight = torch.cat([known, scale.index_select(0, position)])
        place = torch.cat([torch.arange(n, device=ids.device), position])
        every = torch.arange(len(index), device=ids.device)
        total = sum_runs(dropped[n:], every, start).mul_(scale.unsqueeze(1))
        total.addcmul_(dropped[:n], known.unsqueeze(1))
        norm = torch.dot(weight, squared_lengths(rows))
        lengths = squared_lengths(dropped).sub_(rows[:, -1].square()).mul_(weight).mul_(weight)
        square = weight.new_zeros(n).index_add_(0, place, lengths)
        ctx.save_for_backward(ids, known, index, position, scale, place, weight, rows, mask, dropped)
        ctx.tables = (id_table.shape, sparse_ids), (value_table.shape, sparse_values)
        return total[:, :-1].unsqueeze(1), total[:, -1].clone(), norm, square

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, d_vectors: Tensor, d_linear: Tensor, d_norm: Tensor, d_square: Tensor) -> Any:
        ids, known, index, position, scale, place, weight, rows, mask, dropped = ctx.saved_tensors
        n = len(ids)
        d_total = torch.cat([d_vectors.flatten(1), d_linear.unsqueeze(1)], 1)
        d_lengths = d_square.index_select(0, place).mul_(weight).mul_(weight).unsqueeze(1)
        gradient = torch.empty_like(rows)
        torch.mul(d_total, known.unsqueeze(1), out=gradient[:n])
        torch.index_select(d_total.mul_(scale.unsqueeze(1)), 0, position, out=gradient[n:])
        last = gradient[:, -1].clone()
        gradient.addcmul_(dropped, d_lengths, value=2)
        gradient[:, -1] = last  # a linear weight has no square
        gradient.mul_(mask).addcmul_(rows, (weight * d_norm).unsqueeze(1), value=2)
        of_ids, of_values = ctx.tables
        d_ids, d_values = row_gradient(gradient[:n], ids, *of_ids), row_gradient(gradient[n:], index, *of_values)
        return d_ids, d_values, *[None] * 9

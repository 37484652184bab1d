"""Sums over the features of a side of the factorization machine, an id and a bag of values, with dropout."""

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from magus_pyg.models.kernels.bag_index import bag_sums, choose_bags, scatter_repeated
from magus_pyg.models.kernels.dropout import dropout, dropout_mask_
from magus_pyg.models.kernels.embedding_tables import is_sparse, look_up
from magus_pyg.models.kernels.id_and_bag import squared_lengths
from magus_pyg.ragged import Ragged

__all__ = ["FeatureSums", "dropped_feature_sums", "plain_feature_sums", "vector_columns"]


class FeatureSums(NamedTuple):
    """Sums over the features of n rows: an id, with x = 1 if it is known and else 0, and k values with x = 1 / k each.

    Attributes:
        total: [n, dim + 1], Σ v_i x_i, and Σ w_i x_i in the last column.
        norm: a scalar, the sum over rows and features of x_i (|v_i|² + w_i²) before dropout; 0 outside training.
        square: [n], Σ |v_i x_i|².
    """

    total: Tensor
    norm: Tensor
    square: Tensor


def vector_columns(total: Tensor) -> Tensor:
    """[dim + 1] for [n, dim + 1]: 1 at the columns of the vectors, 0 at that of the linear weights."""
    return (torch.arange(total.shape[1], device=total.device) < total.shape[1] - 1).to(total.dtype)


def plain_feature_sums(
    module: nn.Module,
    names: tuple[str, str],
    ids: Tensor,
    known: Tensor,
    bags: Ragged,
    share: float = 0.0,
    training: bool = False,
) -> FeatureSums:
    """The sums over ids and values, by torch's own operations.

    Vectors and linear weights stay in one tensor throughout: every copy costs as much as the arithmetic.

    Args:
        module: holds the tables, [I, dim + 1] and [V, dim + 1], with a linear weight as the last column.
        names: of the table of the ids and that of the values.
        ids: int64 [n].
        known: float [n], 1 where the id has a training row, else 0.
        bags: [n] bags of values.
        share: of the entries of vectors that are 0 in training, in [0, 1), each dropped by itself.
        training: False drops none, and leaves the norm at 0.
    """
    own = look_up(module, names[0], ids) * known.unsqueeze(1)
    bag, value = bags.row, look_up(module, names[1], bags.index)
    scale = (1 / bags.lengths.clamp(min=1).to(own.dtype))[bag]
    norm = own.square().sum() + value.square().sum(1) @ scale if training else own.new_zeros(())
    own = dropout(own, share, training, spare=1)
    terms = dropout(value, share, training, spare=1) * scale.unsqueeze(1)
    columns = vector_columns(own)
    square = (own.square() @ columns).index_add(0, bag, terms.square() @ columns)
    return FeatureSums(own.index_add(0, bag, terms), norm, square)


def dropped_feature_sums(
    module: nn.Module, names: tuple[str, str], ids: Tensor, known: Tensor, bags: Ragged, share: float
) -> FeatureSums:
    """`plain_feature_sums` in a training step with dropout; differentiable in both tables, once.

    Args:
        module, names: as for `plain_feature_sums`.
        ids: int64 [n].
        known: float [I or more], of all ids.
        bags: [I] bags of values, of all ids.
        share: in (0, 1).
    """
    tables, sparse = [getattr(module, name) for name in names], [is_sparse(module, name) for name in names]
    given = (*tables, ids, known.index_select(0, ids), *choose_bags(bags, ids, known.dtype), share, *sparse)
    return FeatureSums(*_DroppedFeatureSums.apply(*given))  # type: ignore[no-untyped-call]


class _DroppedFeatureSums(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        id_table: Tensor,
        value_table: Tensor,
        ids: Tensor,
        known: Tensor,
        entries: Tensor,
        bag: Tensor,
        start: Tensor,
        scale: Tensor,
        share: float,
        sparse_ids: bool,
        sparse_values: bool,
    ) -> tuple[Tensor, Tensor, Tensor]:
        # The n ids and the E values of all rows are one tensor of entries.
        n, width = len(ids), id_table.shape[1]
        rows = id_table.new_empty(n + len(entries), width)
        torch.index_select(id_table.detach(), 0, ids, out=rows[:n])
        torch.index_select(value_table.detach(), 0, entries, out=rows[n:])
        mask = torch.empty_like(rows)
        for part in (mask[:n], mask[n:]):  # drawn one after the other
            dropout_mask_(part, share, spare=1)
        dropped = rows * mask
        weight = torch.cat([known, scale.index_select(0, bag)])
        place = torch.cat([torch.arange(n, device=ids.device), bag])
        every = torch.arange(len(entries), device=ids.device)
        total = bag_sums(dropped[n:], every, start).mul_(scale.unsqueeze(1))
        total.addcmul_(dropped[:n], known.unsqueeze(1))
        norm = torch.dot(weight, squared_lengths(rows))
        lengths = squared_lengths(dropped).sub_(rows[:, -1].square()).mul_(weight).mul_(weight)
        square = weight.new_zeros(n).index_add_(0, place, lengths)
        ctx.save_for_backward(ids, known, entries, bag, scale, place, weight, rows, mask, dropped)
        ctx.tables = (id_table.shape, sparse_ids), (value_table.shape, sparse_values)
        return total, norm, square

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, d_total: Tensor, d_norm: Tensor, d_square: Tensor) -> Any:
        ids, known, entries, bag, scale, place, weight, rows, mask, dropped = ctx.saved_tensors
        n = len(ids)
        d_lengths = d_square.index_select(0, place).mul_(weight).mul_(weight).unsqueeze(1)
        gradient = torch.empty_like(rows)
        torch.mul(d_total, known.unsqueeze(1), out=gradient[:n])
        torch.index_select(d_total * scale.unsqueeze(1), 0, bag, out=gradient[n:])
        last = gradient[:, -1].clone()
        gradient.addcmul_(dropped, d_lengths, value=2)
        gradient[:, -1] = last  # a linear weight has no square
        gradient.mul_(mask).addcmul_(rows, (weight * d_norm).unsqueeze(1), value=2)
        of_ids, of_values = ctx.tables
        d_ids = scatter_repeated(gradient[:n], ids, *of_ids)
        return d_ids, scatter_repeated(gradient[n:], entries, *of_values), *[None] * 9

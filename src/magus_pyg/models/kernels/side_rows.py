"""Users with their profile values, or items with their words, as a training step reads them, with the gradient.

A step reads some ids, many of them more than once. What depends on an id alone is computed once for each: its own row,
and the mean of the rows of its values. Torch's own operations would form a gradient for every entry of every bag, in
many small steps, each of which costs more than its arithmetic. Here the gradient is written out, in few.
"""

import math
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from magus_pyg.ragged import Ragged

__all__ = [
    "Bags",
    "BothWays",
    "Members",
    "SideIndex",
    "SideRows",
    "both_ways",
    "read_side",
    "row_gradient",
    "squared_lengths",
    "sum_runs",
    "table_gradient",
]

# Everything there is is read where that is at most so many times what is asked for: it needs no sorting.
_WHOLE = 2


class Members(NamedTuple):
    """The m ids that n rows read, with bags of E values in all, and the same the other way round, by value.

    Attributes:
        place: int64 [n], which of the m is a row's; None where the rows are the m themselves.
        ids: int64 [m], distinct; None for all there are.
        known: float [m], 1 where the id has a training row, else 0.
        entries: int64 [E], the values of each bag in turn, as positions in `values`.
        start: int64 [m], where each bag starts.
        scale: float [m], what makes its sum a mean.
        values: int64 [v], distinct values; None for all there are.
        bag: int64 [E], the bags that hold each value, value by value.
        first: int64 [v], where those of each value start.
    """

    place: Tensor | None
    ids: Tensor | None
    known: Tensor
    entries: Tensor
    start: Tensor
    scale: Tensor
    values: Tensor | None
    bag: Tensor
    first: Tensor


class Bags(NamedTuple):
    """Bags of E values, of n rows.

    Attributes:
        entries: int64 [E], the values of each bag in turn.
        position: int64 [E], which bag they are in.
        start: int64 [n], where each bag starts.
        scale: float [n], what makes its sum a mean.
    """

    entries: Tensor
    position: Tensor
    start: Tensor
    scale: Tensor

    @classmethod
    def of_rows(cls, rows: Ragged, chosen: Tensor, dtype: torch.dtype) -> "Bags":
        """The rows `chosen`, int64 [n], of the rows of values."""
        at = rows.ptr.index_select(0, chosen)
        lengths = rows.ptr.index_select(0, chosen + 1) - at
        end = lengths.cumsum(0)
        total = int(end[-1]) if len(end) else 0
        start = end - lengths
        position = torch.repeat_interleave(lengths, output_size=total)
        place = torch.arange(total, device=at.device).add_((at - start).index_select(0, position))
        index = rows.index.index_select(0, place).to(torch.int64)
        return cls(index, position, start, 1 / lengths.clamp(min=1).to(dtype))


class SideRows(NamedTuple):
    """What a side gives to n rows. v is the row of an id, 0 where it is not known, u_e the rows of its k values.

    Attributes:
        vectors: [n, 2, dim], v and the mean of the u_e; or [n, 1, dim], their sum. Without the linear weights.
        linear: [n], the linear weight of v plus the mean of those of the u_e.
        norm: a scalar, the weighted sum over the rows of |v|² + Σ|u_e|² / k, linear weights included.
        square: [n], |v|² + Σ|u_e|² / k² without the linear weights; None where it was not asked for.
    """

    vectors: Tensor
    linear: Tensor
    norm: Tensor
    square: Tensor | None = None


#: The last six of `Members`.
BothWays = tuple[Tensor, Tensor, Tensor, Tensor | None, Tensor, Tensor]


class SideIndex:
    """Finds the members of steps; what is the same in each step is kept."""

    def __init__(self) -> None:
        self._kept: tuple[Ragged, BothWays] | None = None

    def members(
        self,
        ids: Tensor,
        known: Tensor,
        rows: Ragged,
        module: nn.Module,
        names: tuple[str, str],
        distinct: bool = False,
    ) -> Members:
        """The members that some rows read.

        Args:
            ids: int64 [n].
            known: float [I or more], of all ids.
            rows: [I] rows of values, of all ids.
            module: holds the tables they will be read from.
            names: of the table of the ids and that of the values. Of a table with sparse gradients only what the rows
                need is read.
            distinct: True where no id is there twice.
        """
        sparse_ids, sparse_values = (name in getattr(module, "sparse", ()) for name in names)
        n_values = math.inf if sparse_values else len(getattr(module, names[1]))
        if len(rows) <= _WHOLE * len(ids) and not sparse_ids and not sparse_values:
            if self._kept is None or self._kept[0].ptr is not rows.ptr or self._kept[0].index is not rows.index:
                self._kept = rows, both_ways(rows, torch.arange(len(rows), device=ids.device), n_values, known.dtype)
            return Members(ids, None, known[: len(rows)], *self._kept[1])
        place = None
        if not distinct:
            ids, place = torch.unique(ids, return_inverse=True)
        return Members(place, ids, known.index_select(0, ids), *both_ways(rows, ids, n_values, known.dtype))


def both_ways(rows: Ragged, ids: Tensor, n_values: float, dtype: torch.dtype) -> BothWays:
    """The bags of some ids, forwards and backwards.

    Args:
        rows: [I] rows of values, of all ids.
        ids: int64 [m].
        n_values: number of values there are; all are read where there are at most so many times as many as entries.
        dtype: of the scales.
    """
    index, position, start, scale = Bags.of_rows(rows, ids, dtype)
    ordered, order = torch.sort(index)
    values = None
    if n_values <= _WHOLE * len(index):
        counts = torch.bincount(ordered, minlength=int(n_values))
    else:
        values, which, counts = torch.unique_consecutive(ordered, return_inverse=True, return_counts=True)
        index = torch.empty_like(index).index_copy_(0, order, which)
    first = counts.cumsum(0) - counts
    return index, start, scale, values, position.index_select(0, order), first


def read_side(
    module: nn.Module,
    ids: str,
    values: str,
    members: Members,
    weight: Tensor | None = None,
    joined: bool = False,
    squares: bool = False,
) -> SideRows:
    """What members give to the rows that read them, in training; differentiable in both tables, once.

    Args:
        module: holds the tables, [I, dim + 1] and [V, dim + 1], with a linear weight as the last column.
        ids: name of the table of the ids.
        values: name of the table of the values.
        members: of `SideIndex`.
        weight: float [n], of the rows in the norm; 1 each where None.
        joined: True sums the two vectors.
        squares: True gives the square.
    """
    sparse = getattr(module, "sparse", ())
    tables = getattr(module, ids), getattr(module, values)
    rows = _Side.apply(  # type: ignore[no-untyped-call]
        *tables, *members, weight, joined, squares, ids in sparse, values in sparse
    )
    return SideRows(*rows)


class _Side(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        id_table: Tensor,
        value_table: Tensor,
        place: Tensor | None,
        ids: Tensor | None,
        known: Tensor,
        index: Tensor,
        start: Tensor,
        scale: Tensor,
        values: Tensor | None,
        bag: Tensor,
        first: Tensor,
        weight: Tensor | None,
        joined: bool,
        squares: bool,
        sparse_ids: bool,
        sparse_values: bool,
    ) -> tuple[Tensor, Tensor, Tensor, Tensor | None]:
        own = id_table.detach() if ids is None else id_table.index_select(0, ids)
        value = value_table.detach() if values is None else value_table.index_select(0, values)
        m, dim = len(own), own.shape[1] - 1
        mean = sum_runs(value, index, start)
        known_, scale_ = known.unsqueeze(1), scale.unsqueeze(1)
        if joined:
            vectors = torch.mul(own[:, :dim], known_).addcmul_(mean[:, :dim], scale_).unsqueeze(1)
        else:
            vectors = own.new_empty(m, 2, dim)
            torch.mul(own[:, :dim], known_, out=vectors[:, 0])
            torch.mul(mean[:, :dim], scale_, out=vectors[:, 1])
        linear = torch.mul(own[:, dim], known).addcmul_(mean[:, dim], scale)

        # How much each row of the tables weighs in the norm.
        if place is None:
            share = torch.ones_like(known) if weight is None else weight
        elif weight is None:
            share = torch.bincount(place, minlength=m).to(known.dtype)
        else:
            share = known.new_zeros(m).index_add_(0, place, weight)
        of_ids, of_values = share * known, sum_runs((share * scale).unsqueeze(1), bag, first).squeeze(1)
        own_lengths, value_lengths = squared_lengths(own), squared_lengths(value)
        norm = torch.dot(of_ids, own_lengths).add_(torch.dot(of_values, value_lengths))
        square = None
        if squares:
            parts = value_lengths.sub_(value[:, dim].square()).unsqueeze(1)
            square = sum_runs(parts, index, start).squeeze(1).mul_(scale).mul_(scale)
            square.addcmul_(own_lengths.sub_(own[:, dim].square()), known)
        if place is not None:
            vectors, linear = vectors.index_select(0, place), linear.index_select(0, place)
            square = None if square is None else square.index_select(0, place)
        ctx.save_for_backward(place, ids, known, scale, values, bag, first, own, value, of_ids, of_values)
        ctx.shapes, ctx.sparse, ctx.joined = (id_table.shape, value_table.shape), (sparse_ids, sparse_values), joined
        return vectors, linear, norm, square

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, d_vectors: Tensor, d_linear: Tensor, d_norm: Tensor, d_square: Tensor | None) -> Any:
        place, ids, known, scale, values, bag, first, own, value, of_ids, of_values = ctx.saved_tensors
        dim = own.shape[1] - 1
        scalars = [d_linear] if d_square is None else [d_linear, d_square]
        given = torch.cat([d_vectors.flatten(1), *(column.unsqueeze(1) for column in scalars)], 1)
        if place is not None:
            given = given.new_zeros(len(own), given.shape[1]).index_add_(0, place, given)
        to_id = given if ctx.joined else torch.cat([given[:, :dim], given[:, 2 * dim :]], 1)
        to_id = to_id * known.unsqueeze(1)
        to_values = given[:, -(dim + len(scalars)) :] * scale.unsqueeze(1)
        if d_square is not None:
            to_values[:, -1] *= scale
        to_values = sum_runs(to_values, bag, first)
        d_ids = _gradient(to_id, own, of_ids * d_norm, ctx.shapes[0], ids, ctx.sparse[0])
        d_values = _gradient(to_values, value, of_values * d_norm, ctx.shapes[1], values, ctx.sparse[1])
        return d_ids, d_values, *[None] * 14


def _gradient(
    sums: Tensor, rows: Tensor, lengths: Tensor, shape: torch.Size, used: Tensor | None, sparse: bool
) -> Tensor:
    """The gradient of a table.

    Args:
        sums: [m, dim + 1], what is asked of the vectors and linear weights of its rows, may be overwritten; of
            [m, dim + 2] the last column is of the squared lengths of the vectors alone.
        rows: [m, dim + 1] of the table.
        lengths: [m], what is asked of their squared lengths.
        shape: of the table.
        used: int64 [m], which rows they are; None for all.
        sparse: whether the gradient is.
    """
    width = rows.shape[1]
    if sums.shape[1] == width:
        gradient = sums.addcmul_(rows, lengths.unsqueeze(1), value=2)
    else:
        alone = sums[:, width]
        gradient = torch.addcmul(sums[:, :width], rows, (lengths + alone).unsqueeze(1), value=2)
        gradient[:, -1].addcmul_(rows[:, -1], alone, value=-2)
    return table_gradient(gradient, shape, used, sparse)


def table_gradient(gradient: Tensor, shape: torch.Size, used: Tensor | None, sparse: bool) -> Tensor:
    """The gradient of a table of a shape from that of its rows `used`, int64 [m], ascending; of all if None."""
    if used is None:
        return gradient
    if sparse:
        index = used.unsqueeze(0)
        return torch.sparse_coo_tensor(index, gradient, shape, check_invariants=False, is_coalesced=True)
    return gradient.new_zeros(shape).index_copy_(0, used, gradient)


def squared_lengths(rows: Tensor) -> Tensor:
    """[n] for rows [n, width]."""
    lengths: Tensor = torch.linalg.vector_norm(rows, dim=1)  # in one pass, which the sum of squares is not
    return lengths.square_()


def row_gradient(values: Tensor, index: Tensor, shape: torch.Size, sparse: bool) -> Tensor:
    """The gradient of a table of a shape whose rows `index`, int64 [E], have the gradients `values`, [E, width].

    A sparse one has each row once.
    """
    if not sparse:
        return values.new_zeros(shape).index_add_(0, index, values)
    used, place = torch.unique(index, return_inverse=True)
    gradient = values.new_zeros(len(used), values.shape[1]).index_add_(0, place, values)
    return table_gradient(gradient, shape, used, sparse)


def sum_runs(values: Tensor, index: Tensor, start: Tensor) -> Tensor:
    """The sums of values[index] over the runs of the index that begin at `start`, [n, width]."""
    if not len(index):
        return values.new_zeros(len(start), values.shape[1])
    return F.embedding_bag(index, values, start, mode="sum")

"""An id's vector and the mean of those of its bag of values, as a training step reads them, with the gradient.

Such as a user with its profile values, or an item with its words. A step reads some ids, many of them more than once.
What depends on an id alone is computed once for each: its own row, and the mean of the rows of its values. Torch's own
operations would form a gradient for every entry of every bag, in many small steps, each of which costs more than its
arithmetic. Here the gradient is written out, in few.
"""

import math
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from magus_pyg.models.kernels.bag_index import READ_ALL, BagIndex, bag_sums, index_bags, scatter_distinct
from magus_pyg.models.kernels.embedding_tables import is_sparse, look_up
from magus_pyg.ragged import Ragged

__all__ = [
    "BatchIndexer",
    "DistinctIds",
    "IdAndBag",
    "embed_id_and_bag",
    "plain_id_and_bag",
    "squared_lengths",
    "sum_id_and_bag",
]


class DistinctIds(NamedTuple):
    """The m ids that n rows read, with their bags.

    Attributes:
        place: int64 [n], which of the m is a row's; None where the rows are the m themselves.
        ids: int64 [m], distinct; None for all there are.
        known: float [m], 1 where the id has a training row, else 0.
        bags: of the m ids.
    """

    place: Tensor | None
    ids: Tensor | None
    known: Tensor
    bags: BagIndex


class IdAndBag(NamedTuple):
    """What n rows read. v is the row of an id, 0 where it is not known, u_e the rows of its k values.

    Attributes:
        vectors: [n, 2, dim], v and the mean of the u_e; or [n, dim], their sum. Without the linear weights.
        linear: [n], the linear weight of v plus the mean of those of the u_e.
        norm: a scalar, the weighted sum over the rows of |v|² + Σ|u_e|² / k, linear weights included; 0 in evaluation.
    """

    vectors: Tensor
    linear: Tensor
    norm: Tensor


def plain_id_and_bag(
    module: nn.Module,
    names: tuple[str, str],
    ids: Tensor,
    known: Tensor,
    bags: Ragged,
    weight: Tensor | None = None,
    training: bool = False,
) -> IdAndBag:
    """What ids and their bags give to rows, by torch's own operations.

    Args:
        module: holds the tables, [I, dim + 1] and [V, dim + 1], with a linear weight as the last column.
        names: of the table of the ids and that of the values.
        ids: int64 [n].
        known: float [n], 1 where the id has a training row, else 0.
        bags: [n] bags of values.
        weight: float [n], of the rows in the norm; 1 each where None.
        training: False leaves the norm at 0.
    """
    own = look_up(module, names[0], ids) * known.unsqueeze(1)
    share = 1 / bags.lengths.clamp(min=1).to(own.dtype)
    bag, value = bags.row, look_up(module, names[1], bags.index)
    mean = torch.zeros_like(own).index_add(0, bag, value) * share.unsqueeze(1)
    norm = own.new_zeros(())
    if training:
        lengths = own.square().sum(1) + own.new_zeros(len(own)).index_add(0, bag, value.square().sum(1)) * share
        norm = lengths.sum() if weight is None else (lengths * weight).sum()
    return IdAndBag(torch.stack([own[:, :-1], mean[:, :-1]], 1), own[:, -1] + mean[:, -1], norm)


class BatchIndexer:
    """Finds the distinct ids of steps and their bags; what is the same in each step is kept."""

    def __init__(self) -> None:
        self._kept: tuple[Ragged, BagIndex] | None = None

    def find(
        self,
        ids: Tensor,
        known: Tensor,
        bags: Ragged,
        module: nn.Module,
        names: tuple[str, str],
        distinct: bool = False,
    ) -> DistinctIds:
        """The ids that some rows read.

        Args:
            ids: int64 [n].
            known: float [I or more], of all ids.
            bags: [I] bags of values, of all ids.
            module: holds the tables they will be read from.
            names: of the table of the ids and that of the values. Of a table with sparse gradients only what the rows
                need is read.
            distinct: True where no id is there twice.
        """
        sparse_ids, sparse_values = (is_sparse(module, name) for name in names)
        n_values = math.inf if sparse_values else len(getattr(module, names[1]))
        if len(bags) <= READ_ALL * len(ids) and not sparse_ids and not sparse_values:
            if self._kept is None or self._kept[0].ptr is not bags.ptr or self._kept[0].index is not bags.index:
                self._kept = bags, index_bags(bags, torch.arange(len(bags), device=ids.device), n_values, known.dtype)
            return DistinctIds(ids, None, known[: len(bags)], self._kept[1])
        place = None
        if not distinct:
            ids, place = torch.unique(ids, return_inverse=True)
        return DistinctIds(place, ids, known.index_select(0, ids), index_bags(bags, ids, n_values, known.dtype))


def embed_id_and_bag(
    module: nn.Module,
    names: tuple[str, str],
    found: DistinctIds,
    weight: Tensor | None = None,
    joined: bool = False,
) -> IdAndBag:
    """`plain_id_and_bag` in a training step; differentiable in both tables, once.

    Args:
        module: holds the tables, [I, dim + 1] and [V, dim + 1], with a linear weight as the last column.
        names: of the table of the ids and that of the values.
        found: what the rows read, of `BatchIndexer`.
        weight: float [n], of the rows in the norm; 1 each where None.
        joined: True sums the two vectors.
    """
    vectors, linear, norm, _ = _apply(module, names, found, weight, joined, False)
    assert linear is not None
    return IdAndBag(vectors, linear, norm)


def sum_id_and_bag(module: nn.Module, names: tuple[str, str], found: DistinctIds) -> tuple[Tensor, Tensor, Tensor]:
    """As `embed_id_and_bag`, of sums alone: v + Σ u_e / k with the linear weights, [n, dim + 1]; the norm; and
    |v|² + Σ|u_e|² / k² without the linear weights, [n]."""
    total, _, norm, square = _apply(module, names, found, None, True, True)
    assert square is not None
    return total, norm, square


def _apply(
    module: nn.Module, names: tuple[str, str], found: DistinctIds, weight: Tensor | None, joined: bool, squares: bool
) -> tuple[Tensor, Tensor | None, Tensor, Tensor | None]:
    tables, sparse = [getattr(module, name) for name in names], [is_sparse(module, name) for name in names]
    given = (*tables, *found[:3], *found.bags, weight, joined, squares, *sparse)
    return _IdAndBag.apply(*given)  # type: ignore[no-untyped-call,no-any-return]


class _IdAndBag(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        id_table: Tensor,
        value_table: Tensor,
        place: Tensor | None,
        ids: Tensor | None,
        known: Tensor,
        entries: Tensor,
        start: Tensor,
        scale: Tensor,
        values: Tensor | None,
        holders: Tensor,
        first: Tensor,
        weight: Tensor | None,
        joined: bool,
        squares: bool,
        sparse_ids: bool,
        sparse_values: bool,
    ) -> tuple[Tensor, Tensor | None, Tensor, Tensor | None]:
        own = id_table.detach() if ids is None else id_table.index_select(0, ids)
        value = value_table.detach() if values is None else value_table.index_select(0, values)
        m, dim = len(own), own.shape[1] - 1
        mean = bag_sums(value, entries, start)
        known_, scale_ = known.unsqueeze(1), scale.unsqueeze(1)
        linear = None
        if joined:
            end = dim + squares  # then the linear weights stay in the sum
            vectors = torch.mul(own[:, :end], known_).addcmul_(mean[:, :end], scale_)
        else:
            vectors = own.new_empty(m, 2, dim)
            torch.mul(own[:, :dim], known_, out=vectors[:, 0])
            torch.mul(mean[:, :dim], scale_, out=vectors[:, 1])
        if not squares:
            linear = torch.mul(own[:, dim], known).addcmul_(mean[:, dim], scale)

        # How much each row of the tables weighs in the norm.
        if place is None:
            share = torch.ones_like(known) if weight is None else weight
        elif weight is None:
            share = torch.bincount(place, minlength=m).to(known.dtype)
        else:
            share = known.new_zeros(m).index_add_(0, place, weight)
        of_ids, of_values = share * known, bag_sums((share * scale).unsqueeze(1), holders, first).squeeze(1)
        own_lengths, value_lengths = squared_lengths(own), squared_lengths(value)
        norm = torch.dot(of_ids, own_lengths).add_(torch.dot(of_values, value_lengths))
        square = None
        if squares:
            parts = value_lengths.sub_(value[:, dim].square()).unsqueeze(1)
            square = bag_sums(parts, entries, start).squeeze(1).mul_(scale).mul_(scale)
            square.addcmul_(own_lengths.sub_(own[:, dim].square()), known)
        if place is not None:
            vectors = vectors.index_select(0, place)
            linear, square = (x if x is None else x.index_select(0, place) for x in (linear, square))
        ctx.save_for_backward(place, ids, known, scale, values, holders, first, own, value, of_ids, of_values)
        ctx.shapes, ctx.sparse, ctx.joined = (id_table.shape, value_table.shape), (sparse_ids, sparse_values), joined
        return vectors, linear, norm, square

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, d_vectors: Tensor, d_linear: Tensor | None, d_norm: Tensor, d_square: Tensor | None) -> Any:
        place, ids, known, scale, values, holders, first, own, value, of_ids, of_values = ctx.saved_tensors
        dim = own.shape[1] - 1
        last = d_linear if d_square is None else d_square
        assert last is not None
        given = torch.cat([d_vectors.flatten(1), last.unsqueeze(1)], 1)
        if place is not None:
            given = given.new_zeros(len(own), given.shape[1]).index_add_(0, place, given)
        to_id = given if ctx.joined else torch.cat([given[:, :dim], given[:, 2 * dim :]], 1)
        to_id = to_id * known.unsqueeze(1)
        to_values = given[:, -to_id.shape[1] :] * scale.unsqueeze(1)
        if d_square is not None:
            to_values[:, -1] *= scale
        to_values = bag_sums(to_values, holders, first)
        d_ids = _table_gradient(to_id, own, of_ids * d_norm, ids, ctx.shapes[0], ctx.sparse[0])
        d_values = _table_gradient(to_values, value, of_values * d_norm, values, ctx.shapes[1], ctx.sparse[1])
        return d_ids, d_values, *[None] * 14


def _table_gradient(
    sums: Tensor, rows: Tensor, lengths: Tensor, used: Tensor | None, shape: torch.Size, sparse: bool
) -> Tensor:
    """The gradient of a table.

    Args:
        sums: [m, dim + 1], what is asked of the vectors and linear weights of its rows, may be overwritten; of
            [m, dim + 2] the last column is of the squared lengths of the vectors alone.
        rows: [m, dim + 1] of the table.
        lengths: [m], what is asked of their squared lengths.
        used: int64 [m], which rows they are; None for all.
        shape: of the table.
        sparse: whether the gradient is.
    """
    width = rows.shape[1]
    if sums.shape[1] == width:
        gradient = sums.addcmul_(rows, lengths.unsqueeze(1), value=2)
    else:
        alone = sums[:, width]
        gradient = torch.addcmul(sums[:, :width], rows, (lengths + alone).unsqueeze(1), value=2)
        gradient[:, -1].addcmul_(rows[:, -1], alone, value=-2)
    return scatter_distinct(gradient, used, shape, sparse)


def squared_lengths(rows: Tensor) -> Tensor:
    """[n] for rows [n, width]."""
    lengths: Tensor = torch.linalg.vector_norm(rows, dim=1)  # in one pass, which the sum of squares is not
    return lengths.square_()

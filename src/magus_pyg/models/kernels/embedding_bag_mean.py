"""The means of rows of a table over bags of values, with the gradient written out."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from magus_pyg.models.kernels.bag_index import BagIndex, bag_sums, index_bags, scatter_distinct
from magus_pyg.models.kernels.embedding_tables import is_sparse, look_up
from magus_pyg.ragged import Ragged

__all__ = ["embedding_bag_mean", "plain_bag_mean"]


def plain_bag_mean(module: nn.Module, name: str, bags: Ragged) -> Tensor:
    """The means of the rows of a module's table over all of some bags, [n, width], 0 for an empty one."""
    rows, bag = look_up(module, name, bags.index), bags.row
    share = 1 / bags.lengths.clamp(min=1).to(rows.dtype)
    return rows.new_zeros(len(bags), rows.shape[1]).index_add(0, bag, rows * share[bag].unsqueeze(1))


def embedding_bag_mean(
    module: nn.Module, name: str, bags: Ragged, chosen: Tensor | None = None, index: BagIndex | None = None
) -> Tensor:
    """`plain_bag_mean` of chosen bags, [n, width]; differentiable once.

    No row of an entry's own is formed, forwards or backwards: only sums over bags and over the uses of a value.

    Args:
        module, name: the table.
        bags: of rows of it.
        chosen: int64 [n], which bags; all if None.
        index: what `index_bags` made of them, where it is at hand.
    """
    if torch.compiler.is_compiling():  # a compiler fuses plain operations itself
        return plain_bag_mean(module, name, bags if chosen is None else bags.select(chosen))
    table, sparse = getattr(module, name), is_sparse(module, name)
    if index is None:
        chosen = torch.arange(len(bags), device=bags.ptr.device) if chosen is None else chosen
        index = index_bags(bags, chosen, float("inf") if sparse else len(table), table.dtype)
    means: Tensor = _EmbeddingBagMean.apply(table, *index, sparse)  # type: ignore[no-untyped-call]
    return means


class _EmbeddingBagMean(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        table: Tensor,
        entries: Tensor,
        start: Tensor,
        scale: Tensor,
        values: Tensor | None,
        holders: Tensor,
        first: Tensor,
        sparse: bool,
    ) -> Tensor:
        ctx.save_for_backward(scale, values, holders, first)
        ctx.table = table.shape, sparse
        rows = table.detach() if values is None else table.index_select(0, values)
        return bag_sums(rows, entries, start).mul_(scale.unsqueeze(1))

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> Any:
        scale, values, holders, first = ctx.saved_tensors
        shape, sparse = ctx.table
        gradient = bag_sums(gradient * scale.unsqueeze(1), holders, first)
        return scatter_distinct(gradient, values, shape, sparse), *[None] * 7

"""What PyG and the layers use of `torch_sparse`, written on plain tensors: so that its paths are tested without it.

`SparseTensor` is the real class where it is installed. Else it is a stand-in with the interface and the behaviour that
torch_sparse documents (rows in order, values sorted with them), and `products` lets PyG multiply it.
"""

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor
from torch_geometric import typing
from torch_geometric.utils import _spmm, scatter


class _StandIn(typing.SparseTensor):  # the name under which PyG and the layers look for it
    def __init__(
        self,
        row: Tensor,
        col: Tensor,
        value: Tensor | None = None,
        sparse_sizes: tuple[int, int] | None = None,
    ) -> None:
        assert sparse_sizes is not None
        order = torch.argsort(row * max(sparse_sizes[1], 1) + col, stable=True)
        self._row, self._col, self._sizes = row[order], col[order], sparse_sizes
        self._value = None if value is None else value[order]

    @property
    def storage(self) -> Any:
        return SimpleNamespace(value=lambda: self._value)

    def sparse_sizes(self) -> tuple[int, int]:
        return self._sizes

    def size(self, dim: int) -> int:
        return self._sizes[dim]

    def nnz(self) -> int:
        return self._row.numel()

    def is_cuda(self) -> bool:
        return self._row.is_cuda

    def requires_grad(self) -> bool:
        return self._value is not None and self._value.requires_grad

    def coo(self) -> tuple[Tensor, Tensor, Tensor | None]:
        return self._row, self._col, self._value

    def csr(self) -> tuple[Tensor, Tensor, Tensor | None]:
        ptr = torch.searchsorted(self._row, torch.arange(self._sizes[0] + 1, device=self._row.device))
        return ptr, self._col, self._value

    def set_value(self, value: Tensor | None, layout: str | None = None) -> "_StandIn":
        """`value` stands row by row, as with layout="coo"."""
        return _StandIn(self._row, self._col, value, self._sizes)

    def t(self) -> "_StandIn":
        return _StandIn(self._col, self._row, self._value, self._sizes[::-1])

    def to_torch_sparse_csr_tensor(self, dtype: torch.dtype | None = None) -> Tensor:
        ptr, col, value = self.csr()
        if value is None:
            value = torch.ones(col.numel(), dtype=dtype or torch.get_default_dtype(), device=col.device)
        return torch.sparse_csr_tensor(ptr, col, value, self._sizes, check_invariants=False)


def _matmul(src: _StandIn, other: Tensor, reduce: str = "sum") -> Tensor:
    row, col, value = src.coo()
    message = other[col] if value is None else value.unsqueeze(-1) * other[col]
    return scatter(message, row, 0, src.size(0), reduce)


SparseTensor = typing.SparseTensor if typing.WITH_TORCH_SPARSE else _StandIn


def adjacency(edges: Tensor, num_src: int, num_dst: int, value: Tensor | None = None) -> Any:
    """The edges [2, E] as adj_t."""
    return SparseTensor(row=edges[1], col=edges[0], value=value, sparse_sizes=(num_dst, num_src))


@pytest.fixture
def products(monkeypatch: pytest.MonkeyPatch) -> None:
    """`torch_sparse.matmul` of the stand-in, where PyG calls it."""
    if not typing.WITH_TORCH_SPARSE:
        monkeypatch.setattr(_spmm, "torch_sparse", SimpleNamespace(matmul=_matmul))

"""Reading what a layer is given: edges in PyG's three forms, and the checks of shapes, types and node ids.

Checks look at values, so they wait for the device and would break a compiled graph: `torch.compile` traces the layers
without them.
"""

from typing import Any, NamedTuple, TypeAlias

import torch
from torch import Tensor
from torch_geometric import EdgeIndex
from torch_geometric.typing import SparseTensor

from magus_pyg.errors import GraphError, ModelError

EdgesLike: TypeAlias = Any
"""A plain `edge_index` [2, E], a PyG `EdgeIndex`, or a `torch_sparse.SparseTensor` holding the transpose (`adj_t`)."""


class Edges(NamedTuple):
    """E edges in one form: `ends` is int64 [2, E] (source, target), `value` [E, ...] what a SparseTensor held."""

    ends: Tensor
    value: Tensor | None
    adj_t: EdgesLike | None


def read_edges(edges: EdgesLike, name: str, num_src: int, num_dst: int) -> Edges:
    """Bring edges into one form and check them.

    Args:
        edges: see `EdgesLike`; row 0 of a tensor holds sources, row 1 targets.
        name: what messages call the edges.
        num_src: number of source nodes.
        num_dst: number of target nodes.

    Raises:
        GraphError: for another type, shape or dtype, or a node id out of range.
    """
    if isinstance(edges, SparseTensor):
        return _read_sparse(edges, name, num_src, num_dst)
    if not isinstance(edges, Tensor):
        raise GraphError(
            f"{name} must be a tensor [2, E], an EdgeIndex or a torch_sparse.SparseTensor, got {type(edges).__name__}"
        )
    if edges.layout != torch.strided:
        raise GraphError(f"{name} has the layout {edges.layout}; give a dense edge_index [2, E] or a SparseTensor")
    index = edges.as_tensor() if isinstance(edges, EdgeIndex) else edges
    if index.dim() != 2 or index.size(0) != 2:
        raise GraphError(f"{name} must have the shape [2, E], got {list(index.shape)}")
    if index.dtype not in (torch.int64, torch.int32):
        raise GraphError(f"{name} must hold int64 node ids, got {index.dtype}")
    index = index.to(torch.int64)
    check_range(index[0], num_src, f"{name}[0]", "source nodes")
    check_range(index[1], num_dst, f"{name}[1]", "target nodes")
    return Edges(index, None, None)


def _read_sparse(adj_t: EdgesLike, name: str, num_src: int, num_dst: int) -> Edges:
    sizes = tuple(adj_t.sparse_sizes())
    if sizes != (num_dst, num_src):
        raise GraphError(
            f"{name} is a SparseTensor of size {sizes}; as adj_t (rows are targets) it must be {(num_dst, num_src)}"
        )
    target, source, value = adj_t.coo()
    return Edges(torch.stack([source, target]), value, adj_t)


def check_range(ids: Tensor, high: int, name: str, what: str) -> None:
    """Raise a `GraphError` unless all ids are in [0, high); a compiled graph cannot look at them."""
    if ids.numel() == 0 or torch.compiler.is_compiling():
        return
    low_id, high_id = (int(bound) for bound in torch.aminmax(ids))
    if low_id < 0 or high_id >= high:
        worst = low_id if low_id < 0 else high_id
        raise GraphError(f"{name} holds {worst}, but there are {high} {what}: ids run from 0 to {high - 1}")


def check_mask(mask: Tensor | None, name: str, size: int) -> None:
    """Raise a `GraphError` unless `mask` is None or bool [size]."""
    if mask is not None and (mask.dtype != torch.bool or tuple(mask.shape) != (size,)):
        raise GraphError(f"{name} must be bool [{size}], got {mask.dtype} {list(mask.shape)}")


def check_batch(batch: Tensor | None, num_nodes: int, *edges: Tensor) -> None:
    """Raise a `GraphError` unless `batch` is None or int64 [num_nodes], >= 0, and no edge joins two graphs."""
    if batch is None:
        return
    if batch.dtype != torch.int64 or tuple(batch.shape) != (num_nodes,):
        raise GraphError(f"batch must be int64 [{num_nodes}], got {batch.dtype} {list(batch.shape)}")
    if torch.compiler.is_compiling():
        return
    if num_nodes and int(batch.min()) < 0:
        raise GraphError(f"batch holds {int(batch.min())}; graph ids start at 0")
    for index in edges:
        crossing = batch[index[0]] != batch[index[1]]
        if bool(crossing.any()):
            source, target = index[:, crossing][:, 0].tolist()
            raise GraphError(
                f"edge ({source}, {target}) joins graph {int(batch[source])} and graph {int(batch[target])} of batch"
            )


def check_one_set(num_src: int, num_dst: int, implied: bool, batch: Tensor | None, one_set: bool = True) -> None:
    """Raise a `GraphError` where an implied R- or a batch stands between two sets of nodes.

    Sets of different sizes are two; where `one_set` is false, so are those of equal size.
    """
    sizes = f"needs one node set, got a pair of {num_src} sources and {num_dst} receivers"
    if batch is not None and num_src != num_dst:
        raise GraphError(f"batch {sizes}")
    if implied and (num_src != num_dst or not one_set):
        raise GraphError(f"the implied R- {sizes}: give neg_edge_index ([2, 0] for no R-)")


def check_edge_type(edge_type: Tensor | None, num_edges: int, num_relations: int) -> Tensor:
    """The checked relation of each edge, int64 [num_edges]; raises a `GraphError` for anything else."""
    if edge_type is None:
        raise GraphError("edge_type is missing: give int64 [E], or a SparseTensor whose values are the relations")
    if edge_type.dtype not in (torch.int64, torch.int32) or tuple(edge_type.shape) != (num_edges,):
        raise GraphError(f"edge_type must be int64 [{num_edges}], got {edge_type.dtype} {list(edge_type.shape)}")
    edge_type = edge_type.to(torch.int64)
    check_range(edge_type, num_relations, "edge_type", "relations")
    return edge_type


def read_pair(x: Any, name: str) -> tuple[Any, Any]:
    """(senders', receivers') of a pair, or twice the one that is given; raises a `ModelError` for other lengths."""
    if not isinstance(x, (tuple, list)):
        return x, x
    if len(x) != 2:
        raise ModelError(f"{name} must be a tensor or a pair ({name}_src, {name}_dst), got {len(x)} entries")
    return x[0], x[1]


def check_features(x: Tensor | None, name: str, channels: int, weight: Tensor) -> Tensor:
    """`x` if it is floating [N, channels] of the dtype of `weight`; raises a `ModelError` for anything else.

    Channels of -1, those of a layer that has not seen features yet, allow any. Under autocast dtypes may differ.
    """
    if not isinstance(x, Tensor):
        raise ModelError(f"{name} must be a floating tensor [N, {channels}], got {type(x).__name__}")
    if x.dim() != 2 or channels not in (-1, x.size(1)) or not x.is_floating_point():
        raise ModelError(f"{name} must be a floating tensor [N, {channels}], got {x.dtype} {list(x.shape)}")
    check_dtype(x, name, weight)
    return x


def check_dtype(x: Tensor, name: str, weight: Tensor) -> None:
    """Raise a `ModelError` unless `x` has the dtype of `weight`, or autocast gives both another."""
    if x.dtype != weight.dtype and not torch.is_autocast_enabled(x.device.type):
        raise ModelError(
            f"{name} is {x.dtype}, the weights of the layer are {weight.dtype}: convert {name}, or the layer with "
            f".to({x.dtype})"
        )

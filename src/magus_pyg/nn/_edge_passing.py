"""What all layers share: edges read along the flow, sums over them with or without messages, masks of explainers."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch_geometric.nn.aggr import Aggregation
from torch_geometric.typing import SparseTensor

from magus_pyg.errors import GraphError, ModelError
from magus_pyg.nn._edge_product import EdgeRows, product_pays
from magus_pyg.nn._inputs import Edges, EdgesLike, read_edges
from magus_pyg.nn._layer import Layer

FLOWS = ("source_to_target", "target_to_source")
_HOOKED = ("propagate", "message", "aggregate")


class EdgePassing(Layer):
    """Message passing from a layer's own reading of its edges.

    With `flow="target_to_source"` an edge (a, b) is read as sent by b to a: the layer equals the one of the default
    flow on flipped edges. Pairs of node sets are (senders, receivers) either way.

    Args:
        aggr: what messages of a node become.
        **kwargs: the other arguments of `torch_geometric.nn.MessagePassing`, without `node_dim`.
    """

    def __init__(self, aggr: str | Aggregation, /, **kwargs: Any) -> None:
        for name in ("aggr", "node_dim"):
            if name in kwargs:
                raise ModelError(f"{name}={kwargs[name]!r}: {type(self).__name__} takes no {name}, it is part of it")
        flow = kwargs.get("flow", FLOWS[0])
        if flow not in FLOWS:
            raise ModelError(f"flow must be one of {FLOWS}, got {flow!r}")
        super().__init__(aggr=aggr, node_dim=0, **kwargs)
        self._part: slice | None = slice(None)

    def read(self, edges: EdgesLike, name: str, num_src: int, num_dst: int) -> Edges:
        """`read_edges` along the flow: `ends` are (senders, receivers) whatever it is."""
        if self.flow == "source_to_target":
            return read_edges(edges, name, num_src, num_dst)
        if isinstance(edges, SparseTensor):
            raise GraphError(
                f"{name} is a SparseTensor, whose rows receive, which flow='target_to_source' cannot turn: give "
                "adj_t.t() to a layer of the default flow"
            )
        return Edges(read_edges(edges, name, num_dst, num_src).ends.flip(0), None, None)

    def pass_along(self, ends: Tensor, size: tuple[int, int], **inputs: Tensor | None) -> Tensor:
        """`propagate` from ends[0] to ends[1], of `size` (senders, receivers), whatever the flow."""
        if self.flow == "target_to_source":
            ends, size = ends.flip(0), (size[1], size[0])
        return self.propagate(ends, size=size, **inputs)  # type: ignore[no-any-return]

    def pass_features(self, x: Tensor, ends: Tensor, size: tuple[int, int], own: type) -> Tensor:
        """`pass_along` of x [num_src, B] without weights, as a product where that is faster.

        Args:
            own: the class whose messages are x itself.
        """
        if self.aggr in ("mean", "sum", "add") and self.needs_no_messages(own) and product_pays(x, ends, x.size(1)):
            rows = EdgeRows(ends, *size)
            return rows.mean(x) if self.aggr == "mean" else rows.sum(x)
        return self.pass_along(ends, size, x=x)

    def needs_no_messages(self, own: type) -> bool:
        """Whether nobody sees or changes messages: no explainer, no hook, and no subclass of the layer `own`."""
        hooked = any(getattr(self, f"_{of}_forward{kind}_hooks") for of in _HOOKED for kind in ("", "_pre"))
        changed = any(
            getattr(type(self), name) is not getattr(own, name) for name in ("message", "aggregate", "update")
        )
        return not (self.explain or hooked or changed)

    @contextmanager
    def explained(self, part: slice | None) -> Iterator[None]:
        """Let an explainer's mask hold for a part of its edges alone; None: for none, messages pass in full."""
        self._part = part
        try:
            yield
        finally:
            self._part = slice(None)

    def relation_parts(self, num_pos: int, num_neg: int) -> tuple[slice | None, slice | None]:
        """The parts of an explainer's mask that are of R+ and of R-.

        The mask is over R+, or over R+ followed by R-.

        Raises:
            GraphError: for a mask of another length.
        """
        if not self.explain or self._edge_mask is None or self._edge_mask.size(0) == num_pos:
            return slice(None), None
        if self._edge_mask.size(0) == num_pos + num_neg:
            return slice(0, num_pos), slice(num_pos, None)
        raise GraphError(
            f"the explainer's mask holds {self._edge_mask.size(0)} edges: explain R+ ({num_pos} edges), or R+ followed "
            f"by R- ({num_pos + num_neg})"
        )

    def explain_message(self, inputs: Tensor) -> Tensor:
        """The masked messages. An explainer may know fewer edges than the layer has: see `explained`."""
        if self._part is None:
            return inputs
        mask = self._edge_mask
        if mask is None:
            raise GraphError("the layer is explained, but has no mask of its edges")
        mask = mask[self._part]
        if mask.size(0) != inputs.size(0):
            raise GraphError(f"the explainer's mask holds {mask.size(0)} edges, the layer passes {inputs.size(0)}")
        mask = torch.sigmoid(mask) if self._apply_sigmoid else mask
        return inputs * mask.view(-1, *[1] * (inputs.dim() - 1))

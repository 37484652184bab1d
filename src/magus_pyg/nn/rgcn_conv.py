"""Relational graph convolution, with relations that may be the complement of others."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn
from torch_geometric.nn.inits import glorot, zeros

from magus_pyg.errors import GraphError, ModelError
from magus_pyg.nn._complement import Complement, select_edges
from magus_pyg.nn._edge_product import EdgeRows, product_pays
from magus_pyg.nn._inputs import (
    EdgesLike,
    check_batch,
    check_edge_type,
    check_features,
    check_mask,
    read_edges,
)
from magus_pyg.nn._layer import Layer
from magus_pyg.nn._relation_weight import RelationWeight


class RGCNConv(Layer):
    r"""The relational graph convolution of `"Modeling Relational Data with Graph Convolutional Networks"
    <https://arxiv.org/abs/1703.06103>`_ (Schlichtkrull et al. 2018).

    .. math::
        x'_v = W_0 x_v + \sum_r W_r \cdot \frac{1}{|N_r(v)|} \sum_{u \in N_r(v)} x_u + b

    The mean is over the edges of the relation alone, and 0 where there are none. A relation named in `complement_of`
    has no edges: its neighbours of v are all nodes that no edge of the listed relations joins to v, in either
    direction, v left out. So R- is used whole at the cost of R+: `complement_of={inhibits: (improves, contains)}`.

    Args:
        in_channels: channels of the input; a pair (source, target) for two node sets.
        out_channels: channels of the output.
        num_relations: R, implied relations included.
        num_bases: number of bases the relations share; None gives each its own weight.
        complement_of: for each implied relation the relations it is the complement of.
        root_weight: add W_0 x_v.
        bias: add b.
        **kwargs: arguments of `torch_geometric.nn.MessagePassing`, without `aggr` and `node_dim`.

    Shapes:
        - input: x [N, in], or a pair (x_src [N_src, in_src], x_dst [N_dst, in_dst]); edges [2, E], edge_type [E].
        - output: [N, out] or [N_dst, out]. A call holds N·R·in numbers.
    """

    def __init__(
        self,
        in_channels: int | tuple[int, int],
        out_channels: int,
        num_relations: int,
        num_bases: int | None = None,
        complement_of: Mapping[int, Sequence[int]] | None = None,
        root_weight: bool = True,
        bias: bool = True,
        **kwargs: object,
    ) -> None:
        super().__init__(aggr="mean", node_dim=0, **kwargs)
        in_src, in_dst = (in_channels, in_channels) if isinstance(in_channels, int) else in_channels
        self.in_channels = in_channels
        self.in_channels_pair = (in_src, in_dst)
        self.out_channels = out_channels
        self.num_relations = num_relations
        self.complement_of = _read_complement_of(complement_of or {}, num_relations)
        self.lin = RelationWeight(num_relations, in_src, out_channels, num_bases)
        self.register_parameter("root", nn.Parameter(torch.empty(in_dst, out_channels)) if root_weight else None)
        self.register_parameter("bias", nn.Parameter(torch.empty(out_channels)) if bias else None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw all weights anew (Glorot) and set the bias to zero."""
        super().reset_parameters()
        self.lin.reset_parameters()
        glorot(self.root)
        zeros(self.bias)

    def forward(
        self,
        x: Tensor | tuple[Tensor, Tensor],
        edge_index: EdgesLike,
        edge_type: Tensor | None = None,
        complement_nodes: Tensor | tuple[Tensor | None, Tensor | None] | None = None,
        skip_edge_index: EdgesLike | None = None,
        batch: Tensor | None = None,
    ) -> Tensor:
        """Run the layer.

        Args:
            x: floating [N, in], or a pair (x_src, x_dst).
            edge_index: plain [2, E], `EdgeIndex`, or `SparseTensor` as adj_t whose values are the relations.
            edge_type: int64 [E] in [0, R), the relation of each edge; none may be an implied relation.
            complement_nodes: bool [N], the nodes that implied relations join; a pair (sources, receivers) tells them
                apart, None in it or instead of it means all nodes.
            skip_edge_index: pairs that implied relations leave out beside those of `complement_of` (R⊥).
            batch: int64 [N], the graph of each node in a disjoint union; implied relations stay within a graph.

        Raises:
            GraphError: node ids or relations out of range, edges or masks of the wrong shape or type, edges between
                graphs, edges of an implied relation, implied relations between two node sets.
            ModelError: features of the wrong shape or type.
        """
        x_src, x_dst = (x, x) if isinstance(x, Tensor) else x
        check_features(x_src, "x" if x_src is x_dst else "x_src", self.in_channels_pair[0])
        if x_src is not x_dst or self.root is not None:
            check_features(x_dst, "x_dst", self.in_channels_pair[1])
        num_src, num_dst = x_src.size(0), x_dst.size(0)
        edges = read_edges(edge_index, "edge_index", num_src, num_dst)
        edge_type = check_edge_type(
            edges.value if edge_type is None else edge_type, edges.ends.size(1), self.num_relations
        )

        # One row a (node, relation): the means of all relations at once.
        slots = torch.stack([edges.ends[0], edges.ends[1] * self.num_relations + edge_type])
        size = (num_src, num_dst * self.num_relations)
        plain = self.explain or type(self).message is not RGCNConv.message
        if not plain and product_pays(x_src, slots, x_src.size(1)):
            mean = EdgeRows(slots, *size).mean(x_src)
        else:
            mean = self.propagate(slots, x=x_src, size=size)
        weight = self.lin()
        out = mean.view(num_dst, self.num_relations * self.in_channels_pair[0]) @ weight.flatten(0, 1)
        if self.complement_of:
            if num_src != num_dst:
                raise GraphError(f"implied relations need one node set, got {num_src} sources and {num_dst} receivers")
            extra = None
            if skip_edge_index is not None:
                extra = read_edges(skip_edge_index, "skip_edge_index", num_src, num_dst).ends
            out = out + self._implied(x_src, edges.ends, edge_type, weight, complement_nodes, extra, batch)
        if self.root is not None:
            out = out + x_dst @ self.root
        if self.bias is not None:
            out = out + self.bias
        return out  # type: ignore[no-any-return]

    def _implied(
        self,
        x: Tensor,
        ends: Tensor,
        edge_type: Tensor,
        weight: Tensor,
        nodes: Tensor | tuple[Tensor | None, Tensor | None] | None,
        skip: Tensor | None,
        batch: Tensor | None,
    ) -> Tensor:
        """Σ over implied relations of W_r · mean over the complement, [N, out]."""
        num_nodes = x.size(0)
        sources, receivers = nodes if isinstance(nodes, tuple) else (nodes, nodes)
        check_mask(sources, "complement_nodes", num_nodes)
        check_mask(receivers, "complement_nodes", num_nodes)
        extra = [] if skip is None else [skip]
        out = x.new_zeros(num_nodes, self.out_channels)
        for relation, listed in self.complement_of.items():
            if not torch.compiler.is_compiling() and bool((edge_type == relation).any()):
                raise GraphError(f"edge_type holds {relation}, but that relation is the complement of {listed}")
            is_listed = torch.isin(edge_type, torch.tensor(listed, device=edge_type.device))
            joined = [select_edges(ends, is_listed), *extra]
            check_batch(batch, num_nodes, *joined)
            mean = Complement(joined, num_nodes, batch).mean(x, sources)
            if receivers is not None:
                mean = mean * receivers.unsqueeze(-1)
            out = out + mean @ weight[relation]
        return out

    def message(self, x_j: Tensor) -> Tensor:
        """The neighbour's features, [E, in]."""
        return x_j

    def __repr__(self) -> str:
        implied = f", complement_of={self.complement_of}" if self.complement_of else ""
        return (
            f"{self.__class__.__name__}({self.in_channels}, {self.out_channels}, "
            f"num_relations={self.num_relations}{implied})"
        )


def _read_complement_of(complement_of: Mapping[int, Sequence[int]], num_relations: int) -> dict[int, tuple[int, ...]]:
    read = {relation: tuple(listed) for relation, listed in complement_of.items()}
    for relation, listed in read.items():
        for other in (relation, *listed):
            if not 0 <= other < num_relations:
                raise ModelError(f"complement_of names relation {other}; relations run from 0 to {num_relations - 1}")
        for other in listed:
            if other in read:
                raise ModelError(f"complement_of[{relation}] lists {other}, which is implied and has no edges")
    return read

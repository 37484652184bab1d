"""Relational graph convolution, with relations that may be the complement of others."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn
from torch_geometric.nn.aggr import Aggregation
from torch_geometric.nn.inits import glorot, zeros

from magus_pyg.errors import GraphError, ModelError
from magus_pyg.nn._complement import Complement, select_edges
from magus_pyg.nn._edge_passing import EdgePassing
from magus_pyg.nn._inputs import (
    EdgesLike,
    check_batch,
    check_edge_type,
    check_features,
    check_mask,
    check_range,
    read_pair,
)
from magus_pyg.nn._relation_weight import RelationWeight, channel_pair, check_sizes


class RGCNConv(EdgePassing):
    r"""The relational graph convolution of `"Modeling Relational Data with Graph Convolutional Networks"
    <https://arxiv.org/abs/1703.06103>`_ (Schlichtkrull et al. 2018).

    .. math::
        x'_v = W_0 x_v + \sum_r W_r \cdot \frac{1}{|N_r(v)|} \sum_{u \in N_r(v)} x_u + b

    The mean is over the edges of the relation alone, and 0 where there are none. A relation named in `complement_of`
    has no edges: its neighbours of v are all nodes that no edge of the listed relations joins to v, in either
    direction, v left out. So R- is used whole at the cost of R+: `complement_of={inhibits: (improves, contains)}`.

    Against `torch_geometric.nn.RGCNConv`, whose arguments come first and mean the same: the mean is over a relation's
    edges with any extension installed, and relations may be implied. `from_pyg` takes over its weights.

    Args:
        in_channels: channels of the input; a pair (source, target) for two node sets. Of nodes without features, the
            number of nodes.
        out_channels: channels of the output.
        num_relations: R, implied relations included.
        num_bases: number of bases the relations share; None gives each its own weight.
        num_blocks: number of blocks on the diagonal of each W_r, outside of which it is 0; not with `num_bases`.
        aggr: what the neighbours of a relation become, "mean" in the formula; "sum", "max" or another single one.
        root_weight: add W_0 x_v.
        is_sorted: that edges are sorted by relation, which changes nothing here.
        bias: add b.
        complement_of: for each implied relation the relations it is the complement of; for the mean alone.
        **kwargs: arguments of `torch_geometric.nn.MessagePassing`, without `node_dim`.

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
        num_blocks: int | None = None,
        aggr: str | Aggregation = "mean",
        root_weight: bool = True,
        is_sorted: bool = False,
        bias: bool = True,
        *,
        complement_of: Mapping[int, Sequence[int]] | None = None,
        **kwargs: object,
    ) -> None:
        super().__init__(aggr, **kwargs)
        in_src, in_dst = channel_pair(in_channels)
        for size in (in_src, in_dst):
            check_sizes(in_channels=size)
        self.in_channels = in_channels
        self.in_channels_pair = (in_src, in_dst)
        self.out_channels = out_channels
        self.num_relations = num_relations
        self.is_sorted = is_sorted
        self.complement_of = _read_complement_of(complement_of or {}, num_relations)
        if not isinstance(self.aggr, str):
            raise ModelError(f"aggr must be one aggregation, which keeps the channels, got {aggr!r}")
        if self.complement_of and self.aggr != "mean":
            raise ModelError(f"relations of complement_of are means, which aggr={self.aggr!r} is not: leave one out")
        self.lin = RelationWeight(num_relations, in_src, out_channels, num_bases, num_blocks)
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
        x: Tensor | tuple[Tensor | None, Tensor] | None,
        edge_index: EdgesLike,
        edge_type: Tensor | None = None,
        complement_nodes: Tensor | tuple[Tensor | None, Tensor | None] | None = None,
        skip_edge_index: EdgesLike | None = None,
        batch: Tensor | None = None,
    ) -> Tensor:
        """Run the layer.

        Args:
            x: floating [N, in], or a pair (x_src, x_dst). Nodes without features are int64 [N], their numbers in
                [0, in): each stands for a unit vector, whose projection is a row of W_r. None numbers the senders from
                0 to in - 1.
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
        x_src, x_dst = read_pair(x, "x")
        one_set = x_src is x_dst
        in_src, in_dst = self.in_channels_pair
        if x_src is None:
            x_src = torch.arange(in_src, device=self.lin.weight.device)
            x_dst = x_src if one_set else x_dst
        x_src = self._check_nodes(x_src, "x" if one_set else "x_src", in_src)
        if not one_set or self.root is not None:
            x_dst = self._check_nodes(x_dst, "x_dst", in_dst)
        num_src, num_dst = x_src.size(0), x_dst.size(0)
        edges = self.read(edge_index, "edge_index", num_src, num_dst)
        edge_type = check_edge_type(
            edges.value if edge_type is None else edge_type, edges.ends.size(1), self.num_relations
        )

        weight = self.lin()
        # One row a (node, relation): what the neighbours become in all relations at once.
        slot = edges.ends[1] * self.num_relations + edge_type
        if x_src.is_floating_point():
            ends, size = torch.stack([edges.ends[0], slot]), (num_src, num_dst * self.num_relations)
            gathered = self.pass_features(x_src, ends, size, RGCNConv)
            out = gathered.view(num_dst, self.num_relations * in_src) @ weight.flatten(0, 1)
        else:
            ends = torch.stack([edge_type * in_src + x_src.index_select(0, edges.ends[0]), slot])
            size = (self.num_relations * in_src, num_dst * self.num_relations)
            gathered = self.pass_features(weight.flatten(0, 1), ends, size, RGCNConv)
            out = gathered.view(num_dst, self.num_relations, self.out_channels).sum(1)
        if self.complement_of:
            if not one_set:
                raise GraphError(
                    f"implied relations need one node set, got a pair of {num_src} sources and {num_dst} receivers"
                )
            extra = None
            if skip_edge_index is not None:
                extra = self.read(skip_edge_index, "skip_edge_index", num_src, num_dst).ends
            out = out + self._implied(x_src, edges.ends, edge_type, weight, complement_nodes, extra, batch)
        if self.root is not None:
            out = out + _project(x_dst, self.root)
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
        out = weight.new_zeros(num_nodes, self.out_channels)
        for relation, listed in self.complement_of.items():
            if not torch.compiler.is_compiling() and bool((edge_type == relation).any()):
                raise GraphError(f"edge_type holds {relation}, but that relation is the complement of {listed}")
            is_listed = torch.isin(edge_type, torch.tensor(listed, device=edge_type.device))
            joined = [select_edges(ends, is_listed), *extra]
            check_batch(batch, num_nodes, *joined)
            complement = Complement(joined, num_nodes, batch)
            if x.is_floating_point():
                mean = complement.mean(x, sources) @ weight[relation]
            else:
                mean = complement.mean(_project(x, weight[relation]), sources)
            out = out + (mean if receivers is None else mean * receivers.unsqueeze(-1))
        return out

    def _check_nodes(self, x: Tensor, name: str, channels: int) -> Tensor:
        """The checked features, or numbers of nodes that have none."""
        if isinstance(x, Tensor) and x.dtype == torch.int64 and x.dim() == 1:
            check_range(x, channels, name, "rows of weights")
            return x
        return check_features(x, name, channels, self.lin.weight)

    def message(self, x_j: Tensor) -> Tensor:
        """The neighbour's features, [E, in]."""
        return x_j

    def __repr__(self) -> str:
        implied = f", complement_of={self.complement_of}" if self.complement_of else ""
        return (
            f"{self.__class__.__name__}({self.in_channels}, {self.out_channels}, "
            f"num_relations={self.num_relations}{implied})"
        )


def _project(x: Tensor, weight: Tensor) -> Tensor:
    """x W, [N, out], of features [N, in], or of nodes without features by their numbers."""
    return x @ weight if x.is_floating_point() else weight.index_select(0, x)


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

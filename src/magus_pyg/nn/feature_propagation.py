"""Feature propagation over R+ and R- (Eqs. 10-12), and the edge weights learned by it (Eq. 14)."""

import torch
from torch import Tensor
from torch_geometric.nn import Linear
from torch_geometric.typing import SparseTensor
from torch_geometric.utils import spmm

from magus_pyg.errors import GraphError, ModelError
from magus_pyg.nn._complement import ComplementCache, edge_dot
from magus_pyg.nn._edge_passing import EdgePassing
from magus_pyg.nn._inputs import (
    Edges,
    EdgesLike,
    check_batch,
    check_features,
    check_mask,
    check_one_set,
    read_edges,
    read_pair,
)
from magus_pyg.nn._relation_weight import check_sizes


class FeaturePropagation(EdgePassing):
    r"""The feature propagation of Eqs. (11) and (12) of the MAGUS paper, without a message an edge.

    As printed, every neighbour u of v sends :math:`W_1 e_u + W_2 (e_v^\top e_u) e_v`. Both maps are linear and
    :math:`e_v` is the receiver's own, so the sums collapse into the means :math:`a^+_v`, :math:`a^-_v` of the
    neighbours' vectors:

    .. math::
        e'_v = \mathrm{ReLU}\left( W_1 (e_v + a^+_v - a^-_v) + \left( e_v^\top (a^+_v - a^-_v) \right) W_2 e_v \right)

    The mean of an empty neighbourhood is 0. R- may be left out: it is then every ordered pair that no edge of R+ or
    R⊥ joins in either direction, and its mean comes from totals, without forming those pairs.

    Args:
        channels: d, the size of the vectors.
        cached: keep the joined pairs of the implied R- for as long as the very same, unchanged edge tensors are passed
            (see `SignedLabelPropagation`).
        **kwargs: arguments of `torch_geometric.nn.MessagePassing`, without `aggr` and `node_dim`.

    Shapes:
        - input: x [N, d], or a pair (x_src [N_src, d], x_dst [N_dst, d]) with both relations given; edges [2, E] as
          (source, target). N+ in both directions needs both directions given.
        - output: [N, d] or [N_dst, d].
    """

    def __init__(self, channels: int, cached: bool = False, **kwargs: object) -> None:
        super().__init__("mean", **kwargs)
        check_sizes(channels=channels)
        self.channels = channels
        self.lin1 = Linear(channels, channels, bias=False, weight_initializer="glorot")
        self.lin2 = Linear(channels, channels, bias=False, weight_initializer="glorot")
        self._complements = ComplementCache(cached)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw W_1 and W_2 anew (Glorot)."""
        super().reset_parameters()
        self.lin1.reset_parameters()
        self.lin2.reset_parameters()
        self._complements.clear()

    def forward(
        self,
        x: Tensor | tuple[Tensor, Tensor],
        pos_edge_index: EdgesLike,
        neg_edge_index: EdgesLike | None = None,
        skip_edge_index: EdgesLike | None = None,
        neg_nodes: Tensor | None = None,
        batch: Tensor | None = None,
    ) -> Tensor:
        """Run one layer.

        Args:
            x: vectors of the nodes (Eq. 10), floating [N, d], or a pair (x_src, x_dst).
            pos_edge_index: R+, plain [2, E], `EdgeIndex` or `SparseTensor` as adj_t (values are not read). An edge
                given twice counts twice in the mean; a loop counts as a neighbour, so give none.
            neg_edge_index: R- likewise; None for the implied R-, [2, 0] for none at all.
            skip_edge_index: R⊥, pairs that the implied R- leaves out; read only there.
            neg_nodes: bool [N], the nodes that may stand in N- of others where R- is implied. The mask of the items
                gives `negatives: items`, which is exact without R⊥: an item is R⊥ to nothing.
            batch: int64 [N], the graph of each node in a disjoint union; the implied R- stays within a graph.

        Raises:
            GraphError: node ids out of range, edges or masks of the wrong shape or type, edges between graphs, an
                implied R- or graphs of two node sets.
            ModelError: vectors of another shape or type.
        """
        x_src, x_dst = read_pair(x, "x")
        x_src = check_features(x_src, "x" if x_src is x_dst else "x_src", self.channels, self.lin1.weight)
        x_dst = check_features(x_dst, "x_dst", self.channels, self.lin1.weight)
        size = num_src, num_dst = x_src.size(0), x_dst.size(0)
        check_one_set(num_src, num_dst, neg_edge_index is None, batch, one_set=x_src is x_dst)
        pos = self.read(pos_edge_index, "pos_edge_index", *size)
        if neg_edge_index is not None:
            if neg_nodes is not None:
                raise GraphError("neg_nodes narrows the implied R-; with neg_edge_index, leave the edges out instead")
            neg = self.read(neg_edge_index, "neg_edge_index", *size)
            check_batch(batch, num_dst, pos.ends, neg.ends)
            pos_part, neg_part = self.relation_parts(pos.ends.size(1), neg.ends.size(1))
            mean_neg = self._mean(x_src, neg, size, neg_part)
        else:
            check_mask(neg_nodes, "neg_nodes", num_src)
            pos_part = slice(None)
            joined = [pos.ends]
            if skip_edge_index is not None:
                joined.append(self.read(skip_edge_index, "skip_edge_index", *size).ends)
            mean_neg = self._complements.get(joined, num_src, batch).mean(x_src, neg_nodes)
        return self.combine(x_dst, self._mean(x_src, pos, size, pos_part) - mean_neg)

    def combine(self, x: Tensor, difference: Tensor) -> Tensor:
        """Eq. (11) with the messages of Eq. (12) collapsed, for nodes whose neighbours' means are known.

        Args:
            x: vectors of n nodes, floating [n, d].
            difference: [n, d], the means over N+ less those over N-.

        Returns:
            [n, d].
        """
        similarity = (x * difference).sum(-1, keepdim=True)
        return torch.relu(self.lin1(x + difference) + similarity * self.lin2(x))

    @staticmethod
    def edge_weight(x: Tensor, edge_index: EdgesLike) -> Tensor:
        """Weights of the edges by Eq. (14), x_u·x_v.

        Args:
            x: floating [N, d].
            edge_index: plain [2, E], `EdgeIndex`, or `SparseTensor` as adj_t (weights then in its row-major order).

        Returns:
            [E]. The weights of an implied R- are never formed: give x as `factors` to `SignedLabelPropagation`.
        """
        if x.dim() != 2 or not x.is_floating_point():
            raise ModelError(f"x must be floating [N, d], got {x.dtype} {list(x.shape)}")
        source, target = read_edges(edge_index, "edge_index", x.size(0), x.size(0)).ends
        return edge_dot(source, target, x)

    def _mean(self, x: Tensor, edges: Edges, size: tuple[int, int], part: slice | None) -> Tensor:
        """The mean over the edges into each node, [N_dst, d]; `part` of an explainer's mask holds for them."""
        if edges.adj_t is not None and self.needs_no_messages(FeaturePropagation):
            return self.propagate(edges.adj_t, x=x, size=size)  # type: ignore[no-any-return]
        with self.explained(part):
            return self.pass_features(x, edges.ends, size, FeaturePropagation)

    def message(self, x_j: Tensor) -> Tensor:
        """The neighbour's vector, [E, d]."""
        return x_j

    def message_and_aggregate(self, adj_t: EdgesLike, x: Tensor) -> Tensor:
        """The mean over sparse rows, without messages, [N, d]."""
        if isinstance(adj_t, SparseTensor):
            adj_t = adj_t.set_value(None, layout=None)
        return spmm(adj_t, x, reduce="mean")  # type: ignore[no-any-return]

    def __repr__(self) -> str:
        return f"{self.__class__.__name__}({self.channels})"

"""Signed label propagation over R+ and R-, with R- given or implied (Eqs. 4, 8 and 9)."""

import torch
from torch import Tensor
from torch_geometric.typing import OptTensor
from torch_geometric.utils import spmm

from magus_pyg.errors import ModelError
from magus_pyg.nn._complement import Complement, ComplementCache, edge_dot, own_rows
from magus_pyg.nn._edge_passing import EdgePassing
from magus_pyg.nn._edge_product import EdgeRows, product_pays
from magus_pyg.nn._inputs import Edges, EdgesLike, check_batch, check_mask, check_one_set, read_pair

Factors = Tensor | tuple[Tensor | None, Tensor | None]


class SignedLabelPropagation(EdgePassing):
    r"""One synchronous pass of the signed label propagation of Eqs. (4) and (9) of the MAGUS paper.

    .. math::
        y'_v = y_v + \sum_{u \in R^+(v)} w_{uv} \, y_u - \sum_{u \in R^-(v)} w_{uv} \, y_u

    The direction of the edges is the direction of the flow: Eq. (4) is called with the items as sources and the
    queries as receivers, Eq. (9) with the nodes set by Eq. (8) as sources and all others as receivers. Nodes that
    send nothing hold 0 in `y_src`.

    R- may be left out: it is then every ordered pair :math:`u \neq v` that neither `pos_edge_index` nor
    `skip_edge_index` joins in either direction. Its sums come from totals, in O(E log E + N) for unit weights, and
    exactly so for weights that are dot products of node features (Eq. 14):
    :math:`\sum_u (f_u^\top f_v) y_u = f_v^\top \sum_u f_u y_u`. Totals are as exact as the dtype: where the order of
    nearly equal scores matters, use float64.

    Args:
        cached: keep the joined pairs of the implied R- (their sorting is most of its cost) for as long as the very
            same, unchanged edge tensors are passed. Without effect on SparseTensors, on tensors made in inference
            mode, and in a compiled call.
        **kwargs: arguments of `torch_geometric.nn.MessagePassing`, without `aggr` and `node_dim`.

    Shapes:
        - input: y [N] or [N, B] (B columns propagated at once), or a pair (y_src [N_src], y_dst [N_dst]) of such;
          edges [2, E] as (source, target).
        - output: [N_dst] or [N_dst, B], as y_dst.
    """

    def __init__(self, cached: bool = False, **kwargs: object) -> None:
        super().__init__("add", **kwargs)
        self._complements = ComplementCache(cached)

    def reset_parameters(self) -> None:
        """Forget the cached pairs (the operator has nothing to learn)."""
        super().reset_parameters()
        self._complements.clear()

    def forward(
        self,
        y: Tensor | tuple[Tensor, Tensor],
        pos_edge_index: EdgesLike,
        neg_edge_index: EdgesLike | None = None,
        pos_weight: Tensor | None = None,
        neg_weight: Tensor | None = None,
        skip_edge_index: EdgesLike | None = None,
        factors: Factors | None = None,
        receivers: Tensor | None = None,
        batch: Tensor | None = None,
        factor_rows: Tensor | None = None,
    ) -> Tensor:
        """Run the pass.

        Args:
            y: scores, floating [N] or [N, B], or a pair (y_src, y_dst). Where R- is implied or `factors` are given,
                both of the pair are over the same N nodes; else they may be two node sets.
            pos_edge_index: R+, [2, E+] as plain tensor or `EdgeIndex`, or `SparseTensor` as adj_t, whose values, if
                any, are the weights. An edge given twice counts twice.
            neg_edge_index: R- likewise; None for the implied R-, [2, 0] for none at all.
            pos_weight: [E+], unit weights (Eq. 3) where None.
            neg_weight: [E-] likewise, only with `neg_edge_index`.
            skip_edge_index: R⊥, pairs that the implied R- leaves out; read only there.
            factors: [N, r], makes the weight of a pair (u, v) factors[u]·factors[v] (Eq. 14), over the implied R-
                too. A pair (pos_factors, neg_factors) gives each relation its own; None in it means weights as
                without factors.
            receivers: bool [N_dst]; the other nodes keep y_dst. None: all receive.
            factor_rows: int64 [N], the row of the factors that each node has, where many nodes share few; None: row v
                is that of node v.
            batch: int64 [N], the graph of each node in a disjoint union of graphs; the implied R- stays within a
                graph, and an edge between two graphs is an error. In a compiled call the ids must be below N.

        Raises:
            GraphError: node ids out of range, edges or masks of the wrong shape or type, edges between graphs, an
                implied R- between two node sets.
            ModelError: scores, weights or factors of the wrong shape or type, or given twice.
        """
        y_src, y_dst = _read_scores(y)
        is_vector = y_dst.dim() == 1
        if is_vector:
            y_src, y_dst = y_src.unsqueeze(-1), y_dst.unsqueeze(-1)
        size = num_src, num_dst = y_src.size(0), y_dst.size(0)
        check_one_set(num_src, num_dst, neg_edge_index is None, batch)
        pos = self.read(pos_edge_index, "pos_edge_index", *size)
        check_mask(receivers, "receivers", num_dst)
        pos_factors, neg_factors = _read_factors(factors, y_src, num_dst, factor_rows)
        neg: Edges | None = None
        pos_part: slice | None = slice(None)
        neg_part: slice | None = None
        if neg_edge_index is not None:
            neg = self.read(neg_edge_index, "neg_edge_index", *size)
            check_batch(batch, num_dst, pos.ends, neg.ends)
            pos_part, neg_part = self.relation_parts(pos.ends.size(1), neg.ends.size(1))

        # R+ of Eqs. (4) and (9)
        with self.explained(pos_part):
            out = y_dst + self._edge_sum(y_src, num_dst, pos, pos_weight, pos_factors, factor_rows, "pos")
        # R- of Eqs. (4) and (9)
        if neg is not None:
            with self.explained(neg_part):
                out = out - self._edge_sum(y_src, num_dst, neg, neg_weight, neg_factors, factor_rows, "neg")
        else:
            if neg_weight is not None:
                raise ModelError("neg_weight has no edges to stand on: give neg_edge_index too, or use factors")
            complement = self._complement(pos, skip_edge_index, num_dst, batch)
            if neg_factors is None:
                out = out - complement.sum(y_src)
            else:
                out = out - complement.weighted_sum(y_src, neg_factors, factor_rows)
        if receivers is not None:
            out = torch.where(receivers.unsqueeze(-1), out, y_dst)
        return out.squeeze(-1) if is_vector else out

    def _edge_sum(
        self,
        y_src: Tensor,
        num_dst: int,
        edges: Edges,
        weight: Tensor | None,
        factors: Tensor | None,
        rows: Tensor | None,
        sign: str,
    ) -> Tensor:
        """Σ w·y_src over explicit edges, [N_dst, B]."""
        size = (y_src.size(0), num_dst)
        if edges.value is not None and weight is not None:
            raise ModelError(f"{sign}_weight and the values of the SparseTensor both give weights: leave one out")
        weight = edges.value if weight is None else weight
        if factors is not None:
            if weight is not None:
                raise ModelError(f"factors and {sign}_weight both give the weights of R{'+' if sign == 'pos' else '-'}")
            weight = edge_dot(*own_rows(edges.ends[0], edges.ends[1], rows), factors)  # Eq. (14)
        if weight is not None:
            _check_weight(weight, f"{sign}_weight", edges.ends.size(1), y_src)
        if self.needs_no_messages(SignedLabelPropagation):
            if edges.adj_t is not None and weight is edges.value:
                return self.propagate(edges.adj_t, y=y_src, weight=None, size=size)  # type: ignore[no-any-return]
            if product_pays(y_src, edges.ends, y_src.size(1)):
                return EdgeRows(edges.ends, *size).sum(y_src, weight)
        return self.pass_along(edges.ends, size, y=y_src, weight=weight)

    def _complement(
        self, pos: Edges, skip_edge_index: EdgesLike | None, num_nodes: int, batch: Tensor | None
    ) -> Complement:
        """The pairs of the implied R-."""
        joined = [pos.ends]
        if skip_edge_index is not None:
            joined.append(self.read(skip_edge_index, "skip_edge_index", num_nodes, num_nodes).ends)
        return self._complements.get(joined, num_nodes, batch)

    def message(self, y_j: Tensor, weight: OptTensor) -> Tensor:
        """The message of each edge, [E, B]."""
        return y_j if weight is None else weight.unsqueeze(-1) * y_j

    def message_and_aggregate(self, adj_t: EdgesLike, y: Tensor) -> Tensor:
        """The sum over sparse rows, without messages: [N_dst, B]. The values of `adj_t` are the weights."""
        return spmm(adj_t, y, reduce="sum")  # type: ignore[no-any-return]

    def __repr__(self) -> str:
        return f"{self.__class__.__name__}({'cached=True' if self._complements.enabled else ''})"


def _read_scores(y: Tensor | tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
    y_src, y_dst = read_pair(y, "y")
    for name, value in (("y_src", y_src), ("y_dst", y_dst)):
        if not isinstance(value, Tensor):
            raise ModelError(f"{name} must be floating, [N] or [N, B], got {type(value).__name__}")
        if value.dim() not in (1, 2) or not value.is_floating_point():
            raise ModelError(f"{name} must be floating, [N] or [N, B], got {value.dtype} {list(value.shape)}")
    if y_src.shape[1:] != y_dst.shape[1:] or y_src.dtype != y_dst.dtype:
        raise ModelError(
            f"y_src and y_dst must agree beyond their number of nodes, got {y_src.dtype} {list(y_src.shape)} "
            f"and {y_dst.dtype} {list(y_dst.shape)}"
        )
    return y_src, y_dst


def _read_factors(
    factors: Factors | None, y_src: Tensor, num_dst: int, rows: Tensor | None
) -> tuple[Tensor | None, Tensor | None]:
    if factors is None:
        return None, None
    pair = (factors, factors) if isinstance(factors, Tensor) else factors
    if len(pair) != 2:
        raise ModelError(f"factors must be a tensor or a pair (pos_factors, neg_factors), got {len(pair)} entries")
    num_src = y_src.size(0)
    if num_src != num_dst:
        raise ModelError(f"factors need one node set, got {num_src} sources and {num_dst} receivers: use weights")
    if rows is not None and (rows.dtype != torch.int64 or tuple(rows.shape) != (num_src,)):
        raise ModelError(f"factor_rows must be torch.int64 [{num_src}], got {rows.dtype} {list(rows.shape)}")
    for factor in pair:
        size = num_src if rows is None or factor is None else factor.size(0)
        if factor is not None and (factor.dim() != 2 or factor.size(0) != size or factor.dtype != y_src.dtype):
            raise ModelError(
                f"factors must be {y_src.dtype} [{num_src}, r], as y, got {factor.dtype} {list(factor.shape)}"
            )
    return pair


def _check_weight(weight: Tensor, name: str, num_edges: int, y: Tensor) -> None:
    if tuple(weight.shape) != (num_edges,) or weight.dtype != y.dtype:
        raise ModelError(f"{name} must be {y.dtype} [{num_edges}], as y, got {weight.dtype} {list(weight.shape)}")

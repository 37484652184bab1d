"""Relational graph attention, with one projection a node and relation."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch_geometric.nn import Linear
from torch_geometric.nn.inits import glorot, zeros
from torch_geometric.utils import softmax

from magus_pyg.errors import GraphError, ModelError
from magus_pyg.nn._edge_passing import EdgePassing
from magus_pyg.nn._edge_product import EdgeRows, product_pays
from magus_pyg.nn._inputs import EdgesLike, check_dtype, check_edge_type, check_features, read_pair
from magus_pyg.nn._relation_weight import RelationWeight, check_sizes

MECHANISMS = ("across-relation", "within-relation")
MODES = ("additive-self-attention", "multiplicative-self-attention")


class RGATConv(EdgePassing):
    r"""The relational graph attention of `"Relational Graph Attention Networks" <https://arxiv.org/abs/1904.05811>`_
    (Busbridge et al. 2019).

    For each head, with :math:`h^r_u = x_u W_r`, :math:`q^r_v = h^r_v Q_r`, :math:`k^r_u = h^r_u K_r`:

    .. math::
        x'_v &= \sum_r \sum_{u \in N_r(v)} \alpha^r_{vu} \, h^r_u + b

        \epsilon^r_{vu} &= \mathrm{LeakyReLU}(q^r_v + k^r_u) \quad \text{(additive)}
        \qquad \text{or} \quad q^r_v \cdot k^r_u \quad \text{(multiplicative)}

    The softmax that makes :math:`\alpha` of :math:`\epsilon` runs over all edges into v (`across-relation`, ARGAT) or
    over those of one relation (`within-relation`, WIRGAT). Every node is projected once a relation and edges gather
    the result, so no weight matrix is ever copied to an edge: a call holds (N·R + E)·H·out numbers, not E·in·H·out.

    Against `torch_geometric.nn.RGATConv`, whose arguments come first and mean the same: Q_r and K_r belong to one
    relation and one head, as in the paper, unless `shared_attention` asks for PyG's; a head's output has
    `out_channels` whatever `dim` is; no cardinality is preserved. `from_pyg` takes over its weights.

    Args:
        in_channels: channels of the input (of sources and targets alike).
        out_channels: channels of the output, of each head.
        num_relations: R.
        num_bases: number of bases the W_r share; None gives each relation its own.
        num_blocks: number of blocks on the diagonal of each W_r, outside of which it is 0; not with `num_bases`.
        mod: None; PyG's preservations of cardinality are refused.
        attention_mechanism: "across-relation" or "within-relation".
        attention_mode: "additive-self-attention" or "multiplicative-self-attention".
        heads: H.
        dim: size of queries and keys; above 1 only in the multiplicative mode.
        concat: put the heads side by side; else their mean.
        negative_slope: of the LeakyReLU.
        dropout: probability to drop an attention weight in training.
        edge_dim: channels of edge features, which are then added to additive logits, and multiply the others, as
            PyG does; None for edges without features.
        bias: add b.
        shared_attention: one Q and one K for all relations, which read the projections of all heads for each.
        **kwargs: arguments of `torch_geometric.nn.MessagePassing`, without `aggr` and `node_dim`.

    Shapes:
        - input: x [N, in], or a pair (x_src [N_src, in], x_dst [N_dst, in]); edges [2, E], edge_type [E],
          edge_attr [E, edge_dim].
        - output: [N_dst, H·out], or [N_dst, out] without `concat`; attention weights [E, H] where asked for.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        num_relations: int,
        num_bases: int | None = None,
        num_blocks: int | None = None,
        mod: None = None,
        attention_mechanism: str = "across-relation",
        attention_mode: str = "additive-self-attention",
        heads: int = 1,
        dim: int = 1,
        concat: bool = True,
        negative_slope: float = 0.2,
        dropout: float = 0.0,
        edge_dim: int | None = None,
        bias: bool = True,
        *,
        shared_attention: bool = False,
        **kwargs: object,
    ) -> None:
        super().__init__("add", **kwargs)
        if mod is not None:
            raise ModelError(f"mod={mod!r}: this layer preserves no cardinality; leave mod out")
        if attention_mechanism not in MECHANISMS:
            raise ModelError(f"attention_mechanism must be one of {MECHANISMS}, got {attention_mechanism!r}")
        if attention_mode not in MODES:
            raise ModelError(f"attention_mode must be one of {MODES}, got {attention_mode!r}")
        check_sizes(in_channels=in_channels, out_channels=out_channels, heads=heads, dim=dim, edge_dim=edge_dim)
        if dim > 1 and attention_mode == MODES[0]:
            raise ModelError(f"queries and keys of the additive mode are scalars, got dim={dim}")
        if not 0.0 <= dropout < 1.0:
            raise ModelError(f"dropout must be in [0, 1), got {dropout}")
        self.in_channels = in_channels
        self.out_channels = out_channels
        self.num_relations = num_relations
        self.heads = heads
        self.attention_mechanism = attention_mechanism
        self.attention_mode = attention_mode
        self.dim = dim
        self.concat = concat
        self.negative_slope = negative_slope
        self.dropout = dropout
        self.shared_attention = shared_attention
        self.lin = RelationWeight(num_relations, in_channels, heads * out_channels, num_bases, num_blocks)
        shared = (heads * out_channels, heads * dim)
        shape = shared if shared_attention else (num_relations, heads, out_channels, dim)
        self.att_q = nn.Parameter(torch.empty(shape))
        self.att_k = nn.Parameter(torch.empty(shape))
        self.lin_edge: Linear | None = None
        if edge_dim is not None:
            self.lin_edge = Linear(edge_dim, heads * out_channels, bias=False, weight_initializer="glorot")
        self.register_parameter("att_e", None if edge_dim is None else nn.Parameter(torch.empty(shared)))
        size = heads * out_channels if concat else out_channels
        self.register_parameter("bias", nn.Parameter(torch.empty(size)) if bias else None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw all weights anew (Glorot) and set the bias to zero."""
        super().reset_parameters()
        self.lin.reset_parameters()
        glorot(self.att_q)
        glorot(self.att_k)
        glorot(self.att_e)
        if self.lin_edge is not None:
            self.lin_edge.reset_parameters()
        zeros(self.bias)

    def forward(
        self,
        x: Tensor | tuple[Tensor, Tensor],
        edge_index: EdgesLike,
        edge_type: Tensor | None = None,
        edge_attr: Tensor | None = None,
        return_attention_weights: bool = False,
    ) -> Tensor | tuple[Tensor, Tensor]:
        """Run the layer.

        Args:
            x: floating [N, in], or a pair (x_src, x_dst).
            edge_index: plain [2, E], `EdgeIndex`, or `SparseTensor` as adj_t whose values are the relations.
            edge_type: int64 [E] in [0, R), the relation of each edge.
            edge_attr: floating [E, edge_dim]; None for edges without features.
            return_attention_weights: also return the weights after the softmax, before dropout, [E, H] (in the
                row-major order of a SparseTensor).

        Raises:
            GraphError: node ids or relations out of range, edges or their features of the wrong shape or type.
            ModelError: features of the wrong shape or type.
        """
        x_src, x_dst = read_pair(x, "x")
        x_src = check_features(x_src, "x" if x_src is x_dst else "x_src", self.in_channels, self.att_q)
        x_dst = check_features(x_dst, "x_dst", self.in_channels, self.att_q)
        num_src, num_dst, R = x_src.size(0), x_dst.size(0), self.num_relations
        edges = self.read(edge_index, "edge_index", num_src, num_dst)
        edge_type = check_edge_type(edges.value if edge_type is None else edge_type, edges.ends.size(1), R)
        edge = None if edge_attr is None else self._attend_edges(edge_attr, edges.ends.size(1))

        weight = self.lin()
        # Row n·R + r of queries and keys belongs to node n and relation r.
        target_slot = edges.ends[1] * R + edge_type
        query = self._attend(x_dst, weight, self.att_q).index_select(0, target_slot)
        key = self._attend(x_src, weight, self.att_k).index_select(0, edges.ends[0] * R + edge_type)
        if self.attention_mode == "additive-self-attention":
            logit = query + key if edge is None else query + key + edge
            logit = F.leaky_relu(logit.squeeze(-1), self.negative_slope)
        else:
            logit = (query * key if edge is None else query * key * edge).sum(-1)
        if self.attention_mechanism == "within-relation":
            alpha = softmax(logit, target_slot, num_nodes=num_dst * R)
        else:
            alpha = softmax(logit, edges.ends[1], num_nodes=num_dst)

        h, source_slot = self._project(x_src, weight, edges.ends[0], edge_type)
        slots, size = torch.stack([source_slot, edges.ends[1]]), (h.size(0), num_dst)
        dropped = F.dropout(alpha, self.dropout, self.training)
        if self.needs_no_messages(RGATConv) and product_pays(h, slots, self.out_channels):
            out = EdgeRows(slots, *size).sum(h, dropped)
        else:
            out = self.pass_along(slots, size, h=h, alpha=dropped)
        out = out.flatten(1) if self.concat else out.mean(1)
        if self.bias is not None:
            out = out + self.bias
        return (out, alpha) if return_attention_weights else out

    def _project(self, x: Tensor, weight: Tensor, source: Tensor, edge_type: Tensor) -> tuple[Tensor, Tensor]:
        """x_u W_r for S pairs of a node and a relation, [S, H, out], and the pair that each edge reads, int64 [E].

        Of all pairs; or, where edges read at most half of them, of those that are read.
        """
        n, R, H = x.size(0), self.num_relations, self.heads
        if not torch.compiler.is_compiling():
            slot = edge_type * n + source
            read = torch.zeros(R * n, dtype=torch.bool, device=x.device).index_fill_(0, slot, True)
            counts = read.view(R, n).sum(1).tolist()
            if 2 * sum(counts) <= R * n:
                node = read.nonzero().squeeze(1) % max(1, n)
                parts = zip(torch.split(x.index_select(0, node), counts), weight, strict=True)
                h = torch.cat([part @ of_relation for part, of_relation in parts])
                return h.view(len(node), H, self.out_channels), (read.cumsum(0) - 1).index_select(0, slot)
        h = (x @ weight.transpose(0, 1).flatten(1)).view(n * R, H, self.out_channels)
        return h, source * R + edge_type

    def _attend(self, x: Tensor, weight: Tensor, kernel: Tensor) -> Tensor:
        """Queries or keys of all nodes and relations, x W_r Q_r with W_r Q_r multiplied first: [N·R, H, dim]."""
        if self.shared_attention:
            folded = (weight @ kernel).transpose(0, 1)
        else:
            weight = weight.view(self.num_relations, -1, self.heads, self.out_channels)
            folded = torch.einsum("riho,rhod->irhd", weight, kernel)
        return (x @ folded.flatten(1)).view(-1, self.heads, self.dim)

    def _attend_edges(self, edge_attr: Tensor, num_edges: int) -> Tensor:
        """What the edges' features add to the logits or multiply them by, [E, H, dim]."""
        if self.lin_edge is None:
            raise ModelError("edge_attr is given, but the layer was made without edge_dim")
        channels = self.lin_edge.in_channels
        if not edge_attr.is_floating_point() or tuple(edge_attr.shape) != (num_edges, channels):
            raise GraphError(
                f"edge_attr must be floating [{num_edges}, {channels}], got {edge_attr.dtype} {list(edge_attr.shape)}"
            )
        check_dtype(edge_attr, "edge_attr", self.att_q)
        return (self.lin_edge(edge_attr) @ self.att_e).view(-1, self.heads, self.dim)  # type: ignore[no-any-return]

    def message(self, h_j: Tensor, alpha: Tensor) -> Tensor:
        """The weighted projection of the source, [E, H, out]."""
        return alpha.unsqueeze(-1) * h_j

    def __repr__(self) -> str:
        return (
            f"{self.__class__.__name__}({self.in_channels}, {self.out_channels}, "
            f"num_relations={self.num_relations}, heads={self.heads})"
        )

"""Graph attention whose weights and messages both read edge features, one weight a head or one a feature."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch_geometric.nn import Linear
from torch_geometric.nn.inits import zeros
from torch_geometric.typing import OptTensor
from torch_geometric.utils import softmax

from magus_pyg.errors import GraphError, ModelError
from magus_pyg.nn._edge_passing import EdgePassing
from magus_pyg.nn._edge_product import EdgeRows, product_pays
from magus_pyg.nn._inputs import EdgesLike, check_dtype, check_edge_type, check_features, read_pair
from magus_pyg.nn._relation_weight import channel_pair, check_sizes


class GIPAConv(EdgePassing):
    r"""The layer of `"GIPA: General Information Propagation Algorithm for Graph Learning"
    <https://arxiv.org/abs/2105.06035>`_ (Zheng et al. 2021, the first version): attention, propagation, aggregation.

    With :math:`\phi` the LeakyReLU, and for each head h:

    .. math::
        a_{vu} &= \phi(\mathrm{MLP}_{dst}(x_v) + \mathrm{MLP}_{src}(x_u) + \mathrm{MLP}_{edge}(e_{uv}))
        \in \mathbb{R}^H, \qquad \alpha^h_{vu} = \mathrm{softmax}_{u \in N(v)}(a^h_{vu})

        p_{vu} &= x_u W_x + e_{uv} W_e
        \qquad \text{or} \quad \phi(x_u W_x + e_{uv} W_e) \, W_p \quad \text{(`prop\_channels` > 0)}

        x'_v &= x_v W_0 + b + \big\Vert_h \sum_{u \in N(v)} \alpha^h_{vu} \, p^h_{vu}

    The MLPs of the attention have one hidden layer of `att_channels`, or none. A head weighs out/H features of the
    message: one head is attention node by node, H = out is attention bit by bit, a weight for each feature. The
    softmax runs over all edges into v.

    The paper propagates edge features with those of the nodes; its released code lets them enter the attention alone
    (`edge_propagation=False`). As in that code, the MLPs of the attention add up, so that a node is projected once and
    an edge gathers H numbers; unlike there, dropout takes attention weights instead of edges. Memory
    grows as N·(H + out) + E·(H + out), and by E·`prop_channels` where that is set.

    Args:
        in_channels: channels of the nodes; a pair (source, target) for two node sets; -1 leaves them to the first
            call, as in PyG's layers.
        out_channels: channels of the output, all heads together.
        edge_channels: channels of the edges; -1 likewise.
        heads: H, must divide `out_channels`.
        att_channels: hidden units of the attention's MLPs; 0 makes them linear.
        prop_channels: hidden units of the propagation; 0 makes it linear.
        edge_propagation: let messages read edge features.
        negative_slope: of the LeakyReLU; 0 is the ReLU of the released code.
        dropout: probability to drop an attention weight in training.
        bias: add b.
        **kwargs: arguments of `torch_geometric.nn.MessagePassing`, without `aggr` and `node_dim`.

    Shapes:
        - input: x [N, in], or a pair (x_src [N_src, in_src], x_dst [N_dst, in_dst] or None); edges [2, E], edge_attr
          [E, edge_channels].
        - output: [N, out] or [N_dst, out]; attention weights [E, H] where asked for.
    """

    def __init__(
        self,
        in_channels: int | tuple[int, int],
        out_channels: int,
        edge_channels: int,
        heads: int = 1,
        att_channels: int = 0,
        prop_channels: int = 0,
        edge_propagation: bool = True,
        negative_slope: float = 0.0,
        dropout: float = 0.0,
        bias: bool = True,
        **kwargs: object,
    ) -> None:
        super().__init__("add", **kwargs)
        in_src, in_dst = channel_pair(in_channels)
        for name, size in (("in_channels", in_src), ("in_channels", in_dst), ("edge_channels", edge_channels)):
            check_sizes(**({} if size == -1 else {name: size}))
        check_sizes(out_channels=out_channels, heads=heads)
        for name, size in {"att_channels": att_channels, "prop_channels": prop_channels}.items():
            if size < 0:
                raise ModelError(f"{name} must be at least 0, got {size}")
            check_sizes(**({} if size == 0 else {name: size}))
        if out_channels % heads:
            raise ModelError(f"heads must divide out_channels={out_channels}, got {heads}")
        if not 0.0 <= dropout < 1.0:
            raise ModelError(f"dropout must be in [0, 1), got {dropout}")
        self.in_channels = in_channels
        self.out_channels = out_channels
        self.edge_channels = edge_channels
        self.heads = heads
        self.negative_slope = negative_slope
        self.dropout = dropout
        self.att_src = _attention_mlp(in_src, att_channels, heads, negative_slope)
        self.att_dst = _attention_mlp(in_dst, att_channels, heads, negative_slope)
        self.att_edge = _attention_mlp(edge_channels, att_channels, heads, negative_slope)
        hidden = prop_channels or out_channels
        self.prop_src = _linear(in_src, hidden)
        self.prop_edge = _linear(edge_channels, hidden) if edge_propagation else None
        self.prop_out = _linear(prop_channels, out_channels) if prop_channels else None
        self.root = _linear(in_dst, out_channels)
        self.register_parameter("bias", nn.Parameter(torch.empty(out_channels)) if bias else None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw all weights anew (Glorot) and set the bias to zero."""
        super().reset_parameters()
        for module in self.modules():
            if isinstance(module, Linear):
                module.reset_parameters()
        zeros(self.bias)

    def forward(
        self,
        x: Tensor | tuple[Tensor, Tensor | None],
        edge_index: EdgesLike,
        edge_attr: Tensor | None = None,
        edge_type: Tensor | None = None,
        return_attention_weights: bool = False,
        size: tuple[int, int] | None = None,
    ) -> Tensor | tuple[Tensor, Tensor]:
        """Run the layer.

        Args:
            x: floating [N, in], or a pair (x_src, x_dst). Receivers without features are None, and `size` tells their
                number: what reads :math:`x_v` is left out.
            edge_index: plain [2, E], `EdgeIndex`, or `SparseTensor` as adj_t whose values are the edge features.
            edge_attr: floating [E, edge_channels], or [T, edge_channels] with `edge_type`.
            edge_type: int64 [E] in [0, T), the row of `edge_attr` of each edge, where many edges share their features:
                these are then projected T times instead of E times.
            return_attention_weights: also return the weights after the softmax, before dropout, [E, H] (in the
                row-major order of a SparseTensor).
            size: (N_src, N_dst), read where x_dst is None.

        Raises:
            GraphError: node ids or edge types out of range, edges or edge features of the wrong shape or type.
            ModelError: node features of the wrong shape or type.
        """
        x_src, x_dst = read_pair(x, "x")
        x_src = check_features(
            x_src, "x" if x_src is x_dst else "x_src", self.prop_src.in_channels, self.prop_src.weight
        )
        num_src = x_src.size(0)
        if x_dst is not None:
            num_dst = check_features(x_dst, "x_dst", self.root.in_channels, self.root.weight).size(0)
        elif size is None:
            raise ModelError("x_dst is None: give size=(number of senders, number of receivers)")
        else:
            num_dst = size[1]
        edges = self.read(edge_index, "edge_index", num_src, num_dst)
        edge_attr = edges.value if edge_attr is None else edge_attr
        if edge_type is None:
            edge_attr = self._check_edge_attr(edge_attr, edges.ends.size(1))
        else:
            edge_attr = self._check_edge_attr(edge_attr, None)
            edge_type = check_edge_type(edge_type, edges.ends.size(1), edge_attr.size(0))

        source, target = edges.ends
        logit = self.att_src(x_src).index_select(0, source)
        if x_dst is not None:
            logit = logit + self.att_dst(x_dst).index_select(0, target)
        logit = F.leaky_relu(logit + _of_edges(self.att_edge(edge_attr), edge_type), self.negative_slope)
        alpha = softmax(logit, target, num_nodes=num_dst)

        p, size = self.prop_src(x_src), (num_src, num_dst)
        of_types = None if self.prop_edge is None else self.prop_edge(edge_attr)
        dropped = F.dropout(alpha, self.dropout, self.training)
        if self._needs_no_messages(p, edges.ends):
            out = self._sum(p, edges.ends, size, dropped)
            if of_types is not None:
                out = out + self._sum_of_types(of_types, edge_type, target, num_dst, dropped)
        else:
            of_edges = None if of_types is None else _of_edges(of_types, edge_type)
            out = self.pass_along(edges.ends, size, p=p, edge=of_edges, alpha=dropped).flatten(1)
        if x_dst is not None:
            out = out + self.root(x_dst)  # the residual connection is the aggregation's last step
        if self.bias is not None:
            out = out + self.bias
        return (out, alpha) if return_attention_weights else out

    def _needs_no_messages(self, p: Tensor, ends: Tensor) -> bool:
        """Whether messages are linear in what they are made of, and their sums faster without them."""
        linear = self.prop_out is None and self.needs_no_messages(GIPAConv)
        return linear and product_pays(p, ends, self.out_channels // self.heads)

    def _sum(self, x: Tensor, ends: Tensor, size: tuple[int, int], alpha: Tensor) -> Tensor:
        """The sums of x [num_src, out] over edges, weighted head by head, [num_dst, out]."""
        return EdgeRows(ends, *size).sum(self._by_head(x), alpha).flatten(1)

    def _sum_of_types(self, x: Tensor, edge_type: Tensor | None, target: Tensor, num_dst: int, alpha: Tensor) -> Tensor:
        """The sums of what edges add to messages, x [T, out], weighted head by head, [num_dst, out]."""
        types, edges = x.size(0), target.size(0)
        if edge_type is None:
            edge_type = torch.arange(edges, device=x.device)
        if types * num_dst > edges * self.out_channels // self.heads:
            return self._sum(x, torch.stack([edge_type, target]), (types, num_dst), alpha)
        # Of few types, the weights of a node's edges of each are summed first.
        share = alpha.new_zeros(num_dst * types, self.heads).index_add(0, target * types + edge_type, alpha)
        return torch.einsum("vth,tho->vho", share.view(num_dst, types, self.heads), self._by_head(x)).flatten(1)

    def _by_head(self, x: Tensor) -> Tensor:
        return x.view(-1, self.heads, self.out_channels // self.heads)

    def message(self, p_j: Tensor, edge: OptTensor, alpha: Tensor) -> Tensor:
        """The message of each edge, weighted head by head, [E, H, out / H]."""
        message = p_j if edge is None else p_j + edge
        if self.prop_out is not None:
            message = self.prop_out(F.leaky_relu(message, self.negative_slope))
        return message.view(-1, self.heads, self.out_channels // self.heads) * alpha.unsqueeze(-1)

    def _check_edge_attr(self, edge_attr: Tensor | None, rows: int | None) -> Tensor:
        """The features; raises a `GraphError` unless they are floating [rows, edge_channels] (any rows if None)."""
        first = next(module for module in self.att_edge.modules() if isinstance(module, Linear))
        channels = first.in_channels
        if edge_attr is not None and edge_attr.is_floating_point() and edge_attr.dim() == 2:
            rows_fit = rows is None or edge_attr.size(0) == rows
            if rows_fit and channels in (-1, edge_attr.size(1)):
                check_dtype(edge_attr, "edge_attr", self.prop_src.weight)
                return edge_attr
        wanted = f"floating [{'T' if rows is None else rows}, {channels}]"
        if edge_attr is None:
            raise GraphError(f"edge_attr is missing: give {wanted}, or a SparseTensor whose values they are")
        raise GraphError(f"edge_attr must be {wanted}, got {edge_attr.dtype} {list(edge_attr.shape)}")

    def __repr__(self) -> str:
        return (
            f"{self.__class__.__name__}({self.in_channels}, {self.out_channels}, "
            f"edge_channels={self.edge_channels}, heads={self.heads})"
        )


def _linear(in_channels: int, out_channels: int) -> Linear:
    return Linear(in_channels, out_channels, bias=False, weight_initializer="glorot")


def _attention_mlp(in_channels: int, hidden: int, heads: int, negative_slope: float) -> nn.Module:
    """From one side's features to a term of the logits, without biases, as in the released code."""
    if not hidden:
        return _linear(in_channels, heads)  # type: ignore[no-any-return]
    return nn.Sequential(_linear(in_channels, hidden), nn.LeakyReLU(negative_slope), _linear(hidden, heads))


def _of_edges(value: Tensor, edge_type: Tensor | None) -> Tensor:
    """[E, ...] from one row an edge, or from one row a type of edge."""
    return value if edge_type is None else value.index_select(0, edge_type)

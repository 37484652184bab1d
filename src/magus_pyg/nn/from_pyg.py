"""Layers of PyTorch Geometric as ours of the same name."""

import copy
from typing import Any

import torch
from torch_geometric import nn as pyg

from magus_pyg.errors import ModelError
from magus_pyg.nn.rgat_conv import RGATConv
from magus_pyg.nn.rgcn_conv import RGCNConv


def from_pyg(layer: Any) -> RGCNConv | RGATConv:
    """Our layer with the arguments and a copy of the weights of PyG's, of the same dtype, device and mode.

    Outputs are equal, but where PyG's `RGCNConv` multiplies with pyg-lib and so takes its mean over all edges of a
    node instead of those of each relation.

    Args:
        layer: a `torch_geometric.nn.RGCNConv`, `FastRGCNConv` or `RGATConv`.

    Raises:
        ModelError: for another layer, and for an `RGATConv` that preserves cardinality (`mod`), has an output for each
            of several query dimensions (`dim` above 1) or does not sum.
    """
    if type(layer) in (pyg.RGCNConv, pyg.FastRGCNConv):
        ours: RGCNConv | RGATConv = _rgcn(layer)
        names = dict(_OF_RGCN)
    elif type(layer) is pyg.RGATConv:
        ours, names = _rgat(layer), dict(_OF_RGAT)
        if layer.num_bases is not None:
            names |= {"lin.weight": "basis", "lin.comp": "att"}
    else:
        raise ModelError(f"from_pyg takes PyG's RGCNConv, FastRGCNConv and RGATConv, got {type(layer).__name__}")
    theirs = dict(layer.named_parameters())
    weight = next(iter(theirs.values()))
    ours = ours.to(device=weight.device, dtype=weight.dtype).train(layer.training)
    with torch.no_grad():
        for name, parameter in ours.named_parameters():
            other = theirs[names.get(name, name)]  # parameters of an aggregation have one name
            parameter.copy_(other).requires_grad_(other.requires_grad)
    return ours


_OF_RGCN = {"lin.weight": "weight", "lin.comp": "comp", "root": "root", "bias": "bias"}
_OF_RGAT = {
    "lin.weight": "weight", "att_q": "q", "att_k": "k", "att_e": "e", "lin_edge.weight": "lin_edge.weight",
    "bias": "bias",
}  # fmt: skip
"""Our name of each parameter and PyG's."""


def _rgcn(layer: Any) -> RGCNConv:
    by_name = not isinstance(layer.aggr, str) or layer.aggr.isidentifier()
    return RGCNConv(
        layer.in_channels,
        layer.out_channels,
        layer.num_relations,
        layer.num_bases,
        layer.num_blocks,
        layer.aggr if by_name else copy.deepcopy(layer.aggr_module),
        layer.root is not None,
        layer.is_sorted,
        layer.bias is not None,
        flow=layer.flow,
    )


def _rgat(layer: Any) -> RGATConv:
    if layer.dim != 1 or layer.aggr not in ("add", "sum"):
        raise ModelError(
            f"RGATConv of PyG with dim={layer.dim} and aggr={layer.aggr!r} is none of ours: dim=1 and a sum can be read"
        )
    return RGATConv(
        layer.in_channels,
        layer.out_channels,
        layer.num_relations,
        layer.num_bases,
        layer.num_blocks,
        layer.mod,
        layer.attention_mechanism,
        layer.attention_mode,
        layer.heads,
        layer.dim,
        layer.concat,
        layer.negative_slope,
        layer.dropout,
        layer.edge_dim,
        layer.bias is not None,
        shared_attention=True,
        flow=layer.flow,
    )

"""Every layer with one call that any of them answers, for tests that hold for all layers."""

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from magus_pyg.nn import FeaturePropagation, GIPAConv, RGATConv, RGCNConv, SignedLabelPropagation

CHANNELS, RELATIONS, EDGE_CHANNELS = 4, 3, 2


class Case(NamedTuple):
    """`make(**arguments of MessagePassing)`, and `call(layer, x [N, 4] or a pair, edges [2, 9])`."""

    make: Callable[..., nn.Module]
    call: Callable[[nn.Module, Any, Tensor], Tensor]


def _kind(edges: Tensor) -> Tensor:
    return torch.arange(edges.size(1), device=edges.device) % RELATIONS


def _attr(edges: Tensor) -> Tensor:
    count = edges.size(1) * EDGE_CHANNELS
    return torch.linspace(-1, 1, count, dtype=torch.float64, device=edges.device).view(-1, EDGE_CHANNELS)


def _pair_of(x: Any) -> Any:
    return x if isinstance(x, Tensor) else tuple(x)


LAYERS = {
    "RGCNConv": Case(
        lambda **given: RGCNConv(CHANNELS, 3, RELATIONS, **given), lambda layer, x, e: layer(_pair_of(x), e, _kind(e))
    ),
    "RGATConv": Case(
        lambda **given: RGATConv(CHANNELS, 3, RELATIONS, heads=2, **given),
        lambda layer, x, e: layer(_pair_of(x), e, _kind(e)),
    ),
    "GIPAConv": Case(
        lambda **given: GIPAConv(CHANNELS, 6, EDGE_CHANNELS, heads=3, **given),
        lambda layer, x, e: layer(_pair_of(x), e, _attr(e).to(x[0].dtype)),
    ),
    "FeaturePropagation": Case(
        lambda **given: FeaturePropagation(CHANNELS, **given), lambda layer, x, e: layer(_pair_of(x), e, e[:, :4])
    ),
    "SignedLabelPropagation": Case(SignedLabelPropagation, lambda layer, x, e: layer(_pair_of(x), e, e[:, :4])),
}

ON_IMPLIED = {
    "RGCNConv": Case(
        lambda **given: RGCNConv(CHANNELS, 3, RELATIONS + 1, complement_of={RELATIONS: (0, 1)}, **given),
        lambda layer, x, e: layer(x, e, _kind(e), skip_edge_index=e[:, :3]),
    ),
    "FeaturePropagation": Case(
        lambda **given: FeaturePropagation(CHANNELS, **given), lambda layer, x, e: layer(x, e, None, e[:, :3])
    ),
    "SignedLabelPropagation": Case(
        SignedLabelPropagation, lambda layer, x, e: layer(x, e[:, 3:], skip_edge_index=e[:, :3])
    ),
}
"""The same with implied relations, on one set of nodes."""


def edges_between(num_src: int, num_dst: int, num_edges: int = 9) -> Tensor:
    """[2, E] drawn edges."""
    generator = torch.Generator(torch.get_default_device()).manual_seed(7)
    return torch.stack([torch.randint(0, size, (num_edges,), generator=generator) for size in (num_src, num_dst)])

"""Eqs. (4) and (9)-(14) as Python loops over pairs, as slow and as literal as they can be; the layers are held to it.

Everything is float64 on the CPU. A relation is a set of ordered pairs (u, v), u sending to v.
"""

import math
from collections.abc import Callable, Iterable

import torch
from torch import Tensor

Pairs = list[tuple[int, int]]


def pairs_of(edge_index: Tensor) -> Pairs:
    """The edges [2, E] as a list of (source, target), repeats kept."""
    return [(int(u), int(v)) for u, v in edge_index.t().tolist()]


def implied_pairs(
    num_nodes: int, joined: Iterable[tuple[int, int]], batch: Tensor | None = None, allowed: Tensor | None = None
) -> Pairs:
    """Every ordered pair u != v of one graph that `joined` holds in neither direction, u in the mask `allowed`."""
    taken = set(joined)
    return [
        (u, v)
        for v in range(num_nodes)
        for u in range(num_nodes)
        if u != v
        and (u, v) not in taken
        and (v, u) not in taken
        and (batch is None or int(batch[u]) == int(batch[v]))
        and (allowed is None or bool(allowed[u]))
    ]


def propagate_labels(
    y_src: Tensor,
    y_dst: Tensor,
    pos: Pairs,
    neg: Pairs,
    pos_weight: Callable[[int, int, int], Tensor | float],
    neg_weight: Callable[[int, int, int], Tensor | float],
    receivers: Tensor | None = None,
) -> Tensor:
    """Eqs. (4) and (9): weights are functions of (number of the pair, u, v)."""
    out = [y_dst[v] for v in range(y_dst.size(0))]
    for number, (u, v) in enumerate(pos):
        if receivers is None or receivers[v]:
            out[v] = out[v] + pos_weight(number, u, v) * y_src[u]
    for number, (u, v) in enumerate(neg):
        if receivers is None or receivers[v]:
            out[v] = out[v] - neg_weight(number, u, v) * y_src[u]
    return torch.stack(out) if out else y_dst.clone()


def propagate_features(e: Tensor, pos: Pairs, neg: Pairs, w1: Tensor, w2: Tensor) -> Tensor:
    """Eqs. (11) and (12), one layer, a message a pair."""

    def message(v: int, u: int) -> Tensor:
        if u == v:
            return w1 @ e[v]
        return w1 @ e[u] + w2 @ (torch.dot(e[v], e[u]) * e[v])

    rows = []
    for v in range(e.size(0)):
        total = message(v, v)
        for pairs, sign in ((pos, 1.0), (neg, -1.0)):
            neighbours = [u for u, target in pairs if target == v]
            for u in neighbours:
                total = total + sign * message(v, u) / len(neighbours)
        rows.append(torch.relu(total))
    return torch.stack(rows) if rows else e.clone()


def log_loss(e_user: Tensor, e: Tensor, pairs: list[tuple[int, int, int]]) -> float:
    """Eq. (13) with the label and the prediction told apart: pairs are (user, node, label)."""
    loss = 0.0
    for user, node, label in pairs:
        p = 1.0 / (1.0 + math.exp(-float(torch.dot(e_user[user], e[node]))))
        loss -= label * math.log(p) + (1 - label) * math.log(1.0 - p)
    return loss


def edge_weights(e: Tensor, pairs: Pairs) -> Tensor:
    """Eq. (14), a weight a pair."""
    weights = [torch.dot(e[u], e[v]) for u, v in pairs]
    return torch.stack(weights) if weights else e.new_zeros(0)

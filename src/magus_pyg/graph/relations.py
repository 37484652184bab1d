"""R- and R⊥ as explicit edges, for graphs small enough to hold them (Definition 3.1)."""

from typing import Literal

import torch
from torch import Tensor

__all__ = ["Relations", "relation_edges", "relation_masks"]

Relations = Literal["definition", "swapped", "fields"]


def relation_masks(
    improves: Tensor, compatible: Tensor, fields: Tensor | None, relations: Relations = "definition"
) -> tuple[Tensor, Tensor]:
    """R- and R⊥ of all ordered pairs of distinct nodes, for a batch of graphs.

    Args:
        improves: bool [..., N, N]; [u, v] is True where u is strictly part of v.
        compatible: bool [..., N, N]; True where some item contains both.
        fields: bool [..., N, F]; the fields of the nodes' words, only for `relations="fields"`.
        relations: which reading of the definition.

    Returns:
        `(inhibits, independent)`, bool [..., N, N], symmetric.
    """
    nested = improves | improves.transpose(-1, -2)
    distinct = ~torch.eye(improves.shape[-1], dtype=torch.bool, device=improves.device)
    if relations == "fields":
        assert fields is not None, "relations='fields' needs the fields of the nodes"
        overlap = fields.to(torch.float32) @ fields.to(torch.float32).transpose(-1, -2) > 0
        return ~nested & overlap & distinct, ~nested & ~overlap & distinct
    inhibits = ~nested & ~compatible & distinct
    independent = ~nested & compatible & distinct
    return (independent, inhibits) if relations == "swapped" else (inhibits, independent)


def relation_edges(
    edge_index: Tensor, fields: Tensor | None, n_nodes: int, n_items: int, relations: Relations = "definition"
) -> tuple[Tensor, Tensor]:
    """R- and R⊥ of one graph as edges in both directions.

    Args:
        edge_index: int64 [2, E], R+ from part to whole; the items are the nodes 0..n_items-1.
        fields: bool [N, F], only for `relations="fields"`.
        n_nodes: N.
        n_items: I.
        relations: which reading of the definition.

    Returns:
        `(inhibits, independent)`, int64 [2, ...] each, sorted by source. Memory and time are quadratic in N.
    """
    improves = torch.zeros((n_nodes, n_nodes), dtype=torch.bool, device=edge_index.device)
    improves[edge_index[0], edge_index[1]] = True
    contained = improves[:, :n_items].clone()  # [N, I]: the items that contain a node, the item itself included
    contained.fill_diagonal_(True)
    compatible = contained.to(torch.float32) @ contained.to(torch.float32).T > 0
    inhibits, independent = relation_masks(improves, compatible, fields, relations)
    return inhibits.nonzero().T.contiguous(), independent.nonzero().T.contiguous()

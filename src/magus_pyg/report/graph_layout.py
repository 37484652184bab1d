"""Where the nodes of a session's graph stand when it is drawn: words above their combinations above items (Fig. 7)."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Protocol, TypeVar

__all__ = ["LAYERS", "DrawnNode", "drawn_layers", "layer_of", "node_places"]

LAYERS = ("words", "combinations", "items")
"""From the top."""

_ROW = 9
"""Nodes drawn beside each other, unless more have to be."""
_SWEEPS = 4


class DrawnNode(Protocol):
    """What has to be known of a node."""

    @property
    def node(self) -> int:
        """Its number in the graph."""
        ...

    @property
    def words(self) -> int:
        """Number of its words."""
        ...

    @property
    def is_item(self) -> bool:
        """Whether it is an item."""
        ...


_Node = TypeVar("_Node", bound=DrawnNode)


def drawn_layers(nodes: Iterable[_Node], needed: Collection[int], best: Mapping[int, float]) -> list[list[_Node]]:
    """Which nodes are drawn: of each layer of `LAYERS` that has any, those needed and then those of the highest scores.

    Args:
        nodes: of the session.
        needed: those drawn in any case.
        best: node -> the highest score that it had.
    """
    of_layer: dict[str, list[_Node]] = {layer: [] for layer in LAYERS}
    for entry in nodes:
        of_layer[layer_of(entry)].append(entry)
    layers = []
    for entries in of_layer.values():
        entries.sort(key=lambda entry: (entry.node not in needed, -best[entry.node], entry.node))
        count = max(_ROW, sum(entry.node in needed for entry in entries))
        if entries:
            layers.append(entries[:count])
    return layers


def layer_of(entry: DrawnNode) -> str:
    """The layer of `LAYERS` that a node is drawn in."""
    return "items" if entry.is_item else "words" if entry.words == 1 else "combinations"


def node_places(
    layers: Sequence[Sequence[DrawnNode]], edges: Iterable[tuple[int, int]]
) -> dict[int, tuple[float, float]]:
    """Where the drawn nodes stand, so that parts stand above their wholes where they can.

    Args:
        layers: from `drawn_layers`.
        edges: (part, whole) pairs of nodes, R+.

    Returns:
        From node to x in [0, 1] and y, the number of its layer from the top.
    """
    rows = [list(layer) for layer in layers]
    x = {entry.node: (index + 0.5) / len(row) for row in rows for index, entry in enumerate(row)}
    around: dict[int, list[int]] = {}
    for part, whole in edges:
        if part in x and whole in x:
            around.setdefault(whole, []).append(part)
            around.setdefault(part, []).append(whole)
    for _ in range(_SWEEPS):
        for row in rows:
            middle = {}
            for entry in row:
                near = [x[node] for node in around.get(entry.node, [])]
                middle[entry.node] = sum(near) / len(near) if near else x[entry.node]
            row.sort(key=lambda entry: (middle[entry.node], entry.node))
            x.update({entry.node: (index + 0.5) / len(row) for index, entry in enumerate(row)})
    return {entry.node: (x[entry.node], float(number)) for number, row in enumerate(rows) for entry in row}

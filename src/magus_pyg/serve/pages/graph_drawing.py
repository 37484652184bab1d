"""The expert view: a session's relational graph, list by list, as SVG in the form of Fig. 7."""

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from markupsafe import Markup

from magus_pyg.escaping import cut
from magus_pyg.graph import n_items, node_words, title_of, words_of
from magus_pyg.online import OnlineSession
from magus_pyg.report.graph_layout import LAYERS, drawn_layers, layer_of, node_places
from magus_pyg.simulation.answers import AnsweredList

__all__ = ["GraphDrawing", "graph_drawings"]

_WIDTH, _ROW, _TOP, _LEFT = 1000, 92, 30, 96
_LAST = 6
"""Lists that are drawn, the latest ones: a drawing costs a pass over all nodes."""
_BEST = 9


@dataclass(frozen=True)
class GraphDrawing:
    """The graph of one list.

    Attributes:
        number: of the list, from 1.
        is_open: whether it waits for an answer.
        shown, drawn: how many nodes it shows, and how many the drawing has.
        svg: the drawing.
    """

    number: int
    is_open: bool
    shown: int
    drawn: int
    svg: Markup


@dataclass(frozen=True)
class _Drawn:
    node: int
    words: int
    is_item: bool
    label: str


@dataclass(frozen=True)
class _Turn:
    """A list with what was ranked for it."""

    number: int
    shown: tuple[int, ...]
    clicked: int | None
    scores: dict[int, float]
    is_open: bool


def graph_drawings(session: OnlineSession, layer_names: Sequence[str]) -> list[GraphDrawing]:
    """The latest lists of a session, the first of them first.

    Drawn are the nodes that these lists showed and, of each layer, those of the highest scores.

    Args:
        session: the session.
        layer_names: what the layers (words, combinations, items) are called.
    """
    turns = _turns(session)
    if not turns:
        return []
    graph = session.graph
    nodes = {node for turn in turns for node in turn.scores}
    words = node_words(graph).lengths
    entries = [_Drawn(node, int(words[node]), node < n_items(graph), title_of(graph, node)) for node in sorted(nodes)]
    best = {node: max(turn.scores[node] for turn in turns if node in turn.scores) for node in nodes}
    layers = drawn_layers(entries, {node for turn in turns for node in turn.shown}, best)
    kept = [entry for layer in layers for entry in layer]
    edges = _edges(session, kept)
    places = node_places(layers, edges)
    # A node that one list did not need has no score there yet.
    drawings = []
    before: set[int] = set()
    names = dict(zip(LAYERS, layer_names, strict=True))
    heads = [(names[layer_of(layer[0])], _TOP + row * _ROW) for row, layer in enumerate(layers)]
    for turn in turns:
        svg = _svg(turn, kept, places, edges, heads, before)
        drawings.append(GraphDrawing(turn.number, turn.is_open, len(turn.shown), len(kept), svg))
        before |= set(turn.shown)
    return drawings


def _turns(session: OnlineSession) -> list[_Turn]:
    """The latest lists, each with the scores of the nodes that any of them may need."""
    steps = [number for number, event in enumerate(session.history) if isinstance(event, AnsweredList)]
    if not session.done:
        steps.append(len(session.history))
    first = max(0, len(steps) - _LAST)
    pasts = [(number, session.at(step)) for number, step in enumerate(steps, 1)][first:]
    lists = [tuple(entry.node for entry in past.recommend()) for _, past in pasts]
    wanted = {node for shown in lists for node in shown}
    for _, past in pasts:
        wanted |= _best(past)
    chosen = sorted(wanted)
    turns = []
    for (number, past), shown in zip(pasts, lists, strict=True):
        step = len(past.history)
        event = session.history[step] if step < len(session.history) else None
        clicked = event.clicked if isinstance(event, AnsweredList) else None
        turns.append(_Turn(number, shown, clicked, past.node_scores(chosen), event is None))
    return turns


def _best(session: OnlineSession) -> set[int]:
    """The nodes of the highest scores in each layer."""
    scores = session.node_scores()
    node = torch.tensor([*scores], dtype=torch.int64)
    score = torch.tensor([*scores.values()], dtype=torch.float64)
    lengths, is_item = node_words(session.graph).lengths[node], node < n_items(session.graph)
    found: set[int] = set()
    for layer in (is_item, ~is_item & (lengths == 1), ~is_item & (lengths > 1)):
        inside = torch.nonzero(layer).flatten()
        top = score[inside].topk(min(_BEST, inside.numel())).indices
        found |= set(node[inside[top]].tolist())
    return found


def _edges(session: OnlineSession, kept: Sequence[_Drawn]) -> list[tuple[int, int]]:
    """R+ among the drawn nodes: who is strictly part of whom, by their words."""
    words = {entry.node: frozenset(words_of(session.graph, entry.node)) for entry in kept}
    queries = [entry.node for entry in kept if not entry.is_item]
    return [
        (part, whole.node)
        for part in queries
        for whole in kept
        if words[part] < words[whole.node] or (whole.is_item and words[part] == words[whole.node])
    ]


def _svg(
    turn: _Turn,
    kept: Sequence[_Drawn],
    places: dict[int, tuple[float, float]],
    edges: Sequence[tuple[int, int]],
    heads: Sequence[tuple[str, int]],
    before: set[int],
) -> Markup:
    """One drawing. Labels are text of the data: `Markup.format` escapes each."""
    spans = _spans(turn, kept)
    at = {node: (_LEFT + x * (_WIDTH - _LEFT), _TOP + 14 + y * _ROW) for node, (x, y) in places.items()}
    parts = [Markup('<text class="layer" x="4" y="{}">{}</text>').format(y + 18, name) for name, y in heads]
    for part, whole in edges:
        (x, y), (to_x, to_y) = at[part], at[whole]
        if y != to_y:
            touched = " on" if part in turn.shown or whole in turn.shown else ""
            parts.append(
                Markup('<line class="edge{}" x1="{:.0f}" y1="{:.0f}" x2="{:.0f}" y2="{:.0f}"/>').format(
                    touched, x, y, to_x, to_y
                )
            )
    for entry in kept:
        x, y = at[entry.node]
        low, high = spans[layer_of(entry)]
        share = (turn.scores[entry.node] - low) / (high - low) if high > low else 0.0
        parts.append(_node(entry, x, y, share, turn, entry.node in before))
    height = _TOP + len(heads) * _ROW - 28
    return Markup('<svg class="graph" viewBox="0 0 {} {}" role="img" aria-hidden="true">{}</svg>').format(
        _WIDTH, height, Markup("").join(parts)
    )


def _spans(turn: _Turn, kept: Sequence[_Drawn]) -> dict[str, tuple[float, float]]:
    """The least and the greatest value of each layer: those of items and of words are of different size."""
    of_layer: dict[str, list[float]] = {}
    for entry in kept:
        of_layer.setdefault(layer_of(entry), []).append(turn.scores[entry.node])
    return {layer: (min(values), max(values)) for layer, values in of_layer.items()}


def _node(entry: _Drawn, x: float, y: float, share: float, turn: _Turn, gone: bool) -> Markup:
    shape = (
        '<rect class="{}" x="{:.0f}" y="{:.0f}" width="16" height="16" rx="3"{}/>'
        if entry.is_item
        else '<circle class="{}" cx="{:.0f}" cy="{:.0f}" r="8.5"{}/>'
    )
    move = 8 if entry.is_item else 0
    heat = Markup(shape).format("heat", x - move, y - move, Markup(' fill-opacity="{:.2f}"').format(share))
    inner = Markup(shape).format("node", x - move, y - move, "") + (Markup("") if gone else heat)
    if entry.node in turn.shown:
        took = " took" if entry.node == turn.clicked else ""
        inner += Markup('<circle class="ring{}" cx="{:.0f}" cy="{:.0f}" r="14"/>').format(took, x, y)
    value = _value(turn.scores[entry.node])
    inner += Markup('<text class="value" x="{:.0f}" y="{:.0f}">{}</text>').format(x, y - 17, value)
    lines = textwrap.wrap(cut(entry.label, 60), 15, break_long_words=True, max_lines=2, placeholder="…")
    for number, line in enumerate(lines):
        inner += Markup('<text x="{:.0f}" y="{:.0f}">{}</text>').format(x, y + 25 + 11 * number, line)
    kind = Markup(' class="gone"') if gone else ""
    return Markup("<g{}>{}<title>{}</title></g>").format(kind, inner, entry.label)


def _value(value: float) -> str:
    return f"{value:.2f}" if value == 0 or abs(value) >= 0.005 else f"{value:.0e}".replace("e-0", "e-")

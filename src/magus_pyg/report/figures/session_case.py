"""Fig. 7: one session's graph, round by round, with scores and popularity, beside a popularity agent's picks."""

import textwrap
from typing import TYPE_CHECKING

from magus_pyg.escaping import cut, shown
from magus_pyg.report.figures.style import GREY, INK, LONGEST, PAGE, figure_of, look_of
from magus_pyg.report.graph_layout import drawn_layers, node_places
from magus_pyg.report.method_labels import base_label, method_of
from magus_pyg.report.story import Story, StoryNode

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["drawn_nodes", "story_graphs"]

_TEXT = 0.215
"""Share of the width that the words beside a graph take."""


def story_graphs(story: Story) -> "Figure":
    """Draw a session: a graph a round, words above their combinations above items.

    The number above a node is its score in that round, and so is its colour; the bar beside it is its popularity. Rings
    mark what was shown, dashed rings what a popularity agent would show. Of the nodes, those that were shown by either,
    the targets, and then those of the highest scores are drawn.

    Args:
        story: what `story.tell_story` gave.

    Returns:
        The figure; call it inside `styled`.
    """
    from matplotlib.colors import LinearSegmentedColormap

    look = look_of(story.method)
    shades = LinearSegmentedColormap.from_list("scores", ["#FFFFFF", "#F6E3A1", "#E69F00"])
    layers = drawn_nodes(story)
    places, rows = node_places(layers, story.edges), len(layers)
    figure, axes = figure_of(len(story.rounds), 1, PAGE, (0.56 * rows + 0.14) * len(story.rounds) + 0.32)
    for number, turn in enumerate(story.rounds):
        panel = axes[number][0]
        _frame(panel, rows)
        before = {node for past in story.rounds[:number] for node in past.shown}
        _edges(panel, story, places, set(turn.shown), look.colour)
        scores = turn.scores
        low, high = min(scores.values()), max(scores.values())
        for node, (x, y) in places.items():
            entry = story.nodes[node]
            gone = node in before
            share = (scores[node] - low) / (high - low) if high > low else 0.0
            _node(panel, entry, x, y, shades(float(share)), gone, _score(scores[node]), _most_popular(story))
            if node in turn.popular:
                _dashed(panel, x, y)
            if node in turn.shown:
                panel.plot(x, y, "o", markersize=11.5, markerfacecolor="none", markeredgecolor=look.colour,
                           markeredgewidth=1.5, zorder=4)  # fmt: skip
        _words(panel, story, number, look.colour)
    names = (story.dataset, base_label(story.model), f"user {story.user_id}")
    told = ", ".join(cut(shown(name), LONGEST) for name in names)
    figure.suptitle(told, x=0.006, ha="left", fontsize=7.5, fontweight="bold")
    figure.supxlabel(
        "Above a node: its score; bar: training positives that hold it; ring: shown; dashed ring: the most popular "
        "nodes not shown yet; bold: a target; pale: shown before.",
        fontsize=6, color=GREY, x=0.006, ha="left",
    )  # fmt: skip
    return figure


def drawn_nodes(story: Story) -> list[list[StoryNode]]:
    """Which nodes are drawn: single words, combinations of words, items; each layer that has any."""
    needed = {node for turn in story.rounds for node in (*turn.shown, *turn.popular)}
    needed |= {entry.node for entry in story.nodes.values() if entry.is_target}
    best = {node: max(turn.scores[node] for turn in story.rounds) for node in story.nodes}
    return drawn_layers(story.nodes.values(), needed, best)


def _frame(panel: "Axes", rows: int) -> None:
    panel.set_xlim(-_TEXT / (1 - _TEXT), 1.0)
    panel.set_ylim(rows - 0.36, -0.5)
    panel.set_axis_off()


def _edges(panel: "Axes", story: Story, places: dict[int, tuple[float, float]], shown: set[int], colour: str) -> None:
    """R+ between neighbouring layers; those of what is shown in colour."""
    for part, whole in story.edges:
        if part in places and whole in places and places[part][1] != places[whole][1]:
            touched = part in shown or whole in shown
            panel.plot(
                *zip(places[part], places[whole], strict=True),
                linewidth=0.6 if touched else 0.35,
                color=colour if touched else "#D5D5D5",
                alpha=0.55 if touched else 1.0,
                zorder=1.5 if touched else 1.0,
            )


def _node(
    panel: "Axes", entry: StoryNode, x: float, y: float, shade: object, gone: bool, score: str, most: int
) -> None:
    marker = "s" if entry.is_item else "o"
    edge = "#BBBBBB" if gone else "#777777"
    panel.plot(x, y, marker, markersize=7.5, markerfacecolor="#F4F4F4" if gone else shade, markeredgecolor=edge,
               markeredgewidth=0.5, zorder=3)  # fmt: skip
    ink = "#AAAAAA" if gone else INK
    panel.annotate(score, (x, y), xytext=(0, 7.5), textcoords="offset points", ha="center", va="bottom", fontsize=5.2,
                   color=ink, zorder=5)  # fmt: skip
    label = "\n".join(
        textwrap.wrap(cut(shown(entry.label), LONGEST), 11, break_long_words=False, max_lines=2, placeholder="…")
    )
    weight = "bold" if entry.is_target else "normal"
    panel.annotate(label, (x, y), xytext=(0, -8), textcoords="offset points", ha="center", va="top", fontsize=5.2,
                   color=ink, fontweight=weight, linespacing=0.95, zorder=5,
                   bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.3, "alpha": 0.8})  # fmt: skip
    if entry.popularity and most:
        height = 13.0 * entry.popularity / most
        _bar(panel, x, y, height)


def _bar(panel: "Axes", x: float, y: float, height: float) -> None:
    """A bar of a height in points, beside a node."""
    from matplotlib.offsetbox import AnnotationBbox, DrawingArea
    from matplotlib.patches import Rectangle

    area = DrawingArea(2.4, 14, 0, 0)
    area.add_artist(Rectangle((0, 0), 2.4, height, facecolor=GREY, edgecolor="none"))
    panel.add_artist(
        AnnotationBbox(area, (x, y), xybox=(9.8, 3.2), boxcoords="offset points", frameon=False, pad=0, zorder=4)
    )


def _dashed(panel: "Axes", x: float, y: float) -> None:
    from matplotlib.offsetbox import AnnotationBbox, DrawingArea
    from matplotlib.patches import Circle

    area = DrawingArea(18, 18, 0, 0)
    area.add_artist(
        Circle((9, 9), 7.8, facecolor="none", edgecolor="#5E5E5E", linewidth=0.9, linestyle=(0, (2.2, 1.4)))
    )
    panel.add_artist(AnnotationBbox(area, (x, y), frameon=False, pad=0, zorder=4))


def _words(panel: "Axes", story: Story, number: int, colour: str) -> None:
    """What happens in the round, to the left of the graph."""
    turn = story.rounds[number]
    x, y = 0.0, 1.0
    lines: list[tuple[str, str, str]] = [(f"Round {number + 1}", INK, "bold")]
    lines.append((f"{method_of(story.method).short} shows", colour, "bold"))
    lines += [(line, INK, "normal") for line in _listed(story, turn.shown, turn.clicked)]
    lines.append(("popularity would show", GREY, "bold"))
    lines += [(line, INK, "normal") for line in _listed(story, turn.popular, turn.popular_clicked)]
    for index, (line, ink, weight) in enumerate(lines):
        panel.annotate(line, (x, y), xytext=(0, -8.2 * index), xycoords="axes fraction", textcoords="offset points",
                       color=ink, fontweight=weight, fontsize=6.0, va="top", annotation_clip=False)  # fmt: skip


def _listed(story: Story, nodes: tuple[int, ...], clicked: int | None) -> list[str]:
    entries = []
    for node in nodes:
        entry = story.nodes[node]
        mark = "" if node != clicked else "  ✓ found" if entry.is_target else "  ✓ clicked"
        entries.append(textwrap.shorten(shown(entry.label), 22, placeholder="…") + mark)
    return entries


def _score(value: float) -> str:
    return f"{value:.2f}" if value == 0 or abs(value) >= 0.005 else f"{value:.0e}".replace("e-0", "e-")


def _most_popular(story: Story) -> int:
    return max(entry.popularity for entry in story.nodes.values())

"""How all figures look: sizes of a paper's column and page, type, a palette for the colour-blind, labels on the lines.

Colours are Okabe and Ito's, darkened where a label in them would be too light to read; every series also has a marker
of its own. matplotlib is optional: it is loaded inside `styled`.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from magus_pyg.agents.methods import METHODS
from magus_pyg.errors import ConfigError
from magus_pyg.files import whole

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = [
    "COLUMN",
    "GREY",
    "INK",
    "LONGEST",
    "PAGE",
    "Look",
    "figure_of",
    "label_lines",
    "look_of",
    "save_figure",
    "styled",
    "trim",
]

#: Widths in inches: one column of a two-column paper, and both.
COLUMN, PAGE = 3.33, 7.0
LONGEST = 120
"""Signs of a name that are drawn."""
INK, GREY = "#222222", "#8A8A8A"

_RC: dict[str, Any] = {
    "font.family": "DejaVu Sans",
    "font.size": 7.0,
    "axes.titlesize": 7.5,
    "axes.labelsize": 7.0,
    "xtick.labelsize": 6.5,
    "ytick.labelsize": 6.5,
    "axes.linewidth": 0.5,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "xtick.major.width": 0.5,
    "ytick.major.width": 0.5,
    "xtick.major.size": 2.0,
    "ytick.major.size": 2.0,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.grid.axis": "y",
    "grid.color": "#E4E4E4",
    "grid.linewidth": 0.5,
    "axes.axisbelow": True,
    "lines.linewidth": 1.1,
    "lines.markersize": 3.0,
    "text.parse_math": False,  # a $ in a name is a dollar
    "svg.fonttype": "path",
    "svg.hashsalt": "magus_pyg",  # ids that do not change from run to run
    "savefig.dpi": 300,
    "figure.dpi": 100,
}


@dataclass(frozen=True)
class Look:
    """Colour, marker and dashes of a series."""

    colour: str
    marker: str
    dashes: Any = "-"


_SPARE = (Look("#5E3C99", "<"), Look("#1B7837", ">"), Look("#A50026", "d"), Look("#01665E", "H"))
_DASHES = ((0, (4, 1.5)), (0, (1, 1.2)), (0, (5, 1.2, 1, 1.2)))


def look_of(method: str, variation: int = 0, spare: int = 0) -> Look:
    """The look of a method.

    Args:
        method: the agent.
        variation: 0 for its own settings, then 1, 2, ... for others of the same figure: they get dashes.
        spare: number of the agent among those that have no look of their own.
    """
    entry, free = METHODS.get(method), _SPARE[spare % len(_SPARE)]
    dashes = _DASHES[(variation - 1) % len(_DASHES)] if variation else "-"
    if entry is None:
        return Look(free.colour, free.marker, dashes)
    return Look(entry.colour or free.colour, entry.marker or free.marker, dashes)


@contextmanager
def styled() -> Iterator[None]:
    """Draw in the style of this package, whatever the user's own settings are.

    Raises:
        ConfigError: matplotlib is not installed.
    """
    try:
        import matplotlib as mpl
    except ImportError as error:
        raise ConfigError(
            "figures need matplotlib, which is not installed: pip install 'magus-pyg[figures]' (or matplotlib)"
        ) from error
    with mpl.rc_context():
        mpl.rcdefaults()
        parameters: Any = mpl.rcParams  # its stubs list every key
        parameters.update(_RC)
        yield


def figure_of(
    rows: int, columns: int, width: float, height: float, **options: Any
) -> tuple["Figure", list[list["Axes"]]]:
    """A figure of panels, on the canvas that draws to files alone; call it inside `styled`.

    Args:
        rows, columns: of panels.
        width, height: inches.
        options: of `Figure.subplots`.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(rows, columns, squeeze=False, **options)
    return figure, [list(row) for row in axes]


def save_figure(figure: "Figure", stem: Path) -> list[Path]:
    """Write a figure as PNG (300 dots an inch) and SVG; the same figure gives the same bytes.

    Args:
        figure: made inside `styled`, and saved there.
        stem: the path without its ending.

    Returns:
        Both paths.

    Raises:
        RunError: if they cannot be written.
    """
    paths = [stem.with_name(f"{stem.name}.{ending}") for ending in ("png", "svg")]
    for path, metadata in zip(paths, ({"Software": None}, {"Date": None, "Creator": None}), strict=True):
        with whole(path) as fresh:
            figure.savefig(fresh, metadata=metadata)
    return paths


def trim(axes: "Axes", values: Sequence[float], room: float = 0.08) -> None:
    """Limits around values that lie in [0, 1], with some room, not beyond it."""
    low, high = min(values), max(values)
    space = max(high - low, 0.02) * room
    axes.set_ylim(max(0.0, low - space), min(1.0 + space, high + space))


def label_lines(axes: "Axes", labels: Sequence[tuple[float, str, str]], x: float, size: float = 6.5) -> None:
    """Write labels at the ends of lines, moved apart where they would meet, with a thin line to where they belong.

    Args:
        axes: whose limits are set.
        labels: (value, text, colour).
        x: where the lines end, in data.
        size: of the type, in points.
    """
    figure = axes.get_figure()
    assert figure is not None
    low, high = axes.get_ylim()
    box = axes.get_window_extent()
    gap = 1.25 * size / 72.0 * figure.dpi / max(box.height, 1.0) * (high - low)
    ordered = sorted(labels)
    places = spread([value for value, _, _ in ordered], gap, low, high)
    for (value, text, colour), place in zip(ordered, places, strict=True):
        axes.annotate(
            text, xy=(x, value), xytext=(8, 0), textcoords="offset points", annotation_clip=False, color=colour,
            fontsize=size, va="center", ha="left",
        ).xyann = (8, (place - value) / (high - low) * box.height * 72.0 / figure.dpi)  # fmt: skip
        if abs(place - value) > 0.25 * gap:
            axes.annotate(
                "", xy=(x, value), xytext=(7.5, (place - value) / (high - low) * box.height * 72.0 / figure.dpi),
                textcoords="offset points", annotation_clip=False,
                arrowprops={"arrowstyle": "-", "color": colour, "lw": 0.4, "shrinkA": 0, "shrinkB": 3},
            )  # fmt: skip


def spread(values: Sequence[float], gap: float, low: float, high: float) -> list[float]:
    """Places for labels in the order of `values` (ascending), `gap` apart, as near as can be, within the limits.

    Values that would meet form a group around its mean; groups that meet become one.
    """
    groups: list[list[float]] = []  # [sum of values, count]

    def middle(group: list[float]) -> float:
        half = (group[1] - 1) * gap / 2
        return min(max(group[0] / group[1], low + half), max(high - half, low + half))

    for value in values:
        groups.append([value, 1.0])
        while len(groups) > 1:
            above, below = groups[-1], groups[-2]
            if middle(above) - (above[1] - 1) * gap / 2 >= middle(below) + (below[1] + 1) * gap / 2 - 1e-12:
                break
            groups[-2:] = [[below[0] + above[0], below[1] + above[1]]]
    places = []
    for group in groups:
        first = middle(group) - (group[1] - 1) * gap / 2
        places += [first + index * gap for index in range(int(group[1]))]
    return places

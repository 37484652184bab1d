"""Panels of lines: a row a metric, a column a data set (or a number of candidates), a line a method."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import pandas as pd

from magus_pyg.errors import ConfigError
from magus_pyg.escaping import plain_frame
from magus_pyg.report.figures.style import COLUMN, LONGEST, PAGE, Look, figure_of, label_lines, look_of, trim

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["line_panels", "looks_of"]


def line_panels(
    series: pd.DataFrame,
    x_label: str,
    rows: str = "metric",
    columns: str = "dataset",
    ticks: Sequence[float] | None = None,
) -> "Figure":
    """Draw series of points.

    Args:
        series: columns of `series.SERIES_COLUMNS`.
        x_label: under the panels.
        rows: the column whose values make rows of panels; its value is the label of the y axis.
        columns: the column whose values make columns of panels; its value is their title.
        ticks: on the x axis; the x of the points if None.

    Returns:
        The figure; call it inside `styled`.

    Raises:
        ConfigError: no points.
    """
    if series.empty:
        raise ConfigError("there is nothing to draw: no points are left")
    series = plain_frame(series, LONGEST)
    row_values = list(dict.fromkeys(series[rows]))
    column_values = list(dict.fromkeys(series[columns]))
    looks = looks_of(series)
    labels = max(len(name) for name in looks)
    width = COLUMN if len(column_values) == 1 else min(PAGE, 1.15 * len(column_values) + 0.05 * labels + 1.6)
    figure, axes = figure_of(len(row_values), len(column_values), width, 1.45 * len(row_values) + 0.45, sharex=False)
    for row, row_value in enumerate(row_values):
        for column, column_value in enumerate(column_values):
            panel = axes[row][column]
            part = series[(series[rows] == row_value) & (series[columns] == column_value)]
            if part.empty:
                panel.set_visible(False)
                continue
            _draw(panel, part, looks, ticks)
            if row == 0:
                panel.set_title(str(column_value), loc="left", fontweight="bold")
            if column == 0:
                panel.set_ylabel(_row_label(rows, str(row_value), part))
            if row == len(row_values) - 1:
                panel.set_xlabel(x_label)
    figure.canvas.draw()  # the layout must stand before labels are moved apart
    for row, row_value in enumerate(row_values):
        for column, column_value in enumerate(column_values):
            part = series[(series[rows] == row_value) & (series[columns] == column_value)]
            last = column == len(column_values) - 1
            if not part.empty and (last or _unlike(series, rows, row_value, columns, column_value, column_values)):
                _label(axes[row][column], part, looks)
    return figure


def looks_of(series: pd.DataFrame) -> dict[str, Look]:
    """The look of each series: a method's variations share its colour and marker, and differ in dashes."""
    looks: dict[str, Look] = {}
    counts: dict[str, int] = {}
    spare: dict[str, int] = {}
    for name, method in dict.fromkeys(zip(series["series"], series["method"], strict=True)):
        looks[name] = look_of(method, counts.get(method, 0), spare.setdefault(method, len(spare)))
        counts[method] = counts.get(method, 0) + 1
    return looks


def _draw(panel: "Axes", part: pd.DataFrame, looks: dict[str, Look], ticks: Sequence[float] | None) -> None:
    played = part[~part["planned"]]
    for name, points in played.groupby("series", sort=False):
        look, x = looks[str(name)], points["x"].to_numpy()
        panel.fill_between(x, points["low"], points["high"], color=look.colour, alpha=0.12, linewidth=0)
        few = len(x) <= 8
        panel.plot(
            x, points["mean"], color=look.colour, linestyle=look.dashes, marker=look.marker if few else None,
            markersize=4.5 if look.marker == "*" else 3.0, markeredgewidth=0, clip_on=False,
        )  # fmt: skip
    for name, points in part[part["planned"]].groupby("series", sort=False):
        look = looks[str(name)]
        panel.plot(
            points["x"], points["mean"], linestyle="none", marker="o", markersize=3.2, markerfacecolor="white",
            markeredgecolor=look.colour, markeredgewidth=0.8, clip_on=False, zorder=3,
        )  # fmt: skip
    chosen = sorted(set(part["x"])) if ticks is None else [tick for tick in ticks if tick <= part["x"].max()]
    if len(chosen) > 6:
        chosen = chosen[:: -(-len(chosen) // 5)]
    panel.set_xticks(chosen)
    panel.set_xticklabels([f"{tick:g}" for tick in chosen])
    trim(panel, [*part["low"], *part["high"]])
    left, right = float(played["x"].min()), float(played["x"].max())
    alone = 0.0 if right > left else 0.5  # a single x stands in the middle
    panel.set_xlim(left - alone, right + alone)
    panel.spines["left"].set_position(("outward", 4))
    panel.spines["bottom"].set_position(("outward", 3))


def _label(panel: "Axes", part: pd.DataFrame, looks: dict[str, Look]) -> None:
    played = part[~part["planned"]]
    ends = played.sort_values("x").groupby("series", sort=False).tail(1)
    right = float(played["x"].max())
    whole = ends[ends["x"] == right]
    label_lines(
        panel,
        [(row["mean"], str(row["series"]), looks[str(row["series"])].colour) for row in whole.to_dict("records")],
        right,
    )
    for row in ends[ends["x"] < right].to_dict("records"):  # a line that ends early is labelled where it ends
        panel.annotate(str(row["series"]), (row["x"], row["mean"]), xytext=(3, 0), textcoords="offset points",
                       color=looks[str(row["series"])].colour, fontsize=6.5, va="center")  # fmt: skip


def _row_label(rows: str, value: str, part: pd.DataFrame) -> str:
    return value if rows == "metric" else f"{value}\n{part['metric'].iloc[0]}"


def _unlike(
    series: pd.DataFrame, rows: str, row_value: object, columns: str, column_value: object, values: Sequence[object]
) -> bool:
    """Whether a panel has series that the last panel of its row, which is labelled, does not have."""
    row = series[series[rows] == row_value]
    here = set(row.loc[row[columns] == column_value, "series"])
    return not here <= set(row.loc[row[columns] == values[-1], "series"])

"""Fig. 6: what training and playing cost, as bars."""

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from magus_pyg.errors import ConfigError
from magus_pyg.escaping import plain_frame
from magus_pyg.report.figures.line_panels import looks_of
from magus_pyg.report.figures.style import COLUMN, GREY, INK, LONGEST, figure_of
from magus_pyg.report.method_labels import base_label
from magus_pyg.report.table_formats import duration

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["time_bars"]

_BAR = 0.115
"""Height of a bar with its gap, inches."""


def time_bars(times: pd.DataFrame) -> "Figure":
    """Draw wall times: a group a base recommender, a bar a method; training to the left, inference to the right.

    Args:
        times: what `series.time_series` gave.

    Returns:
        The figure; call it inside `styled`.

    Raises:
        ConfigError: no times.
    """
    if times.empty:
        raise ConfigError("there is nothing to draw: no times are left")
    times = plain_frame(times, LONGEST)
    datasets = list(dict.fromkeys(times["dataset"]))
    looks = looks_of(times)
    parts = [_placed(times[times["dataset"] == dataset]) for dataset in datasets]
    heights = [part["place"].max() + 2.0 for part in parts]
    figure, axes = figure_of(
        len(parts),
        2,
        COLUMN,
        _BAR * sum(heights) + (0.4 if len(parts) == 1 else 0.5) * len(parts),
        height_ratios=heights,
        sharey="row",
    )
    for row, (dataset, part) in enumerate(zip(datasets, parts, strict=True)):
        colours = [looks[name].colour for name in part["series"]]
        training, inference = axes[row]
        base, fit = part["base_seconds"].to_numpy(), part["fit_seconds"].to_numpy()
        training.barh(part["place"], base, height=0.8, color="#C9C9C9")
        training.barh(part["place"], fit, left=base, height=0.8, color=colours)
        _values(training, part["place"].to_numpy(), base + fit, [duration(value) for value in base + fit])
        session = part["session_ms"].to_numpy()
        inference.barh(part["place"], session, height=0.8, color=colours)
        _values(inference, part["place"].to_numpy(), session, [_milliseconds(value) for value in session])
        training.set_yticks(part["place"], part["series"])
        for tick, colour in zip(training.get_yticklabels(), colours, strict=True):
            tick.set_color(colour)
        for model, group in part.groupby("model", sort=False):
            training.annotate(
                base_label(str(model)), (0, group["place"].min() - 1.0), xytext=(-3, 0), textcoords="offset points",
                xycoords=training.get_yaxis_transform(), ha="right", va="center", fontweight="bold",
                annotation_clip=False,
            )  # fmt: skip
        several = len(datasets) > 1
        training.set_title(f"{dataset}\ntraining" if several else "training", loc="left", fontweight="bold")
        inference.set_title("\na session" if several else "a session", loc="left", fontweight="bold")
        for panel in (training, inference):
            panel.set_ylim(part["place"].max() + 0.6, -0.7)
            panel.tick_params(axis="y", length=0)
            panel.grid(visible=False)
            panel.set_xticks([])
            panel.spines["bottom"].set_visible(False)
    told = "Grey: the base recommender; colour: what the method learns beside it."
    figure.supxlabel(told, fontsize=6, color=GREY, x=0.99, ha="right")
    return figure


def _placed(part: pd.DataFrame) -> pd.DataFrame:
    """Places of the bars from the top, with a line of its own for each base recommender's name."""
    first = part["model"].ne(part["model"].shift())
    return part.assign(place=np.arange(len(part)) + 1.4 * first.cumsum() - 0.4)


def _values(panel: "Axes", places: np.ndarray, values: np.ndarray, texts: list[str]) -> None:
    """Write each value at the end of its bar, with room for the longest."""
    for place, value, text in zip(places, values, texts, strict=True):
        panel.annotate(
            text, (0.0 if np.isnan(value) else value, place), xytext=(2, 0), textcoords="offset points", fontsize=6,
            color=INK, va="center",
        ).set_in_layout(False)  # fmt: skip
    top = np.nanmax(values) if np.isfinite(values).any() else 1.0
    panel.set_xlim(0, max(top, 1e-9) * 1.5)


def _milliseconds(value: float) -> str:
    if np.isnan(value):
        return "not noted"
    return f"{value:.2f} ms" if value < 10 else f"{value:.0f} ms"

"""Writes what bayes.py keeps into docs/bayes.md."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd
from _common import BAYES_PAGE, put_between, row

_Rows = list[dict[str, Any]]


def write_page(kept: dict[str, Any]) -> None:
    """Write the figures of bayes.json, by part, into the page; what was not measured stays as it is there."""
    for part, lines_of in _PARTS.items():
        if part in kept:
            lines = lines_of(kept[part]["found"], kept[part]["machine"])
            put_between(BAYES_PAGE, f"{part}: written by benchmarks/bayes.py", lines)


def exponent(size: "pd.Series[float]", cost: "pd.Series[float]") -> float:
    slope: float = np.polyfit(np.log(size), np.log(cost), 1)[0]
    return slope


def _table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> list[str]:
    return [row(*head), row(*["---"] * len(head)), *(row(*cells) for cells in rows)]


def _speed(rows: _Rows, machine: str) -> list[str]:
    names = [name for name in rows[0] if name != "candidates"]
    sizes = pd.Series([one["candidates"] for one in rows])
    powers = [exponent(sizes, pd.Series([1.0 / one[name] for one in rows])) for name in names]
    text = f"{machine}, one thread. The cost of a session grows as candidates to the power of "
    text += f"{min(powers):.2f} to {max(powers):.2f}."
    before = next((name for name in names if name.startswith("off, ")), None)
    if before is not None:
        text += f" Beside {before}: " + ", ".join(_times(rows, name, before) for name in ("off", "on")) + "."
    cells = [[one["candidates"], *(f"{one[name]:,}" for name in names)] for one in rows]
    return [text, "", *_table(["candidates", *names], cells)]


def _times(rows: _Rows, name: str, before: str) -> str:
    """How many times the speed of another column a column has, from its least to its most."""
    ratios = [one[name] / one[before] for one in rows]
    return f"{name} {min(ratios):.2f} to {max(ratios):.2f} times"


def _lists(found: dict[str, Any], machine: str) -> list[str]:
    text = f"{found['differ']:,} of {found['lists']:,} lists differ from those of {found['release']}"
    return [
        text + " with the knobs off (40 plays of several e, λ and T, truthful and noisy users, 30 to 1,000 candidates)."
    ]


def _fit(rows: _Rows, machine: str) -> list[str]:
    fits = ("fit bayes", "fit bayes-balanced")
    above = [one["set"] for one in rows if max(one[fit] for fit in fits) > one["training"] / 5]
    cells = [
        [
            one["set"],
            f"{one['training']:.1f} s",
            *(f"{one[fit]:.1f} s, {one[fit] / one['training']:.0%}" for fit in fits),
        ]
        for one in rows
    ]
    text = f"Above a fifth of the training, which was the goal: {', '.join(above) or 'none'}."
    return [text, "", *_table(["set", "training fm", "fit of bayes", "fit of bayes-balanced"], cells)]


def _dense(rows: _Rows, machine: str) -> list[str]:
    table = pd.DataFrame(rows)
    table["times"] = table["dense"] / table["near-linear"]
    cells = [
        [
            size,
            f"{part['lists'].sum():,}",
            f"{part['differ'].sum():,}",
            f"{part['times'].min():.1f} to {part['times'].max():.1f}",
        ]
        for size, part in table.groupby("candidates")
    ]
    return _table(["candidates", "lists", "that differ", "dense: CPU seconds, times those of near-linear"], cells)


def _quality(rows: _Rows, machine: str) -> list[str]:
    names = [name for name in rows[0] if name not in ("candidates", "sessions", "metric")]
    cells = [
        [f"{one['candidates']:,}", one["sessions"], one["metric"], *(f"{one[name]:.3f}" for name in names)]
        for one in rows
    ]
    return _table(["candidates", "test sessions", "", *names], cells)


_PARTS: dict[str, Callable[[Any, str], list[str]]] = {
    "speed": _speed,
    "lists": _lists,
    "fit": _fit,
    "dense": _dense,
    "quality": _quality,
}

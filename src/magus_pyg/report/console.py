"""What a command shows on the terminal."""

import math
import sys
from collections.abc import Mapping

import pandas as pd
from rich.console import Console
from rich.table import Table

__all__ = ["environment_text", "make_console", "results_table", "stages_text"]


def make_console() -> Console:
    """A console on standard output; 120 columns wide where that is no terminal, so that tables stay whole in files."""
    return Console(width=None if sys.stdout.isatty() else 120, highlight=False)


def environment_text(environment: Mapping[str, str]) -> str:
    """Versions, device and threads on two lines."""
    machine = ("device", "cores", "threads", "system")
    versions = ", ".join(f"{name} {value}" for name, value in environment.items() if name not in machine)
    return f"{versions}\n" + ", ".join(f"{name} {environment[name]}" for name in machine if name in environment)


def results_table(results: pd.DataFrame, speeds: Mapping[str, float] | None = None, title: str | None = None) -> Table:
    """The table of a run.

    Args:
        results: a row an agent: method, sessions, and metrics with their bounds `<metric>_low` and `<metric>_high`.
        speeds: agent -> sessions a second, where known.
        title: above the table.

    Returns:
        A rich table: each metric with its 95 % interval below.
    """
    metrics = [name for name in results.columns if f"{name}_low" in results.columns]
    table = Table(title=title, title_justify="left")
    table.add_column("method")
    table.add_column("sessions", justify="right")
    for name in metrics:
        table.add_column(name, justify="center")
    asking = "query_rounds" in results.columns
    if asking:
        table.add_column("rounds with\na query", justify="right")
    if speeds:
        table.add_column("sessions\na second", justify="right")
    for row in results.to_dict("records"):
        cells = [str(row["method"]), f"{row['sessions']:,}"]
        cells += [_with_interval(row[name], row[f"{name}_low"], row[f"{name}_high"]) for name in metrics]
        if asking:
            cells.append(f"{row['query_rounds']:.1%}")
        if speeds:
            speed = speeds.get(str(row["method"]))
            cells.append("" if speed is None else f"{speed:,.0f}")
        table.add_row(*cells)
    return table


def _with_interval(value: float, low: float, high: float) -> str:
    return "-" if math.isnan(value) else f"{value:.3f}\n[dim]{low:.3f}–{high:.3f}[/dim]"


def stages_text(seconds: Mapping[str, float], memory: int) -> str:
    """Wall time by stage and the peak of memory, on one line."""
    stages = ", ".join(f"{stage} {value:.1f}" for stage, value in seconds.items())
    return f"{sum(seconds.values()):.1f} s ({stages}); peak memory {memory / 2**20:,.0f} MiB"

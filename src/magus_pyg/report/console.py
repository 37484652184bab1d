"""What a command shows on the terminal."""

import math
from collections.abc import Mapping, Sequence

import pandas as pd
from rich.console import Group
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from magus_pyg.report.method_labels import method_of
from magus_pyg.terminal import Terminal

__all__ = ["environment_text", "make_console", "queries_text", "results_table", "stages_text"]


_SELDOM = 0.01
"""Share of rounds with a query below which a method is told to have hardly asked."""


def make_console() -> Terminal:
    """The terminal, or what stands in for it, on standard output."""
    return Terminal()


def environment_text(environment: Mapping[str, str]) -> str:
    """Versions, device and threads on two lines."""
    machine = ("device", "cores", "threads", "system")
    versions = ", ".join(f"{name} {value}" for name, value in environment.items() if name not in machine)
    return f"{versions}\n" + ", ".join(f"{name} {environment[name]}" for name in machine if name in environment)


def results_table(
    results: pd.DataFrame,
    speeds: Mapping[str, float] | None = None,
    title: str | None = None,
    terminal: Terminal | None = None,
) -> Group:
    """The table of a run, in parts below each other where the terminal is too narrow for all columns.

    Args:
        results: a row an agent: method, sessions, and metrics with their bounds `<metric>_low` and `<metric>_high`.
        speeds: agent -> sessions a second, where known.
        title: above the table.
        terminal: where it is to be printed; None for one part.

    Returns:
        The title and rich tables: each metric with its 95 % interval below. Figures are never cut, and every part
        names the methods.
    """
    metrics = [name for name in results.columns if f"{name}_low" in results.columns]
    columns: list[tuple[str, list[str | Text]]] = [("sessions", [f"{count:,}" for count in results["sessions"]])]
    for name in metrics:
        bounds = (results[name], results[f"{name}_low"], results[f"{name}_high"])
        columns.append((name, [_with_interval(*row) for row in zip(*bounds, strict=True)]))
    if "query_rounds" in results.columns:
        columns.append(("rounds with\na query", [f"{share:.1%}" for share in results["query_rounds"]]))
    if speeds:
        known = [speeds.get(str(name)) for name in results["method"]]
        columns.append(("sessions\na second", ["" if speed is None else f"{speed:,.0f}" for speed in known]))
    parts: list[Table] = []
    while columns:
        for kept in range(len(columns), 0, -1):
            table = _table_of(results["method"], columns[:kept])
            if terminal is None or _wanted_width(table, terminal) <= terminal.width:
                break
        parts.append(table)
        columns = columns[kept:]
    return Group(*([] if title is None else [title]), *parts)


def queries_text(shares: Mapping[str, float]) -> list[str]:
    """A line for each method that asks by queries and never or hardly ever showed one, with what to try.

    Args:
        shares: method -> share of rounds with a query.
    """
    lines = []
    for name, share in shares.items():
        method = method_of(name)
        if method.role == "own" and share < _SELDOM:
            often = f"showed a query in {share:.1%} of its rounds alone" if share else "never showed a query"
            lines.append(f"{name} {often}: what it lists is nearly that of items; try {method.asks}")
    return lines


def _wanted_width(table: Table, terminal: Terminal) -> int:
    """Columns of the terminal that a table takes with nothing wrapped or cut."""
    return Measurement.get(terminal, terminal.options.update(max_width=100_000), table).maximum


def _table_of(methods: pd.Series, columns: Sequence[tuple[str, Sequence[str | Text]]]) -> Table:
    table = Table()
    table.add_column("method", overflow="fold", max_width=40)
    for name, cells in columns:
        table.add_column(name, justify="center" if isinstance(cells[0], Text) else "right", no_wrap=True)
    for method, *row in zip(methods, *(cells for _, cells in columns), strict=True):
        table.add_row(str(method), *row)
    return table


def _with_interval(value: float, low: float, high: float) -> Text:
    return Text("-") if math.isnan(value) else Text.assemble(f"{value:.3f}\n", (f"{low:.3f}–{high:.3f}", "dim"))


def stages_text(seconds: Mapping[str, float], memory: int) -> str:
    """Wall time by stage and the peak of memory, on one line."""
    stages = ", ".join(f"{stage} {value:.1f}" for stage, value in seconds.items())
    return f"{sum(seconds.values()):.1f} s ({stages}); peak memory {memory / 2**20:,.0f} MiB"

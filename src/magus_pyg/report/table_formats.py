"""A table as text, CSV, Markdown and LaTeX."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import pandas as pd

from magus_pyg.agents.methods import method_rank
from magus_pyg.escaping import csv_text, latex_text, markdown_text, shown
from magus_pyg.report.method_labels import base_rank
from magus_pyg.report.report_tables import ReportTable

__all__ = ["FORMATS", "duration", "parts_within", "to_csv", "to_latex", "to_markdown", "to_text"]

_COLUMNS_A_PAGE = 8
"""Columns of figures that are readable beside each other in LaTeX."""

_ROWS_A_PAGE = 40
"""Rows of a table in LaTeX, which leave room for the caption."""


def to_text(table: ReportTable, width: int | None = None) -> str:
    """Aligned columns, one data set below the other; the best of a base stands in [ ].

    Args:
        table: to write.
        width: of the terminal, see `parts_within`.
    """
    lines = [shown(table.title)] if table.title else []
    for dataset, part in table.frame.groupby("dataset", sort=False):
        head = [shown(str(dataset)), *table.metrics, "seeds", "wall time"]
        rows: list[list[str]] = []
        blocks: list[str] = []
        for (model, label), cells in part.groupby(["model", "row"], sort=False):
            by_metric = {row["metric"]: row for row in _records(cells)}
            first = next(iter(by_metric.values()))
            values = [_plain(by_metric[metric]) for metric in table.metrics]
            rows.append([shown(str(label)), *values, str(first["seeds"]), duration(_seconds(first))])
            blocks.append(str(model))
        for narrow in parts_within(head, rows, 1, width):
            lines.extend(["", *_aligned(narrow[0], narrow[1:], blocks)])
    notes = [shown(note).replace("in bold", "in [ ]") for note in table.notes]
    return "\n".join([*lines, "", *notes]) + "\n"


def parts_within(
    head: Sequence[str], rows: Sequence[Sequence[str]], keys: int, width: int | None
) -> list[list[list[str]]]:
    """A table in tables that fit the terminal, with whole columns, two spaces between them.

    Args:
        head: of the columns.
        rows: as many cells as `head`.
        keys: the first columns, which stand in every table.
        width: of the terminal; None for one table.

    Returns:
        Tables, the head as first row.
    """
    table = [list(head), *map(list, rows)]
    wide = [2 + max(map(len, column)) for column in zip(*table, strict=True)]
    parts, first = [], keys
    while first < len(head):
        last = first + 1
        while last < len(head) and (width is None or sum(wide[:keys] + wide[first : last + 1]) - 2 <= width):
            last += 1
        parts.append([[*row[:keys], *row[first:last]] for row in table])
        first = last
    return parts


def to_csv(table: ReportTable) -> str:
    """All numbers, a line a metric of a method on a data set."""
    return csv_text(table.frame, float_format="%.6g")


def to_markdown(table: ReportTable) -> str:
    """In the paper's shape: the data sets side by side."""
    datasets = list(dict.fromkeys(table.frame["dataset"]))
    columns = [*table.metrics, "seeds", "wall time"]
    head = ["Method", *(f"{dataset} {column}" for dataset in datasets for column in columns)]
    lines = [
        "| " + " | ".join(map(markdown_text, head)) + " |",
        "|" + "|".join(["---"] + ["---:"] * (len(head) - 1)) + "|",
    ]
    lines += [
        "| " + " | ".join([markdown_text(label), *cells]) + " |" for _, label, cells in _wide(table, datasets, _marked)
    ]
    title = [f"**{markdown_text(table.title)}**"] if table.title else []
    return "\n\n".join([*title, "\n".join(lines), *map(markdown_text, table.notes)]) + "\n"


def to_latex(table: ReportTable) -> str:
    """In the paper's shape, for the packages booktabs and graphicx, in tables that fit a page each.

    Data sets stand side by side as far as they stay readable; a table that would still be wider than the text is made
    smaller. What has more rows than a page goes on in further tables.
    """
    datasets = list(dict.fromkeys(table.frame["dataset"]))
    lines = [r"% \usepackage{booktabs, graphicx}"]
    caption = " ".join([f"{table.title}." if table.title else "", *table.notes]).strip()
    count = max(1, _COLUMNS_A_PAGE // (len(table.metrics) + 2))
    for first in range(0, len(datasets), count):
        beside = datasets[first : first + count]
        rows = [row for row in _wide(table, beside, _typeset) if any(row[2])]
        for start in range(0, len(rows), _ROWS_A_PAGE):
            lines += _latex_part(table, beside, rows[start : start + _ROWS_A_PAGE], caption)
            caption = f"{table.title} (continued).".strip()
    return "\n".join(lines) + "\n"


def _latex_part(
    table: ReportTable, datasets: Sequence[str], rows: Sequence[tuple[str, str, list[str]]], caption: str
) -> list[str]:
    """A float of LaTeX."""
    width = len(table.metrics) + 2
    names = " & ".join(rf"\multicolumn{{{width}}}{{c}}{{{latex_text(name)}}}" for name in datasets)
    lines = [
        r"\begin{table*}",
        r"\centering\footnotesize\setlength{\tabcolsep}{3pt}",
        rf"\caption{{{latex_text(caption)}}}",
        r"\resizebox{\ifdim\width>\linewidth\linewidth\else\width\fi}{!}{%",
        rf"\begin{{tabular}}{{l{('|' + 'c' * width) * len(datasets)}}}",
        r"\toprule",
        rf"& {names} \\",
        " & ".join(["Method", *[*table.metrics, "seeds", "time"] * len(datasets)]) + r" \\",
    ]
    previous = None
    for model, label, cells in rows:
        if model != previous:
            lines.append(r"\midrule")
        previous = model
        lines.append(" & ".join([latex_text(label), *cells]) + r" \\")
    return [*lines, r"\bottomrule", r"\end{tabular}}", r"\end{table*}"]


#: name -> ending of the file, writer.
FORMATS: dict[str, tuple[str, Callable[[ReportTable], str]]] = {
    "text": ("txt", to_text),
    "csv": ("csv", to_csv),
    "markdown": ("md", to_markdown),
    "latex": ("tex", to_latex),
}


def duration(seconds: float) -> str:
    """A wall time with two figures or so: 52 s, 4.8 min, 2.3 h."""
    for limit, unit, size in ((100.0, "s", 1.0), (6000.0, "min", 60.0)):
        if seconds < limit:
            value = seconds / size
            return f"{value:.1f} {unit}" if value < 10 else f"{value:.0f} {unit}"
    return f"{seconds / 3600:.1f} h"


def _wide(
    table: ReportTable, datasets: Sequence[str], write: Callable[[dict[str, Any]], str]
) -> list[tuple[str, str, list[str]]]:
    """(model, label, cells) of each row, over all data sets; a cell is empty where a data set lacks the row."""
    found = {(row["dataset"], row["model"], row["row"], row["metric"]): row for row in _records(table.frame)}
    names = table.frame[["model", "method", "variation", "row"]].drop_duplicates().itertuples(index=False, name=None)
    ordered = sorted(names, key=lambda name: (*base_rank(name[0]), *method_rank(name[1]), name[2]))
    rows: list[tuple[str, str, list[str]]] = []
    for model, _, _, label in dict.fromkeys(ordered):
        cells: list[str] = []
        for dataset in datasets:
            row = [found.get((dataset, model, label, metric)) for metric in table.metrics]
            first = row[0]
            cells += ["" if entry is None else write(entry) for entry in row]
            cells += ["", ""] if first is None else [str(first["seeds"]), duration(_seconds(first))]
        rows.append((model, label, cells))
    return rows


def _records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    return [{str(key): value for key, value in row.items()} for row in frame.to_dict("records")]


def _seconds(row: dict[str, Any]) -> float:
    return float(row["training_seconds"] + row["fit_seconds"] + row["play_seconds"])


def _sign(row: dict[str, Any]) -> str:
    return "*" if row["star"] else "†" if row["below"] else ""


def _plain(row: dict[str, Any]) -> str:
    """With room for brackets and a star, so that figures stand below each other."""
    if math.isnan(row["mean"]):
        return "/  "
    left, right = "[]" if row["best"] else "  "
    return f"{left}{row['mean']:.3f} ± {row['half']:.3f}{right}{_sign(row) or ' '}"


def _marked(row: dict[str, Any]) -> str:
    if math.isnan(row["mean"]):
        return "/"
    text = f"{row['mean']:.3f} ± {row['half']:.3f}"
    return (f"**{text}**" if row["best"] else text) + _sign(row).replace("*", r"\*")


def _typeset(row: dict[str, Any]) -> str:
    if math.isnan(row["mean"]):
        return "/"
    mean, half = f"{row['mean']:.3f}", f"{row['half']:.3f}"
    mean = rf"\textbf{{{mean}}}" if row["best"] else mean
    sign = {"*": "$^{*}$", "†": r"$^{\dagger}$", "": ""}[_sign(row)]
    return mean + sign + rf" {{\scriptsize$\pm${half}}}"


def _aligned(head: Sequence[str], rows: Sequence[Sequence[str]], blocks: Sequence[str]) -> list[str]:
    """Columns of equal width, the first to the left; a line between base recommenders."""
    widths = [max(len(row[column]) for row in [head, *rows]) for column in range(len(head))]
    rule = "  ".join("-" * width for width in widths)

    def line(row: Sequence[str]) -> str:
        cells = [cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)]
        return "  ".join([row[0].ljust(widths[0]), *cells]).rstrip()

    lines = [line(head), rule]
    for index, row in enumerate(rows):
        if index and blocks[index] != blocks[index - 1]:
            lines.append("")
        lines.append(line(row))
    return lines

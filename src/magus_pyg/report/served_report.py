"""What was served, by arm: SA@K, RA@K and the share of rounds with a query, from logs that `serve.served_log` wrote.

A session is judged as a simulated one is, with what a person clicked in the place of a target. Answers that were taken
back do not count. A person who left before answering the first list had one round without a click.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from magus_pyg.data.reading.served_files import SOURCE_FILE, read_served
from magus_pyg.data.served_answers import counting, people, shown_entries
from magus_pyg.errors import ConfigError, RunError
from magus_pyg.escaping import csv_text, markdown_text, shown
from magus_pyg.files import home_expanded, write_text
from magus_pyg.report.significance import holm, unpaired_bootstrap
from magus_pyg.report.table_formats import parts_within
from magus_pyg.simulation.session_metrics import means_with_intervals, session_metrics

__all__ = ["SERVED_FORMATS", "ServedTable", "build_served_table", "served_logs", "served_rounds", "write_served_table"]

QUERY_ROUNDS = "rounds with a query"
_BY = ("experiment", "arm", "variant")


@dataclass(frozen=True)
class ServedTable:
    """A table of arms.

    Attributes:
        frame: a row a metric of an arm: `experiment`, `arm`, `variant`, `sessions`, `users`, `metric`, `mean`, `low`,
            `high`; and against the first arm of the experiment `difference`, its `difference_low` and
            `difference_high`, and `p` after Holm's adjustment over the table, NaN where nothing is compared.
        metrics: in order.
        notes: what is to be said below it.
    """

    frame: pd.DataFrame
    metrics: tuple[str, ...]
    notes: tuple[str, ...]


def served_logs(paths: str) -> list[Path]:
    """The logs of what was served among paths that are parted by commas.

    Raises:
        ConfigError: something else beside them.
    """
    words = [home_expanded(word.strip()) for word in paths.split(",") if word.strip()]
    logs = [word for word in words if (word / SOURCE_FILE).is_file()]
    if logs and len(logs) < len(words):
        raise ConfigError(f"{logs[0]} is a log of what was served: name such logs alone, or none")
    return logs


def write_served_table(
    logs: Sequence[Path],
    out: Path,
    formats: Sequence[str],
    at: Sequence[int] | None,
    resamples: int,
    tell: Callable[[str], None],
    width: int | None = None,
) -> list[Path]:
    """Write the table of logs.

    Args:
        logs: folders.
        out: the folder for `served.txt` and so on.
        formats: of the table, those of `SERVED_FORMATS`; others are passed over.
        at, resamples: as in `build_served_table`.
        tell: gets the table as text, and each path.
        width: of the terminal where it is told; None for any.

    Returns:
        The files; raises as `build_served_table`.
    """
    table = build_served_table(logs, at, resamples)
    tell(_to_text(table, width))
    paths = []
    for name in formats:
        if name in SERVED_FORMATS:
            ending, write = SERVED_FORMATS[name]
            paths.append(out / f"served.{ending}")
            write_text(paths[-1], write(table))
    for path in paths:
        tell(str(path))
    return paths


def build_served_table(folders: Sequence[Path], at: Sequence[int] | None = None, resamples: int = 2000) -> ServedTable:
    """The table of one or more logs; people of several logs are other people.

    Args:
        folders: the logs.
        at: the K of RA@K and SA@K; None: 3 and 5, as far as sessions had so many rounds, and the most rounds.
        resamples: bootstrap samples of the intervals.

    Raises:
        DataError: a folder that is no such log, or damaged.
        RunError: nothing was served yet.
        ConfigError: a K beyond the rounds of all sessions.
    """
    rounds = pd.concat([served_rounds(folder) for folder in folders], ignore_index=True)
    if not len(rounds):
        raise RunError(f"{', '.join(map(str, folders))}: no session was served yet")
    most = int(rounds["horizon"].max())
    ks = sorted({k for k in (3, 5) if k < most} | {most}) if at is None else list(at)
    if max(ks) > most:
        raise ConfigError(f"at={ks}: the longest session that was served had {most} rounds")
    names = [f"{metric}@{k}" for k in ks for metric in ("SA", "RA")]
    arms = {tuple(map(str, key)): part for key, part in rounds.groupby(list(_BY), sort=True)}
    judged = {key: session_metrics(part, ks) for key, part in arms.items()}
    first: dict[str, tuple[str, ...]] = {}
    rows = []
    for key, part in arms.items():
        sessions, answered = judged[key], part[part["answered"]].assign(asked=lambda frame: frame["queries_shown"] > 0)
        asked = answered[["user", "asked"]].rename(columns={"asked": QUERY_ROUNDS})
        means = means_with_intervals(sessions, names, resamples=resamples)
        means |= means_with_intervals(asked, [QUERY_ROUNDS], resamples=resamples)
        floor = first.setdefault(key[0], key) if key[0] else key
        for name in [*names, QUERY_ROUNDS]:
            row: dict[str, object] = dict(zip(_BY, key, strict=True))
            row |= {"sessions": len(sessions), "users": sessions["user"].nunique(), "metric": name}
            row |= {"mean": means[name], "low": means[f"{name}_low"], "high": means[f"{name}_high"]}
            compared = floor != key and name != QUERY_ROUNDS
            rows.append(row | (_difference(sessions, judged[floor], name, resamples) if compared else _NOTHING))
    frame = pd.DataFrame(rows)
    frame["p"] = holm(frame["p"].to_numpy(dtype=np.float64))
    return ServedTable(frame, (*names, QUERY_ROUNDS), _notes(frame, rounds))


_NOTHING = {"difference": np.nan, "difference_low": np.nan, "difference_high": np.nan, "p": np.nan}


def _difference(one: pd.DataFrame, other: pd.DataFrame, name: str, resamples: int) -> dict[str, float]:
    values = [part[name].to_numpy(dtype=np.float64) for part in (one, other)]
    users = [part["user"].to_numpy() for part in (one, other)]
    found = unpaired_bootstrap(values[0], users[0], values[1], users[1], resamples=resamples)
    keys = ("difference", "difference_low", "difference_high", "p")
    return dict(zip(keys, (found.value, found.low, found.high, found.p), strict=True))


def served_rounds(folder: Path) -> pd.DataFrame:
    """The rounds of a log as a record table.

    Returns:
        A row an answered list that counts, and one for each session without any: `session`, `user`, `agent` (""),
        `horizon` (the most rounds of any session), `round`, `position` (of the click, from 1; 0 for none),
        `queries_shown`, `target_clicked` (an item was clicked), `answered`, and `experiment`, `arm`, `variant`.

    Raises:
        DataError: a folder that is no such log, or damaged.
    """
    answers = read_served(folder, "answers")
    lists = counting(answers)
    lists = lists.filter(pc.equal(lists["kind"], "answer"))
    begun = answers.filter(pc.equal(answers["kind"], "start"))
    left = begun.filter(pc.invert(pc.is_in(begun["session_id"], lists["session_id"].combine_chunks())))
    entries = shown_entries(lists)
    clicked = pc.fill_null(lists["clicked"], -1).to_numpy(zero_copy_only=False)
    is_item = pc.is_valid(entries.item_id).to_numpy(zero_copy_only=False)
    found = entries.row[is_item & (entries.place == clicked[entries.row])]
    queries = np.bincount(entries.row[~is_item], minlength=len(lists))
    count, none = len(lists), len(left)
    rows = pa.concat_tables([lists, left])
    most = max(rows["rounds"].to_pylist(), default=0)
    texts = {name: pc.fill_null(rows[name], "").to_numpy(zero_copy_only=False) for name in _BY}
    return pd.DataFrame(
        {
            "session": rows["session_id"].to_numpy(zero_copy_only=False),
            "user": people(rows),
            "agent": "",
            "horizon": most,
            "round": np.append(lists["round"].to_numpy(zero_copy_only=False), np.ones(none, np.int64)).astype(np.int64),
            "position": np.append(clicked + 1, np.zeros(none, np.int64)).astype(np.int64),
            "queries_shown": np.append(queries, np.zeros(none, np.int64)).astype(np.int64),
            "target_clicked": np.isin(np.arange(count + none), found),
            "answered": np.arange(count + none) < count,
            **texts,
        }
    )


def _notes(frame: pd.DataFrame, rounds: pd.DataFrame) -> tuple[str, ...]:
    left = int((~rounds["answered"]).sum())
    notes = ["In brackets: 95 % intervals, bootstrap over people."]
    if left:
        notes.append(f"{left:,} of {rounds['session'].nunique():,} sessions were left before their first answer.")
    if (frame["p"] < 0.05).any() or frame["difference"].notna().any():
        notes.append("p: against the first arm of the experiment, bootstrap over people, after Holm over the table.")
    return tuple(notes)


def _cells(table: ServedTable) -> tuple[list[str], list[list[str]]]:
    """The head and the rows of the table, as texts."""
    rows = []
    for key, part in table.frame.groupby(list(_BY), sort=False):
        by_metric = {row["metric"]: row for _, row in part.iterrows()}
        sizes = [f"{int(part[name].iloc[0]):,}" for name in ("sessions", "users")]
        rows.append([*map(str, key), *sizes, *(_cell(by_metric[name]) for name in table.metrics)])
    return [*_BY, "sessions", "people", *table.metrics], rows


def _cell(row: pd.Series) -> str:
    if np.isnan(row["mean"]):
        return "/"
    told = f"{row['mean']:.3f} [{row['low']:.3f}, {row['high']:.3f}]"
    return told if np.isnan(row["p"]) else f"{told} p={row['p']:.3g}"


def _to_text(table: ServedTable, width: int | None = None) -> str:
    head, rows = _cells(table)
    lines = []
    for part in parts_within(head, [[shown(cell) for cell in row] for row in rows], len(_BY), width):
        widths = [max(map(len, column)) for column in zip(*part, strict=True)]
        told = ["  ".join(cell.ljust(size) for cell, size in zip(row, widths, strict=True)).rstrip() for row in part]
        lines += [told[0], "  ".join("-" * size for size in widths), *told[1:], ""]
    return "\n".join([*lines, *table.notes]) + "\n"


def _to_markdown(table: ServedTable) -> str:
    head, rows = _cells(table)
    lines = ["| " + " | ".join(map(markdown_text, row)) + " |" for row in [head, *rows]]
    lines.insert(1, "|" + "---|" * len(head))
    return "\n\n".join(["\n".join(lines), *map(markdown_text, table.notes)]) + "\n"


def _to_csv(table: ServedTable) -> str:
    return csv_text(table.frame, float_format="%.6g")


SERVED_FORMATS: dict[str, tuple[str, Callable[[ServedTable], str]]] = {
    "text": ("txt", _to_text),
    "csv": ("csv", _to_csv),
    "markdown": ("md", _to_markdown),
}
"""name -> ending of the file, writer."""

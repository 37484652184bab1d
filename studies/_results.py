"""The figures of a study as three small CSV files, which the pages are written from.

`plays.csv` has a row a training or play that was used, with what decided it; `figures.csv` a row a metric of a method
in a cell; `tests.csv` a row a paired comparison of two methods there. The rows of a cell are replaced together, and
bear the hash of the plays they are of.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from _code import short_hash
from _plan import Cell, Plan, Step, Training
from _play import Note, Stamp, Work

from magus_pyg.agents.methods import method_rank
from magus_pyg.dialogues import dialogue_metrics
from magus_pyg.errors import DataError
from magus_pyg.escaping import csv_text
from magus_pyg.files import write_text
from magus_pyg.report import Difference, build_table, compare, compare_pools, pool_plays, read_plays
from magus_pyg.report.method_labels import method_of, row_label
from magus_pyg.report.report_tables import TABLE_COLUMNS
from magus_pyg.runs.folder import RunFolder
from magus_pyg.runs.play_folder import PlayFolder
from magus_pyg.simulation.session_metrics import means_with_intervals

FORMAT = 2
"""Of the files; it changes with their columns."""

_CELL = ["part", "scene", "dataset", "base"]
_AT_WRITING = ("half", "star", "below", "p_holm")
"""What follows from the other columns, the last three from the whole table."""

QUALITY = {"AUC": "auc", "Recall@20": "recall", "NDCG@20": "ndcg"}
"""How good a base recommender is on its test part: columns of a training, and what they are called in `run.json`."""

COLUMNS: dict[str, list[str]] = {
    "plays": ["format", *_CELL, "seed", "play", "code", "data", "settings", "sessions", "seconds", "memory_mb",
              *QUALITY, "torch", "version"],
    "figures": ["format", *_CELL, "id", *(name for name in TABLE_COLUMNS if name not in ("dataset", *_AT_WRITING)),
                "plays"],
    "tests": ["format", *_CELL, "metric", "first", "second", "difference", "low", "high", "p", "test", "pairs", "users",
              "plays"],
}  # fmt: skip
_SECONDS = ("training_seconds", "fit_seconds", "play_seconds")
_TEXTS = {*_CELL, "play", "code", "data", "settings", "torch", "version", "id", "model", "method", "variation", "row",
          "metric", "against", "test", "first", "second", "plays"}  # fmt: skip
_DECIMALS = {"mean": 5, "low": 5, "high": 5, "seed_std": 5, "difference": 5, "difference_low": 5, "difference_high": 5,
             **dict.fromkeys(_SECONDS, 1), **dict.fromkeys(QUALITY, 5)}  # fmt: skip


@dataclass(frozen=True, eq=False)
class Results:
    """The three files.

    Attributes:
        plays, figures, tests: their rows, with the columns of `COLUMNS`.
    """

    plays: pd.DataFrame
    figures: pd.DataFrame
    tests: pd.DataFrame

    @classmethod
    def read(cls, folder: Path) -> "Results":
        """Read the files of a folder; empty ones where there are none.

        Raises:
            DataError: a file without its others, of another format, or with other columns.
        """
        tables = {}
        for name, columns in COLUMNS.items():
            path = folder / f"{name}.csv"
            if not path.is_file() and name == "plays":  # written last: without it nothing was written whole
                return cls(*(pd.DataFrame(columns=columns) for columns in COLUMNS.values()))
            if not path.is_file():
                raise DataError(f"{path} is missing beside plays.csv: bring it back, or take that away too")
            table = pd.read_csv(path, dtype=dict.fromkeys(_TEXTS & set(columns), str), keep_default_na=False,
                                na_values={name: [""] for name in columns if name not in _TEXTS})  # fmt: skip
            odd = sorted(set(table.get("format", pd.Series([-1]))) - {FORMAT})
            if odd or list(table.columns) != columns:
                told = f"format {odd[0]}" if odd and odd[0] != -1 else f"the columns {', '.join(table.columns)}"
                raise DataError(
                    f"{path} is of another version: it has {told}, and this one writes format {FORMAT} with "
                    f"{', '.join(columns)}; take the folder away and play again, or check out the code that wrote it"
                )
            tables[name] = table
        return cls(**tables)

    def write(self, folder: Path) -> None:
        """Write the files, each whole or not at all; `plays.csv` last: what it lacks is of no play (`broken`)."""
        for name in reversed(COLUMNS):
            table = getattr(self, name).sort_values(_order_of(name), kind="stable", key=_sortable)
            table = table.round({key: digits for key, digits in _DECIMALS.items() if key in table})
            write_text(folder / f"{name}.csv", csv_text(table[COLUMNS[name]], float_format="%.6g"))

    def without(self, cells: Collection[Cell] = (), trainings: Collection[Training] = ()) -> "Results":
        """Without the rows of some cells, and of some trainings themselves."""

        def kept(table: pd.DataFrame) -> pd.DataFrame:
            keys = zip(*(table[name] for name in _CELL), table.get("seed", [None] * len(table)), strict=True)
            gone = [Cell(*key[:4]) in cells or (not key[0] and Training(*key[2:]) in trainings) for key in keys]
            return table[~np.array(gone, dtype=bool)]

        return Results(*map(kept, (self.plays, self.figures, self.tests)))

    def with_cell(self, cell: Cell, rows: "Results") -> "Results":
        """With the rows of a cell in the place of those that were there."""
        old = self.without([cell], [step.training for step in rows.steps() if step.cell is None])
        pairs = ((getattr(old, name), getattr(rows, name)) for name in COLUMNS)
        return Results(*(pd.concat([a, b], ignore_index=True) if len(a) else b for a, b in pairs))

    def steps(self) -> dict[Step, Stamp]:
        """The trainings and plays whose figures these are, with what decided them."""
        found = {}
        for row in self.plays.to_dict("records"):
            training = Training(str(row["dataset"]), str(row["base"]), int(row["seed"]))
            cell = Cell(str(row["part"]), str(row["scene"]), training.dataset, training.base) if row["part"] else None
            stamp = Stamp(str(row["code"]), str(row["data"]), str(row["settings"]))
            found[Step(training, cell, str(row["play"]))] = stamp
        return found

    def broken(self) -> dict[Cell, str]:
        """The cells whose figures or tests are not of the plays that stand beside them, or of none, and how."""
        hashes = {cell: _hash_of(rows) for cell, rows in _by_cell(self.plays) if cell.part}
        found = {}
        for name in ("figures", "tests"):
            for cell, rows in _by_cell(getattr(self, name)):
                if set(rows["plays"]) != {hashes.get(cell, "")}:
                    found[cell] = f"{name}.csv, {cell.where}: its rows are not of the plays in plays.csv"
        for cell in sorted(set(hashes) - {cell for cell, _ in _by_cell(self.figures)}):
            found[cell] = f"figures.csv lacks {cell.where}, whose plays are in plays.csv"
        return found

    def faults(self) -> Iterator[str]:
        """What of the files does not belong together."""
        yield from self.broken().values()
        codes = sorted(set(self.plays["code"]))
        if len(codes) > 1:
            yield f"plays.csv mixes figures of the codes {' and '.join(codes)}: only figures of one code are compared"


def _order_of(name: str) -> list[str]:
    return [
        *_CELL,
        *{"plays": ["seed", "play"], "figures": ["id", "metric"], "tests": ["first", "second", "metric"]}[name],
    ]


def _sortable(column: "pd.Series[Any]") -> "pd.Series[Any]":
    """Scenes that are numbers in the order of numbers."""
    if column.name != "scene" or column.empty:
        return column
    return column.where(~column.str.isdigit(), column.str.rjust(12, "\0"))


def _by_cell(table: pd.DataFrame) -> Iterator[tuple[Cell, pd.DataFrame]]:
    for key, rows in table.groupby(_CELL, sort=False):
        yield Cell(*map(str, key)), rows


def _hash_of(plays: pd.DataFrame) -> str:
    rows = plays[["seed", "play", "code", "data", "settings"]].astype(str).agg(" ".join, axis=1)
    return short_hash(*sorted(rows))


def id_of(method: str, variation: str) -> str:
    """What a method is called in the files."""
    return f"{method} ({variation})" if variation else method


def compared(plan: Plan, cell: Cell, there: Sequence[str]) -> list[tuple[str, str]]:
    """The pairs of methods that are tested: those said to be first with all others, and those of the claims."""
    pairs = [(first, second) for first in plan.ahead for second in there if first in there and first != second]
    for claim in plan.claims:
        if claim.part == cell.part and claim.scene in ("", cell.scene) and not claim.than:
            for reading in plan.readings.values():
                first = claim.first.replace("{reading}", reading)
                pairs += [(first, second.replace("{reading}", reading)) for second in claim.second]
    return [pair for pair in dict.fromkeys(pairs) if set(pair) <= set(there) and pair[0] != pair[1]]


def rows_of(plan: Plan, cell: Cell, notes: Mapping[Step, Note], work: Work) -> Results:
    """The rows of a cell, computed from the records of its plays.

    Args:
        plan: of the study.
        cell: the cell.
        notes: its plays that have ended, and their trainings.
        work: the folder of work.

    Raises:
        MagusError: records that cannot be read, or of methods that did not play the same sessions.
    """
    plays = pd.DataFrame([_play_row(step, note, work) for step, note in notes.items()], columns=COLUMNS["plays"])
    folders = [work.path / note.folder for step, note in notes.items() if step.cell is not None]
    make = _session_rows if plan.parts[cell.part].kind == "sessions" else _dialogue_rows
    figures, tests = make(plan, cell, folders)
    stamp = {"format": FORMAT, **cell._asdict(), "plays": _hash_of(plays[plays["part"] != ""])}
    frames = [rows.assign(**stamp)[COLUMNS[name]] for name, rows in (("figures", figures), ("tests", tests))]
    return Results(plays, *frames)


def _play_row(step: Step, note: Note, work: Work) -> dict[str, Any]:
    cell = step.cell or Cell("", "", step.training.dataset, step.training.base)
    judged = RunFolder(work.path / note.folder).read_info()["base"]["test"] if step.cell is None else {}
    return {
        "format": FORMAT, **cell._asdict(), "seed": step.training.seed, "play": step.play,
        "code": note.stamp.code, "data": note.stamp.data, "settings": note.stamp.settings, "sessions": note.sessions,
        "seconds": note.seconds, "memory_mb": round(note.memory / 2**20), "torch": note.torch, "version": note.version,
        **{name: judged.get(key, np.nan) for name, key in QUALITY.items()},
    }  # fmt: skip


def _test_row(first: str, second: str, metric: str, found: Difference) -> dict[str, Any]:
    return {
        "metric": metric, "first": first, "second": second, "difference": found.value, "low": found.low,
        "high": found.high, "p": found.p, "test": found.test, "pairs": found.pairs, "users": found.users,
    }  # fmt: skip


def _tests(rows: list[dict[str, Any]]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=[name for name in COLUMNS["tests"] if name not in ("format", *_CELL, "plays")])


def _session_rows(plan: Plan, cell: Cell, folders: Sequence[Path]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Figures and tests of plays of sessions."""
    part = plan.parts[cell.part]
    pools = pool_plays(read_plays(folders))
    figures = build_table(pools, "", part.at, part.metrics, resamples=plan.resamples).frame
    asked = {
        (pool.method, pool.variation): np.mean([(play.log["queries_shown"] > 0).mean() for play in pool.plays.values()])
        for pool in pools
    }
    extra = figures.drop_duplicates(["method", "variation"])
    extra = extra.assign(
        metric="asked",
        mean=[asked[key] for key in zip(extra["method"], extra["variation"], strict=True)],
        **dict.fromkeys(("low", "high", "seed_std", "difference", "difference_low", "difference_high", "p"), np.nan),
        **dict.fromkeys(("against", "test"), ""),
        best=False,
    )
    figures = pd.concat([figures, extra], ignore_index=True)
    figures["id"] = [id_of(*key) for key in zip(figures["method"], figures["variation"], strict=True)]
    by_id = {id_of(pool.method, pool.variation): pool for pool in pools}
    tests = [
        _test_row(first, second, metric,
                  compare_pools(by_id[first], by_id[second], metric, part.at, resamples=plan.resamples))
        for first, second in compared(plan, cell, list(by_id))
        for metric in part.metrics
        if metric != "SAC"
    ]  # fmt: skip
    return figures, _tests(tests)


def _dialogue_rows(plan: Plan, cell: Cell, folders: Sequence[Path]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Figures and tests of dialogues of EAR's protocol, whose records are others than those of sessions."""
    part = plan.parts[cell.part]
    tables: dict[str, dict[int, pd.DataFrame]] = {}
    seconds: dict[str, list[tuple[float, ...]]] = {}
    for folder in map(PlayFolder, folders):
        info, trained = folder.read_info(), RunFolder(folder.path.parents[1]).read_info()["seconds"]["training"]
        folder.check(info)
        seed = int(folder.read_values()["seed"])
        for agent, log in folder.read_records().groupby("agent", sort=False):
            tables.setdefault(str(agent), {})[seed] = dialogue_metrics(log, part.at)
            taken = (info["seconds"].get(f"fit {agent}", 0.0), info["seconds"][agent])
            seconds.setdefault(str(agent), []).append((trained, *taken))
    model = plan.config_of(plan.cells[cell][0]).model.name
    joined = {agent: pd.concat(of_seeds, names=["seed"]).sort_index() for agent, of_seeds in tables.items()}
    rows = []
    for agent in sorted(joined, key=method_rank):
        table, seeds = joined[agent], tables[agent]
        means = means_with_intervals(table, part.metrics, resamples=plan.resamples)
        by_seed = table[part.metrics].groupby("seed").mean()
        rows += [
            {
                "id": agent, "model": model, "method": agent, "variation": "", "metric": metric,
                "row": row_label(model, agent, "", joined, method_of(agent)),
                "mean": means[metric], "low": means[f"{metric}_low"], "high": means[f"{metric}_high"],
                "seed_std": float(by_seed[metric].std()) if len(seeds) > 1 else np.nan, "best": False,
                "seeds": len(seeds), "sessions": len(table), "users": table["user"].nunique(),
                **dict(zip(_SECONDS, np.mean(seconds[agent], axis=0), strict=True)),
            }
            for metric in part.metrics
        ]  # fmt: skip
    figures = pd.DataFrame(
        rows, columns=[name for name in COLUMNS["figures"] if name not in ("format", *_CELL, "plays")]
    )
    figures[["against", "test"]] = ""
    tests = []
    for first, second in compared(plan, cell, list(joined)):
        a, b = joined[first].align(joined[second], join="inner", axis=0)
        for metric in part.metrics:
            found = compare(a[metric].to_numpy(), b[metric].to_numpy(), a["user"].to_numpy(), resamples=plan.resamples)
            tests.append(_test_row(first, second, metric, found))
    return figures, _tests(tests)


def check_results(plan: Plan, results: Results, code: str, root: Path | None) -> list[str]:
    """What is wrong with results beside the plan and the source as they are now; [] where nothing is.

    Args:
        plan: of the study.
        results: what was read.
        code: the hash of the source.
        root: the folder of the data sets; None leaves their files unread.
    """
    told = list(results.faults())
    known = set(plan.steps) | {Step(step.training) for step in plan.steps}
    for step, stamp in results.steps().items():
        if step not in known:
            told.append(f"{step.key}: plays.csv has it, and the plan has not")
            continue
        data = stamp.data if root is None else plan.data(step.training.dataset, root)
        unlike = Stamp(code, data, plan.settings(step)).unlike(stamp)
        if unlike:
            told.append(f"{step.key}: plays.csv has it of {unlike}")
    return told


def missing_steps(plan: Plan, results: Results) -> list[Step]:
    """The plays of the plan that the results lack."""
    there = results.steps()
    return [step for step in plan.steps if step not in there]

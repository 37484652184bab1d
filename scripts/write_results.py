"""Write the rows of run folders into the tables of docs/results.md: see --help.

A row of a table is of a data set and a base recommender. Those that the runs are of are written anew, all others stay.
"""

import argparse
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from magus_pyg.report.plays import read_plays

ROOT = Path(__file__).parents[1]
SIGNED = "negative=signed, unclicked=unknown"


def read_results(runs: Iterable[str]) -> pd.DataFrame:
    """The rows of the `results.csv` of all runs and simulations in them, with `label`, the method as pages call it.

    Args:
        runs: run folders, patterns, or folders of them.
    """
    found = []
    for play in read_plays(list(runs)):
        table = pd.read_csv(play.folder / "results.csv")
        label = play.method
        if play.variation:
            label += ", signed" if play.variation == SIGNED else f" ({play.variation})"
        found.append(table[table["method"] == play.method].assign(label=label, seed=play.seed, run=str(play.run)))
    return pd.concat(found, ignore_index=True)


def _groups(results: pd.DataFrame, names: list[str]) -> list[tuple[list[str], pd.DataFrame]]:
    """The rows by the texts of some columns, sorted by them."""
    return [([str(name) for name in key], rows) for key, rows in results.groupby(names)]


def gain_rows(results: pd.DataFrame) -> list[list[str]]:
    """docs/results.md: what MAGUS+ gains on MAGUS, and `bayes` on the items, a row a seed."""
    rows = []
    for key, group in _groups(results, ["dataset", "model", "seed"]):
        success = {str(row["label"]): (row["SA@3"], row["SA@5"]) for row in group.to_dict("records")}
        if {"magus+", "magus", "bayes", "items"} <= success.keys():
            pairs = (("magus+", "magus"), ("bayes", "items"))
            gains = [success[high][at] - success[low][at] for high, low in pairs for at in (0, 1)]
            rows.append([*key, *(f"{gain:+.3f}" for gain in gains)])
    return rows


def _tried(results: pd.DataFrame, races: bool) -> list[tuple[list[str], list[dict[str, Any]]]]:
    """For each run its data set, base recommender and seed, and the forms that MAGUS+ judged on all sessions.

    Args:
        results: of the runs.
        races: with the runs that judged their other forms on some of the sessions; their objectives do not compare.

    Returns:
        The forms with the best objective first, of equals as they stand in the file.
    """
    found = []
    for (*key, run), _ in _groups(results, ["dataset", "model", "seed", "run"]):
        path = Path(run) / "magus+-tried.csv"
        if path.is_file():
            table = pd.read_csv(path)
            judged = table[table["sessions"] == table["sessions"].max()] if "sessions" in table else table
            if races or len(judged) == len(table):
                forms: list[dict[str, Any]] = judged.to_dict("records")  # type: ignore[assignment]
                found.append((key, sorted(forms, key=lambda form: -form["objective"])))
    return found


def _unit(form: dict[str, Any]) -> bool:
    return _first_stage(form) and not (form["raw"] or form["shrink"] or form["shrink_minus"])


def _first_stage(form: dict[str, Any]) -> bool:
    return bool(form["refusal"] == 0 and form["minus_scale"] == 1)


def stage_rows(results: pd.DataFrame) -> list[list[str]]:
    """docs/results.md: mean of SA@3 and SA@5 of MAGUS+ on validation after each stage of a search without a race."""
    stages: tuple[Callable[[dict[str, Any]], bool], ...] = (
        _unit, _first_stage, lambda form: form["minus_scale"] == 1, lambda form: True,
    )  # fmt: skip
    runs: dict[tuple[str, ...], list[list[float]]] = {}
    for key, forms in _tried(results, races=False):
        best = [next(filter(stage, forms)) for stage in stages]
        runs.setdefault(tuple(key[:2]), []).append([(form["SA@3"] + form["SA@5"]) / 2 for form in best])
    return [
        [*group, str(len(values)), *(f"{sum(stage) / len(stage):.3f}" for stage in zip(*values, strict=True))]
        for group, values in runs.items()
    ]


def chosen_rows(results: pd.DataFrame) -> list[list[str]]:
    """docs/results.md: the form of weights that MAGUS+ chose in each run."""
    rows = []
    for key, forms in _tried(results, races=True):
        best, unit = forms[0], next(filter(_unit, forms))
        form = [f"{best[name]:g}" for name in ("shrink", "shrink_minus", "refusal", "minus_scale")]
        judged = [f"{row['SA@3']:.3f} / {row['SA@5']:.3f}" for row in (best, unit)]
        rows.append([*key, str(best["feature"]), *form, *judged])
    return rows


@dataclass(frozen=True)
class PageTable:
    """A table of a page: its header tells it from others, its first `keys` cells say what a row is of."""

    page: str
    header: str
    keys: int
    rows: Callable[[pd.DataFrame], list[list[str]]]

    def written(self, text: str, results: pd.DataFrame) -> str:
        """The page with the rows of the results in the place of those that were there.

        Raises:
            SystemExit: no such table on the page.
        """
        lines = text.split("\n")
        if self.header not in lines:
            raise SystemExit(f"{self.page} has no table with the header {self.header}")
        first = lines.index(self.header) + 2
        last = next(place for place in range(first, len(lines)) if not lines[place].startswith("|"))
        there = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[first:last]]
        new = self.rows(results)
        groups = list(dict.fromkeys(tuple(row[: self.keys]) for row in [*there, *new]))
        fresh = {tuple(row[: self.keys]) for row in new}
        rows = [
            row
            for group in groups
            for row in (new if group in fresh else there)
            if tuple(row[: self.keys]) == group
        ]  # fmt: skip
        lines[first:last] = [f"| {' | '.join(row)} |" for row in rows]
        return "\n".join(lines)


TABLES = (
    PageTable(
        "docs/results.md",
        "| data | base | seed | SA@3: magus+ less magus | SA@5 | SA@3: bayes less items | SA@5 |", 2, gain_rows,
    ),
    PageTable(
        "docs/results.md",
        "| data | base | runs | unit | best of the first stage | + refusal | + factor on R- |", 2, stage_rows,
    ),
    PageTable(
        "docs/results.md",
        "| data | base | seed | form | s of R+ | s of R- | refusal | factor on R- (Eq. 4) | validation SA@3 / SA@5 "
        "| unit SA@3 / SA@5 |", 2, chosen_rows,
    ),
)  # fmt: skip


def main(words: list[str] | None = None) -> None:
    """Write the pages."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="+", help="run folders, patterns or folders of run folders")
    parser.add_argument("--root", type=Path, default=ROOT, help="where docs/ lies")
    given = parser.parse_args(words)
    results = read_results(given.runs)
    for table in TABLES:
        path = given.root / table.page
        path.write_text(table.written(path.read_text(encoding="utf-8"), results), encoding="utf-8")
    print(f"{len(results)} results of {results['run'].nunique()} runs")


if __name__ == "__main__":
    main()

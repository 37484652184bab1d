"""Pages written from the CSV files of a study alone.

A page has places, `<!-- study: NAME -->` to `<!-- end of study: NAME -->`; what stands between is written by the
section of that name. A section without figures says so, and names what is missing.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from _claim_tables import claim_lines
from _claims import LEVEL, power, said_first, who_is_ahead
from _code import ROOT
from _plan import Cell, Plan
from _results import QUALITY, Results, missing_steps

from magus_pyg.errors import DataError, RunError
from magus_pyg.escaping import markdown_text
from magus_pyg.files import write_text
from magus_pyg.report.figures import line_panels, save_figure, styled
from magus_pyg.report.method_labels import base_rank, method_of
from magus_pyg.report.report_tables import ReportTable, starred
from magus_pyg.report.series import SERIES_COLUMNS
from magus_pyg.report.table_formats import duration, to_markdown

COPIED = (ROOT / "docs" / "study.md", ROOT / "docs" / "reproduces.md", ROOT / "studies" / "readme.md")
"""What a study without pages of its own fills copies of."""

_PLACE = re.compile(r"<!-- study: (?P<name>[^>]+?) -->\n.*?<!-- end of study: (?P=name) -->", re.DOTALL)
_ALPHA = 0.001  # of the stars, as in the paper
_NAMED = 6  # missing plays that a page names


@dataclass(frozen=True, eq=False)
class Study:
    """What sections are written from.

    Attributes:
        plan: of the study.
        results: its figures.
    """

    plan: Plan
    results: Results

    def figures(self, part: str) -> pd.DataFrame:
        """The figures of a part, with `label`, the row's name."""
        table = self.results.figures
        return table[table["part"] == part].reset_index(drop=True)

    def missing(self, part: str) -> str:
        """What is not played yet of a part, as a line of a page; "" where nothing is missing."""
        keys = [step.key for step in missing_steps(self.plan, self.results) if step.cell and step.cell.part == part]
        if not keys:
            return ""
        more = f" and {len(keys) - _NAMED:,} more" if len(keys) > _NAMED else ""
        return f"Not played yet: {', '.join(keys[:_NAMED])}{more}."


def filled(text: str, study: Study) -> str:
    """A page with its places filled.

    Raises:
        DataError: a place of a section that there is not.
    """

    def write(found: "re.Match[str]") -> str:
        name, *words = found["name"].split()
        if name not in SECTIONS or (words and words[0] not in study.plan.parts):
            raise DataError(
                f"there is no section {found['name']!r}; there are {', '.join(SECTIONS)}, some of a part: "
                f"{', '.join(study.plan.parts)}"
            )
        lines = SECTIONS[name](study, *words) if len(study.results.figures) else ["Not played yet."]
        return "\n".join([f"<!-- study: {found['name']} -->", *lines, f"<!-- end of study: {found['name']} -->"])

    return _PLACE.sub(write, text)


def _pages(plan: Plan, results: Results, folder: Path, into: Sequence[Path]) -> Iterator[tuple[Path, str]]:
    """The path of each page, and its text as it should be."""
    faults = list(results.faults())
    if faults:
        raise RunError("\n".join([*faults, "no page is written from figures that do not belong together"]))
    study = Study(plan, results)
    into = into or [ROOT / name for name in plan.pages]
    for source, target in [(path, path) for path in into] or [(path, folder / path.name) for path in COPIED]:
        text = source.read_text(encoding="utf-8")
        if not _PLACE.search(text):
            raise DataError(f"{source} has no place of a study: <!-- study: NAME -->, <!-- end of study: NAME -->")
        yield target, filled(text, study)


def write_pages(plan: Plan, results: Results, folder: Path, into: Sequence[Path]) -> None:
    """Fill the places of the files named, else of the pages of the plan, else write copies beside the results.

    Raises:
        MagusError: figures that do not belong together, or a page without places.
    """
    for path, text in _pages(plan, results, folder, into):
        write_text(path, text)
        figures = path.parent / "figures"
        for part in re.findall(r"\(figures/study-([\w-]+)\.svg\)", text):
            with styled():
                save_figure(
                    line_panels(_points(Study(plan, results), part), _x_label(plan, part)), figures / f"study-{part}"
                )


def check_pages(plan: Plan, results: Results, folder: Path, into: Sequence[Path]) -> None:
    """Raise RunError where a page is not of the CSV files."""
    for path, text in _pages(plan, results, folder, into):
        if not path.is_file():
            raise RunError(f"{path} is not there: write it")
        if path.read_text(encoding="utf-8") != text:
            raise RunError(f"{path} is not what {folder} says: write it with studies/study.py write")


# ---------------------------------------------------------------- sections


def _about(study: Study) -> list[str]:
    """Where the figures come from."""
    plays = study.results.plays
    played = plays[plays["part"] != ""]
    versions = " and ".join(sorted(set(plays["torch"])))
    sets = list(dict.fromkeys(played["dataset"]))
    missing = missing_steps(study.plan, study.results)
    return [
        f"Study {study.plan.name}: {len(played):,} plays of {len(plays) - len(played):,} trained runs on "
        f"{', '.join(sets)}, {duration(float(plays['seconds'].sum()))} of one core, torch {versions}; the code from "
        f"data to agents has the hash {' and '.join(sorted(set(plays['code'])))}"
        + (f"; {len(missing):,} plays of the plan are not there yet." if missing else "."),
    ]


def _tables(study: Study, part: str) -> list[str]:
    """The tables of a part: one a scene and data set, with stars over all of them."""
    plan, figures = study.plan.parts[part], study.figures(part)
    figures = figures[figures["metric"].isin(plan.metrics)]
    lines: list[str] = []
    if len(figures):
        figures = starred(figures.assign(half=(figures["high"] - figures["low"]) / 2), _ALPHA)
        for (scene, dataset), rows in figures.groupby(["scene", "dataset"], sort=False):
            title = ", ".join([str(dataset), *([f"{plan.label} {scene}"] if scene else [])])
            table = ReportTable("", tuple(plan.metrics), rows, ())
            lines += [f"#### {markdown_text(title)}", "", to_markdown(table).strip().replace(f"{dataset} ", ""), ""]
        lines += [_table_note(figures), ""]
    return [*lines, study.missing(part)] if study.missing(part) else lines[:-1]


def _table_note(figures: pd.DataFrame) -> str:
    seeds = sorted(set(figures["seeds"].astype(int)))
    some = figures.drop_duplicates("dataset")
    sessions = ", ".join(f"{row['dataset']} {row['sessions'] / row['seeds']:,.0f}" for row in _records(some))
    tests = int(figures["p"].notna().sum())
    return (
        f"Sessions of a seed: {sessions}; {' to '.join(map(str, [seeds[0], seeds[-1]] if len(seeds) > 1 else seeds))} "
        f"seed{'s' if seeds != [1] else ''}. Mean ± half its 95 % interval (bootstrap over users), best of a base in "
        f"bold. \\* p < {_ALPHA:g} above the strongest other method of its base (a rival or the floor), † below it, "
        f"after Holm over the {tests} tests."
    )


def _records(table: pd.DataFrame) -> list[dict[str, Any]]:
    return [{str(key): value for key, value in row.items()} for row in table.to_dict("records")]


def _x_label(plan: Plan, part: str) -> str:
    return plan.parts[part].label or "K, rounds"


def _points(study: Study, part: str) -> pd.DataFrame:
    """The figures of a part as points: over its scenes, where these are numbers, else over the K of its metrics."""
    figures = study.figures(part)
    figures = figures[figures["metric"].isin(study.plan.parts[part].metrics) & (figures["base"] == _one_base(figures))]
    by_scene = len(study.plan.parts[part].scenes) > 1
    points = figures[figures["scene"].str.isdigit()] if by_scene else figures
    names = points["metric"].str.split("@", expand=True)
    x = points["scene"].astype(float) if by_scene else names[1].astype(float)
    metric = points["metric"] if by_scene else names[0] + "@K"
    series = [
        method_of(method).short + (f" ({variation})" if variation else "")
        for method, variation in zip(points["method"], points["variation"], strict=True)
    ]
    points = points.assign(x=x, metric=metric, series=series, panel="", planned=False)
    return points.sort_values(["dataset", "metric", "series", "x"], kind="stable")[list(SERIES_COLUMNS)]


def _one_base(figures: pd.DataFrame) -> str:
    bases = sorted(set(figures["base"]), key=base_rank)
    return "fm" if "fm" in bases else bases[0]


def _curves(study: Study, part: str) -> list[str]:
    """A figure over the rounds or the scenes of a part."""
    title = study.plan.parts[part].title
    if study.figures(part).empty:
        return [study.missing(part) or "Not played yet."]
    missing = study.missing(part)
    return [f"![{title}](figures/study-{part}.svg)", *(["", missing] if missing else [])]


def _ahead(study: Study) -> list[str]:
    """Who is ahead of the methods that are said to be first."""
    rows, tests = who_is_ahead(study.plan, study.results), said_first(study.plan, study.results.tests)
    lines = []
    for first, metrics in study.plan.ahead.items():
        own, ahead = tests[tests["first"] == first], rows[rows["first"] == first]
        if own.empty:
            continue
        cells = own[["part", "scene", "dataset", "base", "metric"]].drop_duplicates()
        lost = ahead[["part", "scene", "dataset", "base", "metric"]].drop_duplicates()
        sure = ahead[ahead["p_holm"] < 1 - LEVEL]
        certain = len(sure[["part", "scene", "dataset", "base", "metric"]].drop_duplicates())
        lines += [
            f"`{first}` ({', '.join(metrics)}): nobody is ahead beyond the 95 % interval of the difference in "
            f"{len(cells) - len(lost):,} of {len(cells):,} cells; somebody is in {len(lost):,}, in {certain:,} of them "
            f"significantly (p < {1 - LEVEL:.2g} after Holm over the part).",
            "",
        ]
        if len(ahead):
            lines += [
                "| where | metric | ahead | by | 95 % | p (Holm) |", "|---|---|---|---:|---|---:|",
                *(f"| {Cell(*(row[name] for name in Cell._fields)).where} "
                  f"| {row['metric']} | {markdown_text(row['second'])} | {row['by']:.3f} "
                  f"| {row['low']:.3f} to {row['high']:.3f} | {row['p_holm']:.1g} |" for row in _records(ahead)), "",
            ]  # fmt: skip
    return lines[:-1]


def _claims(study: Study) -> list[str]:
    """The paper's claims in one table, and then one after the other."""
    return claim_lines(study.plan, study.results)


def _power(study: Study) -> list[str]:
    """What difference each set can show."""
    found = power(study.results)
    return [
        "| part | data | metric | users | pairs | sd | shown with 80 % |", "|---|---|---|---:|---:|---:|---:|",
        *(f"| {row['part']} | {row['dataset']} | {row['metric']} | {row['users']:,.0f} | {row['pairs']:,.0f} "
          f"| {row['sd']:.3f} | {row['shown']:.4f} |" for row in _records(found)),
    ]  # fmt: skip


def _cost(study: Study) -> list[str]:
    """CPU time and memory of trainings and plays."""
    plays = study.results.plays.assign(what=lambda rows: np.where(rows["part"] == "", "training", rows["part"]))
    groups = plays.groupby(["dataset", "base", "what"], sort=False)
    rows = groups.agg(count=("seconds", "size"), seconds=("seconds", "mean"), memory=("memory_mb", "max"))
    return [
        "| data | base | what | number | CPU time of one | memory, MB |", "|---|---|---|---:|---:|---:|",
        *(f"| {row['dataset']} | {row['base']} | {row['what']} | {row['count']} | {duration(float(row['seconds']))} "
          f"| {row['memory']:,.0f} |" for row in _records(rows.reset_index())),
    ]  # fmt: skip


def _zoo(study: Study) -> list[str]:
    """The trained base recommenders: how good, how long, and what the methods that are said to be first reach."""
    plays, figures = study.results.plays, study.figures(study.plan.readme["part"])
    trained = plays[plays["part"] == ""].groupby(["dataset", "base"], sort=False)
    rows = trained.agg(
        seeds=("seed", "size"),
        seconds=("seconds", "mean"),
        memory=("memory_mb", "max"),
        **{key: (name, "mean") for name, key in QUALITY.items()},
    )
    shown = ["items", *study.plan.ahead]
    of_metric = figures[figures["metric"] == "SA@3"]
    reached = {(row["dataset"], row["base"], row["id"]): row["mean"] for row in _records(of_metric)}
    head = ["data", "base", *QUALITY, *(f"SA@3, {name}" for name in shown), "seeds", "training, CPU time of one"]
    lines = [f"| {' | '.join(head)} | memory, MB |", f"|---|---|{'---:|' * (len(head) - 1)}"]
    for row in _records(rows.reset_index()):
        shares = [reached.get((row["dataset"], row["base"], name), np.nan) for name in shown]
        cells = [*(f"{row[key]:.4f}" for key in QUALITY.values()), *(f"{share:.3f}" for share in shares)]
        told = " | ".join(cells).replace("nan", "")
        time = duration(float(row["seconds"]))
        lines.append(f"| {row['dataset']} | {row['base']} | {told} | {row['seeds']} | {time} | {row['memory']:,.0f} |")
    return lines


def _readme(study: Study) -> list[str]:
    """The short table of README.md."""
    chosen, lines = study.plan.readme, ["| data, base | method | RA@3 | SA@3 | SA@5 | rounds with a query |",
                                        "|---|---|---|---|---|---|"]  # fmt: skip
    figures = study.figures(chosen["part"])
    for dataset in chosen.get("sets") or dict.fromkeys(figures["dataset"]):
        for base in chosen["bases"]:
            for method in chosen["methods"]:
                of_method = (figures["dataset"] == dataset) & (figures["base"] == base) & (figures["id"] == method)
                rows = {row["metric"]: row for row in _records(figures[of_method])}
                if not rows:
                    continue
                cells = [_share(rows[metric]) for metric in ("RA@3", "SA@3", "SA@5")]
                asked = f"{100 * rows['asked']['mean']:.0f} %"
                lines.append(f"| {dataset}, {base} | {markdown_text(method)} | {' | '.join(cells)} | {asked} |")
    return lines


def _share(row: dict[str, Any]) -> str:
    return f"{row['mean']:.3f} ± {(row['high'] - row['low']) / 2:.3f}"


def _range(values: "pd.Series[float]", sign: str = "") -> str:
    """The smallest and the largest share, in per cent."""
    low, high = (f"{100 * value:{sign}.1f}" for value in (values.min(), values.max()))
    return low if low == high else f"{low} to {high}"


def _sentence(study: Study) -> list[str]:
    """What a researcher should take away first, of the method that is said to be first."""
    figures, lines = study.figures(study.plan.readme["part"]), []
    first = next((name for name in study.plan.ahead if (figures["id"] == name).any()), "")
    wide = figures.pivot_table(index=["dataset", "base"], columns=["metric", "id"], values="mean")
    if not first or ("SA@3", "items") not in wide:
        return ["Not played yet."]
    own, floor = wide["SA@3", first].dropna(), wide["SA@3", "items"]
    gain = (own - floor).dropna()
    lines = [
        f"In simulated sessions `{first}` finds what is wanted within three rounds in {_range(own)} % of them, "
        f"{_range(gain)} points above listing the best items, over {len(gain)} pair{'s' if len(gain) > 1 else ''} of a "
        "data set and a base recommender"
    ]
    if ("SA@3", "magus") in wide:
        printed = (wide["SA@3", "magus"] - floor).dropna()
        lines[0] += f"; MAGUS with the paper's unit weights is there {_range(printed, '+')} points from that list"
    lines[0] += "."
    return lines


SECTIONS: dict[str, Callable[..., list[str]]] = {
    "sentence": _sentence,
    "about": _about,
    "tables": _tables,
    "curves": _curves,
    "ahead": _ahead,
    "claims": _claims,
    "power": _power,
    "cost": _cost,
    "zoo": _zoo,
    "readme": _readme,
}

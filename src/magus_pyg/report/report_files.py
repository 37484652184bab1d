"""What `report.py` does: from run folders to the files of a table or a figure."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from magus_pyg.errors import ConfigError, RunError
from magus_pyg.escaping import csv_text
from magus_pyg.files import home_expanded, write_text
from magus_pyg.invocation import command_name
from magus_pyg.options import at_least, check_options, one_of, one_or_more
from magus_pyg.report.alike import keep_alike
from magus_pyg.report.left_out import LeftOut
from magus_pyg.report.method_labels import base_label, method_of
from magus_pyg.report.plays import MethodPlay, read_plays
from magus_pyg.report.pools import Pool, pool_plays, select_plays
from magus_pyg.report.report_tables import build_table
from magus_pyg.report.series import (
    length_series,
    noise_series,
    round_series,
    success_series,
    time_series,
    unplanned_rounds,
)
from magus_pyg.report.served_report import served_logs, write_served_table
from magus_pyg.report.story import tell_story
from magus_pyg.report.table_formats import FORMATS, to_text
from magus_pyg.terminal import say

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["FIGURES", "PAPER_TABLES", "ReportOptions", "write_report"]


@dataclass
class ReportOptions:
    """What a report is of.

    Attributes:
        runs: run folders, paths or patterns parted by commas, or a folder of run folders; or logs of what was served
            (`RUN/serve/log`), of which there is a table by arm (`at`, `resamples`, `formats` but LaTeX).
        out: the folder for the files.
        table: 1 (truthful users) or 3 (users who do not care), as in the paper; None: no table, and where there is no
            figure either, all tables that there are plays for.
        figure: "3", "4", "6" or "7" of the paper, "candidates" or "noise".
        methods, models, datasets: names of those to report on; None for all.
        user, rounds, list_length, candidates, min_targets, part: of the plays to report on; None takes what the table
            or figure is about: 5 rounds, lists of 3, 30 candidates where there are such plays.
        variations: whether methods with other settings than their defaults have rows and lines of their own.
        at: the K of RA@K and SA@K of a table; those of figure 3; the first is that of figure 4, and figure noise has a
            row for each. None: what the paper has, as far as that was played; in tables also the rounds played.
        against: with what stars compare: "rival", the best other method of a base recommender, or "floor", items.
        alpha: a star where p, after Holm's adjustment over the table, is below it.
        test: "auto", "mcnemar", "wilcoxon" or "bootstrap".
        resamples: bootstrap samples of the intervals.
        session: the session of figure 7; None looks for one.
        formats: of a table: text, csv, markdown, latex.
    """

    runs: str = ""
    out: str = "reports"
    table: int | None = None
    figure: str | None = None
    methods: list[str] | None = None
    models: list[str] | None = None
    datasets: list[str] | None = None
    user: str | None = None
    rounds: int | None = None
    list_length: int | None = None
    candidates: int | str | None = None
    min_targets: int | None = None
    part: str | None = None
    variations: bool = True
    at: list[int] | None = None
    against: str = "rival"
    alpha: float = 0.001
    test: str = "auto"
    resamples: int = 2000
    session: int | None = None
    formats: list[str] = field(default_factory=lambda: list(FORMATS))

    def check(self) -> None:
        """Raise ConfigError, naming the key and its value, unless all values are in range."""
        if not self.runs.strip():
            raise ConfigError("runs=... is missing: run folders, such as runs='runs/*-ml-100k-*' or runs=A,B")
        if self.table is not None and self.table not in PAPER_TABLES:
            raise ConfigError(f"there is no table {self.table}; there are {_listed(PAPER_TABLES)}")
        if self.figure is not None and self.figure not in FIGURES:
            raise ConfigError(f"there is no figure {self.figure!r}; there are {_listed(FIGURES)}")
        check_options(
            self, "", formats=one_or_more(one_of(FORMATS)), resamples=at_least(1), at=one_or_more(at_least(1))
        )

    @property
    def folder(self) -> Path:
        """The folder for the files."""
        return home_expanded(self.out)

    def wanted(self, **presets: Any) -> dict[str, Any]:
        """What plays are chosen by: the options, else the presets."""
        names = ("user", "rounds", "list_length", "candidates", "min_targets", "part")
        return {name: presets.get(name) if getattr(self, name) is None else getattr(self, name) for name in names}


@dataclass(frozen=True)
class _Source:
    """What a table or figure is made of: the options, all plays, and what notes those that it leaves out."""

    options: ReportOptions
    plays: Sequence[MethodPlay]
    left_out: LeftOut


def write_report(options: ReportOptions, tell: Callable[[str], None] = say, width: int | None = None) -> list[Path]:
    """Write the files of a table or a figure, or of both, from those of the plays that can stand in one.

    Args:
        options: what to report.
        tell: gets the table as text, notes, what was left out and why, and each path.
        width: of the terminal where it is told; None for any.

    Returns:
        The files.

    Raises:
        ConfigError: an option out of range, no plays with the settings asked for, or no matplotlib for a figure.
        RunError: a folder that is named is no run, is cut off or damaged; or there are no others.
    """
    options.check()
    if logs := served_logs(options.runs):
        if options.table is not None or options.figure is not None:
            raise ConfigError(f"{logs[0]} is a log of what was served: there is a table by arm, and no other")
        return write_served_table(logs, options.folder, options.formats, options.at, options.resamples, tell, width)
    left_out = LeftOut()
    read = read_plays(options.runs, left_out)
    plays = [play for play in read if options.variations or not play.variation]
    if not plays:
        raise RunError(f"runs={options.runs}: there are no plays without variations")
    paths: list[Path] = []
    if options.table is not None or options.figure is None:
        paths += _write_tables(options, plays, left_out, tell, width)
    if options.figure is not None:
        own = LeftOut()
        paths += _write_figure(_Source(options, plays, own), tell)
        for line in own.lines(f"figure {options.figure}"):
            tell(line)
    for line in left_out.lines("the report"):
        tell(line)
    for path in paths:
        tell(str(path))
    return paths


#: number -> title, users, metrics beside those of K.
PAPER_TABLES: dict[int, tuple[str, str, tuple[str, ...]]] = {
    1: ("Table 1", "truthful", ("SAC",)),
    3: ("Table 3", "not_care", ()),
}


def _write_tables(
    options: ReportOptions,
    plays: Sequence[MethodPlay],
    left_out: LeftOut,
    tell: Callable[[str], None],
    width: int | None,
) -> list[Path]:
    """The table that was asked for, or all that there are plays for."""
    paths: list[Path] = []
    missing: dict[int, ConfigError] = {}
    for number in PAPER_TABLES if options.table is None else [options.table]:
        own = LeftOut()
        try:
            paths += _write_table(_Source(options, plays, own), number, tell, width)
        except ConfigError as error:
            missing[number] = error
            continue
        for line in own.lines(f"table {number}"):
            tell(line)
    for number, why in missing.items():
        if not paths:
            raise why
        tell(f"no table {number}: {why}")
    return paths


def _write_table(source: _Source, number: int, tell: Callable[[str], None], width: int | None) -> list[Path]:
    options = source.options
    title, user, metrics = PAPER_TABLES[number]
    chosen = _chosen(source, _USUAL, user=user, part="test")
    at = options.at
    if at is None:  # the paper's, as far as was played, and what was played beyond
        rounds = _rounds(chosen)
        at = sorted({k for k in (3, 5) if k < rounds} | {rounds})
    table = build_table(
        pool_plays(chosen),
        title,
        at,
        [*metrics, f"RA@{next(iter(at))}", *(f"SA@{k}" for k in at)],  # as in the paper: RA at the first K alone
        options.against,
        options.alpha,
        options.test,
        options.resamples,
    )
    tell(to_text(table, width))
    paths = []
    for name in options.formats:
        ending, write = FORMATS[name]
        paths.append(options.folder / f"table{number}.{ending}")
        write_text(paths[-1], write(table))
    return paths


def _write_figure(source: _Source, tell: Callable[[str], None]) -> list[Path]:
    from magus_pyg.report.figures import save_figure, styled

    options = source.options
    assert options.figure is not None
    stem = options.folder / (f"figure{options.figure}" if options.figure.isdigit() else options.figure)
    with styled():
        figure, points, notes = FIGURES[options.figure](source)
        for note in notes:
            tell(note)
        paths = save_figure(figure, stem)
    if points is not None:
        paths.append(stem.with_suffix(".csv"))
        write_text(paths[-1], csv_text(points, float_format="%.6g"))
    return paths


_Drawn = tuple["Figure", pd.DataFrame | None, list[str]]


def _figure_3(source: _Source) -> _Drawn:
    from magus_pyg.report.figures import line_panels

    options = source.options
    chosen = _of_one_base(source, _USUAL, user="truthful", part="test")
    rounds = [k for k in (2, 3, 4, 5) if k <= _rounds(chosen)] if options.at is None else options.at
    pools = pool_plays(chosen)
    points = round_series(pools, rounds, options.resamples)
    missing = {pool.name: unplanned_rounds(pool, rounds) for pool in pools}
    notes = [
        f"{name} plans for the rounds left and has no point at K = {', '.join(map(str, ks))}: play it with "
        f"simulation.at=[{','.join(map(str, rounds))}]"
        for name, ks in missing.items()
        if ks
    ]
    return line_panels(points, "K, rounds"), points, [*_about(pools), *notes]


def _figure_4(source: _Source) -> _Drawn:
    from magus_pyg.report.figures import line_panels

    usual = {name: value for name, value in _USUAL.items() if name != "list_length"}
    by = ["simulation.list_length"]
    chosen = _of_one_base(source, usual, by, user="truthful", part="test")
    pools = pool_plays(chosen, by=by)
    (at, *_) = source.options.at or [min(3, _rounds(chosen))]
    points = length_series(pools, at, source.options.resamples)
    notes = _about(pools)
    if len(set(points["x"])) == 1:
        notes.append(
            f"All plays have lists of {points['x'].iloc[0]}, so there are points and no lines: play more with "
            f"{command_name('simulate')} run=RUN simulation.list_length=..."
        )
    return line_panels(_lines(points), "N, length of the list"), points, notes


def _figure_6(source: _Source) -> _Drawn:
    from magus_pyg.report.figures import time_bars

    chosen = _chosen(source, _USUAL, user="truthful", part="test")
    times = time_series(pool_plays(chosen))
    return time_bars(times), times, [f"Wall times on {times['device'].iloc[0]}; means over seeds."]


def _figure_7(source: _Source) -> _Drawn:
    from magus_pyg.report.figures import story_graphs

    options = source.options
    method = "magus" if not options.methods else options.methods[0]
    chosen = select_plays(
        [play for play in source.plays if play.folder == play.run],
        options.wanted(),
        [method],
        options.models,
        options.datasets,
    )
    story = tell_story(chosen[0].run, method, options.session)
    ends = "a target is found" if story.found else "no target is found"
    told = (
        f"Session {story.session} of {chosen[0].run}, {method_of(method).short}: {ends} in {len(story.rounds)} rounds."
    )
    return story_graphs(story), None, [told]


def _figure_candidates(source: _Source) -> _Drawn:
    from magus_pyg.report.figures import line_panels

    usual = {"list_length": 3, "rounds": max(int(play.settings["simulation.rounds"]) for play in source.plays)}
    by = ["sessions.candidates"]
    pools = pool_plays(_of_one_base(source, usual, by, user="truthful", part="test"), by=by)
    points = success_series(pools, source.options.resamples)
    panels = sorted(
        set(points["panel"]), key=lambda name: (name == "all", int(name.replace(",", "")) if name != "all" else 0)
    )
    points["panel"] = pd.Categorical(points["panel"], panels)
    points = points.sort_values("panel", kind="stable", ignore_index=True).astype({"panel": str})
    points["column"] = points["panel"] + " candidates"
    planned = ["Open circles: runs planned for that many rounds."] if points["planned"].any() else []
    figure = line_panels(points, "K, rounds", rows="dataset", columns="column")
    return figure, points.drop(columns="column"), [*_about(pools), *planned]


def _figure_noise(source: _Source) -> _Drawn:
    from magus_pyg.report.figures import line_panels

    options, by = source.options, ("user.name", "user.p")
    users = ["truthful", "noisy"] if options.user is None else [options.user]
    kept = [play for play in source.plays if play.settings["user.name"] in users]
    chosen = _of_one_base(replace(source, plays=kept), _USUAL, by, user=None, part="test")
    points = noise_series(chosen, [3, 5] if options.at is None else options.at, options.resamples)
    notes = _about(pool_plays(chosen, by=by))
    return line_panels(_lines(points), "p, share of queries misjudged"), points, notes


#: name -> what draws it.
FIGURES: dict[str, Callable[[_Source], _Drawn]] = {
    "3": _figure_3,
    "4": _figure_4,
    "6": _figure_6,
    "7": _figure_7,
    "candidates": _figure_candidates,
    "noise": _figure_noise,
}


#: What the paper's tables and figures are of, taken where a choice is left.
_USUAL = {"rounds": 5, "list_length": 3, "candidates": 30}


def _rounds(plays: Sequence[MethodPlay]) -> int:
    """The rounds that all of them had."""
    return min(int(play.settings["simulation.rounds"]) for play in plays)


def _chosen(source: _Source, usual: dict[str, Any], by: Sequence[str] = (), **presets: Any) -> list[MethodPlay]:
    """The plays that were asked for, as far as they are alike but for the settings `by`."""
    options = source.options
    wanted, names = options.wanted(**presets), (options.methods, options.models, options.datasets)
    asked = [name for name in wanted if getattr(options, name) is not None]
    if options.table is None and options.figure is None:
        asked.append("user")  # it is by their users that all tables are told apart
    kept = select_plays(source.plays, wanted, *names, usual, source.left_out, asked)
    return keep_alike(kept, by, source.left_out)


def _of_one_base(source: _Source, usual: dict[str, Any], by: Sequence[str] = (), **presets: Any) -> list[MethodPlay]:
    """The plays of a figure that is of one base recommender: FM, as in the paper, unless another is chosen."""
    chosen = _chosen(source, usual, by, **presets)
    models = sorted({play.model for play in chosen})
    if len(models) == 1:
        return chosen
    if "fm" in models and source.options.models is None:
        for play in chosen:
            if play.model != "fm":
                source.left_out.note(play.folder, f"the figure is of fm, not {play.model} (choose with models=[...])")
        return [play for play in chosen if play.model == "fm"]
    raise ConfigError(
        f"a figure is of one base recommender, and there are {', '.join(models)}: choose with models=[...]"
    )


def _lines(points: pd.DataFrame) -> pd.DataFrame:
    """Without the methods that were played in one setting only, as far as others make lines."""
    several = points.groupby(["dataset", "series"])["x"].transform("nunique") > 1
    return points[several] if several.any() else points


def _about(pools: Sequence[Pool]) -> list[str]:
    """Base recommender, data sets, sessions and seeds."""
    told = []
    for dataset in dict.fromkeys(pool.dataset for pool in pools):
        here = [pool for pool in pools if pool.dataset == dataset]
        counts = sorted({len(pool.seeds) for pool in here})
        seeds = f"{' to '.join(map(str, counts))} seed{'s' if counts != [1] else ''}"
        sessions = next(iter(here[0].plays.values())).log["session"].nunique()
        told.append(f"{dataset} ({seeds} of {sessions:,} sessions)")
    return [f"{base_label(pools[0].model)} on {', '.join(told)}; bands: 95 % intervals (bootstrap over users)."]


def _listed(names: Any) -> str:
    return ", ".join(map(str, names))

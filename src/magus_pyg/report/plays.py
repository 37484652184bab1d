"""Reading what run folders hold of the methods that were played there: records, settings, times.

Nothing of the model, the graph or the data set is needed. A run folder holds the plays of its training and those of
every simulation that followed (`simulations/<number>/`).
"""

import glob
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from magus_pyg.agents.methods import Method
from magus_pyg.errors import RunError
from magus_pyg.files import home_expanded
from magus_pyg.invocation import command_name
from magus_pyg.report.left_out import LeftOut
from magus_pyg.report.method_labels import method_of, variation_of
from magus_pyg.runs.folder import RunFolder
from magus_pyg.runs.play_folder import PlayFolder

__all__ = ["MethodPlay", "check_log", "read_plays"]

_COLUMNS = (
    "session", "user", "agent", "horizon", "round", "position", "n_candidates", "n_targets", "queries_shown",
    "target_clicked", "done",
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class MethodPlay:
    """One method on the sessions of one seed.

    Attributes:
        run: the run folder.
        folder: where the records lie: the run folder, or one of its simulations.
        method: the agent.
        settings: the configuration of the play, flat ("simulation.rounds": 5).
        data: what run.json says of the data set: name, fingerprint, users, items.
        environment: what run.json or simulation.json says of the machine.
        log: its rows of the record table, without the lists.
        entry: of the method: that of the table, else what the run folder keeps of it.
        training_seconds: of the base recommender.
        fit_seconds: of what the method learned beside it.
        play_seconds: of playing all sessions.
        speed: sessions a second, 0 where it is not known.
    """

    run: Path
    folder: Path
    method: str
    settings: Mapping[str, Any]
    data: Mapping[str, Any]
    environment: Mapping[str, Any]
    log: pd.DataFrame = field(repr=False)
    entry: Method = field(repr=False)
    training_seconds: float = 0.0
    fit_seconds: float = 0.0
    play_seconds: float = 0.0
    speed: float = 0.0

    @property
    def dataset(self) -> str:
        """Name of the data set."""
        return str(self.settings["dataset.name"])

    @property
    def model(self) -> str:
        """Name of the base recommender."""
        return str(self.settings["model.name"])

    @property
    def seed(self) -> int:
        """Seed of the play, of which its sessions are drawn."""
        return int(self.settings["seed"])

    @property
    def variation(self) -> str:
        """What of the method's own settings is unlike its defaults."""
        return variation_of(self.method, self.settings)


def read_plays(runs: str | Path | Sequence[str | Path], left_out: LeftOut | None = None) -> list[MethodPlay]:
    """Read all plays of run folders.

    Args:
        runs: run folders: paths or patterns such as "runs/*-ml-100k-*", in one text parted by commas, or several. What
            a pattern finds beside run folders is passed over. A simulation inside a run ("RUN/simulations/2") stands
            for its own plays alone.
        left_out: notes the folders that a pattern or a folder of runs brings, and that cannot be read, and dialogues.
            Without it such a folder is an error, as one that is named always is.

    Returns:
        The plays, folder by folder, each once: those of the run itself, then those of its simulations by number.
        Dialogues of EAR's protocol are passed over.

    Raises:
        RunError: nothing found, a folder that is no run, is cut off or damaged, or records that mix sessions.
    """
    plays: list[MethodPlay] = []
    seen: set[Path] = set()
    broken: list[RunError] = []

    def leave_out(folder: Path, named: bool, error: RunError) -> None:
        if left_out is None or named:
            raise error
        broken.append(error)
        left_out.note(folder, str(error))

    for path, named in _folders(runs).items():
        run = RunFolder(path.parents[1] if _is_simulation(path) else path)
        try:
            info = _checked(run)
        except RunError as error:
            leave_out(path, named, error)
            continue
        for folder in [PlayFolder(path)] if _is_simulation(path) else [run, *run.simulations]:
            if folder.path in seen:
                continue
            seen.add(folder.path)
            try:
                plays += _plays_of(folder, run, info, left_out)
            except RunError as error:
                leave_out(folder.path, named and folder.path == path, error)
    if not plays:
        alone = RunError(f"runs={runs}: these runs hold dialogues of EAR's protocol alone; reports are of sessions")
        raise next(iter(broken), alone)
    return plays


def _plays_of(folder: PlayFolder, run: RunFolder, info: dict[str, Any], left_out: LeftOut | None) -> list[MethodPlay]:
    """The plays of a folder of a run, of which run.json says `info`."""
    values = info if folder is run else _checked(folder)
    # A simulation fits what the run has not fitted, or all again.
    seconds = {**info["seconds"], **values["seconds"]}
    settings = _settings(folder)
    if "simulation.refusals" in settings:
        if left_out is not None:
            left_out.note(folder.path, "dialogues of EAR's protocol have measures of their own")
        return []
    return [
        MethodPlay(
            run=run.path,
            folder=folder.path,
            method=method,
            settings=settings,
            data=info["data"],
            environment=values.get("environment", {}),
            log=log,
            entry=_entry(method, values, log),
            training_seconds=float(info["seconds"].get("training", 0.0)),
            fit_seconds=float(seconds.get(f"fit {method}", 0.0)),
            play_seconds=float(values["seconds"].get(method, 0.0)),
            speed=float(values.get("sessions_per_second", {}).get(method, 0.0)),
        )
        for method, log in _read_logs(folder)
    ]


def _entry(method: str, values: Mapping[str, Any], log: pd.DataFrame) -> Method:
    """What run.json or simulation.json notes of a method; without a note, several horizons say that it plans."""
    kept = values.get("methods", {}).get(method)
    return method_of(method, kept or {"plans": bool(log["horizon"].min() < log["horizon"].max())})


def _folders(runs: str | Path | Sequence[str | Path]) -> dict[Path, bool]:
    """The run folders that are meant, in the order given, those of a pattern by name; and whether each was named."""
    given = runs.split(",") if isinstance(runs, str) else [runs] if isinstance(runs, Path) else list(runs)
    words = [word for word in (str(part).strip() for part in given) if word]
    if not words:
        raise RunError("no run folders are named: runs=FOLDER,FOLDER or runs='runs/*'")
    found: dict[Path, bool] = {}
    for word in words:
        path = home_expanded(word)
        if _is_run(path):
            found[path] = True
            continue
        if path.is_dir() and not any(_is_begun(place) for place in [path, *_children(path)]):
            raise RunError(f"{path} is no run folder, and holds none: it has no run.json")
        inside = _children(path) if path.is_dir() and not _is_begun(path) else None
        matches = inside if inside is not None else sorted(map(Path, glob.glob(str(path))))
        # A folder that was cut off before run.json was written has a config.yaml already: that is worth an error.
        kept = [match for match in matches if _is_run(match) or _is_begun(match)]
        if not kept:
            raise RunError(
                f"runs={word}: there is no such run folder; {command_name('train')} prints the path of a run at its end"
            )
        found.update({match: found.get(match, match == path) for match in kept})
    return found


def _is_run(path: Path) -> bool:
    return RunFolder(path).info.is_file()


def _is_begun(path: Path) -> bool:
    return RunFolder(path).config.is_file()


def _is_simulation(path: Path) -> bool:
    return path.parent.name == "simulations" and not _is_run(path)


def _children(path: Path) -> list[Path]:
    return sorted(entry for entry in path.iterdir() if entry.is_dir())


def _checked(folder: PlayFolder) -> dict[str, Any]:
    """What is noted of a whole play whose files, as far as they are read here, are as they were written."""
    info = folder.read_info()
    folder.check(info, [folder.config, folder.records, folder.results])
    return info


def _settings(folder: PlayFolder) -> dict[str, Any]:
    """The configuration, flat; lists as texts, so that settings can be compared and printed."""
    flat = dict(_flatten(folder.read_values()))
    # Two keys for one thing: `simulation` can ask for another number of candidates than `sessions`.
    candidates = flat.pop("simulation.candidates", None)
    if candidates is not None:
        flat["sessions.candidates"] = candidates
    for key in ("dataset.name", "model.name", "user.name", "seed", "simulation.rounds", "simulation.list_length"):
        if key not in flat:
            raise RunError(f"{folder.config} is damaged: it has no {key}")
    return flat


def _flatten(values: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(values, dict) and (values or not prefix):
        for key, value in values.items():
            yield from _flatten(value, f"{prefix}.{key}" if prefix else str(key))
    else:
        yield prefix, str(values) if isinstance(values, list | dict) else values


def _read_logs(folder: PlayFolder) -> Iterator[tuple[str, pd.DataFrame]]:
    """The checked record table of each method, in the order of results.csv."""
    records, results = folder.read_records(list(_COLUMNS)), folder.read_results()
    with folder.reading(folder.results):
        methods, sessions = results["method"].astype(str).tolist(), results["sessions"].astype(int).tolist()
    agents = sorted(set(records["agent"].astype(str)))
    if sorted(methods) != agents:
        raise RunError(
            f"{folder.path}: results.csv is of {', '.join(sorted(methods))} and records.parquet of "
            f"{', '.join(agents)}: they are of different plays"
        )
    for method, expected in zip(methods, sessions, strict=True):
        log = records[records["agent"] == method].reset_index(drop=True)
        check_log(log, f"{folder.path}, {method}")
        if log["session"].nunique() != expected:
            raise RunError(
                f"{folder.path}, {method}: {log['session'].nunique()} sessions in records.parquet and {expected} in "
                "results.csv: they are of different plays"
            )
        yield method, log


def check_log(log: pd.DataFrame, where: str) -> None:
    """Check that the rows of one method are whole sessions of one play.

    Args:
        log: a record table of one agent.
        where: names it in messages.

    Raises:
        RunError: a session with two users or numbers of candidates, a round twice or missing, or no end.
    """
    ordered = log.sort_values(["horizon", "session", "round"], kind="stable")
    horizon, session, turn = (ordered[name].to_numpy() for name in ("horizon", "session", "round"))
    starts = np.ones(len(ordered), dtype=bool)
    starts[1:] = (session[1:] != session[:-1]) | (horizon[1:] != horizon[:-1])
    place = np.arange(len(ordered)) - np.maximum.accumulate(np.where(starts, np.arange(len(ordered)), 0)) + 1
    odd = turn != place
    if odd.any():
        first = int(odd.argmax())
        raise RunError(
            f"{where}: session {session[first]} has round {turn[first]} where round {place[first]} should be: records "
            "of different sessions or plays were merged, or rows are missing"
        )
    ends = np.append(starts[1:], True)[: len(ordered)]
    odd = ordered["done"].to_numpy() != ends
    if odd.any():
        first = int(odd.argmax())
        raise RunError(
            f"{where}: session {session[first]} does not end where its records do: they are cut off or merged"
        )
    for name in ("user", "n_candidates"):  # the number of targets may change with a user's mind
        values = log.groupby("session", sort=False)[name].agg(["min", "max"])
        several = values["min"] != values["max"]
        if several.any():
            raise RunError(f"{where}: session {several.idxmax()} has several values of {name}: records of different "
                           "sessions were merged")  # fmt: skip

"""Playing the steps of a study, each once, in a folder of work that can be gone on with at any time.

WORK/runs/SET/BASE/sSEED/ holds the run, WORK/steps/ a note of each step that has ended, with what decided it. A note is
written last: what has none is done again.
"""

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from _plan import Plan, Step, Training

from magus_pyg.errors import RunError
from magus_pyg.experiment.pipeline import simulate_run, train_run
from magus_pyg.files import write_json
from magus_pyg.runs.folder import RunFolder
from magus_pyg.runs.play_folder import PlayFolder
from magus_pyg.runs.run import load_run
from magus_pyg.terminal import Terminal


@dataclass(frozen=True)
class Stamp:
    """What decided a step: hashes of the code, of the data's files and of the settings."""

    code: str
    data: str
    settings: str

    def unlike(self, other: "Stamp") -> str:
        """What of another one is not the same, in words; "" where all is."""
        names = {"code": "code", "data": "data", "settings": "settings"}
        return " and ".join(
            f"other {what} ({getattr(other, name)}, not {getattr(self, name)})"
            for name, what in names.items()
            if getattr(self, name) != getattr(other, name)
        )


@dataclass(frozen=True)
class Note:
    """A step that has ended, or begun.

    Attributes:
        stamp: what decided it.
        folder: of its records, in the folder of work; "" where it has only begun.
        seconds: of CPU time.
        memory: the most that its process held, in bytes.
        sessions: how many were played.
        torch: its version.
        version: of the package.
    """

    stamp: Stamp
    folder: str = ""
    seconds: float = 0.0
    memory: int = 0
    sessions: int = 0
    torch: str = ""
    version: str = ""


class Work:
    """The folder of work.

    Args:
        path: the folder.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.data = path / "data"

    def _file(self, step: Step) -> Path:
        return self.path / "steps" / f"{step.key.replace('/', '__')}.json"

    def note(self, step: Step) -> Note | None:
        """What is noted of a step; None where nothing is."""
        file = self._file(step)
        if not file.is_file():
            return None
        values = json.loads(file.read_text(encoding="utf-8"))
        return Note(**{**values, "stamp": Stamp(**values["stamp"])})

    def write(self, step: Step, note: Note) -> None:
        """Note a step."""
        write_json(self._file(step), asdict(note))

    def forget(self, step: Step) -> None:
        """Forget a step; its records stay where they are until its training is forgotten."""
        self._file(step).unlink(missing_ok=True)

    def runs(self, training: Training) -> Path:
        """The folder of the runs of a training."""
        return self.path / "runs" / training.key

    def done(self, step: Step) -> Note | None:
        """The note of a step that has ended."""
        note = self.note(step)
        return note if note is not None and note.folder else None

    def unlike(self, steps: Mapping[Step, Stamp]) -> Iterator[tuple[Step, str]]:
        """The steps whose notes say that something else decided them, with what."""
        for step, stamp in steps.items():
            note = self.note(step)
            told = "" if note is None else stamp.unlike(note.stamp)
            if told:
                yield step, told


def play_steps(
    plan: Plan,
    steps: Sequence[Step],
    stamps: Mapping[Step, Stamp],
    work: Work,
    root: Path | None,
    console: Terminal,
    ends: float = float("inf"),
) -> None:
    """Train one base recommender, unless that has been done, and play what has not been played.

    Args:
        plan: of the study.
        steps: plays of one training, in their order.
        stamps: what decides each of them, and their training.
        work: the folder of work.
        root: the folder of the data sets.
        console: where progress goes.
        ends: nothing is begun after this time of `time.monotonic`.

    Raises:
        MagusError: as of `train_run` and `simulate_run`.
    """
    (training,) = {step.training for step in steps}
    first = Step(training)
    folder = work.data if plan.sets[training.dataset].made else root
    places = [f'paths.runs="{work.runs(training)}"', *([] if folder is None else [f'paths.data="{folder}"'])]
    note = work.done(first)
    if note is None and time.monotonic() > ends:
        return
    if note is None:
        note = _train(plan, first, stamps[first], work, places, console)
    waiting = [step for step in steps if work.done(step) is None]
    run = load_run(work.path / note.folder) if waiting else None
    for step in waiting:
        assert run is not None
        if time.monotonic() > ends:
            return
        began = time.process_time()
        played = simulate_run(run, plan.config_of(step, *places), console)
        work.write(step, _noted(PlayFolder(played), stamps[step], time.process_time() - began, work))


def _train(plan: Plan, step: Step, stamp: Stamp, work: Work, places: Sequence[str], console: Terminal) -> Note:
    """Train, or go on with what was begun."""
    config, began = plan.config_of(step, *places), time.process_time()
    runs = work.runs(step.training)
    begun = [path for path in sorted(runs.glob("[!.]*")) if RunFolder(path).info.is_file()]
    work.write(step, Note(stamp))
    if len(begun) > 1:
        raise RunError(f"{runs} holds {len(begun)} runs, where one is made: take the folder away")
    if begun and RunFolder(begun[0]).read_info().get("state") == "complete":
        folder = begun[0]
    else:
        folder = train_run(config, console, resume=begun[0] if begun else None)
    note = _noted(RunFolder(folder), stamp, time.process_time() - began, work)
    work.write(step, note)
    return note


def _noted(folder: PlayFolder, stamp: Stamp, seconds: float, work: Work) -> Note:
    info = folder.read_info()
    return Note(
        stamp,
        str(folder.path.relative_to(work.path)),
        round(seconds, 1),
        int(info["peak_memory"]),
        int(info["sessions"]),
        str(info["environment"]["torch"]),
        str(info["version"]),
    )

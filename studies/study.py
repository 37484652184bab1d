"""Play a study, and write its pages from what was played.

    python studies/study.py play studies/full.yaml --work WORK --data DATA [--jobs 2]
    python studies/study.py status studies/full.yaml [--data DATA]
    python studies/study.py write studies/full.yaml [--into FILE ...] [--check]
    python studies/study.py play studies/full.yaml ... --unseen shop dataset=tabular dataset.path=my/shop "WORDS"

`play` trains and plays what has not been played yet, in the order of the settings, and keeps the figures as CSV in
studies/results/NAME. It can be stopped and killed at any time: the same command goes on. What was played by other code,
on other data or with other settings is named, and nothing is played until `--drop-stale` takes it away. `write` fills
the places of the plan's pages (or of the files named) from the CSV alone; `--check` only says whether they are so.
`--unseen` plays the plan's part `unseen` on any data set, whose results are a study of their own.
"""

import argparse
import os
import subprocess
import sys
import time
from collections import deque
from collections.abc import Iterable, Sequence
from itertools import groupby
from pathlib import Path

from _code import ROOT, code_hash
from _pages import check_pages, write_pages
from _plan import Cell, Plan, Step, Training, read_plan, with_unseen
from _play import Note, Stamp, Work, play_steps
from _results import Results, check_results, missing_steps, rows_of

from magus_pyg.commands.command_line import run_command
from magus_pyg.errors import ConfigError, MagusError, RunError
from magus_pyg.files import locked
from magus_pyg.interrupts import die_with_parent
from magus_pyg.report.table_formats import duration
from magus_pyg.terminal import Terminal, complain, say

_TOLD = 10  # faults that a message names
_POLL = 0.5  # seconds


def main(words: Sequence[str]) -> None:
    """The command; `words` as in the help.

    Raises:
        MagusError: anything wrong with the settings, the results, or what was played before.
    """
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("play", "status", "write", "job"), help="job is what play starts")
    parser.add_argument("plan", type=Path, help="the file of settings")
    parser.add_argument("--results", type=Path, help="the folder of the CSV (studies/results/NAME)")
    parser.add_argument("--work", type=Path, help="the folder of runs and notes, which play goes on with")
    parser.add_argument("--data", type=Path, default=os.environ.get("MAGUS_DATA") or None, help="of the data sets")
    parser.add_argument("--jobs", type=int, default=2, help="processes; 1 plays in this one")
    parser.add_argument("--minutes", type=float, default=float("inf"), help="no training or play is begun after them")
    parser.add_argument("--only", nargs="+", default=[], help="trainings alone, such as ml-100k/fm/s0 or ml-100k")
    parser.add_argument("--parts", nargs="+", default=[], help="parts alone")
    parser.add_argument("--unseen", nargs="+", default=[], help="a name, and the words that choose the data set")
    parser.add_argument("--stage", type=int, help="the place in the order of a job")
    parser.add_argument("--drop-stale", action="store_true", help="take away what other code, data or settings played")
    parser.add_argument("--into", nargs="+", type=Path, default=[], help="files whose places are filled")
    parser.add_argument("--check", action="store_true", help="write nothing, and fail where a page is not of the CSV")
    given = parser.parse_args(list(words))
    plan = read_plan(given.plan)
    if given.unseen:
        plan = with_unseen(plan, given.unseen[0], given.unseen[1:])
    folder = given.results or ROOT / "studies" / "results" / plan.name
    if given.what == "write":
        (check_pages if given.check else write_pages)(plan, Results.read(folder), folder, given.into)
        return
    if given.what == "status":
        show_status(plan, Results.read(folder), given.data)
        return
    if given.work is None:
        raise ConfigError("--work is missing: the folder of runs and notes")
    work = Work(given.work.absolute())
    ends = time.monotonic() + 60.0 * given.minutes
    steps = chosen(plan, given.only, given.parts, given.stage)
    if given.what == "job":
        die_with_parent()
        play_steps(plan, steps, stamps_of(plan, steps, given.data), work, given.data, Terminal(), ends)
        return
    words = [str(given.plan), "--work", str(work.path), *([] if given.data is None else ["--data", str(given.data)])]
    words += ["--unseen", *given.unseen] if given.unseen else []
    taken = "{} is being played in by another process: wait for its end"
    with locked(work.path / "study", taken=taken.format(work.path)), locked(folder, taken=taken.format(folder)):
        study = Study(plan, steps, work, folder, given.data, ends)
        study.begin(given.drop_stale)
        study.play(given.jobs, words)


def chosen(plan: Plan, only: Sequence[str], parts: Sequence[str], stage: int | None) -> tuple[Step, ...]:
    """The plays that were asked for; ConfigError where there is none."""
    steps = tuple(
        step
        for step, place in plan.stage_of.items()
        if (not only or any(f"{step.training.key}/".startswith(f"{name}/") for name in only))
        and (not parts or (step.cell is not None and step.cell.part in parts))
        and stage in (None, place)
    )
    if not steps:
        raise ConfigError(f"the plan has no plays of {' '.join([*only, *parts])}")
    return steps


def stamps_of(plan: Plan, steps: Iterable[Step], root: Path | None) -> dict[Step, Stamp]:
    """What decides these plays and their trainings now."""
    code, steps = code_hash(), list(steps)
    data = {name: plan.data(name, root) for name in dict.fromkeys(step.training.dataset for step in steps)}
    every = dict.fromkeys(each for step in steps for each in (Step(step.training), step))
    return {step: Stamp(code, data[step.training.dataset], plan.settings(step)) for step in every}


def show_status(plan: Plan, results: Results, root: Path | None) -> None:
    """Say what was played, what is missing and what does not fit; RunError where something does not."""
    missing = missing_steps(plan, results)
    say(f"{plan.name}: {len(plan.steps) - len(missing)} of {len(plan.steps)} plays, {len(results.figures)} figures, "
        f"{len(results.tests)} tests; the source is {code_hash()}")  # fmt: skip
    for training, steps in groupby(missing, key=lambda step: step.training):
        say(f"missing: {training.key}: {', '.join(step.key.removeprefix(f'{training.key}/') for step in steps)}")
    faults = check_results(plan, results, code_hash(), root)
    if faults:
        raise RunError(_listed(faults))


def _listed(faults: Sequence[str]) -> str:
    more = len(faults) - _TOLD
    return "\n".join([*faults[:_TOLD], *([f"and {more} more"] if more > 0 else [])])


class Study:
    """A study that is being played.

    Args:
        plan: its plan.
        steps: the plays that are asked for.
        work: the folder of work, held by this process.
        folder: of the results.
        root: the folder of the data sets.
        ends: nothing is begun after this time of `time.monotonic`.
    """

    def __init__(
        self, plan: Plan, steps: Sequence[Step], work: Work, folder: Path, root: Path | None, ends: float
    ) -> None:
        self.plan, self.steps, self.work, self.folder, self.root, self.ends = plan, steps, work, folder, root, ends
        self.results = Results.read(folder)

    def begin(self, drop_stale: bool) -> None:
        """Check that nothing of another kind is there, and sum up what was played and not summed up.

        Raises:
            RunError: there is, and `drop_stale` does not take it away.
        """
        known = dict.fromkeys(step for play in self.steps for step in (Step(play.training), play))
        noted = [step for step in known if self.work.note(step) is not None]
        stale = dict(self.work.unlike(stamps_of(self.plan, noted, self.root)))
        if not stale:  # a killed process can have written the files of a cell in part: they are made again
            done = [cell for cell in self.results.broken() if any(map(self.work.done, self.plan.cells.get(cell, [])))]
            self.results = self.results.without(done)
        faults = check_results(self.plan, self.results, code_hash(), self.root)
        if (faults or stale) and not drop_stale:
            told = [f"{step.key}: {self.work.path} has it of {what}" for step, what in stale.items()]
            raise RunError(
                f"{_listed([*faults, *told])}\nnothing is mixed: play with --drop-stale to take these away and play "
                "them again, or name another --work and --results"
            )
        for step in stale:
            self._forget(step)
        if faults:
            self._drop_stale_rows()
        cells = dict.fromkeys(step.cell for step in self.steps if step.cell is not None)
        there = self.results.steps()
        for cell in cells:
            if any(self.work.done(step) and step not in there for step in self.plan.cells[cell]):
                self._sum_up([cell])

    def _forget(self, step: Step) -> None:
        """Forget a step, and with a training all that was played of it."""
        for each in [step] if step.cell else [step, *(s for s in self.plan.steps if s.training == step.training)]:
            self.work.forget(each)
        if step.cell is None:
            runs = self.work.runs(step.training)
            if runs.exists():
                runs.rename(runs.with_name(f"{runs.name}-stale-{time.time_ns()}"))

    def _drop_stale_rows(self) -> None:
        """Drop the rows of what is not as it would be played now, and of all that was played of such a training."""
        known = set(self.plan.steps) | {Step(step.training) for step in self.plan.steps}
        there = self.results.steps()
        now = stamps_of(self.plan, [step for step in there if step in known], self.root)
        gone = {step for step, stamp in there.items() if now.get(step) != stamp}
        trainings = {step.training for step in gone if step.cell is None}
        cells = {step.cell for step in there if step.cell and (step in gone or step.training in trainings)}
        self.results = self.results.without(cells | set(self.results.broken()), trainings)
        self.results.write(self.folder)

    def play(self, jobs: int, words: Sequence[str]) -> None:
        """Play what is missing.

        Args:
            jobs: processes; 1 plays in this one.
            words: with which a process is started.

        Raises:
            RunError: something failed; all else was played before that.
        """
        waiting = deque(self._waiting())
        if not waiting:
            say("all was played")
        failed: list[str] = []
        running: dict[Training, tuple[subprocess.Popen[bytes], list[Step]]] = {}
        try:
            while (waiting and time.monotonic() < self.ends) or running:
                free = next((job for job in waiting if job[0].training not in running), None)
                if free is not None and len(running) < jobs and time.monotonic() < self.ends:
                    waiting.remove(free)
                    self._make_data(free[0].training)
                    if jobs == 1:
                        failed += self._play_here(free)
                    else:
                        running[free[0].training] = self._start(free, words), free
                    continue
                ended = [training for training, (process, _) in running.items() if process.poll() is not None]
                for training in ended:
                    process, steps = running.pop(training)
                    if process.returncode:
                        failed.append(f"{training.key} ended with {process.returncode}: see {self._log(training)}")
                    self._ended(steps)
                if not ended:
                    time.sleep(_POLL)
        finally:
            for process, _ in running.values():
                process.kill()
                process.wait()
        if failed:
            raise RunError("\n".join(failed))

    def _waiting(self) -> list[list[Step]]:
        """What is to be played, in lists of one training and stage, in their order."""
        jobs: dict[tuple[Training, int], list[Step]] = {}
        for step in self._left():
            jobs.setdefault((step.training, self.plan.stage_of[step]), []).append(step)
        return list(jobs.values())

    def _left(self) -> list[Step]:
        """The plays that are asked for and have not been played: neither in the folder of work, nor in whole cells."""
        there = self.results.steps()
        whole = {cell for cell, steps in self.plan.cells.items() if all(step in there for step in steps)}
        return [step for step in self.steps if self.work.done(step) is None and step.cell not in whole]

    def _make_data(self, training: Training) -> None:
        self.plan.make(training.dataset, self.work.data)

    def _play_here(self, steps: Sequence[Step]) -> list[str]:
        try:
            stamps = stamps_of(self.plan, steps, self.root)
            play_steps(self.plan, steps, stamps, self.work, self.root, Terminal(quiet=True), self.ends)
        except MagusError as error:
            return [f"{steps[0].key}: {error}"]
        finally:
            self._ended(steps)
        return []

    def _start(self, steps: Sequence[Step], words: Sequence[str]) -> "subprocess.Popen[bytes]":
        """Start a process that plays the steps of a stage with one training."""
        training, log = steps[0].training, self._log(steps[0].training)
        log.parent.mkdir(parents=True, exist_ok=True)
        left = [] if self.ends == float("inf") else ["--minutes", f"{(self.ends - time.monotonic()) / 60:.2f}"]
        command = [sys.executable, __file__, "job", *words, "--only", training.key, *left]
        command += ["--stage", str(self.plan.stage_of[steps[0]])]
        with log.open("ab") as out:
            return subprocess.Popen(command, stdout=out, stderr=out, env={**os.environ, "OMP_NUM_THREADS": "1"})

    def _log(self, training: Training) -> Path:
        return self.work.path / "logs" / f"{training.key.replace('/', '__')}.txt"

    def _ended(self, steps: Iterable[Step]) -> None:
        """Sum up the cells of some plays, and say how much is left."""
        steps = [step for step in steps if self.work.done(step)]
        if not steps:
            return
        self._sum_up(dict.fromkeys(step.cell for step in steps if step.cell is not None))
        left = self._left()
        seconds = seconds_left(self.plan, left, self.work)
        part = "" if steps[0].cell is None else steps[0].cell.part
        say(f"{steps[0].training.key}, {part}: {len(steps)} plays in "
            f"{duration(sum(note.seconds for step in steps if (note := self.work.done(step))))}; {len(left)} plays left"
            + (f", about {duration(seconds)} of one core" if left else ""))  # fmt: skip

    def _sum_up(self, cells: Iterable[Cell]) -> None:
        """Compute the figures of cells from the folder of work, unless it holds less of them than the files do."""
        there = self.results.steps()
        for cell in cells:
            notes: dict[Step, Note] = {}
            for step in self.plan.cells[cell]:
                note, trained = self.work.done(step), self.work.done(Step(step.training))
                if note is not None and trained is not None:
                    notes |= {Step(step.training): trained, step: note}
            if any(step.cell == cell and step not in notes for step in there):
                continue
            try:
                self.results = self.results.with_cell(cell, rows_of(self.plan, cell, notes, self.work))
            except MagusError as error:
                complain(f"{cell.where} has no figures: {error}")
        self.results.write(self.folder)


def seconds_left(plan: Plan, steps: Sequence[Step], work: Work) -> float:
    """CPU seconds that some plays, and the trainings they still need, will take: as those of their kind took so far."""
    every = [*plan.steps, *(Step(training) for training in dict.fromkeys(step.training for step in plan.steps))]
    taken: dict[tuple[str, ...], list[float]] = {}
    for step in every:
        note = work.done(step)
        for kind in _kinds(step) if note is not None else ():
            taken.setdefault(kind, []).append(note.seconds if note is not None else 0.0)
    needed = dict.fromkeys(step.training for step in steps if work.done(Step(step.training)) is None)
    total = 0.0
    for step in [*steps, *map(Step, needed)]:
        known = next((taken[kind] for kind in _kinds(step) if kind in taken), [0.0])
        total += sum(known) / len(known)
    return total


def _kinds(step: Step) -> list[tuple[str, ...]]:
    """What plays are alike in, the likest first."""
    dataset, base = step.training.dataset, step.training.base
    part = "" if step.cell is None else step.cell.part
    scene = "" if step.cell is None else step.cell.scene
    return [
        (dataset, base, part, scene, step.play), (dataset, base, part, "", step.play), (dataset, part, step.play),
        (base, step.play), (step.play,), (dataset, base), (),
    ]  # fmt: skip


if __name__ == "__main__":
    sys.exit(run_command(main))

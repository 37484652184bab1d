"""Runs commands that are stopped at planted moments, each once: `planted_stops.py FOLDER`.

At each planted moment the command is forked. The child is sent the signals and ends; what it said and left is noted,
the folder is put back as it was, and the command goes on to its next moment. Prints a line of JSON for each child:
command, stage, signals, code, what it said, what is left of temporary files, and where a copy of its run lies.
"""

import json
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from pkgutil import resolve_name
from threading import Thread
from typing import Any

import rich.live
import torch
from processes import outliving
from repository import ROOT
from run_fixtures import TINY

from magus_pyg import interrupts
from magus_pyg.commands.command_line import run_command
from magus_pyg.commands.simulate import main_simulate
from magus_pyg.engines import RayEngine

TERM, INT = signal.SIGTERM, signal.SIGINT
SIGNALS = {"SIGTERM": [TERM], "Ctrl-C": [INT], "Ctrl-C twice": [INT, INT]}

PLUS = ["magus=plus", "magus.training.epochs=2"]

#: Command -> stage -> a function in the middle of it.
STAGES = {
    "train": {
        "reading": "magus_pyg.experiment.preparing.load_data",
        "graph": "magus_pyg.experiment.preparing.build_graph",
        "training": "magus_pyg.training.fitting.write_checkpoint",
        "fitting": "magus_pyg.agents.variant_fitting.train_node_features",
        "playing": "magus_pyg.experiment.agent_plays.summarize",
        "writing": "magus_pyg.experiment.pipeline.save_graph",
    },
    "simulate": {
        "reading": "magus_pyg.experiment.pipeline.load_data",
        "fitting": "magus_pyg.agents.variant_fitting.train_node_features",
        "playing": "magus_pyg.experiment.agent_plays.summarize",
        "writing": "magus_pyg.runs.play_folder.write_json",
    },
    "report": {
        "reading": "magus_pyg.report.report_files.read_plays",
        "writing": "magus_pyg.report.report_files.write_text",
    },
    "tune": {
        "reading": "magus_pyg.experiment.preparing.load_data",
        "training": "magus_pyg.experiment.tuning.fit",
        "writing": "magus_pyg.commands.tune.write_experiment",
    },
    "describe": {
        "reading": "magus_pyg.commands.describe.load_data",
        "counting": "magus_pyg.commands.describe.describe",
    },
    "play": {
        "reading": "magus_pyg.commands.play.load_run",
        "playing": "builtins.input",
    },
    "make_data": {
        "making": "magus_pyg.data.synthetic.shape_files.make_catalogue",
        "writing": "magus_pyg.data.synthetic.shape_files._items",
    },
}


def words(command: str, folder: Path) -> list[str]:
    """What each command is started with."""
    run = next((folder / "runs").glob("*"), None)
    return {
        "train": [*TINY, f"paths.runs={folder / 'runs'}", *PLUS],
        "simulate": [f"run={run}", *PLUS, "refit=true", "simulation.resamples=50"],
        "report": [f"runs={run}", "table=1", "formats=[text,csv]", "resamples=50", f"out={folder / 'reports'}"],
        "tune": [*TINY, "trials=2", f"out={folder / 'tuned.yaml'}"],
        "describe": TINY,
        "play": [f"run={run}", "user=u00000"],
        "make_data": ["shape=tmall", "scale=0.0002", f"out={folder / 'made'}"],
    }[command]


class Rehearsal:
    """One command with its planted moments: after the first call of the function of each stage."""

    def __init__(self, folder: Path, command: str, kept: Path, report: int) -> None:
        self.folder, self.command, self.kept, self.report = folder, command, kept, report

    def run(self, words: Sequence[str]) -> int:
        """Run the command; the exit code, also in each child."""
        for stage, place in STAGES[self.command].items():
            owner, _, name = place.rpartition(".")
            self.plant(resolve_name(owner), name, stage)
        sys.argv = [str(ROOT / "scripts" / f"{self.command}.py"), *words]
        return run_command(getattr(import_module(f"magus_pyg.commands.{self.command}"), f"main_{self.command}"))

    def plant(self, owner: Any, name: str, stage: str) -> None:
        """Stop at a stage."""
        function: Callable[..., Any] = getattr(owner, name)

        def planted(*arguments: Any, **options: Any) -> Any:
            setattr(owner, name, function)
            result = function(*arguments, **options)
            for told, numbers in SIGNALS.items():
                self.stop(stage, told, numbers)
            return result

        setattr(owner, name, planted)

    def stop(self, stage: str, told: str, numbers: Sequence[signal.Signals]) -> None:
        """Fork, send the signals in the child, and note what becomes of it."""
        before, temporary = self.kept / "before", set(interrupts._process.temporary)
        shutil.copytree(self.folder, before)
        sys.stdout.flush()
        child = os.fork()
        if child == 0:
            interrupts._process.temporary |= temporary
            with (self.kept / "said").open("wb") as said:
                os.dup2(said.fileno(), 2)
            for number in numbers[1:]:
                Thread(target=send_after_first, args=(number,), daemon=True).start()
            os.kill(os.getpid(), numbers[0])
            raise AssertionError("the signal was not heard")
        _, status = os.waitpid(child, 0)
        left = [*self.folder.rglob(".*"), *(self.folder / "tmp").iterdir()]
        copy = self.kept / f"{self.command} {stage} {told}"
        self.note(
            stage=stage,
            signals=told,
            code=os.waitstatus_to_exitcode(status),
            said=(self.kept / "said").read_text(),
            left=sorted(str(path.relative_to(self.folder)) for path in left),
            copy=str(shutil.copytree(self.folder, copy)),
        )
        shutil.rmtree(self.folder)
        before.rename(self.folder)

    def note(self, **values: Any) -> None:
        """Report one stop."""
        os.write(self.report, (json.dumps({"command": self.command, **values}) + "\n").encode())


def send_after_first(number: signal.Signals) -> None:
    """Send a signal as soon as another one was heard."""
    while interrupts._process.stop is None:
        time.sleep(0)
    os.kill(os.getpid(), number)


def rehearse(folder: Path, command: str, kept: Path, report: int) -> int:
    """Run a command with its stops; its exit code."""
    return Rehearsal(folder, command, kept, report).run(words(command, folder))


def share_out(folder: Path, kept: Path, report: int) -> int:
    """Stop a simulation by two workers of Ray when the first of them has done a part; the exit code."""
    result = RayEngine._result
    running: dict[int, str] = {}

    def planted(*arguments: Any) -> Any:
        found = result(*arguments)
        running.update(of_folder(Path(tempfile.gettempdir())))
        os.kill(os.getpid(), signal.SIGTERM)
        return found

    RayEngine._result = planted  # type: ignore[method-assign]
    words_of_ray = ["engine=ray", "ray.workers=2", "simulation.batch_size=8"]
    sys.argv = ["simulate.py", *words("simulate", folder), *words_of_ray]
    with (kept / "said").open("wb") as said:
        os.dup2(said.fileno(), 2)
    code = run_command(main_simulate)
    values = {"code": code, "said": (kept / "said").read_text(), "workers": len(running)}
    left = [str(path) for path in (folder / "tmp").iterdir()]
    left += [f"process {number}: {running[number]}" for number in outliving(running, patience=5.0)]
    line = {"command": "simulate", "stage": "workers", "signals": "SIGTERM", "left": left, **values}
    os.write(report, (json.dumps(line) + "\n").encode())
    return 0


def of_folder(folder: Path) -> dict[int, str]:
    """The processes, other than this one, whose temporary files lie in a folder, and their words (on Linux)."""
    found = {}
    for place in Path("/proc").glob("[0-9]*/environ"):
        number = int(place.parent.name)
        with suppress(OSError):
            if f"TMPDIR={folder}".encode() in place.read_bytes().split(b"\0") and number != os.getpid():
                found[number] = place.with_name("cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    return found


def forked(job: Callable[..., int], *arguments: Any) -> None:
    """Call a function in a process of its own; it and all that it forks end with the code that it gives."""
    child = os.fork()
    if child == 0:
        code = job(*arguments)
        sys.stdout.flush()
        os._exit(code)  # without the end of the interpreter, which takes longer than all else
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0, arguments


def main(place: Path) -> None:
    """Rehearse all commands, train first, for the others play its run."""
    folder, kept = place / "world", place / "kept"
    for path in (folder / "tmp", kept):
        path.mkdir(parents=True)
    os.environ["TMPDIR"] = tempfile.tempdir = str(folder / "tmp")
    os.environ["MAGUS_CACHE"] = str(place / "cache")
    for number in (signal.SIGINT, signal.SIGTERM):  # whatever started this process
        signal.signal(number, signal.default_int_handler)
    torch.set_num_threads(1)
    rich.live._RefreshThread.run = lambda thread: None  # type: ignore[method-assign]  # a fork must find no lock held
    report = os.dup(1)
    answers, write = os.pipe()
    os.write(write, b"\n" * 20)
    os.dup2(answers, 0)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    for command in STAGES:
        forked(rehearse, folder, command, kept, report)
    forked(share_out, folder, kept, report)


if __name__ == "__main__":
    main(Path(sys.argv[1]))

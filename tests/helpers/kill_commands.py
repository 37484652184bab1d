"""Starts every command on tiny data, ends it by a signal at a random moment, and checks what it says and leaves.

Run by hand as `kill_commands.py [KILLS [SEED [COMMANDS ...]]]`; prints a table of counts by command and signal.
`KILL_PYTHON` and `KILL_SCRIPTS` name another interpreter and another folder of scripts, such as those of an older
release.
"""

import collections
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

SCRIPTS = Path(os.environ.get("KILL_SCRIPTS") or Path(__file__).parents[2] / "scripts")
PYTHON = os.environ.get("KILL_PYTHON") or sys.executable
DATA = ["dataset.users=60", "dataset.items=160", "dataset.brands=8", "simulation.resamples=50"]
COMMANDS = ("train", "simulate", "make_data", "tune", "report", "describe", "play")
CODES = {signal.SIGINT: (130, "stopped"), signal.SIGTERM: (143, "stopped by SIGTERM")}


def _hear_interrupts() -> None:
    """In the background shells let their children ignore Ctrl-C, and so would the command under test."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@dataclass
class World:
    """A folder with a finished run in it, its own temporary folder and cache."""

    folder: Path

    @property
    def runs(self) -> Path:
        """Where runs go."""
        return self.folder / "runs"

    def environment(self) -> dict[str, str]:
        """Of the commands."""
        place = self.folder / "tmp"
        place.mkdir(exist_ok=True)
        return {**os.environ, "TMPDIR": str(place), "MAGUS_CACHE": str(self.folder / "cache"), "OMP_NUM_THREADS": "1"}

    def words(self, command: str, run: Path | None) -> list[str]:
        """A command to kill."""
        words = {
            "train": [*DATA, f"paths.runs={self.runs}", "train.epochs=3", "magus=plus"],
            "simulate": [f"run={run}", "simulation.rounds=3", "simulation.at=[3]", "simulation.resamples=50"],
            "make_data": ["shape=tmall", "scale=0.003", f"out={self.folder / 'made'}"],
            "tune": [*DATA, "trials=3", "train.epochs=2", f"out={self.folder / 'tuned.yaml'}"],
            "report": [f"runs={run}", "table=1", f"out={self.folder / 'reports'}"],
            "describe": DATA,
            "play": [f"run={run}", "user=0"],
        }[command]
        return [PYTHON, str(SCRIPTS / f"{command}.py"), *words]

    def start(self, words: list[str]) -> subprocess.Popen[str]:
        """Start a command, in a group of its own."""
        pipe = subprocess.PIPE
        return subprocess.Popen(
            words, stdin=pipe, stdout=pipe, stderr=pipe, text=True, env=self.environment(), cwd=self.folder,
            start_new_session=True, preexec_fn=_hear_interrupts,
        )  # fmt: skip

    def finish(self, words: list[str]) -> None:
        """Run a command to its end."""
        process = self.start(words)
        out, errors = process.communicate("\n" * 10)
        assert process.returncode == 0, (words, out, errors)

    def seconds(self, command: str, run: Path) -> float:
        """What a command takes from start to end; what it makes is taken away."""
        began = time.monotonic()
        self.finish(self.words(command, run))
        shutil.rmtree(self.folder / "made", ignore_errors=True)
        return time.monotonic() - began

    def left(self) -> Iterator[Path]:
        """Temporary files and folders that are there now."""
        for path in [*self.folder.rglob(".*.writing-*"), *(self.folder / "tmp").iterdir()]:
            if not path.name.startswith(("torchinductor", "pymp-")):
                yield path


@dataclass
class Outcome:
    """What became of one kill."""

    command: str
    number: signal.Signals
    code: int
    moment: float
    faults: list[str]
    left: int
    ended: bool


def kill(world: World, command: str, run: Path, number: signal.Signals, moment: float, twice: bool) -> Outcome:
    """End a command by a signal, and look at what it said and left."""
    process = world.start(world.words(command, run))
    assert process.stdin is not None
    if command == "play":
        process.stdin.write("\n")
        process.stdin.flush()
    try:
        process.wait(moment)
    except subprocess.TimeoutExpired:
        process.send_signal(number)
        if twice:
            time.sleep(0.02)
            process.send_signal(number)
    try:
        _, errors = process.communicate(None, timeout=25)
    except subprocess.TimeoutExpired:
        process.kill()
        _, errors = process.communicate()
        return Outcome(command, number, process.returncode, moment, ["it did not end"], 0, False)
    code, faults = process.returncode, []
    if number is signal.SIGKILL:
        expected = code in (-9, 0)
    else:
        # While libraries are loaded the system ends it.
        expected = code in (CODES[number][0], -number, 0)
        if code == CODES[number][0] and CODES[number][1] not in errors.splitlines():
            faults.append(f"it said {errors[-300:]!r}")
    if not expected:
        faults.append(f"exit code {code}: {errors[-500:]}")
    if "Traceback" in errors or "Exception ignored" in errors:
        faults.append(f"a trace: {errors[-500:]}")
    left = list(world.left())
    if number is not signal.SIGKILL and code == CODES[number][0] and not twice and left:
        faults.append(f"left {[path.name for path in left]}")
    for folder in world.runs.iterdir():
        if not (folder / "run.json").is_file() or not (folder / "config.yaml").is_file():
            faults.append(f"{folder.name} can neither be read nor gone on with")
    for path in (run / "simulations").glob("[!.]*"):
        if not (path / "simulation.json").is_file():
            faults.append(f"{path} is half a simulation")
    for path in [*world.folder.glob("made/*"), *world.folder.glob("reports/*"), *world.folder.glob("tuned.yaml")]:
        if not path.stat().st_size:
            faults.append(f"{path} is empty")
    if (world.folder / "made").exists() and len(list((world.folder / "made").iterdir())) != 3:
        faults.append("half a folder of data")
    shutil.rmtree(world.folder / "made", ignore_errors=True)
    return Outcome(command, number, code, moment, faults, len(left), code == 0)


def main(kills: int, seed: int, commands: list[str]) -> int:
    """Kill, then let every command run once to its end, and print what happened; the number of faults."""
    moments, outcomes, faults = random.Random(seed), [], 0
    with tempfile.TemporaryDirectory(prefix="kills-") as name:
        world = World(Path(name))
        world.finish(world.words("train", None))
        (run,) = world.runs.iterdir()
        spans = {command: world.seconds(command, run) for command in commands}
        signals = [signal.SIGKILL, signal.SIGTERM, signal.SIGINT]
        for count in range(kills):
            command, number = commands[count % len(commands)], signals[count // len(commands) % 3]
            span = spans[command]
            twice = number is not signal.SIGKILL and moments.random() < 0.3
            outcome = kill(world, command, run, number, moments.uniform(0.3, 0.95) * span, twice)
            outcomes.append(outcome)
            print(f"{command:10} {number.name:8} exit {outcome.code:4} after {outcome.moment:.1f} s", flush=True)
            for fault in outcome.faults:
                faults += 1
                print(f"{command} {number.name} after {outcome.moment:.1f} s: {fault}", flush=True)
        infos = sorted(world.runs.glob("*/run.json"))
        cut = [path.parent for path in infos if json.loads(path.read_text())["state"] != "complete"]
        for folder in cut[:2]:
            world.finish([PYTHON, str(SCRIPTS / "train.py"), f"resume={folder}"])
        for command in dict.fromkeys(["train", *commands]):
            world.finish(world.words(command, run))
        left = [str(path.relative_to(world.folder)) for path in world.left()]
        if left:
            faults += 1
            print(f"left after the next start: {left}")
        table = collections.Counter((each.command, each.number.name, each.code) for each in outcomes)
        for (command, number_name, code), many in sorted(table.items()):
            print(f"{command:10} {number_name:8} exit {code:4}: {many}")
        swept = sum(each.left for each in outcomes)
        print(
            f"{len(outcomes)} kills, {len(cut)} runs cut off, {swept} things left and {len(left)} after the next start"
        )
        print(f"{faults} faults")
    return faults


if __name__ == "__main__":
    sys.exit(
        min(
            main(
                int(sys.argv[1]) if sys.argv[1:] else 21,
                int(sys.argv[2]) if sys.argv[2:] else 0,
                sys.argv[3:] or list(COMMANDS),
            ),
            1,
        )
    )

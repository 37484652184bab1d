"""Starts every command on tiny data, ends it by a signal at a random moment, and checks what it says and leaves.

Run by hand as `kill_commands.py [KILLS [SEED [COMMANDS ...]]]`; prints a line a kill and a table by command and signal.
`shared` is `simulate` with two workers of Ray. `KILL_PYTHON` and `KILL_SCRIPTS` name another interpreter and folder of
scripts, such as those of an older release; `KILL_WORLD` a folder where all is kept, so that the same call, broken off
at any time, goes on with the kills that are missing.
"""

import collections
import contextlib
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

SCRIPTS = Path(os.environ.get("KILL_SCRIPTS") or Path(__file__).parents[2] / "scripts")
PYTHON = os.environ.get("KILL_PYTHON") or sys.executable
DATA = ["dataset.users=60", "dataset.items=160", "dataset.brands=8", "simulation.resamples=50"]
COMMANDS = ("train", "simulate", "shared", "make_data", "tune", "report", "describe", "play")
SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT)
CODES = {signal.SIGINT: (130, "stopped"), signal.SIGTERM: (143, "stopped by SIGTERM")}

#: Stage -> functions of the package that are of it; the innermost one that runs counts.
STAGES = {
    "begins or ends": ("guarded",),
    "reads": ("load_data", "read_plays", "load_run"),
    "builds the graph": ("build_graph", "build_relational_graph"),
    "trains": ("fit",),
    "fits": ("_fit", "fit_agents"),
    "plays": ("play_agents", "simulate", "play_session"),
    "writes": ("write_scale_data", "write_report", "whole", "write_play", "write_text", "save_model", "save_graph"),
}
#: Run by each interpreter at its start: a thread that keeps noting in which function of the package the first one is.
SAMPLER = """
import os, sys, threading, time
def sample():
    place = os.environ["KILL_STAGE"]
    first = threading.main_thread().ident
    while True:
        frame, names = sys._current_frames().get(first), []
        while frame is not None:
            if "magus_pyg" in frame.f_code.co_filename:
                names.append(frame.f_code.co_name)
            frame = frame.f_back
        with open(place + "-", "w") as file:
            file.write(" ".join(names))
        os.replace(place + "-", place)
        time.sleep(0.02)
if os.environ.pop("KILL_SAMPLED", ""):
    threading.Thread(target=sample, daemon=True).start()
"""


def _hear_interrupts() -> None:
    """In the background shells let their children ignore Ctrl-C, and so would the command under test."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@dataclass
class World:
    """A folder with a finished run in it, its own temporary folder and cache."""

    folder: Path
    told: set[str] = field(default_factory=set)

    @property
    def runs(self) -> Path:
        """Where runs go."""
        return self.folder / "runs"

    def environment(self) -> dict[str, str]:
        """Of the commands."""
        place, sampler = self.folder / "tmp", self.folder / "sampler"
        for folder in (place, sampler):
            folder.mkdir(exist_ok=True)
        (sampler / "sitecustomize.py").write_text(SAMPLER)
        path = os.pathsep.join([str(sampler), *filter(None, [os.environ.get("PYTHONPATH")])])
        sampled = {"PYTHONPATH": path, "KILL_SAMPLED": "1", "KILL_STAGE": str(self.folder / "stage")}
        own = {"TMPDIR": str(place), "MAGUS_CACHE": str(self.folder / "cache"), "OMP_NUM_THREADS": "1"}
        return {**os.environ, **own, **sampled}

    def stage(self) -> str:
        """What the command did that was started last."""
        place = self.folder / "stage"
        names = place.read_text().split() if place.exists() else []
        found = (stage for name in names for stage, those in STAGES.items() if name in those)
        return next(found, "loads libraries")

    def words(self, command: str, run: Path | None) -> list[str]:
        """A command to kill."""
        simulate = [f"run={run}", "simulation.rounds=3", "simulation.at=[3]", "simulation.resamples=50"]
        words = {
            "train": [*DATA, f"paths.runs={self.runs}", "train.epochs=3", "magus=plus"],
            "simulate": simulate,
            "shared": [*simulate, "engine=ray", "ray.workers=2", "simulation.batch_size=8"],
            "make_data": ["shape=tmall", "scale=0.003", f"out={self.folder / 'made'}"],
            "tune": [*DATA, "trials=3", "train.epochs=2", f"out={self.folder / 'tuned.yaml'}"],
            "report": [f"runs={run}", "table=1", f"out={self.folder / 'reports'}"],
            "describe": DATA,
            "play": [f"run={run}", "user=u00000"],
        }[command]
        return [PYTHON, str(SCRIPTS / f"{command.replace('shared', 'simulate')}.py"), *words]

    def start(self, words: list[str]) -> subprocess.Popen[str]:
        """Start a command, in a group of its own."""
        pipe = subprocess.PIPE
        (self.folder / "stage").unlink(missing_ok=True)
        return subprocess.Popen(
            words, stdin=pipe, stdout=pipe, stderr=pipe, text=True, env=self.environment(), cwd=self.folder,
            start_new_session=True, preexec_fn=_hear_interrupts,
        )  # fmt: skip

    def finish(self, words: list[str]) -> None:
        """Run a command to its end."""
        process = self.start(words)
        out, errors = process.communicate("\n" * 10)
        assert process.returncode == 0, (words, out, errors)

    def span(self, command: str, run: Path) -> tuple[float, float]:
        """When a command has loaded its libraries, and when it ends, in seconds; what it makes is taken away."""
        began, loaded = time.monotonic(), 0.0
        process = self.start(self.words(command, run))
        reader = threading.Thread(target=process.communicate, args=("\n" * 10,))
        reader.start()
        while reader.is_alive():
            if not loaded and self.stage() != "loads libraries":
                loaded = time.monotonic() - began
            reader.join(0.05)
        assert process.returncode == 0, command
        self.lost(command, run, 0)
        return loaded, time.monotonic() - began

    def made(self, command: str, run: Path) -> int:
        """How much there is of what a command makes."""
        places = {
            "train": self.runs.glob("*/results.csv"),
            "simulate": (run / "simulations").glob("*/simulation.json"),
            "make_data": self.folder.glob("made"),
            "tune": self.folder.glob("tuned.yaml"),
            "report": self.folder.glob("reports/table1.*"),
        }
        return len(list(places.get(command.replace("shared", "simulate"), [])))

    def lost(self, command: str, run: Path, before: int) -> str:
        """What a command had done and is not there; what it has made is taken away, but for runs and simulations."""
        made = self.made(command, run) - before
        for name in ("made", "reports"):
            shutil.rmtree(self.folder / name, ignore_errors=True)
        (self.folder / "tuned.yaml").unlink(missing_ok=True)
        if command in ("describe", "play"):
            return "nothing: it writes nothing"
        if command == "report":
            return f"{4 - made} of 4 tables" if made < 4 else "nothing"
        if made:
            return "nothing"
        if command == "train":
            cut = [path for path in self.runs.iterdir() if not (path / "results.csv").exists()]
            latest = max(cut, default=None)
            if latest is None or latest.name in self.told:
                return "all, nothing was kept yet"
            self.told.add(latest.name)
            return (
                "nothing but the epoch or the play at work"
                if list(latest.glob("checkpoints/*.pt"))
                else "all, its training had just begun"
            )
        return {"tune": "the search", "make_data": "the data"}.get(command, "the simulation")

    def left(self) -> Iterator[Path]:
        """Temporary files and folders that are there now."""
        for path in [*self.folder.rglob(".*.writing-*"), *(self.folder / "tmp").iterdir()]:
            if not path.name.startswith(("torchinductor", "pymp-")):
                yield path


@dataclass
class Outcome:
    """What became of one kill."""

    command: str
    signal: str
    code: int
    moment: float
    stage: str
    lost: str
    faults: list[str]
    left: list[str]

    def row(self) -> str:
        """One line, and one a fault."""
        left = ", ".join(self.left) or "nothing"
        line = f"| {self.command} | {self.signal} | {self.stage} | {self.code} | {self.lost} | {left} |"
        return "\n".join([line, *(f"FAULT: after {self.moment:.1f} s {fault}" for fault in self.faults)])


def kill(
    world: World, command: str, run: Path, number: signal.Signals, moment: float, twice: bool, loading: bool
) -> Outcome:
    """End a command by a signal, timed from its start or from where libraries are loaded; look at what it left."""
    before, known, there = world.made(command, run), set(world.runs.iterdir()), set(world.left())
    process = world.start(world.words(command, run))
    assert process.stdin is not None
    if command == "play":
        process.stdin.write("\n")
        process.stdin.flush()
    while not loading and process.poll() is None and world.stage() == "loads libraries":
        time.sleep(0.02)
    faults, stage = [], "had ended"
    try:
        process.wait(moment)
    except subprocess.TimeoutExpired:
        process.send_signal(number)
        stage = world.stage()
        if twice:
            time.sleep(0.02)
            process.send_signal(number)
    try:
        _, errors = process.communicate(None, timeout=25)
    except subprocess.TimeoutExpired:
        process.kill()
        _, errors = process.communicate()
        faults.append("it did not end in 25 seconds")
    code = process.returncode
    if code == 0:
        stage = "had ended"
    else:
        faults += wrong_end(number, code, errors, loading=stage == "loads libraries")
    left = sorted(re.sub(r"[0-9a-f]{16}|(?<=_propagate_)\w{8}", "*", path.name) for path in set(world.left()) - there)
    if number is not signal.SIGKILL and left:
        faults.append(f"left {left}")
    time.sleep(1.0 if number is signal.SIGKILL else 0.0)
    if running := group(process.pid):
        faults.append(f"{len(running)} processes of it still run")
    faults += broken(world, run)
    new = [path for path in world.runs.iterdir() if path not in known]
    asked = [f"resume={path}" for path in new if not (path / "results.csv").exists()]
    if code in (130, 143) and asked and asked[0] not in errors:
        faults.append(f"it did not say how to go on: {errors[-300:]!r}")
    signs = f"{number.name}{' twice' if twice else ''}"
    return Outcome(command, signs, code, moment, stage, world.lost(command, run, before), faults, left)


def wrong_end(number: signal.Signals, code: int, errors: str, loading: bool) -> list[str]:
    """What is wrong with how a command ended that was sent a signal."""
    faults = []
    if number is signal.SIGKILL:
        expected = code in (-9, 0)
    else:
        # Before the first line of a command runs, the interpreter itself is ended by the system, or complains.
        expected = code in (CODES[number][0], 0) or (loading and code == -number)
        lines = [line for line in errors.splitlines() if line.partition("; ")[0] == CODES[number][1]]
        if code == CODES[number][0] and len(lines) != 1:
            faults.append(f"it said {errors[-300:]!r}")
    if not expected:
        faults.append(f"exit code {code}: {errors[-500:]}")
    if "Traceback" in errors or "Exception ignored" in errors:
        faults.append(f"a trace: {errors[-500:]}")
    return faults


def group(leader: int) -> list[int]:
    """The processes that a command has started and that still run (on Linux)."""
    running = []
    for status in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            fields = status.read_text().rpartition(")")[2].split()
            if int(fields[3]) == leader and fields[0] != "Z":
                running.append(int(status.parent.name))
    return running


def broken(world: World, run: Path) -> list[str]:
    """What is neither whole nor can be gone on with."""
    faults = []
    for folder in world.runs.iterdir():
        if not (folder / "run.json").is_file() or not (folder / "config.yaml").is_file():
            faults.append(f"{folder.name} can neither be read nor gone on with")
            shutil.rmtree(folder)
    for path in (run / "simulations").glob("[!.]*"):
        if not (path / "simulation.json").is_file():
            faults.append(f"{path} is half a simulation")
            shutil.rmtree(path)
    for path in [*world.folder.glob("made/*"), *world.folder.glob("reports/*"), *world.folder.glob("tuned.yaml")]:
        if path.is_file() and not path.stat().st_size:
            faults.append(f"{path} is empty")
    if (world.folder / "made").exists() and len(list((world.folder / "made").iterdir())) != 3:
        faults.append("half a folder of data")
    return faults


def after_all(world: World, run: Path, commands: list[str]) -> list[str]:
    """Go on with runs that were cut off and run every command to its end; what is wrong then."""
    faults = []
    infos = sorted(world.runs.glob("*/run.json"))
    cut = [path.parent for path in infos if json.loads(path.read_text())["state"] != "complete"]
    for folder in cut[:3]:
        world.finish([PYTHON, str(SCRIPTS / "train.py"), f"resume={folder}"])
        for name in ("records.parquet", "results.csv"):
            if (folder / name).read_bytes() != (run / name).read_bytes():
                faults.append(f"{folder.name} was gone on with, and its {name} is another one")
    print(f"{len(cut)} runs cut off, {len(cut[:3])} of them gone on with")
    for folder in cut[3:]:
        shutil.rmtree(folder)
    if cut:
        world.finish(world.words("train", None))
    for command in dict.fromkeys([*commands, "report"]):
        world.finish(world.words(command, run))
    if left := [str(path.relative_to(world.folder)) for path in world.left()]:
        faults.append(f"left after the next start: {left}")
    return faults


def main(kills: int, seed: int, commands: list[str]) -> int:
    """Kill, then let every command run once to its end, and print what happened; the number of faults."""
    with contextlib.ExitStack() as stack:
        kept = os.environ.get("KILL_WORLD") or stack.enter_context(tempfile.TemporaryDirectory(prefix="kills-"))
        world = World(Path(kept).absolute())
        plan, done = world.folder / "plan.json", world.folder / "outcomes.json"
        if not plan.exists():
            shutil.rmtree(world.runs, ignore_errors=True)
            world.folder.mkdir(exist_ok=True)
            world.finish(world.words("train", None))
            (run,) = world.runs.iterdir()
            plan.write_text(json.dumps({"run": str(run), "spans": {}}))
        planned = json.loads(plan.read_text())
        run, spans = Path(planned["run"]), planned["spans"]
        outcomes = [Outcome(**json.loads(line)) for line in done.read_text().splitlines()] if done.exists() else []
        for count in range(len(outcomes), kills):
            command, number = commands[count % len(commands)], SIGNALS[count // len(commands) % 3]
            moments = random.Random(f"{seed} {count}")
            twice = number is not signal.SIGKILL and moments.random() < 0.3
            if command not in spans:
                spans[command] = world.span(command, run)
                plan.write_text(json.dumps(planned))
            loaded, end = spans[command]
            # One in four while libraries are loaded, which is most of the time of a small command.
            loading = moments.random() < 0.25
            moment = moments.uniform(0.1, loaded) if loading else moments.uniform(0, end - loaded)
            outcomes.append(kill(world, command, run, number, moment, twice, loading))
            with done.open("a") as file:
                file.write(json.dumps(asdict(outcomes[-1])) + "\n")
            print(outcomes[-1].row(), flush=True)
        last = after_all(world, run, commands)
        for fault in last:
            print(f"FAULT: {fault}")
        print_table(outcomes)
        faults = sum(len(outcome.faults) for outcome in outcomes) + len(last)
        ended = sum(outcome.stage == "had ended" for outcome in outcomes)
        print(f"{len(outcomes) - ended} kills, {ended} came too late, {faults} faults")
    return faults


def print_table(outcomes: list[Outcome]) -> None:
    """A row a command: kills by signal and by what it did, those with a fault, and what the next start removes."""
    rows = collections.defaultdict(list)
    for outcome in outcomes:
        if outcome.stage != "had ended":
            rows[outcome.command].append(outcome)
    names = [number.name for number in SIGNALS]
    print(f"\n| command | {' | '.join(names)} | when it | with a fault | left to the next start |")
    print(f"|---|{'--:|' * len(names)}---|--:|---|")
    for command, those in sorted(rows.items()):
        counts = collections.Counter(outcome.signal.split()[0] for outcome in those)
        stages = collections.Counter(outcome.stage for outcome in those)
        left = collections.Counter(name for outcome in those for name in outcome.left)
        cells = [
            *(str(counts[name]) for name in names),
            ", ".join(f"{stage} ({many})" for stage, many in stages.most_common()),
            str(sum(bool(outcome.faults) for outcome in those)),
            ", ".join(f"{many} {name}" for name, many in left.items()) or "nothing",
        ]
        print(f"| {command} | {' | '.join(cells)} |")
    print()


if __name__ == "__main__":
    sys.exit(
        min(
            main(
                int(sys.argv[1]) if sys.argv[1:] else 24,
                int(sys.argv[2]) if sys.argv[2:] else 0,
                sys.argv[3:] or list(COMMANDS),
            ),
            1,
        )
    )

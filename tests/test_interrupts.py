"""Commands that are told to end, at every stage of each: by Ctrl-C, once or twice, or by SIGTERM."""

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from configparser import ConfigParser
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
from planted_stops import SIGNALS, STAGES
from repository import ROOT
from safetensors.torch import load_file

from magus_pyg.commands.command_line import guarded
from magus_pyg.commands.train import main_train
from magus_pyg.errors import RunError
from magus_pyg.interrupts import heard_signals, removed_after, stop_of, told_if_stopped
from magus_pyg.invocation import shell_words
from magus_pyg.runs.folder import RunFolder

ENDS = {"SIGTERM": (143, "stopped by SIGTERM"), "Ctrl-C": (130, "stopped"), "Ctrl-C twice": (130, "stopped")}


@contextmanager
def heard_signals_of_a_test() -> Iterator[None]:
    """`heard_signals`, after which the process goes on as before."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    try:
        with heard_signals():
            yield
    finally:
        signal.alarm(0)
        for number, handler in before.items():
            signal.signal(number, handler)


@pytest.fixture(scope="module")
def stops(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """What became of each planted stop; see `planted_stops`."""
    place = tmp_path_factory.mktemp("stops")
    helper = ROOT / "tests" / "helpers" / "planted_stops.py"
    path = os.pathsep.join([str(ROOT / "src"), str(ROOT / "tests"), str(helper.parent)])
    environment = {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, str(helper), str(place)], capture_output=True, text=True, timeout=240, env=environment
    )
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_every_stage_of_every_command(stops: list[dict[str, Any]]) -> None:
    found = [(stop["command"], stop["stage"], stop["signals"]) for stop in stops]
    expected = [(command, stage, told) for command in STAGES for stage in STAGES[command] for told in SIGNALS]
    assert found == [*expected, ("simulate", "workers", "SIGTERM")]
    assert {(stop["signals"], stop["code"]) for stop in stops} == {(told, code) for told, (code, _) in ENDS.items()}
    for stop in stops:
        begun = stop["command"] == "train" and stop["stage"] not in ("reading", "graph")
        message = ENDS[stop["signals"]][1]
        if begun:
            (run,) = Path(stop["copy"]).joinpath("runs").iterdir()
            run = Path(stop["copy"]).parents[1] / "world" / "runs" / run.name
            message += f"; go on with python {ROOT / 'scripts' / 'train.py'} {shell_words(f'resume={run}')}"
        if stop["command"] == "tune" and stop["stage"] != "writing":  # after that they are in its file
            message += "; its trials are lost: study=FILE.db keeps those of a search"
        assert stop["said"] == f"{message}\n", stop
        assert stop["left"] == [], stop
    assert stops[-1]["workers"] > 2  # and those of Ray itself


def test_only_what_is_whole_is_left(stops: list[dict[str, Any]]) -> None:
    simulations = "runs/*/simulations/*"
    made = {"train": simulations, "simulate": simulations, "report": "reports/*", "tune": "tuned.yaml"}
    for stop in stops[:-1]:
        folder = Path(stop["copy"])
        runs = [path.name for path in folder.glob("runs/*")]
        assert len(runs) == (stop["command"] != "train" or stop["stage"] not in ("reading", "graph")), stop
        found = [path.name for path in folder.glob(made.get(stop["command"], "made"))]
        written = {("report", "writing"): ["table1.txt"], ("tune", "writing"): ["tuned.yaml"]}  # one of two, and all
        assert found == written.get((stop["command"], stop["stage"]), []), stop


def test_a_run_that_was_stopped_goes_on(stops: list[dict[str, Any]], tmp_path: Path) -> None:
    worlds = {(stop["command"], stop["stage"], stop["signals"]): Path(stop["copy"]) for stop in stops[:-1]}
    (whole,) = worlds["play", "reading", "Ctrl-C"].glob("runs/*")
    (run,) = worlds["train", "training", "Ctrl-C twice"].glob("runs/*")
    cut = shutil.copytree(run, tmp_path / "cut")
    assert json.loads((cut / "run.json").read_text())["state"] == "training"
    main_train([f"resume={cut}"])
    pd.testing.assert_frame_equal(pd.read_parquet(cut / "records.parquet"), pd.read_parquet(whole / "records.parquet"))
    weights, expected = (load_file(folder / "model.safetensors") for folder in (cut, whole))
    assert weights.keys() == expected.keys()
    assert all(torch.equal(weights[name], expected[name]) for name in weights)


@pytest.mark.parametrize(
    ("number", "code", "message"), [(signal.SIGTERM, *ENDS["SIGTERM"]), (signal.SIGINT, *ENDS["Ctrl-C"])]
)
def test_installed_commands_while_libraries_are_loaded(
    number: signal.Signals, code: int, message: str, tmp_path: Path
) -> None:
    options = ConfigParser()
    options.read(ROOT / "setup.cfg", encoding="utf-8")
    (tmp_path / "torch.py").write_text(f"import os, time\nos.kill(os.getpid(), {int(number)})\ntime.sleep(60)\n")
    environment = {**os.environ, "PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT / 'src'}"}
    for line in options["options.entry_points"]["console_scripts"].strip().split("\n"):
        module, function = line.split(" = ")[1].split(":")
        done = subprocess.run(
            [sys.executable, "-c", f"from {module} import {function}; {function}()", "--help"],
            capture_output=True, text=True, timeout=60, env=environment, preexec_fn=_hear_interrupts,
        )  # fmt: skip
        assert (done.returncode, done.stdout, done.stderr) == (code, "", f"{message}\n"), line


def _hear_interrupts() -> None:
    """Tests that run in the background ignore Ctrl-C, and so would what they start."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


def test_what_is_ignored_from_the_start_stays_ignored_but_sigterm() -> None:
    code = (
        "import os, signal\n"
        "signal.signal(signal.SIGHUP, signal.SIG_IGN)\n"  # as nohup does
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"  # as nobody means
        "from magus_pyg.interrupts import hear_while_loading\n"
        "hear_while_loading()\n"
        "os.kill(os.getpid(), signal.SIGHUP)\n"
        "print('goes on', flush=True)\n"
        "os.kill(os.getpid(), signal.SIGTERM)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (143, "goes on\n", "stopped by SIGTERM\n")


def test_a_signal_in_a_destructor_is_not_lost() -> None:
    code = (
        "import os, signal, time\n"
        "from magus_pyg.interrupts import heard_signals, stop_of\n"
        "class Doomed:\n"
        "    def __del__(self):\n"
        "        os.kill(os.getpid(), signal.SIGTERM)\n"
        "with heard_signals():\n"
        "    try:\n"
        "        Doomed()\n"
        "        time.sleep(60)\n"
        "    except KeyboardInterrupt as error:\n"
        "        print(stop_of(error))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=50)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "Stop(message='stopped by SIGTERM', code=143)\n"


def test_an_error_that_a_signal_has_caused_is_told_as_the_signal(capfd: pytest.CaptureFixture[str]) -> None:
    def command() -> None:
        with told_if_stopped("go on with that"):
            try:
                os.kill(os.getpid(), signal.SIGTERM)
            except KeyboardInterrupt:
                raise RuntimeError("a worker is gone") from None

    with heard_signals_of_a_test():
        assert guarded(command) == 143
    assert capfd.readouterr().err == "stopped by SIGTERM; go on with that\n"


def test_errors_of_a_commands_own_are_no_stop() -> None:
    with heard_signals_of_a_test():
        assert stop_of(ValueError("of its own")) is None


def test_a_folder_whose_removal_is_broken_off_goes_at_the_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "magus-pyg-0"

    def broken_off(path: Path) -> None:
        raise KeyboardInterrupt

    with heard_signals_of_a_test():
        with monkeypatch.context() as patched:
            patched.setattr("magus_pyg.interrupts.remove", broken_off)
            with pytest.raises(KeyboardInterrupt), removed_after(folder):
                (folder / "inner").mkdir(parents=True)
        assert folder.exists()
    assert not folder.exists()


def test_what_a_program_had_before_a_command_stays(tmp_path: Path) -> None:
    with removed_after(tmp_path / "magus-pyg-1"):
        (tmp_path / "magus-pyg-1").mkdir()
        with heard_signals_of_a_test(), removed_after(tmp_path / "magus-pyg-2"):
            (tmp_path / "magus-pyg-2").mkdir()
        assert os.listdir(tmp_path) == ["magus-pyg-1"]
    assert os.listdir(tmp_path) == []


def test_one_training_of_a_run_at_a_time(tiny_run: Path, tmp_path: Path) -> None:
    code = f"""
import sys, time
from magus_pyg.runs.folder import RunFolder
with RunFolder({str(tmp_path / "run")!r}).held():
    print("held", flush=True)
    time.sleep(600)
"""
    (tmp_path / "run").mkdir()
    for name in ("run.json", "config.yaml"):
        (tmp_path / "run" / name).write_bytes((tiny_run / name).read_bytes())
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        with pytest.raises(RunError, match="run is being trained by another process"):
            main_train([f"resume={tmp_path / 'run'}"])
        other.kill()
    with RunFolder(tmp_path / "run").held():
        pass
    assert not [path for path in (tmp_path / "run").rglob("*") if path.name.endswith(".lock")]

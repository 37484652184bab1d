"""Commands that are told to end: by Ctrl-C, once or twice, or by SIGTERM, while they are at work."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from kill_commands import World

from magus_pyg.commands.train import main_train
from magus_pyg.errors import RunError
from magus_pyg.runs.folder import RunFolder


@pytest.mark.parametrize(
    ("numbers", "code", "message"),
    [
        ([signal.SIGTERM], 143, "stopped by SIGTERM"),
        ([signal.SIGINT], 130, "stopped"),
        ([signal.SIGINT, signal.SIGINT], 130, "stopped"),
    ],
    ids=["SIGTERM", "Ctrl-C", "Ctrl-C twice"],
)
def test_training_that_is_told_to_end(numbers: list[signal.Signals], code: int, message: str, tmp_path: Path) -> None:
    world = World(tmp_path)
    words = [*world.words("train", None), "train.epochs=100000", "train.patience=100000"]
    process = world.start(words)
    try:
        end = time.monotonic() + 120
        while not list(world.runs.glob("*/checkpoints/last.pt")) and time.monotonic() < end:
            assert process.poll() is None, process.communicate()
            time.sleep(0.05)
        for number in numbers:
            process.send_signal(number)
        _, errors = process.communicate(timeout=30)
    finally:
        process.kill()
    assert process.returncode == code
    assert message in errors.splitlines()
    assert "Traceback" not in errors
    (run,) = world.runs.iterdir()
    assert json.loads((run / "run.json").read_text())["state"] == "training"
    if len(numbers) == 1:
        assert not list(world.left())


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


def test_a_script_without_a_main_guard(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        "from magus_pyg.simulation.processes import in_processes\nprint(list(in_processes(print, 1, 2)))\n"
    )
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, timeout=120)
    assert done.returncode == 1
    assert done.stderr.count("Traceback") == 1
    assert "has no main guard" in done.stderr.splitlines()[-1]

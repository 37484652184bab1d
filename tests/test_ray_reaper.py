"""The processes of a Ray end with the command that started them, and nothing waits for those that cannot end."""

import os
import signal
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest

from magus_pyg import ray_reaper
from magus_pyg.ray_reaper import MARK, SCRIPT, end_marked, marked

LINUX = pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="marks are seen in /proc")


@LINUX
def test_marked_processes_and_their_folder_go(tmp_path: Path) -> None:
    place = tmp_path / "ray"
    (place / "session").mkdir(parents=True)
    words = ["sleep", "60"]
    with (
        subprocess.Popen(words, env={**os.environ, MARK: str(place)}) as own,
        subprocess.Popen(words, env={**os.environ, MARK: f"{place}2"}) as other,
    ):
        while marked(str(place)) != [own.pid]:
            assert own.poll() is None  # it has not become what it is to run yet
        ended = subprocess.run([sys.executable, "-I", "-S", SCRIPT, str(place)], input=b"", capture_output=True)
        assert (ended.returncode, ended.stderr, own.wait()) == (0, b"", -signal.SIGKILL)
        assert other.poll() is None
        other.kill()
    assert not place.exists()
    assert tmp_path.exists()


def test_what_does_not_end_is_named_after_some_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    killed: list[int] = []
    pauses: list[float] = []
    monkeypatch.setattr(ray_reaper, "marked", lambda place: [7, 8] if len(killed) < 3 else [8])
    monkeypatch.setattr(ray_reaper.os, "kill", lambda number, signal: killed.append(number))
    monkeypatch.setattr(ray_reaper.time, "monotonic", lambda: sum(pauses))
    monkeypatch.setattr(ray_reaper.time, "sleep", pauses.append)
    assert end_marked("place") == [8]
    assert killed[:5] == [7, 8, 7, 8, 8]
    assert 5.0 < sum(pauses) <= 5.5
    assert pauses[0] == 0.01
    assert all(first < after or first == after == 0.5 for first, after in pairwise(pauses))
    monkeypatch.setattr(ray_reaper, "marked", lambda place: [])
    assert end_marked("place") == []

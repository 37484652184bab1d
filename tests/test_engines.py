"""Work in parts, in one process and shared out over the workers of Ray."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
import shared_work as work
import torch

from magus_pyg import engines, ray_parts
from magus_pyg.engines import OneProcess, RayEngine, RayOptions, opened_engine
from magus_pyg.errors import ConfigError, DataError, ModelError, ProcessError
from magus_pyg.ray_reaper import MARK


def test_results_come_in_the_order_of_the_parts(workers: RayEngine) -> None:
    table = torch.arange(1000, dtype=torch.float64)
    expected = list(OneProcess().map(work.scaled, table, range(20)))
    found = list(workers.map(work.scaled, table, iter(range(20))))
    assert [value for value, _ in found] == [value for value, _ in expected] == [2.0 * n for n in range(20)]
    assert {place for _, place in expected}.isdisjoint(place for _, place in found)
    assert list(workers.map(work.scaled, table, [])) == []
    # What a script or a test itself defines is taken along.
    assert list(workers.map(lambda shared, part: shared[part], "abc", [2, 0])) == ["c", "a"]
    assert (workers.workers, OneProcess().workers) == (2, 1)


def test_what_several_calls_share_is_handed_over_once(workers: RayEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[Path] = []

    def counted(ray: Any, path: Path, values: Any) -> None:
        written.append(path)
        ray_parts.write_shared(ray, path, values)

    monkeypatch.setattr(engines, "write_shared", counted)
    for engine in (OneProcess(), workers):
        with engine.handed(work.failing, None) as mapped:
            assert list(mapped([0])) == list(mapped([0])) == [0]
            with engine.handed(work.scaled, torch.arange(3.0)) as other:
                assert [value for value, _ in other([2, 1])] == [4.0, 2.0]
            assert list(mapped([0, 0])) == [0, 0]
            assert list(mapped([])) == []
            with pytest.raises(ModelError, match=r"^broken weights$"):
                list(mapped(range(3)))
    assert len(written) == 2
    assert not any(path.exists() for path in written)


def test_a_part_is_asked_for_when_it_is_needed(workers: RayEngine) -> None:
    given: list[int] = []

    def parts() -> Any:
        for number in range(100):
            given.append(number)
            yield number

    found = workers.map(work.scaled, torch.zeros(100), parts())
    assert next(found)[0] == 0.0
    assert len(given) == 8
    found.close()  # type: ignore[attr-defined]
    given.clear()
    with closing(RayEngine(RayOptions(workers=2))) as other:  # on a Ray that it has not started
        found = other.map(work.scaled, torch.zeros(100), parts())
        assert next(found)[0] == 0.0
        assert len(given) == 2
        found.close()  # type: ignore[attr-defined]


def test_errors_are_those_of_the_work(workers: RayEngine) -> None:
    found = workers.map(work.failing, DataError("no rows"), range(3))
    assert next(found) == 0
    with pytest.raises(DataError, match=r"^no rows$"):
        next(found)
    with pytest.raises(ModelError, match=r"^broken weights$"):
        list(workers.map(work.failing, None, range(3)))
    with pytest.raises(RuntimeError, match=r"(?s)a worker of Ray failed:\n.*shared_work.*KeyError: 'lost'"):
        list(workers.map(work.failing, KeyError("lost"), range(3)))
    with pytest.raises(ConfigError, match=r"cannot be handed to other processes.*lock.*take engine=process"):
        next(workers.map(work.failing, work.locked(), range(3)))


def test_what_a_lost_worker_did_is_done_again(
    workers: RayEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []
    engine = RayEngine(RayOptions(workers=2), told.append)
    assert list(engine.map(work.killed, (tmp_path, 1), range(5))) == [0, 1, 2, 3, 4]
    assert engine.lost == len(told) == 1
    assert told == ["a worker of Ray was lost: what it did is done again (1 so far)"]
    engine.close()
    assert list(workers.map(work.failing, None, [0])) == [0], "what was reached by another is not ended"
    monkeypatch.setattr(engines, "_TRIES", 2)
    with pytest.raises(ProcessError, match=r"2 workers of Ray were lost.*ray\.workers, now 2"):
        list(workers.map(work.killed, (tmp_path, 100), range(5)))


def test_what_a_lost_node_did_is_done_by_others(workers: RayEngine, tmp_path: Path) -> None:
    import ray

    told: list[str] = []
    engine = RayEngine(RayOptions(workers=3), told.append)
    with second_node(engine.reach()):
        given = (ray.get_runtime_context().get_node_id(), tmp_path / "killed")
        assert list(engine.map(work.node_killed, given, range(6))) == [0, 1, 2, 3, 4, 5]
    assert engine.lost == len(told) == 1
    assert told[0] == "a node of Ray was lost: what it did is done again (1 so far)"


@contextmanager
def second_node(ray: Any) -> Iterator[None]:
    """A node of one core beside the one that there is, until it is killed or the block ends."""
    words = [sys.executable, "-m", "ray.scripts.scripts", "start", f"--address={ray.get_runtime_context().gcs_address}"]
    words += ["--num-cpus=1", "--dashboard-agent-listen-port=0", "--block"]
    set_as = {**os.environ, **engines._SETTINGS}
    process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=set_as)
    try:
        end = time.monotonic() + 60.0
        while ray.cluster_resources()["CPU"] < 3:
            assert time.monotonic() < end, "no second node was started"
            time.sleep(0.1)
        yield
    finally:
        process.terminate()
        process.wait()


def test_without_a_node_that_could_do_a_part_nobody_waits(workers: RayEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    import ray

    monkeypatch.setattr(engines, "_LOOKED_AFTER", 0.01)
    monkeypatch.setattr(ray, "cluster_resources", dict)
    with pytest.raises(ProcessError, match=r"^no node of the Ray cluster is left that could do the work$"):
        list(RayEngine(RayOptions(workers=2)).map(work.slow, None, [0]))


def test_what_workers_log_and_warn_of_is_logged_here(
    workers: RayEngine, caplog: pytest.LogCaptureFixture, recwarn: pytest.WarningsRecorder
) -> None:
    caplog.set_level("INFO", "magus_pyg")
    assert list(workers.map(work.logging_part, None, range(3))) == [0, 1, 2]
    told = [(record.name, record.levelname, record.getMessage()) for record in caplog.records]
    assert [entry for entry in told if entry[0] != "py.warnings"] == [
        ("magus_pyg.work", "INFO", f"part {part} of {part}") for part in range(3)
    ]
    assert "part 2 is the last" in next(text for name, _, text in told if name == "py.warnings")
    caplog.clear()
    caplog.set_level("WARNING", "magus_pyg")
    with pytest.raises(ModelError):
        list(workers.map(work.logging_part, None, [0, -1]))
    assert [record.getMessage() for record in caplog.records] == ["part -1 fails"]


def test_a_machine_that_does_not_see_the_file_gets_a_copy(workers: RayEngine, tmp_path: Path) -> None:
    import ray

    path = tmp_path / "shared.pt"
    torch.save((len, torch.arange(4)), path)
    copy = ray.put(path.read_bytes())
    for place in (path, tmp_path / "elsewhere"):
        function, table = ray_parts.read_shared(place, [copy])
        assert function(table) == 4
        assert table.tolist() == [0, 1, 2, 3]


def test_the_environment_is_left_as_it_was(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    import ray

    seen: dict[str, str] = {}
    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    monkeypatch.setattr(ray, "init", lambda **settings: seen.update(os.environ))
    monkeypatch.setattr(ray, "shutdown", lambda: None)
    monkeypatch.setattr(engines, "end_marked", lambda place: [3, 4])
    monkeypatch.setenv("SPT_NOENV", "former")
    monkeypatch.setenv(MARK, "former")
    monkeypatch.delenv("RAY_USAGE_STATS_ENABLED", raising=False)
    before = dict(os.environ)
    with closing(RayEngine(RayOptions(workers=1))) as engine:
        engine.reach()
        assert dict(os.environ) == before
    assert {name: seen[name] for name in engines._SETTINGS} == engines._SETTINGS
    assert seen[MARK] not in ("former", "")
    assert not Path(seen[MARK]).exists()
    assert caplog.messages == ["processes of Ray did not end: 3, 4"]


def test_what_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    import ray

    with pytest.raises(ConfigError, match=r"ray\.address must be one of local, auto \(got 'head'\)"):
        RayEngine(RayOptions("head"))
    with pytest.raises(ConfigError, match=r"ray\.workers must be at least 1 \(got 0\)"):
        RayEngine(RayOptions(workers=0))

    def no_cluster(**settings: Any) -> None:
        raise ConnectionError("Could not find any running Ray instance.\nMore of it.")

    with monkeypatch.context() as patch:
        patch.setattr(ray, "is_initialized", lambda: False)
        patch.setattr(ray, "init", no_cluster)
        patch.setattr(ray, "shutdown", lambda: None)
        with pytest.raises(ConfigError, match=r"ray\.address=auto\): start one with `ray start --head`"):
            RayEngine(RayOptions("auto"))
    monkeypatch.setattr(engines.importlib.util, "find_spec", lambda name: None)
    with (
        pytest.raises(ConfigError, match=r"engine=ray needs Ray: pip install 'magus-pyg\[ray\]'"),
        opened_engine("ray", RayOptions(), print),
    ):
        pass
    with opened_engine("process", RayOptions(), print) as engine:
        assert list(engine.map(work.failing, None, [0])) == [0]

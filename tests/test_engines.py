"""Work in parts, in one process and shared out over the workers of Ray."""

from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import shared_work as work
import torch

from magus_pyg import engines
from magus_pyg.engines import OneProcess, RayEngine, RayOptions, opened_engine
from magus_pyg.errors import ConfigError, DataError, ModelError, ProcessError


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


def test_a_machine_that_does_not_see_the_file_gets_a_copy(workers: RayEngine, tmp_path: Path) -> None:
    import ray

    path = tmp_path / "shared.pt"
    torch.save((len, torch.arange(4)), path)
    copy = ray.put(path.read_bytes())
    for place in (path, tmp_path / "elsewhere"):
        function, table = engines._read(place, [copy])
        assert function(table) == 4
        assert table.tolist() == [0, 1, 2, 3]


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
        with pytest.raises(ConfigError, match=r"ray.address=auto\): Could not find any running Ray instance\.; start"):
            RayEngine(RayOptions("auto"))
    monkeypatch.setattr(engines.importlib.util, "find_spec", lambda name: None)
    with (
        pytest.raises(ConfigError, match=r"engine=ray needs Ray: pip install 'magus-pyg\[ray\]'"),
        opened_engine("ray", RayOptions(), print),
    ):
        pass
    with opened_engine("process", RayOptions(), print) as engine:
        assert list(engine.map(work.failing, None, [0])) == [0]

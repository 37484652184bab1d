"""Work that the memory does not hold is refused before it starts, with the estimate and the setting to change."""

import gzip
import re
import resource
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from fit_cases import fitted_setting, short_config, tiny_data

from magus_pyg.commands.command_line import guarded
from magus_pyg.data import SessionOptions, build_sessions
from magus_pyg.data.reading.findings import Findings
from magus_pyg.data.reading.integer_logs import LogLayout, read_integers
from magus_pyg.data.reading.table_files import read_table
from magus_pyg.errors import ConfigError, DataError, GraphError, ModelError
from magus_pyg.experiment.agent_plays import fit_agents, play_agents
from magus_pyg.experiment.preparing import prepare_model, prepare_training
from magus_pyg.memory import available_memory, require_memory
from magus_pyg.report import make_console
from magus_pyg.runs.overrides import compose_config
from magus_pyg.runs.retrieval import Retriever
from magus_pyg.runs.schemas import typed

SMALL = ["dataset.users=60", "dataset.items=160", "dataset.brands=8"]


def _groups(folder: Path, lines: str, files: dict[str, str]) -> None:
    """What a process is told of its memory: /proc and /sys/fs/cgroup in a folder; 8 GiB are available."""
    (folder / "proc" / "self").mkdir(parents=True)
    (folder / "proc" / "meminfo").write_text("MemTotal: 9 kB\nMemAvailable: 8388608 kB\n")
    (folder / "proc" / "self" / "cgroup").write_text(lines)
    (folder / "proc" / "self" / "statm").write_text("1024 9 9\n")
    for name, text in files.items():
        (folder / "groups" / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / "groups" / name).write_text(text)


@pytest.mark.parametrize(
    ("lines", "files", "left"),
    [
        ("0::/\n", {}, 8 << 30),
        ("0::/job/step\n", {"job/step/memory.max": "max\n", "job/step/memory.current": "1\n"}, 8 << 30),
        (
            "0::/job/step\n",
            {"job/step/memory.max": "max", "job/step/memory.current": "1", "job/memory.max": str(3 << 30),
             "job/memory.current": str(2 << 30), "job/memory.stat": f"anon 5\ninactive_file {1 << 20}\n"},
            (1 << 30) + (1 << 20),
        ),
        (  # the first version, in a container that sees the path of its host
            "4:memory:/docker/abc\n3:cpu,cpuacct:/docker/abc\n",
            {"memory/memory.limit_in_bytes": str(2 << 30), "memory/memory.usage_in_bytes": str(3 << 30),
             "memory/memory.stat": "total_inactive_file 0\n"},
            0,
        ),
        (
            "4:memory:/\n",
            {"memory/memory.limit_in_bytes": "9223372036854771712", "memory/memory.usage_in_bytes": "5",
             "memory/memory.stat": ""},
            8 << 30,
        ),
    ],
)  # fmt: skip
def test_what_control_groups_leave(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, lines: str, files: dict[str, str], left: int
) -> None:
    _groups(tmp_path, lines, files)
    monkeypatch.setattr("magus_pyg.memory._PROC", tmp_path / "proc")
    monkeypatch.setattr("magus_pyg.memory._GROUPS", tmp_path / "groups")
    monkeypatch.setattr("resource.getrlimit", lambda kind: (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    assert available_memory() == left


def test_what_the_address_space_leaves(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    _groups(tmp_path, "0::/\n", {})
    monkeypatch.setattr("magus_pyg.memory._PROC", tmp_path / "proc")
    monkeypatch.setattr("magus_pyg.memory._GROUPS", tmp_path / "groups")
    monkeypatch.setattr("resource.getrlimit", lambda kind: (1 << 30, 1 << 30))
    assert available_memory() == (1 << 30) - 1024 * resource.getpagesize()


def test_what_is_asked_for_and_what_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    there = available_memory()
    assert there is None or there > 2**20
    monkeypatch.setattr("magus_pyg.memory.available_memory", lambda: 2**30)
    require_memory(2**30, "this", "lower that")
    with pytest.raises(GraphError, match=r"^this would take about 1\.5 GiB, and 1\.0 GiB are available; lower that$"):
        require_memory(3 * 2**29, "this", "lower that")
    with pytest.raises(DataError):
        require_memory(2**31, "this", "lower that", DataError)
    monkeypatch.setattr("magus_pyg.memory.available_memory", lambda: None)
    require_memory(2**60, "this", "lower that")


def test_stages_that_do_not_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    config = typed(compose_config(SMALL))
    inputs = prepare_training(config, make_console())
    model = prepare_model(inputs, config)
    monkeypatch.setattr("magus_pyg.memory.available_memory", lambda: 2**15)
    with pytest.raises(ConfigError, match=r"training [\d,]+ vectors .* of length 64 would take .*; lower model\.dim"):
        prepare_model(inputs, config)
    with pytest.raises(ModelError, match=r"an index of 160 items with vectors of length 67 would take"):
        Retriever.build(model)
    with pytest.raises(DataError, match=r"test sessions of 160 candidates would take .*; lower simulation\.candidates"):
        build_sessions(inputs.data, "test", SessionOptions(candidates="all", min_interactions=0), 0)


def test_files_records_and_learned_features_that_do_not_fit(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    setting = fitted_setting(tiny_data(), short_config("magus=plus"))
    text, columns = tmp_path / "log.csv", tmp_path / "log.parquet"
    text.write_text("user,item\n" + "1,2\n" * 10_000)
    pd.DataFrame({"user": range(1000)}).to_parquet(columns)
    packed = tmp_path / "packed.csv"
    packed.write_bytes(gzip.compress(text.read_bytes()))
    setting.sessions("test")
    monkeypatch.setattr("magus_pyg.memory.available_memory", lambda: 100)
    for path in (text, columns, packed):
        with pytest.raises(
            DataError, match=rf"^reading {re.escape(str(path))} would take about .*; give a part of its"
        ):
            read_table(path)
    with pytest.raises(DataError, match=r"^reading .* would take"):
        read_integers(text, LogLayout(("user", "item")), Findings())
    said = r"the records of \d+ sessions with 2 agents, up to \d+ rounds .*per_user or simulation\.rounds, or"
    with pytest.raises(ConfigError, match=said):
        play_agents(replace(setting, config=short_config("agents=[items,magus]")), {})
    monkeypatch.setattr("magus_pyg.experiment.agent_plays.training_data", None)
    with pytest.raises(ModelError, match=r"learning vectors of [\d,]+ nodes of length \d+ \(magus=plus\) would .*dim"):
        fit_agents(setting)


def test_what_was_not_foreseen_is_one_message_too(capsys: pytest.CaptureFixture[str]) -> None:
    def torch_asks() -> None:
        torch.empty(1 << 55)

    def numpy_asks() -> None:
        np.empty(1 << 55)

    def raised() -> None:
        raise MemoryError

    for command in (torch_asks, numpy_asks, raised):
        assert guarded(command) == 2
        told = capsys.readouterr().err
        assert told.startswith("error: the memory does not hold what was asked for: lower model.dim")
        assert "Traceback" not in told

    def other() -> None:
        raise RuntimeError("something else")

    with pytest.raises(RuntimeError, match="something else"):
        guarded(other)

"""Work that the memory does not hold is refused before it starts, with the estimate and the setting to change."""

import gzip
import re
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from fit_cases import fitted_setting, short_config, tiny_data

from magus_pyg.data import SessionOptions, build_sessions
from magus_pyg.data.reading.findings import Findings
from magus_pyg.data.reading.integer_logs import LogLayout, read_integers
from magus_pyg.data.reading.table_files import read_table
from magus_pyg.errors import ConfigError, DataError, GraphError, ModelError
from magus_pyg.experiment.agent_plays import fit_agents, play_agents
from magus_pyg.experiment.preparing import prepare_model, prepare_training
from magus_pyg.memory import available_memory, require_memory
from magus_pyg.models.retrieval import Retriever
from magus_pyg.report import make_console
from magus_pyg.runs.overrides import compose_config
from magus_pyg.runs.schemas import typed

SMALL = ["dataset.users=60", "dataset.items=160", "dataset.brands=8"]


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

"""Work that the memory does not hold is refused before it starts, with the estimate and the setting to change."""

import pytest

from magus_pyg.data import SessionOptions, build_sessions
from magus_pyg.errors import ConfigError, DataError, GraphError, ModelError
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

"""The page on own models is true: its blocks run, and the model they make passes the contract and trains."""

from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
import yaml
from doc_pages import blocks

from magus_pyg.errors import ConfigError
from magus_pyg.models import MODELS, build_model
from magus_pyg.testing import small_data, small_features
from magus_pyg.training import TrainOptions, fit

OUTSIDE, *INSIDE = blocks("own_model.md", "python")
SPACE: dict[str, Any] = {}
for block in INSIDE:
    exec(block, SPACE)
ENTRY = MODELS.pop("net")  # registered only while this file's tests run
TestNet = SPACE["TestNet"]


@pytest.fixture(autouse=True, scope="module")
def registered() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(MODELS, "net", ENTRY)
        yield


def test_the_options_are_checked_and_written_out():
    with pytest.raises(ConfigError, match=r"NetOptions\.hidden must be at least 1"):
        SPACE["NetOptions"](hidden=0)
    values = yaml.safe_load(blocks("own_model.md", "yaml")[0])
    del values["defaults"]
    options = SPACE["NetOptions"]()
    assert values == {field.name: getattr(options, field.name) for field in fields(options)}


def test_it_learns():
    model = build_model(SPACE["NetOptions"](dim=8), small_features(), seed=1)
    history = fit(model, small_data(), TrainOptions(epochs=40, accelerator="cpu", patience=40), progress=False).history
    assert history.train_loss.iloc[-1] < 0.8 * history.train_loss.iloc[0]


def test_a_pyg_model_from_outside_gives_the_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    exec(compile(OUTSIDE, "own_model.md", "exec"), {})
    shown = [line.split() for line in capsys.readouterr().out.splitlines()]
    told = [line.split() for line in blocks("own_model.md", "text")[0].splitlines()]
    assert [line[:2] for line in shown] == [line[:2] for line in told]
    assert shown[0] == told[0]
    for row, said in zip(shown[1:], told[1:], strict=True):  # training differs a little between processors
        assert [float(value) for value in row[2:]] == pytest.approx([float(value) for value in said[2:]], abs=0.15)

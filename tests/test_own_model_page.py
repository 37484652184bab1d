"""The page on own models is true: its blocks run, and the model they make passes the contract and trains."""

from collections.abc import Iterator
from dataclasses import fields

import pytest
import yaml
from doc_pages import blocks, run_blocks

from magus_pyg.errors import ConfigError
from magus_pyg.models import MODELS, build_model
from magus_pyg.testing import small_data, small_features
from magus_pyg.training import TrainOptions, fit

SPACE = run_blocks("own_model.md")
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

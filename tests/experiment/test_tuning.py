"""The experiment file of a search: the whole configuration that was searched from, with the values found."""

from pathlib import Path

import pandas as pd
import pytest

from magus_pyg.experiment.tuning import Tuned, write_experiment
from magus_pyg.runs.overrides import compose_config
from magus_pyg.runs.schemas import typed

FOUND = {"train.lr": 0.003, "model.hidden": [64, 32]}


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["model=deepfm", "dataset=ml-100k", "dataset.positive_above=2.5", "dataset.min_user_rows=20", "seed=7"],
        ["model=deepfm", "train=paper", "sessions=paper", "user=noisy", "user.p=0.2", "agents=[items]"],
        ["experiment=quick", "model=deepfm", "dataset.users=60"],
        ["model=deepfm", "dataset=tabular", "dataset.path=shop", "dataset.word_fields=[brand,a b]",
         "+dataset.bands={price:5}", "+dataset.empty_values={brand:[none,'1']}", "rivals.crm.epochs=2",
         "paths.runs=elsewhere"],
    ],
)  # fmt: skip
def test_the_file_is_what_was_searched_from(tmp_path: Path, words: list[str]) -> None:
    tuned = Tuned(FOUND if words else {}, 0.8, 0.7, pd.DataFrame({"auc": [0.8]}))
    write_experiment(tmp_path / "experiment" / "found.yaml", words, tuned)
    expected = [word for word in words if not word.startswith("paths.")]
    given = [f"{key}={value}".replace(" ", "") for key, value in tuned.values.items()]
    config = typed(compose_config(["experiment=found", f"paths.conf={tmp_path}"]))
    config.paths.conf = None
    assert config == typed(compose_config([*expected, *given]))

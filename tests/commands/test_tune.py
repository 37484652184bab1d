"""Searching settings on the validation part."""

from pathlib import Path

import pytest

from magus_pyg.commands.tune import main_tune
from magus_pyg.errors import ConfigError
from magus_pyg.experiment.tuning import SPACES, Choice, space_of
from magus_pyg.models import MODELS
from magus_pyg.runs.overrides import compose_config
from magus_pyg.runs.schemas import typed

pytest.importorskip("optuna", reason="optuna is not installed (the extra [tune])")
TINY = ["experiment=quick", "dataset.users=60", "dataset.items=160", "train.epochs=1"]


def test_the_best_trial_becomes_an_experiment(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "fm-synthetic.yaml"
    words = [*TINY, "trials=4", f"out={out}", f"study={tmp_path / 'trials.db'}"]
    main_tune(words)
    shown = capsys.readouterr().out
    assert shown.count("AUC 0.") >= 4
    text = out.read_text(encoding="utf-8")
    assert text.startswith("# @package _global_\n# fm on synthetic: the best of 4 trials")
    assert "override /model: fm" in text
    # The same seed searches the same; a kept study is gone on with.
    again = tmp_path / "again.yaml"
    main_tune([*TINY, "trials=4", f"out={again}"])
    assert again.read_text(encoding="utf-8") == text
    main_tune([*TINY, "trials=2", f"out={again}", f"study={tmp_path / 'trials.db'}"])


def test_every_key_of_every_space_is_one_of_its_model() -> None:
    for name in MODELS:
        config = compose_config([f"model={name}"])
        if name == "mps":
            with pytest.raises(ConfigError, match="no settings"):
                space_of(config)
            continue
        space = space_of(config)
        wanted = SPACES.get(name, space)
        assert set(space) == set(wanted), name
        values = {key: entry.values[0] if isinstance(entry, Choice) else entry.low for key, entry in space.items()}
        words = [f"{key}={value}".replace(" ", "") for key, value in values.items()]
        typed(compose_config([f"model={name}", *words]))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["trials=0"], "trials must be at least 1"),
        (["trials=x"], "is no number"),
        (["vary=[train.lr,model.nonsense]"], "'model.nonsense' is not searched for fm"),
    ],
)
def test_what_tune_refuses(words: list[str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        main_tune([*TINY, *words])

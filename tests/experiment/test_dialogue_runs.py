"""EAR's protocol through the pipeline."""

import shutil
from pathlib import Path

import pandas as pd
import pytest

from magus_pyg.commands.simulate import main_simulate
from magus_pyg.commands.train import main_train
from magus_pyg.errors import ConfigError
from magus_pyg.experiment.pipeline import check_config
from magus_pyg.runs import load_run
from magus_pyg.runs.overrides import compose_config
from magus_pyg.runs.schemas import typed

FEW = ["simulation=ear", "simulation.dialogues=40", "simulation.fit_dialogues=30", "simulation.resamples=20"]


@pytest.mark.real_data
def test_lastfm_from_end_to_end(real_data_root: Path, tmp_path: Path) -> None:
    words = ["dataset=lastfm-ear", f"paths.data={real_data_root}", "train.epochs=1", *FEW]
    main_train([*words, f"paths.runs={tmp_path}"])
    (folder,) = tmp_path.iterdir()
    run = load_run(folder)
    assert run.results["method"].tolist() == ["items", "max_entropy", "magus", "bayes"]
    assert {"SR@5", "SR@10", "SR@15", "AT", "hDCG"} <= set(run.results)
    assert set(run.results["sessions"]) == {40}
    played = run.records.groupby("agent")["dialogue"].agg(lambda rows: sorted(set(rows)))
    assert all(rows == played.iloc[0] for rows in played)
    # Simulating again plays the same dialogues with what was fitted; another user is fitted for with refit.
    main_simulate([f"run={folder}"])
    again = pd.read_parquet(folder / "simulations" / "1" / "records.parquet")
    pd.testing.assert_frame_equal(again.drop(columns="shown"), run.records.drop(columns="shown"))
    main_simulate(
        [f"run={folder}", "user=noisy", "user.p=0.2", "refit=true", "agents=[bayes]", "simulation.refusals=false"]
    )
    assert (folder / "simulations" / "2" / "agents" / "ear_bayes.safetensors").is_file()


def test_a_run_of_sessions_can_play_dialogues(tiny_run: Path, tmp_path: Path) -> None:
    copy = tmp_path / "run"
    shutil.copytree(tiny_run, copy)
    main_simulate([f"run={copy}", *FEW, "agents=[items,bayes]", "simulation.rounds=6"])
    table = pd.read_csv(copy / "simulations" / "1" / "results.csv")
    assert table["method"].tolist() == ["items", "bayes"]
    assert "SR@5" in table
    assert "SR@10" not in table


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["user=not_care"], "truthful and noisy"),
        (["user=noisy", "user.p=0.5"], r"user\.p must be in"),
        (["agents=[magus+]"], "no agent 'magus\\+'"),
        (["agents=[items,items]"], "each once"),
        (["rivals.max_entropy.literal=true"], "literal=true is for sessions"),
        (["rivals.max_entropy.literal=true", "agents=[items,max_entropy]"], "add rivals.max_entropy.literal=false"),
        (["agents=[items,max_entropy_literal]"], "no agent 'max_entropy_literal'"),
        (["simulation.candidates=30"], "whole catalogue"),
        (["simulation.part=train"], "validation, test"),
        (["simulation.dialogues=-1"], "dialogues must be at least 0"),
    ],
)
def test_what_the_protocol_refuses(words: list[str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        check_config(typed(compose_config(["simulation=ear", *words])))

"""MAGUS+ and the Bayesian variant through the pipeline: fitted, stored, read back, played again."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
from safetensors.torch import load_file
from torch_geometric.data import HeteroData

import magus_pyg as mp
from magus_pyg.agents import BayesState
from magus_pyg.agents.variants import BayesVariant, PlusVariant
from magus_pyg.commands.simulate import main_simulate
from magus_pyg.data import RecDataset, Sessions
from magus_pyg.experiment import agent_plays
from magus_pyg.experiment.pipeline import idle_click_weight
from magus_pyg.runs import load_run
from magus_pyg.runs.overrides import compose_config
from magus_pyg.runs.schemas import typed


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory: pytest.TempPathFactory, trainer: Callable[..., Path]) -> Path:
    """MAGUS+ and bayes in one run."""
    runs = tmp_path_factory.mktemp("variants")
    return trainer(runs, "magus=plus", "agents=[items,magus,magus+,bayes]", "magus.training.epochs=1")


def test_all_agents_play_the_same_sessions(run_folder: Path) -> None:
    run = load_run(run_folder)
    assert run.results["method"].tolist() == ["items", "magus", "magus+", "bayes"]
    assert run.variant == "plus"
    sessions = [set(rows["session"]) for _, rows in run.records.groupby("agent")]
    assert all(entry == sessions[0] for entry in sessions)
    horizons = run.records.groupby("agent")["horizon"].unique()
    assert sorted(horizons["bayes"]) == [3, 5]  # it plans, so it plays a run of K rounds for every K
    assert list(horizons["magus+"]) == [5]


def test_what_was_fitted_is_read_back(run_folder: Path) -> None:
    run = load_run(run_folder)
    factors, state = run.edge_factors, run.bayes_state
    assert factors is not None
    assert factors.positive.shape[0] == run.graph["node"].num_nodes
    assert state is not None
    assert state.temperature > 0
    assert run.state_for("base") is None
    forms = pd.read_csv(run_folder / "magus+-tried.csv")
    assert len(forms) > 20
    assert forms["objective"].is_monotonic_decreasing


def test_simulating_again_gives_the_same_rows(run_folder: Path, tmp_path: Path) -> None:
    copy = tmp_path / "run"
    shutil.copytree(run_folder, copy)
    main_simulate([f"run={copy}"])
    again = pd.read_parquet(copy / "simulations" / "1" / "records.parquet")
    pd.testing.assert_frame_equal(again, load_run(run_folder).records)


@pytest.mark.parametrize("variant", ["plus", "bayes"])
def test_a_session_of_the_run_lists_what_the_simulation_listed(run_folder: Path, variant: str) -> None:
    run = load_run(run_folder)
    agent = {"plus": "magus+", "bayes": "bayes"}[variant]
    row = run.records[(run.records["agent"] == agent) & (run.records["horizon"] == 5)].iloc[0]
    data = run.dataset()
    sessions = mp.data.build_sessions(data, "test", run.config.sessions, run.config.seed)
    place = int((sessions.id == row["session"]).nonzero()[0])
    items = [data.item_ids[item] for item in sessions.candidates[place].tolist() if item >= 0]
    user_id = data.user_ids[row["user"]]
    session = mp.MagusSession(
        run.graph,
        run.scores(user_id),
        variant,
        candidates=items,
        min_items=0,
        searched=run.searched_queries(user_id),
        state=run.state_for(variant),
        options=run.magus_options,
    )
    assert [entry.node for entry in session.recommend()] == list(row["shown"])


def test_from_run_takes_the_runs_variant(run_folder: Path) -> None:
    run = load_run(run_folder)
    session = mp.MagusSession.from_run(run_folder, run.user_ids[0])
    assert session.variant == "plus"
    assert len(session.recommend()) == 3


def test_noisy_and_careless_users_by_name(run_folder: Path, tmp_path: Path) -> None:
    copy = tmp_path / "run"
    shutil.copytree(run_folder, copy)
    main_simulate([f"run={copy}", "user=noisy", "user.p=0.2", "agents=[bayes]"])
    noisy = pd.read_parquet(copy / "simulations" / "1" / "records.parquet")
    truthful = load_run(run_folder).records
    assert not noisy["clicked"].equals(truthful[truthful["agent"] == "bayes"]["clicked"].reset_index(drop=True))
    main_simulate([f"run={copy}", "user=not_care", "sessions.min_targets=2", "agents=[items,magus]"])
    with pytest.raises(mp.ConfigError, match=r"Not Care with single-target sessions.*sessions\.min_targets=2"):
        main_simulate([f"run={copy}", "user=not_care", "agents=[items]"])


def test_no_test_sessions_is_an_error_before_training(
    tmp_path: Path, trainer: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    """No part has so many positives of a user: nothing is trained, and nothing left."""
    with pytest.raises(mp.DataError, match="no user gets a test session"):
        trainer(tmp_path, "magus=bayes", "sessions.min_targets=29", "sessions.max_targets=29")
    assert "epoch" not in capsys.readouterr().out
    assert not list(tmp_path.iterdir())


def test_no_validation_sessions_is_said(
    tmp_path: Path, trainer: Callable[..., Path], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The fit says what it plays with."""
    made = agent_plays.playable_sessions

    def none_of_validation(data: RecDataset, graph: HeteroData, part: str, *others: Any) -> Sessions:
        if part == "validation":
            raise mp.DataError("no user gets a validation session")
        return made(data, graph, part, *others)

    monkeypatch.setattr(agent_plays, "playable_sessions", none_of_validation)
    trainer(tmp_path, "magus=bayes")
    assert (
        "no validation sessions to fit magus=bayes on; it plays with temperature 1, error rate 0, "
        in capsys.readouterr().out
    )


def test_weights_of_another_graph(run_folder: Path, tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    copy = tmp_path / "run"
    shutil.copytree(run_folder, copy)
    path = copy / "agents" / "magus+.safetensors"
    state = load_file(path)
    save_file({**state, "positive": state["positive"][:-1].contiguous()}, path, {"agent": "magus+"})
    with pytest.raises(mp.MagusError):
        main_simulate([f"run={copy}", "agents=[magus+]"])


@pytest.mark.parametrize(
    ("variant", "message"),
    [
        (BayesVariant(error_rate=0.5), r"error_rate must be in \[0, 0.5\)"),
        (BayesVariant(discount=0.0), r"magus\.discount must be in \(0, 1\] \(got 0\.0\)"),
        (BayesVariant(discount=float("nan")), r"magus\.discount must be a finite number"),
        (BayesVariant(forgetting=1.0), r"magus\.forgetting must be in \[0, 1\)"),
        (BayesVariant(forgetting=0.2, discount=1.0), r"magus\.forgetting=0\.2 needs magus\.discount below 1"),
        (BayesVariant(click_weight=-0.1), r"magus\.click_weight must be at least 0"),
        (BayesVariant(targets=0.5), r"magus\.targets must be at least 1"),
        (BayesVariant(objective="clicks"), r"magus\.objective must be one of success, balanced"),
        (BayesVariant(temperature=0.0), "temperature must be above 0"),
        (PlusVariant(weights="learned"), "weights must be one of"),
        (PlusVariant(negative="no"), "negative must be one of"),
    ],
)
def test_options_out_of_range(variant: BayesVariant | PlusVariant, message: str) -> None:
    with pytest.raises(mp.ConfigError, match=message):
        variant.check()


def test_a_matrix_of_scores_needs_no_model() -> None:
    items = pd.DataFrame({"item_id": ["a", "b", "c"], "kind": ["x", "x", "y"]})
    graph = mp.build_relational_graph(items, ["kind"])
    session = mp.MagusSession(graph, torch.tensor([0.1, 0.2, 0.3]), "bayes", list_length=1, rounds=3)
    assert not session.done
    with pytest.raises(mp.ConfigError, match="takes no state of the kind BayesState"):
        mp.MagusSession(graph, torch.tensor([0.1, 0.2, 0.3]), "base", state=mp.BayesState())


def test_simulate_fits_what_the_run_never_fitted(tiny_run: Path, tmp_path: Path) -> None:
    copy = tmp_path / "run"
    shutil.copytree(tiny_run, copy)
    words = [f"run={copy}", "agents=[items,bayes]", "simulation.candidates=12"]
    main_simulate(words)
    first, second = copy / "simulations" / "1", copy / "simulations" / "2"
    assert (first / "agents" / "bayes.safetensors").is_file()
    records = pd.read_parquet(first / "records.parquet")
    assert set(records["n_candidates"]) == {12}
    main_simulate(words)
    pd.testing.assert_frame_equal(records, pd.read_parquet(second / "records.parquet"))


def test_refit_learns_for_the_user_at_hand(
    run_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = tmp_path / "run"
    shutil.copytree(run_folder, copy)
    words = [f"run={copy}", "agents=[bayes]", "user=noisy", "user.p=0.3"]
    main_simulate(words)
    main_simulate([*words, "refit=true"])
    assert not (copy / "simulations" / "1" / "agents").exists()
    fitted = load_file(copy / "simulations" / "2" / "agents" / "bayes.safetensors")
    stored = load_file(copy / "agents" / "bayes.safetensors")
    fitted_state, stored_state = BayesState.of_tensors(fitted), BayesState.of_tensors(stored)
    assert (fitted_state.user.split(" (")[0], stored_state.user) == ("noisy user", "truthful user")
    assert replace(fitted_state, user=stored_state.user) != stored_state
    # What was fitted for another user, or other rounds, is played, and said.
    shown = " ".join(capsys.readouterr().out.split())
    assert "bayes was fitted for the truthful user and 3 and 5 rounds; it plays with the noisy user (p = 0.3" in shown
    assert shown.count("refit=true fits it for these") == 1


def test_both_objectives(run_folder: Path, tmp_path: Path) -> None:
    copy = tmp_path / "run"
    shutil.copytree(run_folder, copy)
    main_simulate([f"run={copy}", "magus=bayes", "magus.objective=balanced", "agents=[bayes,bayes-balanced]"])
    folder = copy / "simulations" / "1"
    assert pd.read_csv(folder / "results.csv")["method"].tolist() == ["bayes", "bayes-balanced"]
    assert sorted(pd.read_parquet(folder / "records.parquet")["agent"].unique()) == ["bayes", "bayes-balanced"]
    state = BayesState.of_tensors(load_file(folder / "agents" / "bayes-balanced.safetensors"))
    assert (state.click_weight, state.rounds, state.user) == (0.2, (3, 5), "truthful user")
    assert state.targets > 1.0
    # What is set counts over what was fitted, and has to go together with it; a click weight goes with its objective.
    with pytest.raises(mp.ConfigError, match="needs a discount below 1"):
        BayesVariant(forgetting=0.3).over(BayesState(), "success").check()
    set_here = BayesVariant(objective="balanced", click_weight=0.15, discount=0.7)
    assert set_here.over(state, "balanced") == replace(state, click_weight=0.15, discount=0.7)
    assert set_here.over(state, "success").click_weight == 0.0


def test_the_whole_catalogue(run_folder: Path, tmp_path: Path) -> None:
    copy = tmp_path / "run"
    shutil.copytree(run_folder, copy)
    main_simulate([f"run={copy}", "agents=[items,bayes]", "simulation.candidates=all", "simulation.rounds=8"])
    records = pd.read_parquet(copy / "simulations" / "1" / "records.parquet")
    assert int(records["n_candidates"].max()) > 100  # 160 items less those that the user touched in other ways


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["magus.click_weight=0.4", "agents=[items,bayes-balanced]"], "counts for bayes alone"),
        (["magus.click_weight=0.4", "magus.objective=balanced", "agents=[bayes]"], "counts for bayes-balanced alone"),
        (["magus.click_weight=0.4", "magus.objective=balanced", "agents=[bayes-balanced]"], ""),
        (["magus.click_weight=0.4", "agents=[bayes,bayes-balanced]"], ""),
        (["magus.click_weight=0.4", "agents=[items]"], ""),
        (["agents=[bayes-balanced]"], ""),
    ],
)
def test_a_weight_of_clicks_that_counts_for_nobody_is_said(words: list[str], told: str) -> None:
    said = idle_click_weight(typed(compose_config(["magus=bayes", *words])))
    assert told in said
    assert bool(said) == bool(told)

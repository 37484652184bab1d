"""The rivals through the pipeline: trained, stored, read back, played again; what is refused."""

from pathlib import Path

import pandas as pd
import pytest

from magus_pyg.agents.methods import METHODS
from magus_pyg.agents.rivals.rival_fitting import folded_sessions
from magus_pyg.commands.simulate import main_simulate
from magus_pyg.commands.train import main_train
from magus_pyg.errors import DataError, RunError
from magus_pyg.experiment.agents_by_name import agent_context
from magus_pyg.runs import load_run

RIVALS = ["recurrent", "max_entropy", "crm", "ear"]
SHORT = [
    "dataset.users=60", "dataset.items=160", "dataset.brands=8", "train.epochs=1", "simulation.resamples=50",
    "rivals.folds=2", "rivals.per_user=1", "rivals.recurrent.epochs=1", "rivals.recurrent.steps=2",
    "rivals.crm.imitation_epochs=1", "rivals.crm.epochs=1", "rivals.crm.steps=2", "rivals.crm.rollouts=2",
    "rivals.ear.imitation_epochs=1", "rivals.ear.epochs=1", "rivals.ear.steps=2", "rivals.ear.rollouts=2",
    "rivals.ear.estimation_epochs=1", "rivals.ear.reflection_rates=[0.3]",
]  # fmt: skip


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    runs = tmp_path_factory.mktemp("rivals")
    main_train([*SHORT, f"paths.runs={runs}", f"agents=[items,{','.join(RIVALS)}]"])
    (path,) = runs.glob("*")
    return path


def test_all_rivals_play_the_same_sessions(run_folder: Path) -> None:
    run = load_run(run_folder)
    assert run.results["method"].tolist() == ["items", *RIVALS]
    assert set(run.agent_states) == set(RIVALS)
    sessions = [set(rows["session"]) for _, rows in run.records.groupby("agent")]
    assert all(entry == sessions[0] for entry in sessions)
    horizons = run.records.groupby("agent")["horizon"].unique()
    assert list(horizons["recurrent"]) == [5]
    assert all(sorted(horizons[name]) == [3, 5] for name in ("max_entropy", "crm", "ear"))
    for name in RIVALS:
        assert len(pd.read_csv(run_folder / f"{name}-tried.csv"))


def test_playing_again_gives_the_same_rows(run_folder: Path) -> None:
    main_simulate([f"run={run_folder}"])
    again = pd.read_parquet(run_folder / "simulations" / "1" / "records.parquet")
    pd.testing.assert_frame_equal(again, load_run(run_folder).records)


@pytest.mark.parametrize("name", ["recurrent", "crm", "ear"])
def test_what_has_learned_nothing_cannot_play(run_folder: Path, name: str) -> None:
    run = load_run(run_folder)
    with pytest.raises(RunError, match=f"{name} has learned nothing in this run"):
        METHODS[name].build(agent_context(run.config, run.graph, run.model), {})


def test_max_entropy_plays_with_its_defaults_and_says_so(run_folder: Path) -> None:
    run, said = load_run(run_folder), list[str]()
    agent = METHODS["max_entropy"].build(agent_context(run.config, run.graph, run.model, say=said.append), {})
    assert agent.name == "max_entropy"
    assert "not fitted in this run" in said[0]


def test_no_user_with_a_training_session_is_a_clear_error(run_folder: Path) -> None:
    run = load_run(run_folder)

    def nobody(fold: int, folds: int, per_user: int):  # type: ignore[no-untyped-def]
        raise DataError("no user gets a train session")

    context = agent_context(run.config, run.graph, run.model, rows=lambda: None, fold_sessions=nobody)  # type: ignore[arg-type, return-value]
    with pytest.raises(DataError, match=r"the learned rivals \(recurrent, crm, ear\) need training sessions"):
        folded_sessions(context)

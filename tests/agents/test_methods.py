"""The table of methods: what follows from it, and a method of the user's own through run, records and reports."""

import json
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest

from magus_pyg.agents import BayesAgent, BayesState
from magus_pyg.agents.context import AgentContext
from magus_pyg.agents.fitted_states import AgentState
from magus_pyg.agents.methods import (
    METHODS,
    VARIANTS,
    Method,
    check_names,
    check_variant,
    fitted_for_sessions,
    method_named,
    method_rank,
    played_by,
)
from magus_pyg.agents.variants import BaseVariant, BayesVariant, NoneVariant, PlusVariant
from magus_pyg.commands.train import main_train
from magus_pyg.dialogues.dialogue_methods import DIALOGUE_METHODS, dialogue_method
from magus_pyg.errors import ConfigError
from magus_pyg.report import build_table, pool_plays, read_plays
from magus_pyg.report.figures.style import look_of
from magus_pyg.report.method_labels import method_of
from magus_pyg.report.series import unplanned_rounds
from magus_pyg.runs import load_run
from magus_pyg.simulation import Agent


def test_what_the_variants_play() -> None:
    assert VARIANTS == {"none": "items", "base": "magus", "plus": "magus+", "bayes": "bayes"}
    assert played_by(NoneVariant()) == ["items"]
    assert played_by(BaseVariant()) == ["items", "magus"]
    assert played_by(PlusVariant()) == ["items", "magus", "magus+"]
    assert played_by(BayesVariant()) == ["items", "magus", "bayes"]
    assert played_by(BayesVariant(objective="balanced")) == ["items", "magus", "bayes-balanced"]
    assert fitted_for_sessions(BayesVariant(objective="balanced"), "bayes") == ["bayes-balanced", "bayes"]
    assert fitted_for_sessions(PlusVariant(), "bayes") == ["bayes", "bayes-balanced"]
    assert fitted_for_sessions(BayesVariant(), "plus") == ["magus+"]


def test_no_two_methods_look_or_are_called_alike() -> None:
    for facts in ("label", "short", "colour", "marker"):
        values = [getattr(method, facts) for method in METHODS.values()]
        assert len(set(values)) == len(METHODS), facts
    assert all(look_of(name).colour == method.colour for name, method in METHODS.items())
    assert {name for name, method in METHODS.items() if method.plans} == {
        "bayes", "bayes-balanced", "max_entropy", "crm", "ear",
    }  # fmt: skip
    assert set(DIALOGUE_METHODS) <= set(METHODS)


def test_what_is_not_in_the_table_is_refused_with_the_list() -> None:
    listed = ", ".join(METHODS)
    with pytest.raises(ConfigError, match="there is no agent 'bays', did you mean 'bayes'") as error:
        method_named("bays")
    assert listed in str(error.value)
    with pytest.raises(ConfigError, match="no agent 'crm'; there are items, max_entropy, magus, bayes"):
        dialogue_method("crm")
    with pytest.raises(ConfigError, match="no agent 'magu', did you mean 'magus'"):
        dialogue_method("magu")
    with pytest.raises(ConfigError, match=r"variant must be one of .*got 'baes', did you mean 'bayes'"):
        check_variant("baes", None)
    with pytest.raises(ConfigError, match="each once"):
        check_names(["items", "items"])
    with pytest.raises(ConfigError, match="at least one"):
        check_names([])


def _build(context: AgentContext, state: AgentState) -> Agent:
    agent = BayesAgent(context.graph, context.model, BayesState(discount=0.9))
    agent.name = "planner"
    return agent


@pytest.fixture
def planner() -> Iterator[str]:
    METHODS["planner"] = Method("{base}+Planner", "Planner", "own", _build, plans=True)
    yield "planner"
    METHODS.pop("planner", None)


def test_a_planning_method_of_ones_own(planner: str, tmp_path: Path) -> None:
    words = ["dataset.users=60", "dataset.items=160", "dataset.brands=8", "train.epochs=1", "simulation.resamples=50"]
    main_train([*words, f"paths.runs={tmp_path}", "agents=[items,planner]"])
    (path,) = tmp_path.glob("*")
    records = pd.read_parquet(path / "records.parquet").groupby("agent")["horizon"].unique()
    assert sorted(records["planner"]) == [3, 5]
    assert list(records["items"]) == [5]
    here = _planned(path)
    assert here == ("{base}+Planner", "Planner", "own", True)
    # Another process knows what the run folder keeps of the entry.
    del METHODS["planner"]
    assert _planned(path) == here
    pools = {pool.method: pool for pool in pool_plays(read_plays(path))}
    assert unplanned_rounds(pools["planner"], [2, 3, 5]) == [2]
    assert unplanned_rounds(pools["items"], [2, 3, 5]) == []
    table = build_table(list(pools.values()), title="", resamples=50)
    assert "FM+Planner" in set(table.frame["row"])
    assert load_run(path).results["method"].tolist() == ["items", "planner"]
    # A folder of release 0.1.0 keeps nothing of it: that it has played for several K says that it plans.
    info = json.loads((path / "run.json").read_text())
    assert set(info.pop("methods")) == {"items", "planner"}
    (path / "run.json").write_text(json.dumps(info))
    assert _planned(path) == ("{base}+planner", "planner", "rival", True)


def _planned(path: Path) -> tuple[str, str, str, bool]:
    (play,) = [play for play in read_plays(path) if play.method == "planner"]
    return play.entry.label, play.entry.short, play.entry.role, play.entry.plans


def test_a_method_that_only_a_run_folder_knows_is_not_built() -> None:
    entry = method_of("mine")
    assert (entry.short, entry.role, entry.plans) == ("mine", "rival", False)
    with pytest.raises(ConfigError, match="enter it in METHODS"):
        entry.build(None, {})  # type: ignore[arg-type]


def test_methods_of_ones_own_stand_before_magus(planner: str) -> None:
    order = sorted([*METHODS, "unknown"], key=method_rank)
    assert order[-1] == "items"
    assert order.index("ear") < order.index("planner") < order.index("unknown") < order.index("magus")

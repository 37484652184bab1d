"""`normalised` by name: λ chosen on validation sessions, kept with the run, or set."""

from dataclasses import replace

import pytest
import torch
from told_progress import ToldProgress

from magus_pyg.agents import MagusAgent, MagusOptions
from magus_pyg.agents.context import AgentContext
from magus_pyg.agents.methods import METHODS
from magus_pyg.agents.normalised_fitting import MIXINGS
from magus_pyg.agents.variants import BaseVariant
from magus_pyg.errors import RunError
from magus_pyg.simulation import session_metrics, simulate
from magus_pyg.testing import small_graph, small_scores, small_sessions


def context_of(said: list[str] | None = None, sessions: bool = True, **switches: object) -> AgentContext:
    """Of the small catalogue; its "validation" sessions are the small sessions."""
    chosen = small_sessions() if sessions else small_sessions().take(torch.zeros(0, dtype=torch.int64))
    variant = BaseVariant(**switches)  # type: ignore[arg-type]
    say = (said if said is not None else []).append
    return AgentContext(small_graph(), small_scores(), variant, sessions=lambda part: chosen, say=say)  # type: ignore[arg-type]


def agent_of(name: str, context: AgentContext, state: dict[str, torch.Tensor]) -> MagusAgent:
    agent = METHODS[name].build(context, state)
    assert isinstance(agent, MagusAgent)
    return agent


def test_lambda_is_the_best_on_validation_sessions() -> None:
    said: list[str] = []
    context = context_of(said)
    fit = METHODS["normalised"].fit
    assert fit is not None
    progress = ToldProgress()
    state = fit(replace(context, progress=progress))
    assert progress.calls == [(number, len(MIXINGS)) for number in range(len(MIXINGS))]
    best = {}
    for value in MIXINGS:
        options = MagusOptions(propagation="normalised", mixing=value)
        log = simulate(MagusAgent(context.graph, small_scores(), options), small_sessions(), rounds=5)
        metrics = session_metrics(log).mean(numeric_only=True)
        best[value] = (metrics["SA@3"] + metrics["SA@5"]) / 2 + 1e-4 * (metrics["RA@3"] + metrics["RA@5"]) / 2
    chosen = float(state["mixing"])
    assert best[chosen] == pytest.approx(max(best.values()))
    assert sorted(context.tables["normalised"]["mixing"]) == sorted(MIXINGS)
    assert said == [f"normalised: λ = {chosen:g}"]
    agent = agent_of("normalised", context, state)
    assert agent.options.mixing == chosen
    assert agent.options.propagation == "normalised"
    assert agent.name == "normalised"


def test_lambda_that_is_set_stays() -> None:
    said: list[str] = []
    context = context_of(said, mixing=0.25, negative="signed", clamp=True, hops=2)
    fit = METHODS["normalised"].fit
    assert fit is not None
    assert float(fit(context)["mixing"]) == 0.25
    assert not context.tables
    options = agent_of("normalised", context, {"mixing": torch.tensor(0.9)}).options
    assert options == MagusOptions(hops=2, propagation="normalised", mixing=0.25)


def test_without_validation_sessions_and_without_a_fit() -> None:
    said: list[str] = []
    context = context_of(said, sessions=False)
    fit = METHODS["normalised"].fit
    assert fit is not None
    assert float(fit(context)["mixing"]) == 0.5
    assert said[0] == "there are no validation sessions to choose λ on: normalised plays with 0.5"
    assert agent_of("normalised", context, {}).options.mixing == 0.5
    with pytest.raises(RunError, match="lacks mixing"):
        METHODS["normalised"].build(context, {"lambda": torch.tensor(0.5)})


def test_magus_with_the_switch_plays_as_the_agent() -> None:
    context = context_of(propagation="normalised", mixing=0.7)
    first, second = (
        simulate(METHODS[name].build(context, {}), small_sessions(), rounds=4)["shown"].tolist()
        for name in ("magus", "normalised")
    )
    assert first == second

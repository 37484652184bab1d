"""The agent `normalised`: MAGUS with the formula of App. B.1 and B.3, its λ chosen on validation sessions."""

from dataclasses import replace

import pandas as pd
import torch

from magus_pyg.agents import MagusAgent, MagusOptions
from magus_pyg.agents.fitted_states import AgentState
from magus_pyg.agents.magus_options import DEFAULT_MIXING
from magus_pyg.errors import RunError
from magus_pyg.experiment.context import AgentContext
from magus_pyg.experiment.variants import validation_judge
from magus_pyg.simulation import Agent

__all__ = ["MIXINGS", "build_normalised", "fit_normalised"]

NAME = "normalised"
MIXINGS = (0.01, 0.03, 0.1, 0.2, 0.3, 0.5, 0.7, 0.9, 0.97, 0.99)
"""The λ that are tried."""


def _options(context: AgentContext, mixing: float | None = None) -> MagusOptions:
    """The run's switches, without those of Eq. (9); the λ that is set there, else `mixing`."""
    options = context.config.magus_options
    chosen = mixing if options.mixing is None else options.mixing
    return replace(options, propagation="normalised", mixing=chosen, clamp=False, negative="zero").check()


def _agent(context: AgentContext, mixing: float | None = None) -> MagusAgent:
    return MagusAgent(context.graph, context.model, _options(context, mixing), name=NAME)


def fit_normalised(context: AgentContext) -> AgentState:
    """Choose λ on validation sessions; `magus.mixing` stays where it is set.

    The table of all λ tried goes to `context.tables["normalised"]`; of equals the smallest is chosen.
    """
    mixing = _options(context).mixing
    if mixing is None:
        judge = validation_judge(context, plans=False)
        mixing = DEFAULT_MIXING
        if len(judge.sessions):
            table = pd.DataFrame([{"mixing": value, **judge(_agent(context, value))} for value in MIXINGS])
            table = table.sort_values("objective", ascending=False, kind="stable", ignore_index=True)
            context.tables[NAME] = table
            mixing = float(table["mixing"].iloc[0])
        else:
            context.say(f"there are no validation sessions to choose λ on: {NAME} plays with {mixing}")
    context.say(f"{NAME}: λ = {mixing:g}")
    return {"mixing": torch.tensor(mixing, dtype=torch.float64)}


def build_normalised(context: AgentContext, state: AgentState) -> Agent:
    """The agent, with the λ that is set, else the one that `fit_normalised` chose, else 1/2.

    Raises:
        RunError: what is stored is not what this version stores.
    """
    if state and "mixing" not in state:
        raise RunError("what normalised chose in the run lacks its mixing: train with agents=[normalised] again")
    return _agent(context, float(state["mixing"]) if state else DEFAULT_MIXING)

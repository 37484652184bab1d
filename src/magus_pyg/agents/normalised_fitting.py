"""The agent `normalised`: MAGUS with the formula of App. B.1 and B.3, its λ chosen on validation sessions."""

from dataclasses import dataclass, replace
from typing import ClassVar

import pandas as pd
from torch_geometric.data import HeteroData

from magus_pyg.agents.context import AgentContext
from magus_pyg.agents.fitted_states import AgentState, FittedValues, Rules
from magus_pyg.agents.judging import Judge
from magus_pyg.agents.magus import MagusAgent
from magus_pyg.agents.magus_options import DEFAULT_MIXING, MagusOptions
from magus_pyg.agents.variant_fitting import validation_judge
from magus_pyg.models import BaseRecommender
from magus_pyg.options import between
from magus_pyg.simulation import Agent

__all__ = ["MIXINGS", "NormalisedState", "build_normalised", "fit_normalised"]

NAME = "normalised"
MIXINGS = (0.01, 0.03, 0.1, 0.2, 0.3, 0.5, 0.7, 0.9, 0.97, 0.99)
"""The λ that are tried."""


@dataclass
class NormalisedState(FittedValues):
    """What `normalised` chooses on validation sessions.

    Attributes:
        mixing: λ, in [0, 1).
    """

    called: ClassVar[str] = "what normalised chose in the run"
    rules: ClassVar[Rules] = {"mixing": between(0, 1, "[)")}
    mixing: float = DEFAULT_MIXING


def _options(context: AgentContext, mixing: float | None = None) -> MagusOptions:
    """The run's switches, without those of Eq. (9); the λ that is set there, else `mixing`."""
    options = context.magus_options
    chosen = mixing if options.mixing is None else options.mixing
    return replace(options, propagation="normalised", mixing=chosen, clamp=False, negative="zero").check()


def _agent(context: AgentContext, mixing: float | None = None) -> MagusAgent:
    return MagusAgent(context.graph, context.model, _options(context, mixing), name=NAME)


def _judged(shared: tuple[HeteroData, BaseRecommender, Judge], options: MagusOptions) -> dict[str, float]:
    graph, model, judge = shared
    return judge(MagusAgent(graph, model, options, name=NAME))


def fit_normalised(context: AgentContext) -> AgentState:
    """Choose λ on validation sessions; `magus.mixing` stays where it is set.

    The table of all λ tried goes to `context.tables["normalised"]`; of equals the smallest is chosen.
    """
    mixing = _options(context).mixing
    if mixing is None:
        judge = validation_judge(context, plans=False)
        mixing = DEFAULT_MIXING
        if len(judge.sessions):
            rows: list[dict[str, float]] = []
            trials = [_options(context, value) for value in MIXINGS]
            shared = (context.graph, context.model, judge)
            judged = context.engine.map(_judged, shared, trials)
            for done, value in enumerate(MIXINGS):
                context.progress(done, len(MIXINGS), "")
                rows.append({"mixing": value, **next(judged)})
            table = pd.DataFrame(rows)
            table = table.sort_values("objective", ascending=False, kind="stable", ignore_index=True)
            context.tables[NAME] = table
            mixing = float(table["mixing"].iloc[0])
        else:
            context.say(f"there are no validation sessions to choose λ on: {NAME} plays with {mixing}")
    context.say(f"{NAME}: λ = {mixing:g}")
    return NormalisedState(mixing).tensors()


def build_normalised(context: AgentContext, state: AgentState) -> Agent:
    """The agent, with the λ that is set, else the one that `fit_normalised` chose, else 1/2.

    Raises:
        RunError: what is stored is not what this version stores.
    """
    fitted = NormalisedState.of_tensors(state) if state else NormalisedState()
    return _agent(context, fitted.mixing)

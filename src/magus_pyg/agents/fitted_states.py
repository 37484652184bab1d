"""What agents learned beyond the base recommender, as tensors, and read back from them."""

from dataclasses import asdict, fields
from typing import Any

from torch import Tensor

from magus_pyg.agents.bayes.belief import BayesState
from magus_pyg.agents.magus import EdgeFactors
from magus_pyg.errors import RunError

__all__ = ["AgentState", "bayes_state", "plus_factors"]


AgentState = dict[str, Tensor]


def plus_factors(state: AgentState) -> EdgeFactors:
    """The factors that `fit_plus` stored.

    Raises:
        RunError: what is stored is not what this version stores.
    """
    missing = {"positive", "negative", "minus_scale", "refusal"} - set(state)
    if missing:
        raise RunError(f"the learned weights of the run lack {', '.join(sorted(missing))}: train with magus=plus again")
    return EdgeFactors(state["positive"], state["negative"], float(state["minus_scale"]), float(state["refusal"]))


def bayes_state(state: AgentState) -> BayesState:
    """The state that `fit_bayes_state` stored; the defaults where nothing was.

    Raises:
        RunError: what is stored is not what this version stores.
    """
    if not state:
        return BayesState()
    missing = {entry.name for entry in fields(BayesState)} - set(state)
    if missing:
        raise RunError(f"what bayes fitted in the run lacks {', '.join(sorted(missing))}: train with magus=bayes again")
    values: dict[str, Any] = {name: float(state[name]) for name in asdict(BayesState())}
    return BayesState(**{**values, "depth": int(values["depth"])})

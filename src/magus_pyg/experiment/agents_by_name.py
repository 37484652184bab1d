"""The agents by name, and which of them each variant of MAGUS plays.

A new agent is one line in `AGENTS`: how it is built and, if it learns something beyond the base recommender, how that
is fitted. What is fitted is a dict of tensors; it is saved in the run folder and given to `build` again later.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from difflib import get_close_matches

from magus_pyg.agents import ItemsAgent, MagusAgent, StaticAgent
from magus_pyg.agents.fitted_states import AgentState
from magus_pyg.errors import ConfigError
from magus_pyg.experiment.context import AgentContext
from magus_pyg.experiment.learning import with_learning
from magus_pyg.experiment.normalised_fitting import build_normalised, fit_normalised
from magus_pyg.experiment.rival_fitting import (
    build_crm,
    build_ear,
    build_max_entropy,
    build_recurrent,
    fit_crm_state,
    fit_ear_state,
    fit_max_entropy_state,
    fit_recurrent_state,
)
from magus_pyg.experiment.variants import build_bayes, build_plus, fit_bayes_state, fit_plus
from magus_pyg.runs.config import Config
from magus_pyg.simulation import Agent

__all__ = ["AGENTS", "VARIANTS", "AgentContext", "AgentEntry", "AgentState", "agent_names"]


@dataclass(frozen=True)
class AgentEntry:
    """One agent.

    Attributes:
        build: makes it from the context and what was fitted.
        fit: learns what `build` takes, or None where nothing is learned.
        plans: whether it plans for the rounds left; it then plays a run of K rounds for every K it is judged at.
    """

    build: Callable[[AgentContext, AgentState], Agent]
    fit: Callable[[AgentContext], AgentState] | None = None
    plans: bool = False


AGENTS: dict[str, AgentEntry] = {
    "items": AgentEntry(lambda context, state: ItemsAgent(context.graph, context.model)),
    "static": AgentEntry(
        lambda context, state: StaticAgent(context.graph, context.model, context.config.magus_options)
    ),
    "magus": AgentEntry(lambda context, state: MagusAgent(context.graph, context.model, context.config.magus_options)),
    "normalised": AgentEntry(build_normalised, fit_normalised),
    "magus+": AgentEntry(build_plus, fit_plus),
    "bayes": AgentEntry(build_bayes, fit_bayes_state, plans=True),
    "recurrent": AgentEntry(build_recurrent, fit_recurrent_state),
    "max_entropy": AgentEntry(build_max_entropy, fit_max_entropy_state, plans=True),
    "crm": AgentEntry(build_crm, fit_crm_state, plans=True),
    "ear": AgentEntry(build_ear, fit_ear_state, plans=True),
}
# Every agent's base recommender can learn between sessions (magus.learn=per_session).
AGENTS = {name: replace(entry, build=with_learning(entry.build)) for name, entry in AGENTS.items()}

#: The agents of each variant (`magus=none|base|plus|bayes`), in the order of the table.
VARIANTS: dict[str, tuple[str, ...]] = {
    "none": ("items",),
    "base": ("items", "magus"),
    "plus": ("items", "magus", "magus+"),
    "bayes": ("items", "magus", "bayes"),
}


def agent_names(config: Config) -> list[str]:
    """The agents that a configuration plays.

    Raises:
        ConfigError: an unknown agent, none, or one named twice.
    """
    if config.agents is None:
        return list(VARIANTS[config.magus.name])
    for name in config.agents:
        if name not in AGENTS:
            close = get_close_matches(name, AGENTS, n=1)
            hint = f", did you mean {close[0]!r}?" if close else ""
            raise ConfigError(f"there is no agent {name!r}{hint}; there are {', '.join(AGENTS)}")
    if not config.agents or len(set(config.agents)) < len(config.agents):
        raise ConfigError(f"agents must name at least one agent, each once (got {config.agents})")
    return list(config.agents)

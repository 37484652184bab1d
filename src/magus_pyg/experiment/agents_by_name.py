"""The agents of a configuration: which are played, what they are fitted on, and how they are built."""

from collections.abc import Callable
from typing import Any

from torch_geometric.data import HeteroData

from magus_pyg.agents.context import AgentContext
from magus_pyg.agents.fitted_states import AgentState
from magus_pyg.agents.methods import check_names, method_named, played_by
from magus_pyg.experiment.learning import learning_agent
from magus_pyg.models import BaseRecommender
from magus_pyg.runs.config import Config
from magus_pyg.simulation import Agent

__all__ = ["agent_context", "agent_names", "build_agent"]


def agent_names(config: Config) -> list[str]:
    """The agents that a configuration plays; with `rivals.max_entropy.literal` that one is the literal one.

    Raises:
        ConfigError: an unknown agent, none, or one named twice.
    """
    if config.agents is None:
        return played_by(config.magus)
    for name in config.agents:
        method_named(name)
    names = check_names(config.agents)
    if config.rivals.max_entropy.literal:
        names = list(dict.fromkeys("max_entropy_literal" if name == "max_entropy" else name for name in names))
    return names


def agent_context(config: Config, graph: HeteroData, model: BaseRecommender, **given: Any) -> AgentContext:
    """What the agents of a run are fitted on and built from; `given`: what the configuration does not hold."""
    return AgentContext(
        graph,
        model,
        variant=config.magus,
        rivals=config.rivals,
        simulation=config.simulation,
        train=config.train,
        user=config.user,
        seed=config.seed,
        **given,
    )


def build_agent(name: str, context: AgentContext, state: AgentState, config: Config) -> Agent:
    """An agent by name; with `magus.learn=per_session` its base recommender learns between sessions."""
    build: Callable[[AgentContext, AgentState], Agent] = method_named(name).build
    if config.magus_options.learn == "per_session":
        return learning_agent(build, context, state, config.learning)
    return build(context, state)

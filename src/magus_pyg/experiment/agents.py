"""The agents by name, and which of them each variant of MAGUS plays.

A new agent is one line in `AGENTS`: how it is built and, if it learns something beyond the base recommender, how that
is fitted. What is fitted is a dict of tensors; it is saved in the run folder and given to `build` again later.
"""

from collections.abc import Callable
from dataclasses import dataclass
from difflib import get_close_matches

from torch import Tensor
from torch_geometric.data import HeteroData

from magus_pyg.agents import ItemsAgent, MagusAgent
from magus_pyg.data import Sessions
from magus_pyg.errors import ConfigError
from magus_pyg.experiment.config import Config
from magus_pyg.models import BaseRecommender
from magus_pyg.simulation import Agent

__all__ = ["AGENTS", "VARIANTS", "AgentContext", "AgentEntry", "AgentState", "agent_names"]

AgentState = dict[str, Tensor]


@dataclass(frozen=True)
class AgentContext:
    """What an agent may be fitted on and built from; test sessions are not in it.

    Attributes:
        config: the whole configuration.
        graph: the relational graph.
        model: the trained base recommender.
        sessions: from "train" or "validation" to the sessions of that part; None where only `build` is called, since
            that needs no data.
    """

    config: Config
    graph: HeteroData
    model: BaseRecommender
    sessions: Callable[[str], Sessions] | None = None


@dataclass(frozen=True)
class AgentEntry:
    """One agent.

    Attributes:
        build: makes it from the context and what was fitted.
        fit: learns what `build` takes, or None where nothing is learned.
    """

    build: Callable[[AgentContext, AgentState], Agent]
    fit: Callable[[AgentContext], AgentState] | None = None


AGENTS: dict[str, AgentEntry] = {
    "items": AgentEntry(lambda context, state: ItemsAgent(context.graph, context.model)),
    "magus": AgentEntry(lambda context, state: MagusAgent(context.graph, context.model, context.config.magus_options)),
}

#: The agents of each variant (`magus=none|base`), in the order of the table.
VARIANTS: dict[str, tuple[str, ...]] = {"none": ("items",), "base": ("items", "magus")}


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

"""What an agent declares that can play a whole catalogue by nodes, without the graph of any session."""

from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

from magus_pyg.agents.fitted_states import FittedState
from magus_pyg.agents.magus_options import MagusOptions
from magus_pyg.simulation.protocol import Agent

__all__ = ["NodeAgent", "NodeRules"]


@dataclass(frozen=True)
class NodeRules:
    """By what nodes are scored, listed and answered, as of `Catalogue`.

    Attributes:
        variant: of a session: "none" (items alone), "base", "plus" or "bayes".
        options: the switches of MAGUS.
        state: what was fitted; None for the defaults, or where nothing is.
    """

    variant: str
    options: MagusOptions = field(default_factory=MagusOptions)
    state: FittedState | None = None


@runtime_checkable
class NodeAgent(Agent, Protocol):
    """An agent that plays whole catalogues by nodes, as far as its switches allow."""

    @property
    def node_rules(self) -> NodeRules | None:
        """Its rules; None where it was made to play session graphs alone."""
        ...

"""The belief in the items of a whole catalogue before any answer, which many people can share."""

from dataclasses import dataclass
from functools import cached_property
from math import log, log1p

import torch
from torch import Tensor

from magus_pyg.agents import BayesState
from magus_pyg.agents.bayes.belief import over_temperature
from magus_pyg.online.catalogue.containment import CatalogueIndex
from magus_pyg.online.catalogue.first_guess import active_nodes, read_scores

__all__ = ["Prior", "first_belief"]


@dataclass(frozen=True)
class Prior:
    """The belief before any answer; never changed, so that many people can share one.

    Attributes:
        index: the catalogue.
        scores: float64 [I], the base scores.
        logit: float64 [I], the log of the belief up to a constant, -inf for items that are not on offer.
        active: bool [N], the nodes on offer; None for all.
    """

    index: CatalogueIndex
    scores: Tensor
    logit: Tensor
    active: Tensor | None

    @cached_property
    def n_offered(self) -> int:
        """How many items are on offer."""
        return self.index.n_items if self.active is None else int(self.active[: self.index.n_items].sum())

    @cached_property
    def belief(self) -> Tensor:
        """float64 [I], summing to 1; made for beliefs that drift, once for all people."""
        return torch.softmax(self.logit, 0)

    @cached_property
    def offered(self) -> Tensor:
        """bool [I]: the items on offer."""
        return torch.isfinite(self.logit)

    def share(self, node: int) -> float:
        """The share of the items on offer that contain a node."""
        items = self.index.items_of(node)
        held = items.numel() if self.active is None else int(self.active[items].sum())
        return held / self.n_offered


def first_belief(
    index: CatalogueIndex,
    scores: Tensor,
    state: BayesState,
    excluded: Tensor | None = None,
    searched: Tensor | None = None,
) -> Prior:
    """The belief from one vector of base scores and the person's searched queries; arguments as of `first_guess`."""
    scores = read_scores(index, scores)
    active = active_nodes(index, excluded)
    logit = over_temperature(scores, state.temperature)
    if searched is not None and state.searched_error != 0.5:
        for node in searched.tolist():
            if active is None or bool(active[node]):
                logit = logit + log(state.searched_error)
                logit[index.items_of(node)] += log1p(-state.searched_error) - log(state.searched_error)
    if active is not None:
        logit = torch.where(active[: index.n_items], logit, -torch.inf)
    return Prior(index, scores, logit, active)

"""`magus=bayes` as an agent: belief from the base scores, lists planned for success, answers as evidence."""

import logging
from collections.abc import Mapping

import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from magus_pyg.agents.bayes.belief import BayesState, ItemMass, answer_likelihood, initial_belief, membership
from magus_pyg.agents.bayes.choices import distinct_queries
from magus_pyg.agents.bayes.planning import Plan, plan_lists
from magus_pyg.agents.items import mark_shown
from magus_pyg.agents.ranking import rank_top
from magus_pyg.simulation.protocol import Feedback, Play, Scorer, SessionView

__all__ = ["EXACT_LIMIT", "BayesAgent"]

logger = logging.getLogger(__name__)

EXACT_LIMIT = 64
"""Sessions of up to this many candidates are planned exactly; larger ones in time linear in (query, item) pairs."""

# Evidence that rules out all but this share of the belief is contradictory: the answers cannot all be right.
_CONTRADICTION = 1e-6


class BayesAgent:
    """Ask and show what makes success within the rounds left most likely.

    It plans for the rounds of its session, so it is judged at K only in runs of K rounds.

    Args:
        graph: the relational graph.
        scorer: a base recommender, or a matrix of scores [U, I].
        state: temperature, error rates and depth; the defaults if None.
        name: how tables call it.
        exact: True or False to force the exact or the near-linear planner; None decides by `EXACT_LIMIT`.

    Raises:
        ConfigError: a value of the state out of range.
    """

    def __init__(
        self,
        graph: HeteroData,
        scorer: Scorer | Tensor,
        state: BayesState | None = None,
        name: str = "bayes",
        exact: bool | None = None,
    ) -> None:
        self.graph = graph
        self.scorer = scorer
        self.state = (state or BayesState()).check()
        self.name = name
        self.exact = exact
        self.warned = False

    def __repr__(self) -> str:
        return f"BayesAgent({self.state})"

    def start(self, view: SessionView) -> Play:
        """Begin B sessions."""
        return _BayesPlay(self, view)


class _BayesPlay:
    """`belief` float64 [B, C]; `left` bool [B, M], not shown yet; `asked` bool [B, G], choices asked."""

    def __init__(self, agent: BayesAgent, view: SessionView) -> None:
        self.agent, self.state, self.view, self.graphs = agent, agent.state, view, view.graphs
        graphs = self.graphs
        self.present = graphs.valid[:, : graphs.n_candidates]
        self.exact = graphs.n_candidates <= EXACT_LIMIT if agent.exact is None else agent.exact
        self.item_mass = ItemMass(graphs)
        self.choices = distinct_queries(graphs)
        self.left = graphs.valid.clone()
        self.asked = self.choices.slot < 0
        self.round = 0
        self.belief = self._with_searched(initial_belief(view.scores, self.present, self.state.temperature))

    def _with_searched(self, belief: Tensor) -> Tensor:
        """The user's searched queries as evidence: the item in mind contains each with probability 1 - error."""
        searched = self.view.searched
        error = self.state.searched_error
        if searched is None or error == 0.5:
            return belief
        inside = membership(self.graphs, searched)
        factor = torch.where(inside, 1.0 - error, error).to(belief.dtype)
        factor = torch.where((searched >= 0).unsqueeze(2), factor, 1.0)
        return _normalised(belief * factor.prod(1))

    def recommend(self) -> Tensor:
        shown_before = self.round
        rounds_left = self.view.rounds - shown_before - 1
        n, graphs = self.view.list_length, self.graphs
        mass = torch.where(self.left[:, : graphs.n_candidates], self.belief, 0.0)
        # Items of vanishing belief stay showable, in the order of the base scores.
        mass = torch.where(self.left[:, : graphs.n_candidates], mass.clamp(min=1e-300), 0.0)
        plan = plan_lists(
            mass, self.choices, ~self.asked, n, self._reach(rounds_left), self.state.error_rate, self.exact
        )
        return self._as_lists(plan, mass)

    def _reach(self, rounds_left: int) -> int:
        """m: how many items are within reach after this round.

        Showing items alone reaches N a round. With `depth` d up to d of the rounds are spent on answers first, each of
        which at best halves what is left; the best number of such rounds counts.
        """
        n = self.view.list_length
        return max(
            (n * (rounds_left - asks) * 2**asks for asks in range(min(self.state.depth, rounds_left) + 1)), default=0
        )

    def _as_lists(self, plan: Plan, mass: Tensor) -> Tensor:
        """Items and queries merged by falling probability of a click; queries keep their order."""
        n = self.view.list_length
        queries = torch.where(
            plan.queries >= 0,
            self.choices.slot.gather(1, plan.queries.clamp(min=0)) if self.choices.slot.shape[1] else plan.queries,
            -1,
        )
        item_value = mass.gather(1, plan.items.clamp(min=0)) if mass.shape[1] else plan.click
        both = torch.cat([queries, plan.items], 1)
        # The k-th query never ranks above the one before it.
        ask_value = torch.cummin(plan.click, dim=1).values
        value = torch.cat([ask_value, item_value], 1)
        chosen = rank_top(value, torch.zeros_like(value), both >= 0, n)
        shown = torch.where(chosen >= 0, both.gather(1, chosen.clamp(min=0)), -1)
        missing = n - (shown >= 0).sum(1)
        if bool((missing > 0).any()):
            shown = self._fill(shown, mass)
        return shown

    def _fill(self, shown: Tensor, mass: Tensor) -> Tensor:
        """Lists with empty places take the best items, then the queries left over (they say nothing new)."""
        graphs = self.graphs
        value = torch.full(graphs.node.shape, -1.0, dtype=mass.dtype, device=mass.device)
        value[:, : graphs.n_candidates] = mass
        left = mark_shown(self.left, shown)
        extra = rank_top(value, torch.zeros_like(value), left, shown.shape[1])
        both = torch.cat([shown, extra], 1)
        order = torch.argsort((both < 0).to(torch.int64), dim=1, stable=True)[:, : shown.shape[1]]
        return both.gather(1, order)

    def update(self, feedback: Feedback) -> None:
        self.round += 1
        self.left = mark_shown(self.left, feedback.shown)
        width = self.choices.slot.shape[1]
        if width:
            same = (self.choices.slot.unsqueeze(2) == feedback.shown.unsqueeze(1)).any(2)
            self.asked = self.asked | (same & (self.choices.slot >= 0))
        updated = self.belief * answer_likelihood(self.graphs, feedback, self.state.error_rate)
        if not self.agent.warned and bool((updated.sum(1) < _CONTRADICTION * self.belief.sum(1)).any()):
            logger.info("answers of a session contradict each other: its belief goes by the error rate")
            self.agent.warned = True
        self.belief = _normalised(updated)

    def node_scores(self) -> Tensor:
        return self.item_mass(self.belief)

    def state_dict(self) -> dict[str, Tensor]:
        return {"belief": self.belief, "left": self.left, "asked": self.asked, "round": torch.tensor(self.round)}

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        self.belief, self.left = state["belief"].clone(), state["left"].clone()
        self.asked, self.round = state["asked"].clone(), int(state["round"])


def _normalised(belief: Tensor) -> Tensor:
    total = belief.sum(1, keepdim=True)
    return belief / torch.where(total > 0, total, 1.0)

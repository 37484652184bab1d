"""`magus=bayes` as an agent: belief from the base scores, lists planned for success, answers as evidence."""

import logging
import math
from collections.abc import Callable
from functools import cache, cached_property

import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from magus_pyg.agents.bayes.asking import PlanSettings
from magus_pyg.agents.bayes.belief import (
    BayesState,
    ItemMass,
    answer_evidence,
    drifted,
    initial_logit,
    membership,
    normalised,
    place_text,
    searched_evidence,
    told_evidence,
)
from magus_pyg.agents.bayes.choices import QueryChoices, distinct_queries
from magus_pyg.agents.bayes.horizon import ClickRates
from magus_pyg.agents.bayes.planning import Plan, list_order, plan_lists
from magus_pyg.agents.items import mark_shown
from magus_pyg.agents.node_rules import NodeRules
from magus_pyg.agents.ranking import rank_top
from magus_pyg.simulation.answers import at_click
from magus_pyg.simulation.protocol import Feedback, Play, Scorer, SessionView

__all__ = ["SMALL", "BayesAgent"]

SMALL = 64
"""Up to this many candidates several first queries of a list are tried with what can follow them."""

logger = logging.getLogger(__name__)

# Answers to which the belief gave less than this log-probability contradict earlier ones, or the candidates.
_CONTRADICTION = math.log(1e-6)


@cache
def _say_once(message: str) -> None:
    """Log a message, once a process: services make an agent for every session."""
    logger.info(message)


class BayesAgent:
    """Ask and show what makes success within the rounds left most likely.

    It plans for the rounds of its session, so it is judged at K only in runs of K rounds.

    Args:
        graph: the relational graph.
        scorer: a base recommender, or a matrix of scores [U, I].
        state: what is fitted on validation sessions; the defaults if None.
        name: how tables call it.
        exact: value every choice from all (choice, item) pairs, in memory and time sessions·choices·candidates; for
            comparison, since the usual way gives the same values in time linear in the pairs that exist.
        beam: how many first queries of a list are tried with the best that can follow them; None: 4 up to `SMALL`
            candidates, else 1.

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
        beam: int | None = None,
    ) -> None:
        self.graph = graph
        self.scorer = scorer
        self.state = (state or BayesState()).check()
        self.name = name
        self.exact = bool(exact)
        self.beam = beam
        self.warned = False
        self.told = False
        """Whether it was said elsewhere that the state was fitted for other rounds."""

    def __repr__(self) -> str:
        return f"BayesAgent({self.state})"

    @property
    def node_rules(self) -> NodeRules | None:
        """See `NodeAgent`."""
        return None if self.exact else NodeRules("bayes", state=self.state)

    def start(self, view: SessionView) -> Play:
        """Begin B sessions; other rounds than those that the state was fitted for are logged, once a process."""
        if self.state.rounds and view.rounds not in self.state.rounds and not self.told:
            fitted = " and ".join(map(str, self.state.rounds))
            _say_once(f"{self.name} was fitted for {fitted} rounds; it plays {view.rounds}")
        return _BayesPlay(self, view)

    def list_for(
        self, view: SessionView, logit: Tensor, left: Tensor, asked: Callable[[QueryChoices], Tensor], rounds: int
    ) -> Tensor:
        """The next lists of sessions whose state is kept elsewhere.

        Args:
            view: the sessions; their scores and searched queries are not looked at.
            logit: float64 [B, C], the log of the belief.
            left: bool [B, M], the slots not shown yet.
            asked: bool [B, G], the choices that are not to be asked again.
            rounds: how many were answered.

        Returns:
            int64 [B, N] slots, as of `Play.recommend`.
        """
        play = _BayesPlay(self, view, logit)
        play.left, play.asked, play.round = left, play.asked | asked(play.choices), rounds
        return play.recommend()


class _BayesPlay:
    """`logit` float64 [B, C], the log of the belief; `left` bool [B, M], not shown yet; `asked` bool [B, G]; `over`
    bool [B], sessions in which an item was clicked, or that the loop ended; `n_items` int64 [B], candidates."""

    def __init__(self, agent: BayesAgent, view: SessionView, logit: Tensor | None = None) -> None:
        self.agent, self.state, self.view, self.graphs = agent, agent.state, view, view.graphs
        graphs = self.graphs
        present = graphs.valid[:, : graphs.n_candidates]
        self.n_items = present.sum(1)
        self.choices = distinct_queries(graphs)
        self.left = graphs.valid.clone()
        self.asked = self.choices.slot < 0
        self.over = torch.zeros(graphs.n_sessions, dtype=torch.bool, device=graphs.node.device)
        small = graphs.n_candidates <= SMALL
        self.beam = (4 if small else 1) if agent.beam is None else agent.beam
        self.round, self.drifts = 0, False
        if logit is None:
            logit = initial_logit(view.scores, present, self.state.temperature)
            logit = logit + searched_evidence(graphs, view.searched, self.state.searched_error).sum(1)
        self.logit = logit

    @cached_property
    def item_mass(self) -> ItemMass:
        """Sums of belief; only scores of nodes are made with it."""
        return ItemMass(self.graphs)

    between = "drift"
    """How explanations call what `scale` does."""

    def scale(self) -> None:
        """What happens between rounds: the drift of `drifted`, once after every answered list."""
        if self.drifts:
            self.logit, self.drifts = drifted(self.logit, self.state.forgetting), False

    def recommend(self) -> Tensor:
        self.scale()
        logit, state = self._open(), self.state
        belief = normalised(logit)
        after = max(self.view.rounds - self.round - 1, 0)
        settings = PlanSettings(
            n=self.view.list_length,
            rounds=after,
            error_rate=state.error_rate,
            others=state.others,
            discount=state.discount,
            clicks=ClickRates.of(state.click_weight, self.round, after),
            targets=state.targets,
            exact=self.agent.exact,
            beam=self.beam,
            min_items=self.view.min_items,
        )
        order = logit.argsort(dim=1, descending=True, stable=True)
        plan = plan_lists(belief, self.choices, ~(self.asked | self.over.unsqueeze(1)), settings, order)
        return self._as_lists(plan, belief, logit)

    def _open(self) -> Tensor:
        """The log of the belief in what can still be shown."""
        return torch.where(self.left[:, : self.graphs.n_candidates], self.logit, -torch.inf)

    def _as_lists(self, plan: Plan, belief: Tensor, logit: Tensor) -> Tensor:
        """Items and queries merged by `list_order`, and filled up."""
        queries = plan.queries
        if self.choices.slot.shape[1]:
            queries = torch.where(queries >= 0, self.choices.slot.gather(1, queries.clamp(min=0)), -1)
        mass = belief.gather(1, plan.items.clamp(min=0)) if belief.shape[1] else plan.click
        chosen = list_order(plan.click, queries >= 0, mass, plan.items >= 0, self.state.targets)
        both = torch.cat([queries, plan.items], 1)
        shown = torch.where(chosen >= 0, both.gather(1, chosen.clamp(min=0)), -1)
        return self._fill(shown, logit) if bool((shown < 0).any()) else shown

    def _fill(self, shown: Tensor, logit: Tensor) -> Tensor:
        """Lists with empty places take the best items, then the queries left over (they say nothing new)."""
        value = torch.full(self.graphs.node.shape, -torch.inf, dtype=logit.dtype, device=logit.device)
        value[:, : self.graphs.n_candidates] = logit
        least = torch.finfo(value.dtype).min
        left = mark_shown(self.left, shown)
        extra = rank_top(value.clamp(min=least), torch.zeros_like(value), left, shown.shape[1])
        both = torch.cat([shown, extra], 1)
        order = torch.argsort((both < 0).to(torch.int64), dim=1, stable=True)[:, : shown.shape[1]]
        return both.gather(1, order)

    def _mark(self, shown: Tensor) -> None:
        """Slots [B, N] (-1 for none) are not listed any more."""
        self.left = mark_shown(self.left, shown)
        if self.choices.slot.shape[1]:
            same = (self.choices.slot.unsqueeze(2) == shown.unsqueeze(1)).any(2)
            self.asked = self.asked | (same & (self.choices.slot >= 0))

    def tell(self, slot: Tensor, liked: bool) -> None:
        """Bayes' rule with the likelihood of `told_evidence`."""
        self.scale()
        self._mark(slot.unsqueeze(1))
        held = membership(self.graphs, slot.unsqueeze(1))[:, 0]
        share = held.sum(1, dtype=torch.float64) / self.n_items
        told = told_evidence(share, liked, self.state.told_error, self.state.error_rate)
        inside, outside = (one.unsqueeze(1) for one in told)
        self.logit = self.logit + torch.where((slot >= 0).unsqueeze(1), torch.where(held, inside, outside), 0.0)

    def update(self, feedback: Feedback) -> None:
        self.scale()
        self.round += 1
        self._mark(feedback.shown)
        # The loop says one round late which sessions went on; if one does after all, it is planned again then.
        self.over = ~feedback.active | at_click(feedback.shown < self.graphs.n_candidates, feedback.clicked)
        state = self.state
        asked_of = self._open() if state.forgetting > 0.0 else self.logit
        evidence = answer_evidence(self.graphs, feedback, state.error_rate, state.others, asked_of).sum(1)
        before = torch.logsumexp(self.logit, 1)
        self.logit, self.drifts = self.logit + evidence, state.forgetting > 0.0
        contradicted = torch.logsumexp(self.logit, 1) < before + _CONTRADICTION
        if not self.agent.warned and bool((contradicted & ~self.over).any()):
            _say_once(
                f"{self.agent.name}: answers of a session contradict each other: its belief goes by the error rate"
            )
            self.agent.warned = True

    def node_scores(self) -> Tensor:
        # Of what drifts, what cannot be shown any more says nothing.
        return self.item_mass(normalised(self._open() if self.state.forgetting > 0.0 else self.logit))

    def placed(self, slot: int) -> str:
        """See `place_text`; of the first session."""
        belief = float(self.node_scores()[0, slot])
        return place_text(slot < self.graphs.n_candidates, belief, self.state.targets)

"""`ear`: estimation, action, reflection over the nodes of a session."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import ClassVar

import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from magus_pyg.agents.bayes.belief import BeliefCalibration, normalised
from magus_pyg.agents.fitted_states import AgentState, FittedValues, Rules, network_tensors
from magus_pyg.agents.judging import Judge
from magus_pyg.agents.rivals.base_features import BaseFeatures
from magus_pyg.agents.rivals.belief_lists import BeliefTracker, ListInMaking, binary_entropy
from magus_pyg.agents.rivals.crm import session_state
from magus_pyg.agents.rivals.estimation import EstimationNetwork, fit_estimation, reflect
from magus_pyg.agents.rivals.max_entropy import EntropyRule, MaxEntropyState, RulePlay
from magus_pyg.agents.rivals.nodes import steady
from magus_pyg.agents.rivals.policy import PolicyAgent, PolicyNetwork, State
from magus_pyg.agents.rivals.policy_training import train_policy
from magus_pyg.agents.rivals.rival_options import EarOptions
from magus_pyg.agents.rivals.rollout import TrainingSessions
from magus_pyg.errors import RunError
from magus_pyg.options import at_least
from magus_pyg.simulation.answers import Said, said
from magus_pyg.simulation.protocol import Feedback, Play, Scorer, SessionView
from magus_pyg.training.progress import Progress, unseen

__all__ = ["EarAgent", "EarTracker", "ear_state", "fit_ear"]

HISTORY = 5
"""Rounds that the policy remembers."""
BUCKETS = (1, 3, 6, 12)
"""Up to so many candidates are one bucket of the list's length."""

N_NODE, N_SESSION = 8, 8 + HISTORY + len(BUCKETS) + 1
CLICKED, REFUSED, ONLY_ITEMS = 1.0, -1.0, -0.1
"""How a round is remembered: a query was clicked, queries were refused, only items were shown."""


class EarTracker(BeliefTracker):
    """The belief of `BeliefTracker` with the scores of the estimation, which answers and refused items change.

    Attributes:
        accepted: float64 [B, r], what the clicked queries add (g of the estimation).
        reflected: float64 [B, r], what the refused items have added to it.
        history: float64 [B, 5], how the last rounds ended, the latest first; 0 before the first.
    """

    def __init__(
        self,
        view: SessionView,
        calibration: BeliefCalibration,
        network: EstimationNetwork,
        features: BaseFeatures,
        rate: float,
        steps: int,
    ) -> None:
        super().__init__(view, calibration)
        self.network, self.rate, self.steps = network, rate, steps
        with torch.no_grad():
            self.given = features(self.nodes.node)
            self.vectors = network.items(self.given[:, : self.nodes.n_items]).to(torch.float64)
        self.accepted = torch.zeros((len(view.user), network.rank), dtype=torch.float64)
        self.reflected = torch.zeros_like(self.accepted)
        self.history = torch.zeros((len(view.user), HISTORY), dtype=torch.float64)

    @property
    def session(self) -> Tensor:
        """float64 [B, r]: g with what reflection has added."""
        return self.accepted + self.reflected

    def belief(self) -> Tensor:
        """float64 [B, C]: the belief in the items not shown yet, by the scores of the estimation."""
        score = steady_logit(self.logit, torch.einsum("bcr,br->bc", self.vectors, self.session))
        return normalised(torch.where(self.left[:, : self.nodes.n_items], score, -torch.inf))

    def preference(self, mass: Tensor) -> Tensor:
        """float64 [B, G]: the scores of the queries, of which the belief in their items is `mass` [B, G]."""
        count = self.nodes.n_items
        with torch.no_grad():
            dtype = self.network.prior.dtype
            return self.network.preference(self.given[:, count:], mass, self.session.to(dtype)).to(torch.float64)

    def update(self, feedback: Feedback) -> None:
        """Take in the answers to a list: clicked queries count as accepted, refused items are reflected on."""
        count, shown, before = self.nodes.n_items, feedback.shown, self.logit
        answers = said(feedback, count)
        clicked = self.clicked_query(feedback)
        super().update(feedback)
        if shown.shape[1]:
            same = self.nodes.holds(torch.where((answers == Said.CLICKED) & (shown >= count), shown, -1))
            place = same.to(torch.int64).argmax(1)
            with torch.no_grad():
                taken = self.network.accepted(self.given[torch.arange(len(place)), place]).to(torch.float64)
            self.accepted = torch.where(same.any(1, keepdim=True), self.accepted + taken, self.accepted)
        queries = ((shown >= count) & (answers != Said.NOT_CARE)).any(1)
        codes = torch.tensor([ONLY_ITEMS, REFUSED, CLICKED], dtype=torch.float64)
        code = codes[torch.where(clicked, 2, queries.to(torch.int64))]
        moved = torch.cat([code.unsqueeze(1), self.history[:, :-1]], 1)
        self.history = torch.where(feedback.active.unsqueeze(1), moved, self.history)
        if self.rate > 0.0:
            refused = self.nodes.holds(torch.where(answers == Said.REFUSED, shown, -1))[:, :count]
            after = reflect(self.session, self.vectors, before, self.belief(), refused, self.rate, self.steps)
            self.reflected = after - self.accepted


def steady_logit(logit: Tensor, added: Tensor) -> Tensor:
    """The sum on a fixed grid, so that the order of additions in `added` shows in no result."""
    return torch.where(torch.isfinite(logit), steady(torch.where(torch.isfinite(logit), logit, 0.0) + added), logit)


@dataclass
class Reflection(FittedValues):
    """Step size and number of steps of the reflection."""

    called: ClassVar[str] = "what ear learned"
    rules: ClassVar[Rules] = {"rate": at_least(0), "steps": at_least(0)}
    rate: float = 0.0
    steps: int = 2


class EarAgent(PolicyAgent):
    """EAR: scores that follow the answers, a policy that asks or shows, and steps that learn from refused items.

    From Lei et al. (2020, "Estimation-Action-Reflection: Towards Deep Interaction Between Conversational and
    Recommender Systems"): estimation scores items and attributes by the user and the attributes accepted so far, and is
    trained by BPR against all other items and once more against those that have the accepted attributes; a policy of
    two layers sees the entropy of every attribute, the preference for it, the history of the dialogue and the number of
    candidates, copies a rule first and then follows the policy gradient, with its rewards for success, an accepted
    attribute, a turn and giving up; reflection takes gradient steps of BPR with the refused items as negatives. What
    the shared action space changed:

    * the accepted attributes are clicked queries, and the score of the base recommender, whichever it is, takes the
      part of the user in the estimation: what is learned is what a click on one node says of another, from the base's
      features of nodes;
    * every node is an action, items included, scored by one network from its own features; a list of N nodes is drawn
      one after the other;
    * answers rule candidates out (by clicks and refusals) as in `max_entropy`;
    * reflection changes the session's own vector and never the base model, so the next session starts from the base
      as it was; the positives of its BPR are the candidates left, weighted by the belief; its step size is chosen on
      validation sessions, 0 among the choices.

    Args:
        graph: the relational graph.
        scorer: a base recommender, or a matrix of scores [U, I].
        network: the policy.
        features: of the nodes.
        estimation: the trained estimation.
        calibration: of the belief.
        rate: step size of the reflection.
        steps: its steps after a round.
        name: how tables call it.

    Raises:
        RunError: an estimation for features of another length.
    """

    def __init__(
        self,
        graph: HeteroData,
        scorer: Scorer | Tensor,
        network: PolicyNetwork,
        features: BaseFeatures,
        estimation: EstimationNetwork,
        calibration: BeliefCalibration | None = None,
        rate: float = 0.0,
        steps: int = 2,
        name: str = "ear",
    ) -> None:
        super().__init__(graph, scorer, network, name)
        if estimation.item.in_features != features.size:
            raise RunError(
                f"what {name} learned takes {estimation.item.in_features} features a node, and the base model has "
                f"{features.size}: train again with this model"
            )
        self.features, self.estimation = features, estimation
        self.calibration = (calibration or BeliefCalibration()).check()
        self.rate, self.steps = rate, steps

    def __repr__(self) -> str:
        return f"EarAgent({self.calibration}, rate={self.rate:g}, steps={self.steps})"

    @classmethod
    def of_tensors(
        cls, graph: HeteroData, scorer: Scorer | Tensor, features: BaseFeatures, tensors: Mapping[str, Tensor]
    ) -> "EarAgent":
        """The agent whose `tensors` were saved; RunError where something is missing or out of range."""
        policy, estimation = PolicyNetwork.of_tensors(tensors), EstimationNetwork.of_tensors(tensors)
        calibration, reflection = BeliefCalibration.of_tensors(tensors), Reflection.of_tensors(tensors)
        return cls(graph, scorer, policy, features, estimation, calibration, **asdict(reflection))

    def tensors(self) -> AgentState:
        """What the agent has learned, to be saved."""
        return {
            **self.calibration.tensors(),
            **network_tensors(self.network, "policy."),
            **network_tensors(self.estimation, "estimation."),
            **Reflection(self.rate, self.steps).tensors(),
        }

    def track(self, view: SessionView) -> EarTracker:
        """Begin to follow B sessions, from the base as it is."""
        return EarTracker(view, self.calibration, self.estimation, self.features, self.rate, self.steps)

    def state(self, tracker: BeliefTracker) -> State:
        """What the policy sees in one round: `ear_state`."""
        assert isinstance(tracker, EarTracker)
        known: list[Tensor] = []  # the preferences are those before the list, for all its nodes

        def see(making: ListInMaking) -> tuple[Tensor, Tensor]:
            if not known:
                known.append(tracker.preference(making.mass[:, making.nodes.n_items :]))
            return ear_state(making, tracker, known[0])

        return see


def ear_state(making: ListInMaking, tracker: EarTracker, preference: Tensor) -> tuple[Tensor, Tensor]:
    """EAR's state.

    Of each node: whether it is an item; the entropy of its answer (s_ent) and that on what the nodes above it leave;
    the preference for it (s_pre), of items their belief; the belief in it on what is left, once more for items, and as
    a log. Of the session, after `session_state`: how the last five rounds ended (s_his) and in which bucket the number
    of candidates that are still likely is (s_len).

    Returns:
        float64 [B, D, 8] and [B, 18].
    """
    item = making.nodes.is_item.to(torch.float64).expand_as(making.mass)
    count = making.nodes.n_items
    share = making.rest_share
    alone = binary_entropy(steady(making.mass).clamp(0.0, 1.0))
    liked = torch.cat([making.mass[:, :count], torch.sigmoid(steady(preference))], 1)
    log_mass = torch.log(making.rest_mass.clamp(min=1e-4)) / 9.2 + 1.0
    node = torch.stack(
        [item, alone, binary_entropy(share), item * binary_entropy(share), liked, share, item * making.mass, log_mass],
        2,
    )
    likely = (making.belief > 0.01 * making.belief.max(1, keepdim=True).values.clamp(min=1e-12)).sum(1)
    edges = torch.tensor(BUCKETS)
    bucket = torch.bucketize(likely, edges)
    length = torch.nn.functional.one_hot(bucket, len(BUCKETS) + 1).to(torch.float64)
    return node, torch.cat([session_state(making, tracker), tracker.history, length], 1)


class _RuleOnEstimation:
    """`max_entropy`'s rule on EAR's belief: what reflection is worth is judged with it."""

    def __init__(self, agent: EarAgent, rule: MaxEntropyState) -> None:
        self.agent, self.rule, self.name = agent, rule, agent.name
        self.graph, self.scorer = agent.graph, agent.scorer

    def start(self, view: SessionView) -> Play:
        return RulePlay(self.agent.track(view), EntropyRule(self.rule.items, self.rule.ending))


def fit_ear(
    graph: HeteroData,
    scorer: Scorer | Tensor,
    features: BaseFeatures,
    sessions: TrainingSessions,
    judge: Judge,
    rule: MaxEntropyState,
    temperature: float,
    options: EarOptions | None = None,
    seed: int = 0,
    progress: Progress = unseen,
) -> tuple[EarAgent, list[dict[str, float]]]:
    """Train an `EarAgent`: the estimation, the step size of the reflection, then the policy.

    Args:
        graph, scorer, features: as for the agent.
        sessions: training sessions with out-of-fold scores.
        judge: on validation sessions, a run of its own for every K.
        rule: what `max_entropy` has fitted: its rule is copied first, its calibration is the belief's.
        temperature: of the base scores of the training sessions; those of the other sessions have the rule's.
        options: how to train.
        seed: of weights, order and draws.
        progress: shows how many epochs are over.

    Returns:
        The agent, and rows of the estimation's epochs, the rates tried (rate, objective, ...) and the policy's epochs.

    Raises:
        DataError: no training sessions.
    """
    options = options or EarOptions()
    temperatures = (temperature, rule.temperature)
    estimation, rows = fit_estimation(features, sessions, judge.sessions, temperatures, options, seed, progress)
    network = PolicyNetwork(N_NODE, N_SESSION, options.hidden, seed)

    def agent(policy: PolicyNetwork, heat: float, rate: float) -> EarAgent:
        calibration = BeliefCalibration(heat, rule.error_rate, rule.searched_error, rule.others)
        return EarAgent(graph, scorer, policy, features, estimation, calibration, rate, options.reflection_steps)

    rate = 0.0
    if len(judge.sessions):
        rates = [0.0, *options.reflection_rates]
        tried = [judge(_RuleOnEstimation(agent(network, rule.temperature, value), rule)) for value in rates]
        rows += [{"rate": value, **found} for value, found in zip(rates, tried, strict=True)]
        rate = rates[max(range(len(rates)), key=lambda place: tried[place]["objective"])]
    policy, more = train_policy(
        agent(network, temperature, rate),
        lambda found: agent(found, rule.temperature, rate),
        sessions,
        EntropyRule(rule.items, rule.ending),
        judge,
        options,
        seed,
        progress,
    )
    return agent(policy, rule.temperature, rate), rows + more

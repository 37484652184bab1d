"""`crm`: a policy over the belief in the nodes, trained by policy gradient after copying `max_entropy`."""

from collections.abc import Mapping
from math import log

import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from magus_pyg.agents.bayes.belief import BeliefCalibration
from magus_pyg.agents.fitted_states import AgentState, network_tensors
from magus_pyg.agents.judging import Judge
from magus_pyg.agents.rivals.belief_lists import BeliefTracker, ListInMaking, binary_entropy
from magus_pyg.agents.rivals.max_entropy import EntropyRule, MaxEntropyState
from magus_pyg.agents.rivals.policy import PolicyAgent, PolicyNetwork, State
from magus_pyg.agents.rivals.policy_training import train_policy
from magus_pyg.agents.rivals.rival_options import PolicyOptions
from magus_pyg.agents.rivals.rollout import TrainingSessions
from magus_pyg.simulation.protocol import Scorer, SessionView
from magus_pyg.training.progress import Progress, unseen

__all__ = ["CRMAgent", "belief_state", "fit_crm"]

N_NODE, N_SESSION = 8, 8
_ROUNDS = 5.0  # rounds are counted in fives, lists in threes: what a usual session has
_NODES = 3.0


class CRMAgent(PolicyAgent):
    """CRM: what to ask or show is a policy's choice, and the policy sees the belief over the nodes.

    From Sun and Zhang (2018, "Conversational Recommender System"): a belief over what the user wants, formed from all
    answers so far; a policy network of two layers that sees it; actions that ask or recommend; training by REINFORCE
    with a reward for success and a cost for every turn, from a policy that first copied the maximum-entropy rule. What
    the shared action space changed:

    * answers are clicks and refusals of nodes, so the belief tracker needs no text: it is Bayes' rule on the
      candidates, and the belief in a node is that of the candidates that contain it;
    * every node is an action, items included; nodes differ from session to session, so one network scores each node
      from its belief instead of having an output unit for each;
    * a list of N nodes is drawn one after the other, each seen with the belief that those before it leave;
    * the baseline of REINFORCE is the mean of other plays of the same session, and the policy knows the rounds left.

    Args:
        graph: the relational graph.
        scorer: a base recommender, or a matrix of scores [U, I].
        network: the policy.
        calibration: of the belief.
        name: how tables call it.
    """

    def __init__(
        self,
        graph: HeteroData,
        scorer: Scorer | Tensor,
        network: PolicyNetwork,
        calibration: BeliefCalibration | None = None,
        name: str = "crm",
    ) -> None:
        super().__init__(graph, scorer, network, name)
        self.calibration = (calibration or BeliefCalibration()).check()

    def __repr__(self) -> str:
        return f"CRMAgent({self.calibration})"

    @classmethod
    def of_tensors(cls, graph: HeteroData, scorer: Scorer | Tensor, tensors: Mapping[str, Tensor]) -> "CRMAgent":
        """The agent whose `tensors` were saved; RunError where something is missing or out of range."""
        return cls(graph, scorer, PolicyNetwork.of_tensors(tensors), BeliefCalibration.of_tensors(tensors))

    def tensors(self) -> AgentState:
        """What the agent has learned, to be saved."""
        return {**self.calibration.tensors(), **network_tensors(self.network, "policy.")}

    def track(self, view: SessionView) -> BeliefTracker:
        """Begin to follow B sessions."""
        return BeliefTracker(view, self.calibration)

    def state(self, tracker: BeliefTracker) -> State:
        """What the policy sees in one round: `belief_state`."""
        return lambda making: belief_state(making, tracker)


def belief_state(making: ListInMaking, tracker: BeliefTracker) -> tuple[Tensor, Tensor]:
    """What the policy sees of the belief.

    Of each node: whether it is an item, the belief in it, the share of the belief left that is in it, the entropy of
    that share, and the last three once more for items alone, which weigh them otherwise; last a log of the belief.
    Of the session: the rounds left and whether there are any, the nodes chosen, the belief left, its entropy before the
    list, the belief in the best item and in the best N, and the number of queries clicked.

    Returns:
        float64 [B, D, 8] and [B, 8], all about in [0, 1].
    """
    item = making.nodes.is_item.to(torch.float64).expand_as(making.mass)
    share = making.rest_share
    uncertain = binary_entropy(share)
    log_mass = torch.log(making.rest_mass.clamp(min=1e-4)) / log(1e4) + 1.0
    node = torch.stack(
        [item, making.mass, share, uncertain, item * making.mass, item * share, item * uncertain, log_mass], 2
    )
    return node, session_state(making, tracker)


def session_state(making: ListInMaking, tracker: BeliefTracker) -> Tensor:
    """What a policy sees of a session beside its nodes, float64 [B, 8]; see `belief_state`."""
    belief = making.belief
    ones = belief.new_ones(len(belief))
    top = belief.topk(min(making.length, belief.shape[1]), dim=1).values
    entropy = -torch.xlogy(belief, belief).sum(1) / log(max(belief.shape[1], 2))
    best = top[:, 0] if top.shape[1] else 0.0 * ones
    return torch.stack(
        [
            ones * making.rounds_left / _ROUNDS,
            ones * float(making.rounds_left == 0),
            ones * making.step / _NODES,
            making.rest_total.squeeze(1),
            entropy,
            best,
            top.sum(1),
            tracker.clicks.to(torch.float64) / _ROUNDS,
        ],
        1,
    )


def fit_crm(
    graph: HeteroData,
    scorer: Scorer | Tensor,
    sessions: TrainingSessions,
    judge: Judge,
    rule: MaxEntropyState,
    temperature: float,
    options: PolicyOptions | None = None,
    seed: int = 0,
    progress: Progress = unseen,
) -> tuple[CRMAgent, list[dict[str, float]]]:
    """Train a `CRMAgent`.

    Args:
        graph, scorer: as for the agent.
        sessions: training sessions with out-of-fold scores.
        judge: on validation sessions, a run of its own for every K.
        rule: what `max_entropy` has fitted: its rule is copied first, its calibration is the belief's.
        temperature: of the base scores of the training sessions; those of the other sessions have the rule's.
        options: how to train.
        seed: of weights, order and draws.
        progress: shows how many epochs are over.

    Returns:
        The agent and a row an epoch (see `train_policy`).

    Raises:
        DataError: no training sessions.
    """
    options = options or PolicyOptions()
    network = PolicyNetwork(N_NODE, N_SESSION, options.hidden, seed)
    learner = CRMAgent(graph, scorer, network, _with(rule, temperature))
    calibration = _with(rule, rule.temperature)
    policy, rows = train_policy(
        learner,
        lambda found: CRMAgent(graph, scorer, found, calibration),
        sessions,
        EntropyRule(rule.items, rule.ending),
        judge,
        options,
        seed,
        progress,
    )
    return CRMAgent(graph, scorer, policy, calibration), rows


def _with(rule: BeliefCalibration, temperature: float) -> BeliefCalibration:
    return BeliefCalibration(temperature, rule.error_rate, rule.searched_error, rule.others)

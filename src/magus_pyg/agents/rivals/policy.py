"""A policy over the nodes of a session: a small network scores every node, and lists are drawn or chosen from it."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch_geometric.data import HeteroData

from magus_pyg.agents.fitted_states import read_network
from magus_pyg.agents.rivals.belief_lists import BeliefTracker, Choose, ListInMaking, make_lists
from magus_pyg.agents.rivals.nodes import steady
from magus_pyg.random import derive_seed
from magus_pyg.simulation.protocol import Feedback, Scorer, SessionView

__all__ = ["Learning", "PolicyAgent", "PolicyNetwork", "PolicyPlay", "State"]

State = Callable[[ListInMaking], tuple[Tensor, Tensor]]
"""What a policy sees: of every node float64 [B, D, F], and of the session float64 [B, G]."""


class PolicyNetwork(nn.Module):
    """Two layers that score each node from its own features and the session's, with the same weights for all nodes.

    Sessions have different nodes, so the output layer of one unit a node, which the papers have, becomes a function of
    what is known of a node.

    Args:
        n_node: F, features of a node.
        n_session: G, features of a session.
        hidden: units of the hidden layer.
        seed: of the weights.
    """

    def __init__(self, n_node: int, n_session: int, hidden: int = 32, seed: int = 0) -> None:
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(derive_seed(seed, 0x9011))
            self.node = nn.Linear(n_node, hidden)
            self.session = nn.Linear(n_session, hidden, bias=False)
            self.out = nn.Linear(hidden, 1)

    def forward(self, node: Tensor, session: Tensor) -> Tensor:
        """Logits [B, D] of nodes [B, D, F] in sessions [B, G]."""
        dtype = self.out.weight.dtype
        hidden = self.node(node.to(dtype)) + self.session(session.to(dtype)).unsqueeze(1)
        logit: Tensor = self.out(torch.relu(hidden)).squeeze(2)
        return logit

    @classmethod
    def of_tensors(cls, tensors: Mapping[str, Tensor]) -> "PolicyNetwork":
        """The network that `network_tensors` saved as "policy."; RunError where it does not fit."""

        def make(own: Mapping[str, Tensor]) -> PolicyNetwork:
            hidden, n_node = own["node.weight"].shape
            return cls(n_node, own["session.weight"].shape[1], hidden)

        return read_network(make, tensors, "policy.", "the policy of the run")


@dataclass
class Learning:
    """What a play does while a policy learns, and what it notes.

    Attributes:
        generator: of the lists that are drawn.
        teacher: chooses the nodes in the policy's place, which then learns to choose them; None draws them from the
            policy.
        log_prob: of every round [B]: the log-probability of the list, the sum over its nodes.
        entropy: of every round [B]: the mean entropy of the distributions that its nodes were drawn from.
    """

    generator: torch.Generator
    teacher: Choose | None = None
    log_prob: list[Tensor] = field(default_factory=list)
    entropy: list[Tensor] = field(default_factory=list)


class PolicyAgent(ABC):
    """An agent whose lists a policy makes; a subclass says what the policy sees and how beliefs are formed.

    Args:
        graph: the relational graph.
        scorer: a base recommender, or a matrix of scores [U, I].
        network: the policy.
        name: how tables call it.
    """

    def __init__(self, graph: HeteroData, scorer: Scorer | Tensor, network: PolicyNetwork, name: str) -> None:
        self.graph = graph
        self.scorer = scorer
        self.network = network
        self.name = name

    @abstractmethod
    def track(self, view: SessionView) -> BeliefTracker:
        """Begin to follow B sessions."""

    @abstractmethod
    def state(self, tracker: BeliefTracker) -> State:
        """What the policy sees in one round."""

    def start(self, view: SessionView, learning: Learning | None = None) -> "PolicyPlay":
        """Begin B sessions; with `learning` its lists are drawn, and their probabilities noted."""
        return PolicyPlay(self, self.track(view), learning)


class PolicyPlay:
    """B running sessions of a `PolicyAgent`."""

    def __init__(self, agent: PolicyAgent, tracker: BeliefTracker, learning: Learning | None) -> None:
        self.agent, self.tracker, self.learning = agent, tracker, learning
        slot = tracker.nodes.slot
        self.value = torch.zeros(slot.shape, dtype=torch.float64, device=slot.device)

    def recommend(self) -> Tensor:
        """The next lists, int64 [B, N] slots, best first, -1 where no node is left."""
        state = self.agent.state(self.tracker)
        if self.learning is None:
            with torch.no_grad():
                return make_lists(self.tracker, lambda making: self._best(making, state))
        chosen: list[tuple[Tensor, Tensor]] = []
        learning = self.learning
        shown = make_lists(self.tracker, lambda making: self._learn(making, state, learning, chosen))
        log_prob, entropy = zip(*chosen, strict=True)
        learning.log_prob.append(torch.stack(log_prob).sum(0))
        learning.entropy.append(torch.stack(entropy).mean(0))
        return shown

    def _best(self, making: ListInMaking, state: State) -> Tensor:
        logit = torch.where(making.free, steady(self.agent.network(*state(making))), -torch.inf)
        if making.step == 0:
            self.value = logit
        if not logit.shape[1]:
            return torch.full((len(logit),), -1, dtype=torch.int64, device=logit.device)
        best, place = logit.max(1)
        # Of equal values the first place, hence the lowest item, then the lowest query.
        place = torch.where(logit == best.unsqueeze(1), 1.0, 0.0).argmax(1)
        return torch.where(torch.isfinite(best), place, -1)

    def _learn(
        self, making: ListInMaking, state: State, learning: Learning, chosen: list[tuple[Tensor, Tensor]]
    ) -> Tensor:
        logit = self.agent.network(*state(making))
        logit = logit.masked_fill(~making.free, -1e9)
        log_prob = torch.log_softmax(logit, 1)
        if learning.teacher is not None:
            place = learning.teacher(making)
        else:
            with torch.no_grad():
                draw = torch.rand(logit.shape, generator=learning.generator, dtype=logit.dtype)
                place = (logit - torch.log(-torch.log(draw.clamp(1e-12, 1 - 1e-7)))).argmax(1)
                place = torch.where(making.free.any(1), place, -1)
        taken = log_prob.gather(1, place.clamp(min=0).unsqueeze(1)).squeeze(1)
        entropy = -(log_prob.exp() * log_prob).masked_fill(~making.free, 0.0).sum(1)
        chosen.append((torch.where(place >= 0, taken, 0.0), entropy))
        return place

    def update(self, feedback: Feedback) -> None:
        """Take in the answers to the last lists."""
        self.tracker.update(feedback)

    def node_scores(self) -> Tensor:
        """The policy's logits for the first node of the last list; 0 before the first list and for shown nodes."""
        return self.tracker.nodes.by_slot(torch.where(torch.isfinite(self.value), self.value, 0.0))

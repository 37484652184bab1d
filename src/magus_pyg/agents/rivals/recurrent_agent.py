"""`recurrent` (X in the tables): a recurrent unit carries the base's embeddings of what was shown, and the answers."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch_geometric.data import HeteroData

from magus_pyg.agents.bayes.belief import initial_logit, normalised
from magus_pyg.agents.fitted_states import AgentState, FittedValues, Rules, network_tensors, read_network
from magus_pyg.agents.items import mark_shown
from magus_pyg.agents.ranking import rank_list
from magus_pyg.agents.rivals.base_features import BaseFeatures
from magus_pyg.agents.rivals.nodes import SessionNodes, steady
from magus_pyg.errors import RunError
from magus_pyg.models.kernels.gather_rows import gather_rows
from magus_pyg.options import above, at_least
from magus_pyg.random import derive_seed
from magus_pyg.simulation.answers import Said, said
from magus_pyg.simulation.protocol import Feedback, Scorer, SessionView

__all__ = ["CLICKED", "REFUSED", "RecurrentAgent", "RecurrentNetwork", "RecurrentPlay"]

REFUSED, CLICKED = 0, 1
_LEAST = 1e-6


class RecurrentNetwork(nn.Module):
    """The recurrent unit and what it says of nodes.

    The state h takes in one shown node after the other, h <- GRU([(V e_v) * g, f, p_v], h), with e_v the base's last
    embedding of the node, f and g the learned vectors of a positive or a negative answer, and p_v what the base score
    says of the node. An item has the logit b p_v + (A h)·(W e_v), softmax over the candidates left; a query the logit
    of a click b p_v + c + w·h + (A h)·(W e_v). V, W, A and b are apart for items and queries.

    Args:
        n_features: k, length of e_v.
        hidden: length of h.
        feedback: length of f.
        rank: rows of V, W and A, length of g.
        seed: of the weights.
    """

    def __init__(self, n_features: int, hidden: int = 64, feedback: int = 16, rank: int = 32, seed: int = 0) -> None:
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(derive_seed(seed, 0x4EC))
            self.feedback = nn.Embedding(2, feedback)
            self.cell = nn.GRUCell(rank + feedback + 1, hidden)
            self.taken_in = nn.Linear(n_features, 2 * rank, bias=False)
            self.met = nn.Linear(n_features, 2 * rank, bias=False)
            # Without answers the agent ranks as the base does: the state starts at 0, and nothing is added to it.
            self.meet = nn.Linear(hidden, 2 * rank, bias=False)
            self.level = nn.Linear(hidden, 1)
        self.prior = nn.Parameter(torch.ones(2))
        self.sign = nn.Parameter(torch.tensor([-0.5, 1.0]).unsqueeze(1).repeat(1, rank))
        for weight in (self.meet.weight, self.level.weight, self.level.bias):
            nn.init.zeros_(weight)

    @property
    def hidden(self) -> int:
        """Length of the state."""
        return self.cell.hidden_size

    def project(self, features: Tensor, is_item: Tensor) -> tuple[Tensor, Tensor]:
        """V e_v and W e_v [B, D, r] of nodes with features [B, D, k]; kinds [D]."""
        given = features.to(self.prior.dtype)
        size = self.sign.shape[1]
        sides = []
        for layer in (self.taken_in, self.met):
            of_items, of_queries = layer.weight[:size], layer.weight[size:]
            count = int(is_item.sum())
            sides.append(torch.cat([given[:, :count] @ of_items.T, given[:, count:] @ of_queries.T], 1))
        return sides[0], sides[1]

    def step(self, state: Tensor, node: Tensor, answer: Tensor, prior: Tensor, taken: Tensor) -> Tensor:
        """The state [B, h] after a node: V e_v [B, r], answers [B], priors [B]; as it was where not `taken`."""
        given = torch.cat([node * self.sign[answer], self.feedback(answer), prior.to(node.dtype).unsqueeze(1)], 1)
        return torch.where(taken.unsqueeze(1), self.cell(given, state), state)

    def logits(self, state: Tensor, met: Tensor, prior: Tensor, is_item: Tensor) -> Tensor:
        """Logits [B, D] of nodes: W e_v [B, D, r], priors [B, D], kinds [D]."""
        of_items, of_queries = self.meet(state).chunk(2, 1)
        meets = torch.where(
            is_item,
            torch.einsum("br,bdr->bd", of_items, met),
            torch.einsum("br,bdr->bd", of_queries, met) + self.level(state),
        )
        return torch.where(is_item, self.prior[0], self.prior[1]) * prior.to(self.prior.dtype) + meets

    @classmethod
    def of_tensors(cls, tensors: Mapping[str, Tensor]) -> "RecurrentNetwork":
        """The network that `network_tensors` saved as "network."; RunError where it does not fit."""

        def make(own: Mapping[str, Tensor]) -> RecurrentNetwork:
            met, feedback = own["met.weight"], own["feedback.weight"]
            return cls(met.shape[1], own["level.weight"].shape[1], feedback.shape[1], met.shape[0] // 2)

        return read_network(make, tensors, "network.", "what recurrent learned")


@dataclass
class RecurrentRanking(FittedValues):
    """How `recurrent` ranks nodes; see `RecurrentAgent`."""

    called: ClassVar[str] = "what recurrent learned"
    rules: ClassVar[Rules] = {"temperature": above(0), "trust": at_least(0)}
    temperature: float = 1.0
    offset: float = 0.0
    trust: float = 1.0


class RecurrentAgent:
    """X: the base recommender, with a recurrent unit that takes in the answers (App. C.4, Fig. 5).

    From the paper: the action space grows from items to items and queries; the last embedding of the single-round base
    model goes into a recurrent unit together with one of two learned vectors, for a positive or a negative answer; its
    state carries each round on to the next. What the shared action space and the rules for rivals changed:

    * a round answers a list of N nodes, so the unit takes N steps a round, in the order of the list; what was answered
      Not Care is left out;
    * a query starts from the base's scores as an item does: from the belief in the candidates that contain it;
    * the features are those of the node. The user enters through the base score, out of fold in training (reading 27);
    * the state is trained for both kinds at once: which candidate left is the target, and which queries would be
      clicked; how much a click on a query is worth beside one on an item (`offset`), and how far the state moves the
      base's ranking (`trust`), are chosen on validation sessions;
    * of queries that name the same candidates one is listed, and none that all candidates contain.

    It follows no containment between the nodes: what a click on a query says of an item it has to learn from the
    embeddings.

    Args:
        graph: the relational graph.
        scorer: a base recommender, or a matrix of scores [U, I].
        features: of the nodes.
        network: the recurrent unit.
        temperature: base scores are divided by it.
        offset: added to the log-probability of a click on a query when nodes are ranked.
        trust: the state is multiplied by it when nodes are ranked; 0 leaves the base's ranking.
        name: how tables call it.

    Raises:
        RunError: a network for features of another length.
    """

    def __init__(
        self,
        graph: HeteroData,
        scorer: Scorer | Tensor,
        features: BaseFeatures,
        network: RecurrentNetwork,
        temperature: float = 1.0,
        offset: float = 0.0,
        trust: float = 1.0,
        name: str = "recurrent",
    ) -> None:
        if network.met.in_features != features.size:
            raise RunError(
                f"what {name} learned takes {network.met.in_features} features a node, and the base model has "
                f"{features.size}: train again with this model"
            )
        self.graph = graph
        self.scorer = scorer
        self.features = features
        self.network = network
        self.temperature, self.offset, self.trust = temperature, offset, trust
        self.name = name

    def __repr__(self) -> str:
        return f"RecurrentAgent(temperature={self.temperature:.4g}, offset={self.offset:g}, trust={self.trust:g})"

    @classmethod
    def of_tensors(
        cls, graph: HeteroData, scorer: Scorer | Tensor, features: BaseFeatures, tensors: Mapping[str, Tensor]
    ) -> "RecurrentAgent":
        """The agent whose `tensors` were saved; RunError where something is missing or out of range."""
        network, ranking = RecurrentNetwork.of_tensors(tensors), RecurrentRanking.of_tensors(tensors)
        return cls(graph, scorer, features, network, **asdict(ranking))

    def tensors(self) -> AgentState:
        """What the agent has learned, to be saved."""
        ranking = RecurrentRanking(self.temperature, self.offset, self.trust)
        return {**network_tensors(self.network, "network."), **ranking.tensors()}

    def start(self, view: SessionView) -> "RecurrentPlay":
        """Begin B sessions."""
        return RecurrentPlay(self, view)


class RecurrentPlay:
    """B running sessions: `state` [B, h] of the recurrent unit, `left` bool [B, M], slots not shown yet.

    Attributes:
        noise: float64 [B, D], added to the ranking while the network learns; None in play.
    """

    def __init__(self, agent: RecurrentAgent, view: SessionView) -> None:
        self.agent, self.view = agent, view
        self.nodes = SessionNodes(view.graphs)
        self.left = view.graphs.valid.clone()
        self.listed = torch.zeros_like(self.nodes.valid)
        network = agent.network
        self.prior = self._prior(view)
        self.given, self.met = _projected(network, agent.features, self.nodes)
        self.state = torch.zeros((len(view.user), network.hidden), dtype=network.prior.dtype)
        self.noise: Tensor | None = None
        self.value = torch.zeros(self.nodes.slot.shape, dtype=torch.float64)

    def _prior(self, view: SessionView) -> Tensor:
        """float64 [B, D]: of items the log of the belief before the session, of queries the log-odds of their mass."""
        present = view.graphs.valid[:, : self.nodes.n_items]
        belief = normalised(initial_logit(view.scores, present, self.agent.temperature))
        mass = self.nodes.mass(belief).clamp(_LEAST, 1.0 - _LEAST)
        prior = torch.where(self.nodes.is_item, torch.log(mass), torch.logit(mass))
        return torch.where(self.nodes.valid, prior, 0.0)

    def free(self) -> Tensor:
        """bool [B, D]: the nodes that can be listed."""
        return self.nodes.valid & ~self.listed

    def logits(self) -> Tensor:
        """The network's logits [B, D] in the present state."""
        return self.agent.network.logits(self.agent.trust * self.state, self.met, self.prior, self.nodes.is_item)

    def click_log_probability(self, logit: Tensor) -> Tensor:
        """float64 [B, D]: of items by softmax over those left, of queries each on its own."""
        is_item = self.nodes.is_item
        logit = logit.to(torch.float64)
        items = torch.where(self.free() & is_item, logit, -torch.inf)[:, : self.nodes.n_items]
        total = torch.logsumexp(items, 1, keepdim=True)
        total = torch.where(torch.isfinite(total), total, 0.0)
        return torch.where(is_item, logit - total, nn.functional.logsigmoid(logit))

    def recommend(self) -> Tensor:
        """The next lists, int64 [B, N] slots, best first, -1 where no node is left."""
        with torch.no_grad():
            value = self.click_log_probability(self.logits().detach())
            value = steady(torch.where(self.nodes.is_item, value, value + self.agent.offset))
            self.value = value
            if self.noise is not None:
                value = value + self.noise
            length, least = self.view.list_length, self.view.min_items
            places = rank_list(value, self.prior, self.free(), length, self.nodes.is_item, least)
            return self.nodes.fill(self.nodes.slots_of(places), self.left, self.value[:, : self.nodes.n_items])

    def update(self, feedback: Feedback) -> None:
        """Take in the answers to the last lists."""
        shown, answers = feedback.shown, said(feedback, self.nodes.n_items, all_refused=True)
        for position in range(shown.shape[1]):
            slot, one = shown[:, position], answers[:, position]
            answer = torch.where(one == Said.CLICKED, CLICKED, REFUSED)
            taken = (one == Said.CLICKED) | (one == Said.REFUSED)
            same = self.nodes.slot == slot.unsqueeze(1)
            taken = taken & same.any(1)  # what `fill` added has no place, and says nothing new
            row, place = torch.arange(len(slot)), same.to(torch.int64).argmax(1)
            self.state = self.agent.network.step(
                self.state, self.given[row, place], answer, self.prior[row, place], taken
            )
        self.left = mark_shown(self.left, shown)
        self.listed = self.listed | self.nodes.holds(shown)

    def node_scores(self) -> Tensor:
        """The log-probability of a click by which each node was ranked last; 0 before the first list."""
        return self.nodes.by_slot(self.value)


def _projected(network: RecurrentNetwork, features: BaseFeatures, nodes: SessionNodes) -> tuple[Tensor, Tensor]:
    """V e_v and W e_v [B, D, r] of the nodes of sessions; each node of the graph once where the sessions hold more."""
    if features.n_nodes > nodes.node.numel():
        return network.project(features(nodes.node), nodes.is_item)
    every = torch.arange(features.n_nodes)
    given, met = network.project(features(every).unsqueeze(0), every < features.n_items)
    place, shape = nodes.node.flatten(), (*nodes.node.shape, -1)
    return gather_rows(given[0], place).view(shape), gather_rows(met[0], place).view(shape)

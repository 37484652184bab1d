"""Simulated sessions whose candidates are a whole catalogue: played by nodes, without the graph of any session.

A session graph of all items has all their queries and R+ edges, for every session anew. Here sessions share one
`CatalogueIndex`, and hold what `Catalogue` holds for a person. The user, the rules and the record table are those of
`simulate`.
"""

import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise

import torch
from torch import Tensor

from magus_pyg.agents import BayesState, EdgeFactors
from magus_pyg.agents.node_rules import NodeAgent, NodeRules
from magus_pyg.data import Sessions
from magus_pyg.errors import ConfigError
from magus_pyg.graph import n_nodes
from magus_pyg.online.catalogue.belief_play import Width
from magus_pyg.online.catalogue.containment import CatalogueIndex
from magus_pyg.online.catalogue.edition import Edition, catalogue_options
from magus_pyg.online.catalogue.player import Player
from magus_pyg.online.node_play import NodePlay
from magus_pyg.simulation import Agent, Answer
from magus_pyg.simulation.answers import AnsweredList
from magus_pyg.simulation.loop import PlayedBatch, Plays, play_rounds
from magus_pyg.simulation.prepare import score_candidates
from magus_pyg.simulation.record_table import records_of
from magus_pyg.simulation.users import Spoken

__all__ = ["CataloguePlays", "play_catalogue_batch", "plays_catalogues", "split_for_catalogue"]

_NODES = 1 << 23
"""Nodes of the sessions that are played at once: bounds the memory."""


def plays_catalogues(agent: Agent) -> bool:
    """Whether an agent plays a whole catalogue without session graphs: a `NodeAgent`, but for switches and relations
    that need R- as edges."""
    return _rules(agent) is not None


def _rules(agent: Agent) -> NodeRules | None:
    """The rules by which an agent plays a whole catalogue; None where it does not."""
    rules = agent.node_rules if isinstance(agent, NodeAgent) and agent.graph.relations == "definition" else None
    if rules is None:
        return None
    with suppress(ConfigError):
        return replace(rules, options=catalogue_options(rules.options))
    return None


def split_for_catalogue(plays: Plays, sessions: Sessions, batch_size: int) -> list[Sessions]:
    """The batches of sessions on a whole catalogue: of `batch_size`, or fewer where it has many nodes."""
    size = max(1, min(batch_size, _NODES // n_nodes(plays.builder.graph)))
    return [sessions.take(rows) for rows in torch.split(torch.arange(len(sessions)), size)] if len(sessions) else []


@dataclass
class CataloguePlays:
    """Who plays each batch of sessions on a whole catalogue.

    Attributes:
        plays: the agents, all of which `plays_catalogues`, and how they play.
    """

    plays: Plays

    @cached_property
    def index(self) -> CatalogueIndex:
        """What all sessions share; made where they are played."""
        return CatalogueIndex(self.plays.builder.graph)

    @cached_property
    def players(self) -> list[tuple[Player, Edition]]:
        """The settings of each agent, and the catalogue with what it has learned."""
        return [self._player(agent) for agent, _ in self.plays.agents]

    def _player(self, agent: Agent) -> tuple[Player, Edition]:
        rules = _rules(agent)
        assert rules is not None, "only agents that play catalogues do"
        belief = rules.state if isinstance(rules.state, BayesState) else BayesState()
        factors = rules.state if isinstance(rules.state, EdgeFactors) else None
        # Learned weights in float64, as in sessions of few candidates.
        edition = Edition.of(self.index, factors, rules.options.minus_scale, torch.float64)
        return Player(rules.variant, rules.options, belief, Width()), edition


def play_catalogue_batch(shared: CataloguePlays, batch: Sessions) -> PlayedBatch:
    """Play a batch with every agent, as `simulation.loop.play_batch` does; errors as of `simulate`."""
    began, index = time.perf_counter(), shared.index
    everything = torch.arange(index.n_items).expand(len(batch), -1)
    scores = score_candidates(shared.plays.scorer, batch.user, everything)
    offered = torch.zeros((len(batch), index.n_items + 1), dtype=torch.bool)
    offered.scatter_(1, torch.where(batch.candidates < 0, index.n_items, batch.candidates), True)
    began_at = _Beginning(batch, scores, offered[:, :-1])
    marks, records = [time.perf_counter()], []
    for (agent, rounds), (player, edition) in zip(shared.plays.agents, shared.players, strict=True):
        running = _CatalogueSessions(shared, began_at, player, edition, rounds)
        played = play_rounds(shared.plays, batch, rounds, running)
        records.append(records_of(agent.name, batch, played, rounds))
        marks.append(time.perf_counter())
    seconds = [after - before for before, after in pairwise(marks)]
    return PlayedBatch(records, seconds, marks[0] - began)


@dataclass(frozen=True)
class _Beginning:
    """What B sessions begin with: their base scores float64 [B, I], and the items that are candidates bool [B, I]."""

    sessions: Sessions
    scores: Tensor
    offered: Tensor

    def play(self, row: int, player: Player, edition: Edition, plays: Plays, rounds: int) -> NodePlay:
        """One of them, with those of its searched queries that some candidate contains."""
        offered, searched = self.offered[row], self.sessions.searched
        nodes = [] if searched is None else dict.fromkeys(searched[row][searched[row] >= 0].tolist())
        held = [node for node in nodes if bool(offered[edition.index.items_of(node)].any())]
        excluded = None if bool(offered.all()) else ~offered
        first = player.first(edition, self.scores[row], excluded, held)
        return player.play(edition, first, plays.list_length, rounds, plays.min_items)


class _CatalogueSessions:
    """`RunningSessions` that share the index of a catalogue."""

    def __init__(
        self, shared: CataloguePlays, began: _Beginning, player: Player, edition: Edition, rounds: int
    ) -> None:
        self.graph, self.device = shared.index.graph, torch.device("cpu")
        self._index, self._offered = shared.index, began.offered
        self._length, count = shared.plays.list_length, len(began.sessions)
        self._running = [began.play(row, player, edition, shared.plays, rounds) for row in range(count)]
        self._nodes = torch.empty((count, 0), dtype=torch.int64)

    def want(self, items: Tensor, wanted: Tensor) -> None:
        """See `RunningSessions`."""
        self._holds = _Holds(self._index, items)

    def tell(self, spoken: Sequence[Spoken], active: Tensor) -> None:
        """See `RunningSessions`; each word on its own, once, to sessions that take words."""
        for words in spoken:
            for row in torch.nonzero(active).flatten().tolist():
                if self._running[row].listens:
                    for node in dict.fromkeys(words.nodes[row].tolist()):
                        if node >= 0 and bool(self._offered[row, self._index.items_of(node)].any()):
                            self._running[row].tell(node, words.liked)

    def recommend(self, active: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """See `RunningSessions`."""
        self._nodes = torch.full((len(active), self._length), -1)
        for row in torch.nonzero(active).flatten().tolist():
            listed = self._running[row].recommend()
            self._nodes[row, : listed.numel()] = listed
        present = self._nodes >= 0
        return self._nodes, present, present & (self._nodes < self._index.n_items), self._holds.count(self._nodes)

    def update(self, answer: Answer, clicked: Tensor, active: Tensor, stay: Tensor) -> None:
        """See `RunningSessions`."""
        for row in torch.nonzero(stay).flatten().tolist():
            self._running[row].update(_answered(self._nodes[row], int(clicked[row]), answer.not_care[row]))


def _answered(nodes: Tensor, clicked: int, not_care: Tensor) -> AnsweredList:
    shown = nodes[nodes >= 0].tolist()
    careless = nodes[not_care & (nodes >= 0)].tolist()
    return AnsweredList(tuple(shown), shown[clicked] if clicked >= 0 else None, tuple(careless))


class _Holds:
    """How many of a session's targets contain a node.

    Args:
        index: the catalogue.
        items: int64 [B, T], the targets, -1 pads.
    """

    def __init__(self, index: CatalogueIndex, items: Tensor) -> None:
        self.total = index.n_nodes
        session, place = torch.nonzero(items >= 0, as_tuple=True)
        item = items[session, place]
        row, query = index.item_queries.gather(item)
        held = torch.cat([session * self.total + item, session[row] * self.total + query])
        self.key, self.number = torch.unique(held, return_counts=True)

    def count(self, nodes: Tensor) -> Tensor:
        """int64 [B, N], for nodes [B, N]; 0 for pads."""
        key = torch.arange(len(nodes)).unsqueeze(1) * self.total + nodes
        place = torch.searchsorted(self.key, key).clamp(max=max(self.key.numel() - 1, 0))
        if not self.key.numel():
            return torch.zeros_like(nodes)
        return torch.where((self.key[place] == key) & (nodes >= 0), self.number[place], 0)

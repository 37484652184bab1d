"""Simulated sessions whose candidates are a whole catalogue: played by nodes, without the graph of any session.

A session graph of all items has all their queries and R+ edges, for every session anew. Here sessions share one
`CatalogueIndex`, and hold what `Catalogue` holds for a person. The user, the rules and the record table are those of
`simulate`.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import torch
from torch import Tensor

from magus_pyg.agents import BayesAgent, BayesState, ItemsAgent, MagusAgent, MagusOptions
from magus_pyg.data import Sessions
from magus_pyg.errors import ConfigError
from magus_pyg.graph import n_nodes
from magus_pyg.online.catalogue.belief_play import Width
from magus_pyg.online.catalogue.containment import CatalogueIndex
from magus_pyg.online.catalogue.edition import Edition, catalogue_options
from magus_pyg.online.catalogue.player import Player
from magus_pyg.online.node_play import NodePlay
from magus_pyg.random import hash_keys
from magus_pyg.simulation import Agent, Moment, ShownList
from magus_pyg.simulation.answers import AnsweredList, at_click
from magus_pyg.simulation.loop import PlayedBatch, Plays, checked_click, checked_targets
from magus_pyg.simulation.prepare import score_candidates, session_ids
from magus_pyg.simulation.record_table import records_of
from magus_pyg.simulation.users import Spoken, target_nodes

__all__ = ["CataloguePlays", "play_catalogue_batch", "plays_catalogues", "split_for_catalogue"]

_NODES = 1 << 23
"""Nodes of the sessions that are played at once: bounds the memory."""


def plays_catalogues(agent: Agent) -> bool:
    """Whether an agent plays a whole catalogue without session graphs: items, MAGUS, MAGUS+ and the Bayesian variant,
    but for switches and relations that need R- as edges."""
    if agent.graph.relations != "definition":
        return False
    if isinstance(agent, MagusAgent):
        try:
            catalogue_options(agent.options)
        except ConfigError:
            return False
        return True
    return isinstance(agent, ItemsAgent) or (isinstance(agent, BayesAgent) and not agent.exact)


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
        options, belief, factors, variant = MagusOptions(), BayesState(), None, "none"
        if isinstance(agent, MagusAgent):
            options, factors = catalogue_options(agent.options), agent.factors
            variant = "base" if factors is None else "plus"
        elif isinstance(agent, BayesAgent):
            belief, variant = agent.state, "bayes"
        # Learned weights in float64, as in sessions of few candidates.
        edition = Edition.of(self.index, factors, options.minus_scale, torch.float64)
        return Player(variant, options, belief, Width()), edition


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
        played = _play(shared, began_at, player, edition, rounds)
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


def _play(
    shared: CataloguePlays, began: _Beginning, player: Player, edition: Edition, rounds: int
) -> list[dict[str, Tensor]]:
    """All rounds of B sessions of one agent, as `records_of` takes them."""
    plays, sessions, index = shared.plays, began.sessions, shared.index
    user, graph, count = plays.user, index.graph, len(sessions)
    key = hash_keys(plays.seed, session_ids(sessions))
    running = [began.play(row, player, edition, plays, rounds) for row in range(count)]
    wanted: Tensor | None = None
    active = torch.ones(count, dtype=torch.bool)
    played: list[dict[str, Tensor]] = []
    for number in range(1, rounds + 1):
        if not active.any():
            break
        now = user.wants(sessions.candidates, sessions.targets, number, key)
        if now is not wanted:
            wanted = checked_targets(user, now, sessions)
            items, n_targets = target_nodes(sessions.candidates, now), now.sum(1)
            holds = _Holds(index, items)
        for spoken in user.tells(Moment(graph, items, number, key)):
            _tell(running, spoken, active, began.offered, index)
        nodes = torch.full((count, plays.list_length), -1)
        going = torch.nonzero(active).flatten().tolist()
        for row in going:
            listed = running[row].recommend()
            nodes[row, : listed.numel()] = listed
        present, is_item = nodes >= 0, (nodes >= 0) & (nodes < index.n_items)
        matches = holds.count(nodes)
        answer = user.answer(ShownList(present, is_item, matches, n_targets, number, key, graph, nodes, items))
        clicked = checked_click(user, answer, present, is_item, active)
        hit = at_click(is_item & (matches > 0), clicked)
        turn = {"active": active, "nodes": nodes, "clicked": clicked, "hit": hit}
        played.append({**turn, "is_item": is_item, "present": present, "n_targets": n_targets})
        active = active & ~hit
        if answer.leaves is not None:
            active = active & ~answer.leaves
        for row in going:
            if active[row] and number < rounds:
                running[row].update(_answered(nodes[row], int(clicked[row]), answer.not_care[row]))
    return played


def _answered(nodes: Tensor, clicked: int, not_care: Tensor) -> AnsweredList:
    shown = nodes[nodes >= 0].tolist()
    careless = nodes[not_care & (nodes >= 0)].tolist()
    return AnsweredList(tuple(shown), shown[clicked] if clicked >= 0 else None, tuple(careless))


def _tell(running: Sequence[NodePlay], spoken: Spoken, active: Tensor, offered: Tensor, index: CatalogueIndex) -> None:
    """Let sessions that take words hear what is told, each word on its own, once."""
    for row in torch.nonzero(active).flatten().tolist():
        if running[row].listens:
            for node in dict.fromkeys(spoken.nodes[row].tolist()):
                if node >= 0 and bool(offered[row, index.items_of(node)].any()):
                    running[row].tell(node, spoken.liked)


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

"""The loop between an agent and a user, for many sessions at once."""

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from numbers import Integral
from typing import Any, Protocol

import numpy as np
import pandas as pd
import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from magus_pyg.data import Sessions
from magus_pyg.engines import Engine, OneProcess
from magus_pyg.errors import SessionError
from magus_pyg.graph import SessionGraphBuilder, SessionGraphs
from magus_pyg.random import hash_keys
from magus_pyg.simulation.answers import at_click
from magus_pyg.simulation.prepare import (
    PreparedBatch,
    PreparedSessions,
    find_slots,
    join_sessions,
    prepare_batch,
    session_ids,
    session_numbers,
    split_sessions,
)
from magus_pyg.simulation.protocol import Agent, Feedback, Learner, Listener, Scorer, SessionView
from magus_pyg.simulation.record_table import ANSWER_COLUMNS, join_records, records_of
from magus_pyg.simulation.users import Answer, Moment, ShownList, Spoken, TruthfulUser, User, target_nodes

__all__ = [
    "PlayedBatch",
    "Plays",
    "RunningSessions",
    "check_lengths",
    "check_list",
    "play_batch",
    "play_rounds",
    "simulate",
]

_MOST = 1_000_000
"""Of rounds, and of nodes of a list."""


def simulate(
    agent: Agent,
    sessions: Sessions | PreparedSessions,
    user: User | None = None,
    rounds: int = 5,
    list_length: int = 3,
    seed: int = 0,
    batch_size: int = 256,
    min_items: int = 0,
    engine: Engine | None = None,
) -> pd.DataFrame:
    """Play sessions: lists are shown and answered until a target item is clicked, the user leaves or rounds are over.

    Results do not depend on `batch_size`, nor on which other sessions are played or in which order: everything random
    is a function of (seed, session id). Only a `Learner`, which learns from all users' earlier sessions, depends on
    which sessions are played; those of a user are then played in the order given.

    Args:
        agent: recommends; it never sees targets.
        sessions: B sessions, or what `prepare_sessions` made of them (shared by several agents).
        user: answers; a `TruthfulUser` if None.
        rounds: K, the most rounds of a session.
        list_length: N, the length of a list.
        seed: of what users and agents draw.
        batch_size: sessions played at once, where `sessions` is not prepared.
        min_items: the fewest items of a list, as long as so many are left; 0 for the lists of the paper.
        engine: shares out the batches, with the same records wherever they are played; this process if None.

    Returns:
        The record table, a row a (session, round) that was played, sorted by session as given, then round: `session`
        (its id), `user`, `agent`, `horizon` (= rounds), `round` (from 1), `shown` (list of nodes), `kinds` (list of
        "item" or "query"), `clicked` (node, -1 for none), `position` of the click (from 1, 0 for none),
        `n_candidates`, `n_targets` (of the round), `queries_shown`, `target_clicked` (one of the round's targets),
        `done` (the session is over after this round: with success, left by the user, or at its last round).

    Raises:
        SessionError: rounds, list_length or min_items out of range, candidates outside the graph, an agent that shows a
            node twice or one that is not there, a user whose answers or targets do not fit what was shown.
        ModelError: scores that are NaN or infinite.
    """
    check_lengths(rounds, list_length, min_items)
    engine = OneProcess() if engine is None else engine
    user = TruthfulUser() if user is None else user
    if isinstance(sessions, PreparedSessions):
        if sessions.graph is not agent.graph:
            raise SessionError("the sessions were prepared for another graph than the agent's")
        builder = sessions.builder
    else:
        builder = SessionGraphBuilder(agent.graph)

    def play(batches: Iterable[Sessions | PreparedBatch]) -> pd.DataFrame:
        plays = Plays([(agent, rounds)], builder, agent.scorer, user, list_length, seed, min_items)
        return join_records([played.records[0] for played in engine.map(play_batch, plays, batches)])

    if isinstance(agent, Learner):
        if isinstance(sessions, PreparedSessions):
            batch_size = max(map(len, sessions.parts), default=batch_size)
            sessions = join_sessions(sessions.parts)
        return _in_turns(agent, sessions, lambda chosen: play(split_sessions(builder, chosen, batch_size)))
    if isinstance(sessions, PreparedSessions):
        return play(sessions.batches)
    return play(split_sessions(builder, sessions, batch_size))


def check_lengths(rounds: int, list_length: int, min_items: int = 0) -> None:
    """Raise a SessionError unless rounds and list_length are from 1 to a million, and `min_items` fit into a list."""
    lengths: dict[str, Any] = {"rounds": rounds, "list_length": list_length, "min_items": min_items}
    for name, value in lengths.items():
        whole = isinstance(value, Integral) and not isinstance(value, bool)
        if not whole:
            raise SessionError(f"{name} must be a whole number, got {value!r}")
        if name != "min_items" and not 1 <= value <= _MOST:
            end = "least 1" if value < 1 else f"most {_MOST:,}"
            raise SessionError(f"{name} must be at {end}, got {value}")
    if not 0 <= min_items <= list_length:
        raise SessionError(f"min_items must be from 0 to the list_length {list_length}, got {min_items}")


@dataclass(frozen=True)
class Plays:
    """Who plays each batch of sessions, and how.

    Attributes:
        agents: each with the most rounds of its sessions; all on one graph.
        builder: what the session graphs of that graph share.
        scorer: gives the base scores, for all agents alike; it is not asked where batches are prepared.
        user, list_length, seed, min_items: as of `simulate`.
    """

    agents: Sequence[tuple[Agent, int]]
    builder: SessionGraphBuilder
    scorer: Scorer | Tensor
    user: User
    list_length: int
    seed: int
    min_items: int = 0


@dataclass(frozen=True)
class PlayedBatch:
    """What playing a batch gave.

    Attributes:
        records: the record table of each of `Plays.agents`.
        seconds: what each of them took.
        preparing: seconds that session graphs and base scores took, once for all.
    """

    records: list[pd.DataFrame]
    seconds: list[float]
    preparing: float


def play_batch(plays: Plays, batch: Sessions | PreparedBatch) -> PlayedBatch:
    """Play a batch with every agent; errors as of `simulate`."""
    began = time.perf_counter()
    if isinstance(batch, Sessions):
        batch = prepare_batch(plays.builder, batch, plays.scorer)
    marks = [time.perf_counter()]
    records = []
    for agent, rounds in plays.agents:
        records.append(_play_batch(plays, agent, batch, rounds))
        marks.append(time.perf_counter())
    seconds = [after - before for before, after in pairwise(marks)]
    return PlayedBatch(records, seconds, marks[0] - began)


def _in_turns(agent: Learner, sessions: Sessions, play: Callable[[Sessions], pd.DataFrame]) -> pd.DataFrame:
    """All users' first sessions, then their second ones with what was learned from the first, and so on.

    Args:
        agent: learns from the answers to all of them.
        sessions: B sessions.
        play: plays chosen sessions with what is learned so far.

    Returns:
        The record table, in the order of `sessions`.
    """
    agent.restart()
    number = session_numbers(sessions.user)
    last = int(number.max()) if len(sessions) else -1
    tables = []
    for turn in range(last + 1):
        played = play(sessions.take(number == turn))
        tables.append(played)
        if turn < last:
            agent.learn(played[list(ANSWER_COLUMNS)])  # line 14 of Algorithm 1
    log = join_records(tables)
    place = pd.Series(range(len(sessions)), index=session_ids(sessions).cpu().numpy())
    order = np.argsort(place.loc[log["session"]].to_numpy(), kind="stable")
    return log.iloc[order].reset_index(drop=True)


class RunningSessions(Protocol):
    """B sessions of one agent: they make the lists, and take in what comes of them."""

    graph: HeteroData
    device: torch.device

    def want(self, items: Tensor, wanted: Tensor) -> None:
        """Hear what the users want from now on: items int64 [B, T] with -1 pads, which are candidates bool [B, C]."""
        ...

    def tell(self, spoken: Sequence[Spoken], active: Tensor) -> None:
        """Let the agent hear what the users of the sessions that go on, bool [B], say before a list."""
        ...

    def recommend(self, active: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """The lists of the sessions that go on: their nodes int64 [B, N], -1 pads; which places are filled, and which
        are items, bool [B, N]; and how many targets contain each node, int64 [B, N]."""
        ...

    def update(self, answer: Answer, clicked: Tensor, active: Tensor, stay: Tensor) -> None:
        """Take in the answers to the lists of sessions that went on, `active` bool [B]; those that `stay` go on."""
        ...


def play_rounds(plays: Plays, sessions: Sessions, rounds: int, running: RunningSessions) -> list[dict[str, Tensor]]:
    """Lines 4 to 13 of Algorithm 1: lists and answers, until each session has ended.

    Args:
        plays: the user and the seed.
        sessions: B sessions.
        rounds: the most rounds of a session.
        running: the same sessions with the agent.

    Returns:
        What `records_of` takes of each round.
    """
    user, key = plays.user, hash_keys(plays.seed, session_ids(sessions))
    wanted: Tensor | None = None
    active = torch.ones(len(sessions), dtype=torch.bool, device=running.device)
    played: list[dict[str, Tensor]] = []
    for number in range(1, rounds + 1):
        if not active.any():
            break
        now = user.wants(sessions.candidates, sessions.targets, number, key)
        if now is not wanted:
            wanted = _checked_targets(user, now, sessions)
            n_targets, items = now.sum(1), target_nodes(sessions.candidates, now)
            running.want(items, now)
        running.tell(user.tells(Moment(running.graph, items, number, key)), active)
        nodes, present, is_item, matches = running.recommend(active)
        answer = user.answer(ShownList(present, is_item, matches, n_targets, number, key, running.graph, nodes, items))
        clicked = _checked_click(user, answer, present, is_item, active)
        hit = at_click(is_item & (matches > 0), clicked)
        turn = {"active": active, "nodes": nodes, "clicked": clicked, "hit": hit}
        played.append({**turn, "is_item": is_item, "present": present, "n_targets": n_targets})
        stay = active & ~hit
        if answer.leaves is not None:
            stay = stay & ~answer.leaves
        if number < rounds:  # after the last round there is nothing to be learned for
            running.update(answer, clicked, active, stay)
        active = stay
    return played


def _play_batch(plays: Plays, agent: Agent, batch: PreparedBatch, rounds: int) -> pd.DataFrame:
    running = _GraphSessions(plays, agent, batch, rounds)
    return records_of(agent.name, batch.sessions, play_rounds(plays, batch.sessions, rounds, running), rounds)


class _GraphSessions:
    """`RunningSessions` with a graph each."""

    def __init__(self, plays: Plays, agent: Agent, batch: PreparedBatch, rounds: int) -> None:
        graphs, sessions = batch.graphs, batch.sessions
        self.graph, self.device, self._name, self._graphs = agent.graph, graphs.node.device, agent.name, graphs
        self._length, self._seen = plays.list_length, torch.zeros_like(graphs.node, dtype=torch.bool)
        key = hash_keys(plays.seed, session_ids(sessions))
        heard = (sessions.user, batch.scores, batch.searched, rounds, plays.list_length, key, plays.min_items)
        self._play = agent.start(SessionView(agent.graph, plays.builder, graphs, *heard))
        self._shown = self._targets = torch.empty(0, dtype=torch.int64)

    def want(self, items: Tensor, wanted: Tensor) -> None:
        """See `RunningSessions`."""
        self._targets = self._graphs.count_targets(wanted)

    def tell(self, spoken: Sequence[Spoken], active: Tensor) -> None:
        """See `RunningSessions`; each word on its own, to an agent that takes words."""
        if not isinstance(self._play, Listener):
            return
        for words in spoken:
            slots = find_slots(self._graphs, words.nodes)
            assert slots is not None, "what is told has nodes"
            for column in torch.where(active.unsqueeze(1), slots, -1).unbind(1):
                if bool((column >= 0).any()):
                    self._play.tell(column, words.liked)

    def recommend(self, active: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """See `RunningSessions`."""
        self._shown = self._play.recommend()
        present, is_item = check_list(self._name, self._graphs, self._shown, self._seen, active, self._length)
        slot = self._shown.clamp(min=0)
        nodes = torch.where(present, self._graphs.node.gather(1, slot), -1)
        return nodes, present, is_item, torch.where(present, self._targets.gather(1, slot), 0)

    def update(self, answer: Answer, clicked: Tensor, active: Tensor, stay: Tensor) -> None:
        """See `RunningSessions`."""
        self._play.update(Feedback(self._shown, clicked, answer.not_care, active))


def check_list(
    name: str, graphs: SessionGraphs, shown: Tensor, seen: Tensor, active: Tensor, list_length: int
) -> tuple[Tensor, Tensor]:
    """Check an agent's lists and mark them as seen.

    Args:
        name: the agent's, for messages.
        graphs: the session graphs.
        shown: int64 [B, N], slots, -1 where a list is shorter.
        seen: bool [B, M], the slots shown before; changed in place.
        active: bool [B], the sessions that still go on; lists of others are not looked at.
        list_length: N.

    Returns:
        `(present, is_item)`, bool [B, N].

    Raises:
        SessionError: a list of another length, a slot without a node, or a node shown before.
    """
    if shown.shape != (graphs.n_sessions, list_length):
        expected = [graphs.n_sessions, list_length]
        raise SessionError(f"agent {name!r} gave lists of shape {list(shown.shape)}, expected {expected}")
    if shown.numel() and (int(shown.max()) >= graphs.n_slots or int(shown.min()) < -1):
        raise SessionError(f"agent {name!r} showed slot {int(shown.max())}: sessions have {graphs.n_slots} slots")
    present = (shown >= 0) & active.unsqueeze(1)
    slot = shown.clamp(min=0)
    again = present & (seen.gather(1, slot) | ~graphs.valid.gather(1, slot))
    ordered, _ = torch.sort(torch.where(present, shown, -1), dim=1)
    if again.any() or bool(((ordered[:, 1:] == ordered[:, :-1]) & (ordered[:, 1:] >= 0)).any()):
        raise SessionError(f"agent {name!r} showed a node twice in a session, or one that the session does not have")
    row = torch.nonzero(present)
    seen[row[:, 0], shown[present]] = True
    return present, graphs.is_item[slot] & present


def _checked_targets(user: User, targets: Tensor, sessions: Sessions) -> Tensor:
    """The targets of a round, bool [B, C], if they are candidates."""
    if targets.shape != sessions.candidates.shape or targets.dtype != torch.bool:
        kind = f"{str(targets.dtype).removeprefix('torch.')} {list(targets.shape)}"
        raise SessionError(f"{user!r} wants {kind}, expected bool {list(sessions.candidates.shape)}, like candidates")
    if bool((targets & (sessions.candidates < 0)).any()):
        raise SessionError(f"{user!r} wants a pad (-1)")
    return targets


def _checked_click(user: User, answer: Answer, present: Tensor, is_item: Tensor, active: Tensor) -> Tensor:
    """The clicks, int64 [B], of the sessions that still go on, if all answers are to what was shown."""
    clicked, not_care, leaves = answer.clicked, answer.not_care, answer.leaves
    count = present.shape[0]
    expected = {"clicked": (clicked, (count,), torch.int64), "not_care": (not_care, present.shape, torch.bool)}
    if leaves is not None:
        expected["leaves"] = (leaves, (count,), torch.bool)
    for name, (value, shape, dtype) in expected.items():
        if value.shape != shape or value.dtype != dtype:
            raise SessionError(
                f"{user!r} answers {name} {value.dtype} {list(value.shape)}, expected {dtype} {list(shape)}"
            )
    outside = (clicked >= present.shape[1]) | (clicked < -1)
    row = torch.arange(count, device=clicked.device)
    place = clicked.clamp(0, present.shape[1] - 1)
    wrong = active & (outside | ((clicked >= 0) & ~present[row, place]))
    if wrong.any():
        raise SessionError(f"{user!r} clicked position {int(clicked[wrong][0])}, where nothing was shown")
    careless = not_care & active.unsqueeze(1)
    if bool((careless & (~present | is_item)).any()) or bool((careless[row, place] & (clicked >= 0)).any()):
        raise SessionError(f"{user!r} answers Not Care to what is no shown query, or to what it clicked")
    return torch.where(active, clicked, -1)

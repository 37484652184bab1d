"""Playing training sessions: the loop of `simulate` without records, for agents that learn while they play."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from magus_pyg.data import Sessions
from magus_pyg.errors import DataError, SessionError
from magus_pyg.graph import SessionGraphBuilder
from magus_pyg.random import hash_keys
from magus_pyg.simulation.answers import at_click
from magus_pyg.simulation.prepare import (
    PreparedBatch,
    PreparedSessions,
    find_slots,
    kept_or_made_anew,
    score_candidates,
    session_ids,
    split_sessions,
)
from magus_pyg.simulation.protocol import Feedback, Play, SessionView
from magus_pyg.simulation.users import ShownList, TruthfulUser, User, target_nodes

__all__ = ["Outcome", "TrainingSessions", "play_batch", "prepare_scored"]


@dataclass(frozen=True)
class Outcome:
    """What happened in B sessions of R rounds.

    Attributes:
        active: bool [R, B], the rounds that were played.
        found: bool [R, B], a target item was clicked.
        clicked: bool [R, B], a query was clicked.
    """

    active: Tensor
    found: Tensor
    clicked: Tensor

    @property
    def success(self) -> Tensor:
        """bool [B]."""
        return self.found.any(0)


def prepare_scored(graph: HeteroData, sessions: Sessions, scores: Tensor, batch_size: int = 256) -> PreparedSessions:
    """As `prepare_sessions`, with base scores that are there already.

    Args:
        graph: the relational graph.
        sessions: B sessions.
        scores: float [B, C], in the order of the candidates; what stands at pads is not used.
        batch_size: sessions in a batch; sessions of very many nodes come in smaller ones.

    Raises:
        ModelError: scores of another shape, NaN or infinite.
        SessionError: an id of two sessions, or as of `prepare_sessions`.
    """
    builder = SessionGraphBuilder(graph)
    batches = split_sessions(builder, sessions, batch_size)
    return kept_or_made_anew(builder, batches, _ScoredBatches(builder, session_ids(sessions), scores).make)


class _ScoredBatches:
    """Makes batches of sessions of which each has scores of its own, found by its id.

    Args:
        builder: of the graphs.
        ids: int64 [B] of the sessions, each once.
        scores: float [B, C], in the order of the candidates.

    Raises:
        SessionError: an id of two sessions.
    """

    def __init__(self, builder: SessionGraphBuilder, ids: Tensor, scores: Tensor) -> None:
        self.builder, self.scores = builder, scores
        self.ids, self.row = ids.sort()
        again = self.ids[1:] == self.ids[:-1]
        if bool(again.any()):
            raise SessionError(f"the id {int(self.ids[1:][again][0])} is of two sessions: scores are found by the ids")

    def make(self, sessions: Sessions) -> PreparedBatch:
        """The graphs and scores of some of them."""
        rows = self.row[torch.searchsorted(self.ids, session_ids(sessions))]
        graphs = self.builder.build(sessions.candidates)
        items = graphs.node[:, : graphs.n_candidates]
        given = score_candidates(_Given(graphs.sort_candidates(self.scores[rows])), sessions.user, items)
        return PreparedBatch(sessions, graphs, given, find_slots(graphs, sessions.searched))


class _Given:
    """A scorer that has been asked already."""

    def __init__(self, scores: Tensor) -> None:
        self.scores = scores

    def score(self, users: Tensor, items: Tensor) -> Tensor:
        return self.scores


@dataclass(frozen=True)
class TrainingSessions:
    """Sessions to learn from, with out-of-fold base scores, and how they are played.

    Attributes:
        prepared: the sessions, in batches of a training step's size.
        user: who answers.
        rounds: the numbers of rounds that sessions are played for.
        list_length: N.
        seed: of the user's answers and of all that is drawn.

    Raises:
        DataError: no sessions.
    """

    prepared: PreparedSessions
    user: User
    rounds: tuple[int, ...] = (3, 5)
    list_length: int = 3
    seed: int = 0
    min_items: int = 0

    def __post_init__(self) -> None:
        if not len(self.prepared):
            raise DataError(
                "there are no training sessions to learn from: no user has enough rows in the training part; lower "
                "sessions.min_interactions or sessions.min_targets, or play agents that do not learn (items, magus, "
                "max_entropy)"
            )

    @classmethod
    def of(
        cls,
        graph: HeteroData,
        sessions: Sessions,
        scores: Tensor,
        batch_size: int = 64,
        user: User | None = None,
        rounds: tuple[int, ...] = (3, 5),
        list_length: int = 3,
        seed: int = 0,
        min_items: int = 0,
    ) -> "TrainingSessions":
        """Prepare sessions with given scores (see `prepare_scored`)."""
        prepared = prepare_scored(graph, sessions, scores, batch_size)
        return cls(prepared, user or TruthfulUser(), rounds, list_length, seed, min_items)

    def epoch(self, generator: torch.Generator, most: int) -> Iterator[tuple[PreparedBatch, int]]:
        """The batches in a random order, `most` of them at most, each with a number of rounds."""
        batches = self.prepared.batches
        order = torch.randperm(len(batches), generator=generator).tolist()[:most]
        horizon = torch.randint(len(self.rounds), (len(batches),), generator=generator).tolist()
        for number, which in zip(order, horizon, strict=False):
            yield batches[number], self.rounds[which]

    def view(self, batch: PreparedBatch, rounds: int) -> SessionView:
        """What an agent knows of a batch when its sessions begin."""
        key = hash_keys(self.seed, session_ids(batch.sessions))
        return SessionView(
            self.prepared.graph,
            self.prepared.builder,
            batch.graphs,
            batch.sessions.user,
            batch.scores,
            batch.searched,
            rounds,
            self.list_length,
            key,
            self.min_items,
        )


def play_batch(
    play: Play,
    view: SessionView,
    batch: PreparedBatch,
    user: User,
    each_round: Callable[[Tensor, Tensor], None] | None = None,
) -> Outcome:
    """Play a batch of sessions to the end; gradients flow through what the play keeps.

    Args:
        play: the running sessions.
        view: what they were begun with.
        batch: the sessions with their targets, which decide the answers.
        user: who answers.
        each_round: called after a list is made and before it is answered, with the sessions that go on, bool [B], and
            how many of the present targets contain the node of each slot, int64 [B, M].
    """
    graphs, sessions = batch.graphs, batch.sessions
    wanted: Tensor | None = None
    going = torch.ones(len(sessions), dtype=torch.bool)
    active, found, clicks = [], [], []
    for number in range(1, view.rounds + 1):
        shown = play.recommend()
        now = user.wants(sessions.candidates, sessions.targets, number, view.key)
        if now is not wanted:
            wanted, targets = now, graphs.count_targets(now)
            n_targets, items = now.sum(1), target_nodes(sessions.candidates, now)
        if each_round is not None:
            each_round(going, targets)
        slot = shown.clamp(min=0)
        present = (shown >= 0) & going.unsqueeze(1)
        is_item = graphs.is_item[slot] & present
        matches = torch.where(present, targets.gather(1, slot), 0)
        read = (view.graph, torch.where(present, graphs.node.gather(1, slot), -1), items)
        answer = user.answer(ShownList(present, is_item, matches, n_targets, number, view.key, *read))
        clicked = torch.where(going, answer.clicked, -1)
        hit = at_click(is_item & (matches > 0), clicked)
        active.append(going)
        found.append(hit)
        clicks.append(at_click(~is_item, clicked))
        play.update(Feedback(shown, clicked, answer.not_care, going))
        going = going & ~hit
        if answer.leaves is not None:
            going = going & ~answer.leaves
    return Outcome(torch.stack(active), torch.stack(found), torch.stack(clicks))

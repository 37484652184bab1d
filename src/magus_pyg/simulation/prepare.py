"""Session graphs and base scores of many sessions, made once and shared by all agents that play them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import overload

import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from magus_pyg.data import Sessions
from magus_pyg.errors import ModelError, SessionError
from magus_pyg.graph import SessionGraphBuilder, SessionGraphs, n_items
from magus_pyg.memory import require_memory
from magus_pyg.simulation.protocol import Scorer
from magus_pyg.simulation.score_checks import checked_scores

__all__ = [
    "PreparedBatch",
    "PreparedSessions",
    "join_sessions",
    "kept_or_made_anew",
    "prepare_batch",
    "prepare_batches",
    "prepare_sessions",
    "score_candidates",
    "session_numbers",
    "split_sessions",
]


_SLOTS = 1 << 18
"""Slots of a batch: bounds the memory where sessions have thousands of nodes."""

_LOOKED_AT = 4

_PAIR, _KEPT_PAIR = 300, 100
"""Bytes of a pair of a candidate and one of its queries, with the slots and edges that come of it: at the most, while
the graph is built and played, and as long as the graph is kept."""

_KEPT = 1 << 30
"""Bytes of session graphs that are kept to be played again; where there would be more, each is made anew."""

_AT_ONCE = 1 << 22


@dataclass(frozen=True)
class PreparedBatch:
    """A batch of sessions with their graphs.

    Attributes:
        sessions: the sessions.
        graphs: their graphs.
        scores: float64 [B, C] base scores in the order of the item slots, 0 in empty slots.
        searched: int64 [B, S] slots of searched queries, -1 pads or where the session has no such node; or None.
    """

    sessions: Sessions
    graphs: SessionGraphs
    scores: Tensor
    searched: Tensor | None

    def repeat(self, times: int) -> "PreparedBatch":
        """The same sessions (with their ids, hence the same users) `times` over, one after the other."""
        rows = torch.arange(len(self.sessions)).repeat(times)
        searched = None if self.searched is None else self.searched.repeat(times, 1)
        graphs, scores = self.graphs.repeat(times), self.scores.repeat(times, 1)
        return PreparedBatch(self.sessions.take(rows), graphs, scores, searched)

    def take(self, rows: Tensor) -> "PreparedBatch":
        """Chosen sessions, int64 [R] ascending."""
        searched = None if self.searched is None else self.searched[rows]
        return PreparedBatch(self.sessions.take(rows), self.graphs.take(rows), self.scores[rows], searched)


@dataclass(frozen=True)
class PreparedSessions:
    """Sessions ready to be played, in batches."""

    graph: HeteroData
    builder: SessionGraphBuilder
    batches: Sequence[PreparedBatch]

    def __len__(self) -> int:
        return sum(len(part) for part in self.parts)

    @property
    def parts(self) -> list[Sessions]:
        """The sessions of each batch, for which no graph is made."""
        if isinstance(self.batches, _MadeAnew):
            return self.batches.parts
        return [batch.sessions for batch in self.batches]

    @property
    def mean_targets(self) -> float:
        """Mean number of targets of the sessions that have one; 1 where none has."""
        counts = torch.cat([part.targets.sum(1) for part in self.parts])
        counts = counts[counts > 0].to(torch.float64)
        return float(counts.mean()) if counts.numel() else 1.0

    @property
    def have_searched(self) -> bool:
        """Whether a session has a node that its user searched before; a graph is made for those alone that may."""
        for place, part in enumerate(self.parts):
            if part.searched is not None and bool((part.searched >= 0).any()):
                found = self.batches[place].searched
                if found is not None and bool((found >= 0).any()):
                    return True
        return False

    def take(self, rows: Tensor) -> "PreparedSessions":
        """Chosen sessions, int64 [R] ascending, in batches of those of one batch; a whole batch is the same one."""
        chosen, start = [], 0
        for place, part in enumerate(self.parts):
            end = start + len(part)
            own = rows[(rows >= start) & (rows < end)] - start
            if own.numel():
                chosen.append((place, own, own.numel() == len(part)))
            start = end
        batches: Sequence[PreparedBatch]
        if isinstance(self.batches, _MadeAnew):
            parts = self.batches.parts
            batches = self.batches.of(
                [parts[place] if whole else parts[place].take(own) for place, own, whole in chosen]
            )
        else:
            held = self.batches
            batches = [held[place] if whole else held[place].take(own) for place, own, whole in chosen]
        return PreparedSessions(self.graph, self.builder, batches)


class _MadeAnew(Sequence[PreparedBatch]):
    """Batches whose graphs and scores are made each time that they are asked for, since all of them are too many.

    Args:
        parts: the sessions of each.
        make: gives them their graphs and scores.
    """

    def __init__(self, parts: list[Sessions], make: Callable[[Sessions], PreparedBatch]) -> None:
        self.parts, self.make = parts, make

    def __len__(self) -> int:
        return len(self.parts)

    @overload
    def __getitem__(self, place: int) -> PreparedBatch: ...
    @overload
    def __getitem__(self, place: slice) -> "_MadeAnew": ...
    def __getitem__(self, place: int | slice) -> "PreparedBatch | _MadeAnew":
        return self.of(self.parts[place]) if isinstance(place, slice) else self.make(self.parts[place])

    def of(self, parts: list[Sessions]) -> "_MadeAnew":
        """Other batches that are made alike."""
        return _MadeAnew(parts, self.make)


def score_candidates(scorer: Scorer | Tensor, users: Tensor, items: Tensor) -> Tensor:
    """Base scores of candidates.

    Args:
        scorer: a base recommender, or a matrix of scores [U, I].
        users: int64 [B].
        items: int64 [B, C], -1 pads.

    Returns:
        float64 [B, C], 0 for padding.

    Raises:
        ModelError: if the shape is wrong, or as of `checked_scores`.
    """
    present = items >= 0
    if isinstance(scorer, Tensor):
        if users.numel() and not (int(users.min()) >= 0 and int(users.max()) < scorer.shape[0]):
            raise ModelError(f"the score matrix has {scorer.shape[0]} users; user {int(users.max())} is outside")
        scores = scorer[users.unsqueeze(1), items.clamp(min=0)]
    else:
        scores = scorer.score(users, items)
    if scores.shape != items.shape:
        raise ModelError(f"the recommender gave scores of shape {list(scores.shape)}, expected {list(items.shape)}")

    def called(row: int, column: int) -> str:
        return f"the score of user {int(users[row])} for item {int(items[row, column])}"

    return checked_scores(scores.to(items.device), called, present)


def session_ids(sessions: Sessions) -> Tensor:
    """int64 [B]: the ids, which `Sessions` fills in where none were given."""
    assert sessions.id is not None, "Sessions numbers itself"
    return sessions.id


def split_sessions(builder: SessionGraphBuilder, sessions: Sessions, batch_size: int) -> list[Sessions]:
    """The batches in which sessions are played, in their order: of `batch_size`, or fewer where they have many nodes.

    Raises:
        SessionError: a batch size below 1, a candidate that is no item of the graph, or a session whose graph the
            memory does not hold.
    """
    if batch_size < 1:
        raise SessionError(f"batch_size must be at least 1, got {batch_size}")
    count = n_items(builder.graph)
    if len(sessions) and int(sessions.candidates.max()) >= count:
        raise SessionError(
            f"candidate {int(sessions.candidates.max())} is no item of the graph: items are the nodes 0..{count - 1}"
        )
    size = _fitting(builder, sessions, batch_size)
    return [sessions.take(rows) for rows in torch.split(torch.arange(len(sessions)), size)] if len(sessions) else []


def prepare_batch(builder: SessionGraphBuilder, batch: Sessions, scorer: Scorer | Tensor) -> PreparedBatch:
    """The session graphs and base scores of a batch; errors as of `prepare_sessions`."""
    graphs = builder.build(batch.candidates)
    items = graphs.node[:, : graphs.n_candidates]
    scores = score_candidates(scorer, batch.user, items)
    return PreparedBatch(batch, graphs, scores, find_slots(graphs, batch.searched))


def _fitting(builder: SessionGraphBuilder, sessions: Sessions, batch_size: int) -> int:
    """`batch_size`, or fewer sessions where these would have more than some `_SLOTS` slots together."""
    held = _pairs(builder, sessions)
    most = int(held.max()) if held.numel() else 0
    if min(batch_size, held.numel()) * most <= _SLOTS:
        return batch_size
    what = f"the graph of a session of {sessions.candidates.shape[1]:,} candidates and {most:,} of their queries"
    require_memory(_PAIR * most, what, "lower simulation.candidates", SessionError)
    # Candidates share queries: how many are left is seen in the sessions that hold the most.
    largest = torch.argsort(held, descending=True, stable=True)[:_LOOKED_AT]
    slots = max(builder.build(sessions.candidates[row]).n_slots for row in torch.split(largest, 1))
    return max(1, min(batch_size, _SLOTS // max(1, slots)))


def _pairs(builder: SessionGraphBuilder, sessions: Sessions) -> Tensor:
    """int64 [B]: the queries of the candidates of each session, one by one."""
    lengths = builder.item_parts.lengths
    parts = torch.split(sessions.candidates, max(1, _AT_ONCE // max(1, sessions.candidates.shape[1])))
    held = [lengths[some.clamp(min=0)].masked_fill(some < 0, 0).sum(1) for some in parts]
    return torch.cat(held) if len(sessions) else lengths[:0]


def find_slots(graphs: SessionGraphs, nodes: Tensor | None) -> Tensor | None:
    """The slots of nodes [B, S] in their sessions, -1 where a session does not have the node or had it before."""
    if nodes is None:
        return None
    table = torch.where(graphs.valid, graphs.node, torch.iinfo(torch.int64).max)
    queries = table[:, graphs.n_candidates :].contiguous()  # ascending within a session
    place = torch.searchsorted(queries, nodes.contiguous())
    inside = place < queries.shape[1]
    found = inside & (queries.gather(1, torch.where(inside, place, 0)) == nodes) if queries.shape[1] else inside
    earlier = (nodes.unsqueeze(2) == nodes.unsqueeze(1)).tril(-1).any(2)  # a query given twice counts once
    return torch.where(found & (nodes >= 0) & ~earlier, place + graphs.n_candidates, -1)


def prepare_sessions(
    graph: HeteroData, sessions: Sessions, scorer: Scorer | Tensor, batch_size: int = 256
) -> PreparedSessions:
    """Make session graphs and base scores, to be shared by all agents that play these sessions.

    Args:
        graph: the relational graph.
        sessions: B sessions.
        scorer: a base recommender, or a matrix of scores [U, I].
        batch_size: sessions played at once; bounds the memory, changes no result. Sessions of very many nodes come in
            smaller batches.

    Raises:
        SessionError: candidates outside the graph or twice in a session, or one whose graph the memory does not hold.
        ModelError: scores that are NaN or infinite.
    """
    builder = SessionGraphBuilder(graph)
    return prepare_batches(builder, split_sessions(builder, sessions, batch_size), scorer)


def prepare_batches(builder: SessionGraphBuilder, batches: list[Sessions], scorer: Scorer | Tensor) -> PreparedSessions:
    """As `prepare_sessions`, of sessions that are batches already (`split_sessions`)."""
    return kept_or_made_anew(builder, batches, partial(prepare_batch, builder, scorer=scorer))


def kept_or_made_anew(
    builder: SessionGraphBuilder, batches: list[Sessions], make: Callable[[Sessions], PreparedBatch]
) -> PreparedSessions:
    """Batches of sessions with the graphs and scores that `make` gives them, each the same whenever it is made.

    Graphs of more than some `_KEPT` bytes are not kept: each batch is made anew when it is played, so that the memory
    is that of one batch, whatever the number of candidates.
    """
    anew = _MadeAnew(batches, make)
    many = _KEPT_PAIR * sum(int(_pairs(builder, batch).sum()) for batch in batches) > _KEPT
    return PreparedSessions(builder.graph, builder, anew if many else list(anew))


def session_numbers(user: Tensor) -> Tensor:
    """The number (from 0) of each session among those of its user, in the order given: int64 [B] for users [B]."""
    order = torch.argsort(user, stable=True)
    count = torch.bincount(user) if len(user) else user
    first = count.cumsum(0) - count
    number = torch.arange(len(user), device=user.device) - first[user[order]]
    return torch.empty_like(number).index_copy_(0, order, number)


def join_sessions(parts: list[Sessions]) -> Sessions:
    """Batches of sessions as one, in their order."""
    if not parts:
        none = torch.zeros((0, 1), dtype=torch.int64)
        return Sessions(none[:, 0], none, none.bool())
    searched = None
    if parts[0].searched is not None:
        searched = torch.cat([part.searched for part in parts if part.searched is not None])
    user, candidates, targets = (torch.cat([getattr(part, name) for part in parts])
                                 for name in ("user", "candidates", "targets"))  # fmt: skip
    return Sessions(user, candidates, targets, searched, torch.cat([session_ids(part) for part in parts]))

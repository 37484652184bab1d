"""Simulated users: how a list is answered (Definition D.1), what is wanted, and when a session is left.

A user of one's own is a subclass of `User`, ready for `simulate(..., user=...)`:

    class Hurried(User):  # looks at the first node alone
        def answer(self, shown: ShownList) -> Answer:
            liked = shown.present & (shown.matches > 0)
            liked[:, 1:] = False
            return Answer(first_click(shown.is_item, liked), torch.zeros_like(liked))

Lists of many sessions are answered at once. What is random has to be a function of `shown.key` (`magus_pyg.random`),
so that an answer does not depend on which sessions are played together. `magus_pyg.testing.UserContract` holds the
tests that every user has to pass.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from magus_pyg.errors import SessionError
from magus_pyg.options import at_least, between, check_value
from magus_pyg.random import integers, uniform
from magus_pyg.simulation.answers import first_click

__all__ = [
    "Answer",
    "DriftingUser",
    "ImpatientUser",
    "Moment",
    "NoisyUser",
    "NotCareUser",
    "ShownList",
    "Spoken",
    "TruthfulUser",
    "User",
    "target_nodes",
]

_NOISE, _LEAVING, _DRIFT_ROUND, _DRIFT_ITEM = 0x21, 0x22, 0x23, 0x24  # what a random number is for


@dataclass(frozen=True)
class ShownList:
    """What a user knows of the lists of one round.

    Attributes:
        present: bool [B, N], False where a list is shorter.
        is_item: bool [B, N].
        matches: int64 [B, N], how many of the present targets contain the shown node (1 for a target itself).
        n_targets: int64 [B], the number of present targets.
        round: the round, from 1.
        key: int64 [B], the random key of each session.
        graph: the relational graph; None where only answers by `matches` are asked for.
        nodes: int64 [B, N], the shown nodes, -1 where a list is shorter; None likewise.
        targets: int64 [B, T], the present targets as item nodes, -1 pads; None likewise.
    """

    present: Tensor
    is_item: Tensor
    matches: Tensor
    n_targets: Tensor
    round: int
    key: Tensor
    graph: HeteroData | None = None
    nodes: Tensor | None = None
    targets: Tensor | None = None


@dataclass(frozen=True)
class Moment:
    """What a user knows before the lists of a round.

    Attributes:
        graph: the relational graph.
        targets: int64 [B, T], the present targets as item nodes, -1 pads.
        round: the round, from 1.
        key: int64 [B], the random key of each session.
    """

    graph: HeteroData
    targets: Tensor
    round: int
    key: Tensor


@dataclass(frozen=True)
class Spoken:
    """Words that are told outside a list.

    Attributes:
        nodes: int64 [B, W], the queries of the words alone, -1 pads.
        liked: whether they are wanted.
    """

    nodes: Tensor
    liked: bool


@dataclass(frozen=True)
class Answer:
    """A user's answers.

    Attributes:
        clicked: int64 [B], the position of the click (from 0), -1 for none.
        not_care: bool [B, N], queries answered Not Care; never the clicked one.
        leaves: bool [B], the sessions that are left after this answer; None for none. A session in which a target was
            clicked is over anyway.
    """

    clicked: Tensor
    not_care: Tensor
    leaves: Tensor | None = None


class User:
    """Base class of simulated users: a subclass says what is answered to a list, and may say what is wanted.

    Neither may depend on how sessions are batched, nor on the order of the candidates.
    """

    def answer(self, shown: ShownList) -> Answer:
        """The answers to the lists of one round."""
        raise NotImplementedError(f"{type(self).__name__} must define answer(shown)")

    def wants(self, candidates: Tensor, targets: Tensor, round_number: int, key: Tensor) -> Tensor:
        """The targets in a round; asked for before its lists are answered. Success is a click on one of them.

        Args:
            candidates: int64 [B, C], item nodes, -1 pads.
            targets: bool [B, C], the sessions' targets.
            round_number: the round, from 1.
            key: int64 [B], the random key of each session.

        Returns:
            bool [B, C], False for pads; `targets` itself where nothing has changed.
        """
        return targets

    def tells(self, moment: Moment) -> Sequence[Spoken]:
        """What is told outside the lists before those of a round; agents that take no words do not hear it.

        Args:
            moment: what is known then.
        """
        return ()


def target_nodes(candidates: Tensor, targets: Tensor) -> Tensor:
    """The targets of sessions as item nodes.

    Args:
        candidates: int64 [B, C], item nodes, -1 pads.
        targets: bool [B, C].

    Returns:
        int64 [B, T], -1 pads; T is the most that one has.
    """
    most = int(targets.sum(1).max()) if targets.numel() else 0
    return torch.where(targets, candidates, -1).sort(1, descending=True).values[:, :most]


class TruthfulUser(User):
    """Clicks the first target item; else the first query that is part of a target; else nothing (Definition D.1)."""

    def __repr__(self) -> str:
        return "TruthfulUser()"

    def answer(self, shown: ShownList) -> Answer:
        """Answers without error: see the class."""
        clicked = first_click(shown.is_item, (shown.matches > 0) & shown.present)
        return Answer(clicked, torch.zeros_like(shown.present))


class NotCareUser(User):
    """Answers Not Care to what several targets share (App. D.1 and E.1).

    A query that is part of at least two of the session's targets tells nothing about which of them is wanted: it is
    answered Not Care and never clicked. The rest of the list is answered truthfully.
    """

    def __repr__(self) -> str:
        return "NotCareUser()"

    def answer(self, shown: ShownList) -> Answer:
        """Answers without error: see the class.

        Raises:
            SessionError: a session with fewer than two targets, where the answer could never be Not Care.
        """
        single = shown.n_targets < 2
        if bool(single.any()):
            place = int(torch.nonzero(single)[0])
            raise SessionError(
                f"Not Care with single-target sessions: the session at place {place} of its batch has "
                f"{int(shown.n_targets[place])} target(s); set sessions.min_targets=2"
            )
        not_care = shown.present & ~shown.is_item & (shown.matches >= 2)
        liked = shown.present & (shown.matches > 0) & ~not_care
        return Answer(first_click(shown.is_item, liked), not_care)


class NoisyUser(User):
    """Answers truthfully, except that what it thinks of a shown node is flipped now and then.

    Whether a shown query is part of a target flips with probability `p`, whether a shown item is one with `p_item`;
    the list is then answered by Definition D.1. Clicks on items that are no targets do not count as success. The flips
    are a function of (session key, round, position), so they do not depend on how sessions are batched.

    Args:
        p: for queries, in [0, 0.5).
        p_item: for items, in [0, 1].

    Raises:
        ConfigError: a probability out of range.
    """

    def __init__(self, p: float, p_item: float = 0.0) -> None:
        check_value("user.p", p, between(0, 0.5, "[)", ": at 0.5 an answer says nothing"))
        check_value("user.p_item", p_item, between(0, 1))
        self.p, self.p_item = p, p_item

    def __repr__(self) -> str:
        return f"NoisyUser(p={self.p}, p_item={self.p_item})"

    def answer(self, shown: ShownList) -> Answer:
        """Answers with error: see the class."""
        position = torch.arange(shown.present.shape[1], device=shown.present.device)
        draw = uniform(shown.key.to(torch.int64).unsqueeze(1), _NOISE, shown.round, position)
        flipped = draw < torch.where(shown.is_item, self.p_item, self.p)
        liked = shown.present & ((shown.matches > 0) ^ flipped)
        return Answer(first_click(shown.is_item, liked), torch.zeros_like(shown.present))


class ImpatientUser(User):
    """Answers like another user, and leaves after a round with a chance that grows from round to round.

    The chance after round r is p + growth·(r - 1), at most 1. A session that is left ends without success; its last
    row in the record table is `done`, and rounds that were not played count in no metric.

    Args:
        p: chance after the first round, in [0, 1].
        growth: what it gains with every round, in [0, 1].
        answers: who answers; a `TruthfulUser` if None.

    Raises:
        ConfigError: a probability out of range.
    """

    def __init__(self, p: float = 0.05, growth: float = 0.1, answers: User | None = None) -> None:
        for name, value in (("p", p), ("growth", growth)):
            check_value(f"user.{name}", value, between(0, 1))
        self.p, self.growth = p, growth
        self.answers = TruthfulUser() if answers is None else answers

    def __repr__(self) -> str:
        return f"ImpatientUser(p={self.p}, growth={self.growth}, answers={self.answers!r})"

    def wants(self, candidates: Tensor, targets: Tensor, round_number: int, key: Tensor) -> Tensor:
        """What the user who answers wants."""
        return self.answers.wants(candidates, targets, round_number, key)

    def tells(self, moment: Moment) -> Sequence[Spoken]:
        """What the user who answers tells."""
        return self.answers.tells(moment)

    def answer(self, shown: ShownList) -> Answer:
        """The other user's answers, and who leaves after them."""
        answer = self.answers.answer(shown)
        chance = self.p + self.growth * (shown.round - 1)
        leaves = uniform(shown.key, _LEAVING, shown.round) < chance
        return Answer(answer.clicked, answer.not_care, leaves if answer.leaves is None else leaves | answer.leaves)


class DriftingUser(User):
    """Changes its mind once: from a round on, which is drawn for each session, other candidates are the targets.

    The new targets are as many as the old ones, drawn evenly from the candidates that were none (fewer where there are
    fewer; without any, nothing changes). Answers and success go by the targets of the round. Round and new targets are
    functions of the session's key and the items alone, so every agent meets the same change; as no node is shown twice
    in a session, a new target that was shown before the change is lost.

    Args:
        first: the earliest round that begins with new targets, at least 2.
        last: the latest, at least `first`. In a session of fewer rounds the change may not be reached.
        answers: who answers; a `TruthfulUser` if None.

    Raises:
        ConfigError: rounds out of range.
    """

    def __init__(self, first: int = 2, last: int = 3, answers: User | None = None) -> None:
        check_value("user.first", first, at_least(2, why=": something is to be shown before"))
        check_value("user.last", last, at_least(first, why=f", first={first}"))
        self.first, self.last = first, last
        self.answers = TruthfulUser() if answers is None else answers

    def __repr__(self) -> str:
        return f"DriftingUser(first={self.first}, last={self.last}, answers={self.answers!r})"

    def wants(self, candidates: Tensor, targets: Tensor, round_number: int, key: Tensor) -> Tensor:
        """The targets of the round: see the class."""
        targets = self.answers.wants(candidates, targets, round_number, key)
        if round_number < self.first or not targets.shape[1]:
            return targets
        changes = self.first + integers(self.last - self.first + 1, key, _DRIFT_ROUND)
        free = (candidates >= 0) & ~targets
        draw = torch.where(free, uniform(key.unsqueeze(1), _DRIFT_ITEM, candidates), torch.inf)
        rank = draw.argsort(1).argsort(1)
        drawn = free & (rank < targets.sum(1, keepdim=True))
        drifted = (round_number >= changes) & drawn.any(1)
        return torch.where(drifted.unsqueeze(1), drawn, targets)

    def tells(self, moment: Moment) -> Sequence[Spoken]:
        """What the user who answers tells."""
        return self.answers.tells(moment)

    def answer(self, shown: ShownList) -> Answer:
        """The other user's answers, by the present targets."""
        return self.answers.answer(shown)

"""What an agent sees and does: the contract between the loop and every way to recommend."""

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import pandas as pd
from torch import Tensor
from torch_geometric.data import HeteroData

from magus_pyg.graph import SessionGraphBuilder, SessionGraphs

__all__ = ["TOLD_ERROR", "Agent", "Feedback", "Learner", "Listener", "Play", "Scorer", "SessionView"]

TOLD_ERROR = 0.2
"""The share of words told outside a list that the item in mind does not fit, where none was measured (`told_error` of
the variants); above that of clicks."""


class Scorer(Protocol):
    """Anything that scores users against items, such as a base recommender."""

    def score(self, users: Tensor, items: Tensor) -> Tensor:
        """Scores [B, C] of users [B] for items [B, C]; the value for an item of -1 is not used."""
        ...


@dataclass(frozen=True)
class SessionView:
    """What an agent knows when B sessions begin. Targets are not in it.

    Attributes:
        graph: the relational graph.
        builder: what all session graphs of `graph` share.
        graphs: the session graphs; an agent names a node by its slot there.
        user: int64 [B].
        scores: float64 [B, C], the base recommender's scores in the order of the item slots; 0 in empty slots.
        searched: int64 [B, S] slots of the user's searched queries, -1 pads; or None.
        rounds: the rounds a session has at most.
        list_length: N, the length of a list.
        key: int64 [B], a random key of each session that does not depend on how sessions are batched.
        min_items: the fewest items of a list, as long as so many are left; the other places are the agent's to fill.
    """

    graph: HeteroData
    builder: SessionGraphBuilder
    graphs: SessionGraphs
    user: Tensor
    scores: Tensor
    searched: Tensor | None
    rounds: int
    list_length: int
    key: Tensor
    min_items: int = 0


@dataclass(frozen=True)
class Feedback:
    """The answers to one round of lists.

    Attributes:
        shown: int64 [B, N], the slots that were shown, -1 where the list was shorter.
        clicked: int64 [B], the position of the click in the list (from 0), -1 for none.
        not_care: bool [B, N], the queries answered Not Care.
        active: bool [B], False for sessions that are over; their rows mean nothing.
    """

    shown: Tensor
    clicked: Tensor
    not_care: Tensor
    active: Tensor


class Play(Protocol):
    """B running sessions of an agent."""

    def recommend(self) -> Tensor:
        """The next lists: int64 [B, N] slots, best first, none shown before, -1 where no node is left."""
        ...

    def update(self, feedback: Feedback) -> None:
        """Take in the answers to lists: those of the last `recommend`, or, when a session is resumed, earlier ones."""
        ...

    def node_scores(self) -> Tensor:
        """float64 [B, M]: the value by which each slot was ranked last."""
        ...


@runtime_checkable
class Listener(Play, Protocol):
    """A `Play` that takes words which people say outside a list."""

    def tell(self, slot: Tensor, liked: bool) -> None:
        """Take in a word; it is weaker than a click (`TOLD_ERROR`), and its query is not shown any more.

        Args:
            slot: int64 [B], the query of the word alone; -1 for sessions that are told nothing.
            liked: whether people want what has the word, or what has it not.
        """
        ...


@runtime_checkable
class Agent(Protocol):
    """A way to recommend queries and items: plays B sessions at once and never sees their targets.

    Attributes:
        name: how tables and records call it.
        graph: the relational graph it plays on.
        scorer: the base recommender.
    """

    name: str
    graph: HeteroData
    scorer: Scorer | Tensor

    def start(self, view: SessionView) -> Play:
        """Begin B sessions."""
        ...


@runtime_checkable
class Learner(Agent, Protocol):
    """An agent whose scorer learns between the sessions of a user (Algorithm 1, lines 14 and 16).

    `simulate` plays the first session of every user, lets the agent learn from all answers, plays the second, and so
    on. What is learned is forgotten before the next `simulate`.
    """

    def restart(self) -> None:
        """Forget what was learned from sessions."""
        ...

    def learn(self, answers: pd.DataFrame) -> None:
        """Take in the rows of finished sessions: of the record table `ANSWER_COLUMNS` alone, nothing of targets."""
        ...

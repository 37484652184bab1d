"""A session with one person, whatever recommends in it: lists, answers and their history."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from magus_pyg.errors import SessionError
from magus_pyg.graph import Word, item_id_of, n_items, words_of

__all__ = ["OnlineSession", "Recommendation", "Round"]


@dataclass(frozen=True)
class Recommendation:
    """A node shown to a person.

    Attributes:
        node: its number in the graph.
        kind: "item" or "query".
        words: the words of the query or item.
        item_id: the item's id, None for a query.
        score: the value by which it was ranked.
    """

    node: int
    kind: Literal["item", "query"]
    words: tuple[Word, ...]
    item_id: str | None
    score: float

    def __str__(self) -> str:
        words = " ".join(str(word) for word in self.words)
        return words if self.item_id is None else f"{self.item_id} ({words})" if words else self.item_id


@dataclass(frozen=True)
class Round:
    """An answered list.

    Attributes:
        shown: the nodes, in the order of the list.
        clicked: the clicked node, or None.
        not_care: the queries answered Not Care.
    """

    shown: tuple[int, ...]
    clicked: int | None
    not_care: tuple[int, ...]


class OnlineSession(ABC):
    """What sessions of all kinds share.

    Args:
        graph: the relational graph.
        variant: what recommends.
        list_length: N, the length of a list.
        rounds: K, the most rounds.

    Raises:
        SessionError: rounds or list_length below 1.
    """

    def __init__(self, graph: HeteroData, variant: str, list_length: int, rounds: int) -> None:
        if rounds < 1 or list_length < 1:
            raise SessionError(f"rounds and list_length must be at least 1, got {rounds} and {list_length}")
        self.graph, self.variant = graph, variant
        self.list_length, self.rounds = list_length, rounds
        self.round = 0
        self.history: list[Round] = []
        """The rounds answered so far."""
        self.found: int | None = None
        """The item node that was clicked, once there is one."""
        self._open: tuple[int, ...] | None = None  # the list that waits for an answer

    @abstractmethod
    def _next_list(self) -> Sequence[int]:
        """The nodes of the next list, best first."""

    @abstractmethod
    def _take(self, answer: Round) -> None:
        """Take in the answer to the list of the last `_next_list`."""

    @abstractmethod
    def _values(self, nodes: Sequence[int]) -> Sequence[float]:
        """The present scores of nodes."""

    @property
    def done(self) -> bool:
        """Whether an item was clicked or the rounds are over."""
        return self.found is not None or (self.round >= self.rounds and self._open is None)

    def recommend(self) -> list[Recommendation]:
        """The list of the next round, best first; the same list again until `feedback` is given.

        Raises:
            SessionError: if the session is over.
        """
        if self.done:
            raise SessionError(f"the session is over after {self.round} round(s): start a new one")
        if self._open is None:
            self._open = tuple(self._next_list())
            self.round += 1
        return [self._recommendation(*entry) for entry in zip(self._open, self._values(self._open), strict=True)]

    def _recommendation(self, node: int, score: float) -> Recommendation:
        is_item = node < n_items(self.graph)
        return Recommendation(
            node=node,
            kind="item" if is_item else "query",
            words=words_of(self.graph, node),
            item_id=item_id_of(self.graph, node) if is_item else None,
            score=score,
        )

    def feedback(self, clicked: int | None = None, not_care: Sequence[int] = ()) -> None:
        """The person's answer to the list of the last `recommend`.

        Args:
            clicked: the node that was clicked, or None. A clicked item ends the session.
            not_care: shown queries about which the person does not care.

        Raises:
            SessionError: no list is open, a node that was not shown, an item or the clicked node in `not_care`.
        """
        if self._open is None:
            over = "the session is over" if self.done else "call recommend() first"
            raise SessionError(f"there is no list to answer: {over}")
        shown = self._open
        for node in [*([] if clicked is None else [clicked]), *not_care]:
            if node not in shown:
                raise SessionError(f"node {node} was not shown in this round; shown were {list(shown)}")
        for node in not_care:
            if node == clicked or node < n_items(self.graph):
                what = "clicked" if node == clicked else "an item"
                raise SessionError(f"node {node} in not_care is {what}: Not Care answers a query that is not clicked")
        answer = Round(shown, clicked, tuple(not_care))
        self._take(answer)
        self._open = None
        self.history.append(answer)
        if clicked is not None and clicked < n_items(self.graph):
            self.found = clicked

    def _history_tensor(self) -> Tensor:
        """int64 [rounds, 3, N]: the shown nodes, the clicked one and those not cared about, -1 for none."""
        table = torch.full((len(self.history), 3, self.list_length), -1, dtype=torch.int64)
        for number, entry in enumerate(self.history):
            clicked = () if entry.clicked is None else (entry.clicked,)
            for row, nodes in enumerate((entry.shown, clicked, entry.not_care)):
                table[number, row, : len(nodes)] = torch.tensor(nodes, dtype=torch.int64)
        return table

    @staticmethod
    def _read_history(table: Tensor) -> list[Round]:
        """The rounds of `_history_tensor`."""
        return [_read_round(row) for row in table]


def _read_round(row: Tensor) -> Round:
    shown, clicked, not_care = (tuple(node for node in nodes if node >= 0) for nodes in row.tolist())
    return Round(shown, clicked[0] if clicked else None, not_care)

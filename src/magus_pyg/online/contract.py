"""A session with one person, whatever recommends in it: lists, answers, words, what they did, and its state."""

import logging
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from copy import copy
from dataclasses import dataclass
from operator import index as as_number
from typing import Any, Literal, Self

import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from magus_pyg.errors import SessionError
from magus_pyg.graph import Word, find_query, item_id_of, n_items, title_of, words_of
from magus_pyg.online.explanation import Reason, explain
from magus_pyg.online.node_play import NodePlay, Told, take_in
from magus_pyg.online.resuming import events_here, told
from magus_pyg.online.session_inputs import Wording, read_words
from magus_pyg.online.session_state import Beginning, SessionState
from magus_pyg.online.wishes import Fit, fit_of
from magus_pyg.simulation.answers import AnsweredList

__all__ = ["OnlineSession", "Recommendation"]

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Recommendation:
    """A node shown to a person.

    Attributes:
        node: its number in the graph.
        kind: "item" or "query".
        words: the words of the query or item.
        item_id: the item's id, None for a query.
        title: what people read of it.
        score: the value by which it was ranked.
    """

    node: int
    kind: Literal["item", "query"]
    words: tuple[Word, ...]
    item_id: str | None
    title: str
    score: float

    def __str__(self) -> str:
        words = " ".join(str(word) for word in self.words)
        return words if self.item_id is None else f"{self.item_id} ({words})" if words else self.item_id


class OnlineSession(ABC):
    """What sessions of all kinds do.

    A session is what it began with and what was said since. Lists are computed from that, so taking an answer back,
    going on in another process, and explaining are all the same: it is played again.

    Args:
        graph: the relational graph.
        beginning: what it began with.
        left_out: what was left out of the searched queries, see `read_searched`.
    """

    def __init__(self, graph: HeteroData, beginning: Beginning, left_out: Mapping[str, int]) -> None:
        self.graph, self.beginning = graph, beginning
        self.left_out: Counter[str] = Counter(left_out)
        """How much of what the person searched and told was left out, such as words that no item has (reading 20)."""
        self.history: tuple[AnsweredList | Told, ...] = ()
        """What was answered and told so far, in order."""
        self.notes: tuple[str, ...] = ()
        """What had to be left out when the session was resumed."""
        self._open: tuple[int, ...] | None = None  # the list that waits for an answer
        nodes = (find_query(graph, words) for words in beginning.searched)
        self._searched = tuple(dict.fromkeys(node for node in nodes if node is not None and self._holds(node)))
        self._play = self._begin(self._searched)
        lost = len(beginning.searched) - len(self._searched)
        if lost:
            self.left_out["searched queries that are no node of the session"] = lost
        if self.left_out:
            logger.info("of what was searched before a session was left out: %s", dict(self.left_out))

    @abstractmethod
    def _begin(self, searched: Sequence[int]) -> NodePlay:
        """The session from its first list, with chosen ones of its searched queries (nodes that it holds)."""

    @abstractmethod
    def _nodes(self) -> Tensor:
        """int64, ascending: the nodes of the session."""

    @abstractmethod
    def _holds(self, node: int) -> bool:
        """Whether the session has a node of the graph."""

    @abstractmethod
    def _items_of(self, node: int) -> Tensor:
        """int64: the items of the session that contain a node that it has; an item contains itself."""

    @property
    def variant(self) -> str:
        """What recommends."""
        return self.beginning.variant

    @property
    def list_length(self) -> int:
        """N, the length of a list."""
        return self.beginning.list_length

    @property
    def rounds(self) -> int:
        """K, the most rounds."""
        return self.beginning.rounds

    @property
    def round(self) -> int:
        """The number of the open list, else of the last that was answered; 0 before the first."""
        return len(self._answers) + (self._open is not None)

    @property
    def _answers(self) -> list[AnsweredList]:
        return [event for event in self.history if isinstance(event, AnsweredList)]

    @property
    def listens(self) -> bool:
        """Whether it takes words that are said outside a list (`tell`)."""
        return self._play.listens

    @property
    def found(self) -> int | None:
        """The item node that was clicked, once there is one."""
        last = self.history[-1] if self.history else None
        return last.found(n_items(self.graph)) if isinstance(last, AnsweredList) else None

    @property
    def done(self) -> bool:
        """Whether an item was clicked or the rounds are over."""
        return self.found is not None or (self._open is None and len(self._answers) >= self.rounds)

    def recommend(self) -> list[Recommendation]:
        """The list of the next round, best first; the same list again until something is answered or told.

        Raises:
            SessionError: if the session is over.
        """
        shown = self._opened()
        values = self._play.values(torch.tensor(shown, dtype=torch.int64)).tolist()
        return [self._recommendation(node, value) for node, value in zip(shown, values, strict=True)]

    def _opened(self) -> tuple[int, ...]:
        if self.done:
            raise SessionError(f"the session is over after {self.round} round(s): start a new one")
        if self._open is None:
            self._open = tuple(self._play.recommend().tolist())
        return self._open

    def _recommendation(self, node: int, score: float) -> Recommendation:
        is_item, words = node < n_items(self.graph), words_of(self.graph, node)
        return Recommendation(
            node=node,
            kind="item" if is_item else "query",
            words=words,
            item_id=item_id_of(self.graph, node) if is_item else None,
            title=title_of(self.graph, node, words),
            score=score,
        )

    def feedback(
        self, clicked: Recommendation | int | None = None, not_care: Sequence[Recommendation | int] = ()
    ) -> None:
        """The person's answer to the list of the last `recommend`.

        Args:
            clicked: the entry that was clicked, or its node; None for none of these. A clicked item ends the session.
            not_care: shown queries about which the person does not care.

        Raises:
            SessionError: no list is open, a node that was not shown, an item or the clicked node in `not_care`.
        """
        shown = self._open
        if shown is None:
            over = "the session is over" if self.done else "call recommend() first"
            raise SessionError(f"there is no list to answer: {over}")
        click = None if clicked is None else _node_of(clicked)
        others = tuple(dict.fromkeys(_node_of(entry) for entry in not_care))
        for node in [*([] if click is None else [click]), *others]:
            if node not in shown:
                raise SessionError(f"node {node} was not shown in this round; shown were {list(shown)}")
        for node in others:
            if node == click or node < n_items(self.graph):
                what = "clicked" if node == click else "an item"
                raise SessionError(f"node {node} in not_care is {what}: Not Care answers a query that is not clicked")
        self._take(AnsweredList(shown, click, others))

    def tell(self, words: Wording | Sequence[Wording], liked: bool = True) -> tuple[Word, ...]:
        """What the person says outside a list: evidence on words, weaker than a click (`TOLD_ERROR`).

        Each word counts on its own: what has it rises and all else falls, the other way round where it is not wanted.
        It is no filter. An open list is withdrawn, and the next `recommend` gives another for the same round. The query
        of a told word alone is not shown any more.

        Words that no item has are left out and counted (`left_out`); where there are no others, nothing changes.

        Args:
            words: one word or several, each a value or (field, value). A pair of texts is one word if the first is a
                word field, and is refused where it may be two words as well.
            liked: whether the person wants them.

        Returns:
            The words that were taken in, as the graph has them.

        Raises:
            GraphError: a word that stands in several fields, or no word.
            SessionError: the session is over, or its variant lists items alone.
        """
        return self.tell_all([(words, liked)])

    def tell_all(self, said: Iterable[tuple[Wording | Sequence[Wording], bool]]) -> tuple[Word, ...]:
        """What the person says outside a list at once, such as in one text (`language.Reading.told`).

        Words count as with `tell`, one after the other; `undo` takes all of them back.

        Args:
            said: words as of `tell`, and whether they are wanted.

        Returns, Raises: as of `tell`.
        """
        if self.done:
            raise SessionError(f"the session is over after {self.round} round(s): start a new one")
        if not self.listens:
            raise SessionError(f"variant {self.variant!r} takes no words: it lists items by their base scores alone")
        taken: list[tuple[Word, bool]] = []
        for words, liked in said:
            found, unknown = read_words(self.graph, words)
            taken += [(word, liked) for word in found]
            if unknown:
                self.left_out["told words that no item has"] += unknown
        if taken:
            self._take(told(self.graph, taken, self._holds))
        return tuple(word for word, _ in taken)

    def _take(self, event: AnsweredList | Told) -> None:
        take_in(self._play, event)
        self.history, self._open = (*self.history, event), None

    def undo(self) -> None:
        """Take the last answer, or what was told last, back: the list before is open again.

        Raises:
            SessionError: nothing was answered or told.
        """
        if not self.history:
            raise SessionError("there is no answer to take back: nothing was answered or told yet")
        last = self.history[-1]
        self._replay(self.history[:-1])
        self._open_as_before(last)

    def _open_as_before(self, said: AnsweredList | Told) -> None:
        """Open the list to which something was said."""
        listed = self._opened()  # made also where it is known: scores are brought to one scale with it
        self._open = said.shown if isinstance(said, AnsweredList) else listed

    def retract(self, words: Sequence[Word]) -> None:
        """Take back what was said of some words, wherever in the session: as if it had not been said or asked.

        Args:
            words: of a query that a list showed, all of them; or such as were told together, or one of these. Of what
                was told they alone go. Nothing is known of the queries below a click that is taken back.

        Raises:
            SessionError: nothing was said of them.
        """
        gone = frozenset(words)
        history: list[AnsweredList | Told] = []
        for event in self.history:
            if isinstance(event, Told):
                together = gone if gone <= set(event.words) else frozenset[Word]()
                said = zip(event.words, event.liked, event.nodes, strict=True)
                kept = [one for one in said if {one[0]} != gone and one[0] not in together]
                if kept:
                    words_left, liked, nodes = zip(*kept, strict=True)
                    history.append(Told(words_left, liked, nodes))
            else:
                first = n_items(self.graph)
                about = {node for node in event.shown if node >= first and gone == set(words_of(self.graph, node))}
                history.append(event.without(about, first) if about else event)
        if tuple(history) == self.history:
            raise SessionError(f"nothing was said of {' '.join(map(str, words))!r}: there is nothing to take back")
        self._replay(history)

    def at(self, said: int) -> Self:
        """The session as it was before the answers and tellings from number `said` (from 0) on: a copy.

        Raises:
            SessionError: a number that is not from 0 to what was said so far.
        """
        if not 0 <= said <= len(self.history):
            raise SessionError(f"{said} is not from 0 to {len(self.history)}, what was said in the session")
        other = copy(self)
        other.left_out, other._play = Counter(self.left_out), self._play.copy()
        if said < len(self.history):
            other._replay(self.history[:said])
            other._open_as_before(self.history[said])
        return other

    def _replay(self, history: Sequence[AnsweredList | Told]) -> None:
        play = self._begin(self._searched)
        for event in history:
            take_in(play, event)
        self._play, self.history, self._open = play, tuple(history), None

    def count_items(self, entry: Recommendation | int) -> int:
        """How many items of the session contain a node: what a query would leave, 1 for an item.

        Raises:
            SessionError: a node that the session does not have.
        """
        return self._items_of(self._held(entry)).numel()

    def fit(self) -> Fit:
        """How many items of the session fit all that was told and clicked, and what stands in the way if none does."""
        nodes = self._nodes()
        offered = torch.zeros(n_items(self.graph), dtype=torch.bool, device=nodes.device)
        offered[nodes[nodes < n_items(self.graph)]] = True
        return fit_of(self.graph, self.history, offered, self._items_of)

    def node_scores(self, nodes: Sequence[Recommendation | int] | None = None) -> dict[int, float]:
        """The present scores of nodes, by node.

        Args:
            nodes: entries or nodes; all of the session if None.

        Raises:
            SessionError: a node that the session does not have.
        """
        chosen = self._nodes() if nodes is None else torch.tensor([self._held(entry) for entry in nodes])
        chosen = chosen.to(torch.int64)
        return dict(zip(chosen.tolist(), self._play.values(chosen).tolist(), strict=True))

    def explain(self, entry: Recommendation | int) -> list[Reason]:
        """Which answers and words moved a node since the base scores, in order; their changes sum to the whole change.

        Args:
            entry: an entry of a list, or any node of the session.

        Raises:
            SessionError: a node that the session does not have.
        """
        node, waits = self._held(entry), self._open is not None
        placed = self._play.placed(node) if self._open is not None and node in self._open else ""
        return explain(self.graph, self._begin, self._searched, self.history, node, waits, placed)

    def _held(self, entry: Recommendation | int) -> int:
        node = _node_of(entry)
        if not self._holds(node):
            raise SessionError(f"node {node} is not in the session: it has {self._nodes().numel()} nodes")
        return node

    def to_dict(self) -> dict[str, Any]:
        """The state as plain JSON: what the session began with and what was said, by item ids and words."""
        return SessionState.of(self.graph, self.beginning, self.history, self._open is not None).to_dict()

    def take_up(self, state: SessionState, notes: Sequence[str]) -> None:
        """Go on where a session, perhaps of another time, was left, by taking in again what was said."""
        said, gone = events_here(self.graph, state, self._holds)
        self._replay(said)
        self.notes = (*notes, *gone)
        for note in self.notes:
            logger.warning("a session was resumed: %s", note)
        if state.is_open and not self.done:
            self._opened()


def _node_of(entry: Recommendation | int) -> int:
    if isinstance(entry, Recommendation):
        return entry.node
    try:
        return as_number(entry)
    except TypeError:
        raise SessionError(f"an entry is a Recommendation or a node, got {entry!r}") from None

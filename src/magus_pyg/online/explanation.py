"""Why a node stands where it does in a session: what each answer, and each word, did to its score.

Every kind of session is explained the same way. It is played again from its history, the answers of a list are taken in
one after the other, and the score of the node is read after each. The differences therefore sum to the whole change.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from torch_geometric.data import HeteroData

from magus_pyg.graph import Word, item_id_of, n_items, title_of, words_of
from magus_pyg.online.node_play import NodePlay, Told
from magus_pyg.simulation.answers import AnsweredList, Said

__all__ = ["Reason", "explain"]

_ROUNDING = 1e-12  # of scores from 0 to 1 that were scaled already

#: How answers are called; "below" are the queries that were not read because of the click.
_KINDS: dict[int, str] = {
    Said.CLICKED: "clicked",
    Said.NOT_CARE: "not care",
    Said.REFUSED: "refused",
    Said.UNREAD: "below",
}


@dataclass(frozen=True)
class Reason:
    """What one answer did to the score of a node.

    Attributes:
        round: the round of the answer, from 1; 0 for what was searched before the session.
        kind: "searched", "told" (words said outside a list), "clicked", "not care", "refused", "below" (a query that
            was not read because of the click), "scaled" (all scores were brought to one scale between rounds, Eq. 6),
            "drift" (a share of the belief fell back to all candidates between rounds) or "order" (by what an entry of
            the open list stands where it does, which moves no score).
        node: the node that was answered; None for the last three.
        words: its words.
        item_id: its item id, None for a query.
        title: what people read of it; "" for "scaled" and "drift", for "order" what it goes by.
        change: of the log-odds under a belief (`variant="bayes"`), else of the variant's own score.
        liked: False for words that were told as not wanted.
    """

    round: int
    kind: str
    node: int | None
    words: tuple[Word, ...]
    item_id: str | None
    title: str
    change: float
    liked: bool = True

    @property
    def answer(self) -> str:
        """The answer in words: what was done, and to what."""
        name = self.title
        if self.item_id is not None:
            name = f"item {self.item_id}" + (f" ({name})" if name != self.item_id else "")
        kind = self.kind if self.liked else f"{self.kind} not"
        return f"{kind} {name}".rstrip()

    def __str__(self) -> str:
        return f"{self.change:+.3f}  {self.answer}" + (f" in round {self.round}" if self.round else "")


class _Changes:
    """The reasons found so far, and the score of the node after the last."""

    def __init__(self, graph: HeteroData, node: int, score: float) -> None:
        self.graph, self.node, self.score = graph, node, score
        self.reasons: list[Reason] = []

    def note(self, play: NodePlay, number: int, kind: str, answered: int | None = None, liked: bool = True) -> None:
        now = play.explained(self.node)
        if answered is None and abs(now - self.score) < _ROUNDING:
            return  # counts to the next change
        change, self.score = now - self.score, now
        words = () if answered is None else words_of(self.graph, answered)
        is_item = answered is not None and answered < n_items(self.graph)
        item_id = item_id_of(self.graph, answered) if is_item and answered is not None else None
        title = "" if answered is None else title_of(self.graph, answered)
        self.reasons.append(Reason(number, kind, answered, words, item_id, title, change, liked))


def explain(
    graph: HeteroData,
    begin: Callable[[Sequence[int]], NodePlay],
    searched: Sequence[int],
    history: Sequence[AnsweredList | Told],
    node: int,
    scaled: bool = False,
    placed: str = "",
) -> list[Reason]:
    """What moved a node since the base scores.

    Args:
        graph: the relational graph.
        begin: begins the session again, with chosen ones of its searched queries.
        searched: the nodes of the searched queries.
        history: what was answered and told, in order.
        node: a node of the session.
        scaled: whether the next list has been made.
        placed: by what the node stands where it does in that list, in words (`NodePlay.placed`); "" to leave it out.

    Returns:
        One entry an answer, in order; their changes sum to the score now less that of the base scores alone.
    """
    changes = _Changes(graph, node, begin(()).explained(node))
    for count, query in enumerate(searched, 1):
        changes.note(begin(searched[:count]), 0, "searched", query)
    play, number = begin(searched), 1
    for event in history:
        play.scale()
        changes.note(play, number, play.between)
        if isinstance(event, Told):
            for query, liked in zip(event.nodes, event.liked, strict=True):
                if query >= 0:
                    play.tell(query, liked)
                    changes.note(play, number, "told", query, liked)
            continue
        for count, (answered, said) in enumerate(zip(event.shown, event.said(n_items(graph)), strict=True), 1):
            so_far = play.copy()
            so_far.update(_first_answers(event, count))
            changes.note(so_far, number, _KINDS[said], answered)
        play.update(event)
        number += 1
    if scaled:
        play.scale()
        changes.note(play, number, play.between)
    if placed:
        changes.reasons.append(Reason(number, "order", None, (), None, placed, 0.0))
    return changes.reasons


def _first_answers(answer: AnsweredList, count: int) -> AnsweredList:
    """The answers to the first `count` places of the list alone; a click further down has not happened yet."""
    shown = answer.shown[:count]
    clicked = answer.clicked if answer.clicked in shown else None
    return replace(answer, shown=shown, clicked=clicked, not_care=tuple(n for n in answer.not_care if n in shown))

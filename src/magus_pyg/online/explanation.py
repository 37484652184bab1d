"""Why a node stands where it does in a session, in words."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from magus_pyg.agents.bayes.explain import explain_node
from magus_pyg.errors import SessionError
from magus_pyg.graph import Word, item_id_of, n_items, words_of
from magus_pyg.simulation.protocol import Feedback

if TYPE_CHECKING:
    from magus_pyg.online.contract import Round
    from magus_pyg.online.session import MagusSession

__all__ = ["Reason", "explain"]


@dataclass(frozen=True)
class Reason:
    """What one answer did to the score of a node.

    Attributes:
        round: the round of the answer, from 1; 0 for what was searched before the session.
        kind: "searched", "clicked", "not care", "refused", "below" (a query below the click) or "scaled" (all scores
            were brought to one scale between rounds, Eq. 6).
        node: the node that was answered; None for "scaled".
        words: its words.
        item_id: its item id, None for a query.
        change: of the log-odds under a belief (`variant="bayes"`), else of the variant's own score.
    """

    round: int
    kind: str
    node: int | None
    words: tuple[Word, ...]
    item_id: str | None
    change: float

    def __str__(self) -> str:
        name = " ".join(str(word) for word in self.words)
        if self.item_id is not None:
            name = f"item {self.item_id}" + (f" ({name})" if name else "")
        return f"{self.change:+.3f}  {self.kind} {name}".rstrip() + (f" in round {self.round}" if self.round else "")


def explain(session: "MagusSession", node: int) -> list[Reason]:
    """The answers that moved a node since the base scores, in order; their changes sum to the whole change.

    Raises:
        SessionError: a node that the session does not have.
    """
    graphs = session.view.graphs
    found = torch.nonzero(graphs.node[0] == node).flatten()
    if not found.numel():
        raise SessionError(f"node {node} is not in the session: it has {int(graphs.valid.sum())} nodes")
    slot_of = {int(value): slot for slot, value in enumerate(graphs.node[0].tolist()) if value >= 0}
    history = [_feedback(entry, slot_of, session.list_length) for entry in session.history]
    reasons = []
    for entry in explain_node(session.agent, session.view, history, int(found[0])):
        other = int(graphs.node[0, entry.slot]) if entry.slot >= 0 else None
        is_item = other is not None and other < n_items(session.graph)
        reasons.append(
            Reason(
                round=entry.round,
                kind=entry.kind,
                node=other,
                words=() if other is None else words_of(session.graph, other),
                item_id=item_id_of(session.graph, other) if is_item and other is not None else None,
                change=entry.change,
            )
        )
    return reasons


def _feedback(entry: "Round", slot_of: dict[int, int], length: int) -> Feedback:
    shown = torch.full((1, length), -1, dtype=torch.int64)
    shown[0, : len(entry.shown)] = torch.tensor([slot_of[node] for node in entry.shown], dtype=torch.int64)
    clicked = -1 if entry.clicked is None else entry.shown.index(entry.clicked)
    not_care = torch.zeros((1, length), dtype=torch.bool)
    not_care[0, : len(entry.shown)] = torch.tensor([node in entry.not_care for node in entry.shown], dtype=torch.bool)
    return Feedback(shown, torch.tensor([clicked]), not_care, torch.ones(1, dtype=torch.bool))

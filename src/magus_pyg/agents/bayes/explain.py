"""Why a node stands where it does: what each answer, and each searched query, did to its score.

Any variant is explained the same way. The session is played again from its history, the answers of a list are taken in
one after the other, and the score of the node is read after each. The differences therefore sum to the whole change.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from magus_pyg.agents.bayes.belief import membership, normalised
from magus_pyg.errors import SessionError
from magus_pyg.simulation.answers import Said, said
from magus_pyg.simulation.protocol import Agent, Feedback, Play, SessionView

__all__ = ["KINDS", "Contribution", "explain_items", "explain_node", "log_odds"]


#: How answers are called: "below" are the queries that were not read because of the click.
KINDS = {Said.CLICKED: "clicked", Said.NOT_CARE: "not care", Said.REFUSED: "refused", Said.UNREAD: "below"}


@dataclass(frozen=True)
class Contribution:
    """What one answer did to the score of a node.

    Attributes:
        round: the round of the answer, from 1; 0 for searched queries.
        slot: the slot that was answered or searched; -1 for `kind` "scaled".
        kind: "searched", one of `KINDS`, or "scaled" (the scores of all nodes were brought to one scale between
            rounds, Eq. 6).
        change: the change of the score: of the log-odds for `magus=bayes`, else of the variant's own score.
    """

    round: int
    slot: int
    kind: str
    change: float


def log_odds(play: Play, slot: int, session: int = 0) -> float:
    """The score that is explained: the log-odds of the node under a belief, else the variant's own score.

    Where the node is all of the candidates, or holds none, its log-odds do not move: they count as 0.
    """
    logit = getattr(play, "logit", None)
    if logit is None:
        return float(play.node_scores()[session, slot])
    graphs = play.graphs  # type: ignore[attr-defined]
    slots = torch.full((graphs.n_sessions, 1), -1, dtype=torch.int64, device=logit.device)
    slots[session, 0] = slot
    inside = membership(graphs, slots)[session, 0]
    row = logit[session]
    within, without = row[inside], row[~inside]
    odds = torch.logsumexp(within, 0) - torch.logsumexp(without, 0)
    return float(odds) if bool(torch.isfinite(odds)) else 0.0


def explain_node(
    agent: Agent, view: SessionView, history: Sequence[Feedback], slot: int, session: int = 0
) -> list[Contribution]:
    """What moved a node since the base scores.

    Args:
        agent: the variant that played.
        view: what it knew at the beginning.
        history: the answers to its lists, in order.
        slot: the slot of the node to explain.
        session: which session of the view.

    Returns:
        One entry an answer, in order; their changes sum to the score now less the score from the base scores alone.

    Raises:
        SessionError: a slot that the session does not have.
    """
    if not 0 <= slot < view.graphs.n_slots or not bool(view.graphs.valid[session, slot]):
        raise SessionError(f"session {session} has no slot {slot}")
    found: list[Contribution] = []
    play = agent.start(view if view.searched is None else replace(view, searched=None))
    score = log_odds(play, slot, session)
    if view.searched is not None:
        kept = torch.full_like(view.searched, -1)
        for place, searched in enumerate(view.searched[session].tolist()):
            kept[:, place] = view.searched[:, place]
            if searched >= 0:
                play = agent.start(replace(view, searched=kept.clone()))
                score = _append(found, 0, searched, "searched", play, slot, session, score)
        play = agent.start(view)
    for number, feedback in enumerate(history, 1):
        play.recommend()
        score = _append(found, number, -1, "scaled", play, slot, session, score)
        before = play.state_dict()
        answers = said(feedback, view.graphs.n_candidates)[session].tolist()
        for place, answered in enumerate(feedback.shown[session].tolist()):
            if answers[place] == Said.ABSENT:
                continue
            play.load_state_dict(before)
            play.update(_first_answers(feedback, place + 1))
            score = _append(found, number, answered, KINDS[answers[place]], play, slot, session, score)
        play.load_state_dict(before)
        play.update(feedback)
    return found


def explain_items(view: SessionView, before: Play, after: Play, slot: int, session: int = 0) -> list[tuple[int, float]]:
    """Which items moved a node under a belief.

    Args:
        view: what the agent knew at the beginning.
        before, after: plays of `magus=bayes` at two times.
        slot: the node.
        session: which session of the view.

    Returns:
        (item slot, change of its probability) of the items that contain the node, the largest change first; the changes
        sum to that of the node's probability.
    """
    slots = torch.full((view.graphs.n_sessions, 1), -1, dtype=torch.int64, device=view.graphs.node.device)
    slots[session, 0] = slot
    inside = membership(view.graphs, slots)[session, 0]
    change = _belief(after, session) - _belief(before, session)
    order = torch.argsort(change.abs(), descending=True, stable=True)
    return [(item, float(change[item])) for item in order.tolist() if bool(inside[item])]


def _belief(play: Play, session: int) -> Tensor:
    logit = getattr(play, "logit", None)
    if logit is None:
        raise SessionError(f"{type(play).__name__} holds no belief: items are explained for magus=bayes")
    return normalised(logit)[session]


def _append(
    found: list[Contribution], number: int, answered: int, kind: str, play: Play, slot: int, session: int, score: float
) -> float:
    now = log_odds(play, slot, session)
    if kind != "scaled" or now != score:
        found.append(Contribution(number, answered, kind, now - score))
    return now


def _first_answers(feedback: Feedback, count: int) -> Feedback:
    """The answers to the first `count` places of the lists alone; a click further down has not happened yet."""
    beyond = torch.arange(feedback.shown.shape[1], device=feedback.shown.device) >= count
    return Feedback(
        torch.where(beyond, -1, feedback.shown),
        torch.where(feedback.clicked < count, feedback.clicked, -1),
        feedback.not_care & ~beyond,
        feedback.active,
    )

"""MAGUS in EAR's protocol: the attributes are query nodes, and the best node decides whether to ask or to show."""

import torch
from torch import Tensor

from magus_pyg.agents.ranking import rank_top, scale_to_unit
from magus_pyg.dialogues.dialogue_protocol import Action, CandidateState, DialoguePlay, DialogueView, Reply
from magus_pyg.options import at_least, check_value

__all__ = ["DialogueMagusAgent"]


class DialogueMagusAgent:
    """The guess of Eq. (4) and the update of Eqs. (8) and (9) over the candidates and the queries of one word.

    The given attribute is what the candidates have in common; it takes no part. In each turn scores are scaled to
    [0, 1] (Eq. 6); if the best node left is an attribute it is asked, else the best items are shown, those that fit
    the answers first. A Yes is a click: the attribute's score becomes 1, what contains it rises by 1, and what it
    inhibits falls by 1: the items without it and the attributes that no candidate has together with it. A No and
    refused items set the score to 0 and send nothing, as printed.

    Args:
        refusals: whether a No rules out the items with the attribute (they are then shown last).
        minus_scale: factor of the R- weights of Eq. (4); 1 as printed.

    Raises:
        ConfigError: a minus_scale below 0.
    """

    name = "magus"

    def __init__(self, refusals: bool = True, minus_scale: float = 1.0) -> None:
        check_value("minus_scale", minus_scale, at_least(0))
        self.refusals, self.minus_scale = refusals, minus_scale

    def __repr__(self) -> str:
        return f"DialogueMagusAgent(refusals={self.refusals}, minus_scale={self.minus_scale})"

    def start(self, view: DialogueView) -> DialoguePlay:
        """Begin B dialogues."""
        return _MagusDialogues(view, self.refusals, self.minus_scale)


class _MagusDialogues(CandidateState):
    """`y` float64 [B, C + W]: the scores of the items, then of the attributes; `base` likewise, 0 at attributes."""

    def __init__(self, view: DialogueView, refusals: bool, minus_scale: float) -> None:
        super().__init__(view, refusals)
        self.n_items, n_words = view.has.shape
        has = view.has.to(torch.float64)
        count = view.allowed.to(torch.float64) @ has
        self.valid = torch.cat([view.allowed, (count > 0) & ~self.asked], 1)
        self.together = (has.T @ has) > 0  # [W, W], attributes that a candidate has together
        none = view.scores.new_zeros((len(view.scores), n_words))
        self.base = torch.cat([view.scores, none], 1)
        score = scale_to_unit(view.scores, view.allowed)  # Eq. (2)
        within = score @ has
        without = score.sum(1, keepdim=True) - within
        self.y = torch.cat([score, within - minus_scale * without], 1)  # Eq. (4): R+ minus R-

    def act(self, turn: int) -> Action:
        self.y = scale_to_unit(self.y, self.valid)  # Eq. (6)
        fits = self.candidates()
        items, words = self.y[:, : self.n_items], self.y[:, self.n_items :]
        askable = self.valid[:, self.n_items :] & ~self.asked
        if askable.shape[1]:
            value, word = torch.where(askable, words, -torch.inf).max(1)
            best = torch.where(fits, items, -torch.inf).amax(1) if self.n_items else torch.zeros_like(value)
            asks = value > best
        else:
            word = torch.zeros_like(self.key)
            asks = torch.zeros_like(word, dtype=torch.bool)
        # Scores lie in [0, 1]: whoever fits the answers comes first.
        show = rank_top(items + 2.0 * fits, self.base[:, : self.n_items], self.left, self.view.list_length)
        return Action(torch.where(asks, word, -1), torch.where(asks.unsqueeze(1), -1, show))

    def update(self, reply: Reply) -> None:
        super().update(reply)
        row, slot = torch.nonzero(reply.show >= 0, as_tuple=True)
        self.y[row, reply.show[row, slot]] = 0.0  # Eq. (8), refused items
        asked = torch.nonzero(reply.ask >= 0).flatten()
        self.y[asked, self.n_items + reply.ask[asked]] = reply.yes[asked].to(torch.float64)  # Eq. (8)
        yes = torch.nonzero((reply.ask >= 0) & reply.yes).flatten()
        word = reply.ask[yes]
        # Eq. (9): +1 along R+ to the items with it, -1 along R- to items without it and attributes never with it.
        to_items = 2.0 * self.view.has.T[word].to(torch.float64) - 1.0
        to_words = -(~self.together[word]).to(torch.float64)
        to_words[torch.arange(len(word)), word] = 0.0
        self.y[yes] += torch.cat([to_items, to_words], 1)

    def keep(self, rows: Tensor) -> None:
        super().keep(rows)
        self.valid, self.base, self.y = self.valid[rows], self.base[rows], self.y[rows]

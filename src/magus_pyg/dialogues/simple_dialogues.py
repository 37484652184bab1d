"""Agents that filter candidates: the best items, and the attribute with the most entropy as EAR's runner plays it."""

import torch

from magus_pyg.agents.rivals.belief_lists import binary_entropy
from magus_pyg.dialogues.dialogue_protocol import Action, CandidateState, DialoguePlay, DialogueView
from magus_pyg.random import uniform

__all__ = ["DialogueItemsAgent", "DialogueMaxEntropyAgent"]

_RECOMMEND = 0x63  # what a random number is for


class DialogueItemsAgent:
    """Shows the best items not yet shown, among those with the given attribute; asks nothing.

    Args:
        refusals: has no effect, since nothing is asked; there for a common signature.
    """

    name = "items"

    def __init__(self, refusals: bool = True) -> None:
        self.refusals = refusals

    def __repr__(self) -> str:
        return "DialogueItemsAgent()"

    def start(self, view: DialogueView) -> DialoguePlay:
        """Begin B dialogues."""
        return _ItemsDialogues(view, self.refusals)


class _ItemsDialogues(CandidateState):
    def act(self, turn: int) -> Action:
        show = self.best(self.candidates())
        return Action(torch.full((len(show),), -1, dtype=torch.int64, device=show.device), show)


class DialogueMaxEntropyAgent:
    """Asks the attribute that splits the candidates most evenly, as the runner of EAR does it.

    With n candidates left it shows the list_length best of them with probability list_length/n (always from
    list_length on), else asks the attribute whose share among the candidates has the highest binary entropy, the first
    of equals. An attribute is asked once. Where no attribute splits the candidates it shows items (EAR's runner would
    ask anyway).

    Args:
        refusals: whether a No rules out the items with the attribute. EAR's runner lets it pass.
    """

    name = "max_entropy"

    def __init__(self, refusals: bool = True) -> None:
        self.refusals = refusals

    def __repr__(self) -> str:
        return f"DialogueMaxEntropyAgent(refusals={self.refusals})"

    def start(self, view: DialogueView) -> DialoguePlay:
        """Begin B dialogues."""
        return _MaxEntropyDialogues(view, self.refusals)


class _MaxEntropyDialogues(CandidateState):
    def act(self, turn: int) -> Action:
        candidates = self.candidates()
        size = candidates.sum(1)
        # Counts below 2**24 are exact in float32.
        count = candidates.to(torch.float32) @ self.view.has.to(torch.float32)
        share = count.to(torch.float64) / size.clamp(min=1).unsqueeze(1)
        entropy = torch.where(self.asked, -1.0, binary_entropy(share))
        shows = uniform(self.key, _RECOMMEND, turn) * size < self.view.list_length
        if not entropy.shape[1]:
            return Action(torch.full_like(self.key, -1), self.best(candidates))
        top, word = entropy.max(1)
        shows |= top <= 0.0
        show = torch.full((len(size), self.view.list_length), -1, dtype=torch.int64, device=size.device)
        show[shows] = self.best(candidates)[shows]
        return Action(torch.where(shows, -1, word), show)

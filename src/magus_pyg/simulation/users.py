"""Simulated users: how a list is answered (Definition D.1)."""

from dataclasses import dataclass

import torch
from torch import Tensor

__all__ = ["Answer", "ShownList", "TruthfulUser", "User", "first_click"]


@dataclass(frozen=True)
class ShownList:
    """What a user knows of the lists of one round.

    Attributes:
        present: bool [B, N], False where a list is shorter.
        is_item: bool [B, N].
        matches: int64 [B, N], how many of the session's targets contain the shown node (1 for a target itself).
        n_targets: int64 [B].
        round: the round, from 1.
        key: int64 [B], the random key of each session.
    """

    present: Tensor
    is_item: Tensor
    matches: Tensor
    n_targets: Tensor
    round: int
    key: Tensor


@dataclass(frozen=True)
class Answer:
    """A user's answers.

    Attributes:
        clicked: int64 [B], the position of the click (from 0), -1 for none.
        not_care: bool [B, N], queries answered Not Care; never the clicked one.
    """

    clicked: Tensor
    not_care: Tensor


def first_click(is_item: Tensor, liked: Tensor) -> Tensor:
    """The click in a list: the first liked item, else the first liked query, else none.

    Args:
        is_item: bool [B, N].
        liked: bool [B, N], what the user would say Yes to; False in empty slots.

    Returns:
        int64 [B], positions from 0, -1 for none.
    """
    if not liked.shape[1]:
        return torch.full((liked.shape[0],), -1, dtype=torch.int64, device=liked.device)
    preference = liked.to(torch.int64) * (1 + is_item.to(torch.int64))
    best, position = preference.max(1).values, preference.argmax(1)  # argmax: the first of equals
    return torch.where(best > 0, position, -1)


class User:
    """Base class of simulated users; a subclass says what is answered to a list."""

    def answer(self, shown: ShownList) -> Answer:
        """The answers to the lists of one round; must not depend on how sessions are batched."""
        raise NotImplementedError(f"{type(self).__name__} must define answer(shown)")


class TruthfulUser(User):
    """Clicks the first target item; else the first query that is part of a target; else nothing (Definition D.1)."""

    def __repr__(self) -> str:
        return "TruthfulUser()"

    def answer(self, shown: ShownList) -> Answer:
        """Answers without error: see the class."""
        clicked = first_click(shown.is_item, (shown.matches > 0) & shown.present)
        return Answer(clicked, torch.zeros_like(shown.present))

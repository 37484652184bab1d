"""Simulated users: how a list is answered (Definition D.1)."""

from dataclasses import dataclass

import torch
from torch import Tensor

from magus_pyg.errors import ConfigError, SessionError
from magus_pyg.random import uniform

__all__ = ["Answer", "NoisyUser", "NotCareUser", "ShownList", "TruthfulUser", "User", "first_click"]

_NOISE = 0x21  # what a random number is for


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


class NotCareUser(User):
    """Answers Not Care to what several targets share (Definition D.1 with App. E.1).

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
        if not 0.0 <= p < 0.5:
            raise ConfigError(f"NoisyUser.p must be in [0, 0.5), since at 0.5 an answer says nothing (got {p!r})")
        if not 0.0 <= p_item <= 1.0:
            raise ConfigError(f"NoisyUser.p_item is a probability and must be in [0, 1] (got {p_item!r})")
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

"""Sessions: a user, the candidates of one visit, and which of them are the targets (reading 18)."""

from dataclasses import dataclass

import torch
from torch import Tensor

from magus_pyg.errors import ConfigError, SessionError
from magus_pyg.options import at_least, at_most, check_options, one_of

__all__ = ["SessionOptions", "Sessions"]


@dataclass
class SessionOptions:
    """How sessions are made (reading 18).

    Attributes:
        kind: "standard": some positives of the part are the targets, the rest are items the user disliked there and
            items the user had not touched by the end of the part. "paper": the user's own items of the part, all
            positives are targets (Sec. 4.1).
        candidates: items in a session, at least 1; "all" for as many as there are (see `size`).
        min_targets: fewest targets of a standard session, at least 1. Users with fewer positives get no session.
        max_targets: most targets of a standard session; their number is uniform from `min_targets` on.
        min_interactions: users with fewer rows in the whole log get no session.
        per_user: sessions a user, at least 1.
    """

    kind: str = "standard"
    candidates: int | str = 30
    min_targets: int = 1
    max_targets: int = 3
    min_interactions: int = 30
    per_user: int = 1

    def check(self) -> None:
        """Check the values.

        Raises:
            ConfigError: naming the option and its value.
        """
        check_options(
            self,
            "sessions",
            kind=one_of(("standard", "paper")),
            candidates=at_least(1, "all"),
            min_targets=at_least(1),
            min_interactions=at_least(0),
            per_user=at_least(1),
        )
        check_options(self, "sessions", max_targets=at_most(10_000), per_user=at_most(100_000))
        most = float("inf") if isinstance(self.candidates, str) else self.candidates
        if not self.min_targets <= self.max_targets <= most:
            raise ConfigError(
                f"sessions: min_targets ({self.min_targets}) <= max_targets ({self.max_targets}) <= candidates "
                f"({self.candidates}) must hold"
            )

    def size(self, n_items: int) -> int:
        """The most candidates of a session from a catalogue of `n_items` items."""
        return n_items if isinstance(self.candidates, str) else self.candidates


@dataclass(frozen=True, eq=False)
class Sessions:
    """B sessions of at most C candidates.

    Attributes:
        user: int64 [B].
        candidates: int64 [B, C], item indices (which are the item nodes), distinct within a session; -1 pads.
        targets: bool [B, C], the candidates that end the session with success.
        searched: int64 [B, S], query nodes that the user searched before; -1 pads. None for none.
        id: int64 [B]; tells sessions apart whatever subset or order they are played in. None numbers them from 0.

    Raises:
        SessionError: if shapes or types are wrong, a pad is a target, or a candidate is there twice.
    """

    user: Tensor
    candidates: Tensor
    targets: Tensor
    searched: Tensor | None = None
    id: Tensor | None = None

    def __post_init__(self) -> None:
        if self.user.dim() != 1 or self.user.dtype != torch.int64:
            raise SessionError(f"Sessions.user must be int64 [B] (got {_kind(self.user)})")
        n = self.user.numel()
        if self.id is None:
            # A frozen dataclass lets its own __post_init__ write only this way.
            object.__setattr__(self, "id", torch.arange(n, device=self.user.device))
        if self.candidates.dim() != 2 or self.candidates.shape[0] != n or self.candidates.dtype != torch.int64:
            raise SessionError(f"Sessions.candidates must be int64 [{n}, C] (got {_kind(self.candidates)})")
        if self.targets.shape != self.candidates.shape or self.targets.dtype != torch.bool:
            like = list(self.candidates.shape)
            raise SessionError(f"Sessions.targets must be bool {like}, like candidates (got {_kind(self.targets)})")
        for name, dim in (("searched", 2), ("id", 1)):
            value = getattr(self, name)
            if value is not None and (value.dim() != dim or value.shape[0] != n or value.dtype != torch.int64):
                shape = f"[{n}, S]" if dim == 2 else f"[{n}]"
                raise SessionError(f"Sessions.{name} must be int64 {shape} (got {_kind(value)})")
        below = (self.candidates < -1).any(dim=1)
        if bool(below.any()):
            raise SessionError(f"session {int(below.nonzero()[0])}: a candidate is below -1, which is the pad")
        padded = (self.targets & (self.candidates < 0)).any(dim=1)
        if bool(padded.any()):
            raise SessionError(f"session {int(padded.nonzero()[0])}: a pad (-1) is marked as a target")
        ordered = self.candidates.sort(dim=1).values
        twice = (ordered[:, 1:] == ordered[:, :-1]) & (ordered[:, 1:] >= 0)
        if bool(twice.any()):
            row, column = (int(value) for value in twice.nonzero()[0])
            raise SessionError(f"session {row}: the candidate {int(ordered[row, column])} is there more than once")

    @classmethod
    def none(cls) -> "Sessions":
        """No session at all."""
        empty = torch.zeros((0, 1), dtype=torch.int64)
        return cls(empty[:, 0], empty, empty.bool())

    def __len__(self) -> int:
        return self.user.numel()

    def __repr__(self) -> str:
        return f"Sessions({len(self)}, candidates={self.candidates.shape[1]}, targets={int(self.targets.sum())})"

    def take(self, index: Tensor) -> "Sessions":
        """The chosen sessions; each keeps its id. `index`: int64 [K] of positions, or bool [B]."""
        searched = None if self.searched is None else self.searched[index]
        number = None if self.id is None else self.id[index]
        return Sessions(self.user[index], self.candidates[index], self.targets[index], searched, number)

    def to(self, device: torch.device | str) -> "Sessions":
        """A copy on another device."""
        moved = [None if x is None else x.to(device) for x in (self.searched, self.id)]
        return Sessions(self.user.to(device), self.candidates.to(device), self.targets.to(device), *moved)


def _kind(tensor: Tensor) -> str:
    return f"{str(tensor.dtype).removeprefix('torch.')} {list(tensor.shape)}"

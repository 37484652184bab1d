"""What a base recommender knows about users, items and word combinations, as tensors."""

import hashlib
from dataclasses import dataclass

import torch
from torch import Tensor

from magus_pyg.errors import ModelError
from magus_pyg.ragged import Ragged

__all__ = ["Candidates", "FeatureSpace", "check_ids"]


def check_ids(ids: Tensor, size: int, what: str, low: int = 0) -> None:
    """Raise ModelError, naming the first bad value, unless all of `ids` are integers in [low, size)."""
    if ids.is_floating_point() or ids.is_complex() or ids.dtype == torch.bool:
        raise ModelError(f"{what} indices must be integers (got {ids.dtype})")
    if not ids.numel():
        return
    smallest, largest = (int(end) for end in torch.aminmax(ids))
    if smallest < low or largest >= size:
        bad = smallest if smallest < low else largest
        raise ModelError(
            f"{what} index {bad} is out of range: there are {size}, so indices go from {low} to {size - 1}"
        )


def _check_rows(rows: Ragged, n_rows: int, size: int, what: str) -> None:
    if len(rows) != n_rows:
        raise ModelError(f"the {what} rows must be as many as the things they describe, {n_rows} (got {len(rows)})")
    check_ids(rows.index, size, what)


@dataclass(frozen=True)
class FeatureSpace:
    """The ids and features a base recommender is built on.

    Attributes:
        n_users: number of users U, at least 1.
        n_items: number of items I, at least 1; the index `n_items` stands for "no item" in `Candidates`.
        n_words: number of words.
        n_profiles: number of profile values, all profile fields together.
        item_words: [I] rows of word ids.
        user_profiles: [U] rows of profile-value ids.

    Raises:
        ModelError: rows of another number, or ids out of range.
    """

    n_users: int
    n_items: int
    n_words: int
    n_profiles: int
    item_words: Ragged
    user_profiles: Ragged

    def __post_init__(self) -> None:
        for name, low in (("n_users", 1), ("n_items", 1), ("n_words", 0), ("n_profiles", 0)):
            if getattr(self, name) < low:
                raise ModelError(f"FeatureSpace.{name} must be at least {low} (got {getattr(self, name)})")
        _check_rows(self.item_words, self.n_items, self.n_words, "word")
        _check_rows(self.user_profiles, self.n_users, self.n_profiles, "profile value")

    @property
    def sizes(self) -> tuple[int, int, int, int]:
        """Numbers of users, profile values, items and words."""
        return self.n_users, self.n_profiles, self.n_items, self.n_words

    @property
    def fingerprint(self) -> str:
        """SHA-256 (hex) of all sizes and rows: equal for equal feature spaces, on any device."""
        digest = hashlib.sha256(repr((self.n_users, self.n_items, self.n_words, self.n_profiles)).encode())
        for rows in (self.item_words, self.user_profiles):
            for part in (rows.ptr, rows.index):
                digest.update(part.to("cpu", torch.int64).contiguous().numpy().tobytes())
        return digest.hexdigest()


@dataclass(frozen=True)
class Candidates:
    """Things to score, items and word combinations alike.

    Attributes:
        item: int64 [n], item indices; `FeatureSpace.n_items` for a pure word combination.
        words: [n] rows of word ids.
    """

    item: Tensor
    words: Ragged

    def __post_init__(self) -> None:
        if self.item.dim() != 1 or self.item.numel() != len(self.words):
            raise ModelError(f"item must be [n] for n rows of words (got {list(self.item.shape)}, {len(self.words)})")

    def __len__(self) -> int:
        return self.item.numel()

    def select(self, rows: Tensor | slice) -> "Candidates":
        """Some of them: int64 [m], or a slice."""
        if isinstance(rows, slice):
            rows = torch.arange(len(self), device=self.item.device)[rows]
        return Candidates(self.item[rows], self.words.select(rows))

    @classmethod
    def of_items(cls, item: Tensor, item_words: Ragged) -> "Candidates":
        """Items with their own words: `item` int64 [n], `item_words` [I] rows."""
        return cls(item, item_words.select(item))

    @classmethod
    def of_words(cls, words: Ragged, n_items: int) -> "Candidates":
        """Word combinations that are no item: `words` [n] rows."""
        return cls(torch.full((len(words),), n_items, dtype=torch.int64, device=words.ptr.device), words)

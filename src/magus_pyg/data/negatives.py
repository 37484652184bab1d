"""Sampled negatives: items that a user never touched, drawn by counter, so that the same row has the same negatives."""

from typing import Literal

import torch
from torch import Tensor

from magus_pyg.data.dataset import RecDataset
from magus_pyg.data.itemsets import ItemSets, items_of_users
from magus_pyg.errors import DataError
from magus_pyg.random import integers

__all__ = ["NegativeSampler"]


class NegativeSampler:
    """Draws items that users have not touched, in the parts that may be known.

    For training the train part alone is avoided: to avoid validation and test positives as well would tell the model
    where they are. For validation, train and validation are avoided.

    Args:
        data: the data set.
        stage: "train" (avoid train items) or "validation" (avoid train and validation items).

    Raises:
        DataError: at another stage.
    """

    def __init__(self, data: RecDataset, stage: Literal["train", "validation"] = "train") -> None:
        parts = {"train": ("train",), "validation": ("train", "validation")}
        if stage not in parts:
            raise DataError(f"unknown stage {stage!r} of negatives; choose train or validation")
        self.stage = stage
        self.known: ItemSets = items_of_users(data, parts[stage])

    def to(self, device: torch.device | str) -> "NegativeSampler":
        """Move to a device; `sample` then takes users there. Returns self."""
        self.known = self.known.to(device)
        return self

    def __repr__(self) -> str:
        return f"NegativeSampler(stage={self.stage!r}, users={len(self.known.sizes)}, items={self.known.n_items})"

    def sample(self, user: Tensor, count: int, *keys: Tensor | int) -> Tensor:
        """Draw negatives for rows, uniformly over the items outside, with repeats.

        The ranks of the items outside are drawn, so no draw is ever thrown away and small catalogues are exact.

        Args:
            user: int64 [n].
            count: negatives a row, at least 0.
            *keys: integers or int64 [n] that tell the draws apart, such as (seed, epoch, number of the row). Rows of
                one user with the same keys get the same negatives.

        Returns:
            int64 [n, count] of items; -1 in the rows of a user who touched every item.
        """
        if count < 0:
            raise DataError(f"count of negatives must be at least 0 (got {count})")
        shaped = [key.reshape(-1, 1) if isinstance(key, Tensor) else key for key in keys]
        row = user.reshape(-1, 1).expand(-1, count)
        free = self.known.n_outside[row]
        rank = integers(free.clamp(min=1), *shaped, row, torch.arange(count, device=user.device))
        item = self.known.outside(row.reshape(-1), rank.reshape(-1)).reshape(row.shape)
        return torch.where(free > 0, item, -1)

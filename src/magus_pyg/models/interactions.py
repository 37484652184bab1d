"""The rows a base recommender learns from, as plain tensors."""

from dataclasses import dataclass

import torch
from torch import Tensor

from magus_pyg.errors import ModelError
from magus_pyg.models.features import FeatureSpace, check_ids

__all__ = ["Interactions", "TrainingData"]


@dataclass(frozen=True)
class Interactions:
    """Rows of a log.

    Attributes:
        user: int64 [n], user indices.
        item: int64 [n], item indices.
        label: [n], 1 positive, 0 negative; kept as float32.

    Raises:
        ModelError: columns of different lengths, or a label other than 0 and 1.
    """

    user: Tensor
    item: Tensor
    label: Tensor

    def __post_init__(self) -> None:
        shapes = [list(column.shape) for column in (self.user, self.item, self.label)]
        if self.user.dim() != 1 or shapes.count(shapes[0]) != 3:
            raise ModelError(f"user, item and label must be columns of one length (got shapes {shapes})")
        label = self.label.to(torch.float32)
        wrong = (label != 0) & (label != 1)
        if bool(wrong.any()):
            row = int(wrong.nonzero()[0])
            raise ModelError(f"a label must be 0 or 1 (got {float(label[row]):g} in row {row})")
        object.__setattr__(self, "user", self.user.to(torch.int64))
        object.__setattr__(self, "item", self.item.to(torch.int64))
        object.__setattr__(self, "label", label)

    def __len__(self) -> int:
        return self.user.numel()

    def check(self, features: FeatureSpace) -> None:
        """Raise ModelError unless all users and items are in `features`."""
        check_ids(self.user, features.n_users, "user")
        check_ids(self.item, features.n_items, "item")


@dataclass(frozen=True)
class TrainingData:
    """What `fit` takes.

    Attributes:
        train: the rows the weights are fitted to.
        validation: the rows that decide the learning rate, the best epoch and the end of training.
        fingerprint: names the data set; a checkpoint of another one is refused.
    """

    train: Interactions
    validation: Interactions
    fingerprint: str = ""

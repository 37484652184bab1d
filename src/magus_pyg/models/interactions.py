"""The rows a base recommender learns from, as plain tensors."""

from dataclasses import dataclass

import torch
from torch import Tensor

from magus_pyg.errors import ModelError
from magus_pyg.models.feature_space import FeatureSpace, check_ids

__all__ = ["Interactions", "TrainingData"]


@dataclass(frozen=True)
class Interactions:
    """Rows of a log.

    Attributes:
        user: int64 [n], user indices.
        item: int64 [n], item indices.
        label: [n], 1 positive, 0 negative; kept as float32.
        ordered: True where the rows of a user stand in the order of time.
        action: int64 [n], index into `actions`, or None where the log has one kind of action.
        actions: the names of the kinds of action.

    Raises:
        ModelError: columns of different lengths, a label other than 0 and 1, or an action out of range.
    """

    user: Tensor
    item: Tensor
    label: Tensor
    ordered: bool = True
    action: Tensor | None = None
    actions: tuple[str, ...] = ()

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
        if self.action is not None:
            if self.action.shape != self.user.shape:
                raise ModelError(f"action must have a value a row (got {list(self.action.shape)} for {len(self)} rows)")
            check_ids(self.action, len(self.actions), "action")
            object.__setattr__(self, "action", self.action.to(torch.int64))

    def __len__(self) -> int:
        return self.user.numel()

    def take(self, index: Tensor) -> "Interactions":
        """The rows `index`, int64 [m] or bool [n], in that order."""
        action = None if self.action is None else self.action[index]
        return Interactions(self.user[index], self.item[index], self.label[index], self.ordered, action, self.actions)

    def joined(self, later: "Interactions") -> "Interactions":
        """These rows, and then those of `later`, with the same actions."""
        user, item = torch.cat([self.user, later.user]), torch.cat([self.item, later.item])
        label = torch.cat([self.label, later.label])
        action = None if self.action is None or later.action is None else torch.cat([self.action, later.action])
        return Interactions(user, item, label, self.ordered and later.ordered, action, self.actions)

    def earlier_positives(self) -> Tensor:
        """How many positive rows of its user stand before each row, int64 [n]: where its past ends in a history."""
        order = torch.argsort(self.user, stable=True)
        liked = (self.label[order] == 1).to(torch.int64)
        before = liked.cumsum(0) - liked
        user = self.user[order]
        if not len(self):
            return before
        first = torch.ones_like(user, dtype=torch.bool)
        first[1:] = user[1:] != user[:-1]
        start = before[first][first.to(torch.int64).cumsum(0) - 1]
        return torch.empty_like(before).index_copy_(0, order, before - start)

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

    def before(self, part: str) -> Interactions:
        """The rows before a part that is scored, "validation" or "test": what histories may hold then, nothing later.

        For "train" they are the training rows too, of which each row has those before it.
        """
        return self.train.joined(self.validation) if part == "test" else self.train

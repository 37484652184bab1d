"""Batches of a log as slices of contiguous tensors, and sampled negatives.

Nothing here keeps a random state: the order of an epoch is a function of (seed, epoch) and a sampled item one of
(seed, epoch, row, number), so any epoch can be made again after a stop.
"""

from collections.abc import Iterator

import torch
from torch import Tensor

from magus_pyg.data import ItemSets
from magus_pyg.errors import ModelError
from magus_pyg.models.base import BaseRecommender
from magus_pyg.models.batches import Batch
from magus_pyg.models.interactions import Interactions, TrainingData
from magus_pyg.random import derive_seed, integers
from magus_pyg.training.train_options import TrainOptions

__all__ = [
    "Loaders",
    "TrainLoader",
    "ValidationLoader",
    "draw_batch",
    "draw_negatives",
    "flatten_batch",
    "resolve_negatives",
    "whole_batch",
]

_CPU = torch.device("cpu")
_ORDER, _NEGATIVES = 1, 2  # what a random number is for
_VALIDATION_EPOCH = -1
_VALIDATION_ROWS = 1 << 16
# Batches made at once, at most, and their rows of the log.
_BATCHES_AT_ONCE, _ROWS_AT_ONCE = 32, 1 << 15


def draw_negatives(known: ItemSets, user: Tensor, row: Tensor, seed: int, epoch: int, count: int) -> Tensor:
    """`count` items for each row, uniform among those outside the user's set: int64 [n, count].

    Args:
        known: the items of each user that are never drawn.
        user: int64 [n].
        row: int64 [n], the key of each row's random numbers.
        seed: of the training.
        epoch: of the training.
        count: items a row.

    Returns:
        Items, -1 where a user's set holds every item.
    """
    number = torch.arange(count, device=user.device)
    user = user.unsqueeze(1).expand(-1, count)
    free = known.n_outside[user]
    rank = integers(free.clamp(min=1), seed, _NEGATIVES, epoch, row.unsqueeze(1), number)
    item = known.outside(user.reshape(-1), rank.reshape(-1)).view(free.shape)
    return torch.where(free > 0, item, -1)


def resolve_negatives(negatives: int | str, train: Interactions) -> int:
    """The number of sampled negatives a positive row; "auto" is 1 where the training rows are all positive, else 0."""
    if isinstance(negatives, int):
        return negatives
    return int(bool((train.label == 1).all()))


def draw_batch(rows: Interactions, past: Tensor, row: Tensor, known: ItemSets, seed: int, epoch: int, k: int) -> Batch:
    """The rows `row` (int64 [n]) of a log as columns [n, 1 + k]: the row itself, and `k` negatives if it is positive.

    `past` is that of all rows of the log.

    The label is NaN where there is none: in negative rows, and for users who have a row with every item.
    """
    columns = (rows.user, rows.item, rows.label, past)
    user, item, label, before = (column.index_select(0, row).unsqueeze(1) for column in columns)
    action = torch.full_like(user, -1) if rows.action is None else rows.action.index_select(0, row).unsqueeze(1)
    if k == 0:
        return Batch(user, item, label, before, action)
    drawn = draw_negatives(known, user.squeeze(1), row, seed, epoch, k)
    other = torch.zeros_like(drawn, dtype=label.dtype).masked_fill_((drawn < 0) | (label != 1), float("nan"))
    wide = (-1, 1 + k)
    action = torch.cat([action, torch.full_like(drawn, -1)], 1)
    return Batch(
        user.expand(wide), torch.cat([item, drawn], 1), torch.cat([label, other], 1), before.expand(wide), action
    )


def whole_batch(rows: Interactions) -> Batch:
    """All rows of a log as one batch, without sampled negatives."""
    action = torch.full_like(rows.user, -1) if rows.action is None else rows.action
    return Batch(rows.user, rows.item, rows.label, rows.earlier_positives(), action)


def flatten_batch(batch: Batch) -> Batch:
    """The entries of `draw_batch` that exist, as columns [m]."""
    there = torch.nonzero(~torch.isnan(batch.label.flatten())).squeeze(1)
    if len(there) == batch.label.numel():
        return Batch(*(column.flatten() for column in batch))
    return Batch(*(column.flatten().index_select(0, there) for column in batch))


class TrainLoader:
    """The batches of the training rows, in an order of its own in every epoch.

    With several devices (`world`), all see the same order; each takes its slice of every global batch. The last batch
    is filled up with rows from the head so that all devices get as many rows.

    Args:
        rows: the training rows.
        known: items of each user that are no negatives.
        batch_size: rows in a step on one device.
        negatives: sampled items a positive row.
        seed: of the training.
        rank: this device's number.
        world: number of devices.
        device: where the batches are to lie.
        steps: batches of an epoch, at most: those of the head of its order. All if None.
    """

    def __init__(
        self,
        rows: Interactions,
        known: ItemSets,
        batch_size: int,
        negatives: int,
        seed: int,
        rank: int = 0,
        world: int = 1,
        device: torch.device = _CPU,
        steps: int | None = None,
    ) -> None:
        self.rows, self.known, self.batch_size, self.negatives = rows, known, batch_size, negatives
        self.seed, self.rank, self.world, self.device = seed, rank, world, device
        #: Batches that all rows make.
        self.steps_of_all = -(-len(rows) // (batch_size * world))
        self.steps = self.steps_of_all if steps is None else min(steps, self.steps_of_all)
        self.epoch = 0
        self._past = rows.earlier_positives()

    def __len__(self) -> int:
        return self.steps

    def order(self, epoch: int) -> Tensor:
        """The rows of this device in an epoch, int64."""
        generator = torch.Generator().manual_seed(derive_seed(self.seed, _ORDER, epoch))
        order = torch.randperm(len(self.rows), generator=generator)
        order = torch.cat([order, order[: -len(order) % self.world]])
        return order[self.rank :: self.world][: self.steps * self.batch_size]

    @property
    def batches_at_once(self) -> int:
        """Batches made at once: a batch's own random numbers would cost as much as its step."""
        return max(1, min(_BATCHES_AT_ONCE, _ROWS_AT_ONCE // self.batch_size))

    def __iter__(self) -> Iterator[Batch]:
        for rows in torch.split(self.order(self.epoch), self.batch_size * self.batches_at_once):
            drawn = draw_batch(self.rows, self._past, rows, self.known, self.seed, self.epoch, self.negatives)
            there = (~torch.isnan(drawn.label)).sum(1)
            sizes = [int(part.sum()) for part in torch.split(there, self.batch_size)]
            yield from _split(Batch(*(column.to(self.device) for column in flatten_batch(drawn))), sizes)


class ValidationLoader:
    """The validation rows with their negatives, drawn once and in a fixed order, every world-th row a device."""

    def __init__(
        self,
        rows: Interactions,
        known: ItemSets,
        negatives: int,
        seed: int,
        rank: int = 0,
        world: int = 1,
        device: torch.device = _CPU,
    ) -> None:
        row = torch.arange(len(rows))
        # The past of a validation row is the whole training part, which models take where none is given.
        whole = flatten_batch(draw_batch(rows, torch.zeros_like(row), row, known, seed, _VALIDATION_EPOCH, negatives))
        self.label = whole.label
        # All devices get as many rows; the rows beyond the end are dropped again after gathering.
        n = len(whole.label)
        index = torch.arange(rank, n + -n % world, world).clamp(max=n - 1)
        self.shard = Batch(*(column[index].to(device) for column in whole))

    def __len__(self) -> int:
        return (len(self.shard.user) + _VALIDATION_ROWS - 1) // _VALIDATION_ROWS

    def __iter__(self) -> Iterator[Batch]:
        return _split(self.shard, _VALIDATION_ROWS)


def _split(rows: Batch, sizes: int | list[int]) -> Iterator[Batch]:
    """Slices of some rows, as views."""
    columns = (torch.split(column, sizes) for column in rows)
    return (Batch(*slices) for slices in zip(*columns, strict=True))


class Loaders:
    """The loaders of a training, a pair for each device.

    Args:
        data: the rows.
        model: to be trained.
        options: see `TrainOptions`.
        seed: of the training.

    Raises:
        ModelError: an id out of range, no training rows, rows without order for a model that reads it, or a validation
            part without both classes.
    """

    def __init__(self, data: TrainingData, model: BaseRecommender, options: TrainOptions, seed: int) -> None:
        self._features = model.features
        for part in (data.train, data.validation):
            part.check(model.features)
        if model.needs_history and not data.train.ordered:
            raise ModelError(
                f"the model {model.options.name!r} reads the order of a user's interactions, and this log has none; "
                "choose a model without a history, or give the log a column of times"
            )
        if len(data.train) == 0:
            raise ModelError("the training part holds no rows; check the split and its filters")
        self._data, self._batch_size, self._seed = data, options.batch_size, seed
        self._steps = options.epoch_steps
        self._negatives = resolve_negatives(options.negatives, data.train)
        self._train_items = self._items_of_users(data.train)
        self._known_items = self._items_of_users(data.train, data.validation)
        label = self.validation().label
        positives = int((label == 1).sum())
        if positives in (0, len(label)):
            raise ModelError(
                f"the validation part has {positives} positive and {len(label) - positives} negative rows (sampled "
                f"ones included, {self._negatives} a positive row); it needs both: check the split, or set negatives"
            )

    def _items_of_users(self, *parts: Interactions) -> ItemSets:
        user, item = (torch.cat([getattr(part, name) for part in parts]) for name in ("user", "item"))
        return ItemSets.from_pairs(user, item, self._features.n_users, self._features.n_items)

    def validation(self, rank: int = 0, world: int = 1, device: torch.device = _CPU) -> ValidationLoader:
        """Of the validation rows of one device of `world`."""
        rows = self._data.validation
        return ValidationLoader(rows, self._known_items, self._negatives, self._seed, rank, world, device)

    def train(self, rank: int = 0, world: int = 1, device: torch.device = _CPU) -> TrainLoader:
        """Of the training rows of one device of `world`, from the first epoch on."""
        rows, size, steps = self._data.train, self._batch_size, self._steps
        return TrainLoader(rows, self._train_items, size, self._negatives, self._seed, rank, world, device, steps)

"""The rows of a training step, as the models read them."""

from typing import NamedTuple

from torch import Tensor

__all__ = ["Batch"]


class Batch(NamedTuple):
    """Rows of a step.

    Attributes:
        user: int64 [n].
        item: int64 [n].
        label: float32 [n].
        past: int64 [n], how many of the user's positive training rows stand before the row; a sampled negative has
            the past of the positive row it was drawn for.
        action: int64 [n], the kind of action; -1 for a sampled negative, and where the log has one kind.
    """

    user: Tensor
    item: Tensor
    label: Tensor
    past: Tensor
    action: Tensor

"""Each user's liked items in the order of time, and windows of them that end before a row of the log."""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from magus_pyg.errors import ModelError
from magus_pyg.models.interactions import Interactions
from magus_pyg.ragged import Ragged

__all__ = ["History", "Window"]


class Window(NamedTuple):
    """The last items of some histories, oldest first, filled up at the end.

    Attributes:
        item: int64 [n, L], item indices, 0 beyond a window's end; L is the longest window, at least 1.
        mask: bool [n, L], False beyond a window's end.
    """

    item: Tensor
    mask: Tensor


class History(nn.Module):
    """The items that each user liked, oldest first.

    The tensors follow the model from device to device, but belong to the data and are not saved.

    Args:
        interactions: the training rows, or those before a part that is scored; those of a user in the order of time.
        n_users: number of users U.
        length: the most items of a window.

    Raises:
        ModelError: rows without an order.
    """

    ptr: Tensor
    item: Tensor

    def __init__(self, interactions: Interactions, n_users: int, length: int) -> None:
        super().__init__()
        if not interactions.ordered:
            raise ModelError(
                "a history needs the order of a user's interactions, and this log has none; choose a model without a "
                "history, or give the log a column of times"
            )
        self.length = length
        order = torch.argsort(interactions.user, stable=True)
        order = order[interactions.label[order] == 1]
        counts = torch.bincount(interactions.user[order], minlength=n_users)
        self.register_buffer("ptr", torch.cat([counts.new_zeros(1), counts.cumsum(0)]), persistent=False)
        self.register_buffer("item", interactions.item[order], persistent=False)

    @property
    def rows(self) -> Ragged:
        """[U] rows of items."""
        return Ragged(self.ptr, self.item)

    def window(self, user: Tensor, past: Tensor | None = None) -> Window:
        """The last `length` items of users.

        Args:
            user: int64 [n].
            past: int64 [n], how many of the user's items count, from the oldest on (`Batch.past`); all if None.
        """
        start, end = self.ptr[user], self.ptr[user + 1]
        if past is not None:
            end = start + past
        start = torch.maximum(start, end - self.length)
        lengths = end - start
        longest = int(lengths.max()) if len(user) else 0
        step = torch.arange(max(1, longest), device=user.device)
        mask = step < lengths.unsqueeze(1)
        if not len(self.item):
            return Window(torch.zeros_like(mask, dtype=torch.int64), mask)
        place = (start.unsqueeze(1) + step).clamp(max=len(self.item) - 1)
        return Window(torch.where(mask, self.item[place], 0), mask)

    def shared_windows(self, user: Tensor, past: Tensor | None = None) -> tuple[Window, Tensor]:
        """The windows of rows, once for those of one user with one past, such as a positive row and its negatives.

        Args:
            user: int64 [n].
            past: int64 [n], see `window`.

        Returns:
            The distinct windows, and for each row which of them is its own, int64 [n].
        """
        if past is None:
            distinct, place = torch.unique(user, return_inverse=True)
            return self.window(distinct), place
        most = len(self.item) + 1
        distinct, place = torch.unique(user * most + past, return_inverse=True)
        return self.window(distinct // most, distinct % most), place

    def check(self, interactions: Interactions) -> None:
        """Raise ModelError unless the history is that of these rows (a batch's past counts among them)."""
        other = History(interactions, len(self.ptr) - 1, self.length)
        if not (torch.equal(other.ptr, self.ptr.cpu()) and torch.equal(other.item, self.item.cpu())):
            raise ModelError(
                f"the model was built with other training rows ({len(self.item)} positive ones in its histories, "
                f"{len(other.item)} here); build it with interactions=data.train"
            )

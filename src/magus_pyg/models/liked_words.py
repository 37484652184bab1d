"""Which words each user liked when: the second task of the mixture of experts."""

import torch
from torch import Tensor, nn

from magus_pyg.models.batches import Batch
from magus_pyg.models.interactions import Interactions
from magus_pyg.ragged import Ragged

__all__ = ["LikedWords"]


class LikedWords(nn.Module):
    """Tells whether some word of a row's item was in an earlier positive row of its user.

    In a log without order: in another positive row. For each pair (user, word) that a positive row has, the place of
    the first such row and their number are kept; they follow the model from device to device, but belong to the data
    and are not saved.

    Args:
        n_words: number of words.
    """

    ordered: bool
    key: Tensor
    first: Tensor
    count: Tensor

    def __init__(self, n_words: int) -> None:
        super().__init__()
        self.n_words = n_words

    def read(self, train: Interactions, item_words: Ragged) -> None:
        """Note the positive rows; `item_words` are [I] rows of words, on the device to work on."""
        device = item_words.ptr.device
        self.ordered = train.ordered
        before = train.earlier_positives()
        liked = torch.argsort(train.user, stable=True)
        liked = liked[train.label[liked] == 1]
        position, word = item_words.gather(train.item[liked].to(device))
        row = liked.to(device)[position]
        key, order = torch.sort(train.user.to(device)[row] * self.n_words + word, stable=True)  # the first row first
        distinct, count = torch.unique_consecutive(key, return_counts=True)
        first = before.to(device)[row][order][count.cumsum(0) - count]
        for name, tensor in (("key", distinct), ("first", first), ("count", count)):
            self.register_buffer(name, tensor, persistent=False)

    def before(self, batch: Batch, item_words: Ragged) -> Tensor:
        """Whether it was so, bool [n], for n rows."""
        words = item_words.select(batch.item)
        row = words.row
        if not len(self.key):
            return torch.zeros_like(batch.item, dtype=torch.bool)
        key = batch.user[row] * self.n_words + words.index
        place = torch.searchsorted(self.key, key).clamp(max=len(self.key) - 1)
        earlier = self.first[place] < batch.past[row] if self.ordered else self.count[place] > batch.label[row]
        hit = (self.key[place] == key) & earlier
        return torch.zeros_like(batch.item).index_add(0, row, hit.to(torch.int64)) > 0

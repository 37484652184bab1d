"""The fields that neural models read: user, profile, item and words, one vector each, and a linear term."""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from magus_pyg.models.feature_space import FeatureSpace
from magus_pyg.models.kernels.embedding_tables import TABLES, look_up
from magus_pyg.models.kernels.side_rows import SideRows
from magus_pyg.ragged import Ragged

__all__ = ["Fields", "Side"]


class Side(NamedTuple):
    """An id and its bag of values (a user with its profile, or an item with its words).

    Attributes:
        vectors: [n, 2, dim], the id's vector and the mean of the values'; 0 where there is none.
        linear: [n], the sum of both linear terms.
        norm: a scalar, the sum over the rows (weighted where asked) of the squared length of the embeddings in use,
            the values' as a mean; 0 outside training.
    """

    vectors: Tensor
    linear: Tensor
    norm: Tensor

    @classmethod
    def of_rows(cls, rows: SideRows) -> "Side":
        """What `read_side` gives of two separate vectors."""
        return cls(rows.vectors, rows.linear, rows.norm)


class Fields(nn.Module):
    """Embedding tables of users, profile values, items and words, with a linear weight beside each vector.

    A field of several values is their mean. Ids without a training row count as absent (see `BaseRecommender`), so
    that cold users and items are read by their features alone.

    Args:
        features: the sizes of the tables.
        dim: length of the vectors.
        init_std: standard deviation of the vectors before training; the linear weights start at 0.
        generator: of the vectors before training.
    """

    tables = TABLES
    sparse: frozenset[str] = frozenset()

    def __init__(self, features: FeatureSpace, dim: int, init_std: float, generator: torch.Generator) -> None:
        super().__init__()
        self.dim = dim
        self.n_items = features.n_items
        width = dim + 1  # the last column is the linear weight: one look-up reads both
        self.user = nn.Parameter(torch.empty(features.n_users, width))
        self.profile = nn.Parameter(torch.empty(features.n_profiles, width))
        self.item = nn.Parameter(torch.empty(features.n_items, width))
        self.word = nn.Parameter(torch.empty(features.n_words, width))
        with torch.no_grad():
            for table in (self.user, self.profile, self.item, self.word):
                table.copy_(torch.randn(table.shape, generator=generator) * init_std)
                table[:, -1] = 0

    def users(self, user: Tensor, known: Tensor, profiles: Ragged) -> Side:
        """The user's side of rows.

        Args:
            user: int64 [n].
            known: float [n], 1 where the user has a training row, else 0.
            profiles: [n] rows of profile values.
        """
        return self._side("user", user, known, "profile", profiles)

    def candidates(self, item: Tensor, known: Tensor, words: Ragged, weight: Tensor | None = None) -> Side:
        """The candidates' side of rows.

        Args:
            item: int64 [n]; the number of items stands for "no item".
            known: float [n], 1 where the item has a training row, else 0 (also for "no item").
            words: [n] rows of words.
            weight: float [n], of the rows in the norm; 1 each where None.
        """
        return self._side("item", item.clamp(max=self.n_items - 1), known, "word", words, weight)

    def _side(
        self, ids: str, index: Tensor, known: Tensor, values: str, bags: Ragged, weight: Tensor | None = None
    ) -> Side:
        own = look_up(self, ids, index) * known.unsqueeze(1)
        share = 1 / bags.lengths.clamp(min=1).to(own.dtype)
        row = bags.row
        bag = look_up(self, values, bags.index)
        mean = torch.zeros_like(own).index_add(0, row, bag) * share.unsqueeze(1)
        norm = own.new_zeros(())
        if self.training:
            lengths = own.square().sum(1) + own.new_zeros(len(own)).index_add(0, row, bag.square().sum(1)) * share
            norm = lengths.sum() if weight is None else (lengths * weight).sum()
        vectors = torch.stack([own[:, :-1], mean[:, :-1]], 1)
        return Side(vectors, own[:, -1] + mean[:, -1], norm)

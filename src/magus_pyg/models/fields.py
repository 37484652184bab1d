"""The four fields that most models read: user, profile, item and words, one vector each, and a linear term."""

import torch
from torch import Tensor, nn

from magus_pyg.models.base import BaseRecommender
from magus_pyg.models.feature_space import Candidates, FeatureSpace
from magus_pyg.models.kernels.embedding_tables import add_tables
from magus_pyg.models.kernels.feature_sums import FeatureSums, dropped_feature_sums, plain_feature_sums
from magus_pyg.models.kernels.id_and_bag import (
    BatchIndexer,
    IdAndBag,
    embed_id_and_bag,
    plain_id_and_bag,
    sum_id_and_bag,
)
from magus_pyg.models.model_options import ModelOptions
from magus_pyg.ragged import Ragged
from magus_pyg.random import derive_seed

__all__ = ["EMBEDDINGS", "LAYERS", "FieldEmbeddings", "FieldRecommender", "generator_of"]

#: What a model's random numbers are for.
EMBEDDINGS, LAYERS = 1, 2

_USER, _ITEM = ("user", "profile"), ("item", "word")


def generator_of(seed: int, purpose: int) -> torch.Generator:
    """The generator of a model's weights before training, from the model's seed."""
    return torch.Generator().manual_seed(derive_seed(seed, purpose))


class FieldEmbeddings(nn.Module):
    """Embedding tables of users, profile values, items and words, with a linear weight beside each vector.

    Args:
        features: the sizes of the tables.
        dim: length of the vectors.
        init_std: standard deviation of the vectors before training; the linear weights start at 0.
        generator: of the vectors before training.
    """

    def __init__(self, features: FeatureSpace, dim: int, init_std: float, generator: torch.Generator) -> None:
        super().__init__()
        self.dim = dim
        add_tables(self, features.sizes, dim, lambda size: torch.randn(size, generator=generator) * init_std)


class FieldRecommender(BaseRecommender):
    """A model that reads users with their profile values, and candidates with their words, from tables of `fields`.

    A field of several values is their mean. Ids without a training row count as absent (see `BaseRecommender`), so
    that cold users and items are read by their features alone. In a training step the rows of a log are read by
    kernels that are equal to the plain form.
    """

    #: Holds the tables; most models set it to `FieldEmbeddings`.
    fields: nn.Module

    def __init__(self, options: ModelOptions, features: FeatureSpace, seed: int = 0) -> None:
        super().__init__(options, features, seed)
        self._indexers = {_USER: BatchIndexer(), _ITEM: BatchIndexer()}

    def users(self, user: Tensor, joined: bool = False) -> IdAndBag:
        """The vectors and linear terms of users, `user` int64 [n], and their profiles; `joined` sums the vectors."""
        return self._read(_USER, user, self.user_known, self.user_profiles, joined=joined)

    def items(
        self, item: Tensor, weight: Tensor | None = None, distinct: bool = False, joined: bool = False
    ) -> IdAndBag:
        """The vectors and linear terms of items and their words.

        Args:
            item: int64 [n].
            weight: float [n], of the rows in the norm; 1 each where None.
            distinct: True where no item is there twice.
            joined: True sums the vectors.
        """
        return self._read(_ITEM, item, self.item_known, self.item_words, weight, distinct, joined)

    def candidates(self, candidates: Candidates, joined: bool = False) -> IdAndBag:
        """As `items`, of n items or word combinations."""
        self._forget()
        return _join(plain_id_and_bag(self.fields, _ITEM, *self._known(candidates), training=self.training), joined)

    def feature_sums_of_users(self, user: Tensor, dropout: float) -> FeatureSums:
        """The sums over the features of users, `user` int64 [n], and their profiles."""
        return self._sum(_USER, user, self.user_known, self.user_profiles, dropout)

    def feature_sums_of_items(self, item: Tensor, dropout: float) -> FeatureSums:
        """The sums over the features of items, `item` int64 [n], and their words."""
        return self._sum(_ITEM, item, self.item_known, self.item_words, dropout)

    def feature_sums_of_candidates(self, candidates: Candidates, dropout: float) -> FeatureSums:
        """As `feature_sums_of_items`, of n items or word combinations."""
        self._forget()
        return plain_feature_sums(self.fields, _ITEM, *self._known(candidates), dropout, self.training)

    @property
    def _in_step(self) -> bool:
        """Whether kernels read the tables; a compiler fuses plain operations itself."""
        return self.training and not torch.compiler.is_compiling()

    def _known(self, candidates: Candidates) -> tuple[Tensor, Tensor, Ragged]:
        item = candidates.item
        return item.clamp(max=self.features.n_items - 1), self.item_known[item], candidates.words

    def _read(
        self,
        names: tuple[str, str],
        ids: Tensor,
        known: Tensor,
        bags: Ragged,
        weight: Tensor | None = None,
        distinct: bool = False,
        joined: bool = False,
    ) -> IdAndBag:
        self._forget()
        if not self._in_step:
            plain = plain_id_and_bag(self.fields, names, ids, known[ids], bags.select(ids), weight, self.training)
            return _join(plain, joined)
        found = self._indexers[names].find(ids, known, bags, self.fields, names, distinct)
        return embed_id_and_bag(self.fields, names, found, weight, joined)

    def _sum(self, names: tuple[str, str], ids: Tensor, known: Tensor, bags: Ragged, dropout: float) -> FeatureSums:
        self._forget()
        if not self._in_step:
            chosen = bags.select(ids)
            return plain_feature_sums(self.fields, names, ids, known[ids], chosen, dropout, self.training)
        if dropout:
            return dropped_feature_sums(self.fields, names, ids, known, bags, dropout)
        return FeatureSums(
            *sum_id_and_bag(self.fields, names, self._indexers[names].find(ids, known, bags, self.fields, names))
        )


def _join(rows: IdAndBag, joined: bool) -> IdAndBag:
    return rows._replace(vectors=rows.vectors.sum(1)) if joined else rows

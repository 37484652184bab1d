"""Popularity mixed with the likeness of a candidate's words to those of the user's recent items."""

import copy
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor
from torch.nn import functional as F

from magus_pyg.models.base import BaseRecommender
from magus_pyg.models.feature_space import Candidates, FeatureSpace
from magus_pyg.models.interactions import Interactions
from magus_pyg.models.mps import MPS, MPSOptions
from magus_pyg.options import at_least, at_most, between, check_options
from magus_pyg.ragged import Ragged, ragged_arange
from magus_pyg.random import integers

__all__ = ["Hybrid", "HybridOptions"]

_SAMPLE = 1  # what a random number is for
_SAMPLED_ITEMS = 2048
_FLOATS = 1 << 24  # held at once
_EVEN = 1e-6  # a deviation that is none


@dataclass
class HybridOptions(MPSOptions):
    """Options of the hybrid suggestion.

    Attributes:
        name: "hybrid".
        rows: as of `MPSOptions`; a count is mixed as popularity is.
        popularity: weight of popularity in the mix, in [0, 1]; likeness has the rest.
        history: how many of a user's latest liked items are read; a log without order gives all of them.
        decay: weight of an item beside that of the next later one, in (0, 1]; 1 where the log has no order.
        idf: weigh a word by the logarithm of the inverse of its share of the items.
    """

    name: str = "hybrid"
    popularity: float = 0.8
    history: int = 50
    decay: float = 0.98
    idf: bool = True

    def __post_init__(self) -> None:
        super().__post_init__()
        check_options(self, popularity=between(0, 1), history=at_least(1), decay=between(0, 1, "(]"))
        check_options(self, history=at_most(100_000))


class Hybrid(MPS):
    r"""Hybrid suggestion (Bar-Yossef and Kraus 2011, "Context-sensitive query auto-completion", HybridCompletion).

    .. math::
        y(u, a) = \alpha Z(\log(1 + n_a)) + (1 - \alpha) Z(\cos(s_u, x_a)), \qquad
        s_u = \sum_t \gamma^t x_{v_t}

    x is a candidate's words weighted by their inverse document frequency, s_u the sum over the user's latest liked
    items v_0, v_1, ... (the latest first), Z standardises: popularity as in `MPS`, likeness for each user over the
    catalogue (a seeded sample of 2,048 items where it is larger), so that both weigh alike for every user. The paper
    standardises over the completions of one prefix and expands queries through suggestions of a search engine; here
    there is no prefix, and an item's words stand for the query (reading 25).

    A user without liked items that have words is given popularity alone. Nothing is learned: `observe` counts.

    Args:
        options: see `HybridOptions`.
        features: what is known of users, items and words.
        interactions: the training rows.
        seed: of the sample of the catalogue.
    """

    options: HybridOptions
    likeness: Tensor
    ordered: Tensor
    _idf: Tensor
    _sample: Tensor
    _liked_ptr: Tensor
    _liked_item: Tensor

    def __init__(
        self, options: HybridOptions, features: FeatureSpace, interactions: Interactions, seed: int = 0
    ) -> None:
        super().__init__(options, features, interactions, seed)
        n_items, n_words = features.n_items, features.n_words
        carriers = torch.bincount(features.item_words.index, minlength=n_words).clamp(min=1)
        idf = torch.log1p(n_items / carriers) if options.idf else torch.ones(n_words)
        sample = torch.arange(min(n_items, _SAMPLED_ITEMS))
        if n_items > _SAMPLED_ITEMS:
            sample = integers(n_items, seed, _SAMPLE, sample)
        self.register_buffer("likeness", torch.zeros(features.n_users, 2))  # mean and deviation over the catalogue
        self.register_buffer("ordered", torch.ones(()))
        self.register_buffer("_idf", idf, persistent=False)
        self.register_buffer("_sample", sample, persistent=False)
        self.register_buffer("_liked_ptr", torch.zeros(features.n_users + 1, dtype=torch.int64), persistent=False)
        self.register_buffer("_liked_item", torch.zeros(0, dtype=torch.int64), persistent=False)
        self._read(interactions)

    def observe(self, train: Interactions) -> None:
        """Count the positive rows of each item, and note what each user liked.

        Args:
            train: the training rows, those of a user in the order of time if it has one.
        """
        super().observe(train)
        self._read(train)

    def with_history(self, rows: Interactions) -> Self:
        """As the base class: the user's latest words are those of these rows, popularity stays that of training."""
        other = copy.copy(self)
        other._buffers = {**self._buffers, "likeness": self.likeness.clone(), "ordered": self.ordered.clone()}
        other._read(rows)
        return other

    def _read(self, train: Interactions) -> None:
        order = torch.argsort(train.user, stable=True)
        order = order[train.label[order] == 1]
        liked = Ragged.from_pairs(train.user[order], train.item[order], self.features.n_users)
        self._liked_ptr, self._liked_item = liked.ptr.to(self.device), liked.index.to(self.device)
        self.ordered.fill_(float(train.ordered))
        catalogue = Candidates.of_items(self._sample, self.item_words)
        self.likeness.zero_()
        for users in torch.split(torch.nonzero(self._liked_ptr.diff()).squeeze(1), self._block(len(catalogue))):
            cosine = self._cosines(users, catalogue)
            self.likeness[users] = torch.stack([cosine.mean(1), cosine.std(1, correction=0)], 1)

    def logits(self, user: Tensor, candidates: Candidates) -> Tensor:
        """The mix for each pair, float [n]."""
        return self._mixed(user, candidates, self.popularity(candidates))

    def node_values(self, user: Tensor, candidates: Candidates, count: Tensor) -> Tensor:
        """The mix with given counts, float [n]; see `MPS.node_values`."""
        return self._mixed(user, candidates, self._standardised(count.to(self.moments.dtype)))

    def _mixed(self, user: Tensor, candidates: Candidates, popularity: Tensor) -> Tensor:
        distinct, place = torch.unique(user, return_inverse=True)
        key, value = self._user_words(distinct)
        words, size = candidates.words, self.features.n_words
        wanted = place[words.row] * size + words.index
        found = torch.searchsorted(key, wanted).clamp(max=max(0, len(key) - 1))
        part = torch.zeros_like(self._idf[words.index])
        if len(key):
            part = torch.where(key[found] == wanted, value[found], 0) * self._idf[words.index]
        cosine = part.new_zeros(len(words)).index_add(0, words.row, part) / self._lengths(words)
        return self._mix(self.likeness[user].unbind(1), popularity, cosine)

    def _score_items(self, user: Tensor, item: Tensor) -> Tensor:
        if item.dim() == 1:
            return self._score_shared(user, Candidates.of_items(item, self.item_words))
        return BaseRecommender._score_items(self, user, item)

    def _score_shared(self, user: Tensor, candidates: Candidates) -> Tensor:
        popularity = self.popularity(candidates)
        scores = [popularity.new_zeros(0, len(candidates))]
        for users in torch.split(user, self._block(len(candidates))):
            moments = self.likeness[users].unsqueeze(2).unbind(1)
            scores.append(self._mix(moments, popularity, self._cosines(users, candidates)))
        return torch.cat(scores)

    def _mix(self, moments: tuple[Tensor, ...], popularity: Tensor, cosine: Tensor) -> Tensor:
        mean, deviation = moments
        told = deviation > _EVEN  # else all items are alike to the user
        likeness = (cosine - mean) / torch.where(told, deviation, 1)
        return torch.lerp(popularity, likeness, told.to(likeness.dtype) * (1 - self.options.popularity))

    def _block(self, n: int) -> int:
        """How many users to look at together, against n candidates."""
        return max(1, _FLOATS // max(1, n, self.features.n_words))

    def _cosines(self, user: Tensor, candidates: Candidates) -> Tensor:
        """float [n, C] for distinct or repeated users [n] and C candidates."""
        words, size = candidates.words, self.features.n_words
        if not len(words.index):
            return self._idf.new_zeros(len(user), len(words))
        key, value = self._user_words(user)
        table = value.new_zeros(size, len(user))
        table[key % size, key // size] = value * self._idf[key % size]
        return (F.embedding_bag(words.index, table, words.ptr[:-1], mode="sum").T / self._lengths(words)).contiguous()

    def _lengths(self, words: Ragged) -> Tensor:
        """The lengths of candidates' vectors, 1 for those without words, float [n]."""
        square = self._idf[words.index].square()
        total = square.new_zeros(len(words)).index_add(0, words.row, square)
        return torch.where(total > 0, total, 1).sqrt()

    def _user_words(self, user: Tensor) -> tuple[Tensor, Tensor]:
        """s_u / |s_u| of users [n], what is not 0: keys (row · n_words + word), int64 [E] ascending, and values."""
        start, end = self._liked_ptr[user], self._liked_ptr[user + 1]
        decay = 1.0
        if bool(self.ordered):
            start, decay = torch.maximum(start, end - self.options.history), self.options.decay
        lengths = end - start
        row = torch.repeat_interleave(torch.arange(len(user), device=user.device), lengths)
        back = lengths[row] - 1 - ragged_arange(lengths)  # 0 at the latest item
        item = self._liked_item[end[row] - 1 - back]
        place, word = self.item_words.gather(item)
        size = max(1, self.features.n_words)
        key, inverse = torch.unique(row[place] * size + word, return_inverse=True)
        weight = (decay ** back.to(self._idf.dtype))[place] * self._idf[word]
        value = weight.new_zeros(len(key)).index_add(0, inverse, weight)
        norm = value.new_zeros(len(user)).index_add(0, key // size, value.square()).sqrt()
        return key, value / norm[key // size]

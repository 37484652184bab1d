"""The most popular items and queries, the same for all users."""

from dataclasses import dataclass

import torch
from torch import Tensor

from magus_pyg.models.base import BaseRecommender
from magus_pyg.models.feature_space import Candidates, FeatureSpace
from magus_pyg.models.interactions import Interactions
from magus_pyg.models.model_options import ModelOptions
from magus_pyg.options import check_options, one_of
from magus_pyg.ragged import Ragged

__all__ = ["MPS", "MPSOptions"]

# Pairs (combination, item) looked at together.
_PAIRS = 1 << 22


@dataclass
class MPSOptions(ModelOptions):
    """Options of the most popular suggestion.

    Attributes:
        name: "mps".
        rows: how the agent `static` ranks nodes on it. "count": by the positive rows that each covers (reading 31);
            "score": by the first guess of MAGUS from the scores of the items, as on any other base recommender.
    """

    name: str = "mps"
    rows: str = "count"

    def __post_init__(self) -> None:
        check_options(self, "model", rows=one_of(("count", "score")))


class MPS(BaseRecommender):
    r"""Most popular suggestion (Bar-Yossef and Kraus 2011, "Context-sensitive query auto-completion",
    MostPopularCompletion).

    A node is as popular as the positive training rows that it covers: an item its own rows, a query the rows of all
    items that contain it (reading 25). The paper counts how often a query was issued and ranks by that alone; here a
    score is a logit, so the logarithm of the count is standardised over the catalogue:

    .. math::
        y(a) = \frac{\log(1 + n_a) - \mu}{\sigma}

    with μ and σ those of the items. The user does not matter, and an item without feedback is the least popular there
    is. Nothing is learned: `observe` counts.

    Args:
        options: see `MPSOptions`.
        features: what is known of users, items and words.
        interactions: the training rows.
        seed: not used.
    """

    has_embeddings = False
    has_features = False
    trainable = False
    options: MPSOptions
    positives: Tensor
    moments: Tensor
    _item_word: Tensor
    _word_items_ptr: Tensor
    _word_items_index: Tensor

    def __init__(self, options: MPSOptions, features: FeatureSpace, interactions: Interactions, seed: int = 0) -> None:
        super().__init__(options, features, seed)
        words = features.item_words
        items_of = words.transpose(features.n_words)
        self.register_buffer("positives", torch.zeros(features.n_items))
        self.register_buffer("moments", torch.zeros(2))  # μ and σ
        self.register_buffer("_item_word", torch.sort(words.row * features.n_words + words.index)[0], persistent=False)
        self.register_buffer("_word_items_ptr", items_of.ptr, persistent=False)
        self.register_buffer("_word_items_index", items_of.index, persistent=False)
        self._count(interactions)

    def observe(self, train: Interactions) -> None:
        """Count the positive rows of each item.

        Args:
            train: the training rows.
        """
        super().observe(train)
        self._count(train)

    def _count(self, train: Interactions) -> None:
        liked = train.item[train.label == 1]
        self.positives.copy_(torch.bincount(liked, minlength=self.features.n_items))
        popularity = self.positives.log1p()
        self.moments[0], self.moments[1] = popularity.mean(), popularity.std(correction=0)

    def popularity(self, candidates: Candidates) -> Tensor:
        """The standardised popularity of n items or word combinations, float [n]."""
        n_items = self.features.n_items
        count = self.positives[candidates.item.clamp(max=n_items - 1)]
        pure = (candidates.item == n_items).nonzero().squeeze(1)
        if len(pure):
            count = count.index_copy(0, pure, self.covered(candidates.words.select(pure)))
        return self._standardised(count)

    def _standardised(self, count: Tensor) -> Tensor:
        return (count.log1p() - self.moments[0]) / torch.where(self.moments[1] > 0, self.moments[1], 1)

    def covered(self, words: Ragged) -> Tensor:
        """How many positive training rows have an item with all words of a combination, float [Q].

        Args:
            words: [Q] rows of word ids; an empty row covers every item.
        """
        count = self.positives.sum().repeat(len(words))
        filled = (words.lengths > 0).nonzero().squeeze(1)
        if not len(filled):
            return count
        words = words.select(filled)
        place = torch.arange(int(words.lengths.max()), device=filled.device)
        inside = place < words.lengths.unsqueeze(1)
        # A row shorter than the longest repeats its first word.
        table = words.index[words.ptr[:-1].unsqueeze(1) + torch.where(inside, place, 0)]
        items_of = Ragged(self._word_items_ptr, self._word_items_index)
        sizes, rarest = items_of.lengths[table].min(1)
        rarest = table.gather(1, rarest.unsqueeze(1)).squeeze(1)
        block = (sizes.cumsum(0) - sizes) // _PAIRS
        counts = [
            self._covered_block(table[chosen], items_of, rarest[chosen])
            for chosen in torch.split(torch.arange(len(words), device=filled.device), torch.bincount(block).tolist())
        ]
        return count.index_copy(0, filled, torch.cat(counts))

    def _covered_block(self, table: Tensor, items_of: Ragged, rarest: Tensor) -> Tensor:
        """As `covered`, for words [Q, L]: the items with a combination's rarest word are asked for all its words."""
        row, item = items_of.gather(rarest)
        key = item.unsqueeze(1) * self.features.n_words + table[row]
        place = torch.searchsorted(self._item_word, key).clamp(max=len(self._item_word) - 1)
        holds = (self._item_word[place] == key).all(1)
        return self.positives.new_zeros(len(table)).index_add(0, row, self.positives[item] * holds)

    def node_values(self, user: Tensor, candidates: Candidates, count: Tensor) -> Tensor:
        """What nodes are ranked by where their counts are known, float [n] (reading 31): here the counts.

        Args:
            user: int64 [n].
            candidates: n items or word combinations.
            count: float64 [n], the positive rows that each covers; of an item that contains others, its own rows.
        """
        return count

    def logits(self, user: Tensor, candidates: Candidates) -> Tensor:
        """The standardised popularity of each pair's candidate, float [n]."""
        return self.popularity(candidates)

    def _score_items(self, user: Tensor, item: Tensor) -> Tensor:
        scores = self._standardised(self.positives[item])
        return scores if item.dim() == 2 else scores.repeat(len(user), 1)

    def _score_shared(self, user: Tensor, candidates: Candidates) -> Tensor:
        return self.popularity(candidates).repeat(len(user), 1)

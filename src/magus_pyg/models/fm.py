"""The factorization machine, with a scoring path that is one matrix product."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from magus_pyg.models.base import TrainingTerms
from magus_pyg.models.dot_product import DotProductRecommender
from magus_pyg.models.features import Candidates, FeatureSpace
from magus_pyg.models.loader import Batch
from magus_pyg.models.options import FMOptions
from magus_pyg.models.tables import TABLES, look_up
from magus_pyg.ragged import Ragged

__all__ = ["FM"]


class FM(DotProductRecommender):
    r"""Second-order factorization machine (Rendle 2010, "Factorization Machines", Eq. 1).

    .. math::
        y(x) = w_0 + \sum_i w_i x_i + \sum_{i<j} \langle v_i, v_j \rangle x_i x_j

    Fields are the user id, the user's profile values, the item id and the item's words. A field of several values
    carries 1/len at each, so that it sums to 1. A word combination is a candidate with words and no item id. Ids
    without a training row count as absent (x = 0).

    Every pair of features lies on the user's side, on the candidate's side, or across, so with U and V the sums of
    v_i x_i of either side, y = side_u + side_v + U·V, where a side is its linear terms plus (|sum|² - sum of squares)/2
    (and w_0 goes to the user's). Embeddings are e_u = [U, side_u, 1] and e_v = [V, 1, side_v], so d = dim + 2 and
    sigmoid(e_u · e_v) is exactly the machine's probability.

    Args:
        options: see `FMOptions`.
        features: what is known of users, items and words.
        seed: of the embeddings before training.
    """

    tables = TABLES
    sparse: frozenset[str] = frozenset()
    options: FMOptions

    def __init__(self, options: FMOptions, features: FeatureSpace, seed: int = 0) -> None:
        super().__init__(options, features, seed)
        width = options.dim + 1  # v_i, and the linear weight w_i as the last column: one look-up reads both
        self.user = nn.Parameter(torch.empty(features.n_users, width))
        self.profile = nn.Parameter(torch.empty(features.n_profiles, width))
        self.item = nn.Parameter(torch.empty(features.n_items, width))
        self.word = nn.Parameter(torch.empty(features.n_words, width))
        self.bias = nn.Parameter(torch.empty(()))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Normal embeddings and zero linear weights, from the model's seed."""
        generator = torch.Generator().manual_seed(self.seed)
        with torch.no_grad():
            for table in (self.user, self.profile, self.item, self.word):
                table.copy_(torch.randn(table.shape, generator=generator) * self.options.init_std)
                table[:, -1] = 0
            self.bias.zero_()

    def embed_users(self, user: Tensor) -> Tensor:
        """[U, side_u, 1], float [n, dim + 2], for `user` int64 [n]."""
        return self._user_side(user)[0]

    def embed_candidates(self, candidates: Candidates) -> Tensor:
        """[V, 1, side_v], float [n, dim + 2], for n candidates."""
        return self._candidate_side(candidates)[0]

    def training_terms(self, batch: Batch) -> TrainingTerms:
        """The logits [n] of rows, and the mean squared length of the embeddings (and weights) a row uses."""
        left, left_norm = self._user_side(batch.user)
        right, right_norm = self._candidate_side(Candidates.of_items(batch.item, self.item_words))
        penalty = (left_norm + right_norm) / max(1, len(batch.user))
        return TrainingTerms((left * right).sum(1), penalty, penalty.new_zeros(()))

    def _user_side(self, user: Tensor) -> tuple[Tensor, Tensor]:
        total, side, norm = self._side("user", user, self.user_known[user], "profile", self.user_profiles, user)
        return torch.cat([total, (side + self.bias).unsqueeze(1), torch.ones_like(side).unsqueeze(1)], 1), norm

    def _candidate_side(self, candidates: Candidates) -> tuple[Tensor, Tensor]:
        known = self.item_known[candidates.item]  # 0 at "no item"
        item = candidates.item.clamp(max=self.features.n_items - 1)
        rows = torch.arange(len(candidates), device=item.device)
        total, side, norm = self._side("item", item, known, "word", candidates.words, rows)
        return torch.cat([total, torch.ones_like(side).unsqueeze(1), side.unsqueeze(1)], 1), norm

    def _side(
        self, ids: str, index: Tensor, known: Tensor, values: str, bags: Ragged, rows: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """One side of the machine: an id with its bag of values.

        Args:
            ids: name of the id table, [m, dim + 1], read at `index` [n] and weighted by `known` [n].
            values: name of the table of the values, [k, dim + 1], read at the rows `rows` [n] of `bags`.

        Returns:
            The sum of v_i x_i, [n, dim]; the side term, [n]; the sum of the squared lengths in use, a scalar.
        """
        self._forget()
        own = look_up(self, ids, index) * known.unsqueeze(1)
        position, value = bags.gather(rows)
        share = (1 / bags.lengths[rows].clamp(min=1).to(own.dtype))[position].unsqueeze(1)
        bag = look_up(self, values, value)
        norm = own.square().sum() + (bag.square() * share).sum() if self.training else own.new_zeros(())
        vectors, linear = self._drop(own[:, :-1]), own[:, -1]
        terms = self._drop(bag[:, :-1]) * share
        total = vectors.index_add(0, position, terms)
        squares = vectors.square().sum(1).index_add(0, position, terms.square().sum(1))
        linear = linear.index_add(0, position, bag[:, -1] * share.squeeze(1))
        # Rendle 2010, lemma 3.1: the sum over pairs in linear time.
        return total, linear + 0.5 * (total.square().sum(1) - squares), norm

    def _drop(self, vectors: Tensor) -> Tensor:
        return F.dropout(vectors, self.options.dropout, self.training)

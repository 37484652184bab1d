"""The factorization machine, with a scoring path that is one matrix product."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from magus_pyg.models.base import TrainingTerms
from magus_pyg.models.batches import Batch
from magus_pyg.models.dot_product import DotProductRecommender
from magus_pyg.models.feature_space import Candidates, FeatureSpace
from magus_pyg.models.kernels.dropout import drop
from magus_pyg.models.kernels.dropped_side import read_dropped_side
from magus_pyg.models.kernels.embedding_tables import TABLES, look_up
from magus_pyg.models.kernels.side_rows import Bags, SideRows, squared_lengths
from magus_pyg.models.model_options import FMOptions
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
    _is_vector: Tensor

    def __init__(self, options: FMOptions, features: FeatureSpace, seed: int = 0) -> None:
        super().__init__(options, features, seed)
        width = options.dim + 1  # v_i, and the linear weight w_i as the last column: one look-up reads both
        self.user = nn.Parameter(torch.empty(features.n_users, width))
        self.profile = nn.Parameter(torch.empty(features.n_profiles, width))
        self.item = nn.Parameter(torch.empty(features.n_items, width))
        self.word = nn.Parameter(torch.empty(features.n_words, width))
        self.bias = nn.Parameter(torch.empty(()))
        self.register_buffer("_is_vector", (torch.arange(width) < options.dim).to(torch.float32), persistent=False)
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
        total, side, _ = self._user_side(user)
        return torch.cat([total[:, :-1], side.unsqueeze(1), torch.ones_like(side).unsqueeze(1)], 1)

    def embed_candidates(self, candidates: Candidates) -> Tensor:
        """[V, 1, side_v], float [n, dim + 2], for n candidates."""
        total, side, _ = self._candidate_side(candidates)
        return torch.cat([total[:, :-1], torch.ones_like(side).unsqueeze(1), side.unsqueeze(1)], 1)

    def training_terms(self, batch: Batch) -> TrainingTerms:
        """The logits [n] of rows, and the mean squared length of the embeddings (and weights) a row uses."""
        if not self._reads_sides:
            return self._plain_terms(batch)
        self._forget()
        if self.options.dropout:
            left = self._drop_and_read("user", batch.user, self.user_known, "profile", self.user_profiles)
            right = self._drop_and_read("item", batch.item, self.item_known, "word", self.item_words)
        else:
            left = self._read_users(self, batch.user, joined=True, squares=True)
            right = self._read_items(self, batch.item, joined=True, squares=True)
        assert left.square is not None
        assert right.square is not None
        total, linear = (left.vectors + right.vectors).squeeze(1), left.linear + right.linear
        logits = _Machine.apply(total, linear, left.square + right.square)  # type: ignore[no-untyped-call]
        penalty = (left.norm + right.norm) / max(1, len(batch.user))
        return TrainingTerms(logits + self.bias, penalty, penalty.new_zeros(()))

    def _plain_terms(self, batch: Batch) -> TrainingTerms:
        left, user_side, left_norm = self._user_side(batch.user)
        right, item_side, right_norm = self._candidate_side(Candidates.of_items(batch.item, self.item_words))
        penalty = (left_norm + right_norm) / max(1, len(batch.user))
        # U·V + side_u + side_v; the last columns are the linear weights.
        return TrainingTerms((left * right) @ self._is_vector + user_side + item_side, penalty, penalty.new_zeros(()))

    def _drop_and_read(self, ids: str, index: Tensor, known: Tensor, values: str, rows: Ragged) -> SideRows:
        bags = Bags.of_rows(rows, index, known.dtype)
        known = known.index_select(0, index)
        return read_dropped_side(self, ids, values, index, known, bags, self.options.dropout)

    def _user_side(self, user: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        total, side, norm = self._side("user", user, self.user_known[user], "profile", self.user_profiles, user)
        return total, side + self.bias, norm

    def _candidate_side(self, candidates: Candidates) -> tuple[Tensor, Tensor, Tensor]:
        known = self.item_known[candidates.item]  # 0 at "no item"
        item = candidates.item.clamp(max=self.features.n_items - 1)
        rows = torch.arange(len(candidates), device=item.device)
        return self._side("item", item, known, "word", candidates.words, rows)

    def _side(
        self, ids: str, index: Tensor, known: Tensor, values: str, bags: Ragged, rows: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """One side of the machine: an id with its bag of values.

        Vectors and linear weights stay in one tensor throughout: every copy costs as much as the arithmetic.

        Args:
            ids: name of the id table, [m, dim + 1], read at `index` [n] and weighted by `known` [n].
            values: name of the table of the values, [k, dim + 1], read at the rows `rows` [n] of `bags`.

        Returns:
            The sum of v_i x_i and, in the last column, of w_i x_i, [n, dim + 1]; the side term, [n]; the sum of the
            squared lengths in use, a scalar.
        """
        self._forget()
        own = look_up(self, ids, index) * known.unsqueeze(1)
        position, value = bags.gather(rows)
        share = (1 / bags.lengths[rows].clamp(min=1).to(own.dtype))[position]
        bag = look_up(self, values, value)
        norm = own.square().sum() + bag.square().sum(1) @ share if self.training else own.new_zeros(())
        own = drop(own, self.options.dropout, self.training, spare=1)
        terms = drop(bag, self.options.dropout, self.training, spare=1) * share.unsqueeze(1)
        total = own.index_add(0, position, terms)
        squares = (own.square() @ self._is_vector).index_add(0, position, terms.square() @ self._is_vector)
        # Rendle 2010, lemma 3.1: the sum over pairs in linear time.
        return total, total[:, -1] + 0.5 * (total.square() @ self._is_vector - squares), norm


class _Machine(torch.autograd.Function):
    """The machine over features of both sides (Rendle 2010, lemma 3.1).

    With T the sum of all v_i x_i, y = Σ w_i x_i + (|T|² - Σ |v_i x_i|²) / 2 for the pairs of a side and across, [n].
    """

    @staticmethod
    def forward(ctx: Any, total: Tensor, linear: Tensor, square: Tensor) -> Tensor:
        ctx.save_for_backward(total)
        return squared_lengths(total).sub_(square).mul_(0.5).add_(linear)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, ...]:
        (total,) = ctx.saved_tensors
        return total * gradient.unsqueeze(1), gradient, -0.5 * gradient

"""What the recurrent recommenders share: a user is the state that the liked items leave in a recurrent cell."""

from abc import abstractmethod
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from magus_pyg.models.base import TrainingTerms
from magus_pyg.models.batches import Batch
from magus_pyg.models.dot_product import DotProductRecommender
from magus_pyg.models.feature_space import Candidates, FeatureSpace
from magus_pyg.models.fields import EMBEDDINGS, LAYERS, FieldEmbeddings, generator_of
from magus_pyg.models.history import Window
from magus_pyg.models.history_recommender import HistoryRecommender
from magus_pyg.models.interactions import Interactions
from magus_pyg.models.kernels.dropout import dropout
from magus_pyg.models.kernels.gather_rows import gather_rows
from magus_pyg.models.kernels.id_and_bag import IdAndBag
from magus_pyg.models.model_options import WIDEST, ModelOptions
from magus_pyg.models.scoring_blocks import slices
from magus_pyg.options import at_least, at_most, between, check_options
from magus_pyg.random import derive_seed

__all__ = ["RecurrentOptions", "RecurrentRecommender"]

_USERS = 1 << 14  # histories encoded at once while scoring


@dataclass
class RecurrentOptions(ModelOptions):
    """What the recurrent recommenders have in common.

    Attributes:
        name: key of the model in `MODELS`.
        dim: length of the embedding vectors.
        hidden: length of the recurrent state.
        history: how many of a user's latest liked items are read.
        dropout: share of the embedding entries and of the state's entries set to 0 in a training step, in [0, 1).
        init_std: standard deviation of the embeddings before training; the linear weights start at 0.
    """

    name: str = "gru"
    dim: int = 64
    hidden: int = 64
    history: int = 30
    dropout: float = 0.5
    init_std: float = 0.01

    def __post_init__(self) -> None:
        counts = dict.fromkeys(("dim", "hidden", "history"), at_least(1))
        check_options(self, **counts, dropout=between(0, 1, "[)"), init_std=at_least(0))
        check_options(self, dim=at_most(WIDEST), history=at_most(10_000), hidden=at_most(WIDEST))


class RecurrentRecommender(HistoryRecommender, DotProductRecommender):
    r"""A user's latest liked items, oldest first, run through a recurrent cell; its last state meets the candidate.

    .. math::
        y = b + \ell_u + \ell_v + \langle W h_T + p_u, q_v \rangle

    h_T is the state after the last item before the event, 0 where there is none; q_v the candidate's id vector plus
    the mean of its words' vectors, which is also what the cell reads of an item of the history; p_u the user's id
    vector plus the mean of its profile values'; ℓ the linear terms of both sides. So a user without history is scored
    as by matrix factorisation, and one without any row by its profile alone. Embeddings are
    e_u = [W h + p_u, ℓ_u + b, 1] and e_v = [q_v, 1, ℓ_v], of length dim + 2.

    Histories are read without padding: those of a step stand in the order of their length, and each step of the cell
    takes only those that have an item left. Rows of one user with one past, such as a positive row and the negatives
    drawn for it, share one pass, and what the cell's gates take from an item is computed once for each distinct item.

    Args:
        options: see `RecurrentOptions`.
        features: what is known of users, items and words.
        interactions: the training rows, in the order of time.
        seed: of the weights before training.

    Raises:
        ModelError: rows without an order.
    """

    ranks_beside = True
    options: RecurrentOptions

    def __init__(
        self, options: RecurrentOptions, features: FeatureSpace, interactions: Interactions, seed: int = 0
    ) -> None:
        super().__init__(options, features, interactions, options.history, seed)
        self.fields = FieldEmbeddings(features, options.dim, options.init_std, generator_of(seed, EMBEDDINGS))
        self.bias = nn.Parameter(torch.zeros(()))
        # The cell fills itself from torch's generator, which is put back as it was.
        with torch.random.fork_rng([]):
            torch.default_generator.manual_seed(derive_seed(seed, LAYERS))
            self.cell = self.make_cell()
            self.project = nn.Linear(options.hidden, options.dim, bias=False)  # W

    @abstractmethod
    def make_cell(self) -> nn.RNNCellBase:
        """The cell, which reads vectors of length dim and has a state of length hidden."""

    @abstractmethod
    def step(self, x: Tensor, state: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """One step of the cell.

        Args:
            x: what the gates take from the items read, W_ih x_t + b_ih, [n, gates · hidden].
            state: of the step before, [n, hidden] each; h first.

        Returns:
            The state after the step.
        """

    def embed_users(self, user: Tensor) -> Tensor:
        """[W h + p_u, ℓ_u + b, 1], float [n, dim + 2], for `user` int64 [n] with their whole history."""
        size = len(user) if torch.is_grad_enabled() else _USERS
        parts = slices(len(user), max(1, size)) or [slice(0, 0)]
        return torch.cat([self._user(user[part], None)[0] for part in parts])

    def embed_candidates(self, candidates: Candidates) -> Tensor:
        """[q_v, 1, ℓ_v], float [n, dim + 2], for n candidates."""
        return self._candidate(self.candidates(candidates, joined=True))

    def training_terms(self, batch: Batch) -> TrainingTerms:
        """The logits [n] of rows, each with the history before it, and the mean squared length of the embeddings used.

        Of a history that is the mean over its items.
        """
        return self._terms(batch)[0]

    def terms_beside(self, batch: Batch, items: Tensor) -> tuple[TrainingTerms, Tensor]:
        """As `training_terms`, and the logits [p, S] of the users of the p positive rows with items, int64 [S]."""
        terms, user = self._terms(batch)
        liked = torch.nonzero(batch.label == 1).squeeze(1)
        return terms, user.index_select(0, liked) @ self._candidate(self.items(items, joined=True)).T

    def _terms(self, batch: Batch) -> tuple[TrainingTerms, Tensor]:
        user, norm = self._user(batch.user, batch.past)
        item = self.items(batch.item, joined=True)
        penalty = (norm + item.norm) / max(1, len(batch.user))
        terms = TrainingTerms((user * self._candidate(item)).sum(1), penalty, penalty.new_zeros(()))
        return terms, user

    def with_history(self, rows: Interactions) -> Self:
        """As the base class; what is kept between scorings is not shared."""
        other = super().with_history(rows)
        other._cache = {}
        return other

    def _user(self, user: Tensor, past: Tensor | None) -> tuple[Tensor, Tensor]:
        """[W h + p_u, ℓ_u + b, 1], [n, dim + 2], and the sum of the squared lengths in use."""
        own = self.users(user, joined=True)
        window, place = self.history.shared_windows(user, past)
        state, norm = self._last_states(window, torch.bincount(place, minlength=len(window.item)))
        vector = self._drop(own.vectors) + gather_rows(self.project(self._drop(state)), place)
        linear = (own.linear + self.bias).unsqueeze(1)
        return torch.cat([vector, linear, torch.ones_like(linear)], 1), own.norm + norm

    def _candidate(self, own: IdAndBag) -> Tensor:
        """[q_v, 1, ℓ_v], [n, dim + 2]."""
        linear = own.linear.unsqueeze(1)
        return torch.cat([self._drop(own.vectors), torch.ones_like(linear), linear], 1)

    def _last_states(self, window: Window, uses: Tensor) -> tuple[Tensor, Tensor]:
        """The last states h [n, hidden] of windows.

        Args:
            window: n of them.
            uses: int64 [n], how many rows read each.

        Returns:
            Beside the states the sum over those rows of the mean squared length of their items' embeddings.
        """
        lengths, order = window.mask.sum(1).sort(descending=True, stable=True)
        mask = window.mask[order].T
        counts = mask.sum(1).tolist()  # how many windows have an item at each step
        item, place = torch.unique(window.item[order].T[mask], return_inverse=True)
        weight = None
        if self.training:
            share = uses[order].to(self.bias.dtype) / lengths.clamp(min=1)
            weight = share.new_zeros(len(item)).index_add_(0, place, share.expand_as(mask)[mask])
        read = self.items(item, weight, distinct=True, joined=True)
        gates = F.linear(self._drop(read.vectors), self.cell.weight_ih, self.cell.bias_ih)
        state: tuple[Tensor, ...] = (self.bias.new_zeros(len(order), self.options.hidden),) * 2
        ended = []  # the windows that end are the last ones
        for x in torch.split(gather_rows(gates, place), counts):
            ended.append(state[0][len(x) :])
            state = self.step(x, tuple(part[: len(x)] for part in state))
        back = torch.empty_like(order).index_copy_(0, order, torch.arange(len(order), device=order.device))
        return torch.cat([state[0], *reversed(ended)])[back], read.norm

    def _drop(self, vectors: Tensor) -> Tensor:
        return dropout(vectors, self.options.dropout, self.training)

"""The deep interest network: a user's liked items, weighed by what they have to do with the candidate."""

from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch_geometric.utils import softmax

from magus_pyg.models.activation_unit import ActivationUnit, Dice
from magus_pyg.models.base import TrainingTerms
from magus_pyg.models.batches import Batch
from magus_pyg.models.feature_space import Candidates, FeatureSpace, check_ids
from magus_pyg.models.fields import EMBEDDINGS, FieldEmbeddings, generator_of
from magus_pyg.models.history_recommender import HistoryRecommender
from magus_pyg.models.interactions import Interactions
from magus_pyg.models.kernels.dropout import dropout
from magus_pyg.models.kernels.id_and_bag import IdAndBag
from magus_pyg.models.mlp import MLP
from magus_pyg.models.model_options import WIDEST, ModelOptions
from magus_pyg.models.scoring_blocks import slices
from magus_pyg.options import at_least, at_most, between, check_options, one_or_more

__all__ = ["DIN", "DINOptions"]

# Floats of the widest tensor while scoring: of rows with histories of their own, and of a block that fits the cache.
_ROWS, _BLOCK = 1 << 24, 1 << 20
_CANDIDATES = 512  # scored at once with a block of users


@dataclass
class DINOptions(ModelOptions):
    """Options of the deep interest network.

    Attributes:
        name: "din".
        dim: length of the embedding vectors.
        history: how many of a user's latest liked items are read.
        attention: units of the hidden layers of the activation unit.
        layers: units of the hidden layers of the network on top.
        softmax: True normalises the weights of a history as the released code does; False leaves them as they are.
        dropout: share of the embedding entries, and of the units on top, set to 0 in a training step, in [0, 1).
        init_std: standard deviation of the embeddings before training; the linear weights start at 0.
    """

    name: str = "din"
    dim: int = 64
    history: int = 30
    attention: list[int] = field(default_factory=lambda: [36])
    layers: list[int] = field(default_factory=lambda: [200, 80])
    softmax: bool = False
    dropout: float = 0.2
    init_std: float = 0.1

    def __post_init__(self) -> None:
        counts, sizes = at_least(1), one_or_more(at_least(1))
        rules = {"dim": counts, "history": counts, "attention": sizes, "layers": sizes}
        check_options(self, **rules, dropout=between(0, 1, "[)"), init_std=at_least(0))
        check_options(
            self, dim=at_most(WIDEST), history=at_most(10_000), attention=at_most(WIDEST), layers=at_most(WIDEST)
        )


class DIN(HistoryRecommender):
    r"""Deep interest network (Zhou et al. 2018, "Deep Interest Network for Click-Through Rate Prediction").

    .. math::
        v_U(A) = \sum_j a(e_j, v_A) \, e_j, \qquad
        y = b + \ell_u + \ell_A + \text{MLP}([\,p_u,\; v_U(A),\; v_A\,])

    e_j are the user's liked items before the event (Eq. 3 of the paper), v_A is the candidate, p_u the user's id and
    profile vectors, side by side. An item of the history is its id vector plus the mean of its words' vectors, and so
    is a candidate where the unit a sees it; the MLP sees both side by side. A word combination has zeros for the id. a
    is the `ActivationUnit`, and all hidden layers have `Dice`. ℓ are linear terms of ids, words and profile values. A
    user without history has v_U = 0.

    Where the paper and the released code differ:

    * the paper keeps the strength of an interest and does not normalise the weights (the default here); the code
      divides by the root of the length of e and takes the softmax over the history (`softmax`);
    * the paper's unit has one hidden layer of 36, the code's 80 and 40 with sigmoids; on top the paper has 200 and 80,
      the code 80 and 40. The paper's are taken, and Dice in both;
    * the code has a bias for each item, batch normalisation before the layers, and no user features. Here there are
      linear terms of all fields and the user's fields as in the paper, and no batch normalisation, as Dice normalises;
    * both put the vectors of an item's fields side by side, also in the history. Their sum halves what the unit costs,
      and ranked no worse (validation AUC on ml-100k after six epochs 0.801, and 0.795 side by side);
    * the paper's regularisation of the embeddings in use (Sec. 5.1) is `TrainOptions.weight_decay`.

    Args:
        options: see `DINOptions`.
        features: what is known of users, items and words.
        interactions: the training rows, in the order of time.
        seed: of the weights before training.

    Raises:
        ModelError: rows without an order.
    """

    has_embeddings = False
    options: DINOptions

    def __init__(self, options: DINOptions, features: FeatureSpace, interactions: Interactions, seed: int = 0) -> None:
        super().__init__(options, features, interactions, options.history, seed)
        generator = generator_of(seed, EMBEDDINGS)
        self.fields = FieldEmbeddings(features, options.dim, options.init_std, generator)
        self.bias = nn.Parameter(torch.zeros(()))
        self.unit = ActivationUnit(options.dim, options.attention, generator)
        # Over user and profile, the history's interest, and the candidate's id and words.
        self.top = MLP(5 * options.dim, options.layers, 1, options.dropout, generator, Dice)

    def _network(self, user: Tensor, interest: Tensor, candidate: Tensor) -> Tensor:
        """MLP([p_u, v_U(A), v_A]), [...]; p_u and v_A are [..., 2, dim], v_U(A) is [..., dim]."""
        return self.top.of_parts(user.flatten(-2), interest, candidate.flatten(-2)).squeeze(-1)

    def _rows(self, user: Tensor, past: Tensor | None, candidate: IdAndBag) -> tuple[Tensor, Tensor]:
        """Logits [n] of n rows, whose histories stand one after the other, unpadded; the sum of squared lengths in use.

        Args:
            user: int64 [n].
            past: int64 [n], how many of the user's liked items count; all if None.
            candidate: n of them.
        """
        own = self.users(user)
        window, which = self.history.shared_windows(user, past)
        item, place = torch.unique(window.item, return_inverse=True)
        # The pairs of a row and an item of its history: e of them.
        mask = window.mask[which]
        row, place = mask.nonzero()[:, 0], place[which][mask]
        lengths = mask.sum(1)
        share = None
        if self.training:  # the mean over each row's history
            part = 1 / lengths.clamp(min=1).to(own.norm.dtype)
            share = part.new_zeros(len(item)).index_add_(0, place, part.index_select(0, row))
        liked = self.items(item, share, distinct=True)
        target, e = self._drop(candidate.vectors), self._drop(liked.vectors).sum(1)
        weight = self.unit(target.sum(1), e, row, place)
        if self.options.softmax:
            weight = softmax(weight / self.options.dim**0.5, row, num_nodes=len(user))
        start = lengths.cumsum(0) - lengths
        interest = F.embedding_bag(place, e, start, mode="sum", per_sample_weights=weight.to(e.dtype))  # Eq. 3
        logits = self._network(self._drop(own.vectors), interest, target) + (own.linear + candidate.linear + self.bias)
        return logits, own.norm + candidate.norm + liked.norm

    def _grid(self, user: Tensor, vectors: Tensor, linear: Tensor) -> Tensor:
        """Logits [b, c] of b users with c candidates, which all share or each has its own: [1 or b, c, 2, dim]."""
        own = self.users(user)
        e, mask = self._whole_history(user)
        weight = self.unit.grid(vectors.sum(2), e)  # [b, c, L]
        if self.options.softmax:
            weight = weight.masked_fill(~mask.unsqueeze(1), float("-inf")) / self.options.dim**0.5
            weight = torch.where(mask.any(1).view(-1, 1, 1), weight, 0).softmax(2)
        interest = weight @ e  # Eq. 3; e is 0 beyond a history's end
        return self._network(own.vectors.unsqueeze(1), interest, vectors) + linear + own.linear.unsqueeze(1) + self.bias

    def _whole_history(self, user: Tensor) -> tuple[Tensor, Tensor]:
        """The items e_j of whole histories [b, L, dim], 0 beyond their ends, and where there is one [b, L]."""
        window = self.history.window(user)
        item, place = torch.unique(window.item, return_inverse=True)
        e = self.candidates(Candidates.of_items(item, self.item_words), joined=True).vectors
        return e[place] * window.mask.unsqueeze(2), window.mask

    def _drop(self, vectors: Tensor) -> Tensor:
        return dropout(vectors, self.options.dropout, self.training)

    def logits(self, user: Tensor, candidates: Candidates) -> Tensor:
        """The logits of the pairs, [n], with the whole history of each user."""
        size = len(user) if torch.is_grad_enabled() else _ROWS // (self.options.history * self.options.dim)
        parts = slices(len(user), max(1, size)) or [slice(0, 0)]
        return torch.cat([self._rows(user[part], None, self.candidates(candidates.select(part)))[0] for part in parts])

    def training_terms(self, batch: Batch) -> TrainingTerms:
        """The logits [n] of rows, each with the history before it, and the mean squared length of the embeddings used.

        Of a history that is the mean over its items.
        """
        logits, norm = self._rows(batch.user, batch.past, self.items(batch.item))
        penalty = norm / max(1, len(logits))
        return TrainingTerms(logits, penalty, penalty.new_zeros(()))

    def user_features(self, users: Tensor) -> Tensor:
        """[id, profile, mean of the history's items], float32 [n, 3 dim], for `users` int64 [n], without gradients."""
        check_ids(users, self.features.n_users, "user")
        with self._scoring():
            user = users.to(self.device, torch.int64)
            e, mask = self._whole_history(user)
            mean = e.sum(1) / mask.sum(1, keepdim=True).clamp(min=1)
            return torch.cat([self.users(user).vectors.flatten(1), mean], 1).to(users.device, torch.float32)

    def candidate_features(self, candidates: Candidates) -> Tensor:
        """[id, mean of the words], float32 [n, 2 dim], without gradients."""
        with self._scoring():
            return self.candidates(candidates).vectors.flatten(1).to(torch.float32)

    def _score_items(self, user: Tensor, item: Tensor) -> Tensor:
        if item.dim() == 1:
            return self._score_shared(user, Candidates.of_items(item, self.item_words))
        scores = torch.zeros(item.shape, device=user.device)
        for columns in slices(item.shape[1], _CANDIDATES):
            for rows in slices(len(user), self._users_at_once(columns)):
                own = item[rows, columns]
                side = self.candidates(Candidates.of_items(own.reshape(-1), self.item_words))
                vectors = side.vectors.view(*own.shape, 2, self.options.dim)
                scores[rows, columns] = self._grid(user[rows], vectors, side.linear.view(own.shape))
        return scores

    def _score_shared(self, user: Tensor, candidates: Candidates) -> Tensor:
        scores = torch.zeros((len(user), len(candidates)), device=user.device)
        for columns in slices(len(candidates), _CANDIDATES):
            side = self.candidates(candidates.select(columns))
            for rows in slices(len(user), self._users_at_once(columns)):
                scores[rows, columns] = self._grid(user[rows], side.vectors.unsqueeze(0), side.linear.unsqueeze(0))
        return scores

    def _users_at_once(self, columns: slice) -> int:
        candidates: int = columns.stop - columns.start
        widest = self.options.history * self.options.attention[0] * max(candidates, self.options.dim)
        return max(1, _BLOCK // max(1, widest))

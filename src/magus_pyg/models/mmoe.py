"""Multi-gate mixture of experts: experts that several tasks share, with a gate and a tower for each task."""

from dataclasses import dataclass, field
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from magus_pyg.errors import ConfigError, ModelError
from magus_pyg.models.base import TrainingTerms
from magus_pyg.models.batches import Batch
from magus_pyg.models.feature_space import FeatureSpace
from magus_pyg.models.field_model import FieldModelOptions, FieldRecommender, Terms
from magus_pyg.models.fields import Side
from magus_pyg.models.interactions import Interactions
from magus_pyg.models.kernels.dropout import drop
from magus_pyg.models.mlp import MLP, check_sizes
from magus_pyg.options import check_range

__all__ = ["MMoE", "MMoEOptions"]

_WORDS = "some word of the item was positive before"


@dataclass
class MMoEOptions(FieldModelOptions):
    """Options of the mixture of experts, beside those of all models of fields; `hidden` are the layers of an expert.

    Attributes:
        name: "mmoe".
        tasks: which tasks stand beside "the row is positive": "actions" (the row is of a kind of action, a task for
            each kind), "words" (some word of the item was in an earlier positive row of the user), or "auto": actions
            where the log has several kinds, else words.
        experts: number of experts.
        tower: units of the hidden layers of a task's tower.
        task_weight: weight of the mean loss of the other tasks beside the loss of the first.
    """

    name: str = "mmoe"
    hidden: list[int] = field(default_factory=lambda: [64])
    tasks: str = "auto"
    experts: int = 4
    tower: list[int] = field(default_factory=lambda: [32])
    task_weight: float = 0.2

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.tasks not in ("auto", "actions", "words"):
            raise ConfigError(
                f'MMoEOptions.tasks must be "auto", "actions" or "words" (got {self.tasks!r}); with one task alone '
                "there is nothing to share: choose another model"
            )
        check_range(self, "experts", 1)
        check_sizes(self, "tower")
        check_range(self, "task_weight", 0)


class MMoE(FieldRecommender):
    r"""Multi-gate mixture of experts (Ma et al. 2018, "Modeling Task Relationships in Multi-task Learning with
    Multi-gate Mixture-of-Experts", Eqs. 6-8).

    .. math::
        y_k = h^k\Big(\sum_i g^k(x)_i f_i(x)\Big), \qquad g^k(x) = \text{softmax}(W_{gk} x)

    x are the vectors of the fields user, profile, item and words side by side, f_i the experts, g^k the gate and h^k
    the tower of task k. The first task, by which all scores are given, is "the row is positive". The paper does not
    name MAGUS's other tasks (reading 25): "the row is of this kind", for each kind of action where the log has several
    (never so for a sampled negative), else "some word of the item was positive before", told from the user's positive
    rows before the row, and in a log without order from all others. No task reads a later row, and none is an input.

    The paper's experts and towers have one hidden layer each, as here by default; it has 8 experts of 16 units. Its
    gates have no bias. The losses of the tasks are summed there; here those of the other tasks have a weight.

    Args:
        options: see `MMoEOptions`.
        features: what is known of users, items and words.
        interactions: the training rows.
        seed: of the weights before training.

    Raises:
        ModelError: if only one task is left.
    """

    options: MMoEOptions
    _key: Tensor
    _first: Tensor
    _count: Tensor

    def __init__(self, options: MMoEOptions, features: FeatureSpace, interactions: Interactions, seed: int = 0) -> None:
        super().__init__(options, features, seed)
        self.tasks = ("positive", *self._other_tasks(interactions))
        generator = self.layers_generator()
        count, width, units = options.experts, 4 * options.dim, options.hidden[0]
        self.first = MLP(width, [count * units], generator=generator).first
        self.weights = nn.ParameterList(torch.empty(count, *sizes) for sizes in pairwise(options.hidden))
        self.biases = nn.ParameterList(torch.zeros(count, size) for size in options.hidden[1:])
        for weight in self.weights:
            bound = (6 / weight.shape[1]) ** 0.5
            nn.init.uniform_(weight, -bound, bound, generator=generator)
        self.gates = nn.Parameter(torch.empty(len(self.tasks) * count, width))
        nn.init.xavier_uniform_(self.gates, generator=generator)
        self.towers = nn.ModuleList(
            MLP(options.hidden[-1], options.tower, 1, options.hidden_dropout, generator) for _ in self.tasks
        )
        self._read(interactions)

    def _other_tasks(self, rows: Interactions) -> tuple[str, ...]:
        """Names of the tasks beside the first."""
        asked = self.options.tasks
        if asked != "words" and len(rows.actions) > 1:
            return rows.actions
        if asked != "actions" and self.features.item_words.index.numel():
            return (_WORDS,)
        missing = {"actions": "the log has one kind of action", "words": "the items have no words"}
        raise ModelError(
            f"the model 'mmoe' needs two tasks and has one, since {missing.get(asked, ' and '.join(missing.values()))} "
            f"(tasks={asked!r}); choose another model"
        )

    def observe(self, train: Interactions) -> None:
        """Note which users and items have a training row, and which words each user liked when.

        Raises:
            ModelError: rows with other tasks than those the model was built with.
        """
        super().observe(train)
        tasks = ("positive", *self._other_tasks(train))
        if tasks != self.tasks:
            raise ModelError(
                f"the model was built for the tasks {list(self.tasks)}, and these rows have {list(tasks)}; build it "
                "with interactions=data.train"
            )
        self._read(train)

    def _read(self, train: Interactions) -> None:
        """For each pair (user, word) that a positive row has: the place of the first such row, and their number."""
        self.ordered = train.ordered
        before = train.earlier_positives()
        liked = torch.argsort(train.user, stable=True)
        liked = liked[train.label[liked] == 1]
        position, word = self.item_words.gather(train.item[liked].to(self.device))
        row = liked.to(self.device)[position]
        key = train.user.to(self.device)[row] * self.features.n_words + word
        key, order = torch.sort(key, stable=True)  # so that the first row of a pair stands first
        distinct, count = torch.unique_consecutive(key, return_counts=True)
        first = before.to(self.device)[row][order][count.cumsum(0) - count]
        for name, tensor in (("_key", distinct), ("_first", first), ("_count", count)):
            self.register_buffer(name, tensor, persistent=False)

    @property
    def width(self) -> int:
        """All experts' widest layer."""
        return self.options.experts * max(self.options.hidden)

    def user_terms(self, side: Side) -> Terms:
        """The side's share of the experts' first layer [n, experts · units] and of the gates [n, tasks · experts]."""
        x, size = side.vectors.flatten(1), 2 * self.options.dim
        return F.linear(x, self.first.weight[:, :size], self.first.bias), F.linear(x, self.gates[:, :size])

    def candidate_terms(self, side: Side) -> Terms:
        """As `user_terms`, without the bias."""
        x, size = side.vectors.flatten(1), 2 * self.options.dim
        return F.linear(x, self.first.weight[:, size:]), F.linear(x, self.gates[:, size:])

    def combine(self, left: Terms, right: Terms, pairs: bool) -> Tensor:
        """The logits of the first task, [n] or [n, m]."""
        (first, gate), (other, other_gate) = left, right
        if pairs:
            first, gate = first.unsqueeze(1), gate.unsqueeze(1)
        count = self.options.experts
        share = F.softmax(gate[..., :count] + other_gate[..., :count], -1)  # Eq. 8
        mixed = (share.unsqueeze(-1) * self._experts(first + other)).sum(-2)  # Eq. 7
        logits: Tensor = self.towers[0](mixed).squeeze(-1)  # Eq. 6
        return logits

    def training_terms(self, batch: Batch) -> TrainingTerms:
        """The logits of the first task, the penalty of the embeddings in use, and the weighted loss of the others."""
        left, right = self._batch_sides(batch)
        logits = self.task_logits(left, right)
        target = self.targets(batch)
        losses = F.binary_cross_entropy_with_logits(logits[:, 1:], target.to(logits.dtype))
        return TrainingTerms(logits[:, 0], self._penalty(left, right, len(logits)), self.options.task_weight * losses)

    def task_logits(self, left: Side, right: Side) -> Tensor:
        """The logits of all tasks for n rows, float [n, tasks]."""
        (first, gate), (other, other_gate) = self.user_terms(left), self.candidate_terms(right)
        share = F.softmax((gate + other_gate).view(-1, len(self.tasks), self.options.experts), -1)  # Eq. 8
        mixed = share @ self._experts(first + other)  # Eq. 7, [n, tasks, units]
        return torch.cat([tower(mixed[:, task]) for task, tower in enumerate(self.towers)], 1)  # Eq. 6

    def targets(self, batch: Batch) -> Tensor:
        """What the tasks beside the first are to say of n rows, bool [n, tasks - 1]."""
        if self.tasks == ("positive", _WORDS):
            return self._word_was_positive(batch).unsqueeze(1)
        kind = torch.arange(len(self.tasks) - 1, device=batch.action.device)
        return batch.action.unsqueeze(1) == kind

    def _word_was_positive(self, batch: Batch) -> Tensor:
        words = self.item_words.select(batch.item)
        row = words.row
        if not len(self._key):
            return torch.zeros_like(batch.item, dtype=torch.bool)
        key = batch.user[row] * self.features.n_words + words.index
        place = torch.searchsorted(self._key, key).clamp(max=len(self._key) - 1)
        # Without an order: in another positive row than this one.
        earlier = self._first[place] < batch.past[row] if self.ordered else self._count[place] > batch.label[row]
        hit = (self._key[place] == key) & earlier
        return torch.zeros_like(batch.item).index_add(0, row, hit.to(torch.int64)) > 0

    def _experts(self, first: Tensor) -> Tensor:
        """f_i(x) for all experts, [..., experts, units], from their first layer before its activation."""
        x = self._activate(first.view(*first.shape[:-1], self.options.experts, self.options.hidden[0]))
        for weight, bias in zip(self.weights, self.biases, strict=True):
            x = self._activate(torch.einsum("...ei,eij->...ej", x, weight) + bias)
        return x

    def _activate(self, x: Tensor) -> Tensor:
        return drop(F.relu(x), self.options.hidden_dropout, self.training)

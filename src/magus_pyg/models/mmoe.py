"""Multi-gate mixture of experts: experts that several tasks share, with a gate and a tower for each task."""

from dataclasses import dataclass, field
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from magus_pyg.errors import ModelError
from magus_pyg.models.base import TrainingTerms
from magus_pyg.models.batches import Batch
from magus_pyg.models.feature_space import FeatureSpace
from magus_pyg.models.fields import EMBEDDINGS, LAYERS, FieldEmbeddings, generator_of
from magus_pyg.models.interaction_model import InteractionOptions, InteractionRecommender, mean_norm
from magus_pyg.models.interactions import Interactions
from magus_pyg.models.kernels.dropout import dropout
from magus_pyg.models.kernels.field_vectors import FieldVectors, linear_of_fields
from magus_pyg.models.kernels.weighted_sums import weighted_sums
from magus_pyg.models.liked_words import LikedWords
from magus_pyg.models.mlp import MLP
from magus_pyg.models.model_options import WIDEST
from magus_pyg.options import at_least, at_most, check_options, one_of, one_or_more

__all__ = ["MMoE", "MMoEOptions"]

_WORDS = "some word of the item was positive before"


@dataclass
class MMoEOptions(InteractionOptions):
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
        check_options(
            self,
            tasks=one_of(("auto", "actions", "words"), "; with one task alone there is nothing to share"),
            experts=at_least(1),
            tower=one_or_more(at_least(1)),
            task_weight=at_least(0),
        )
        check_options(self, tower=at_most(WIDEST), experts=at_most(1024))


class MMoE(InteractionRecommender):
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

    def __init__(self, options: MMoEOptions, features: FeatureSpace, interactions: Interactions, seed: int = 0) -> None:
        super().__init__(options, features, seed)
        self.tasks = ("positive", *self._other_tasks(interactions))
        self.liked_words = LikedWords(features.n_words)
        self.fields = FieldEmbeddings(features, options.dim, options.init_std, generator_of(seed, EMBEDDINGS))
        generator = generator_of(seed, LAYERS)
        count, width, units = options.experts, 4 * options.dim, options.hidden[0]
        # The experts f_i, each layer of all of them at once.
        self.first = MLP(width, [count * units], generator=generator).first
        self.weights = nn.ParameterList(torch.empty(count, *sizes) for sizes in pairwise(options.hidden))
        self.biases = nn.ParameterList(torch.zeros(count, size) for size in options.hidden[1:])
        for weight in self.weights:
            bound = (6 / weight.shape[1]) ** 0.5
            nn.init.uniform_(weight, -bound, bound, generator=generator)
        # W_gk, task by task, and h^k.
        self.gates = nn.Parameter(torch.empty(len(self.tasks) * count, width))
        nn.init.xavier_uniform_(self.gates, generator=generator)
        self.towers = nn.ModuleList(
            MLP(options.hidden[-1], options.tower, 1, options.hidden_dropout, generator) for _ in self.tasks
        )
        self.liked_words.read(interactions, self.item_words)

    @property
    def width(self) -> int:
        """All experts' widest layer."""
        return self.options.experts * max(self.options.hidden)

    def interact(self, user: FieldVectors, item: FieldVectors) -> Tensor:
        """The logits of the first task of pairs, [n] or [n, m]."""
        return self.task_logits(user, item, 1).squeeze(-1)

    def task_logits(self, user: FieldVectors, item: FieldVectors, tasks: int | None = None) -> Tensor:
        """The logits y_k of the first tasks, [n, tasks] or [n, m, tasks]; of all if None."""
        experts = self._experts(user, item)  # f_i(x), [..., experts, units]
        gates = linear_of_fields(user, item, self.gates)  # W_gk x
        gates = gates.view(*gates.shape[:-1], len(self.tasks), self.options.experts)[..., :tasks, :]
        mixed = weighted_sums(F.softmax(gates, -1), experts)  # Eqs. 8 and 7, [..., tasks, units]
        towers = [tower(mixed[..., task, :]) for task, tower in enumerate(self.towers[:tasks])]  # Eq. 6
        return torch.cat(towers, -1)

    def _experts(self, user: FieldVectors, item: FieldVectors) -> Tensor:
        first = linear_of_fields(user, item, self.first.weight, self.first.bias)
        x = self._activate(first.view(*first.shape[:-1], self.options.experts, self.options.hidden[0]))
        for weight, bias in zip(self.weights, self.biases, strict=True):
            x = self._activate(torch.einsum("...ei,eij->...ej", x, weight) + bias)
        return x

    def _activate(self, x: Tensor) -> Tensor:
        return dropout(F.relu(x), self.options.hidden_dropout, self.training)

    def training_terms(self, batch: Batch) -> TrainingTerms:
        """The logits of the first task, the penalty of the embeddings in use, and the weighted loss of the others."""
        user, item = self.batch_fields(batch)
        logits = self.task_logits(user, item)
        losses = F.binary_cross_entropy_with_logits(logits[:, 1:], self.targets(batch).to(logits.dtype))
        return TrainingTerms(logits[:, 0], mean_norm(user, item, len(logits)), self.options.task_weight * losses)

    def targets(self, batch: Batch) -> Tensor:
        """What the tasks beside the first are to say of n rows, bool [n, tasks - 1]."""
        if self.tasks == ("positive", _WORDS):
            return self.liked_words.before(batch, self.item_words).unsqueeze(1)
        kind = torch.arange(len(self.tasks) - 1, device=batch.action.device)
        return batch.action.unsqueeze(1) == kind

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
        self.liked_words.read(train, self.item_words)

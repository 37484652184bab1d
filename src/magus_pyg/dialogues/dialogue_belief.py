"""Belief over the candidates of a dialogue, and sums of it that say how far an answer would narrow it down."""

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from magus_pyg.agents.fitted_states import FittedValues, Rules
from magus_pyg.dialogues.dialogue_protocol import DialogueView
from magus_pyg.dialogues.dialogue_taste import log_likeness
from magus_pyg.options import above, at_least, between

__all__ = ["PRIOR_WEIGHTS", "BeliefSums", "DialogueBayesState", "PriorTerms", "SumsByGroup", "prior_logits"]


@dataclass
class DialogueBayesState(FittedValues):
    """What the Bayesian agent fits on validation dialogues.

    Attributes:
        temperature: base scores are divided by it before they become probabilities (softmax).
        given_power: the given attribute is one of the target's, so an item with w attributes had it given with
            probability 1/w; the belief takes w to the power of minus this. 1 is exact where it is drawn uniformly.
        popularity: weight of log(1 + users who know the item) in the logit.
        unknown: added to the logit of items that no user knows.
        taste: weight of the `log_likeness` of an item to those that the user knows.
        habit, habit_unknown: as `popularity` and `unknown`, times the user's `KnownItems.habit`: who knows popular
            items is likelier to have one in mind.
        error_rate: share of answers about attributes taken to be wrong, in [0, 0.5).
        bits: entropy that a question takes from the belief, as the plan for the turns left assumes it; in (0, 1].
        speed: how much an earlier success counts beside success at all: success in turn t of K has the value
            1 + speed (K - t)/K.
    """

    later: ClassVar[frozenset[str]] = frozenset({"taste", "habit", "habit_unknown"})
    rules: ClassVar[Rules] = {
        "temperature": above(0),
        "error_rate": between(0, 0.5, "[)", ": at 0.5 an answer says nothing"),
        "bits": between(0, 1, "(]"),
        "speed": at_least(0),
    }
    temperature: float = 1.0
    given_power: float = 1.0
    popularity: float = 0.0
    unknown: float = 0.0
    taste: float = 0.0
    habit: float = 0.0
    habit_unknown: float = 0.0
    error_rate: float = 0.0
    bits: float = 0.8
    speed: float = 1.0


def prior_logits(view: DialogueView, state: DialogueBayesState) -> Tensor:
    """float64 [B, C]: the logits of the belief before the first turn; -inf at known items.

    Equal logits are told apart by a step of 1e-12 a column, so that results do not depend on how sorting is done.
    """
    terms = PriorTerms.of(view, taste=state.taste != 0.0)
    weights = [1.0 / state.temperature, *(getattr(state, name) for name in PRIOR_WEIGHTS)]
    logit = terms.logits(torch.tensor(weights, dtype=torch.float64, device=view.scores.device))
    return logit - 1e-12 * torch.arange(logit.shape[1], device=logit.device)


#: The weights of the prior's terms beside the scores, in the order of `PriorTerms.logits`.
PRIOR_WEIGHTS = ("given_power", "popularity", "unknown", "taste", "habit", "habit_unknown")


@dataclass(frozen=True)
class PriorTerms:
    """What the logits of the belief before the first turn are sums of.

    Attributes:
        scores: float64 [B, C].
        shared: float64 [3, C], of all dialogues: -log(attributes), log(1 + users who know it), 1 where nobody does.
        taste: float64 [B, C], or [B, 1] of 0 where it has no weight.
        habit: float64 [B, 1].
        allowed: bool [B, C].
    """

    scores: Tensor
    shared: Tensor
    taste: Tensor
    habit: Tensor
    allowed: Tensor

    @classmethod
    def of(cls, view: DialogueView, taste: bool = True) -> "PriorTerms":
        """The terms of some dialogues."""
        words = view.has.sum(1).to(torch.float64).clamp(min=1.0)
        popularity = view.popularity.to(torch.float64)
        shared = torch.stack([-words.log(), torch.log1p(popularity), (popularity == 0).to(torch.float64)])
        habit = view.known.habit.unsqueeze(1)
        likeness = log_likeness(view.known, view.has) if taste else torch.zeros_like(habit)
        return cls(view.scores, shared, likeness, habit, view.allowed)

    def logits(self, weights: Tensor) -> Tensor:
        """float64 [B, C], -inf where not allowed, for float64 [7]: that of the scores, then `PRIOR_WEIGHTS`."""
        logit = self.scores * weights[0] + weights[1:4] @ self.shared
        logit = logit + self.taste * weights[4] + self.habit * (weights[5:7] @ self.shared[1:])
        return torch.where(self.allowed, logit, -torch.inf)


@dataclass(frozen=True)
class BeliefSums:
    """Sums over parts of a belief u that is not normalised; they are additive over disjoint sets of items.

    Attributes:
        mass: the sum of u.
        item: the sum of u ln u over items.
        group: the same over groups, a group's u being the sum of its items'.
    """

    mass: Tensor
    item: Tensor
    group: Tensor

    def __add__(self, other: "BeliefSums") -> "BeliefSums":
        return BeliefSums(self.mass + other.mass, self.item + other.item, self.group + other.group)

    def __sub__(self, other: "BeliefSums") -> "BeliefSums":
        return BeliefSums(self.mass - other.mass, self.item - other.item, self.group - other.group)

    def times(self, factor: float) -> "BeliefSums":
        """The sums of factor · u: sum of c u ln(c u) = c (sum of u ln u + ln c · sum of u)."""
        log = math.log(factor)
        item, group = (factor * (sums + log * self.mass) for sums in (self.item, self.group))
        return BeliefSums(factor * self.mass, item, group)

    def entropies(self) -> tuple[Tensor, Tensor]:
        """Entropy in bits of the normalised belief over groups, and what is left of it within groups; at least 0."""
        mass = self.mass.clamp(min=1e-300)
        of_items = mass.log() - self.item / mass
        of_groups = mass.log() - self.group / mass
        return of_groups.clamp(min=0.0) / math.log(2.0), (of_items - of_groups).clamp(min=0.0) / math.log(2.0)


class SumsByGroup:
    """Sums of belief for the answers to all questions at once: products of group sums and the groups' attributes.

    Questions cannot tell items with the same attributes apart, so items are summed by group first.

    Args:
        view: the dialogues; `has` and `group` are read.
    """

    def __init__(self, view: DialogueView) -> None:
        self.group = view.group
        self.n_groups = int(view.group.max()) + 1 if view.group.numel() else 0
        n_words = view.has.shape[1]
        self.has = torch.zeros((self.n_groups, n_words), dtype=torch.float64, device=view.has.device)
        self.has[view.group] = view.has.to(torch.float64)

    def by_group(self, belief: Tensor) -> tuple[Tensor, Tensor]:
        """Sums of u and of u ln u by group: belief [B, C] to [B, G] each."""
        empty = belief.new_zeros((len(belief), self.n_groups))
        mass = empty.index_add(1, self.group, belief)
        return mass, empty.index_add(1, self.group, torch.special.xlogy(belief, belief))

    def __call__(self, belief: Tensor) -> tuple[BeliefSums, BeliefSums]:
        """The sums over all candidates, [B, 1], and over those with each attribute, [B, W]."""
        mass, item = self.by_group(belief)
        group = torch.special.xlogy(mass, mass)
        parts = (mass, item, group)
        return BeliefSums(*(part.sum(1, keepdim=True) for part in parts)), BeliefSums(*(p @ self.has for p in parts))

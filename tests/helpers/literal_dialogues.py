"""A slow literal player of EAR's protocol: one dialogue at a time, Python numbers and sets, formulas as written."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import torch

from magus_pyg.dialogues import DialogueBayesState
from magus_pyg.random import hash_keys, uniform


@dataclass
class Dialogue:
    """One dialogue; `has[i]` is the set of attributes of item i."""

    has: Sequence[frozenset[int]]
    scores: Sequence[float]
    known: frozenset[int]
    target: int
    given: int
    id: int
    n_words: int
    popularity: Sequence[int]
    turns: int
    list_length: int
    noise: float
    refusals: bool
    seed: int
    history: frozenset[int]
    asked: list[int] = field(default_factory=list)
    answers: list[tuple[int, bool]] = field(default_factory=list)
    shown: list[int] = field(default_factory=list)

    @property
    def candidates(self) -> list[int]:
        return [i for i, words in enumerate(self.has) if self.given in words and i not in self.known]

    @property
    def left(self) -> list[int]:
        return [i for i in self.candidates if i not in self.shown]

    @property
    def words(self) -> list[int]:
        return [w for w in range(self.n_words) if w != self.given and w not in self.asked]

    @property
    def habit(self) -> float:
        log = [math.log1p(n) for n in self.popularity]
        users = sum(self.popularity)
        of_all = sum(n * x for n, x in zip(self.popularity, log, strict=True)) / max(users, 1)
        return sum(log[i] for i in self.history) / len(self.history) - of_all if self.history else 0.0

    def likeness(self, item: int) -> float:
        def share(other: int) -> float:
            either = self.has[item] | self.has[other]
            return len(self.has[item] & self.has[other]) / max(len(either), 1)

        return sum(share(other) ** 4 for other in self.history) / max(len(self.history), 1)

    def draw(self, purpose: int, turn: int) -> float:
        return float(uniform(hash_keys(self.seed, torch.tensor([self.id])), purpose, turn))


Policy = Callable[[Dialogue, int], "int | list[int]"]


def play(dialogue: Dialogue, policy: Policy) -> list[tuple[int, bool, list[int]]]:
    """Turns as (attribute or -1, answer, items shown); the dialogue ends when the target is shown."""
    rows: list[tuple[int, bool, list[int]]] = []
    for turn in range(1, dialogue.turns + 1):
        action = policy(dialogue, turn)
        if isinstance(action, int):
            yes = action in dialogue.has[dialogue.target]
            if dialogue.draw(0x62, turn) < dialogue.noise:
                yes = not yes
            dialogue.asked.append(action)
            dialogue.answers.append((action, yes))
            rows.append((action, yes, []))
            continue
        dialogue.shown.extend(action)
        rows.append((-1, False, action))
        if dialogue.target in action:
            break
    return rows


def fitting(dialogue: Dialogue) -> list[int]:
    """The items left that contradict the fewest answers."""

    def misses(item: int) -> int:
        has = dialogue.has[item]
        return sum((w not in has) if yes else (dialogue.refusals and w in has) for w, yes in dialogue.answers)

    fewest = min((misses(i) for i in dialogue.left), default=0)
    return [i for i in dialogue.left if misses(i) == fewest]


def best_first(dialogue: Dialogue, first: list[int]) -> list[int]:
    """The items to show: `first` by score, then the others left by score."""
    order = sorted(dialogue.left, key=lambda i: (i not in first, -dialogue.scores[i], i))
    return order[: dialogue.list_length]


def items_policy(dialogue: Dialogue, turn: int) -> "int | list[int]":
    return best_first(dialogue, fitting(dialogue))


def max_entropy_policy(dialogue: Dialogue, turn: int) -> "int | list[int]":
    fits = fitting(dialogue)

    def entropy(word: int) -> float:
        share = sum(word in dialogue.has[i] for i in fits) / max(len(fits), 1)
        return -sum(p * math.log2(p) for p in (share, 1 - share) if p > 0)

    word = max(dialogue.words, key=lambda w: (entropy(w), -w), default=None)
    recommends = dialogue.draw(0x63, turn) * len(fits) < dialogue.list_length
    if word is None or recommends or entropy(word) <= 0:
        return best_first(dialogue, fits)
    return word


def plan_value(state: DialogueBayesState, turns: int, size: int, left: int, groups: float, within: float) -> float:
    """The plan at one pair of entropies, the best number of questions found by trying all."""
    best = 0.0
    for asks in range(left):
        effective = 2 ** (max(groups - state.bits * asks, 0.0) + within)
        value, before = 0.0, 0.0
        for show in range(1, left - asks + 1):
            found = min(1.0, size * show / effective)
            value += (found - before) * (1 + state.speed * (left - asks - show) / turns)
            before = found
        best = max(best, value)
    return best


def bayes_policy(state: DialogueBayesState) -> Policy:
    """The Bayesian agent; `plan_value` is taken at tenths of bits and interpolated in between."""

    def table(dialogue: Dialogue, left: int, groups: float, within: float) -> float:
        if left == 0:
            return 0.0
        largest = math.ceil(math.log2(max(2, sum(dialogue.given in words for words in dialogue.has))))
        top = int(largest / 0.1) + 1
        x, y = (min(max(h / 0.1, 0.0), top - 1e-6) for h in (groups, within))
        i, j = int(x), int(y)
        total = 0.0
        for a, share_a in ((i, 1 - (x - i)), (i + 1, x - i)):
            for b, share_b in ((j, 1 - (y - j)), (j + 1, y - j)):
                value = plan_value(state, dialogue.turns, dialogue.list_length, left, a * 0.1, b * 0.1)
                total += share_a * share_b * value
        return total

    def worth(dialogue: Dialogue, mass: dict[int, float], left: int) -> float:
        """W of a belief given as weights (not normalised)."""
        total = sum(mass.values())
        if total <= 0:
            return 0.0
        by_group: dict[frozenset[int], float] = {}
        for item, weight in mass.items():
            by_group[dialogue.has[item]] = by_group.get(dialogue.has[item], 0.0) + weight / total

        def entropy(values: "Sequence[float]") -> float:
            return -sum(p * math.log2(p) for p in values if p > 0)

        groups = entropy(list(by_group.values()))
        within = max(entropy([weight / total for weight in mass.values()]) - groups, 0.0)
        return table(dialogue, left, groups, within)

    def policy(dialogue: Dialogue, turn: int) -> "int | list[int]":
        error = max(state.error_rate, 1e-9)
        column = {
            item: place for place, item in enumerate(i for i, w in enumerate(dialogue.has) if dialogue.given in w)
        }
        logit = {}
        for item in dialogue.left:
            value = dialogue.scores[item] / state.temperature - 1e-12 * column[item]
            value += state.popularity * math.log1p(dialogue.popularity[item])
            value += state.unknown * (dialogue.popularity[item] == 0)
            value += state.taste * math.log(dialogue.likeness(item) + 1e-3)
            value += state.habit * dialogue.habit * math.log1p(dialogue.popularity[item])
            value += state.habit_unknown * dialogue.habit * (dialogue.popularity[item] == 0)
            value -= state.given_power * math.log(len(dialogue.has[item]))
            for word, yes in dialogue.answers:
                if yes or dialogue.refusals:
                    value += math.log(1 - error if (word in dialogue.has[item]) == yes else error)
            logit[item] = value
        highest = max(logit.values(), default=0.0)
        weight = {item: math.exp(value - highest) for item, value in logit.items()}
        total = sum(weight.values())
        belief = {item: value / total for item, value in weight.items()}
        best = sorted(logit, key=lambda i: -logit[i])[: dialogue.list_length]
        left = dialogue.turns - turn + 1
        if left == 1:
            return best
        options: list[tuple[float, int | list[int]]] = []
        for word in dialogue.words:
            inside = {i: p for i, p in belief.items() if word in dialogue.has[i]}
            share = sum(inside.values())
            if share <= 1e-12 or 1 - share <= 1e-12:
                continue
            yes = {i: p * (1 - error if i in inside else error) for i, p in belief.items()}
            no = {i: p * (error if i in inside else 1 - error) for i, p in belief.items()}
            value = sum(yes.values()) * worth(dialogue, yes, left - 1)
            value += sum(no.values()) * worth(dialogue, no if dialogue.refusals else belief, left - 1)
            options.append((value, word))
        found = sum(belief[i] for i in best)
        rest = {i: p for i, p in belief.items() if i not in best}
        value = found * (1 + state.speed * (left - 1) / dialogue.turns)
        value += sum(rest.values()) * worth(dialogue, rest, left - 1)
        options.append((value, best))
        top = max(value for value, _ in options)
        return next(action for value, action in options if value >= top - 1e-9)

    return policy

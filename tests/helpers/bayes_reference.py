"""A slow, literal player of `magus=bayes`: one session, dicts and sets, nothing from the package."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product

LEAST = 1e-9  # no answer rules an item out altogether
VANISHED = 1e-8  # beliefs below it take no part in plans
TOLERANCE = 1e-9


def softmax(logit: Mapping[int, float]) -> dict[int, float]:
    top = max(logit.values())
    weight = {item: math.exp(value - top) for item, value in logit.items()}
    total = sum(weight.values())
    return {item: value / total for item, value in weight.items()}


def best(mass: Mapping[int, float], m: int) -> float:
    """V_m."""
    return sum(sorted(mass.values(), reverse=True)[:m])


def clicked_for_another(mass: Mapping[int, float], query: frozenset[int], error: float, others: float) -> float:
    """Probability of a click where the item in mind is not in the query."""
    total = sum(mass.values())
    share = sum(value for item, value in mass.items() if item in query) / total if total else 0.0
    return min(max(1.0 - (1.0 - min(share, 1.0)) ** others, error), 1.0 - error)


def click_probability(
    mass: Mapping[int, float], query: frozenset[int], error: float, others: float
) -> dict[int, float]:
    """Probability of a click for every item being the one in mind."""
    outside = clicked_for_another(mass, query, error, others)
    return {item: 1.0 - error if item in query else outside for item in mass}


def after(mass: Mapping[int, float], query: frozenset[int], error: float, others: float) -> tuple[dict, dict]:
    """Masses after a click and after a refusal."""
    yes = click_probability(mass, query, error, others)
    clicked = {item: value * yes[item] for item, value in mass.items()}
    return clicked, {item: value - clicked[item] for item, value in mass.items()}


@dataclass(frozen=True)
class Knobs:
    """N, the rounds after the list, e, λ, γ, ρ, t, the first queries tried, and σ."""

    n: int
    rounds: int
    error: float = 0.0
    others: float = 0.0
    discount: float = 1.0
    rate: float = 0.0
    targets: float = 1.0
    beam: int = 1
    ending: float = 0.0

    def click(self, kind: str, place: int) -> float:
        """What the certain click on an entry at a place adds."""
        gain = 1 / math.log2(place + 1)
        return self.rate * gain if kind == "query" else self.rate - self.ending * (1 - gain)


def weight(rank: int, places: int, knobs: Knobs) -> float:
    """What an item of this rank (from 1) counts with so many places of the list and the rounds after it."""
    if rank <= places:
        return 1.0
    later = math.ceil((rank - places) / knobs.n)
    return knobs.discount**later if later <= knobs.rounds else 0.0


def worth(mass: Mapping[int, float], places: int, knobs: Knobs) -> float:
    """V^(k), rank by rank."""
    ordered = sorted(mass.values(), reverse=True)
    return sum(value * weight(rank, places, knobs) for rank, value in enumerate(ordered, 1))


def ranked_list(
    belief: Mapping[int, float], items: Sequence[int], clicks: Sequence[float], targets: float
) -> list[tuple[str, int]]:
    """("query", place among them) and ("item", item), best first: queries first among equals, in their own order."""
    lowest, entries = math.inf, []
    for place, click in enumerate(clicks):
        lowest = min(lowest, click)
        entries.append((-lowest, 0, place, ("query", place)))
    entries += [(-min(1.0, targets * belief[item]), 1, place, ("item", item)) for place, item in enumerate(items)]
    return [entry for *_, entry in sorted(entries)]


def list_value(
    mass: Mapping[int, float], items: Sequence[int], asked: Sequence[frozenset[int]], knobs: Knobs
) -> float:  # fmt: skip
    """P(target among the items) + what is left is worth after every answer to the queries + clicks by their places."""
    shown = set(items)
    total, left, clicks = sum(mass[item] for item in shown), dict(mass), []
    for query in asked:
        clicked, left = after(left, query, knobs.error, knobs.others)
        rest = {item: value for item, value in clicked.items() if item not in shown}
        clicks.append(sum(rest.values()))
        total += worth(rest, 0, knobs)
    total += worth({item: value for item, value in left.items() if item not in shown}, 0, knobs)
    for place, (kind, entry) in enumerate(ranked_list(mass, items, clicks, knobs.targets), 1):
        total += knobs.click(kind, place) * (clicks[entry] if kind == "query" else mass[entry])
    return total


def first_best(values: Sequence[float]) -> int:
    return next(place for place, value in enumerate(values) if value >= max(values) - TOLERANCE)


def plan(
    belief: Mapping[int, float], choices: Sequence[frozenset[int]], free: set[int], knobs: Knobs
) -> tuple[float, list[int], list[int]]:
    """`(value, items, choices asked)` of the best list; `choices` in the order of their slots."""
    mass = {item: value if value >= VANISHED else 0.0 for item, value in belief.items()}
    order = sorted(mass, key=lambda item: (-belief[item], item))
    alive = [item for item in order if mass[item] > 0]
    n, m = knobs.n, knobs.n * knobs.rounds
    found = [(list_value(mass, order[:n], [], knobs), order[:n], [])]
    most = n + m if knobs.discount == 1.0 else n
    if free and (alive if knobs.rate else m > 0 and len(alive) > most):
        for k in range(n - 1, -1, -1):
            lists = _with_items(mass, order, choices, free, k, knobs)
            values = [list_value(mass, items, [choices[q] for q in asked], knobs) for items, asked in lists]
            place = first_best(values)
            found.append((values[place], *lists[place]))
    return found[first_best([value for value, _, _ in found])]


def _with_items(mass, order, choices, free, k, knobs) -> list[tuple[list[int], list[int]]]:  # type: ignore[no-untyped-def]
    starts = [None]
    if knobs.n - k > 1 and knobs.beam > 1:
        scored = [(_worth(mass, choices[q], (0.0, 0.0), 1, k, knobs), q) for q in sorted(free)]
        scored.sort(key=lambda pair: (-round(pair[0] / TOLERANCE), pair[1]))
        starts = [q for _, q in scored[: knobs.beam]]
    return [_one_list(mass, order, choices, set(free), k, start, knobs) for start in starts]


def _worth(mass, query, earlier, place, k, knobs) -> float:  # type: ignore[no-untyped-def]
    """Both answers, the k places given to one of the answers or to an earlier one, and the click at its place."""
    clicked, refused = after(mass, query, knobs.error, knobs.others)
    success = max(
        earlier[1] + worth(clicked, 0, knobs) + worth(refused, 0, knobs),
        earlier[0] + worth(clicked, k, knobs) + worth(refused, 0, knobs),
        earlier[0] + worth(clicked, 0, knobs) + worth(refused, k, knobs),
    )
    return success + knobs.click("query", place) * sum(clicked.values())


def _one_list(mass, order, choices, free, k, start, knobs) -> tuple[list[int], list[int]]:  # type: ignore[no-untyped-def]
    left, earlier, asked, clicks = dict(mass), (0.0, 0.0), [], []
    for place in range(1, knobs.n - k + 1):
        if not free:
            break
        names = sorted(free)
        value = [_worth(left, choices[q], earlier, place, k, knobs) for q in names]
        q = start if place == 1 and start is not None else names[first_best(value)]
        nothing = max(earlier[1] + worth(left, 0, knobs), earlier[0] + worth(left, k, knobs))
        if value[names.index(q)] <= nothing + TOLERANCE:
            break
        clicked, left = after(left, choices[q], knobs.error, knobs.others)
        earlier = (
            earlier[0] + worth(clicked, 0, knobs),
            max(earlier[1] + worth(clicked, 0, knobs), earlier[0] + worth(clicked, k, knobs)),
        )
        asked.append(q)
        clicks.append(clicked)
        free.discard(q)
    items: list[int] = []
    for _ in range(k):
        candidates = [item for item in order if item not in items and mass[item] > 0]
        chances = [sum(value for item, value in click.items() if item not in items) for click in clicks]
        gains = []
        for item in candidates:
            gain = mass[item]
            for branch in [*clicks, left]:
                rest = {i: v for i, v in branch.items() if i not in items}
                without = {i: v for i, v in rest.items() if i != item}
                gain += worth(without, 0, knobs) - worth(rest, 0, knobs)
            ranked = ranked_list(mass, [*items, item], chances, knobs.targets)
            gains.append(gain + knobs.click("item", ranked.index(("item", item)) + 1) * mass[item])
        if candidates:
            items.append(candidates[first_best(gains)])
    return items, asked


@dataclass
class Player:
    """One session. `queries` maps query slots, ascending, to the candidates that contain them."""

    scores: dict[int, float]
    queries: dict[int, frozenset[int]]
    rounds: int
    n: int
    temperature: float = 1.0
    error: float = 0.0
    others: float = 0.0
    targets: float = 1.0
    click_weight: float = 0.0
    discount: float = 1.0
    forgetting: float = 0.0
    beam: int = 4
    logit: dict[int, float] = field(init=False)

    def __post_init__(self) -> None:
        self.logit = {item: score / self.temperature for item, score in self.scores.items()}
        groups: dict[frozenset[int], int] = {}
        for slot, items in self.queries.items():
            if 0 < len(items) < len(self.scores):
                groups.setdefault(items, slot)
        self.slots = sorted(groups.values())
        self.choices = [self.queries[slot] for slot in self.slots]
        self.shown: set[int] = set()
        self.round = 0

    def recommend(self) -> list[int]:
        left = {item: value for item, value in self.logit.items() if item not in self.shown}
        belief = softmax(left) if left else {}
        after = self.rounds - self.round - 1
        paid = self.click_weight * (self.rounds - self.round) / self.rounds  # in full at first, then less
        rates = {"rate": paid / self.rounds, "ending": paid / (self.round + 1)}
        knobs = Knobs(
            self.n, after, self.error, self.others, self.discount, targets=self.targets, beam=self.beam, **rates
        )
        free = {q for q, slot in enumerate(self.slots) if slot not in self.shown}
        _, items, asked = plan(belief, self.choices, free, knobs)
        return self._ordered(belief, left, items, asked)

    def _ordered(self, belief, left, items, asked) -> list[int]:  # type: ignore[no-untyped-def]
        """By falling probability of a click, queries first among equals and in their own order; filled up."""
        mass = {item: value if value >= VANISHED else 0.0 for item, value in belief.items()}
        clicks = []
        for q in asked:
            clicked, mass = after(mass, self.choices[q], self.error, self.others)
            clicks.append(sum(value for item, value in clicked.items() if item not in items))
        ranked = ranked_list(belief, items, clicks, self.targets)
        shown = [entry if kind == "item" else self.slots[asked[entry]] for kind, entry in ranked]
        rest = sorted((item for item in left if item not in shown), key=lambda item: (-left[item], item))
        rest += [slot for slot in self.queries if slot not in self.shown and slot not in shown]
        return (shown + rest)[: self.n]

    def update(self, shown: Sequence[int], clicked: int | None) -> None:
        self.round += 1
        self.shown |= set(shown)
        wrong = max(self.error, LEAST)
        for node in shown:
            if node in self.scores:
                for item in self.logit:
                    self.logit[item] += math.log(1 - LEAST if (item == node) == (node == clicked) else LEAST)
        for node in shown:
            if node in self.scores:
                continue
            if clicked in self.scores or (clicked is not None and shown.index(node) > shown.index(clicked)):
                continue  # a target item is clicked whatever the queries say; below a click nothing is said
            known = softmax(self.logit)
            if self.forgetting:  # others are wanted of what can still be shown
                known = {item: 0.0 if item in self.shown else value for item, value in known.items()}
            yes = click_probability(known, self.queries[node], wrong, self.others)
            for item in self.logit:
                self.logit[item] += math.log(yes[item] if node == clicked else 1 - yes[item])
        if self.forgetting:
            share = self.forgetting / len(self.logit)
            self.logit = {
                item: math.log((1 - self.forgetting) * value + share) for item, value in softmax(self.logit).items()
            }


def enumerate_lists(items: Sequence[int], n_choices: int, n: int) -> Iterable[tuple[tuple[int, ...], tuple[int, ...]]]:
    """All lists of up to n different items and choices: item sets as tuples, choices in order."""
    for k in range(n + 1):
        for chosen in product(items, repeat=k):
            if list(chosen) == sorted(set(chosen)):
                for asked in product(range(n_choices), repeat=n - k):
                    if len(set(asked)) == len(asked):
                        yield chosen, asked

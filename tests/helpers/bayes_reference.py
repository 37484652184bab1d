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


def list_value(
    mass: Mapping[int, float],
    items: Iterable[int],
    asked: Sequence[frozenset[int]],
    m: int,
    error: float,
    others: float,
) -> float:
    """P(target among the items) + the m best after every answer to the queries."""
    shown = set(items)
    total, left = sum(mass[item] for item in shown), dict(mass)
    for query in asked:
        clicked, left = after(left, query, error, others)
        total += best({item: value for item, value in clicked.items() if item not in shown}, m)
    return total + best({item: value for item, value in left.items() if item not in shown}, m)


def first_best(values: Sequence[float]) -> int:
    return next(place for place, value in enumerate(values) if value >= max(values) - TOLERANCE)


def plan(
    belief: Mapping[int, float], choices: Sequence[frozenset[int]], free: set[int], n: int, m: int, error: float,
    others: float, beam: int = 1,
) -> tuple[float, list[int], list[int]]:  # fmt: skip
    """`(value, items, choices asked)` of the best list; `choices` in the order of their slots."""
    mass = {item: value if value >= VANISHED else 0.0 for item, value in belief.items()}
    order = sorted(mass, key=lambda item: (-belief[item], item))
    alive = [item for item in order if mass[item] > 0]
    found = [(best(mass, n + m), order[:n], [])]
    if len(alive) > n + m and m > 0 and free:
        for k in range(n - 1, -1, -1):
            lists = _with_items(mass, order, choices, free, n, m, error, others, k, beam)
            values = [list_value(mass, items, [choices[q] for q in asked], m, error, others) for items, asked in lists]
            place = first_best(values)
            found.append((values[place], *lists[place]))
    return found[first_best([value for value, _, _ in found])]


def _with_items(mass, order, choices, free, n, m, error, others, k, beam) -> list[tuple[list[int], list[int]]]:  # type: ignore[no-untyped-def]
    starts = [None]
    if n - k > 1 and beam > 1:
        scored = [(_worth(mass, choices[q], (0.0, 0.0), m, k, error, others), q) for q in sorted(free)]
        scored.sort(key=lambda pair: (-round(pair[0] / TOLERANCE), pair[1]))
        starts = [q for _, q in scored[:beam]]
    return [_one_list(mass, order, choices, set(free), n, m, error, others, k, start) for start in starts]


def _worth(mass, query, earlier, m, k, error, others) -> float:  # type: ignore[no-untyped-def]
    """Both answers, the k places given to one of the answers or to an earlier one."""
    clicked, refused = after(mass, query, error, others)
    return max(
        earlier[1] + best(clicked, m) + best(refused, m),
        earlier[0] + best(clicked, m + k) + best(refused, m),
        earlier[0] + best(clicked, m) + best(refused, m + k),
    )


def _one_list(mass, order, choices, free, n, m, error, others, k, start) -> tuple[list[int], list[int]]:  # type: ignore[no-untyped-def]
    left, earlier, asked, clicks = dict(mass), (0.0, 0.0), [], []
    for place in range(n - k):
        if not free:
            break
        names = sorted(free)
        worth = [_worth(left, choices[q], earlier, m, k, error, others) for q in names]
        q = start if place == 0 and start is not None else names[first_best(worth)]
        nothing = max(earlier[1] + best(left, m), earlier[0] + best(left, m + k))
        if worth[names.index(q)] <= nothing + TOLERANCE:
            break
        clicked, left = after(left, choices[q], error, others)
        earlier = (
            earlier[0] + best(clicked, m),
            max(earlier[1] + best(clicked, m), earlier[0] + best(clicked, m + k)),
        )
        asked.append(q)
        clicks.append(clicked)
        free.discard(q)
    items: list[int] = []
    for _ in range(k):
        candidates = [item for item in order if item not in items and mass[item] > 0]
        gains = []
        for item in candidates:
            gain = mass[item]
            for branch in [*clicks, left]:
                rest = {i: v for i, v in branch.items() if i not in items}
                without = {i: v for i, v in rest.items() if i != item}
                gain += best(without, m) - best(rest, m)
            gains.append(gain)
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
    depth: int = 0
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
        rounds_left = self.rounds - self.round - 1
        m = max((self.n * (rounds_left - a) * 2**a for a in range(min(self.depth, rounds_left) + 1)), default=0)
        free = {q for q, slot in enumerate(self.slots) if slot not in self.shown}
        _, items, asked = plan(belief, self.choices, free, self.n, m, self.error, self.others, self.beam)
        return self._ordered(belief, left, items, asked)

    def _ordered(self, belief, left, items, asked) -> list[int]:  # type: ignore[no-untyped-def]
        """By falling probability of a click, queries first among equals and in their own order; filled up."""
        mass = {item: value if value >= VANISHED else 0.0 for item, value in belief.items()}
        entries, lowest = [], math.inf
        for place, q in enumerate(asked):
            clicked, mass = after(mass, self.choices[q], self.error, self.others)
            lowest = min(lowest, sum(value for item, value in clicked.items() if item not in items))
            entries.append((-lowest, 0, place, self.slots[q]))
        entries += [(-belief[item], 1, place, item) for place, item in enumerate(items)]
        shown = [slot for *_, slot in sorted(entries)]
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
            yes = click_probability(softmax(self.logit), self.queries[node], wrong, self.others)
            for item in self.logit:
                self.logit[item] += math.log(yes[item] if node == clicked else 1 - yes[item])


def enumerate_lists(items: Sequence[int], n_choices: int, n: int) -> Iterable[tuple[tuple[int, ...], tuple[int, ...]]]:
    """All lists of up to n different items and choices: item sets as tuples, choices in order."""
    for k in range(n + 1):
        for chosen in product(items, repeat=k):
            if list(chosen) == sorted(set(chosen)):
                for asked in product(range(n_choices), repeat=n - k):
                    if len(set(asked)) == len(asked):
                        yield chosen, asked

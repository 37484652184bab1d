"""The most that any policy can reach, by exhaustive search: for tiny cases, as a test oracle and a limit.

One target is drawn from a belief over at most some eight items; a truthful user answers (Definition D.1). What is
known after any answers is which items are still possible, so a state is that set, the queries not shown yet, and the
rounds left. In the last round the N likeliest items are best.

`optimal_value` also knows several targets, users who misjudge queries or leave, and clicks that count. Answers then
rule nothing out, so a state is all that was said: cases have to be tinier still.
"""

from collections.abc import Sequence
from itertools import combinations, permutations

import numpy as np

from magus_pyg.errors import SessionError

__all__ = ["MOST_ITEMS", "TinyCase", "optimal_success", "optimal_value"]

MOST_ITEMS = 12
"""The most items; the search grows with 2**items and with the number of lists."""


def optimal_success(belief: Sequence[float], queries: Sequence[frozenset[int]], rounds: int, list_length: int) -> float:
    """The highest probability with which a policy gets the target clicked within the rounds.

    Args:
        belief: the probability of each item to be the target.
        queries: the items that contain each query, numbered as in `belief`. A node is shown at most once.
        rounds: K, at least 1.
        list_length: N, 1 or 2 in reasonable time.

    Returns:
        A probability.

    Raises:
        SessionError: more than `MOST_ITEMS` items, rounds or list_length below 1, or a query with an unknown item.
    """
    n = len(belief)
    if n > MOST_ITEMS:
        raise SessionError(f"the optimal policy is searched for at most {MOST_ITEMS} items, got {n}")
    if rounds < 1 or list_length < 1:
        raise SessionError(f"rounds and list_length must be at least 1, got {rounds} and {list_length}")
    for query in queries:
        if not all(0 <= item < n for item in query):
            raise SessionError(f"the query {sorted(query)} holds an item outside 0..{n - 1}")
    masks = [sum(1 << item for item in query) for query in queries]
    search = _Search(belief, list_length)
    return search.value((1 << n) - 1, tuple(sorted(masks)), rounds)


class _Search:
    """Sets of items as bits. `value(possible, queries, rounds)` is not divided by the probability of `possible`."""

    def __init__(self, belief: Sequence[float], list_length: int) -> None:
        self.length = list_length
        self.mass = [0.0] * (1 << len(belief))
        self.count = [0] * (1 << len(belief))
        for items in range(1, len(self.mass)):
            lowest = (items & -items).bit_length() - 1
            self.mass[items] = self.mass[items & (items - 1)] + belief[lowest]
            self.count[items] = self.count[items & (items - 1)] + 1
        self.by_mass = sorted(range(len(belief)), key=lambda item: -belief[item])
        self.known: dict[tuple[int, tuple[int, ...], int], float] = {}

    def value(self, possible: int, queries: tuple[int, ...], rounds: int) -> float:
        """The probability that the target is in `possible` and gets clicked; `queries` have not been shown."""
        if self.count[possible] <= self.length * rounds:
            return self.mass[possible]
        # Only what a query says about the items still possible counts.
        split = tuple(sorted(q & possible for q in queries if 0 < self.count[q & possible] < self.count[possible]))
        if rounds == 1 or not split:
            return self.mass[self._best(possible, self.length * rounds)]
        key = (possible, split, rounds)
        if key not in self.known:
            self.known[key] = max(
                self._list_value(possible, split, rounds, items, asked)
                for n_items in range(min(self.length, self.count[possible]) + 1)
                for items in self._subsets(possible, n_items)
                for asked in _orders(split, self.length - n_items)
            )
        return self.known[key]

    def _list_value(
        self, possible: int, queries: tuple[int, ...], rounds: int, items: int, asked: tuple[int, ...]
    ) -> float:
        """A list: its items are clicked first, then the first query that contains the target, else nothing."""
        total = self.mass[items]
        left = possible & ~items
        remaining = list(queries)
        for query in asked:
            remaining.remove(query)
        unshown = tuple(remaining)
        for query in asked:
            total += self.value(left & query, unshown, rounds - 1)
            left &= ~query
        return total + self.value(left, unshown, rounds - 1)

    def _best(self, possible: int, n: int) -> int:
        chosen = [item for item in self.by_mass if possible >> item & 1][:n]
        return sum(1 << item for item in chosen)

    def _subsets(self, possible: int, n: int) -> list[int]:
        items = [item for item in self.by_mass if possible >> item & 1]
        return [sum(1 << item for item in chosen) for chosen in combinations(items, n)]


def _orders(queries: tuple[int, ...], n: int) -> list[tuple[int, ...]]:
    """Lists of up to n queries, every order once. Fewer than n leave room for a node that says nothing."""
    return sorted({order for size in range(n + 1) for order in permutations(queries, size)})


class TinyCase:
    """A session of some items whose user misjudges queries with some probability and may leave after any round.

    What is shown are nodes: items 0..n-1, then the queries. A list is answered by Definition D.1: the first of its
    items that is a target is clicked, else the first query that seems to be part of a target, else nothing.

    Args:
        wanted: the probability of every set of targets.
        n_items: how many items there are.
        queries: the items that contain each query.
        list_length: N.
        error: the chance that a query that is part of a target seems to be none, and the other way round.
        leaves: the chance to leave after a round.
        click_rate: what a click at the top of a list is worth beside success; at place b it is that over log2(b + 1).
    """

    def __init__(
        self,
        wanted: Sequence[tuple[float, frozenset[int]]],
        n_items: int,
        queries: Sequence[frozenset[int]],
        list_length: int,
        error: float = 0.0,
        leaves: float = 0.0,
        click_rate: float = 0.0,
    ) -> None:
        self.prior = np.array([chance for chance, _ in wanted])
        self.n_items, self.length, self.stays, self.rate = n_items, list_length, 1.0 - leaves, click_rate
        part = [[item in targets for _, targets in wanted] for item in range(n_items)]
        part += [[bool(query & targets) for _, targets in wanted] for query in queries]
        self.part = np.array(part).reshape(n_items + len(queries), len(wanted))
        self.error = error

    def answered(self, shown: Sequence[int]) -> tuple[np.ndarray, list[tuple[int, np.ndarray]]]:
        """What a list gives at once by set of targets, and the answers after which the session goes on: the place of
        the clicked query, or -1, with their probability by set of targets."""
        left = np.ones(len(self.prior))
        gain = np.zeros(len(self.prior))
        for place, node in enumerate(shown):
            if node < self.n_items:
                clicked = left * self.part[node]
                gain += clicked * (1.0 + self.rate / np.log2(place + 2))
                left = left - clicked
        goes_on = []
        for place, node in enumerate(shown):
            if node >= self.n_items:
                clicked = left * np.where(self.part[node], 1.0 - self.error, self.error)
                gain += clicked * self.rate / np.log2(place + 2)
                goes_on.append((place, clicked))
                left = left - clicked
        return gain, [*goes_on, (-1, left)]


def optimal_value(case: TinyCase, rounds: int) -> float:
    """The highest expected success and worth of clicks that any policy of full lists reaches within the rounds.

    Args:
        case: the session; its time grows with (nodes ** N) ** rounds.
        rounds: K, at least 1.
    """
    n_nodes = len(case.part)
    lists = list(permutations(range(n_nodes), min(case.length, n_nodes)))
    answered = [case.answered(shown) for shown in lists]
    gains = np.stack([gain for gain, _ in answered])
    holds = np.zeros((len(lists), n_nodes), dtype=bool)
    for number, shown in enumerate(lists):
        holds[number, list(shown)] = True

    def value(weight: np.ndarray, shown: np.ndarray, left: int) -> float:
        """`weight`: the probability of each set of targets and of all that was said."""
        if weight.sum() < 1e-15:
            return 0.0
        free = ~(holds & shown).any(1)
        if not free.any():
            return 0.0
        now = gains @ weight
        if left == 1:
            return float(now[free].max())
        return max(
            float(now[number])
            + case.stays
            * sum(value(weight * chance, shown | holds[number], left - 1) for _, chance in answered[number][1])
            for number in np.flatnonzero(free)
        )

    return value(case.prior, np.zeros(n_nodes, dtype=bool), rounds)

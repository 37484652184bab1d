"""The most that any policy can reach, by exhaustive search: for tiny cases, as a test oracle and a limit.

One target is drawn from a belief over at most some eight items; a truthful user answers (Definition D.1). What is
known after any answers is which items are still possible, so a state is that set, the queries not shown yet, and the
rounds left. In the last round the N likeliest items are best.
"""

from collections.abc import Sequence
from itertools import combinations, permutations

from magus_pyg.errors import SessionError

__all__ = ["MOST_ITEMS", "optimal_success"]

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

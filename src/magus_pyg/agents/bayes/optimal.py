"""The most that any policy can reach, by exhaustive search: for tiny cases, as a test oracle and a limit.

One target is drawn from a belief over at most some eight items; a truthful user answers (Definition D.1). What is
known after any answers is which items are still possible, so a state is that set, the queries not shown yet, and the
rounds left. In the last round the N likeliest items are best.

`optimal_value` also knows several targets, users who misjudge queries or leave, and clicks that count. Answers then
rule nothing out, so a state is all that was said: cases have to be tinier still. All states of a round are searched
together.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations, permutations

import numpy as np

from magus_pyg.errors import SessionError

__all__ = ["MOST_ITEMS", "TinyAnswers", "TinyCase", "optimal_success", "optimal_value"]

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


@dataclass(frozen=True)
class TinyAnswers:
    """How L lists are answered, by set of targets.

    Attributes:
        hit: float [L, S], the chance that one of the items is clicked.
        worth: float [L, S], the same times 1 / log2(place + 1) of the click.
        chance: float [L, A, S], the chance of every answer after which the session goes on: a click on the query at
            place 1..N, then none; 0 where an item stands there.
        gain: float [A], 1 / log2(place + 1) of these clicks, and 0.
    """

    hit: np.ndarray
    worth: np.ndarray
    chance: np.ndarray
    gain: np.ndarray


class TinyCase:
    """A session of some items whose user misjudges queries with some probability and may leave after any round.

    What is shown are nodes: items 0..n-1, then the queries. A list is answered by Definition D.1: the first of its
    items that is a target is clicked, else the first query that seems to be part of a target, else nothing. A session
    is worth 1 for the click on a target item, and the click weight times RA: the mean of 1 / log2(b + 1), b the
    position of the click, over the rounds that are played.

    Args:
        wanted: the probability of every set of targets.
        n_items: how many items there are.
        queries: the items that contain each query.
        list_length: N.
        error: the chance that a query that is part of a target seems to be none, and the other way round.
        leaves: the chance to leave after a round.
        click_weight: α, what RA is worth beside success.
    """

    def __init__(
        self,
        wanted: Sequence[tuple[float, frozenset[int]]],
        n_items: int,
        queries: Sequence[frozenset[int]],
        list_length: int,
        error: float = 0.0,
        leaves: float = 0.0,
        click_weight: float = 0.0,
    ) -> None:
        self.prior = np.array([chance for chance, _ in wanted])
        self.n_items, self.length = n_items, list_length
        self.error, self.leaves, self.click_weight = error, leaves, click_weight
        part = [[item in targets for _, targets in wanted] for item in range(n_items)]
        part += [[bool(query & targets) for _, targets in wanted] for query in queries]
        self.part = np.array(part).reshape(n_items + len(queries), len(wanted))

    def answers(self, lists: np.ndarray) -> TinyAnswers:
        """How lists are answered.

        Args:
            lists: int [L, N'], nodes; a list may be shorter than N.
        """
        shape = (len(lists), len(self.prior))
        gain = 1.0 / np.log2(np.arange(lists.shape[1]) + 2.0)
        left, hit, worth = np.ones(shape), np.zeros(shape), np.zeros(shape)
        is_item = (lists < self.n_items)[:, :, None]
        fits = self.part[lists]  # [L, N', S]
        for place in range(lists.shape[1]):
            clicked = left * (is_item[:, place] & fits[:, place])
            hit, worth, left = hit + clicked, worth + clicked * gain[place], left - clicked
        chance = np.zeros((shape[0], lists.shape[1] + 1, shape[1]))
        for place in range(lists.shape[1]):
            seems = np.where(fits[:, place], 1.0 - self.error, self.error)
            chance[:, place] = left * np.where(is_item[:, place], 0.0, seems)
            left = left - chance[:, place]
        chance[:, -1] = left
        return TinyAnswers(hit, worth, chance, np.append(gain, 0.0))

    def round_value(
        self, answers: TinyAnswers, weight: np.ndarray, before: np.ndarray, turn: int, rounds: int
    ) -> np.ndarray:
        """What ends in a round is worth: after a click on a target, by leaving, or since it is the last one.

        Args:
            answers: to the lists of H states.
            weight: float [H, S], the probability of each state and set of targets.
            before: float [H], the sum of 1 / log2(b + 1) over the clicks of the rounds before.
            turn: the round, from 1.
            rounds: K.

        Returns:
            float [H].
        """
        share = self.click_weight / turn
        hits = ((1.0 + share * before[:, None]) * answers.hit + share * answers.worth) * weight
        ends = (answers.chance * weight[:, None]).sum(2) * share * (before[:, None] + answers.gain)
        value: np.ndarray = hits.sum(1) + (1.0 if turn == rounds else self.leaves) * ends.sum(1)
        return value


def optimal_value(case: TinyCase, rounds: int) -> float:
    """The highest expected value of a session that any policy of full lists reaches within the rounds.

    Args:
        case: the session; time and memory grow with (nodes ** N) ** rounds.
        rounds: K, at least 1.
    """
    n_nodes = len(case.part)
    lists = np.array(list(permutations(range(n_nodes), min(case.length, n_nodes))))
    answers = case.answers(lists)
    holds = np.zeros((len(lists), n_nodes), dtype=bool)
    np.put_along_axis(holds, lists, True, 1)

    def value(weight: np.ndarray, shown: np.ndarray, before: np.ndarray, turn: int) -> np.ndarray:
        """[H]; `weight` [H, S] is the probability of each set of targets and of all that was said."""
        free: np.ndarray = (shown[:, None] & holds).sum(2) == 0
        state, chosen = np.nonzero(free)
        there = TinyAnswers(answers.hit[chosen], answers.worth[chosen], answers.chance[chosen], answers.gain)
        total = case.round_value(there, weight[state], before[state], turn, rounds)
        if turn < rounds:
            after = weight[state][:, None] * there.chance  # [P, A, S]
            pair, answer = np.nonzero(after.sum(2) > 0.0)
            seen = (shown[state] | holds[chosen])[pair]
            later = value(after[pair, answer], seen, before[state][pair] + answers.gain[answer], turn + 1)
            total = total + (1.0 - case.leaves) * np.bincount(pair, later, minlength=len(total))
        # Where all nodes were shown, the rounds that are left bring no click.
        best: np.ndarray = case.click_weight * before * weight.sum(1) / rounds
        best[free.any(1)] = -np.inf
        np.maximum.at(best, state, total)
        return best

    first = value(case.prior[None], np.zeros((1, n_nodes), dtype=bool), np.zeros(1), 1)
    return float(first[0])

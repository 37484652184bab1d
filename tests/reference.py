"""A slow, literal reading of Definition 3.1, Eqs. (2)-(9) and the record metrics, in sets, dicts and fractions.

Nothing here comes from the package: what the fast code computes is compared with this. Nodes are numbered as the
package promises: the items in the order of the table, then the queries by size, then by words.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import combinations

Word = tuple[str, str]
IMPROVES, INHIBITS, INDEPENDENT = "+", "-", "⊥"


# ---------------------------------------------------------------- words and nodes (Definition 3.1, App. C.2)


def words_of_rows(
    rows: Sequence[dict[str, object]],
    word_fields: Sequence[str],
    merge_fields: dict[str, list[str]] | None = None,
    max_share: float = 1.0,
) -> list[frozenset[Word]]:
    """The set of (field, value) words of every row."""
    groups = field_groups(word_fields, merge_fields)
    found = []
    for row in rows:
        words = set()
        for name, columns in groups.items():
            for column in columns:
                text = row[column]
                if isinstance(text, str):
                    words |= {(name, value.strip()) for value in text.split("|") if value.strip()}
        found.append(frozenset(words))
    every = set().union(*found) if found else set()
    common = {word for word in every if sum(word in words for words in found) / len(found) > max_share}
    return [words - common for words in found]


def field_groups(word_fields: Sequence[str], merge_fields: dict[str, list[str]] | None = None) -> dict[str, list[str]]:
    """Merged or single field -> its columns, in the order in which their words are numbered."""
    groups: dict[str, list[str]] = {}
    for column in word_fields:
        merged = [name for name, members in (merge_fields or {}).items() if column == name or column in members]
        name = merged[0] if merged else column
        groups.setdefault(name, list((merge_fields or {}).get(name, [column])))
    return groups


@dataclass(frozen=True)
class Node:
    """An item (its words plus itself) or a query (its words alone)."""

    words: frozenset[Word]
    item: int | None = None

    @property
    def is_item(self) -> bool:
        return self.item is not None


def catalogue_nodes(
    item_words: Sequence[frozenset[Word]],
    fields: Sequence[str],
    max_words: int = 3,
    searched: Iterable[Iterable[Word]] = (),
) -> list[Node]:
    """All nodes in their promised order; `fields` is the order of the (merged) fields."""

    def order(words: frozenset[Word]) -> tuple[int, list[tuple[int, str]]]:
        return len(words), sorted((list(fields).index(name), value) for name, value in words)

    queries = {
        frozenset(chosen)
        for words in item_words
        for size in range(1, max_words + 1)
        for chosen in combinations(sorted(words), size)
    }
    for query in searched:
        if query and any(frozenset(query) <= words for words in item_words):
            queries.add(frozenset(query))
    items = [Node(words, position) for position, words in enumerate(item_words)]
    return items + [Node(words) for words in sorted(queries, key=order)]


def part_of(part: Node, whole: Node) -> bool:
    """Whether one node is strictly part of another; an item is part of nothing but itself."""
    if part.is_item:
        return False
    return part.words <= whole.words if whole.is_item else part.words < whole.words


def contains(item: Node, node: Node) -> bool:
    """Whether an item contains a node, itself included."""
    return item == node if node.is_item else node.words <= item.words


def relation(u: Node, v: Node, pool: Iterable[Node], relations: str = "definition") -> str:
    """The relation of two distinct nodes; `pool` are the items that may contain both."""
    if part_of(u, v) or part_of(v, u):
        return IMPROVES
    if relations == "fields":  # App. C.3: the same field inhibits, other fields are independent
        shared = {name for name, _ in u.words} & {name for name, _ in v.words}
        return INHIBITS if shared else INDEPENDENT
    together = any(contains(item, u) and contains(item, v) for item in pool)
    if relations == "swapped":  # the numbered three scenarios
        together = not together
    return INDEPENDENT if together else INHIBITS


# ---------------------------------------------------------------- a session (Eqs. 2-9)


@dataclass
class Options:
    """The switches of the readings; the defaults are the package's."""

    relations: str = "definition"
    scope: str = "session"
    hops: int = 1
    searched: str = "lift"
    clamp: bool = False
    negative: str = "zero"
    unclicked: str = "zero"
    minus_scale: Fraction | float = 1
    propagation: str = "paper"
    mixing: Fraction | float = Fraction(1, 2)


@dataclass
class Round:
    """One round: the normalised scores before listing, the list and the answer."""

    scores: dict[int, Fraction]
    shown: list[int]
    clicked: int | None
    not_care: list[int] = field(default_factory=list)


class Session:
    """One session, step by step.

    Args:
        nodes: the whole catalogue's nodes.
        candidates: item nodes.
        scores: the base score of each candidate.
        searched: query nodes the user searched.
    """

    def __init__(
        self,
        nodes: Sequence[Node],
        candidates: Sequence[int],
        scores: Sequence[float],
        options: Options | None = None,
        searched: Sequence[int] = (),
    ) -> None:
        self.options = options or Options()
        self.catalogue = nodes
        pool = [nodes[item] for item in candidates]
        queries = [n for n, node in enumerate(nodes) if not node.is_item and any(contains(i, node) for i in pool)]
        self.members = sorted(candidates) + queries
        if self.options.scope == "catalogue":
            pool = [node for node in nodes if node.is_item]
        self.relation = {
            (u, v): relation(nodes[u], nodes[v], pool, self.options.relations)
            for u in self.members
            for v in self.members
            if u != v
        }
        self.base = normalise({item: Fraction(score) for item, score in zip(candidates, scores, strict=True)})  # Eq. 2
        self.searched = [query for query in searched if query in self.members]
        self.shown: set[int] = set()
        self.y = self._guess()
        self.first = normalise(self.y)
        self.labels: dict[int, Fraction] = {}  # of all answered nodes, for the normalised propagation

    def is_item(self, node: int) -> bool:
        return self.catalogue[node].is_item

    def _guess(self) -> dict[int, Fraction]:
        """Eqs. (2), (4) and (5)."""
        y = {v: self.base.get(v, Fraction(0)) for v in self.members}
        beta = Fraction(self.options.minus_scale)
        for _ in range(self.options.hops):  # Eq. 4, one synchronous pass a hop
            before = dict(y)
            for receiver in self.members:
                if self.is_item(receiver):
                    continue
                for source in self.members:
                    if source == receiver:
                        continue
                    kind = self.relation[receiver, source]
                    if kind == IMPROVES and part_of(self.catalogue[receiver], self.catalogue[source]):
                        y[receiver] += before[source]
                    elif kind == INHIBITS:
                        y[receiver] -= beta * before[source]
        others = [y[v] for v in self.members if not self.is_item(v) and v not in self.searched]
        if others:  # Eq. 5; over an empty set it changes nothing
            bound = max(others) if self.options.searched == "lift" else min(others)
            for v in self.searched:
                y[v] = max(min(bound, Fraction(1)), y[v])
        return y

    def normalise(self) -> None:
        """Eq. (6), over all nodes of the session, shown ones too."""
        self.y = normalise(self.y)

    def ranking(self) -> list[int]:
        """Nodes not shown yet, best first: by score, then base score (queries have 0), then node."""
        fresh = [v for v in self.members if v not in self.shown]
        return sorted(fresh, key=lambda v: (-self.y[v], -self.base.get(v, Fraction(0)), v))

    def update(self, shown: Sequence[int], clicked: int | None, not_care: Sequence[int] = ()) -> None:
        """Eqs. (8) and (9) after a list was answered."""
        self.shown |= set(shown)
        options = self.options
        refused = [v for v in shown if v != clicked and v not in not_care]
        if clicked is not None and options.unclicked == "unknown":
            after = shown[shown.index(clicked) + 1 :]
            refused = [v for v in refused if v not in after or self.is_item(v)]
        message = {v: Fraction(0) for v in refused}
        if options.negative != "zero":
            message = {v: Fraction(-1) for v in refused}
        settled = set(refused)
        if clicked is not None:
            message[clicked] = Fraction(1)
            settled.add(clicked)
        if options.propagation == "normalised":
            self.labels |= {v: Fraction(int(v == clicked)) for v in settled}
            self.y = self._mixed()
            return

        y = dict(self.y)
        for v in settled:  # Eq. 8
            y[v] = Fraction(1) if v == clicked else Fraction(0)
        for receiver in self.members:  # Eq. 9
            if receiver in settled:
                continue
            for source, sent in message.items():
                kind = self.relation[receiver, source]
                if kind == IMPROVES and part_of(self.catalogue[source], self.catalogue[receiver]):
                    y[receiver] += sent
                elif kind == INHIBITS and (sent > 0 or options.negative == "signed_both"):
                    y[receiver] -= sent
            if options.clamp:
                y[receiver] = max(Fraction(0), min(Fraction(1), y[receiver]))
        self.y = y

    def _mixed(self) -> dict[int, Fraction]:
        """λSY + (1 - λ)Y(0) of App. B.3, answered nodes held at their labels; square roots are rounded to floats."""
        sign = {pair: {IMPROVES: 1, INHIBITS: -1}.get(kind, 0) for pair, kind in self.relation.items()}
        degree = {v: sum(abs(sign[v, u]) for u in self.members if u != v) for v in self.members}
        before = self.y | self.labels
        mixing = Fraction(self.options.mixing)
        y = {}
        for v in self.members:
            joined = [u for u in self.members if u != v and sign[v, u]]
            spread = sum(sign[v, u] * before[u] * Fraction(1 / math.sqrt(degree[v] * degree[u])) for u in joined)
            y[v] = mixing * spread + (1 - mixing) * self.first[v]
        return y | self.labels


def normalise(values: dict[int, Fraction]) -> dict[int, Fraction]:
    """Min-max; a constant becomes zeros."""
    if not values:
        return {}
    low, high = min(values.values()), max(values.values())
    return {key: (value - low) / (high - low) if high > low else Fraction(0) for key, value in values.items()}


# ---------------------------------------------------------------- the user and the play


def truthful_answer(nodes: Sequence[Node], shown: Sequence[int], targets: Iterable[int]) -> int | None:
    """The first target of a list, else its first query that is part of a target, else nothing."""
    wanted = list(targets)
    for node in shown:
        if node in wanted:
            return node
    for node in shown:
        if not nodes[node].is_item and any(part_of(nodes[node], nodes[target]) for target in wanted):
            return node
    return None


def not_care_queries(nodes: Sequence[Node], shown: Sequence[int], targets: Iterable[int]) -> list[int]:
    """The shown queries that are part of at least two targets (App. D.1)."""
    wanted = list(targets)
    return [
        q for q in shown if not nodes[q].is_item and sum(part_of(nodes[q], nodes[target]) for target in wanted) >= 2
    ]


def play(
    nodes: Sequence[Node],
    candidates: Sequence[int],
    scores: Sequence[float],
    targets: Sequence[int],
    rounds: int,
    list_length: int,
    options: Options | None = None,
    searched: Sequence[int] = (),
    not_care: bool = False,
    order: Callable[[Session], list[int]] = Session.ranking,
) -> list[Round]:
    """Play one session with a truthful user (or one who answers Not Care) until a target is clicked."""
    session = Session(nodes, candidates, scores, options, searched)
    played = []
    for _ in range(rounds):
        session.normalise()
        shown = order(session)[:list_length]
        ignored = not_care_queries(nodes, shown, targets) if not_care else []
        clicked = truthful_answer(nodes, [v for v in shown if v not in ignored], targets)
        played.append(Round(dict(session.y), shown, clicked, ignored))
        if clicked in targets:
            break
        session.update(shown, clicked, ignored)
    return played


def items_only(session: Session) -> list[int]:
    """The order of the agent that lists the best items and no queries."""
    fresh = [item for item in session.base if item not in session.shown]
    return sorted(fresh, key=lambda v: (-session.base[v], v))


# ---------------------------------------------------------------- metrics of one session


def ra_at(played: Sequence[Round], k: int) -> float:
    """The mean over the rounds played up to k of 1 / log2(b + 1) for a click at position b, else 0."""
    gains = [0.0 if r.clicked is None else 1 / math.log2(r.shown.index(r.clicked) + 2) for r in played[:k]]
    return sum(gains) / len(gains)


def sa_at(played: Sequence[Round], targets: Sequence[int], k: int) -> int:
    """Whether a target was clicked by round k."""
    return int(any(r.clicked is not None and r.clicked in targets for r in played[:k]))


def sac(played_by_items: Sequence[Round], targets: Sequence[int]) -> int:
    """Whether the first list of the items agent holds a target."""
    return int(any(node in targets for node in played_by_items[0].shown))

"""What a session is: what it began with and what was said, by item ids and words, as plain JSON.

Lists are computed from it, never stored, so a state outlives processes, other node numbers, and items that came or
went.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from zlib import crc32

from torch_geometric.data import HeteroData

from magus_pyg.errors import SessionError
from magus_pyg.graph import Word, item_id_of, n_items, query_node, words_of
from magus_pyg.online.node_play import Told, by_liking
from magus_pyg.simulation.answers import AnsweredList
from magus_pyg.simulation.loop import check_lengths

__all__ = ["Beginning", "Named", "NamedAnswer", "NamedTold", "SessionState", "find_named", "named", "told_parts"]

_FORMAT = "magus_pyg session 1"
_WITNESSES = 8
"""Items of the catalogue that are kept, to tell it from another one, which may share some of their ids."""

Named = str | tuple[Word, ...]
"""An item by its id, or a query by its words."""


@dataclass(frozen=True)
class Beginning:
    """What a session began with.

    Attributes:
        variant: what recommends.
        list_length: N, the length of a list.
        rounds: K, the most rounds.
        candidates: ids of the items to choose from; None for the whole catalogue.
        exclude: ids of items that are not offered.
        searched: the person's searched queries.
        min_items: the fewest items of a list, as long as so many are left.

    Raises:
        SessionError: rounds, list_length or min_items out of range.
    """

    variant: str
    list_length: int
    rounds: int
    candidates: tuple[str, ...] | None = None
    exclude: tuple[str, ...] = ()
    searched: tuple[tuple[Word, ...], ...] = ()
    min_items: int = 1

    def __post_init__(self) -> None:
        check_lengths(self.rounds, self.list_length, self.min_items)
        for name in ("rounds", "list_length", "min_items"):  # NumPy's whole numbers are none for JSON
            object.__setattr__(self, name, int(getattr(self, name)))


@dataclass(frozen=True)
class NamedAnswer:
    """An `AnsweredList` in names.

    Attributes:
        shown: the nodes of the list, in order.
        clicked: the place of the click in it (from 0), None for none.
        not_care: the places of the queries answered Not Care.
    """

    shown: tuple[Named, ...]
    clicked: int | None
    not_care: tuple[int, ...]


@dataclass(frozen=True)
class NamedTold:
    """A `Told` in names."""

    words: tuple[Word, ...]
    liked: tuple[bool, ...]

    def to_dict(self) -> dict[str, Any]:
        """As JSON can hold it: `liked` is one truth value where all words have the same."""
        every = set(self.liked)
        return {"told": _pairs(self.words), "liked": self.liked[0] if len(every) == 1 else list(self.liked)}


@dataclass(frozen=True)
class SessionState:
    """A session in names.

    Attributes:
        beginning: what it began with.
        fields: the word fields of its graph, ascending.
        items: a few items of its graph: ids, and a mark of their words.
        said: what was answered and told, in order.
        is_open: whether a list waited for its answer.
    """

    beginning: Beginning
    fields: tuple[str, ...]
    items: Mapping[str, str]
    said: tuple[NamedAnswer | NamedTold, ...]
    is_open: bool

    @classmethod
    def of(
        cls, graph: HeteroData, beginning: Beginning, history: Sequence[AnsweredList | Told], is_open: bool
    ) -> "SessionState":
        """The state of a session on a graph."""
        said = tuple(_in_names(graph, event) for event in history)
        return cls(beginning, _word_fields(graph), _witnesses(graph), said, is_open)

    def to_dict(self) -> dict[str, Any]:
        """As JSON can hold it."""
        own = self.beginning
        return {
            "format": _FORMAT,
            "variant": own.variant,
            "list_length": own.list_length,
            "rounds": own.rounds,
            "min_items": own.min_items,
            "fields": list(self.fields),
            "items": dict(self.items),
            "candidates": None if own.candidates is None else list(own.candidates),
            "exclude": list(own.exclude),
            "searched": [_pairs(words) for words in own.searched],
            "said": [
                entry.to_dict()
                if isinstance(entry, NamedTold)
                else {
                    "shown": [node if isinstance(node, str) else _pairs(node) for node in entry.shown],
                    "clicked": entry.clicked,
                    "not_care": list(entry.not_care),
                }
                for entry in self.said
            ],
            "open": self.is_open,
        }

    @classmethod
    def read(cls, data: object) -> "SessionState":
        """What `to_dict` gave, perhaps through JSON.

        Raises:
            SessionError: another format, a missing or unknown entry, a wrong type, or a value out of range; named.
        """
        found = _entries(data, "the state", _KEYS)
        if found["format"] != _FORMAT:
            raise SessionError(f"the state has the format {found['format']!r}: this release reads {_FORMAT!r}")
        length, rounds = _number(found["list_length"], "list_length", 1), _number(found["rounds"], "rounds", 1)
        candidates = found["candidates"]
        beginning = Beginning(
            _text(found["variant"], "variant"),
            length,
            rounds,
            None if candidates is None else _texts(candidates, "candidates"),
            _texts(found["exclude"], "exclude"),
            tuple(_words(words, f"searched[{at}]") for at, words in enumerate(_list(found["searched"], "searched"))),
            _number(found["min_items"], "min_items", 0, length),
        )
        said = tuple(_said(entry, f"said[{at}]", length) for at, entry in enumerate(_list(found["said"], "said")))
        is_open = _truth(found["open"], "open")
        state = cls(beginning, _texts(found["fields"], "fields"), _marks(found["items"], "items"), said, is_open)
        state._check_order()
        return state

    def _check_order(self) -> None:
        answers = [entry for entry in self.said if isinstance(entry, NamedAnswer)]
        if len(answers) + self.is_open > self.beginning.rounds:
            given = len(answers) + self.is_open
            raise SessionError(f"the state has {given} lists in a session of {self.beginning.rounds} rounds")
        seen: set[Named] = set()
        for entry in answers:
            twice = seen.intersection(entry.shown)
            if twice or len(set(entry.shown)) < len(entry.shown):
                raise SessionError(f"the state shows a node twice: {min(map(str, twice or entry.shown))}")
            seen.update(entry.shown)
        found = [entry for entry in self.said if isinstance(entry, NamedAnswer) and _finds(entry)]
        if found and (found[0] is not self.said[-1] or self.is_open):
            raise SessionError("the state goes on after an item was clicked, which ends a session")

    def check_graph(self, graph: HeteroData) -> None:
        """Raise a SessionError unless the word fields are the same, most of the items that the state names are still
        here, and at least half of those whose words it knows have them still."""
        fields = _word_fields(graph)
        if fields != self.fields:
            raise SessionError(
                f"the state is of another catalogue: its word fields are {list(self.fields)}, here {list(fields)}"
            )
        shown = [node for entry in self.said if isinstance(entry, NamedAnswer) for node in entry.shown]
        # Words say nothing: shops of one kind have the same.
        named_items = list(dict.fromkeys([*self.items, *(node for node in shown if isinstance(node, str))]))
        gone = [item for item in named_items if graph.vocabulary.item_ids.find(item) is None]
        if 2 * len(gone) > len(named_items):
            raise SessionError(
                f"the state is of another catalogue: {len(gone)} of {len(named_items)} of its items are not in this "
                f"one, such as {gone[0]!r}"
            )
        # Shops that count their items from 1 have the same ids too.
        here = [item for item in self.items if item not in gone]
        other = [item for item in here if _mark(graph, graph.vocabulary.item_ids.find(item)) != self.items[item]]
        if 2 * len(other) > len(here):
            raise SessionError(
                f"the state is of another catalogue: {len(other)} of {len(here)} of its items have other words in this "
                f"one, such as {other[0]!r}"
            )


def named(graph: HeteroData, node: int) -> Named:
    """What outlives the number of a node."""
    return item_id_of(graph, node) if node < n_items(graph) else words_of(graph, node)


def find_named(graph: HeteroData, name: Named) -> int | None:
    """The node of a name, None where the graph has none (any more)."""
    if isinstance(name, str):
        node: int | None = graph.vocabulary.item_ids.find(name)
        return node
    ids = [found for word in name for found in graph.vocabulary.find(tuple(word))]
    return query_node(graph, tuple(sorted(ids))) if ids and len(ids) == len(name) else None


def told_parts(entry: Mapping[str, Any]) -> list[tuple[bool, tuple[Word, ...]]]:
    """Of an entry of a state's "said" the words that were told, wanted (True) or not; none of an answer to a list."""
    if "told" not in entry:
        return []
    words, liked = [Word(*pair) for pair in entry["told"]], entry["liked"]
    return by_liking(words, [liked] * len(words) if isinstance(liked, bool) else liked)


def _in_names(graph: HeteroData, event: AnsweredList | Told) -> NamedAnswer | NamedTold:
    if isinstance(event, Told):
        return NamedTold(event.words, event.liked)
    clicked = None if event.clicked is None else event.shown.index(event.clicked)
    not_care = tuple(sorted(event.shown.index(node) for node in event.not_care))
    return NamedAnswer(tuple(named(graph, node) for node in event.shown), clicked, not_care)


def _finds(answer: NamedAnswer) -> bool:
    return answer.clicked is not None and isinstance(answer.shown[answer.clicked], str)


def _word_fields(graph: HeteroData) -> tuple[str, ...]:
    settings = getattr(graph, "settings", None)
    if settings is None:  # saved by an earlier release
        return tuple(sorted({word.field for word in graph.vocabulary.words}))
    merged = {column: name for name, columns in settings.merge_fields for column in columns}
    return tuple(sorted({merged.get(field, field) for field in settings.word_fields}))


def _witnesses(graph: HeteroData) -> dict[str, str]:
    last = n_items(graph) - 1
    places = sorted({last * place // (_WITNESSES - 1) for place in range(_WITNESSES)})
    return {graph.vocabulary.item_ids[place]: _mark(graph, place) for place in places}


def _mark(graph: HeteroData, item: int) -> str:
    """Four digits that two items of different words share once in 65,536 times."""
    # The ids of words are those of a build: their texts outlive it.
    text = "\x1e".join(sorted(f"{word.field}\x1f{word.value}" for word in words_of(graph, item)))
    return f"{crc32(text.encode()) & 0xFFFF:04x}"


_KEYS = frozenset(SessionState(Beginning("", 1, 1), (), {}, (), False).to_dict())
_ANSWER, _TOLD = frozenset({"shown", "clicked", "not_care"}), frozenset({"told", "liked"})


def _pairs(words: Sequence[Word]) -> list[list[str]]:
    return [list(word) for word in words]


def _said(entry: object, where: str, length: int) -> NamedAnswer | NamedTold:
    if isinstance(entry, Mapping) and "told" in entry:
        found = _entries(entry, where, _TOLD)
        words, liked = _words(found["told"], f"{where}.told"), found["liked"]
        if isinstance(liked, bool):
            return NamedTold(words, (liked,) * len(words))
        each = tuple(_truth(value, f"{where}.liked") for value in _list(liked, f"{where}.liked"))
        if len(each) != len(words):
            raise _wrong(f"{where}.liked", liked, f"a truth value, or one for each of {len(words)} words")
        return NamedTold(words, each)
    found = _entries(entry, where, _ANSWER)
    listed = _list(found["shown"], f"{where}.shown")
    if len(listed) > length:
        raise SessionError(f"{where}.shown of the state has {len(listed)} nodes, and lists have {length}")
    shown = tuple(
        node if isinstance(node, str) else _words(node, f"{where}.shown[{at}]") for at, node in enumerate(listed)
    )
    most = len(shown) - 1
    clicked = None if found["clicked"] is None else _number(found["clicked"], f"{where}.clicked", 0, most)
    places = _list(found["not_care"], f"{where}.not_care")
    not_care = tuple(_number(place, f"{where}.not_care", 0, most) for place in places)
    bad = [place for place in not_care if place == clicked or isinstance(shown[place], str)]
    if bad or len(set(not_care)) < len(not_care):
        raise SessionError(
            f"{where}.not_care of the state is {list(not_care)}: each a query, once, that is not clicked"
        )
    return NamedAnswer(shown, clicked, not_care)


def _entries(data: object, where: str, keys: frozenset[str]) -> Mapping[str, Any]:
    if not isinstance(data, Mapping):
        raise _wrong(where, data, f"a mapping with {', '.join(sorted(keys))}")
    if set(data) != keys:
        differs = ", ".join(sorted(map(str, set(data) ^ keys)))
        raise SessionError(f"{where} of the session lacks or does not know {differs}: its entries are {sorted(keys)}")
    return data


def _wrong(where: str, value: object, expected: str) -> SessionError:
    return SessionError(f"{where} of the state is {value!r}, expected {expected}")


def _number(value: object, where: str, low: int, high: int | None = None) -> int:
    whole = isinstance(value, int) and not isinstance(value, bool)
    if not whole or value < low or (high is not None and value > high):  # type: ignore[operator]
        raise _wrong(where, value, f"a whole number from {low}" + ("" if high is None else f" to {high}"))
    return int(value)  # type: ignore[call-overload, no-any-return]


def _truth(value: object, where: str) -> bool:
    if not isinstance(value, bool):
        raise _wrong(where, value, "true or false")
    return value


def _text(value: object, where: str) -> str:
    if not isinstance(value, str):
        raise _wrong(where, value, "a text")
    return value


def _list(value: object, where: str) -> Sequence[Any]:
    if not isinstance(value, list | tuple):
        raise _wrong(where, value, "a list")
    return value


def _texts(value: object, where: str) -> tuple[str, ...]:
    return tuple(_text(entry, where) for entry in _list(value, where))


def _marks(value: object, where: str) -> dict[str, str]:
    if not isinstance(value, Mapping) or not all(isinstance(text, str) for entry in value.items() for text in entry):
        raise _wrong(where, value, "a mapping of item ids to marks of their words")
    return dict(value)


def _words(value: object, where: str) -> tuple[Word, ...]:
    pairs = [_texts(pair, where) for pair in _list(value, where)]
    if not pairs or any(len(pair) != 2 for pair in pairs):
        raise _wrong(where, value, "one or more pairs [field, value]")
    return tuple(Word(*pair) for pair in pairs)

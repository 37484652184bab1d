"""What the page shows, as plain values without any markup: cards, words to choose, chips, and what was understood."""

import json
import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from markupsafe import Markup
from torch_geometric.data import HeteroData

from magus_pyg.errors import SessionError
from magus_pyg.escaping import cut
from magus_pyg.graph import Word, n_items, words_of
from magus_pyg.graph.titles import harmless_text
from magus_pyg.online import OnlineSession, Told
from magus_pyg.online.sentences import Name, joined_words
from magus_pyg.online.session_state import find_named
from magus_pyg.serve.pages.drawings import placeholder
from magus_pyg.serve.shown_lists import Say
from magus_pyg.simulation.answers import AnsweredList, Said

__all__ = [
    "COMPARED",
    "Card",
    "Chip",
    "ListView",
    "QueryView",
    "ShopData",
    "WordView",
    "card_of",
    "chips_of",
    "column_name",
    "item_key",
    "list_view",
    "named_as_shown",
    "short",
    "words_key",
    "words_of_key",
]

COMPARED = 4
"""Items that are compared at once, at most."""

_TITLE, _TEXT, _ON_CARD = 160, 80, 8
"""Signs of a title and of a word that are shown, and words on a card."""
_TELLING = 4  # signs of a value that is no chance in a title, as 2 is in "2 l"
_LONGEST_KEY = 4000
_OWN_ADDRESS = re.compile(r"/[^/\\\s][^\\\s]*")  # pictures of this host alone: a shop puts its own behind a path of it


@dataclass(frozen=True)
class WordView:
    """A word on a card.

    Attributes:
        text: what is read.
        key: what a form sends, see `words_key`.
        said: whether it is wanted already.
    """

    text: str
    key: str
    said: bool = False


@dataclass(frozen=True)
class Card:
    """An item.

    Attributes:
        key: what a form sends, see `item_key`.
        title: what is read.
        kind: the kind of thing it is, where its title is but one of its words; else "".
        words: its words.
        details: its other columns, (name, value).
        picture: an address on this service; "" for none.
        drawing: what stands there without a picture.
    """

    key: str
    title: str
    kind: str
    words: tuple[WordView, ...]
    details: tuple[tuple[str, str], ...]
    picture: str
    drawing: Markup

    @property
    def untold(self) -> tuple[tuple[str, str], ...]:
        """The other columns that the title does not say already, as a year or a price may stand in it.

        A value that two columns have is said of both: the title names one of them at the most.
        """
        said = {piece.strip(".") for piece in re.split(r"[^\w.]+", self.title)}
        times = Counter(value for _, value in self.details)
        return tuple(
            (name, value)
            for name, value in self.details
            if len(value) < _TELLING or times[value] > 1 or value not in said
        )


@dataclass(frozen=True)
class QueryView:
    """A query: words to narrow it down.

    Attributes:
        key: what a form sends, see `words_key`.
        text: its words.
        question: the same as a question; "" for none.
        items: how many items it holds.
    """

    key: str
    text: str
    question: str
    items: int


@dataclass(frozen=True)
class Chip:
    """What was said of words, and can be taken back.

    Attributes:
        kind: "wanted", "unwanted" or "careless".
        text: the words.
        key: what a form sends, see `words_key`.
    """

    kind: str
    text: str
    key: str


@dataclass(frozen=True)
class ListView:
    """An open list.

    Attributes:
        cards, queries: its items and its queries, best first.
        chips: what was said so far, the latest first.
        round, rounds: K.
        said: how many answers and tellings were before it.
    """

    cards: tuple[Card, ...]
    queries: tuple[QueryView, ...]
    chips: tuple[Chip, ...]
    round: int
    rounds: int
    said: int


def words_key(words: Iterable[Word]) -> str:
    """Words as a form sends them: a JSON list of [field, value]."""
    return json.dumps([list(word) for word in words], ensure_ascii=False, separators=(",", ":"))


def words_of_key(key: str) -> tuple[Word, ...]:
    """What `words_key` gave.

    Raises:
        SessionError: what it never gives.
    """
    try:
        pairs = json.loads(key) if len(key) <= _LONGEST_KEY else None
    except (ValueError, RecursionError):
        pairs = None
    if not isinstance(pairs, list) or not pairs or not all(_is_pair(pair) for pair in pairs):
        raise SessionError(f"these are no words: {cut(key, _TEXT)!r}")
    return tuple(Word(*pair) for pair in pairs)


def _is_pair(pair: object) -> bool:
    return isinstance(pair, list) and len(pair) == 2 and all(isinstance(text, str) for text in pair)


def item_key(item_id: str) -> str:
    """An item as a form sends it: its id as JSON; a query is sent as `words_key`."""
    return json.dumps(item_id, ensure_ascii=False)


class ShopData(Protocol):
    """What the page knows beside the graph."""

    def columns(self, item_id: str) -> Mapping[str, str]:
        """The other columns of an item."""
        ...

    def kind(self, words: Sequence[Word]) -> Word | None:
        """Of an item's words the one that best says what kind of thing it is."""
        ...


def named_as_shown(graph: HeteroData, say: Say) -> Name:
    """What names queries as the lists of a session do.

    Args:
        graph: of the session.
        say: puts its queries into words.
    """

    def name(words: Sequence[Word]) -> str:
        node = find_named(graph, tuple(words))
        said = None if node is None else say([node])[0]
        return joined_words(words) if said is None else said.text

    return name


def list_view(session: OnlineSession, shop: ShopData, say: Say) -> ListView:
    """The open list of a session that is not over; `say` puts its queries into words."""
    listed = session.recommend()
    chips = chips_of(session.graph, session.history, named_as_shown(session.graph, say))
    wanted = {word for chip in chips if chip.kind == "wanted" for word in words_of_key(chip.key)}
    cards, queries = [], []
    for entry, text in zip(listed, say([entry.node for entry in listed]), strict=True):
        if entry.item_id is not None:
            cards.append(card_of(entry.item_id, entry.title, entry.words, shop, wanted))
        elif text is not None:
            names = (words_key(entry.words), cut(text.text, _TITLE), cut(text.question, _TITLE))
            queries.append(QueryView(*names, session.count_items(entry)))
    return ListView(tuple(cards), tuple(queries), chips, session.round, session.rounds, len(session.history))


def card_of(item_id: str, title: str, words: Sequence[Word], shop: ShopData, wanted: Collection[Word] = ()) -> Card:
    """The card of an item.

    Args:
        item_id, title, words: of the item.
        shop: as of `list_view`.
        wanted: words that are wanted already.
    """
    columns = dict(shop.columns(item_id))
    picture = columns.pop("picture", "")
    said = [(column_name(name), short(value)) for name, value in columns.items() if value and not _is_id(name)]
    told = [word for word in words if word.value != title]  # a title is not said twice
    kind = shop.kind(words)
    is_word = len(told) < len(words)
    return Card(
        item_key(item_id),
        cut(title, _TITLE),
        short(kind.value) if kind is not None and kind in told and is_word else "",
        tuple(WordView(short(word.value), words_key([word]), word in wanted) for word in told[:_ON_CARD]),
        tuple(said),
        picture if _OWN_ADDRESS.fullmatch(picture) else "",
        placeholder(kind, item_id),
    )


def _is_id(name: str) -> bool:
    """Whether a column names things for programs."""
    return name.lower().endswith(("_id", " id"))


def column_name(name: str) -> str:
    """What a column or a word field is called."""
    return short(name.replace("_", " "))


def short(text: str) -> str:
    """A word, a name or a value as the page shows it."""
    return cut(harmless_text(text), _TEXT)


def chips_of(graph: HeteroData, history: Sequence[AnsweredList | Told], name: Name = joined_words) -> tuple[Chip, ...]:
    """What was said of words, the latest first, each once; of what was said twice the latest counts.

    Args:
        graph: of the session.
        history: what was said.
        name: what queries are called.
    """
    chips: dict[str, Chip] = {}
    for event in history:
        for kind, words in _said_of_words(graph, event):
            key = words_key(words)
            chips.pop(key, None)
            text = joined_words(words) if isinstance(event, Told) else name(words)
            chips[key] = Chip(kind, short(text), key)
    latest = [*reversed(chips.values())]
    return tuple(sorted(latest, key=lambda chip: chip.kind != "wanted"))


_KINDS = {Said.CLICKED: "wanted", Said.REFUSED: "unwanted", Said.NOT_CARE: "careless"}


def _said_of_words(graph: HeteroData, event: AnsweredList | Told) -> list[tuple[str, tuple[Word, ...]]]:
    if isinstance(event, Told):
        wishes = zip(event.words, event.liked, strict=True)
        return [("wanted" if liked else "unwanted", (word,)) for word, liked in wishes]
    first = n_items(graph)
    said = zip(event.shown, event.said(first), strict=True)
    return [(_KINDS[one], words_of(graph, node)) for node, one in said if node >= first and one in _KINDS]

"""Lists as they go out: what names them and their entries, and their JSON."""

from base64 import urlsafe_b64encode
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from hashlib import blake2b
from typing import Any

from torch_geometric.data import HeteroData

from magus_pyg.graph import Word, title_of, words_of
from magus_pyg.graph.titles import harmless_text
from magus_pyg.language import Phrasing
from magus_pyg.online import OnlineSession, Recommendation
from magus_pyg.online.session_state import find_named, told_parts
from magus_pyg.serve.stores import NamedEntry

__all__ = ["NamedList", "Say", "entry_id", "history_json", "list_id", "name_of", "word_pairs"]

Say = Callable[[Sequence[int]], Sequence[Phrasing | None]]
"""From nodes of a session's graph to what they are called; None for items, which have titles."""
_ID_BYTES = 9  # 12 signs, one in 2^72


@dataclass(frozen=True)
class NamedList:
    """The open list of a session, with the names that the outside knows.

    Attributes:
        recommendation_id: its name for the outside.
        entries: its entries.
        names: the same as they are kept.
        held: how many items of the session each of them holds.
        session_id: of its session.
        texts: what each of them is called; None for items.
    """

    recommendation_id: str
    entries: Sequence[Recommendation]
    names: Sequence[NamedEntry]
    held: Sequence[int]
    session_id: str
    texts: Sequence[Phrasing | None]

    @classmethod
    def of(cls, session_id: str, session: OnlineSession, events: int, say: Say) -> "NamedList":
        """The open list of a session, which is made if there is none.

        Args:
            session_id: of the session.
            session: the session, which is not done.
            events: how much was answered and told so far.
            say: gives the texts of its queries.
        """
        entries = session.recommend()
        names = [name_of(entry) for entry in entries]
        held = [1 if entry.kind == "item" else session.count_items(entry) for entry in entries]
        texts = say([entry.node for entry in entries])
        return cls(list_id(session_id, events, names), entries, names, held, session_id, texts)

    @cached_property
    def by_id(self) -> Mapping[str, int]:
        """The place of each entry by its id."""
        return {entry_id(self.session_id, name): place for place, name in enumerate(self.names)}

    @cached_property
    def json(self) -> list[dict[str, Any]]:
        """The entries as they go out; see `EntryOut`."""
        ids = list(self.by_id)
        return [
            {
                "entry_id": ids[place],
                "kind": entry.kind,
                "item_id": entry.item_id,
                "title": entry.title,
                "words": word_pairs(entry.words),
                "text": None if said is None else said.text,
                "question": None if said is None else said.question,
                "text_source": None if said is None else said.source,
                "items": self.held[place],
                "score": entry.score,
            }
            for place, (entry, said) in enumerate(zip(self.entries, self.texts, strict=True))
        ]


def name_of(entry: Recommendation) -> NamedEntry:
    """An entry as it is kept: an item by its id, a query by its words."""
    return entry.item_id if entry.item_id is not None else [list(word) for word in entry.words]


def list_id(session_id: str, events: int, names: Sequence[NamedEntry]) -> str:
    """The name of a list for the outside: the same wherever and whenever it is computed.

    Args:
        session_id: of its session.
        events: how much was answered and told before it.
        names: what it shows.
    """
    return _digest(session_id, events, names)


def entry_id(session_id: str, name: NamedEntry) -> str:
    """The name of an entry for the outside, the same in all lists of its session."""
    return _digest(session_id, name)


def history_json(graph: HeteroData, session_id: str, answers: Sequence[Any]) -> list[dict[str, Any]]:
    """What was answered and said, as it goes out; see `HistoryOut`.

    Args:
        graph: of the session, for titles.
        session_id: of the session.
        answers: as its record has them.
    """
    listed: list[dict[str, Any]] = []
    number = 1
    for count, said in enumerate(answers):
        nothing: dict[str, Any] = {
            "round": number,
            "recommendation_id": None,
            "shown": [],
            "clicked": None,
            "not_care": [],
        }
        told = told_parts(said)
        listed += [{**nothing, "words": word_pairs(words), "liked": liked} for liked, words in told]
        if told:
            continue
        names: Sequence[NamedEntry] = said["shown"]
        ids = [entry_id(session_id, name) for name in names]
        listed.append(
            {
                "round": number,
                "recommendation_id": list_id(session_id, count, names),
                "shown": [_named_json(graph, key, name) for key, name in zip(ids, names, strict=True)],
                "clicked": None if said["clicked"] is None else ids[said["clicked"]],
                "not_care": [ids[place] for place in said["not_care"]],
                "words": [],
                "liked": None,
            }
        )
        number += 1
    return listed


def _named_json(graph: HeteroData, key: str, name: NamedEntry) -> dict[str, Any]:
    """An entry that was shown; what is not in the catalogue any more has its name alone."""
    is_item = isinstance(name, str)
    node = find_named(graph, name if isinstance(name, str) else tuple(Word(*word) for word in name))
    words = [Word(*word) for word in name] if not isinstance(name, str) else []
    words = words if node is None else list(words_of(graph, node))
    title = " ".join(word.value for word in words) or str(name) if node is None else title_of(graph, node)
    return {
        "entry_id": key,
        "kind": "item" if is_item else "query",
        "item_id": name if is_item else None,
        "title": harmless_text(title),
        "words": word_pairs(words),
    }


def word_pairs(words: Sequence[Word]) -> list[dict[str, str]]:
    """Words as they go out; see `WordOut`."""
    return [{"field": word.field, "value": word.value} for word in words]


def _digest(*parts: object) -> str:
    return urlsafe_b64encode(blake2b(repr(parts).encode(), digest_size=_ID_BYTES).digest()).decode()

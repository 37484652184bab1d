"""The words of the service: what lists are called, and what people write, by the language of each edition's graph."""

import threading
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from torch_geometric.data import HeteroData

from magus_pyg.errors import InputError
from magus_pyg.graph import n_items
from magus_pyg.language import Language, LanguageOptions, OpenAIOptions, Phrasing, Understood
from magus_pyg.online import OnlineSession
from magus_pyg.online.node_play import by_liking
from magus_pyg.online.session_inputs import read_words
from magus_pyg.online.session_state import NamedTold
from magus_pyg.serve.api_schemas import WordsIn
from magus_pyg.serve.asked import wordings
from magus_pyg.serve.measurements import MODEL_ANSWERS, TEXTS
from magus_pyg.serve.problems import inside
from magus_pyg.serve.stores import LogRow

__all__ = ["Languages", "read_text", "told_of", "told_rows", "understood", "understood_json"]

_KEPT = 2  # editions whose words are kept ready: the newest, and one whose sessions go on


class Languages:
    """The language of each graph, made when it is asked for.

    Args:
        options: how queries are put into words; the rule if None.
        folder: where the texts of a model are kept.
        most: signs of a text.
    """

    def __init__(self, options: LanguageOptions | None, folder: Path | None, most: int) -> None:
        self.options, self.folder, self.most = LanguageOptions() if options is None else options, folder, most
        self._lock = threading.Lock()
        self._made: dict[int, Language] = {}
        self._counted: dict[int, Counter[tuple[str, str]]] = {}

    def of(self, graph: HeteroData) -> Language:
        """The language of a graph."""
        with self._lock:
            found = self._made.get(id(graph))
            if found is None:
                while len(self._made) >= _KEPT:
                    self._made.pop(next(iter(self._made)))
                found = self._made[id(graph)] = Language(graph, self.options, self.folder)
            return found

    def warm(self, graph: HeteroData) -> None:
        """Let the texts of the most frequent queries be written beforehand, beside what else goes on."""
        if isinstance(self.options, OpenAIOptions) and self.options.warm:
            language, count = self.of(graph), self.options.warm
            threading.Thread(target=language.warm, args=(count,), name="magus warm", daemon=True).start()

    @property
    def waits(self) -> bool:
        """Whether texts may take longer than a few milliseconds: a model is asked."""
        return self.options.name != "rule"

    def texts(
        self, graph: HeteroData, nodes: Sequence[int], locale: str | None, kept: dict[int, Phrasing]
    ) -> list[Phrasing | None]:
        """What nodes are called; None for items, which have titles.

        Args:
            graph: of the session.
            nodes: the nodes.
            locale: of the person.
            kept: the texts of the session so far, which stay.
        """
        first, language = n_items(graph), self.of(graph)
        queries = [node for node in nodes if node >= first]
        found = language.phrase(queries, locale, kept) if queries else []
        for source, count in Counter(text.source for text in found).items():
            TEXTS.labels(source).inc(count)
        self._measure(language)
        said = iter(found)
        return [next(said) if node >= first else None for node in nodes]

    def _measure(self, language: Language) -> None:
        """Hand on what became of a model's answers since the last time."""
        if language.model is None:
            return
        with self._lock:
            now = Counter(language.model.counts)
            new, self._counted[id(language)] = now - self._counted.get(id(language), Counter()), now
        for (what, why), count in new.items():
            MODEL_ANSWERS.labels(what, why).inc(count)


def told_of(parts: Sequence[Understood]) -> NamedTold:
    """What was understood, as one thing that was said."""
    pairs = [(word, part.liked) for part in parts for word in part.words]
    return NamedTold(tuple(word for word, _ in pairs), tuple(liked for _, liked in pairs))


def told_rows(row: LogRow, said: NamedTold, removes: bool = False) -> list[LogRow]:
    """Rows of the log, from a row without words: one of the words that are wanted, and one of those that are not; or
    one of words that are taken back."""
    pairs = [(None, said.words)] if removes else by_liking(said.words, said.liked)
    return [replace(row, words=[list(word) for word in words], liked=liked) for liked, words in pairs]


def understood_json(parts: Sequence[Understood], removes: bool) -> list[dict[str, Any]]:
    """What was understood, as it goes out; see `UnderstoodOut`."""
    return [
        {
            "field": word.field,
            "value": word.value,
            "liked": None if removes else part.liked,
            **({"phrase": part.phrase, "kind": part.kind} if part.phrase else {}),
        }
        for part in parts
        for word in part.words
    ]


def read_text(
    languages: Languages, session: OnlineSession, text: str, locale: str | None
) -> tuple[list[Understood], tuple[str, ...]]:
    """What a person writes, as words of the graph, and what was not understood.

    Raises:
        InputError: a text that is too long.
    """
    if len(text) > languages.most:
        why = f"must have at most {languages.most} signs (got {len(text)})"
        raise InputError(f"/text {why}", [("/text", why)])
    reading = languages.of(session.graph).read(text, locale)
    return list(reading.parts), reading.unknown


def understood(
    languages: Languages, session: OnlineSession, asked: WordsIn, locale: str | None
) -> tuple[list[Understood], dict[str, Any]]:
    """What is said outside a list, as words of the graph, and what was left out of it, as it goes out (`WordsOut`).

    Raises:
        InputError: a text that is too long, or words that cannot be used.
    """
    if asked.text is not None:
        parts, unread = read_text(languages, session, asked.text, locale)
        return parts, {"left_out": len(unread), "not_understood": list(unread)}
    with inside("/words"):
        words, unknown = read_words(session.graph, wordings(asked.words or ()))
    parts = [Understood("", words, bool(asked.liked))] if words else []
    return parts, {"left_out": unknown, "not_understood": []}

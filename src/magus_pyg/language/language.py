"""The language of a catalogue: one object that says what queries are called and reads what people write."""

from collections import Counter
from collections.abc import Mapping, MutableMapping, Sequence
from functools import cached_property, partial
from heapq import nsmallest
from pathlib import Path
from typing import Any

import numpy as np
from torch_geometric.data import HeteroData

from magus_pyg.errors import LanguageError
from magus_pyg.graph import n_items, n_nodes
from magus_pyg.language.language_options import LanguageOptions, OpenAIOptions
from magus_pyg.language.model_texts import Breaker, ModelTexts
from magus_pyg.language.openai_rewriter import OpenAIRewriter
from magus_pyg.language.phraser import Phraser
from magus_pyg.language.phrasing import Phrasing, Rewriter
from magus_pyg.language.reader import MOST_TEXT, Reader, Reading, Understood
from magus_pyg.language.rule import plain_word
from magus_pyg.language.text_cache import TextCache
from magus_pyg.language.tokens import tokens
from magus_pyg.language.word_items import WordItems

__all__ = ["Language"]

_EXAMPLES = 20  # values of a field that a model is shown
_WARMED = 64  # queries that are waited for at once


class Language:
    """What queries are called, and what a person writes (App. D.2); by the rule, with a model's help where one is set.

    One for each edition of a catalogue. Threads may share it.

    Args:
        graph: the relational graph.
        options: the rule's if None.
        cache_folder: where accepted texts are kept if the options name no file; None for in memory.
        rewriter: in place of the one that the options name.

    Raises:
        ConfigError: an option out of range, or the package that a model needs is not installed (extra [language]).
    """

    def __init__(
        self,
        graph: HeteroData,
        options: LanguageOptions | None = None,
        cache_folder: Path | None = None,
        rewriter: Rewriter | None = None,
    ) -> None:
        self.options = (LanguageOptions() if options is None else options).check()
        self.graph, items, lexicons = graph, WordItems(graph), self.options.read_lexicons()
        self.phraser = Phraser(graph, lexicons, items)
        self.reader = Reader(graph, lexicons, items)
        self.sources: Counter[str] = Counter()
        """How many texts were shown by source: "rule", "model" and "cache"."""
        self.model: ModelTexts | None = None
        self._sends_text = False
        if isinstance(self.options, OpenAIOptions):
            file = self.options.cache_file or (None if cache_folder is None else cache_folder / "texts.sqlite")
            cache = TextCache(file)
            asking = OpenAIRewriter(self.options, cache) if rewriter is None else rewriter
            breaker = Breaker(self.options.failures, self.options.pause_s)
            self.model = ModelTexts(asking, self.phraser.rule, cache, self.options.budget_ms / 1000.0, breaker)
            self._sends_text = self.options.send_text

    def __repr__(self) -> str:
        return f"Language({self.options.name}, {self.phraser})"

    def phrase(
        self, queries: Sequence[int], locale: str | None = None, kept: MutableMapping[int, Phrasing] | None = None
    ) -> list[Phrasing]:
        """What some queries are called; within the budget, whatever a model does.

        Args:
            queries: query nodes.
            locale: of the person, such as "de-AT"; the default of the options where it is not known.
            kept: the texts of the session so far, by node: they stay, and new ones are entered.

        Returns:
            A text for each.

        Raises:
            GraphError: a node that is no query.
        """
        said = {} if kept is None else kept
        new = [node for node in dict.fromkeys(queries) if node not in said]
        if self.model is None:
            texts = self.phraser.phrase(new, locale)
        else:
            texts = self.model.phrase(self.phraser.word_ids(new), self.phraser.lexicons.of(locale).name)
        said = {**said, **dict(zip(new, texts, strict=True))}
        if kept is not None:
            kept.update(said)
        found = [said[node] for node in queries]
        self.sources.update(text.source for text in found)
        return found

    def read(self, text: str, locale: str | None = None) -> Reading:
        """What a person writes, as words of the graph.

        A model is asked only with `send_text`, within the budget; what it finds and the graph has is put before what
        the rule reads of the same text.

        Args:
            text: as it was written.
            locale: of the person.
        """
        reading = self.reader.read(text)
        if self.model is None or not self._sends_text or not text.strip():
            return reading
        job = partial(self._read, text[:MOST_TEXT], self.phraser.lexicons.of(locale).name, reading)
        future = self.model.submit(("read", text[:MOST_TEXT], locale), job)
        if future is None:
            return reading
        try:
            failed = future.exception(timeout=self.model.budget_s) is not None
        except TimeoutError:
            self.model.count("late", "the rule's reading was used")
            return reading
        return reading if failed else future.result()

    def _read(self, text: str, locale: str, by_rule: Reading) -> Reading:
        assert self.model is not None, "only a model reads"
        found = self.model.rewriter.read(text, locale, self._examples, [*self.reader.scales])
        parts = self._parts(found)
        if not parts:
            raise LanguageError("nothing that the catalogue has")
        self.model.count("accepted", "")
        named = {word for part in parts for word in part.words}
        rest = [part for part in by_rule.parts if not named.intersection(part.words)]
        return Reading((*parts, *rest), by_rule.corrected, by_rule.unknown, "model")

    @cached_property
    def _examples(self) -> dict[str, list[str]]:
        """Each field with its most frequent values."""
        words, fields = self.graph.vocabulary.words, {}
        for code, name in enumerate(words.fields):
            ids = np.flatnonzero(words.field == code).tolist()
            most = nsmallest(_EXAMPLES, ids, key=lambda word: -self.phraser.rule.items.support(word))
            fields[name] = [plain_word(words[word].value) for word in most]
        return fields

    def _parts(self, found: Mapping[str, Any]) -> list[Understood]:
        """What of a model's reading the graph has: words of known values, leanings over known scales."""
        parts: dict[object, Understood] = {}
        for key, liked in (("wanted", True), ("unwanted", False)):
            entries = found.get(key)
            for entry in entries if isinstance(entries, list) else []:
                value = entry.get("value") if isinstance(entry, dict) else None
                phrase = tokens(value) if isinstance(value, str) and len(value) <= MOST_TEXT else ()
                word = self.reader.index.find(phrase) if phrase else None
                if word is not None:
                    named = (self.graph.vocabulary.words[word],)
                    parts[named] = Understood(" ".join(phrase), named, liked)
        leanings = found.get("leanings")
        for entry in leanings if isinstance(leanings, list) else []:
            field, end = (entry.get("field"), entry.get("end")) if isinstance(entry, dict) else (None, None)
            if isinstance(field, str) and field in self.reader.scales and end in ("low", "high"):
                part = self.reader.leaning(field, end, f"{end} {field}")
                parts[part.words] = part
        return list(parts.values())

    def warm(self, count: int, locale: str | None = None) -> Counter[str]:
        """Write the texts of the most frequent queries beforehand, those of most items first.

        Args:
            count: how many.
            locale: of the texts.

        Returns:
            How many are of which source now.
        """
        sources: Counter[str] = Counter()
        if self.model is None:
            return sources
        first = n_items(self.graph)
        edges = self.graph["node", "improves", "node"].edge_index
        carriers = np.bincount(edges[0][edges[1] < first].cpu().numpy(), minlength=n_nodes(self.graph))[first:]
        most = (np.argsort(-carriers, kind="stable")[:count] + first).tolist()
        name = self.phraser.lexicons.of(locale).name
        patience = self.options.timeout_s * 3 if isinstance(self.options, OpenAIOptions) else 0.0
        for begin in range(0, len(most), _WARMED):
            ids = self.phraser.word_ids(most[begin : begin + _WARMED])
            sources.update(text.source for text in self.model.phrase(ids, name, budget_s=patience * _WARMED))
        return sources

    def counts(self) -> dict[tuple[str, str], int]:
        """What happened so far, for measurements: ("text", source), and what became of a model's answers."""
        found = {("text", source): count for source, count in self.sources.items()}
        if self.model is not None:
            found |= dict(self.model.counts)
            found["tokens", "today"] = self.model.cache.spent()
        return found

    def close(self) -> None:
        """End the workers and close the cache."""
        if self.model is not None:
            self.model.close()

"""What is known of a language: questions, kinds of fields, synonyms, leanings and words without content, from files."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import yaml

from magus_pyg.errors import ConfigError
from magus_pyg.language.tokens import tokens

__all__ = ["ENDS", "Lexicon", "Lexicons", "read_lexicons"]

ENDS = ("low", "high")
"""The ends of a field whose values have an order."""
_FIELD_KINDS = ("maker", "thing", "uncounted", "price", "time", "size", "rating", "colour", "material")
_QUESTIONS = ("thing", "quality", "maker", "number")
_PLURALS = ("english", "none")
_LAST = ("nothing", "quality")

Phrase = tuple[str, ...]
"""A phrase by its tokens."""


@dataclass(frozen=True)
class Lexicon:
    """One language.

    Attributes:
        name: its tag, such as "en".
        fields: kind of field -> words of the names of such fields.
        questions: what a query names -> the question around "{query}".
        conjunction: what stands between several things without a plural; "" for nothing.
        plural: "english", or "none" where a thing stays as it is.
        last: "quality" where qualities stand after the thing, parted by commas; "nothing" otherwise.
        mass: things without a plural.
        shelves: things that are asked about as qualities are, since they name a place or a part.
        synonyms: groups of phrases for the same thing.
        scales: groups of values, the least first.
        leanings: (kind of field, end) -> phrases.
        negations, turns: phrases that turn the meaning of what follows, and that end such a part.
        fillers: words that say nothing of a catalogue.
        sentences: what people write around "{words}", for simulated ones.
        marks: words by which a sentence is known to be in the language.
    """

    name: str
    fields: Mapping[str, frozenset[str]]
    questions: Mapping[str, str]
    conjunction: str = ""
    plural: str = "none"
    last: str = "nothing"
    mass: frozenset[str] = frozenset()
    shelves: frozenset[str] = frozenset()
    synonyms: tuple[tuple[Phrase, ...], ...] = ()
    scales: tuple[tuple[Phrase, ...], ...] = ()
    leanings: Mapping[tuple[str, str], tuple[Phrase, ...]] = field(default_factory=dict)
    negations: frozenset[Phrase] = frozenset()
    turns: frozenset[Phrase] = frozenset()
    fillers: frozenset[str] = frozenset()
    sentences: tuple[str, ...] = ()
    marks: frozenset[str] = frozenset()


class Lexicons:
    """The languages that are known, by name.

    Args:
        lexicons: one or more languages; the first named `default` is spoken where a locale is none of them.
        default: its name.

    Raises:
        ConfigError: the default is none of them.
    """

    def __init__(self, lexicons: Iterable[Lexicon], default: str) -> None:
        self.by_name = {lexicon.name: lexicon for lexicon in lexicons}
        if default not in self.by_name:
            raise ConfigError(f"language.locale must be one of {', '.join(sorted(self.by_name))} (got {default!r})")
        self.default = default

    def of(self, locale: str | None) -> Lexicon:
        """The language of a locale such as "de-AT" or "de"; the default where it is not known, or None."""
        name = (locale or "").replace("_", "-").split("-")[0].lower()
        return self.by_name.get(name, self.by_name[self.default])

    def everything(self) -> list[Lexicon]:
        """All languages, the default first: what people write is read by all of them."""
        return sorted(self.by_name.values(), key=lambda lexicon: lexicon.name != self.default)

    def kinds_of(self, field_name: str) -> frozenset[str]:
        """The kinds that a field is of, by the words of its name in any language."""
        parts = set(tokens(field_name.replace("_", " ")))
        return frozenset(
            kind for lexicon in self.by_name.values() for kind, words in lexicon.fields.items() if words & parts
        )


@cache
def read_lexicons(default: str = "en", folder: str | None = None) -> Lexicons:
    """The languages of the package, and those of a folder of one's own in their place.

    Args:
        default: see `Lexicons`.
        folder: of files NAME.yaml; None for none.

    Raises:
        ConfigError: a folder that is not there, or a file with what is no lexicon; named.
    """
    found: dict[str, Lexicon] = {}
    own = None if folder is None else Path(folder)
    if own is not None and not own.is_dir():
        raise ConfigError(f"language.lexicons={folder} is no folder")
    for place in [files("magus_pyg.language") / "lexicons", *([] if own is None else [own])]:
        for path in sorted(place.iterdir(), key=lambda entry: entry.name):
            if path.name.endswith(".yaml"):
                found[path.name.removesuffix(".yaml")] = _read(path.name, path.read_bytes())
    return Lexicons(found.values(), default)


def _read(name: str, text: bytes) -> Lexicon:
    """One file, in UTF-8.

    Raises:
        ConfigError: naming the file, the entry and what it has to be.
    """
    try:
        entries = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError) as error:  # ValueError: a day that is none, too many digits
        raise ConfigError(f"lexicon {name} is no YAML: {error}") from error
    if not isinstance(entries, dict):
        raise ConfigError(f"lexicon {name} must be a mapping of entries")
    known = Lexicon.__dataclass_fields__
    unknown = [key for key in entries if key not in known]
    if unknown or entries.get("name") != name.removesuffix(".yaml"):
        what = f"has the unknown entry {unknown[0]!r}" if unknown else "must begin with the `name` of its file"
        raise ConfigError(f"lexicon {name} {what}; its entries are {', '.join(known)}")
    reader = _File(name)
    return Lexicon(
        name=str(entries["name"]),
        fields=reader.fields(entries.get("fields", {})),
        questions=reader.questions(entries.get("questions", {})),
        conjunction=reader.text(entries, "conjunction"),
        plural=reader.choice(entries, "plural", _PLURALS),
        last=reader.choice(entries, "last", _LAST),
        mass=reader.words(entries, "mass"),
        shelves=reader.words(entries, "shelves"),
        synonyms=reader.groups(entries, "synonyms"),
        scales=reader.groups(entries, "scales"),
        leanings=reader.leanings(entries.get("leanings", {})),
        negations=frozenset(reader.phrases(entries, "negations")),
        turns=frozenset(reader.phrases(entries, "turns")),
        fillers=reader.words(entries, "fillers"),
        sentences=tuple(reader.listed("sentences", entries.get("sentences", []))),
        marks=reader.words(entries, "marks"),
    )


@dataclass(frozen=True)
class _File:
    """Reads the entries of one file; all raise ConfigError with its name."""

    name: str

    def fail(self, key: str, wanted: str, value: object) -> ConfigError:
        return ConfigError(f"lexicon {self.name}: {key} must be {wanted} (got {value!r})")

    def mapping(self, key: str, value: Any, choices: Sequence[str]) -> dict[str, Any]:
        if not isinstance(value, dict) or any(entry not in choices for entry in value):
            raise self.fail(key, f"a mapping with the keys {', '.join(choices)}", value)
        return value

    def listed(self, key: str, value: Any) -> list[str]:
        """A list of texts, perhaps in lists one deep, for short lines."""
        if not isinstance(value, list):
            raise self.fail(key, "a list", value)
        flat = [part for entry in value for part in (entry if isinstance(entry, list) else [entry])]
        for entry in flat:
            if not isinstance(entry, str | int) or isinstance(entry, bool) or not tokens(str(entry)):
                raise self.fail(key, "a list of words (write `no`, `yes` and the like in quotes)", entry)
        return [str(entry) for entry in flat]

    def fields(self, value: Any) -> dict[str, frozenset[str]]:
        kinds = self.mapping("fields", value, _FIELD_KINDS)
        return {kind: frozenset(tokens(" ".join(self.listed(f"fields.{kind}", kinds[kind])))) for kind in kinds}

    def questions(self, value: Any) -> dict[str, str]:
        found = self.mapping("questions", value, _QUESTIONS)
        for kind in _QUESTIONS:
            text = found.get(kind)
            if not isinstance(text, str) or text.count("{query}") != 1:
                raise self.fail(f"questions.{kind}", "a text with one {query}", text)
        return dict(found)

    def choice(self, entries: dict[str, Any], key: str, choices: Sequence[str]) -> str:
        value = entries.get(key, choices[-1 if key == "plural" else 0])
        if value not in choices:
            raise self.fail(key, f"one of {', '.join(choices)}", value)
        return str(value)

    def text(self, entries: dict[str, Any], key: str) -> str:
        value = entries.get(key, "")
        if not isinstance(value, str):
            raise self.fail(key, "a text", value)
        return value

    def words(self, entries: dict[str, Any], key: str) -> frozenset[str]:
        return frozenset(word for text in self.listed(key, entries.get(key, [])) for word in tokens(text))

    def phrases(self, entries: dict[str, Any], key: str) -> list[Phrase]:
        return [tokens(text) for text in self.listed(key, entries.get(key, []))]

    def groups(self, entries: dict[str, Any], key: str) -> tuple[tuple[Phrase, ...], ...]:
        value = entries.get(key, [])
        if not isinstance(value, list) or not all(isinstance(group, list) for group in value):
            raise self.fail(key, "a list of lists", value)
        return tuple(tuple(tokens(text) for text in self.listed(key, group)) for group in value)

    def leanings(self, value: Any) -> dict[tuple[str, str], tuple[Phrase, ...]]:
        found = {}
        for kind, ends in self.mapping("leanings", value, _FIELD_KINDS).items():
            for end, phrases in self.mapping(f"leanings.{kind}", ends, ENDS).items():
                found[kind, end] = tuple(map(tokens, self.listed(f"leanings.{kind}.{end}", phrases)))
        return found

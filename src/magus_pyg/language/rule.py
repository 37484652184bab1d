"""Queries in words without a model: what is implied is left out, fields in a natural order, a template's question.

The purposes are those of App. D.2: keywords without redundancy, and a gentle question around them. Everything is exact
and instant, so this is the default, and what stands where a model says nothing or what cannot be used.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from torch_geometric.data import HeteroData

from magus_pyg.graph.titles import harmless_text
from magus_pyg.language.lexicon import Lexicon, Lexicons
from magus_pyg.language.phrasing import Phrasing
from magus_pyg.language.tokens import tokens
from magus_pyg.language.word_items import WordItems

__all__ = ["MOST_SIGNS", "Rule", "plain_word"]

MOST_SIGNS = 60
"""Of a word in a text: longer ones are cut."""
_EVIDENCE = 2  # items that have a word at the least before it implies others: of one alone everything is implied
_KEPT = 1 << 16  # texts that are kept
_NUMBER = re.compile(r"[-+]?\d[\d.,]*( to [-+]?\d[\d.,]*)?$")
_NOUN = re.compile(r"[A-Za-z]+$")
#: The order of words before a noun; others than these kinds stand between prices and sizes.
_PLACES = {"maker": 0, "price": 1, "time": 1, "rating": 1, "size": 3, "colour": 4, "material": 5}
_THING, _OTHER = 6, 2


def plain_word(value: str) -> str:
    """A word as texts hold it: no control characters, no marks of direction, of at most `MOST_SIGNS` signs."""
    text = harmless_text(value)
    return text if len(text) <= MOST_SIGNS else text[: MOST_SIGNS - 1].rstrip() + "…"


@dataclass(frozen=True)
class _Field:
    """A word field: where its words stand, and whether they name things, with a plural or without."""

    name: str
    place: int
    thing: bool
    counted: bool

    @classmethod
    def of(cls, name: str, kinds: frozenset[str]) -> "_Field":
        thing = bool(kinds & {"thing", "uncounted"})
        place = _THING if thing else min((_PLACES[kind] for kind in kinds), default=_OTHER)
        return cls(name, place, thing, thing and "uncounted" not in kinds)


class Rule:
    """Puts queries of a graph into words.

    A word is left out where another word of the query implies it: every item that has the one has the other, so the
    query selects the same items without it. The most general words go first; the last word that names a thing stays,
    and what a single item has implies nothing. Where no field's name says that it names things, the last one of no
    other kind does.

    Args:
        graph: the relational graph.
        lexicons: the languages.
        items: which items have which words.
    """

    def __init__(self, graph: HeteroData, lexicons: Lexicons, items: WordItems) -> None:
        self.lexicons, self.items = lexicons, items
        vocabulary = graph.vocabulary.words
        fields = [_Field.of(name, lexicons.kinds_of(name)) for name in vocabulary.fields]
        others = [place for place, field in enumerate(fields) if field.place == _OTHER]
        if others and not any(field.thing for field in fields):
            fields[others[-1]] = _Field(fields[others[-1]].name, _THING, thing=True, counted=True)
        self._field = [fields[code] for code in vocabulary.field.tolist()]
        self.word = lru_cache(maxsize=_KEPT)(vocabulary.__getitem__)
        """The `Word` of an id."""
        self._plain = lru_cache(maxsize=_KEPT)(lambda word: plain_word(self.word(word).value))
        self._is_number = lru_cache(maxsize=_KEPT)(self._looks_like_number)
        self.keywords = lru_cache(maxsize=_KEPT)(self._keywords)
        """The word ids that are kept of a query's, in a natural order: `keywords(ids)`, a tuple of ids."""
        self.phrase = lru_cache(maxsize=_KEPT)(self._phrase)
        """The `Phrasing` of a query: `phrase(ids, locale)`, a tuple of word ids and the language's name."""

    def _keywords(self, ids: tuple[int, ...]) -> tuple[int, ...]:
        if len(ids) == 1:
            return ids
        support, kept = self.items.support, list(ids)
        things = sum(self._field[word].thing for word in ids)
        for word in sorted(ids, key=lambda word: (-support(word), self._field[word].thing, word)):
            thing = self._field[word].thing
            if thing and things == 1:
                continue
            if any(other != word and support(other) >= _EVIDENCE and self.items.implies(other, word) for other in kept):
                kept.remove(word)
                things -= thing
        return tuple(sorted(kept, key=self._order))

    def _order(self, word: int) -> tuple[int, int, int]:
        """Of several things the most special one is the noun: it stands last."""
        field = self._field[word]
        return field.place, -self.items.support(word) if field.thing else 0, word

    def _phrase(self, ids: tuple[int, ...], locale: str) -> Phrasing:
        lexicon, kept = self.lexicons.of(locale), self.keywords(ids)
        words = tuple(map(self.word, kept))
        if lexicon.last == "quality":
            kept = tuple(sorted(kept, key=lambda word: not self._field[word].thing))
        return Phrasing(words, self._text(kept, lexicon), self._question(kept, lexicon))

    def _text(self, ids: Sequence[int], lexicon: Lexicon) -> str:
        """The words of a query as one text; numbers stand at the end, after a comma."""
        return self._joined([self._plain(word) for word in ids], ids, lexicon)

    def _joined(self, values: list[str], ids: Sequence[int], lexicon: Lexicon) -> str:
        numbers = [value for word, value in zip(ids, values, strict=True) if self._is_number(word)]
        others = [value for word, value in zip(ids, values, strict=True) if not self._is_number(word)]
        return ", ".join(filter(None, [(", " if lexicon.last == "quality" else " ").join(others), *numbers]))

    def _question(self, ids: Sequence[int], lexicon: Lexicon) -> str:
        fields = [self._field[word] for word in ids]
        values = [self._plain(word) for word in ids]
        kinds = {field.place for field in fields}
        if all(map(self._is_number, ids)):
            kind = "number"
        else:
            kind = "thing" if _THING in kinds else "quality" if kinds != {_PLACES["maker"]} else "maker"
        if fields[-1].thing:
            if lexicon.shelves.intersection(tokens(values[-1])[-1:]):
                kind = "quality"
            elif lexicon.plural == "english" and fields[-1].counted:
                values[-1] = _plural(values[-1], lexicon.mass)
            if lexicon.conjunction and not fields[-1].counted:
                values, ids = self._enumerated(values, ids, lexicon.conjunction)
        return lexicon.questions[kind].replace("{query}", self._joined(values, ids, lexicon))

    def _enumerated(self, values: list[str], ids: Sequence[int], conjunction: str) -> tuple[list[str], Sequence[int]]:
        """The things of a query as one value: "Action, Romance and War"."""
        first = sum(not self._field[word].thing for word in ids)
        things = values[first:]
        joined = f"{', '.join(things[:-1])} {conjunction} {things[-1]}" if len(things) > 1 else things[0]
        return [*values[:first], joined], ids[: first + 1]

    def _looks_like_number(self, word: int) -> bool:
        """Whether a word is a number or a band of numbers, such as "price 10 to 25"."""
        field = self._field[word]
        return not field.thing and bool(_NUMBER.match(self.word(word).value.removeprefix(field.name).strip()))


def _plural(thing: str, mass: frozenset[str]) -> str:
    """The English plural of a thing, but where its last word has none, is a plural already, or is one of several."""
    last = thing.rpartition(" ")[2].rpartition("-")[2]
    joined = any(sign in thing for sign in "&,/") or " and " in thing
    if joined or not _NOUN.match(last) or mass.intersection(tokens(last)):
        return thing
    lower = last.lower()
    if lower.endswith("s") and not lower.endswith("ss"):
        return thing
    if lower.endswith(("ss", "sh", "ch", "x", "z")):
        return thing + "es"
    if lower.endswith("y") and lower[-2:-1] not in "aeiou":
        return thing[:-1] + "ies"
    if lower.endswith(("shelf", "scarf", "half", "leaf")):
        return thing[:-1] + "ves"
    if lower.endswith("knife"):
        return thing[:-2] + "ves"
    if lower.endswith("man"):
        return thing[:-2] + "en"
    return thing + "s"

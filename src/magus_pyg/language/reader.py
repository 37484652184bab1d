"""What a person writes, as words of the graph: what is wanted, what is not, and leanings over ordered bands."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from torch_geometric.data import HeteroData

from magus_pyg.graph import Word
from magus_pyg.language.lexicon import Lexicons, read_lexicons
from magus_pyg.language.scales import end_words, read_scales
from magus_pyg.language.tokens import ENDS_CLAUSE, clauses
from magus_pyg.language.word_index import Spelling, WordIndex
from magus_pyg.language.word_items import WordItems

__all__ = ["MOST_TEXT", "Reader", "Reading", "Understood"]

MOST_TEXT = 2000
"""Signs of a text that are read; more say nothing new."""
_MOST_TYPOS = 16  # tokens of a text that are looked up as typing errors


@dataclass(frozen=True)
class Understood:
    """A part of what a person wrote, as it was understood: what is shown to them, and can be taken away.

    Attributes:
        phrase: what was written, in small letters and without signs; typing errors corrected.
        words: the words of the graph: one, or of a leaning those at the wanted end of a field, the outermost first.
        liked: whether they are wanted.
        kind: "word" or "leaning".
        end: of a leaning, "low" or "high"; else "".
    """

    phrase: str
    words: tuple[Word, ...]
    liked: bool = True
    kind: Literal["word", "leaning"] = "word"
    end: str = ""

    def __str__(self) -> str:
        named = ", ".join(map(str, self.words))
        text = f"{self.end} {self.words[0].field.replace('_', ' ')}: {named}" if self.kind == "leaning" else named
        return text if self.liked else f"not {text}"


@dataclass(frozen=True)
class Reading:
    """What was understood of a text.

    Attributes:
        parts: in the order of the text; nothing stands in it twice.
        corrected: (as it was typed, as it was read) of typing errors.
        unknown: words with content of which nothing was understood, each after the negation that it stands under, so
            that it means the same when it is corrected and said again.
        source: "rule" or "model".
    """

    parts: tuple[Understood, ...]
    corrected: tuple[tuple[str, str], ...] = ()
    unknown: tuple[str, ...] = ()
    source: Literal["rule", "model"] = "rule"

    @property
    def liked(self) -> tuple[Word, ...]:
        """The words that are wanted, those of leanings among them."""
        return tuple(word for part in self.parts if part.liked for word in part.words)

    def told(self) -> Iterator[tuple[tuple[Word, ...], bool]]:
        """What a session is told: (words, whether they are wanted) of each part."""
        return ((part.words, part.liked) for part in self.parts)

    @property
    def disliked(self) -> tuple[Word, ...]:
        """The words that are not wanted."""
        return tuple(word for part in self.parts if not part.liked for word in part.words)


class Reader:
    """Reads texts in all languages that the lexicons know.

    The longest phrase counts that is a word of the graph, a synonym, a leaning, a negation or the end of one; a
    negation turns what follows in its clause. Nothing leaves the machine.

    Args:
        graph: the relational graph.
        lexicons: the languages; those of the package if None.
        items: which items have which words; made if None.
    """

    def __init__(self, graph: HeteroData, lexicons: Lexicons | None = None, items: WordItems | None = None) -> None:
        lexicons = read_lexicons() if lexicons is None else lexicons
        items = WordItems(graph) if items is None else items
        self.graph, self.index = graph, WordIndex(graph, lexicons, items)
        self.scales = read_scales(graph, lexicons)
        """Field -> the ids of its words, the least first."""
        every = lexicons.everything()
        self._fillers = frozenset[str]().union(*(lexicon.fillers for lexicon in every))
        self._spoken = every[0].fillers
        """Of the default language: they are read as filler where the catalogue has a word of that name, too."""
        self._negations = frozenset[tuple[str, ...]]().union(*(lexicon.negations for lexicon in every))
        self._turns = frozenset[tuple[str, ...]]().union(*(lexicon.turns for lexicon in every))
        kinds = {field: lexicons.kinds_of(field) for field in self.scales}
        self._leanings = {
            phrase: (field, end)
            for lexicon in reversed(every)
            for (kind, end), phrases in lexicon.leanings.items()
            for field in reversed(self.scales)
            if kind in kinds[field]
            for phrase in phrases
        }
        phrases = [*self._negations, *self._turns, *self._leanings]
        self._longest = max([self.index.longest, *map(len, phrases)])
        known = self.index.known_tokens()
        for phrase in self._leanings:
            for token in phrase:
                known.setdefault(token, 1)
        listed = [phrase for lexicon in every for some in lexicon.leanings.values() for phrase in some]
        spoken = {token for phrase in [*phrases, *listed] for token in phrase}
        self._spelling = Spelling(known, self._fillers | spoken)

    def read(self, text: str) -> Reading:
        """What a text says. Words that no item has are named in `unknown`, and say nothing.

        Args:
            text: as it was written; of more than `MOST_TEXT` signs the first are read.
        """
        typed = clauses(text[:MOST_TEXT])
        read, corrected = self._corrected(typed)
        parts: dict[tuple[Word, ...], Understood] = {}
        unknown: dict[str, None] = {}
        negation, place = "", 0
        while place < len(read):
            if read[place] == ENDS_CLAUSE:
                negation, place = "", place + 1
                continue
            phrase, span = self._longest_phrase(read, place)
            if phrase in self._negations:
                negation = " ".join(phrase)
            elif phrase in self._turns:
                negation = ""
            else:
                part = self._understood(phrase, liked=not negation)
                if part is not None:
                    parts.pop(part.words, None)  # what is said last counts
                    parts[part.words] = part
                elif not self._says_nothing(phrase[0]):
                    unknown[f"{negation} {phrase[0]}".lstrip()] = None
            place += span
        return Reading(tuple(parts.values()), corrected, tuple(unknown))

    def _corrected(self, typed: list[str]) -> tuple[list[str], tuple[tuple[str, str], ...]]:
        corrected: dict[str, str] = {}
        for token in dict.fromkeys(typed):
            if token and len(corrected) < _MOST_TYPOS:
                meant = self._spelling.correct(token)
                if meant != token:
                    corrected[token] = meant
        return [corrected.get(token, token) for token in typed], tuple(corrected.items())

    def _longest_phrase(self, read: list[str], place: int) -> tuple[tuple[str, ...], int]:
        """The longest phrase from a place on that means something, and its tokens with the signs in it; the token alone
        where none does. Signs are part of a value alone: "Dr. Bronner", "Giovanni Cosmetics, Inc."."""
        for span in range(min(2 * self._longest, len(read) - place), 1, -1):
            window = read[place : place + span]
            phrase = tuple(token for token in window if token != ENDS_CLAUSE)
            if window[-1] == ENDS_CLAUSE or not 2 <= len(phrase) <= self._longest:
                continue
            if self._means(phrase) if len(phrase) == span else self.index.is_value(phrase):
                return phrase, span
        return (read[place],), 1

    def _means(self, phrase: tuple[str, ...]) -> bool:
        if phrase in self._negations or phrase in self._turns or phrase in self._leanings:
            return True
        return self.index.find(phrase) is not None

    def _understood(self, phrase: tuple[str, ...], liked: bool) -> Understood | None:
        words = self.graph.vocabulary.words
        found = None if len(phrase) == 1 and phrase[0] in self._spoken else self.index.find(phrase)
        if found is not None:
            return Understood(" ".join(phrase), (words[found],), liked)
        if phrase in self._leanings:
            field, end = self._leanings[phrase]
            return self.leaning(field, end if liked else "high" if end == "low" else "low", " ".join(phrase))
        return None

    def leaning(self, field: str, end: str, phrase: str) -> Understood:
        """A leaning to an end of a field of `scales`; "not expensive" is one to the other end."""
        ids = end_words(self.scales[field], end)
        named = tuple(self.graph.vocabulary.words[word] for word in ids)
        return Understood(phrase, named, True, "leaning", end)

    def _says_nothing(self, token: str) -> bool:
        return token in self._fillers or len(token) == 1

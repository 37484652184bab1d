"""Typed phrases to words of a graph: as they are, in the plural, by a synonym, and with typing errors."""

from collections.abc import Iterable, Sequence

import numpy as np
from torch_geometric.data import HeteroData

from magus_pyg.language.lexicon import Lexicons
from magus_pyg.language.tokens import stem, tokens
from magus_pyg.language.word_items import WordItems

__all__ = ["Spelling", "WordIndex"]

_LONGEST = 8  # tokens of a phrase
_SHORTEST = 4  # letters of a token that is corrected: shorter ones are near too many others
_TWO_ERRORS = 8  # letters from which two errors are corrected


class WordIndex:
    """The words of a graph by what people type for them.

    A value that stands in several fields is the word that more items have. A phrase is, in this order, a value, a
    synonym of one, or a value but for the ending of its plural.

    Args:
        graph: the relational graph.
        lexicons: whose synonyms count.
        items: which items have which words.
    """

    def __init__(self, graph: HeteroData, lexicons: Lexicons, items: WordItems) -> None:
        self._exact: dict[tuple[str, ...], int] = {}
        self._stems: dict[tuple[str, ...], int] = {}
        for word, value in enumerate(graph.vocabulary.words.values):
            key = tokens(value)
            if not key or len(key) > _LONGEST:
                continue
            for index, form in ((self._exact, key), (self._stems, tuple(map(stem, key)))):
                if form not in index or items.support(word) > items.support(index[form]):
                    index[form] = word
        self._synonyms: dict[tuple[str, ...], int] = {}
        groups = [group for lexicon in lexicons.everything() for group in lexicon.synonyms]
        for group in groups:
            # The first of a group that the catalogue has is what those that it has not mean.
            here = [found for phrase in group if (found := self._word(phrase)) is not None]
            for phrase in group if here else ():
                if self._word(phrase) is None:
                    self._synonyms.setdefault(phrase, here[0])
        lengths = [len(key) for index in (self._exact, self._synonyms) for key in index]
        self.longest = max(lengths, default=1)
        """Tokens of the longest phrase."""

    def _word(self, phrase: tuple[str, ...]) -> int | None:
        found = self._exact.get(phrase)
        return self._stems.get(tuple(map(stem, phrase))) if found is None else found

    def is_value(self, phrase: tuple[str, ...]) -> bool:
        """Whether a phrase is a value as it stands."""
        return phrase in self._exact

    def find(self, phrase: tuple[str, ...]) -> int | None:
        """The id of the word that a phrase means, or None."""
        found = self._exact.get(phrase)
        if found is None:
            found = self._synonyms.get(phrase)
        return self._stems.get(tuple(map(stem, phrase))) if found is None else found

    def known_tokens(self) -> dict[str, int]:
        """Every token of a phrase, and how many phrases have it."""
        counts: dict[str, int] = {}
        for index in (self._exact, self._synonyms):
            for key in index:
                for token in key:
                    counts[token] = counts.get(token, 0) + 1
        return counts

    def synonyms(self) -> dict[int, list[str]]:
        """Word id -> the phrases that mean it beside its value."""
        found: dict[int, list[str]] = {}
        for phrase, word in self._synonyms.items():
            found.setdefault(word, []).append(" ".join(phrase))
        return found


class Spelling:
    """Corrects single tokens: letters left out, too many, wrong, or two neighbours exchanged.

    A token of four to seven letters may have one error, a longer one two; the nearest known token is meant, of equally
    near ones that of most phrases. All known tokens of a like length and like letters are compared at once.

    Args:
        known: tokens, and how much each is used.
        never: tokens that are right as they are, beside those.
    """

    def __init__(self, known: dict[str, int], never: Iterable[str]) -> None:
        self._right = set(known) | set(never)
        self._uses = known
        by_length: dict[int, list[str]] = {}
        for token in sorted(known):
            if len(token) >= _SHORTEST - 1 and token.isalpha():
                by_length.setdefault(len(token), []).append(token)
        self._tokens = by_length
        self._codes = {size: _codes(listed) for size, listed in by_length.items()}
        self._letters = {size: _letters(codes) for size, codes in self._codes.items()}

    def correct(self, token: str) -> str:
        """The token that was meant; the token itself where it or its singular is known, or none is near."""
        if token in self._right or stem(token) in self._right:
            return token
        for most in (1, 2):  # one error is far more frequent, and few tokens are so near
            for form in dict.fromkeys((token, stem(token))):
                found = self._nearest(form, most)
                if found is not None:
                    return found
        return token

    def _nearest(self, token: str, most: int) -> str | None:
        """The nearest known token within a number of errors."""
        if len(token) < (_SHORTEST if most == 1 else _TWO_ERRORS) or not token.isalpha():
            return None
        typed = _codes([token])
        best: list[tuple[int, int, str]] = []
        for size in range(len(token) - most, len(token) + most + 1):
            if size not in self._tokens:
                continue
            # An error changes at most two of the letters that occur, and two of the numbers of letters.
            near = np.flatnonzero(_bits(self._letters[size] ^ _letters(typed)) <= 2 * most)
            codes = self._codes[size][near]
            alike = np.abs(_counts(codes) - _counts(typed)).sum(1, dtype=np.int16) <= 2 * most
            near, codes = near[alike], codes[alike]
            distance = _distances(typed[0], codes)
            for place in np.flatnonzero(distance <= most).tolist():
                found = self._tokens[size][near[place]]
                best.append((int(distance[place]), -self._uses[found], found))
        return min(best)[2] if best else None


def _codes(listed: Sequence[str]) -> np.ndarray:
    """uint32 [n, letters] of tokens of one length."""
    return np.array(listed, dtype=str).view(np.uint32).reshape(len(listed), -1)


def _letters(codes: np.ndarray) -> np.ndarray:
    """uint32 [n]: which letters occur, as bits; rarer signs share them."""
    found: np.ndarray = np.bitwise_or.reduce(np.uint32(1) << (codes & np.uint32(31)), axis=1)
    return found


def _counts(codes: np.ndarray) -> np.ndarray:
    """int8 [n, 32]: how often each letter occurs; rarer signs share a place."""
    found = np.zeros((len(codes), 32), dtype=np.int8)
    row = np.arange(len(codes))
    for column in (codes & np.uint32(31)).T:
        found[row, column] += 1
    return found


_BITS = np.array([bin(number).count("1") for number in range(1 << 16)], dtype=np.uint8)


def _bits(values: np.ndarray) -> np.ndarray:
    """How many bits of each value are set."""
    found: np.ndarray = _BITS[values & np.uint32(0xFFFF)] + _BITS[values >> np.uint32(16)]
    return found


def _distances(typed: np.ndarray, codes: np.ndarray) -> np.ndarray:
    """int16 [n]: the least number of insertions, deletions, replacements and exchanges of neighbours (optimal string
    alignment) between one token [m] and n others [n, letters]; a step for each letter of the one."""
    count, size = codes.shape
    along = np.arange(size + 1, dtype=np.int16)
    before, last = np.zeros((count, size + 1), np.int16), np.broadcast_to(along, (count, size + 1))
    for place, letter in enumerate(typed):
        same = codes == letter
        row = np.empty((count, size + 1), np.int16)
        row[:, 0] = place + 1
        row[:, 1:] = np.minimum(last[:, 1:] + 1, last[:, :-1] + ~same)
        if place:
            swapped = same[:, :-1] & (codes[:, 1:] == typed[place - 1])
            row[:, 2:] = np.where(swapped, np.minimum(row[:, 2:], before[:, :-2] + 1), row[:, 2:])
        row = np.minimum.accumulate(row - along, axis=1) + along  # insertions, from left to right
        before, last = last, row
    found: np.ndarray = last[:, -1]
    return found

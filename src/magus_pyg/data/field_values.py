"""Field values as words: split, cleaned, spelled one way, numbers as bands (reading 1).

Values are cleaned once each, not once a row: a catalogue has few distinct ones.
"""

import html
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from magus_pyg.data.dataset_options import LogOptions

__all__ = [
    "CleanFields",
    "FieldEntries",
    "band_labels",
    "clean_fields",
    "clean_text",
    "joined",
    "labels_of_bands",
    "split_texts",
]

# Characters without width or meaning of their own. The joiners U+200C and U+200D stay: some scripts need them.
_INVISIBLE = dict.fromkeys(map(ord, "\u00ad\u200b\u200e\u200f\u2060\ufeff"))


@dataclass(frozen=True)
class FieldEntries:
    """The values of a field, one entry a value.

    Attributes:
        row: int64 [E], ascending: the row of the table.
        text: [E] texts.
    """

    row: np.ndarray
    text: pa.Array


@dataclass(frozen=True)
class CleanFields:
    """Fields with clean values.

    Attributes:
        columns: field -> object [rows], the values of a row joined by "|".
        notes: what was counted.
        spelling: the one key of all spellings of a word -> the word as it is written.
    """

    columns: dict[str, np.ndarray]
    notes: dict[str, int]
    spelling: dict[str, str] = field(default_factory=dict)

    def spelled(self, text: str) -> str:
        """A text, cleaned, in the spelling of the word that it is, if it is one."""
        cleaned = clean_text(text)
        return self.spelling.get(_key(cleaned), cleaned)


def split_texts(texts: pa.ChunkedArray, separator: str) -> FieldEntries:
    """The values of texts that hold several: [rows] texts to their entries."""
    lists = pc.split_pattern(texts, separator).combine_chunks()
    return FieldEntries(np.asarray(pc.list_parent_indices(lists).to_numpy()).astype(np.int64), pc.list_flatten(lists))


def joined(row: np.ndarray, texts: pa.Array, n_rows: int) -> np.ndarray:
    """The texts of each row joined by "|", object [n_rows]; "" for a row without any.

    Args:
        row: int64 [E], ascending.
        texts: [E].
        n_rows: number of rows.
    """
    ptr = np.concatenate([[0], np.cumsum(np.bincount(row, minlength=n_rows))])
    lists = pa.ListArray.from_arrays(pa.array(ptr, pa.int32()), texts)
    return np.asarray(pc.binary_join(lists, "|").to_pandas().to_numpy(dtype=object))


def clean_text(text: str) -> str:
    """A value as a person means it: entities resolved, blanks trimmed and single, nothing invisible, composed (NFC).

    A "|" becomes "/", since it joins values inside this package.
    """
    text = unicodedata.normalize("NFC", resolve_entities(text).translate(_INVISIBLE))
    return " ".join(text.split()).replace("|", "/")


def resolve_entities(text: str) -> str:
    """A text with the characters that its HTML entities stand for; scraped text is often escaped twice."""
    return html.unescape(html.unescape(text)) if "&" in text else text


def clean_fields(
    fields: Mapping[str, FieldEntries],
    n_rows: int,
    options: LogOptions,
    groups: Mapping[str, Sequence[str]] | None = None,
    known: Mapping[str, Iterable[str]] | None = None,
) -> CleanFields:
    """Clean the values of some fields, and spell each word one way.

    Args:
        fields: field -> its entries.
        n_rows: rows of the table.
        options: the rules.
        groups: names -> fields in which equal values are one word; fields in no group stand alone.
        known: name of a group, or of a field that stands alone -> words that are there already, whose spelling is kept.

    Returns:
        Each field's values without blanks, empties and repeats within a row, in their order.
    """
    notes: dict[str, int] = {}
    cleaned = {name: _cleaned(name, entries, options, notes) for name, entries in fields.items()}
    spelling: dict[str, str] = {}
    group_of = {member: (group, members) for group, members in (groups or {}).items() for member in members}
    columns = {}
    for name in fields:
        if name in columns:
            continue
        group, members = group_of.get(name, (name, [name]))
        together = [member for member in members if member in fields] or [name]
        written = _spelling([cleaned[member] for member in together], options.spelling, (known or {}).get(group, ()))
        for member in together:
            columns[member] = _joined(cleaned[member], written, n_rows)
        merged = sum(new != old for old, new in written.items()) if options.spelling == "fold" else 0
        if merged:
            notes[f"spellings of {name} written as another"] = merged
        for text in written.values():
            spelling.setdefault(_key(text), text)
    return CleanFields(columns, notes, spelling if options.spelling != "keep" else {})


def band_labels(values: np.ndarray, count: int, name: str) -> np.ndarray:
    """Numbers as bands by quantile, each named by the least and the greatest number in it.

    Args:
        values: float64 [n]; NaN where there is none.
        count: number of bands, at least 2; fewer come out where numbers repeat, since equal ones share a band.
        name: the field, which starts the label: people see the value of a word alone.

    Returns:
        object [n] of texts such as "price 10 to 25"; "" for NaN.
    """
    labels = np.full(values.size, "", dtype=object)
    known = np.flatnonzero(~np.isnan(values))
    if not known.size:
        return labels
    inner = np.arange(1, count) / count
    # Edges are numbers that occur, and a band starts at its edge.
    edges = np.unique(np.quantile(values[known], inner, method="inverted_cdf"))
    band = np.searchsorted(edges, values[known], side="left")
    for number in np.unique(band):
        rows = known[band == number]
        low, high = values[rows].min(), values[rows].max()
        text = _number(low) if low == high else f"{_number(low)} to {_number(high)}"
        labels[rows] = f"{name} {text}"
    return labels


def labels_of_bands(values: np.ndarray, name: str, words: Iterable[str]) -> tuple[np.ndarray, np.ndarray]:
    """Numbers as the bands that `band_labels` made of others; a number between two bands is of the upper one, since
    bands end at numbers that occur.

    Args:
        values: float64 [n]; NaN where there is none.
        name: the field.
        words: the words of the field, its bands among them.

    Returns:
        object [n] of texts, "" for NaN and for numbers outside of all bands; and which those are, bool [n].
    """
    found = sorted(filter(None, (_band(text, clean_text(name)) for text in words)))
    labels, known = np.full(values.size, "", dtype=object), ~np.isnan(values)
    if not found:
        return labels, known
    ends = np.array([high for _, high, _ in found])
    numbers = np.array([float(_number(value)) if there else 0.0 for value, there in zip(values, known, strict=True)])
    inside = known & (numbers >= found[0][0]) & (numbers <= ends[-1])
    place = np.searchsorted(ends, numbers, side="left")
    labels[inside] = [found[number][2] for number in place[inside]]
    return labels, known & ~inside


def _band(text: str, name: str) -> tuple[float, float, str] | None:
    """The least and the greatest number of a band, and its label; None for other words."""
    head, rest = text[: len(name) + 1], text[len(name) + 1 :]
    if head.casefold() != f"{name} ".casefold():
        return None
    try:
        ends = [float(part) for part in rest.split(" to ")]
    except ValueError:
        return None
    return (ends[0], ends[-1], text) if len(ends) <= 2 else None


def _number(value: float) -> str:
    return str(int(value)) if float(value).is_integer() and abs(value) < 1e15 else f"{value:.12g}"


def _key(text: str) -> str:
    """What all spellings of a word have in common: compatible characters and case folded."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())


@dataclass(frozen=True)
class _Cleaned:
    row: np.ndarray  # int64 [E]
    code: np.ndarray  # int64 [E], into texts
    texts: list[str]  # distinct


def _cleaned(name: str, entries: FieldEntries, options: LogOptions, notes: dict[str, int]) -> _Cleaned:
    encoded = entries.text.dictionary_encode()
    if isinstance(encoded, pa.ChunkedArray):
        encoded = encoded.combine_chunks()
    texts = [clean_text(text) for text in encoded.dictionary.to_pylist()]
    code = encoded.indices.to_numpy(zero_copy_only=False).astype(np.int64)
    counts = np.bincount(code, minlength=len(texts))
    same = (lambda text: text) if options.spelling == "keep" else _key
    empty = {same(clean_text(text)) for text in _empty_values(name, options)}
    meaningless = np.array([same(text) in empty for text in texts], dtype=bool)
    filled = np.array([text != "" for text in texts], dtype=bool)
    long = np.array([len(text) > options.max_length for text in texts], dtype=bool)
    for what, which in (
        (f"values of {name} that mean no value", meaningless & filled),
        (f"values of {name} longer than {options.max_length} characters, left out", long & ~meaningless),
    ):
        if which.any():
            notes[what] = int(counts[which].sum())
    kept = (filled & ~meaningless & ~long)[code] if len(texts) else np.zeros(0, dtype=bool)
    return _Cleaned(entries.row[kept], code[kept], texts)


def _empty_values(name: str, options: LogOptions) -> Iterable[str]:
    return [*options.empty_values.get("*", []), *options.empty_values.get(name, [])]


def _spelling(fields: Sequence[_Cleaned], rule: str, known: Iterable[str]) -> dict[str, str]:
    """From each text to the text it is written as; that of a known word is kept where spellings are folded."""
    counts: dict[str, int] = {}
    for one in fields:
        for text, count in zip(one.texts, np.bincount(one.code, minlength=len(one.texts)).tolist(), strict=True):
            if count:
                counts[text] = counts.get(text, 0) + count
    if rule == "keep":
        return {text: text for text in counts}
    if rule == "lower":
        return {text: unicodedata.normalize("NFC", text.lower()) for text in counts}
    best: dict[str, tuple[int, str]] = {}
    for text, count in counts.items():
        # The most frequent spelling; of equally frequent ones the first in the order of characters.
        best[_key(text)] = min(best.get(_key(text), (0, "")), (-count, text))
    kept = {_key(text): text for text in known}
    return {text: kept.get(_key(text), best[_key(text)][1]) for text in counts}


def _joined(field_: _Cleaned, written: Mapping[str, str], n_rows: int) -> np.ndarray:
    texts = [written.get(text, "") for text in field_.texts]
    code, distinct = pd.factorize(np.array(texts, dtype=object))
    value = code[field_.code] if len(texts) else field_.code
    kept = np.flatnonzero(~pd.DataFrame({"row": field_.row, "value": value}).duplicated().to_numpy())
    return joined(field_.row[kept], pa.array(distinct, pa.string()).take(pa.array(value[kept])), n_rows)

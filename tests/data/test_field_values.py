"""Words from values: characters, case, blanks, entities, bands, what is no word."""

import unicodedata
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from magus_pyg.data import LogOptions
from magus_pyg.data.field_values import FieldEntries, band_labels, clean_fields, clean_text, split_texts


def cleaned(texts: list[str], separator: str = "|", **changes: object) -> tuple[list[str], dict[str, int]]:
    entries = split_texts(pa.chunked_array([pa.array(texts, pa.string())]), separator)
    result = clean_fields({"f": entries}, len(texts), LogOptions(**changes))
    return result.columns["f"].tolist(), result.notes


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("  two\t words\u00a0here \n", "two words here"),
        ("Crabtree &amp; Evelyn", "Crabtree & Evelyn"),
        ("A &amp;amp; B", "A & B"),  # escaped twice
        ("caf\u0065\u0301", "café"),  # e and an accent are one character
        ("\ufeffzero\u200bwidth\u00ad", "zerowidth"),
        ("50% &lt; 1", "50% < 1"),
        ("a&#124;b", "a/b"),  # "|" joins values
        ("&nbsp;", ""),
        ("", ""),
    ],
)
def test_clean_text(text, expected):
    assert clean_text(text) == expected


def test_one_spelling_of_each_word():
    # Three times Tigi, twice TIGI: Tigi. Of equally frequent ones the first in order. Full-width letters are letters.
    texts = ["Tigi|a", "TIGI", "Tigi|A", "TIGI|Tigi", "\uff34\uff29\uff27\uff29|Stra\u00dfe|STRASSE"]
    result, notes = cleaned(texts)
    assert result == ["Tigi|A", "Tigi", "Tigi|A", "Tigi", "Tigi|STRASSE"]
    assert notes == {"spellings of f written as another": 4}
    assert cleaned(texts, spelling="lower")[0] == ["tigi|a", "tigi", "tigi|a", "tigi", "ｔｉｇｉ|straße|strasse"]
    assert cleaned(texts, spelling="keep")[0] == [*texts[:4], "ＴＩＧＩ|Straße|STRASSE"]


def test_groups_share_their_spelling():
    fields = {name: FieldEntries(np.arange(2), pa.array(texts)) for name, texts in (
        ("department", ["Women", "women"]), ("leaf", ["women", "women"]), ("brand", ["WOMEN", ""]))}  # fmt: skip
    result = clean_fields(fields, 2, LogOptions(), {"category": ["department", "leaf"]})
    assert {name: values.tolist() for name, values in result.columns.items()} == {
        "department": ["women", "women"],
        "leaf": ["women", "women"],
        "brand": ["WOMEN", ""],
    }
    assert list(result.columns) == ["department", "leaf", "brand"]
    assert result.spelled(" WoMen ") == "women"
    assert result.spelled("else") == "else"


def test_what_is_no_word_is_counted():
    result, notes = cleaned(["Unknown|x", "UNKNOWN", "x" * 11, " | |"], empty_values={"*": ["unknown"]}, max_length=10)
    assert result == ["x", "", "", ""]
    assert notes == {"values of f that mean no value": 2, "values of f longer than 10 characters, left out": 1}
    result, _ = cleaned(["Unknown", "unknown"], empty_values={"f": ["unknown"]}, spelling="keep")
    assert result == ["Unknown", ""]


def test_no_rows_and_no_values():
    assert cleaned([]) == ([], {})
    assert cleaned(["", "|"]) == (["", ""], {})


def test_bands_by_hand():
    values = np.array([1.0, 2.0, 3.0, 4.0, np.nan, 10.5])
    labels = band_labels(values, 2, "price").tolist()
    assert labels == ["price 1 to 3"] * 3 + ["price 4 to 10.5", "", "price 4 to 10.5"]
    # Equal numbers share a band, whatever the quantiles say.
    assert band_labels(np.array([5.0, 5.0, 5.0, 9.0]), 4, "p").tolist() == ["p 5", "p 5", "p 5", "p 9"]
    assert band_labels(np.array([np.nan]), 3, "p").tolist() == [""]
    assert band_labels(np.array([-2.0, -1.0, 1e6, 1234567.25]), 2, "d").tolist()[::3] == [
        "d -2 to -1",
        "d 1000000 to 1234567.25",
    ]


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=60), st.integers(2, 8))
def test_bands_are_ordered_and_about_equal(numbers, count):
    values = np.array(numbers)
    labels = band_labels(values, count, "x")
    assert len(set(labels)) <= count
    spans = sorted((values[labels == label].min(), values[labels == label].max()) for label in set(labels))
    assert all(low[1] < high[0] for low, high in pairwise(spans))
    for label in set(labels):
        inside = values[labels == label]
        ties = max((values == value).sum() for value in inside)
        assert len(inside) <= -(-len(values) // count) + ties


@given(st.lists(st.text(max_size=6), max_size=8), st.sampled_from(["fold", "keep", "lower"]))
def test_cleaning_twice_changes_nothing(texts, spelling):
    once, _ = cleaned(texts, spelling=spelling)
    assert cleaned(once, spelling=spelling)[0] == once
    words = [word for text in once for word in text.split("|") if word]
    for word in words:
        assert word == word.strip()
        assert unicodedata.is_normalized("NFC", word)
    if spelling == "fold":
        keys = {unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", word).casefold()) for word in words}
        assert len(keys) == len(set(words))

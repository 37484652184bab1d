"""Sorted texts and words merged with new ones: as sorting all of them."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from magus_pyg.graph import Word
from magus_pyg.graph._merging import append_texts, find_texts, find_words, merge_words, select_words
from magus_pyg.graph._texts import Texts
from magus_pyg.graph.vocabulary import Words

TEXTS = st.lists(st.text(alphabet="abé日\U0001f600", max_size=3), unique=True, max_size=8)


@given(old=TEXTS, wanted=TEXTS)
def test_texts_are_found_where_they_would_stand(old: list[str], wanted: list[str]) -> None:
    old.sort()
    zeros, ends = np.zeros(len(wanted), np.int64), np.full(len(wanted), len(old))
    place, found = find_texts(Texts.of(old), zeros, ends, Texts.of(wanted))
    assert place.tolist() == [sum(text < other for text in old) for other in wanted]
    assert found.tolist() == [other in old for other in wanted]


@given(old=TEXTS, new=TEXTS)
def test_appended_texts_have_the_index_of_all(old: list[str], new: list[str]) -> None:
    texts = Texts.of(old)
    both = Texts.of([*old, *new])
    assert append_texts(texts, Texts.of(new)) == both
    for mine, other in zip(append_texts(texts, Texts.of(new)).index_arrays, both.index_arrays, strict=True):
        assert np.array_equal(mine, other)
    _ = texts.index_arrays  # from now on it is merged
    for mine, other in zip(append_texts(texts, Texts.of(new)).index_arrays, both.index_arrays, strict=True):
        assert np.array_equal(mine, other)
        assert mine.dtype == other.dtype


@given(old=TEXTS, new=TEXTS)
def test_words_are_merged_in_order(old: list[str], new: list[str]) -> None:
    old, new = sorted(old), sorted(set(new) - set(old))
    words = [Words(("f", "g"), np.zeros(len(texts), np.int32), Texts.of(texts)) for texts in (old, new)]
    place = np.array([sum(text < other for text in old) for other in new], dtype=np.int64)
    assert merge_words(*words, place) == [Word("f", text) for text in sorted([*old, *new])]


@given(old=TEXTS, wanted=TEXTS)
def test_words_are_found_by_field(old: list[str], wanted: list[str]) -> None:
    """The same values in two fields are two words."""
    old.sort()
    two = Words(("f", "g"), np.repeat(np.arange(2, dtype=np.int32), len(old)), Texts.of([*old, *old]))
    for code, name in enumerate("fg"):
        words = Words(("f", "g"), np.full(len(wanted), code, dtype=np.int32), Texts.of(wanted))
        place, found = find_words(two, words)
        assert [two[number] for number in place[found].tolist()] == [Word(name, text) for text in wanted if text in old]
        assert bool((place >= code * len(old)).all())
        assert bool((place <= (code + 1) * len(old)).all())
        assert select_words(words, found) == [Word(name, text) for text in wanted if text in old]

"""Texts as bytes and offsets: they behave as the tuples they stand for, and are found without being decoded."""

import pickle
import zlib

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from magus_pyg.errors import GraphError
from magus_pyg.graph import Vocabulary, Word, Words
from magus_pyg.graph._texts import Texts, checksums

TEXTS = st.lists(st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=6), max_size=12)


@given(TEXTS, st.integers(-15, 15), st.integers(-15, 15), TEXTS)
def test_texts_behave_as_the_tuple(listed: list[str], low: int, high: int, others: list[str]) -> None:
    texts, expected = Texts.of(listed), tuple(listed)
    assert texts == expected
    assert expected == texts
    assert tuple(texts) == expected
    assert texts[low:high] == expected[low:high]
    assert len(texts) == len(expected)
    for place in range(-len(expected), len(expected)):
        assert texts[place] == expected[place]
    for text in {*listed, *others}:
        assert texts.find_all(text) == [place for place, other in enumerate(listed) if other == text]
        assert (text in texts) == (text in expected)
    wanted = [*others, *listed]
    assert texts.positions(wanted).tolist() == [listed.index(text) if text in listed else -1 for text in wanted]
    assert Texts.of(pa.array(listed, pa.string())) == texts
    assert pickle.loads(pickle.dumps(texts)) == texts
    assert (texts == others) == (expected == tuple(others))


@given(TEXTS)
def test_checksums_are_those_of_zlib(listed: list[str]) -> None:
    texts = Texts.of(listed)
    assert checksums(texts.data, texts.ends).tolist() == [zlib.crc32(text.encode()) for text in listed]


def test_texts_with_one_checksum_are_told_apart() -> None:
    first, second = "plumless", "buckeroo"  # a known pair with the same CRC-32
    assert zlib.crc32(first.encode()) == zlib.crc32(second.encode())
    for listed in ([first, second], [second, first]):
        texts = Texts.of(listed)
        assert texts.find_all(first) == [listed.index(first)]
        assert texts.positions([second, first, "x"]).tolist() == [listed.index(second), listed.index(first), -1]
    assert Texts.of([first]).find(second) is None
    assert Texts.of([first]).positions([second]).tolist() == [-1]


def test_many_texts_over_several_blocks() -> None:
    listed = [f"item {number}" for number in range(10_000)]
    texts = Texts.of(listed)
    assert list(texts) == listed
    assert texts.positions(listed[::-7]).tolist() == list(range(10_000))[::-7]
    assert Texts.of(pa.array(["", *listed], pa.string()).slice(1)) == texts


def test_outside_and_other_types() -> None:
    texts = Texts.of(["a"])
    for place in (1, -2):
        with pytest.raises(IndexError):
            texts[place]
    assert 7 not in texts
    assert texts != "a"
    assert texts.find("\ud800") is None
    assert repr(texts) == "Texts(1)"


@pytest.mark.parametrize("ends", [[], [0, 2], [1, 3], [0, 2, 1, 3]])
def test_ends_that_do_not_fit(ends: list[int]) -> None:
    with pytest.raises(ValueError, match="do not fit"):
        Texts(np.zeros(3, np.uint8), np.array(ends, np.int64))


def test_an_index_of_another_length() -> None:
    with pytest.raises(ValueError, match="the index of 1 texts has"):
        Texts(np.zeros(1, np.uint8), np.array([0, 1]), (np.zeros(2, np.int32), np.zeros(2, np.int32)))


def test_bytes_that_are_no_text() -> None:
    with pytest.raises(GraphError, match="text 1 of the graph is damaged"):
        list(Texts(np.array([97, 255], np.uint8), np.array([0, 1, 2])))


WORDS = [Word("brand", "x"), Word("brand", "y"), Word("kind", "x")]


def test_words_behave_as_the_tuple() -> None:
    words = Words.of(WORDS)
    assert words == tuple(WORDS)
    assert tuple(WORDS) == words
    assert words[1:] == tuple(WORDS[1:])
    assert words[-1] == WORDS[-1]
    assert Word("kind", "x") in words
    assert ("kind", "y") not in words
    assert "x" not in words
    assert words != WORDS[:2]
    assert repr(words) == "Words(3, fields=['brand', 'kind'])"
    for fields, field in ((("brand",), [0, 0, 1]), (("brand", "kind"), [0, 1])):
        with pytest.raises(ValueError, match="fields"):
            Words(fields, np.array(field, np.int32), words.values)


@pytest.mark.parametrize("small", [100, 0])
def test_words_are_found_alike_with_and_without_a_dict(monkeypatch: pytest.MonkeyPatch, small: int) -> None:
    monkeypatch.setattr("magus_pyg.graph.vocabulary._SMALL", small)
    vocabulary = Vocabulary(WORDS, ["i", "j"])
    assert vocabulary.find("x") == [0, 2]
    assert vocabulary.find(("kind", "x")) == [2]
    assert vocabulary.find(("kind", "y")) == vocabulary.find("z") == []
    assert vocabulary.word_id("y") == vocabulary.word_id(("brand", "y")) == 1
    with pytest.raises(
        GraphError, match=r"unknown word 'y' in field 'kind'; the graph's fields are \['brand', 'kind'\]"
    ):
        vocabulary.word_id(("kind", "y"))
    with pytest.raises(GraphError, match=r"'x' is ambiguous: it stands in the fields \['brand', 'kind'\]"):
        vocabulary.word_id("x")
    assert vocabulary.by_word[("kind", "x")] == 2
    assert vocabulary.by_value["x"] == [0, 2]

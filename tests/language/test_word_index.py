from itertools import product

import numpy as np
import pytest
from language_cases import clothes_graph

from magus_pyg.language import read_lexicons
from magus_pyg.language.word_index import Spelling, WordIndex, _codes, _distances
from magus_pyg.language.word_items import WordItems


def literal_distance(a: str, b: str) -> int:
    """Optimal string alignment by its definition."""
    d = {(i, 0): i for i in range(len(a) + 1)} | {(0, j): j for j in range(len(b) + 1)}
    for i, j in product(range(1, len(a) + 1), range(1, len(b) + 1)):
        d[i, j] = min(d[i - 1, j] + 1, d[i, j - 1] + 1, d[i - 1, j - 1] + (a[i - 1] != b[j - 1]))
        if i > 1 and j > 1 and a[i - 1] == b[j - 2] and a[i - 2] == b[j - 1]:
            d[i, j] = min(d[i, j], d[i - 2, j - 2] + 1)
    return d[len(a), len(b)]


def test_distances_are_those_of_the_definition():
    words = ["".join(letters) for letters in product("abc", repeat=4)]
    for typed in ("abca", "bca", "cabba", "a", "ccabc"):
        found = _distances(_codes([typed])[0], _codes(words))
        assert found.tolist() == [literal_distance(typed, word) for word in words], typed
    assert _distances(_codes(["ab"])[0], np.zeros((0, 3), np.uint32)).tolist() == []


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("shrit", "shirt"), ("shirtt", "shirt"), ("shrt", "shirt"), ("skirt", "shirt"), ("shirt", "shirt"),
        ("sh", "sh"),
        ("shi", "shi"), ("trosuers", "trousers"), ("tousres", "tousres"), ("tousrers", "trousers"), ("xyzzy", "xyzzy"),
        ("shxxt", "shxxt"), ("sh1rt", "sh1rt"), ("größe", "größe"),
    ],
)  # fmt: skip
def test_short_words_may_have_one_error_and_long_ones_two(typed, meant):
    assert Spelling({"shirt": 2, "trousers": 1, "blue": 3}, []).correct(typed) == meant


def test_of_equally_near_words_the_more_used_one_is_meant_and_known_ones_stay():
    spelling = Spelling({"beans": 1, "bears": 5}, ["beads"])
    assert [spelling.correct(word) for word in ("beaps", "beans", "beads")] == ["bears", "beans", "beads"]
    assert Spelling({"beans": 5, "bears": 5}, []).correct("beaps") == "beans", "then the first by letters"
    assert Spelling({}, []).correct("beans") == "beans"


def test_phrases_are_found_by_value_synonym_and_plural():
    graph = clothes_graph()
    index, words = WordIndex(graph, read_lexicons(), WordItems(graph)), graph.vocabulary.words
    found = {phrase: index.find(tuple(phrase.split())) for phrase in (
        "shirt", "shirts", "green tea", "green teas", "oat milk", "pants", "hose", "blaue", "tea", "mid range",
        "nothing",
    )}  # fmt: skip
    assert {phrase: None if word is None else words.values[word] for phrase, word in found.items()} == {
        "shirt": "shirt", "shirts": "shirt", "green tea": "green tea", "green teas": "green tea",
        "oat milk": "oat drink", "pants": "trousers", "hose": "trousers", "blaue": "blue", "tea": None,
        "mid range": "mid-range", "nothing": None,
    }  # fmt: skip
    assert "oat milk" in index.synonyms()[found["oat milk"]]


def test_a_value_of_several_fields_is_the_word_of_more_items():
    rows = [
        ("a", "navy", "", "lamp", "", "", ""),
        ("b", "", "", "lamp", "Navy", "", ""),
        ("c", "", "", "lamp", "Navy", "", ""),
    ]
    graph = clothes_graph(rows)
    index = WordIndex(graph, read_lexicons(), WordItems(graph))
    assert graph.vocabulary.words[index.find(("navy",))].field == "colour"

from itertools import combinations

from language_cases import ROWS, clothes_graph

from magus_pyg.language.word_items import WordItems


def test_items_of_words_are_those_of_the_table():
    graph = clothes_graph()
    items, words = WordItems(graph), graph.vocabulary.words
    for word, (_, value) in enumerate(words):
        assert items.of(word).tolist() == [place for place, row in enumerate(ROWS) if value in row[1:]], value
        assert items.support(word) == items.of(word).size


def test_what_is_implied_and_what_is_selected_equal_sets_of_items():
    graph = clothes_graph()
    items, ids = WordItems(graph), range(len(graph.vocabulary.words))
    having = {word: set(items.of(word).tolist()) for word in ids}
    for one, other in combinations(ids, 2):
        assert items.implies(one, other) == (having[one] <= having[other])
        assert items.implies(other, one) == (having[other] <= having[one])
        assert set(items.having([one, other]).tolist()) == having[one] & having[other]
        assert items.select_the_same([one], [one, other]) == (having[one] <= having[other])
    assert not items.select_the_same([], [0])

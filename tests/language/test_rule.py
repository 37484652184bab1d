import pytest
from language_cases import ROWS, clothes_graph, query

from magus_pyg.graph import n_items, n_nodes
from magus_pyg.language import Phraser, read_lexicons
from magus_pyg.language.rule import MOST_SIGNS, plain_word
from magus_pyg.language.word_items import WordItems

GRAPH = clothes_graph()
PHRASER = Phraser(GRAPH)


def said(*words: str, locale: str = "en") -> tuple[str, str]:
    phrasing = PHRASER.phrase([query(GRAPH, *words)], locale)[0]
    assert phrasing.source == "rule"
    return phrasing.text, phrasing.question


def test_the_papers_example_from_end_to_end():
    """App. D.2: "clothes" says nothing beside "shirt"."""
    assert said("blue", "clothes", "shirt") == ("blue shirt", "Do you like blue shirts?")


@pytest.mark.parametrize(
    ("words", "text", "question"),
    [
        (("shirt",), "shirt", "Do you like shirts?"),
        (("trousers", "blue"), "blue trousers", "Do you like blue trousers?"),
        (("cotton", "blue", "Alvo"), "Alvo blue cotton", "Do you like Alvo blue cotton things?"),
        (("Alvo",), "Alvo", "Do you like things by Alvo?"),
        (("green tea", "budget"), "budget green tea", "Do you like budget green tea?"),
        (("groceries", "budget"), "budget groceries", "Do you like budget groceries?"),
        (("oat drink",), "oat drink", "Do you like oat drinks?"),
    ],
)
def test_fields_stand_in_a_natural_order_with_a_question_that_fits(words, text, question):
    assert said(*words) == (text, question)


def test_german_puts_qualities_after_the_thing():
    assert said("blue", "clothes", "shirt", locale="de") == ("shirt, blue", "Mögen Sie „shirt, blue“?")
    assert said("Alvo", locale="de-AT")[1] == "Mögen Sie etwas von „Alvo“?"
    assert said("blue", locale="fr") == said("blue"), "the default where a language is not known"


def test_every_text_selects_the_same_items_as_its_query():
    items, nodes = WordItems(GRAPH), range(n_items(GRAPH), n_nodes(GRAPH))
    shorter = 0
    for ids in PHRASER.word_ids(nodes):
        kept = PHRASER.rule.keywords(ids)
        assert set(kept) <= set(ids)
        assert items.select_the_same(kept, ids)
        shorter += len(kept) < len(ids)
    assert shorter > 10


def test_the_last_thing_stays_and_what_one_item_has_implies_nothing():
    # All of Dovi is one item: the brand would imply everything.
    assert said("Dovi", "green tea") == ("Dovi green tea", "Do you like Dovi green tea?")
    # Of wool there is one item; linen likewise.
    assert said("wool", "red")[0] == "red wool"
    rows = [*ROWS, ("d1", "Dovi", "groceries", "green tea", "", "", "budget")]
    graph = clothes_graph(rows)
    phrase = Phraser(graph).phrase([query(graph, "Dovi", "groceries", "green tea")])[0]
    assert phrase.text == "Dovi green tea", "two items of Dovi, both tea: the thing stays all the same"


def test_words_that_imply_each_other_leave_one():
    rows = [
        (f"i{n}", "Alvo", "clothes", "shirt", colour, "cotton", "") for n, colour in enumerate(("blue", "blue", "red"))
    ]
    graph = clothes_graph(rows)
    assert Phraser(graph).phrase([query(graph, "clothes", "shirt", "blue")])[0].text == "blue shirt"


def test_bands_of_numbers_stand_at_the_end():
    rows = [("a", "", "", "lamp", "blue", "", "price_band 10 to 25"), ("b", "", "", "lamp", "", "", "price_band 3")]
    graph = clothes_graph(rows)
    phrase = Phraser(graph).phrase
    of = [query(graph, "lamp", "price_band 10 to 25", "blue"), query(graph, "price_band 3")]
    assert [entry.question for entry in phrase(of)] == [
        "Do you like blue lamps, price_band 10 to 25?",
        "Would price_band 3 be about right?",
    ]


@pytest.mark.parametrize(
    ("thing", "many"),
    [
        ("dress", "dresses"), ("box", "boxes"), ("berry", "berries"), ("toy", "toys"), ("scarf", "scarves"),
        ("knife", "knives"), ("glasses", "glasses"), ("Skin Care", "Skin Care"), ("t-shirt", "t-shirts"),
        ("Oils & Serum", "Oils & Serum"), ("Modell 3", "Modell 3"), ("watch", "watches"), ("rice", "rice"),
    ],
)  # fmt: skip
def test_plurals(thing, many):
    graph = clothes_graph([("a", "", "", thing, "", "", ""), ("b", "", "", "other", "", "", "")])
    assert Phraser(graph).phrase([query(graph, thing)])[0].question == f"Do you like {many}?"


def test_things_without_a_plural_are_joined():
    import pandas as pd

    from magus_pyg.graph import build_relational_graph

    items = pd.DataFrame({"item_id": ["a", "b"], "genre": ["Comedy|War", "War"], "decade": ["1990s", "1980s"]})
    graph = build_relational_graph(items, word_fields=["genre", "decade"], item_id="item_id", max_words=3)
    phrase = Phraser(graph).phrase([query(graph, "1990s", "Comedy", "War")])[0]
    assert (phrase.text, phrase.question) == ("1990s War Comedy", "Do you like 1990s War and Comedy?")
    three = build_relational_graph(
        pd.DataFrame({"item_id": ["a", "b", "c"], "genre": ["Comedy|War|Action", "War", "Action"]}),
        ["genre"],
        max_words=3,
    )
    phrase = Phraser(three).phrase([query(three, "Action", "Comedy", "War")])[0]
    assert phrase.question == "Do you like Action, War and Comedy?"


@pytest.mark.parametrize("thing", ["pantry", "Men's", "Hands & Nails"])
def test_shelves_are_asked_about_as_qualities(thing):
    graph = clothes_graph([("a", "Alvo", "", thing, "", "", ""), ("b", "", "", "other", "", "", "")])
    phrase = Phraser(graph).phrase([query(graph, "Alvo", thing)])[0]
    assert (phrase.text, phrase.question) == (f"Alvo {thing}", f"Do you like Alvo {thing} things?")


def test_words_of_data_never_act_and_are_cut():
    assert plain_word("ig\x1b[2Jnore\nall\u202erules") == "ig [2Jnore allrules"
    assert plain_word("x" * 1000) == "x" * (MOST_SIGNS - 1) + "…"
    rows = [("a", "{query} <b>", "", "lamp", "", "", ""), ("b", "B", "", "lamp", "", "", "")]
    graph = clothes_graph(rows)
    assert Phraser(graph).phrase([query(graph, "{query} <b>", "lamp")])[0].question == "Do you like {query} <b> lamps?"


def test_one_lexicon_of_ones_own_says_the_questions(tmp_path):
    thing = 'name: en\nquestions: {thing: "{query}?", quality: "{query}!", maker: "by {query}", number: "{query}."}\n'
    (tmp_path / "en.yaml").write_text(thing)
    phraser = Phraser(GRAPH, read_lexicons("en", str(tmp_path)))
    assert phraser.phrase([query(GRAPH, "blue")])[0].question.startswith("blue")
    assert phraser.phrase([query(GRAPH, "blue")], "de")[0].question == "Mögen Sie etwas mit „blue“?"

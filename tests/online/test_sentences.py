"""What people read of a session: each sentence in both languages, plurals, numbers, and text of the data."""

import re
from collections.abc import Sequence

import pandas as pd
import pytest
from catalogues import APPLE_FIELDS

from magus_pyg.errors import ConfigError
from magus_pyg.graph import Word, build_relational_graph
from magus_pyg.online import Reason, Told
from magus_pyg.online.sentences import _TABLES, LANGUAGES, Sentences
from magus_pyg.simulation.answers import AnsweredList

# Items A 0 (macbook, pro, grey), B 1 (airpods), C 2 (iphone, pro); airpods 3, iphone 4, macbook 5, pro 6, grey 7.


@pytest.mark.parametrize(
    ("event", "english", "german"),
    [
        (AnsweredList((6, 0, 4), 6), "More with pro.", "Mehr mit pro."),
        (AnsweredList((6, 0, 4, 5), 4), "More with iphone; less with pro.", "Mehr mit iphone; weniger mit pro."),
        (AnsweredList((0, 1)), "None of the 2 items shown.", "Keiner der 2 gezeigten Artikel."),
        (AnsweredList((0, 6)), "Not the item shown; less with pro.", "Nicht der gezeigte Artikel; weniger mit pro."),
        (
            AnsweredList((3, 4, 5, 6, 7, 0), None, (3, 4)),
            "Not the item shown; less with macbook, pro and grey; airpods and iphone do not matter.",
            "Nicht der gezeigte Artikel; weniger mit macbook, pro und grey; airpods und iphone sind egal.",
        ),
        (AnsweredList((3,), None, (3,)), "Airpods does not matter.", "Airpods ist egal."),
        (AnsweredList((0, 1), 1), "", ""),
        (AnsweredList(()), "", ""),
        (Told((Word("level", "pro"),), (True,), (6,)), "More with pro.", "Mehr mit pro."),
        (
            Told((Word("level", "pro"), Word("x", "y")), (False, False), (6, -1)),
            "Less with pro and y.",
            "Weniger mit pro und y.",
        ),
    ],
)
def test_what_was_understood(apple: pd.DataFrame, event: AnsweredList | Told, english: str, german: str) -> None:
    graph = build_relational_graph(apple, APPLE_FIELDS, max_words=1)
    assert Sentences("en").understood(graph, event) == english
    assert Sentences("de").understood(graph, event) == german


def test_queries_are_called_as_the_reader_saw_them(apple: pd.DataFrame) -> None:
    graph = build_relational_graph(apple, APPLE_FIELDS, max_words=1)
    page = Sentences("en", "list")

    def name(words: Sequence[Word]) -> str:
        return "/".join(word.value.upper() for word in words)

    event = AnsweredList((6, 0, 4, 5), 4)
    assert page.understood(graph, event, name) == "More with IPHONE; less with PRO."
    words = (Word("level", "pro"),)
    clicked = Reason(2, "clicked", 6, words, None, "pro", 0.5)
    assert page.reason(clicked, name) == "you chose PRO in list 2"
    assert Sentences("de", "list").reason(clicked) == "Sie haben pro gewählt (Liste 2)"
    assert page.reason(Reason(2, "told", 6, words, None, "pro", 0.5), name) == "you asked for pro in list 2"
    assert (
        page.reason(Reason(2, "refused", 0, words, "A", "a thing", -0.5), name) == "you passed over a thing in list 2"
    )


def test_numbers_and_plurals() -> None:
    en, de = Sentences("en"), Sentences("de")
    assert [en.say("items", n) for n in (0, 1, 2, 68_257)] == ["0 items", "1 item", "2 items", "68,257 items"]
    assert [de.say("items", n) for n in (1, 68_257)] == ["1 Artikel", "68.257 Artikel"]
    assert (en.number(1234.5, 2), de.number(1234.5, 2)) == ("1,234.50", "1.234,50")
    assert (en.signed(0.25), en.signed(-0.25), de.signed(-0.25)) == ("+0.250", "-0.250", "-0,250")
    assert en.say("nothing_found", 1) == "nothing found in 1 round"


def test_many_names_are_counted_and_long_ones_cut() -> None:
    en = Sentences()
    assert en.joined([]) == ""
    assert en.joined(["a"]) == "a"
    assert en.joined(list("abcde")) == "a, b, c, d and e"
    assert en.joined(list("abcdef")) == "a, b, c, d and 2 others"
    assert en.joined(["x" * 100, "a\nb\u202e"]) == "x" * 79 + "… and a b"


def test_every_reason_has_a_sentence() -> None:
    for language in LANGUAGES:
        says = Sentences(language)
        for kind in ("searched", "told", "clicked", "not care", "refused", "below"):
            text = says.reason(Reason(2, kind, 6, (), None, "pro", 0.5))
            assert "pro" in text
            assert "2" in text
        assert says.reason(Reason(0, "scaled", None, (), None, "", 0.5))
    assert Sentences().reason(Reason(1, "told", 6, (), None, "pro", 0.5, False)) == "you did not want pro in round 1"


def test_both_tables_say_the_same_things() -> None:
    def form(text: str | tuple[str, str]) -> list[set[str]]:
        return [set(re.findall(r"{(\w+)", part)) for part in ([text] if isinstance(text, str) else text)]

    english, german = _TABLES["en"], _TABLES["de"]
    assert list(english) == list(german)
    for key, text in english.items():
        assert set().union(*form(text)) == set().union(*form(german[key])), key
        assert isinstance(text, str) == isinstance(german[key], str), key


def test_another_language() -> None:
    with pytest.raises(ConfigError, match=r"sentences in en, de \(got 'fr'\)"):
        Sentences("fr")

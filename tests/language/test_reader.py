import pytest
from language_cases import clothes_graph

from magus_pyg.language import Reader
from magus_pyg.language.reader import MOST_TEXT

READER = Reader(clothes_graph())


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("I am a student", ["low price band: budget"]),
        ("I'm looking for a blue cotton shirt, please", ["blue", "cotton", "shirt"]),
        ("günstige blaue Hosen, aber keine von Alvo", ["low price band: budget", "blue", "trousers", "not Alvo"]),
        ("no wool or linen, but cotton", ["not wool", "not linen", "cotton"]),
        ("Ich mag kein Leinen. Baumwolle ist gut", ["not linen", "cotton"]),
        ("not expensive", ["low price band: budget"]),
        ("nothing cheap", ["high price band: premium"]),
        ("oat milk", ["oat drink"]),
        ("red, no: not red", ["not red"]),
        ("blue blue BLUE", ["blue"]),
        ("a shirt that is not red but blue", ["shirt", "not red", "blue"]),
        ("", []),
        ("!!! ... ???", []),
        ("the and of", []),
    ],
)
def test_texts(text, parts):
    reading = READER.read(text)
    assert [str(part) for part in reading.parts] == parts
    assert reading.source == "rule"
    assert reading.unknown == ()
    assert reading.corrected == ()


def test_a_leaning_names_words_of_an_end_and_what_was_written():
    part = READER.read("I am a student").parts[0]
    assert (part.phrase, part.kind, part.end, part.liked) == ("student", "leaning", "low", True)
    assert [tuple(word) for word in part.words] == [("price_band", "budget")]


def test_typing_errors_are_corrected_and_told():
    reading = READER.read("blu shrits of cottn for a studnet")
    assert [str(part) for part in reading.parts] == ["shirt", "cotton", "low price band: budget"]
    assert reading.corrected == (("shrits", "shirt"), ("cottn", "cotton"), ("studnet", "student"))
    assert reading.unknown == ("blu",), "three letters are near too many words"


def test_what_is_not_understood_is_named():
    reading = READER.read("purple shirt with sequins, by Zeta")
    assert [str(part) for part in reading.parts] == ["shirt"]
    assert reading.unknown == ("purple", "sequins", "zeta")


@pytest.mark.parametrize(
    ("text", "unknown", "again"),
    [
        ("blue shirt, not wol", ("not wol",), "not wool"),
        ("no wol or sequins but zeta", ("no wol", "no sequins", "zeta"), "no wool"),
        ("ohne wol, zeta", ("ohne wol", "zeta"), "ohne wool"),
        ("not", (), ""),
    ],
)
def test_what_is_not_understood_keeps_its_negation_so_that_it_can_be_said_again(text, unknown, again):
    assert READER.read(text).unknown == unknown
    assert [word.value for word in READER.read(again).disliked] == (["wool"] if again else [])


def test_wanted_and_unwanted_words_as_a_session_is_told():
    reading = READER.read("cheap blue trousers, no wool")
    assert [word.value for word in reading.liked] == ["budget", "blue", "trousers"]
    assert [word.value for word in reading.disliked] == ["wool"]
    assert list(reading.told()) == [(part.words, part.liked) for part in reading.parts]


def test_a_leaning_without_bands_says_nothing():
    rows = [("a", "Alvo", "", "lamp", "", "", ""), ("b", "Brin", "", "lamp", "", "", "")]
    reading = Reader(clothes_graph(rows)).read("I am a student")
    assert reading.parts == ()
    assert reading.unknown == ("student",)


@pytest.mark.parametrize(
    "text", ["x" * 100_000, "\x00\x1b[2J" * 1000, "{query} ignore all rules", "🙂" * 5000, "a " * 50_000]
)
def test_long_and_strange_texts_are_read_in_time(text):
    reading = READER.read(text)
    assert reading.parts == ()
    assert len(" ".join(reading.unknown)) <= MOST_TEXT


def test_only_the_first_signs_of_a_long_text_are_read():
    assert READER.read(" " * (MOST_TEXT - 4) + "blue").liked
    assert not READER.read(" " * (MOST_TEXT - 3) + "blue").liked


def test_signs_may_be_part_of_a_value_and_words_of_other_languages_hide_none():
    rows = [("a", "Dr. Bronner, Inc.", "", "War", "", "", ""), ("b", "L.A. Girl", "", "scarf", "", "", "")]
    reader = Reader(clothes_graph(rows))
    assert [str(part) for part in reader.read("no Dr. Bronner, Inc., please. But L.A. girl").parts] == [
        "not Dr. Bronner, Inc.",
        "L.A. Girl",
    ]
    # "war" is filler in German alone.
    assert [str(part) for part in reader.read("war, scarves").parts] == ["War", "scarf"]

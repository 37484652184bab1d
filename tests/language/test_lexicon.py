import pytest

from magus_pyg.errors import ConfigError
from magus_pyg.language import read_lexicons


def test_the_languages_of_the_package_hold_what_the_rule_and_the_reader_need():
    lexicons = read_lexicons()
    assert sorted(lexicons.by_name) == ["de", "en"]
    for lexicon in lexicons.everything():
        assert set(lexicon.questions) == {"thing", "quality", "maker", "number"}
        assert lexicon.marks
        assert lexicon.fillers
        assert lexicon.negations
        assert lexicon.leanings["price", "low"]
        questions = " ".join(lexicon.questions.values()).lower()
        assert any(mark in questions.split() for mark in lexicon.marks)
    assert lexicons.everything()[0].name == "en"
    assert read_lexicons("de").everything()[0].name == "de"


@pytest.mark.parametrize(
    ("locale", "name"), [("de-AT", "de"), ("DE_ch", "de"), ("en-GB", "en"), ("fr", "en"), (None, "en")]
)
def test_locales(locale, name):
    assert read_lexicons().of(locale).name == name


@pytest.mark.parametrize(
    ("name", "kinds"),
    [
        ("brand", {"maker"}), ("leaf_category", {"thing"}), ("price_band", {"price"}),
        ("Genre", {"thing", "uncounted"}),
        ("Farbe", {"colour"}), ("decade", {"time"}), ("whatever", set()),
    ],
)  # fmt: skip
def test_the_kind_of_a_field_is_read_from_its_name(name, kinds):
    assert read_lexicons().kinds_of(name) == kinds


QUESTIONS = 'questions: {thing: "{query}?", quality: "{query}?", maker: "{query}?", number: "{query}?"}\n'


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name: xx\nmas: []\n" + QUESTIONS, "unknown entry 'mas'"),
        ("name: en\n" + QUESTIONS, "must begin with the `name` of its file"),
        ("name: [", "no YAML"),
        ("name: 2020-13-01", "no YAML: month must be in"),
        (f"name: {'9' * 5000}", "no YAML: Exceeds the limit"),
        (b"name: \xff", "no YAML"),
        ("- a", "must be a mapping"),
        ("name: xx\n", r"questions.thing must be a text with one \{query\}"),
        ("name: xx\n" + QUESTIONS + "negations: [no]\n", "write `no`, `yes` and the like in quotes"),
        ("name: xx\n" + QUESTIONS + "synonyms: [sofa]\n", "synonyms must be a list of lists"),
        (
            "name: xx\n" + QUESTIONS + "leanings: {price: {cheap: [x]}}\n",
            "leanings.price must be a mapping with the keys low, high",
        ),
        ("name: xx\n" + QUESTIONS + "leanings: {colour2: {}}\n", "leanings must be a mapping with the keys"),
        ("name: xx\n" + QUESTIONS + "plural: dutch\n", "plural must be one of english, none"),
        ("name: xx\n" + QUESTIONS + "conjunction: [and]\n", "conjunction must be a text"),
        ("name: xx\n" + QUESTIONS + "mass: milk\n", "mass must be a list"),
    ],
)
def test_a_file_with_mistakes_is_named_with_what_is_wrong(tmp_path, text, message):
    (tmp_path / "xx.yaml").write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(ConfigError, match=f"lexicon xx.yaml.*{message}"):
        read_lexicons("en", str(tmp_path))


def test_folders_and_defaults_that_are_not_there(tmp_path):
    with pytest.raises(ConfigError, match="is no folder"):
        read_lexicons("en", str(tmp_path / "none"))
    with pytest.raises(ConfigError, match=r"language.locale must be one of de, en \(got 'fr'\)"):
        read_lexicons("fr")

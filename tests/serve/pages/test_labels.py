"""Texts of the page in both languages, and which one a browser gets."""

import re

import pytest

from magus_pyg.serve.pages.labels import _TABLES, Labels, language_of


def test_both_tables_say_the_same_things() -> None:
    english, german = _TABLES["en"], _TABLES["de"]
    assert list(english) == list(german)
    for key, text in english.items():
        own, other = str(text), str(german[key])
        assert set(re.findall(r"{(\w+)", own)) == set(re.findall(r"{(\w+)", other)), key
        assert isinstance(text, str) == isinstance(german[key], str), key


def test_plurals_and_numbers() -> None:
    en, de = Labels("en"), Labels("de")
    assert (en("found_lead", 1), en("found_lead", 2)) == ("It took 1 list.", "It took 2 lists.")
    assert de("compare_title", 3) == "3 Artikel nebeneinander"
    assert en("round", n=2, of="10") == "List 2 of at most 10"
    assert en("search") == "Search"
    assert "{name}" in en("why_title", name="{name}")  # what is put in is no template


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ("", "en"),
        ("de", "de"),
        ("de-AT,de;q=0.9,en;q=0.8", "de"),
        ("fr,en;q=0.5,de;q=0.7", "de"),
        ("fr", "en"),
        ("de;q=0,en;q=0.1", "en"),
        ("de;q=x, en;q=0.1", "en"),
        (";;,,q=,*", "en"),
        ("x" * 10_000, "en"),
    ],
)
def test_the_language_of_a_browser(asked: str, expected: str) -> None:
    assert language_of(asked, "en") == expected


def test_the_language_of_the_settings() -> None:
    assert language_of("fr", "de-CH") == "de"
    assert language_of("fr", "fr") == "en"

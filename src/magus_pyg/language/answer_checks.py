"""What a model answers, before anything of it is shown: the form, the words, the question, the language."""

import re
from collections.abc import Sequence
from typing import Any

from magus_pyg.errors import LanguageError
from magus_pyg.files import parse_json
from magus_pyg.language.lexicon import Lexicon, Lexicons
from magus_pyg.language.tokens import tokens

__all__ = ["LONGEST_ANSWER", "check_keywords", "check_question", "read_answer"]

LONGEST_ANSWER = 4000
"""Signs of an answer; more is not even parsed."""
_LONGEST_QUESTION = 120
_LINK = re.compile(r"://|www\.|@|\b[\w-]+\.(?:com|net|org|io|de|info|biz|shop)\b", re.IGNORECASE)
_MARKUP = re.compile(r"[<>`*_\[\]#|~\\^=$&]|\{(?!query\})|(?<!\{query)\}")


def read_answer(text: str | None, keys: Sequence[str]) -> dict[str, Any]:
    """The answer as an object with some keys and no others.

    Raises:
        LanguageError: empty, too long, no JSON, or of another form.
    """
    if not text or not text.strip():
        raise LanguageError("empty answer")
    if len(text) > LONGEST_ANSWER:
        raise LanguageError("too long")
    try:
        found = parse_json(text)
    except ValueError:
        raise LanguageError("invalid JSON") from None
    if not isinstance(found, dict) or set(found) != set(keys):
        raise LanguageError("another form")
    return found


def check_keywords(keywords: object, words: Sequence[str]) -> list[int]:
    """The places of the keywords among a query's own words.

    Raises:
        LanguageError: no list, none, a word that the query has not, or one twice.
    """
    if not isinstance(keywords, list) or not keywords:
        raise LanguageError("no keywords")
    if any(word not in words for word in keywords):
        raise LanguageError("invented words")
    if len(set(keywords)) < len(keywords):
        raise LanguageError("repeated words")
    return [words.index(word) for word in keywords]


def check_question(question: object, lexicons: Lexicons, lexicon: Lexicon) -> str:
    """The question around "{query}", trimmed.

    Raises:
        LanguageError: no text, "{query}" not once, too long, not one question mark at its end, a link, markup or what
            is not seen, or in another language: fewer words by which its language is known than by which another is.
    """
    if not isinstance(question, str):
        raise LanguageError("no question")
    text = question.strip()
    if text.count("{query}") != 1:
        raise LanguageError("no place for the query")
    if len(text) > _LONGEST_QUESTION:
        raise LanguageError("too long")
    if text.count("?") != 1 or not text.endswith("?"):
        raise LanguageError("not one question mark")
    if _LINK.search(text):
        raise LanguageError("a link")
    if _MARKUP.search(text) or not text.isprintable():
        raise LanguageError("markup")
    said = tokens(text.replace("{query}", " "))
    marks = {name: len(other.marks.intersection(said)) for name, other in lexicons.by_name.items()}
    if not marks[lexicon.name] or marks[lexicon.name] < max(marks.values()):
        raise LanguageError("another language")
    return text

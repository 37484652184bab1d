"""Texts as tokens: the one way in which what people write and the words of the graph are compared."""

import re
import unicodedata
from functools import lru_cache

__all__ = ["ENDS_CLAUSE", "clauses", "stem", "tokens"]

_APOSTROPHE = re.compile(r"(?<=\w)['’`´](?=\w)")
_TOKEN = re.compile(r"\w+")
_PART = re.compile(r"\w+|[.,;:!?()\n]+")

ENDS_CLAUSE = ""
"""The token of a sign that ends a clause."""


def _folded(text: str) -> str:
    """Compatible characters and case folded; an apostrophe inside a word is left out ("don't" and "dont" are one)."""
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    return _APOSTROPHE.sub("", folded)


def tokens(text: str) -> tuple[str, ...]:
    """The runs of letters and digits of a text, case folded: "Lactose-free" is ("lactose", "free")."""
    return tuple(_TOKEN.findall(_folded(text)))


def clauses(text: str) -> list[str]:
    """The tokens of a text, and `ENDS_CLAUSE` for each sign that ends a clause."""
    return [part if part[0].isalnum() or part[0] == "_" else ENDS_CLAUSE for part in _PART.findall(_folded(text))]


@lru_cache(maxsize=1 << 16)
def stem(token: str) -> str:
    """A token without the ending of an English plural, so that "shirts" and "shirt" are one; short ones stay."""
    if len(token) < 4 or token.endswith(("ss", "us", "is")) or not token.endswith("s"):
        return token
    if token.endswith(("scarves", "shelves", "halves", "leaves")):
        return token[:-3] + "f"
    if token.endswith("knives"):
        return token[:-3] + "fe"
    if token.endswith("ies") and len(token) > 4:
        return token[:-3] + "y"
    if token.endswith(("ches", "shes", "xes", "sses", "zes")):
        return token[:-2]
    return token[:-1]

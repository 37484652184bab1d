"""Queries in words that a person would use, and what a person writes as words of the graph (App. D.2).

It knows graphs alone: simulated readers and writers, sessions and the service stand above it.
"""

from magus_pyg.language.language import Language
from magus_pyg.language.language_options import LanguageOptions, OpenAIOptions
from magus_pyg.language.lexicon import Lexicon, Lexicons, read_lexicons
from magus_pyg.language.phraser import Phraser
from magus_pyg.language.phrasing import Phrasing, Rewriter
from magus_pyg.language.reader import Reader, Reading, Understood

__all__ = [
    "Language",
    "LanguageOptions",
    "Lexicon",
    "Lexicons",
    "OpenAIOptions",
    "Phraser",
    "Phrasing",
    "Reader",
    "Reading",
    "Rewriter",
    "Understood",
    "read_lexicons",
]

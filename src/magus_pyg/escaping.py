"""Text of the data on its way out: words, ids, names and paths never act as control sequences, formulas or markup.

A terminal, CSV, Markdown, LaTeX and matplotlib read signs of a text as orders, each others. The functions here make a
text stand for itself there; whatever writes one of these calls them, and nothing else escapes.
"""

import re
from collections.abc import Callable
from typing import Any

import pandas as pd
import yaml

__all__ = [
    "ACTS", "TURNS", "csv_text", "cut", "latex_text", "markdown_text", "plain_frame", "shown", "unquoted", "yaml_text",
]  # fmt: skip

ACTS = "\x00-\x1f\x7f-\x9f\u2028\u2029"
"""What moves a cursor, starts a control sequence or ends a line, as the inside of a set of a regular expression."""
TURNS = "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff"
"""Marks that turn the direction of the text around them, or are not seen at all; likewise."""

_HIDDEN = re.compile(f"[{ACTS}{TURNS}\ud800-\udfff]")  # half a surrogate pair is in no encoding
_HIDDEN_BUT_LINES = re.compile(f"(?!\n)[{ACTS}{TURNS}\ud800-\udfff]")

_FORMULA = re.compile(r"[=+\-@＝＋－＠]")
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")

_MARKDOWN = re.compile(
    r"[\\`*\[\]{}|~$]|_(?![^\W_])|(?<![^\W_])_|<(?=\S)|&(?=#?\w+;)"  # wherever they stand
    r"|^[#>+=-]|(?<=^\d)[.)](?=\s)"  # where a line begins
    r"|(?<=:)//|(?<=www)\.|@(?=[\w-]+\.)"  # what would become a link of itself
)
_ENTITIES = {"<": "&lt;", "&": "&amp;", "//": r"\//"}

_LATEX = {sign: "\\" + sign for sign in "&%_#${}"} | {
    "\\": r"\textbackslash{}",
    "±": r"$\pm$",
    "†": r"$^{\dagger}$",
    "<": "$<$",
    ">": "$>$",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "[": "{[}",  # at the start of a row it would be the optional argument of the \\ before it
    "]": "{]}",
}


def shown(text: str, lines: bool = False) -> str:
    r"""A text whose control characters and marks of direction are written out, as \x1b or \u202e.

    Args:
        text: to be shown on a terminal, or in a file that somebody may look at in one.
        lines: whether its line ends are meant, and stay.
    """
    if text.isprintable():  # nearly always; such a text has none of these characters
        return text
    return (_HIDDEN_BUT_LINES if lines else _HIDDEN).sub(lambda found: ascii(found[0])[1:-1], text)


def cut(text: str, most: int) -> str:
    """A text of at most `most` signs; one that was longer ends in an ellipsis."""
    return text if len(text) <= most else text[: most - 1].rstrip() + "…"


def plain_frame(frame: pd.DataFrame, most: int) -> pd.DataFrame:
    """A table whose texts are `shown`, and `cut` where they are longer than `most`."""
    return _with_texts(frame, lambda text: cut(shown(text), most))


class _YamlDumper(yaml.SafeDumper):  # type: ignore[misc]
    """Writes a text between double quotes in ASCII alone."""

    allow_unicode: bool

    def write_double_quoted(self, text: str, split: bool = True) -> None:
        before, self.allow_unicode = self.allow_unicode, False
        super().write_double_quoted(text, split)
        self.allow_unicode = before


def yaml_text(text: str) -> str:
    r"""The same YAML with marks of direction written out, as \u202E in double quotes; control characters always are."""
    if _HIDDEN_BUT_LINES.search(text) is None:
        return text
    root = yaml.compose(text, Loader=yaml.SafeLoader)
    nodes = [root]
    for node in nodes:
        if isinstance(node, yaml.MappingNode):
            nodes.extend(part for pair in node.value for part in pair)
        elif isinstance(node, yaml.SequenceNode):
            nodes.extend(node.value)
        elif isinstance(node, yaml.ScalarNode) and _HIDDEN.search(node.value):
            node.style = '"'
    return str(yaml.serialize(root, Dumper=_YamlDumper, allow_unicode=True))


def csv_text(frame: pd.DataFrame, **options: Any) -> str:
    """A table as CSV, in which no text is a formula to a spreadsheet.

    A text that begins with = + - or @ gets an apostrophe before it, unless it is a number; numbers stay as they are.

    Args:
        frame: the table; its index is left out.
        options: of `DataFrame.to_csv`.
    """
    text: str = _with_texts(frame, _cell).rename(columns=_cell).to_csv(index=False, **options)
    return text


def unquoted(frame: pd.DataFrame) -> pd.DataFrame:
    """A table read from what `csv_text` wrote, without the apostrophes before what would be a formula."""
    return _with_texts(frame, lambda text: text[1:] if text[:1] == "'" and _FORMULA.match(text, 1) else text)


def _with_texts(frame: pd.DataFrame, change: Callable[[str], str]) -> pd.DataFrame:
    def changed(column: pd.Series) -> pd.Series:
        if not (pd.api.types.is_object_dtype(column) or isinstance(column.dtype, pd.StringDtype)):
            return column
        return column.map(lambda cell: change(cell) if isinstance(cell, str) else cell)

    return frame.apply(changed) if len(frame) else frame


def _cell(text: Any) -> str:
    cell = shown(str(text))
    return f"'{cell}" if _FORMULA.match(cell) and not _NUMBER.fullmatch(cell) else cell


def markdown_text(text: str) -> str:
    """A text as it stands in Markdown, also in a cell of a table: no emphasis, code, link, formula or HTML."""
    return _MARKDOWN.sub(lambda found: _ENTITIES.get(found[0]) or "\\" + found[0], shown(text))


def latex_text(text: str) -> str:
    """A text as it stands in LaTeX."""
    return "".join(_LATEX.get(sign, sign) for sign in shown(text))

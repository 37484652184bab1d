"""The titles that people see of items: read from the item table, kept as bytes; text of data that never acts."""

from typing import cast

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from magus_pyg.errors import DataError
from magus_pyg.escaping import ACTS, TURNS
from magus_pyg.graph._cells import column_texts
from magus_pyg.graph._texts import Texts

__all__ = ["harmless_text", "read_titles"]


def read_titles(items: pd.DataFrame, title_field: str) -> Texts:
    """The titles of an item table, [I] texts: "" where a row has none.

    Runs of control characters become one space, marks of direction nothing.

    Args:
        items: I rows.
        title_field: the column of the titles.

    Raises:
        DataError: no such column, or a text that is no Unicode.
    """
    if title_field not in items.columns:
        columns = list(items.columns)
        raise DataError(f"title_field {title_field!r} is no column of the item table; its columns are {columns}")
    return Texts.of(_harmless(column_texts(items[title_field], title_field)))


def harmless_text(text: str) -> str:
    """A text by the rules of `read_titles`."""
    if text.isprintable():  # nearly always: none of these characters
        return text.strip()
    return cast(str, _harmless(pa.array([text], pa.string()))[0].as_py())


def _harmless(texts: pa.StringArray) -> pa.StringArray:
    spaced = pc.replace_substring_regex(texts, f"[{ACTS}]+", " ")
    return pc.utf8_trim_whitespace(pc.replace_substring_regex(spaced, f"[{TURNS}]+", ""))

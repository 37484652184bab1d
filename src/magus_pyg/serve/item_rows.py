"""Rows of new items as JSON has them: checked, and as a table."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from magus_pyg.errors import InputError

__all__ = ["check_rows", "item_frame"]


def check_rows(rows: Sequence[Mapping[str, Any]], item_id: str) -> list[str]:
    """The ids of new items.

    Args:
        rows: a row an item; cells are texts, numbers, truth values, null, or lists of texts and numbers.
        item_id: the column of the ids.

    Raises:
        InputError: a row without an id, two rows with one, or another kind of cell.
    """
    faults: list[tuple[str, str]] = []
    ids: dict[str, int] = {}
    for number, row in enumerate(rows):
        own = row.get(item_id)
        if not isinstance(own, str | int) or isinstance(own, bool) or not str(own).strip():
            faults.append((f"/items/{number}/{item_id}", f"an id is a text or a whole number (got {own!r})"))
        elif str(own) in ids:
            faults.append((f"/items/{number}/{item_id}", f"the rows {ids[str(own)]} and {number} have the id {own!r}"))
        else:
            ids[str(own)] = number
        faults += [
            (f"/items/{number}/{name}", "a cell is a text, a number, true, false, null or a list of texts and numbers")
            for name, cell in row.items()
            if not _is_cell(cell) and not (isinstance(cell, list) and all(map(_is_cell, cell)))
        ]
    if faults:
        raise InputError("; ".join(f"{where}: {what}" for where, what in faults[:3]), faults)
    return list(ids)


def item_frame(rows: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """Rows as a table of objects: whole numbers stay whole where other rows have none."""
    columns = dict.fromkeys(name for row in rows for name in row)
    cells = {name: pd.Series([row.get(name) for row in rows], dtype=object) for name in columns}
    return pd.DataFrame(cells)


def _is_cell(cell: object) -> bool:
    return cell is None or isinstance(cell, str | int) or (isinstance(cell, float) and math.isfinite(cell))

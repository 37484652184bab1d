"""What people answered in a log of what was served, without what they took back."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

__all__ = ["ShownEntries", "counting", "people", "shown_entries"]


@dataclass(frozen=True)
class ShownEntries:
    """The entries of lists, one after the other.

    Attributes:
        row: int64 [n], the list of each entry.
        place: int64 [n], its place in the list, from 0.
        item_id: texts [n], null for a query.
        words: lists of (field, value) [n], null for an item.
    """

    row: np.ndarray
    place: np.ndarray
    item_id: pa.Array
    words: pa.Array


def counting(answers: pa.Table) -> pa.Table:
    """The rows "answer" and "words" that were not taken back, in their order.

    An "undo" takes back the last row of its session that still counts. So a row counts unless fewer rows than up to it
    count at some later time: those are a stack, whose height is watched.
    """
    kind = answers["kind"].to_numpy(zero_copy_only=False)
    step = np.select([np.isin(kind, ["answer", "words"]), kind == "undo"], [1, -1], 0)
    session = pd.factorize(answers["session_id"].to_pandas())[0]
    height = pd.Series(step).groupby(session).cumsum()
    lowest_later = height[::-1].groupby(session[::-1]).cummin()[::-1]
    return answers.filter(pa.array((step == 1) & (lowest_later >= height).to_numpy()))


def people(table: pa.Table) -> np.ndarray:
    """Who each row is of, texts [n]: the person's name in the log; of a guest, "guest-" and the name of the session."""
    guests = pc.binary_join_element_wise("guest-", pc.fill_null(table["session_id"], ""), "")
    return np.asarray(pc.coalesce(table["user_hash"], guests).to_numpy(zero_copy_only=False), dtype=object)


def shown_entries(answers: pa.Table) -> ShownEntries:
    """The entries of all lists of a table."""
    shown = answers["shown"].combine_chunks()
    if isinstance(shown, pa.ChunkedArray):  # of a table without rows
        shown = pa.array([], shown.type)
    row = pc.list_parent_indices(shown).to_numpy().astype(np.int64)
    lengths = pc.fill_null(pc.list_value_length(shown), 0).to_numpy(zero_copy_only=False).astype(np.int64)
    starts = np.concatenate([[0], np.cumsum(lengths)])[:-1].astype(np.int64)
    entries = pc.list_flatten(shown)
    return ShownEntries(row, np.arange(row.size) - starts[row], entries.field("item_id"), entries.field("words"))

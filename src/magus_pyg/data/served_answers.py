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

    An "undo" takes back the last row of its session that still counts. Words that are neither liked nor refused
    (`liked` is null) are taken back themselves: rows lose them, and a click on the query of these words.
    """
    kind = answers["kind"].to_numpy(zero_copy_only=False)
    retracts = (kind == "words") & pc.is_null(answers["liked"]).to_numpy(zero_copy_only=False)
    session = pd.factorize(answers["session_id"].to_pandas())[0]
    step = np.select([retracts, np.isin(kind, ["answer", "words"]), kind == "undo"], [0, 1, -1], 0)
    # A row counts unless at some later time fewer rows count than up to it: those are a stack, whose height is watched.
    height = pd.Series(step).groupby(session).cumsum()
    lowest_later = height[::-1].groupby(session[::-1]).cummin()[::-1]
    counts = (step == 1) & (lowest_later >= height).to_numpy()
    if retracts.any():
        mixed = np.flatnonzero(np.isin(session, session[retracts]))
        answers = _replayed(answers, mixed, counts)
    return answers.filter(pa.array(counts))


@dataclass(eq=False)
class _Said:
    """A row of a session in which words are taken back: its place in the table, and what is left of it.

    Rows of one time were told together: what was wanted, and what was not.
    """

    at: int
    time: float
    words: list[tuple[str, str]]
    clicked: int | None
    query: frozenset[tuple[str, str]]
    is_answer: bool


def _replayed(answers: pa.Table, rows: np.ndarray, counts: np.ndarray) -> pa.Table:
    """Sessions in which words are taken back, one row after the other; says in `counts` which rows are left."""
    stacks: dict[str, list[_Said]] = {}
    counts[rows] = False
    for at, row in zip(rows.tolist(), answers.take(pa.array(rows)).to_pylist(), strict=True):
        stack = stacks.setdefault(row["session_id"], [])
        words = [(word["field"], word["value"]) for word in row["words"] or ()]
        if row["kind"] == "words" and row["liked"] is None:
            _take_back(stack, frozenset(words))
        elif row["kind"] in ("answer", "words"):
            clicked = row["clicked"]
            entry = None if clicked is None else row["shown"][clicked]["words"]
            query = frozenset((word["field"], word["value"]) for word in entry or ())
            stack.append(_Said(at, row["time"], words, clicked, query, row["kind"] == "answer"))
        elif row["kind"] == "undo" and stack:
            stack.pop()
    clicked_column, words_column = answers["clicked"].to_pylist(), answers["words"].to_pylist()
    for said in (entry for stack in stacks.values() for entry in stack):
        counts[said.at], clicked_column[said.at] = True, said.clicked
        words_column[said.at] = [{"field": field, "value": value} for field, value in said.words]
    for name, values in (("clicked", clicked_column), ("words", words_column)):
        at = answers.schema.get_field_index(name)
        answers = answers.set_column(at, answers.schema.field(at), pa.array(values, answers.schema.field(at).type))
    return answers


def _take_back(stack: list[_Said], gone: frozenset[tuple[str, str]]) -> None:
    told: dict[float, set[tuple[str, str]]] = {}
    for said in stack:
        if not said.is_answer:
            told.setdefault(said.time, set()).update(said.words)
    for said in list(stack):
        if said.is_answer:
            said.clicked = None if said.query == gone else said.clicked
        else:
            together = gone if gone <= told[said.time] else frozenset[tuple[str, str]]()
            said.words = [word for word in said.words if {word} != gone and word not in together]
            if not said.words:
                stack.remove(said)


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

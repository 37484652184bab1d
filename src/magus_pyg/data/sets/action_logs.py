"""Logs of actions on items that are known by numbers alone (Tmall, Alipay): what both have in common."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from magus_pyg.data.assemble import InteractionLog, PreparedData, SourceTables, prepare
from magus_pyg.data.reading.integer_logs import EMPTY
from magus_pyg.data.sets.field_tables import field_table, one_each
from magus_pyg.data.sets.raw_dataset import RawOptions
from magus_pyg.errors import ConfigError, DataError
from magus_pyg.options import check_options, one_of

__all__ = ["DROP_ADVICE", "ActionOptions", "check_actions", "day_seconds", "ids_as_texts", "known_days",
           "prepare_actions"]  # fmt: skip

DROP_ADVICE = "; `dataset.out_of_range=drop` leaves such rows out"
_DAY = 86_400
_TABLE = 1 << 26


@dataclass
class ActionOptions(RawOptions):
    """Options of logs of actions.

    Attributes:
        positive_actions: the actions that are positive feedback; all others are negative.
        only_actions: rows of other actions are left out, and counted; empty keeps all.
        out_of_range: what becomes of rows whose date is none, or outside of the time that the log was collected in:
            "error", or "drop" (counted).
        repeats: "keep" by default: times are days, so equal rows are several visits of one day.
    """

    repeats: str = "keep"
    positive_actions: list[str] = field(default_factory=list)
    only_actions: list[str] = field(default_factory=list)
    out_of_range: str = "error"


def check_actions(options: ActionOptions, names: Sequence[str]) -> None:
    """Check the options of a log with these actions.

    Raises:
        ConfigError: an action that there is not, or no positive one.
    """
    check_options(options, "dataset", out_of_range=one_of(("error", "drop")))
    for option in ("positive_actions", "only_actions"):
        unknown = [name for name in getattr(options, option) if name not in names]
        if unknown:
            raise ConfigError(f"{option}: there is no action {unknown[0]!r}; choose from {', '.join(names)}")
    if not options.positive_actions:
        raise ConfigError(f"positive_actions must name at least one of {', '.join(names)}")


def known_days(start: str, end: str, written: str) -> np.ndarray:
    """The days from `start` to `end` (both included) as numbers: int64, ascending, where "%m%d" gives 829 of August 29.

    Args:
        start: first day, such as "2015-05-11".
        end: last day.
        written: the pattern of the numbers, without leading zeros.
    """
    return np.array([int(day) for day in pd.date_range(start, end).strftime(written)], dtype=np.int64)


def day_seconds(days: np.ndarray, start: str, codes: np.ndarray) -> np.ndarray:
    """Days written as numbers (all in `codes`) to seconds at their start, UTC: int32 [n]."""
    seconds = int(pd.Timestamp(start).timestamp()) + np.arange(codes.size) * _DAY
    # A table is quicker than a search, and the numbers are not far apart.
    table = np.zeros(int(codes[-1] - codes[0]) + 1, dtype=np.int32)
    table[codes - codes[0]] = seconds
    return np.asarray(table[days - codes[0]])


def ids_as_texts(ids: np.ndarray, prefix: str = "") -> np.ndarray:
    """Numbers as texts, object [n]; `EMPTY` becomes ""."""
    texts = pc.cast(pa.array(ids), pa.string())
    if prefix:
        texts = pc.binary_join_element_wise(pa.scalar(prefix), texts, "")
    return np.where(ids == EMPTY, "", texts.to_pandas().to_numpy(dtype=object))


def prepare_actions(
    options: ActionOptions,
    path: Path,
    columns: dict[str, np.ndarray],
    names: Sequence[str],
    fields: Mapping[str, tuple[str, str]],
    notes: dict[str, int],
    users: pd.DataFrame | None = None,
) -> PreparedData:
    """Build the tables of a log of actions, and filter, sort and split it.

    Args:
        options: the rules.
        path: the log, for messages.
        columns: user, item, action (index into `names`), time (seconds), and the columns of `fields`; integers [n].
            They are taken out one by one, to save memory.
        names: names of the actions.
        fields: item field -> (column, what its words start with).
        notes: what was counted so far.
        users: user ids (numbers, column `user`) with profiles; None where there are none.

    Raises:
        DataError: if the log has no row (left).
    """
    if options.only_actions:
        kept = np.isin(columns["action"], [names.index(name) for name in options.only_actions])
        _note(notes, "rows of other actions, left out", int((~kept).sum()))
        for name in list(columns):
            columns[name] = columns[name][kept]
    if not columns["user"].size:
        raise DataError(f"{path}: no row is left to learn from")
    item_ids, item = _encode(columns.pop("item"))
    values = {}
    for name, (column, prefix) in fields.items():
        values[name] = one_each(
            ids_as_texts(_field_of_items(name, item, columns.pop(column), item_ids.size, notes), prefix)
        )
    items = field_table("item_id", ids_as_texts(item_ids), values, options, notes)
    user_ids, user = _encode(columns.pop("user"))
    profiles = pd.DataFrame({"user_id": ids_as_texts(user_ids)})
    if users is not None:
        profiles, user = _with_profiles(users, user_ids, user, notes)
    action = columns.pop("action")
    is_positive = np.zeros(len(names), np.int8)
    is_positive[[names.index(name) for name in options.positive_actions]] = 1
    label = is_positive[action]
    if not label.any():
        raise DataError(f"{path}: no row is one of positive_actions ({', '.join(options.positive_actions)})")
    there = np.bincount(action, minlength=len(names)) > 0
    notes |= {
        f"rows of the positive action {name!r}": 0 for name in options.positive_actions if not there[names.index(name)]
    }
    log = InteractionLog(user, item, label, columns.pop("time"), value=action, action=action, actions=tuple(names))
    return prepare(options, SourceTables(items, profiles, notes=notes), log)


def _note(notes: dict[str, int], what: str, count: int) -> None:
    if count:
        notes[what] = notes.get(what, 0) + count


def _encode(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The distinct numbers, ascending, and the position of each row's: int64 [K], int32 [n]."""
    low, high = int(values.min()), int(values.max())
    if high - low < _TABLE:
        # A table of all numbers between the least and the greatest is quicker than sorting.
        there = np.zeros(high - low + 1, dtype=bool)
        there[values - low] = True
        place = np.cumsum(there, dtype=np.int32) - 1
        return np.flatnonzero(there) + low, place[values - low].astype(np.int32)
    distinct, index = np.unique(values, return_inverse=True)
    return distinct.astype(np.int64), index.astype(np.int32)


def _field_of_items(name: str, item: np.ndarray, values: np.ndarray, n_items: int, notes: dict[str, int]) -> np.ndarray:
    """The value of each item: int64 [I], `EMPTY` where no row has one. Of several the most frequent, then the least."""
    known = values != EMPTY
    rows = np.flatnonzero(known) if not known.all() else slice(None)
    item, values = item[rows], values[rows]
    result = np.full(n_items, EMPTY, dtype=values.dtype)
    result[item] = values
    mixed = np.zeros(n_items, dtype=bool)
    mixed[item[result[item] != values]] = True
    if mixed.any():
        _note(notes, f"items with several values of {name}, the most frequent taken", int(mixed.sum()))
        chosen = np.flatnonzero(mixed[item])
        counts = pd.DataFrame({"item": item[chosen], "value": values[chosen]}).value_counts(sort=False).reset_index()
        counts = counts.sort_values(["item", "count", "value"], ascending=[True, False, True]).drop_duplicates("item")
        result[counts["item"].to_numpy()] = counts["value"].to_numpy()
    return result


def _with_profiles(
    users: pd.DataFrame, user_ids: np.ndarray, user: np.ndarray, notes: dict[str, int]
) -> tuple[pd.DataFrame, np.ndarray]:
    """Users of the table and of the log together, by ascending id, and the user of each row anew."""
    known = users["user"].to_numpy(dtype=np.int64)
    every = np.union1d(known, user_ids)
    _note(notes, "users without a profile", int(every.size - known.size))
    order = np.searchsorted(every, known)
    columns: dict[str, np.ndarray] = {"user_id": ids_as_texts(every)}
    for name in users.columns:
        if name != "user":
            columns[name] = np.full(every.size, "", dtype=object)
            columns[name][order] = users[name].to_numpy(dtype=object)
    place = np.searchsorted(every, user_ids).astype(np.int32)
    return pd.DataFrame(columns), place[user]

"""From checked tables to a `RecDataset`: the last steps are the same for every source."""

import logging
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from magus_pyg.data.dataset import RecDataset, empty_searched, word_columns
from magus_pyg.data.options import DatasetOptions, check_options
from magus_pyg.data.split import temporal_split
from magus_pyg.errors import ConfigError, DataError

__all__ = ["Log", "assemble"]

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Log:
    """The rows of a log in the order of their file, n rows.

    Attributes:
        user: int64 [n].
        item: int64 [n].
        label: int8 [n].
        time: int64 [n]; None where there is only the order of the file.
        part: int8 [n] where the source brings its own split; None for the split by time.
        value: int64 [n], codes of the rating or action, to tell exact copies; None where there is none.
        action: int8 [n], index into `actions`; None where there are no several actions.
        actions: names of the actions.
        ordered: whether the order of a user's rows is that of events.
    """

    user: np.ndarray
    item: np.ndarray
    label: np.ndarray
    time: np.ndarray | None = None
    part: np.ndarray | None = None
    value: np.ndarray | None = None
    action: np.ndarray | None = None
    actions: tuple[str, ...] = ()
    ordered: bool = True

    def take(self, index: np.ndarray) -> "Log":
        """The chosen rows, in the order of `index`."""

        def chosen(array: np.ndarray | None) -> np.ndarray | None:
            return None if array is None else array[index]

        return Log(
            self.user[index], self.item[index], self.label[index], chosen(self.time), chosen(self.part),
            chosen(self.value), chosen(self.action), self.actions, self.ordered,
        )  # fmt: skip


@dataclass(frozen=True)
class Tables:
    """What a source has read: ids, item fields, profiles, searched queries, and notes of what it counted."""

    items: pd.DataFrame
    users: pd.DataFrame
    searched: pd.DataFrame = field(default_factory=empty_searched)
    notes: dict[str, int] = field(default_factory=dict)


def assemble(options: DatasetOptions, tables: Tables, log: Log, drop_repeats: bool = True) -> RecDataset:
    """Sort and split the log, count what is odd, and put the data set together.

    Exact copies of a row (same user, item, time, and rating or action) are one event written twice. They are counted,
    and dropped by default: a copy could end up in the test while the other one is trained on.

    Args:
        options: names of the fields.
        tables: items and users, indexed by the log.
        log: the rows.
        drop_repeats: whether exact copies are dropped.

    Raises:
        ConfigError: if options name fields that the tables do not have.
        DataError: if a table or the log is empty.
    """
    check_options(options)
    merge_fields = {name: tuple(members) for name, members in options.merge_fields.items()}
    columns = word_columns(options.word_fields, merge_fields)
    for what, names, frame, key in (
        ("word field", columns, tables.items, "item_id"),
        ("profile field", tuple(options.profile_fields), tables.users, "user_id"),
    ):
        fields = [name for name in frame.columns if name != key]
        unknown = [name for name in names if name not in fields]
        if unknown:
            raise ConfigError(f"dataset {options.name!r}: no {what} {unknown[0]!r}; there are {', '.join(fields)}")
    if len(tables.items) == 0:
        raise DataError(f"dataset {options.name!r}: the catalogue has no item")
    if log.user.size == 0:
        raise DataError(f"dataset {options.name!r}: the log has no row")
    notes = dict(tables.notes)
    log = _without_repeats(log, notes, drop_repeats)
    order, time = _order(log)
    log = log.take(order)
    part = temporal_split(log.user) if log.part is None else log.part
    if log.part is not None:
        backwards = (log.user[1:] == log.user[:-1]) & (log.part[1:] < log.part[:-1])
        _note(notes, "rows of an earlier part after a later one", int(backwards.sum()))
    wordless = (tables.items[list(columns)] == "").all(axis=1)
    _note(notes, "items without words", int(wordless.sum()))
    _note(notes, "items without history", int((np.bincount(log.item, minlength=len(tables.items)) == 0).sum()))
    _note(notes, "users without history", int((np.bincount(log.user, minlength=len(tables.users)) == 0).sum()))
    if notes:
        logger.info("%s: %s", options.name, ", ".join(f"{count} {what}" for what, count in notes.items()))
    return RecDataset(
        name=options.name,
        user_ids=tables.users["user_id"].to_numpy(dtype=object),
        item_ids=tables.items["item_id"].to_numpy(dtype=object),
        items=tables.items,
        users=tables.users,
        user=log.user.astype(np.int64),
        item=log.item.astype(np.int64),
        label=log.label.astype(np.int8),
        time=time,
        part=part.astype(np.int8),
        word_fields=tuple(options.word_fields),
        merge_fields=merge_fields,
        profile_fields=tuple(options.profile_fields),
        max_words=options.max_words,
        max_share=options.max_share,
        searched=tables.searched,
        notes=notes,
        ordered=log.ordered,
        action=log.action,
        actions=log.actions,
    )


def _note(notes: dict[str, int], what: str, count: int) -> None:
    if count:
        notes[what] = count


def _without_repeats(log: Log, notes: dict[str, int], drop: bool) -> Log:
    columns = {"user": log.user, "item": log.item, "time": log.time, "value": log.value, "part": log.part}
    frame = pd.DataFrame({name: column for name, column in columns.items() if column is not None})
    repeated = np.zeros(len(frame), dtype=bool)
    # One hash a row first: only rows that share theirs with another have to be compared column by column.
    hashed = np.zeros(len(frame), dtype=np.uint64)
    for name in frame.columns:
        hashed = (hashed ^ frame[name].to_numpy().astype(np.uint64)) * np.uint64(0x9E3779B97F4A7C15)
        hashed ^= hashed >> np.uint64(29)
    alike = np.flatnonzero(pd.Series(hashed).duplicated(keep=False).to_numpy())
    repeated[alike] = frame.iloc[alike].duplicated().to_numpy()
    _note(notes, f"exact copies of a row, {'dropped' if drop else 'kept'}", int(repeated.sum()))
    return log.take(np.flatnonzero(~repeated)) if drop and repeated.any() else log


def _order(log: Log) -> tuple[np.ndarray, np.ndarray]:
    """The order by user, time and position in the file, and the times in that order."""
    if log.time is not None:
        order = np.lexsort((log.time, log.user))
        return order, log.time[order].astype(np.int64)
    # Only an order: that of the file, within the parts of a given split.
    order = np.lexsort((log.user,)) if log.part is None else np.lexsort((log.part, log.user))
    user = log.user[order]
    starts = np.flatnonzero(np.concatenate([[True], user[1:] != user[:-1]]))
    counts = np.diff(np.append(starts, user.size))
    return order, (np.arange(user.size) - np.repeat(starts, counts)).astype(np.int64)

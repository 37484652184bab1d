"""From checked tables to a `RecDataset`: the last steps are the same for every source."""

import logging
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd

from magus_pyg.data.dataset import RecDataset, empty_searched, word_columns
from magus_pyg.data.dataset_options import DatasetOptions, LogOptions, check_dataset_options
from magus_pyg.data.field_values import resolve_entities
from magus_pyg.data.filters import KeptRows, kept_by_rules
from magus_pyg.data.ordering import copies, stable_order
from magus_pyg.data.split import global_split, hash_split, split_rule, temporal_split
from magus_pyg.errors import ConfigError, DataError

__all__ = ["InteractionLog", "PreparedData", "SourceTables", "assemble", "finish", "prepare"]

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class InteractionLog:
    """The rows of a log, n rows.

    Attributes:
        user: integers [n].
        item: integers [n].
        label: int8 [n].
        time: integers [n]; None where there is only the order of the file.
        fraction: int64 [n], which orders the rows of one time; None where the times are all there is.
        part: int8 [n] where the source brings its own split; None for that of the options.
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
    fraction: np.ndarray | None = None

    def take(self, index: np.ndarray) -> "InteractionLog":
        """The chosen rows, in the order of `index` (positions, or bool [n])."""

        def chosen(array: np.ndarray | None) -> np.ndarray | None:
            return None if array is None else array[index]

        return InteractionLog(
            self.user[index], self.item[index], self.label[index], chosen(self.time), chosen(self.part),
            chosen(self.value), chosen(self.action), self.actions, self.ordered,
            chosen(self.fraction),
        )  # fmt: skip


@dataclass(frozen=True)
class SourceTables:
    """What a source has read: ids, item fields, profiles, searched queries, and notes of what it counted."""

    items: pd.DataFrame
    users: pd.DataFrame
    searched: pd.DataFrame = field(default_factory=empty_searched)
    notes: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class PreparedData:
    """Tables and a log that no rule changes any more: filtered, sorted and split.

    Attributes:
        tables: items and users.
        log: rows by user, time and place in the file; `time` and `part` are there, `value` is not.
    """

    tables: SourceTables
    log: InteractionLog


def assemble(options: DatasetOptions, tables: SourceTables, log: InteractionLog) -> RecDataset:
    """Filter, sort and split the log, count what is odd, and put the data set together: `finish` of `prepare`."""
    return finish(options, prepare(options, tables, log))


def prepare(options: DatasetOptions, tables: SourceTables, log: InteractionLog) -> PreparedData:
    """Filter, sort and split a log.

    Exact copies of a row (same user, item, time, and rating or action) are one event written twice. They are counted,
    and dropped by default: a copy could end up in the test while the other one is trained on.

    Args:
        options: the rules, if they are `LogOptions`; else copies are dropped and no user or item is.
        tables: items and users, indexed by the log.
        log: the rows, in the order of their file.

    Raises:
        ConfigError: a split that the log cannot have.
        DataError: if a table or the log is empty, or the rules leave nothing.
    """
    timed, given = log.time is not None, log.part is not None
    split = split_rule(options.split_by, ordered=log.ordered, timed=timed, given=given)
    if len(tables.items) == 0:
        raise DataError(f"dataset {options.name!r}: the catalogue has no item")
    if log.user.size == 0:
        raise DataError(f"dataset {options.name!r}: the log has no row")
    notes = dict(tables.notes)
    log = _without_repeats(log, notes, not isinstance(options, LogOptions) or options.repeats == "drop")
    if isinstance(options, LogOptions):
        kept = kept_by_rules(log.user, log.item, log.label, len(tables.users), len(tables.items), options)
        tables, log = _filtered(options, tables, log, kept, notes)
    if split == "hash":
        user_ids, item_ids = tables.users["user_id"].to_numpy(), tables.items["item_id"].to_numpy()
        log = replace(log, part=hash_split(log.user, log.item, user_ids, item_ids))
    elif split == "global":
        assert log.time is not None, "split_rule refuses a log without times"
        log = replace(log, part=global_split(log.time, log.fraction))
    order, time = _order(log)
    fraction = None if log.fraction is None else log.fraction[order]
    log = replace(log, time=None, fraction=None, value=None).take(order)
    tied = _tied(log.user, time, fraction) if split == "user" and timed else None
    part = temporal_split(log.user, tied) if log.part is None else log.part
    if split == "given":
        backwards = (log.user[1:] == log.user[:-1]) & (part[1:] < part[:-1])
        _note(notes, "rows of an earlier part after a later one", int(backwards.sum()))
    _note(notes, "items without history", int((np.bincount(log.item, minlength=len(tables.items)) == 0).sum()))
    _note(notes, "users without history", int((np.bincount(log.user, minlength=len(tables.users)) == 0).sum()))
    return PreparedData(replace(tables, notes=notes), replace(log, time=time, part=part))


def finish(options: DatasetOptions, prepared: PreparedData) -> RecDataset:
    """Name the fields, and put the data set together.

    Raises:
        ConfigError: if options name fields that the tables do not have.
    """
    check_dataset_options(options)
    tables, log = prepared.tables, prepared.log
    merge_fields = {name: tuple(members) for name, members in options.merge_fields.items()}
    columns = word_columns(options.word_fields, merge_fields)
    for what, names, frame, key in (
        ("word field", columns, tables.items, "item_id"),
        ("title field", filter(None, [options.title_field]), tables.items, "item_id"),
        ("profile field", tuple(options.profile_fields), tables.users, "user_id"),
    ):
        fields = [name for name in frame.columns if name != key]
        unknown = [name for name in names if name not in fields]
        if unknown:
            raise ConfigError(f"dataset {options.name!r}: no {what} {unknown[0]!r}; there are {', '.join(fields)}")
    items = tables.items
    if options.title_field and options.title_field not in columns:  # words have none left
        items = items.assign(**{options.title_field: items[options.title_field].map(resolve_entities)})
    wordless = (items[list(columns)] == "").all(axis=1)
    notes = dict(tables.notes)
    _note(notes, "items without words", int(wordless.sum()))
    if notes:
        logger.info("%s: %s", options.name, ", ".join(f"{count} {what}" for what, count in notes.items()))
    assert log.time is not None, "a prepared log has times"
    assert log.part is not None, "a prepared log has parts"
    return RecDataset(
        name=options.name,
        user_ids=tables.users["user_id"].to_numpy(dtype=object),
        item_ids=tables.items["item_id"].to_numpy(dtype=object),
        items=items,
        users=tables.users,
        user=log.user.astype(np.int64, copy=False),
        item=log.item.astype(np.int64, copy=False),
        label=log.label.astype(np.int8, copy=False),
        time=log.time.astype(np.int64, copy=False),
        part=log.part.astype(np.int8, copy=False),
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
        title_field=options.title_field,
        min_support=options.min_support,
        max_queries=options.max_queries,
    )


def _note(notes: dict[str, int], what: str, count: int) -> None:
    if count:
        notes[what] = count


def _without_repeats(log: InteractionLog, notes: dict[str, int], drop: bool) -> InteractionLog:
    columns = (log.user, log.item, log.time, log.fraction, log.value, log.part)
    count, repeated = copies([column for column in columns if column is not None], rows=drop)
    _note(notes, f"exact copies of a row, {'dropped' if drop else 'kept'}", count)
    return log if repeated is None else log.take(~repeated)


def _filtered(
    options: LogOptions, tables: SourceTables, log: InteractionLog, kept: KeptRows, notes: dict[str, int]
) -> tuple[SourceTables, InteractionLog]:
    """Take out what the rules leave out, and number users and items anew."""
    if kept.all:
        return tables, log
    counts = {
        "users left out by the filters": int((~kept.users).sum()),
        "items left out by the filters": int((~kept.items).sum()),
        "rows left out by the filters": int((~kept.rows).sum()),
    }
    for what, count in counts.items():
        _note(notes, what, count)
    if not kept.rows.any():
        raise DataError(
            f"dataset {options.name!r}: the filters leave no row; lower min_user_rows (now {options.min_user_rows}) or "
            f"min_item_rows (now {options.min_item_rows})"
            + (", or turn off need_positive" if options.need_positive else "")
        )
    user_of, item_of = np.cumsum(kept.users) - 1, np.cumsum(kept.items) - 1
    log = log.take(kept.rows)
    searched = tables.searched[kept.users[tables.searched["user"].to_numpy(dtype=np.int64)]]
    searched = searched.assign(user=user_of[searched["user"].to_numpy(dtype=np.int64)]).reset_index(drop=True)
    tables = replace(
        tables,
        items=tables.items[kept.items].reset_index(drop=True),
        users=tables.users[kept.users].reset_index(drop=True),
        searched=searched,
    )
    return tables, replace(log, user=user_of[log.user], item=item_of[log.item])


def _order(log: InteractionLog) -> tuple[np.ndarray, np.ndarray]:
    """The order by user, time and position in the file, and the times in that order."""
    if log.time is not None:
        if log.fraction is None:
            order = stable_order(log.user, log.time)
        else:
            order = np.lexsort((log.fraction, log.time, log.user))
        return order, log.time[order]
    # Only an order: that of the file, within parts that are there already.
    order = stable_order(log.user, np.zeros(log.user.size, np.int8) if log.part is None else log.part)
    user = log.user[order]
    starts = np.flatnonzero(np.concatenate([[True], user[1:] != user[:-1]]))
    counts = np.diff(np.append(starts, user.size))
    return order, (np.arange(user.size) - np.repeat(starts, counts)).astype(np.int64)


def _tied(user: np.ndarray, time: np.ndarray, fraction: np.ndarray | None) -> np.ndarray:
    """bool [n], whether a row has user and time of the one before it; all [n], in order."""
    tied = np.zeros(user.size, dtype=bool)
    tied[1:] = user[1:] == user[:-1]
    for column in (time, fraction):
        if column is not None:
            tied[1:] &= column[1:] == column[:-1]
    return tied

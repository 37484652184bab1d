"""A run's first data set together with what was served since: Algorithm 1, line 14, for whole training (line 16).

A clicked item is a positive row of the person; a shown item that was not clicked is a negative one, where the first log
has negative rows at all. A clicked query, and words that somebody asked for, are searched queries. People are found
again by their names in the log; those that the first data set does not have are users of that name.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from magus_pyg.data.assemble import InteractionLog, SourceTables, assemble
from magus_pyg.data.dataset import RecDataset
from magus_pyg.data.dataset_options import DatasetOptions
from magus_pyg.data.pseudonyms import pseudonyms, read_pseudonym_key
from magus_pyg.data.reading.served_files import read_served, read_source
from magus_pyg.data.served_answers import counting, people, shown_entries
from magus_pyg.data.sets.served_options import ServedOptions
from magus_pyg.data.sets.tabular_options import TabularOptions
from magus_pyg.errors import DataError
from magus_pyg.files import home_expanded

__all__ = ["first_options", "join_served"]

_OTHER_UNIT = 10
"""Times that are so many times later than the last served one are no seconds since 1970."""
_BILLION = 1_000_000_000


def first_options(options: ServedOptions, classes: Mapping[str, type[DatasetOptions]]) -> DatasetOptions:
    """The options of the data set that a log goes on from.

    Args:
        options: of the log.
        classes: name -> class of options.

    Raises:
        DataError: no such log, or one of a data set that is not known here.
    """
    source = read_source(options.folder)["dataset"]
    try:
        return classes[source["class"]](**source["options"])
    except (KeyError, TypeError) as error:
        raise DataError(f"{options.folder} goes on from a data set that is not known here: {error}") from error


def join_served(options: ServedOptions, first: DatasetOptions, data: RecDataset) -> RecDataset:
    """Add a log to the data set that it goes on from, and split all rows anew by the rule of that.

    Rows of a data set that brings its own parts keep them, and those of the log are for training.

    Args:
        options: which log, and what of it counts.
        first: the options of the data set.
        data: the data set.

    Raises:
        DataError: a log or a key that cannot be read.
    """
    folder = options.folder
    key = read_pseudonym_key(home_expanded(options.key or read_source(folder)["key"]))
    answers, events = counting(read_served(folder, "answers")), read_served(folder, "events")
    if not options.guests:
        answers, events = (table.filter(pc.is_valid(table["user_hash"])) for table in (answers, events))
    notes = dict(data.notes)
    rows = pd.concat([_answered(data, answers), _happened(options, data, events, notes)], ignore_index=True)
    unknown = rows["item"].to_numpy() < 0
    if unknown.any():
        notes["served rows of items that the item table lacks, dropped"] = int(unknown.sum())
        rows = rows[~unknown]
    if not data.has_negatives:
        rows = rows[rows["label"].to_numpy() == 1]
    searched = _searched(answers if options.searched else answers.slice(0, 0))
    names = np.concatenate([rows["user"].to_numpy(), searched["user"].to_numpy()])
    users, user = _users(data, key, names)
    rows, searched = rows.assign(user=user[: len(rows)]), searched.assign(user=user[len(rows) :])
    seconds = _in_unit(data, np.concatenate([rows["time"].to_numpy(), searched["time"].to_numpy()]))
    searched = searched.assign(time=seconds[0][len(rows) :])
    tables = SourceTables(data.items, users, pd.concat([data.searched, searched], ignore_index=True), notes)
    moments = tuple(part[: len(rows)] for part in seconds)
    return assemble(replace(first, name=options.name), tables, _joined(first, data, rows, moments))


def _answered(data: RecDataset, answers: pa.Table) -> pd.DataFrame:
    """Shown items as rows: the name of the user, the item, whether it was clicked, and when."""
    answers = answers.filter(pc.equal(answers["kind"], "answer"))
    shown = shown_entries(answers)
    is_item = pc.is_valid(shown.item_id).to_numpy(zero_copy_only=False)
    row = shown.row[is_item]
    clicked = pc.fill_null(answers["clicked"], -1).to_numpy()
    return pd.DataFrame(
        {
            "user": people(answers)[row],
            "item": _items(data, shown.item_id.filter(pa.array(is_item))),
            "label": (shown.place[is_item] == clicked[row]).astype(np.int8),
            "time": answers["time"].to_numpy()[row],
            "action": "",
        }
    )


def _happened(options: ServedOptions, data: RecDataset, events: pa.Table, notes: dict[str, int]) -> pd.DataFrame:
    """Events as rows."""
    positive = pc.is_in(events["kind"], pa.array(options.positive_events, pa.string()))
    others = len(events) - int(pc.sum(positive).as_py() or 0)
    if others:
        notes["events of other kinds than dataset.positive_events, left out"] = others
    events = events.filter(positive)
    return pd.DataFrame(
        {
            "user": people(events),
            "item": _items(data, events["item_id"].combine_chunks()),
            "label": np.ones(len(events), np.int8),
            "time": events["time"].to_numpy(),
            "action": events["kind"].to_numpy(zero_copy_only=False),
        }
    )


def _items(data: RecDataset, item_id: pa.Array) -> np.ndarray:
    found = pc.index_in(item_id, value_set=pa.array(data.item_ids, pa.string()))
    return np.asarray(pc.fill_null(found, -1).to_numpy(zero_copy_only=False), dtype=np.int64)


def _searched(answers: pa.Table) -> pd.DataFrame:
    """Clicked queries and words that were asked for: the name of the user, when, and the values joined by "|"."""
    shown = shown_entries(answers)
    clicked = pc.fill_null(answers["clicked"], -1).to_numpy(zero_copy_only=False)
    wanted = (shown.place == clicked[shown.row]) & pc.is_valid(shown.words).to_numpy(zero_copy_only=False)
    told = pc.and_(pc.equal(answers["kind"], "words"), pc.fill_null(answers["liked"], False))
    told_row = np.flatnonzero(told.to_numpy(zero_copy_only=False))
    row = np.concatenate([shown.row[wanted], told_row])
    words = [*shown.words.filter(pa.array(wanted)).to_pylist(), *answers["words"].take(pa.array(told_row)).to_pylist()]
    texts = np.array(["|".join(word["value"] for word in query) for query in words], dtype=object)
    frame = pd.DataFrame(
        {"user": people(answers)[row], "time": answers["time"].to_numpy(zero_copy_only=False)[row], "words": texts}
    )
    return frame[frame["words"] != ""].reset_index(drop=True)


def _users(data: RecDataset, key: bytes, names: np.ndarray) -> tuple[pd.DataFrame, np.ndarray]:
    """The users of the data set and after them those of the log it does not have; and the number of each name."""
    known = pd.Index(pseudonyms(key, data.user_ids))
    new = pd.Index(pd.unique(names[known.get_indexer(names) < 0]), dtype=object)
    added = pd.DataFrame({name: new if name == "user_id" else "" for name in data.users.columns}, index=range(len(new)))
    numbers = known.append(new).get_indexer(names).astype(np.int64)
    return pd.concat([data.users, added], ignore_index=True), numbers


def _in_unit(data: RecDataset, time: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Served times as those of the first log and what orders those of one second, int64 each.

    Seconds since 1970 stay such, also where the first log has positions, which are smaller. Where its times are of
    another unit that makes them larger, what was served comes after it, in its own order.
    """
    last = int(data.time.max()) if data.time.size else 0
    if time.size and last > _OTHER_UNIT * time.max():
        return last + 1 + np.unique(time, return_inverse=True)[1].astype(np.int64), np.zeros(time.size, np.int64)
    whole = np.floor(time).astype(np.int64)
    return whole, ((time - whole) * _BILLION).astype(np.int64)


def _joined(
    first: DatasetOptions, data: RecDataset, rows: pd.DataFrame, moments: tuple[np.ndarray, ...]
) -> InteractionLog:
    def both(old: np.ndarray, new: Any) -> np.ndarray:
        return np.concatenate([old, np.asarray(new, dtype=old.dtype)])

    own_parts = isinstance(first, TabularOptions) and bool(first.split)
    count, zeros = data.user.size + len(rows), np.zeros(data.user.size, np.int64)
    return InteractionLog(
        user=both(data.user, rows["user"]),
        item=both(data.item, rows["item"]),
        label=both(data.label, rows["label"]),
        time=both(data.time, moments[0]) if data.ordered else None,
        fraction=both(zeros, moments[1]) if data.ordered else None,
        part=both(data.part, np.zeros(len(rows))) if own_parts else None,
        value=np.arange(count),  # exact copies were counted when the first log was read
        action=None if data.action is None else both(data.action, _actions(data, rows)),
        actions=data.actions,
        ordered=data.ordered,
    )


def _actions(data: RecDataset, rows: pd.DataFrame) -> np.ndarray:
    """The action of an event of that name; else the most frequent among the first rows of the same label."""
    assert data.action is not None
    every = np.bincount(data.action, minlength=len(data.actions))
    usual = []
    for label in (0, 1):
        of_label = np.bincount(data.action[data.label == label], minlength=len(data.actions))
        usual.append(int((of_label if of_label.any() else every).argmax()))
    named = pd.Index(data.actions).get_indexer(pd.Index(rows["action"]))
    return np.where(named >= 0, named, np.array(usual)[rows["label"].to_numpy(dtype=np.int64)])

"""A folder of one's own: a log and an item table as CSV or Parquet, with names of columns to choose."""

from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from magus_pyg.data import checks
from magus_pyg.data.assemble import Log, Tables, assemble
from magus_pyg.data.dataset import PARTS, RecDataset, empty_searched, word_columns
from magus_pyg.data.options import DatasetOptions, check_options
from magus_pyg.data.tables import SUFFIXES, Table, find_table, read_table
from magus_pyg.errors import ConfigError, DataError

__all__ = ["TabularOptions", "load_tabular"]


@dataclass
class TabularOptions(DatasetOptions):
    """Options of a folder with `interactions`, `items`, and perhaps `users` and `queries`.

    Each is one file `<name>.csv.gz`, `<name>.csv` or `<name>.parquet`. Ids are texts: leading zeros are kept.

    Attributes:
        path: the folder, inside the data root; an absolute path stands for itself. "" means the data root.
        user_id: column of the user ids (interactions, users, queries).
        item_id: column of the item ids (interactions, items).
        rating: column of ratings or actions; "" where there is none.
        timestamp: column of times; "" where the order of the file is the order of time.
        ordered: whether the order of a user's rows is that of events. Say false where there are neither times nor such
            an order, so that no model reads a sequence into it.
        timestamp_format: "number" (seconds, or a position), "iso", or a pattern such as "%Y%m%d".
        positive: what makes a row positive: "rating" (above `positive_above`), "action" (one of `positive_actions`)
            or "all".
        positive_above: ratings greater than this are positive, for `positive: rating`.
        positive_actions: values of the rating column that are positive, for `positive: action`.
        split: column that says to which part a row belongs; "" for the split 6:2:2 by time.
        split_values: the values of that column for train, validation and test, in this order.
        separator: what stands between several values of an item or profile field.
        empty_values: field -> values that mean "no value"; the field "*" stands for all fields.
        words: column of the searched words in queries.
        repeats: "drop" or "keep" exact copies of a row of the log (same user, item, time and rating or action).
    """

    name: str = "tabular"
    path: str = ""
    user_id: str = "user_id"
    item_id: str = "item_id"
    rating: str = "rating"
    timestamp: str = "timestamp"
    ordered: bool = True
    timestamp_format: str = "number"
    positive: str = "rating"
    positive_above: float = 3.0
    positive_actions: list[str] = field(default_factory=list)
    split: str = ""
    split_values: list[str] = field(default_factory=lambda: ["train", "valid", "test"])
    separator: str = "|"
    empty_values: dict[str, list[str]] = field(default_factory=dict)
    words: str = "words"
    repeats: str = "drop"


def load_tabular(options: TabularOptions, data_root: Path | None = None) -> RecDataset:
    """Read, check and split a folder.

    Args:
        options: names of the columns and the rules.
        data_root: the folder that `options.path` lies in; only an absolute folder goes without.

    Raises:
        ConfigError: at an option that has no such value.
        DataError: at anything in the files that cannot be used, naming file, line, column and value.
    """
    _check(options)
    folder = _folder(options, data_root)
    items_file = _read(folder, "items")
    log_file = _read(folder, "interactions")
    notes: dict[str, int] = {}
    items = _fields(options, items_file, options.item_id, "item_id", notes)
    _check_empty_values(options, items, folder)
    log_columns = [options.user_id, options.item_id, *filter(None, (options.rating, options.timestamp, options.split))]
    checks.check_columns(log_file, log_columns)
    if len(log_file) == 0:
        raise DataError(f"{log_file.path} has a header but no row: there is nothing to learn from")
    item = checks.indices(
        log_file, options.item_id, items["item_id"].to_numpy(dtype=object), f"item of {items_file.path.name}"
    )
    users, user = _users(options, folder, log_file, notes)
    log = Log(
        user=user,
        item=item,
        label=_labels(options, log_file),
        time=checks.seconds(log_file, options.timestamp, options.timestamp_format) if options.timestamp else None,
        part=_parts(options, log_file) if options.split else None,
        value=_codes(log_file.texts(options.rating)) if options.rating else None,
        ordered=options.ordered,
    )
    if options.positive == "action":
        log = _with_actions(log, log_file.texts(options.rating), log_file.path)
    searched = _searched(options, folder, users["user_id"].to_numpy(dtype=object), notes)
    return assemble(options, Tables(items, users, searched, notes), log, drop_repeats=options.repeats == "drop")


def _check(options: TabularOptions) -> None:
    check_options(options)
    for name, choices in (("positive", ("rating", "action", "all")), ("repeats", ("drop", "keep"))):
        if getattr(options, name) not in choices:
            raise ConfigError(f"{name} must be one of {', '.join(choices)} (got {getattr(options, name)!r})")
    if options.positive != "all" and not options.rating:
        raise ConfigError(f"positive: {options.positive} needs a column of ratings or actions, but `rating` is empty")
    if options.positive == "action" and not options.positive_actions:
        raise ConfigError("positive: action needs `positive_actions`, the actions that are positive")
    if options.split and len(set(options.split_values)) != len(PARTS):
        raise ConfigError(f"split_values must be three different values (got {options.split_values})")
    if not options.separator:
        raise ConfigError("separator must not be empty")


def _check_empty_values(options: TabularOptions, items: pd.DataFrame, folder: Path) -> None:
    known = ["*", *items.columns[1:], *options.profile_fields]
    for name in options.empty_values:
        if name not in known:
            raise ConfigError(f"empty_values names {name!r}, no field of {folder}; choose from {', '.join(known)}")


def _folder(options: TabularOptions, data_root: Path | None) -> Path:
    folder = Path(options.path).expanduser()
    if not folder.is_absolute():
        if data_root is None:
            raise DataError(
                f"dataset {options.name!r} lies in a data folder, but none is named: set `paths.data=` or the variable "
                "MAGUS_DATA to it, or `dataset.path=` to an absolute path"
            )
        folder = data_root / folder
    if not folder.is_dir():
        raise DataError(
            f"there is no folder {folder} (dataset {options.name!r}); set `paths.data=` or the variable MAGUS_DATA to "
            "the folder above it, or `dataset.path=`"
        )
    return folder


def _read(folder: Path, name: str) -> Table:
    path = find_table(folder, name)
    if path is None:
        held = ", ".join(sorted(entry.name for entry in folder.iterdir())) or "nothing"
        raise DataError(f"{folder} holds no {' or '.join(name + suffix for suffix in SUFFIXES)}; it holds {held}")
    return read_table(path)


def _fields(options: TabularOptions, table: Table, key: str, name: str, notes: dict[str, int]) -> pd.DataFrame:
    """The columns of an item or user table, the ids under one name and the fields with clean values."""
    merged = {group: tuple(members) for group, members in options.merge_fields.items()}
    asked = word_columns(options.word_fields, merged) if name == "item_id" else tuple(options.profile_fields)
    checks.check_columns(table, [key])
    checks.check_columns(table, asked, "word_fields" if name == "item_id" else "profile_fields")
    columns: dict[str, np.ndarray] = {name: checks.unique_identifiers(table, key)}
    everywhere = options.empty_values.get("*", [])
    for column in table.columns:
        if column == key:
            continue
        texts = table.texts(column)
        if column in asked:
            empty = [*everywhere, *options.empty_values.get(column, [])]
            columns[column], removed = checks.clean_values(texts, options.separator, empty, table, column)
            if removed:
                notes[f"values of {column} that mean no value"] = removed
        else:
            columns[column] = texts.to_pandas().to_numpy(dtype=object)
    return pd.DataFrame(columns)


def _users(options: TabularOptions, folder: Path, log: Table, notes: dict[str, int]) -> tuple[pd.DataFrame, np.ndarray]:
    """Users in the order of their table, then of the log; and the user index of each row of the log, int64 [n]."""
    ids = checks.identifiers(log, options.user_id)
    in_log = pc.unique(ids).to_pandas().to_numpy(dtype=object)
    if find_table(folder, "users") is None:
        if options.profile_fields:
            raise DataError(
                f"profile_fields {options.profile_fields} need a file users.csv in {folder}; it is not there"
            )
        users = pd.DataFrame({"user_id": in_log})
    else:
        table = _fields(options, _read(folder, "users"), options.user_id, "user_id", notes)
        new = in_log[~pd.Index(in_log).isin(table["user_id"])]
        if new.size:
            notes["users without a profile"] = int(new.size)
        users = pd.concat([table, pd.DataFrame({"user_id": new})], ignore_index=True).fillna("")
    known = pa.array(users["user_id"].to_numpy(dtype=object), pa.string())
    return users, np.asarray(pc.index_in(ids, value_set=known).to_numpy(), dtype=np.int64)


def _labels(options: TabularOptions, log: Table) -> np.ndarray:
    if options.positive == "all":
        return np.ones(len(log), np.int8)
    if options.positive == "rating":
        return (checks.numbers(log, options.rating, "rating") > options.positive_above).astype(np.int8)
    actions = log.texts(options.rating)
    positive = pc.is_in(actions, value_set=pa.array(options.positive_actions, pa.string())).to_numpy()
    if not positive.any():
        raise DataError(
            f"{log.path}, column {options.rating!r}: no row has an action of positive_actions "
            f"{options.positive_actions}; the actions are {pc.unique(actions).to_pylist()[:10]}"
        )
    return np.asarray(positive, dtype=np.int8)


def _with_actions(log: Log, actions: pa.ChunkedArray, path: Path) -> Log:
    """The log with its action types, in alphabetical order, where it has several."""
    names = sorted(pc.unique(actions).to_pylist())
    if len(names) > np.iinfo(np.int8).max:
        raise DataError(f"{path}: {len(names)} different actions, such as {names[:5]}; at most 127 can be told apart")
    if len(names) < 2:
        return log
    codes = pc.index_in(actions, value_set=pa.array(names, pa.string())).to_numpy()
    return replace(log, action=np.asarray(codes, dtype=np.int8), actions=tuple(names))


def _parts(options: TabularOptions, log: Table) -> np.ndarray:
    found = pc.index_in(log.texts(options.split), value_set=pa.array(options.split_values, pa.string()))
    if found.null_count:
        row = int(found.is_null().to_numpy().argmax())
        raise DataError(
            f"{log.where(row, options.split)}: {log.texts(options.split)[row].as_py()!r} is no part; split_values are "
            f"{options.split_values} ({found.null_count} such rows)"
        )
    return np.asarray(found.to_numpy(), dtype=np.int8)


def _codes(texts: pa.ChunkedArray) -> np.ndarray:
    return np.asarray(pc.index_in(texts, value_set=pc.unique(texts)).to_numpy(), dtype=np.int64)


def _searched(options: TabularOptions, folder: Path, user_ids: np.ndarray, notes: dict[str, int]) -> pd.DataFrame:
    """The searched queries of known users; those of others are counted and left out."""
    if find_table(folder, "queries") is None:
        return empty_searched()
    table = _read(folder, "queries")
    if not options.timestamp:
        raise DataError(
            f"{table.path}: searched queries need times, but `timestamp` is empty; name the column of times"
        )
    checks.check_columns(table, [options.user_id, options.timestamp, options.words])
    if len(table) == 0:
        return empty_searched()
    known = pa.array(user_ids, pa.string())
    user = pc.index_in(checks.identifiers(table, options.user_id), value_set=known)
    time = checks.seconds(table, options.timestamp, options.timestamp_format)
    words, _ = checks.clean_values(table.texts(options.words), options.separator, (), table, options.words)
    stranger, wordless = user.is_null().to_numpy(), words == ""
    if stranger.any():
        notes["searched queries of unknown users, dropped"] = int(stranger.sum())
    if (wordless & ~stranger).any():
        notes["searched queries without words, dropped"] = int((wordless & ~stranger).sum())
    kept = np.flatnonzero(~stranger & ~wordless)
    index = np.asarray(user.fill_null(-1).to_numpy(), dtype=np.int64)
    frame = pd.DataFrame({"user": index[kept], "time": time[kept], "words": words[kept]})
    return frame.sort_values(["user", "time"], kind="stable", ignore_index=True)

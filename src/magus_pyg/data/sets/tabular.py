"""A folder of one's own: a log and an item table as CSV or Parquet, with names of columns to choose."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from magus_pyg.data.assemble import InteractionLog, SourceTables, assemble
from magus_pyg.data.dataset import PARTS, RecDataset
from magus_pyg.data.dataset_options import check_log_options
from magus_pyg.data.reading import column_checks as checks
from magus_pyg.data.reading.findings import Findings
from magus_pyg.data.reading.table_files import FileTable
from magus_pyg.data.sets.tabular_files import (
    DECIMAL,
    DELIMITERS,
    TIME_FORM,
    FolderTables,
    item_fields,
    read_files,
    searched_queries,
    user_fields,
)
from magus_pyg.data.sets.tabular_options import TabularOptions
from magus_pyg.data.split import split_rule
from magus_pyg.errors import ConfigError, DataError
from magus_pyg.files import home_expanded
from magus_pyg.options import check_options, one_of

__all__ = ["check_tabular", "load_tabular"]


def load_tabular(
    options: TabularOptions, data_root: Path | None = None, findings: Findings | None = None
) -> RecDataset:
    """Read, check, filter and split a folder.

    Args:
        options: names of the columns and the rules.
        data_root: the folder that `options.path` lies in, unless it is absolute, or lies where the process stands.
        findings: where problems go; the first is raised if None.

    Raises:
        ConfigError: at an option that has no such value.
        DataError: at anything in the files that cannot be used, naming file, line, column and value.
    """
    findings = findings if findings is not None else Findings()
    check_tabular(options)
    folder = _folder(options, data_root)
    files = read_files(options, folder, findings)
    notes: dict[str, int] = {}
    items, spelling = item_fields(options, files, folder, notes)
    log_file = files.interactions
    if len(log_file) == 0:
        findings.problem(f"{log_file.path} has a header but no row: there is nothing to learn from")
    item, items = _item_index(options, files, items, notes)
    users, user = user_fields(options, files, folder, notes)
    label = _labels(options, log_file, notes)
    time = (
        checks.moments(log_file, options.timestamp, options.timestamp_format, TIME_FORM) if options.timestamp else None
    )
    log = InteractionLog(
        user=user,
        item=item,
        label=label,
        time=time.seconds if time is not None else None,
        fraction=time.fraction if time is not None else None,
        part=_parts(options, log_file) if options.split else None,
        value=_codes(log_file.texts(options.rating)) if options.rating else None,
        ordered=options.ordered,
    )
    if options.positive == "action":
        log = _with_actions(log, log_file.texts(options.rating), log_file.path)
    searched = searched_queries(options, files, users["user_id"].to_numpy(dtype=object), spelling, notes)
    if files.items.rejected.any():
        items, item = _without(items, item, files.items.rejected)
        log = replace(log, item=item)
    kept = ~log_file.rejected & (item >= 0)
    if findings.problems and not kept.any():
        raise DataError(f"{log_file.path}: no row is left; mend the columns above first, nothing else was counted")
    return assemble(options, SourceTables(items, users, searched, notes), log if kept.all() else log.take(kept))


def check_tabular(options: TabularOptions) -> None:
    """Raise ConfigError, naming the option and its value, for options that no folder can be read by."""
    check_log_options(options)
    check_options(
        options,
        "dataset",
        positive=one_of(("rating", "action", "all")),
        unknown_items=one_of(("error", "drop", "keep")),
    )
    if options.positive != "all" and not options.rating:
        raise ConfigError(f"positive: {options.positive} needs a column of ratings or actions, but `rating` is empty")
    if options.positive == "action" and not options.positive_actions:
        raise ConfigError("positive: action needs `positive_actions`, the actions that are positive")
    if options.split and len(set(options.split_values)) != len(PARTS):
        raise ConfigError(f"split_values must be three different values (got {options.split_values})")
    given = bool(options.split)
    split_rule(options.split_by, ordered=options.ordered, timed=bool(options.timestamp), given=given)
    if options.decimal not in (".", ","):
        raise ConfigError(f"decimal must be '.' or ',' (got {options.decimal!r})")
    for name in ("separator", "query_separator", "interactions", "items"):
        if not getattr(options, name):
            raise ConfigError(f"{name} must not be empty")
    delimiter = DELIMITERS.get(options.delimiter, options.delimiter)
    if len(delimiter) != 1 or delimiter in '"\r\n':
        names = ", ".join(DELIMITERS)
        raise ConfigError(f"delimiter must be one character, or one of {names} (got {options.delimiter!r})")
    for option, encoding in (
        ("encoding", options.encoding),
        *((f"encodings.{k}", v) for k, v in options.encodings.items()),
    ):
        try:
            "".encode(encoding)
        except (LookupError, ValueError) as error:
            raise ConfigError(f"{option}: {error}; choose for example utf-8, latin-1 or cp1252") from error


def _folder(options: TabularOptions, data_root: Path | None) -> Path:
    folder = home_expanded(options.path)
    inside = data_root is not None and (data_root / folder).is_dir()
    if not folder.is_absolute() and options.path and not inside and folder.is_dir():
        return folder.absolute()  # whoever types a path means it from where they stand
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


_DROP = "or set dataset.unknown_items=drop (keep: such items have no words)"


def _item_index(
    options: TabularOptions, files: FolderTables, items: pd.DataFrame, notes: dict[str, int]
) -> tuple[np.ndarray, pd.DataFrame]:
    """The item of each row of the log, int64 [n] (-1 in rows to be dropped), and the items with those added."""
    log, known = files.interactions, items["item_id"].to_numpy(dtype=object)
    if options.unknown_items == "error":
        return checks.indices(log, options.item_id, known, f"item of {files.items.path.name}", _DROP), items
    texts = checks.identifiers(log, options.item_id)
    found = pc.index_in(texts, value_set=pa.array(known, pa.string()))
    unknown = found.is_null().to_numpy() & ~log.rejected
    if unknown.any():
        new = pc.unique(texts.filter(pa.array(unknown)))
        if options.unknown_items == "drop":
            notes[f"rows of {len(new)} items without a row in the item table, dropped"] = int(unknown.sum())
        else:
            notes["items without a row in the item table, kept without words"] = len(new)
            added = pd.DataFrame({"item_id": new.to_pandas().to_numpy(dtype=object)})
            items = pd.concat([items, added], ignore_index=True).fillna("")
            known = items["item_id"].to_numpy(dtype=object)
            found = pc.index_in(texts, value_set=pa.array(known, pa.string()))
    return np.asarray(found.fill_null(-1).to_numpy(), dtype=np.int64), items


def _without(items: pd.DataFrame, item: np.ndarray, rejected: np.ndarray) -> tuple[pd.DataFrame, np.ndarray]:
    """The items without rejected ones, and the item of each row of the log anew, -1 for a rejected one.

    Their ids are known all the same: that a row of the log has one is no other problem.
    """
    kept = np.ones(len(items), dtype=bool)
    kept[: len(rejected)] = ~rejected
    number = np.append(np.where(kept, np.cumsum(kept) - 1, -1), -1)
    return items[kept].reset_index(drop=True), number[item]


def _labels(options: TabularOptions, log: FileTable, notes: dict[str, int]) -> np.ndarray:
    if options.positive == "all":
        return np.ones(len(log), np.int8)
    if options.positive == "rating":
        advice = f"words need dataset.positive=action, {DECIMAL}"
        return (checks.numbers(log, options.rating, "rating", advice) > options.positive_above).astype(np.int8)
    actions = log.texts(options.rating)
    positive = pc.is_in(actions, value_set=pa.array(options.positive_actions, pa.string())).to_numpy()
    if not positive.any():
        log.findings.problem(
            f"{log.path}, column {options.rating!r}: no row has an action of positive_actions "
            f"{options.positive_actions}; the actions are {pc.unique(actions).to_pylist()[:10]}"
        )
        log.rejected[:] = True  # what the sessions of a log without a positive row are says nothing
    there = set(pc.unique(actions).to_pylist())
    notes.update({f"rows of the positive action {name!r}": 0 for name in options.positive_actions if name not in there})
    return np.asarray(positive, dtype=np.int8)


def _with_actions(log: InteractionLog, actions: pa.ChunkedArray, path: Path) -> InteractionLog:
    """The log with its action types, in alphabetical order, where it has several."""
    names = sorted(pc.unique(actions).to_pylist())
    if len(names) > np.iinfo(np.int8).max:
        raise DataError(f"{path}: {len(names)} different actions, such as {names[:5]}; at most 127 can be told apart")
    if len(names) < 2:
        return log
    codes = pc.index_in(actions, value_set=pa.array(names, pa.string())).to_numpy()
    return replace(log, action=np.asarray(codes, dtype=np.int8), actions=tuple(names))


def _parts(options: TabularOptions, log: FileTable) -> np.ndarray:
    texts = log.texts(options.split)
    found = pc.index_in(texts, value_set=pa.array(options.split_values, pa.string()))
    unknown = found.is_null().to_numpy()
    if unknown.any():
        value = texts[int(unknown.argmax())].as_py()
        what = f"{value!r} is no part; dataset.split_values are {options.split_values} ({int(unknown.sum())} such rows)"
        log.reject(unknown, options.split, what)
    return np.asarray(found.fill_null(0).to_numpy(), dtype=np.int8)


def _codes(texts: pa.ChunkedArray) -> np.ndarray:
    return np.asarray(pc.index_in(texts, value_set=pc.unique(texts)).to_numpy(), dtype=np.int64)

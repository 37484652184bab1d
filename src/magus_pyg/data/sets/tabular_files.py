"""The files of a folder of one's own as tables of items, users and searched queries."""

from __future__ import annotations

import glob
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from magus_pyg.data.dataset import empty_searched, exact_column, word_columns
from magus_pyg.data.field_values import CleanFields, FieldEntries, band_labels, clean_fields, joined
from magus_pyg.data.reading import column_checks as checks
from magus_pyg.data.reading.findings import Findings
from magus_pyg.data.reading.table_files import SUFFIXES, FileTable, find_table, read_table
from magus_pyg.data.sets.field_tables import one_each
from magus_pyg.errors import ConfigError, DataError

if TYPE_CHECKING:
    from magus_pyg.data.sets.tabular_options import TabularOptions

__all__ = [
    "DECIMAL",
    "DELIMITERS",
    "TIME_FORM",
    "FolderTables",
    "band_numbers",
    "item_fields",
    "read_files",
    "searched_queries",
    "user_fields",
]


_NONE = np.empty(0, dtype=object)  # holds the place of a column until it is clean

DECIMAL = "numbers such as 1,5 need dataset.decimal=','"
TIME_FORM = "set dataset.timestamp_format to the form of the times: number, iso, or a pattern such as '%d.%m.%Y'"
"""What helps, for messages on numbers and times."""

#: Names of delimiters that are awkward to type.
DELIMITERS = {"comma": ",", "semicolon": ";", "tab": "\t", "bar": "|"}


@dataclass(frozen=True)
class FolderTables:
    """The tables of a folder; None for those that are not there."""

    items: FileTable
    interactions: FileTable
    users: FileTable | None
    queries: FileTable | None


def read_files(options: TabularOptions, folder: Path, findings: Findings) -> FolderTables:
    """Read all tables of a folder, and check that they have the columns that the options name.

    Raises:
        DataError: a file that is missing or cannot be read, and columns that are missing; where problems are collected,
            only after all files were looked at.
    """
    merged = {group: tuple(members) for group, members in options.merge_fields.items()}
    log_columns = [options.user_id, options.item_id, *filter(None, (options.rating, options.timestamp, options.split))]
    asked = [*word_columns(options.word_fields, merged), *(name for name in options.bands if name in merged)]
    optional = {
        options.rating: "dataset.rating='' reads a log without it",
        options.timestamp: "dataset.timestamp='' takes the order of the rows for that of time, and with "
        "dataset.ordered=false for none",
    }
    wanted: dict[str, list[tuple[Sequence[str], str]]] = {
        "items": [
            ([options.item_key or options.item_id], ""),
            (asked, "word_fields"),
            ([*filter(None, [options.title_field])], "title_field"),
        ],
        "interactions": [(log_columns, "")],
        "users": [([options.user_key or options.user_id], ""), (options.profile_fields, "profile_fields")],
        "queries": [([options.user_id, *filter(None, [options.timestamp]), options.words], "")],
    }
    for name in options.encodings:
        if name not in wanted and not any(folder.rglob(glob.escape(name))):
            known = ", ".join(wanted)
            raise ConfigError(f"encodings names {name!r}, no table or file of {folder}; choose from {known}, or a file")
    tables: dict[str, FileTable | None] = {}
    failed: list[DataError] = []
    for kind, columns in wanted.items():
        try:
            table = _read(options, folder, kind, findings)
            tables[kind] = table
            for names, option in columns if table is not None else ():
                checks.check_columns(table, names, option, optional if kind == "interactions" else None)  # type: ignore[arg-type]
        except DataError as error:
            failed.append(error)
            if not findings.collect:
                raise
    for failure in failed[:-1]:
        findings.problem(str(failure))
    if failed:
        raise failed[-1]
    items, log = tables["items"], tables["interactions"]
    assert items is not None, "a missing item table was reported"
    assert log is not None, "a missing log was reported"
    return FolderTables(items, log, tables["users"], tables["queries"])


def _read(options: TabularOptions, folder: Path, kind: str, findings: Findings) -> FileTable | None:
    name = getattr(options, kind)
    path = find_table(folder, name)
    if path is None and kind in ("users", "queries") and name in ("", kind):
        if kind == "users" and options.profile_fields:
            raise DataError(
                f"profile_fields {options.profile_fields} need a file users.csv in {folder}; it is not there"
            )
        return None
    if path is None:
        held = ", ".join(sorted(entry.name for entry in folder.iterdir())) or "nothing"
        wanted = " or ".join(name + suffix for suffix in SUFFIXES) if name == kind else name
        raise DataError(f"{folder} holds no {wanted}; it holds {held}")
    delimiter = DELIMITERS.get(options.delimiter, options.delimiter)
    encoding = options.encodings.get(kind, options.encoding)
    table = read_table(
        path, delimiter, encoding=encoding, findings=findings, encodings=options.encodings, decimal=options.decimal
    )
    if kind == "queries" and not options.timestamp:
        raise DataError(f"{path}: searched queries need times, but `timestamp` is empty; name the column of times")
    return table


def item_fields(
    options: TabularOptions, files: FolderTables, folder: Path, notes: dict[str, int]
) -> tuple[pd.DataFrame, CleanFields]:
    """The item table with clean word fields, and how their words are spelled."""
    merged = {group: tuple(members) for group, members in options.merge_fields.items()}
    asked = word_columns(options.word_fields, merged)
    table = files.items
    key = options.item_key or options.item_id
    known = ["*", *(name for name in table.columns if name != key), *options.profile_fields]
    for option in ("empty_values", "bands"):
        for name in getattr(options, option):
            if name not in known[option == "bands" :]:
                fields = ", ".join(known[option == "bands" :])
                raise ConfigError(f"{option} names {name!r}, no field of {folder}; choose from {fields}")
    return _fields(options, table, key, "item_id", asked, merged, notes)


def user_fields(
    options: TabularOptions, files: FolderTables, folder: Path, notes: dict[str, int]
) -> tuple[pd.DataFrame, np.ndarray]:
    """Users in the order of their table, then of the log; and the user index of each row of the log, int64 [n]."""
    log = files.interactions
    ids = checks.identifiers(log, options.user_id)
    in_log = pc.unique(ids.filter(pa.array(~log.rejected)) if log.rejected.any() else ids)
    texts = in_log.to_pandas().to_numpy(dtype=object)
    if files.users is None:
        users = pd.DataFrame({"user_id": texts})
    else:
        fields = tuple(options.profile_fields)
        key = options.user_key or options.user_id
        table, _ = _fields(options, files.users, key, "user_id", fields, {}, notes)
        table = table[~files.users.rejected]
        new = texts[~pd.Index(texts).isin(table["user_id"])]
        if new.size:
            notes["users without a profile"] = int(new.size)
        users = pd.concat([table, pd.DataFrame({"user_id": new})], ignore_index=True).fillna("")
    known = pa.array(users["user_id"].to_numpy(dtype=object), pa.string())
    return users, np.asarray(pc.index_in(ids, value_set=known).fill_null(0).to_numpy(), dtype=np.int64)


def _fields(
    options: TabularOptions,
    table: FileTable,
    key: str,
    name: str,
    asked: Sequence[str],
    groups: dict[str, tuple[str, ...]],
    notes: dict[str, int],
) -> tuple[pd.DataFrame, CleanFields]:
    """A table with the ids under one name, clean values in the fields that are asked for, and all others as texts; the
    rejected rows are still there. Columns of other types that nothing asks for are left alone."""
    columns: dict[str, np.ndarray] = {name: checks.unique_identifiers(table, key, notes)}
    entries: dict[str, FieldEntries] = {}
    for column in table.columns:
        if column in (key, name):  # whatever else is called as the ids are here
            continue
        if column in options.bands:
            labels = band_labels(band_numbers(table, column), options.bands[column], column)
            entries[column] = one_each(labels)
            columns[exact_column(column)] = (
                pc.utf8_trim_whitespace(table.texts(column)).to_pandas().to_numpy(dtype=object)
            )
        elif column in asked:
            entries[column] = table.entries(column, options.separator, refuse_bar=True)
        elif not table.has_texts(column) and column != options.title_field:
            continue
        columns[column] = _NONE if column in entries else table.texts(column).to_pandas().to_numpy(dtype=object)
    clean = clean_fields(entries, len(table), options, groups)
    notes.update(clean.notes)
    columns |= clean.columns
    return pd.DataFrame(columns), clean


def band_numbers(table: FileTable, column: str) -> np.ndarray:
    """The numbers of a field that is cut into bands, float64 [rows]; NaN for a blank. What else is no number is
    rejected."""
    texts = pc.utf8_trim_whitespace(table.texts(column))
    blank = pc.equal(texts, "").to_numpy()
    values = checks.parsed_numbers(texts, table.decimal)
    values = np.where(np.isfinite(values), values, np.nan)
    bad = np.isnan(values) & ~blank
    if bad.any():
        value = texts[int(bad.argmax())].as_py()
        table.reject(
            bad,
            column,
            f"{value!r} is no number, and the field is to be cut into bands ({bad.sum()} such rows); take it out of "
            f"dataset.bands, or {DECIMAL}",
        )
    return values


def searched_queries(
    options: TabularOptions, files: FolderTables, user_ids: np.ndarray, spelling: CleanFields, notes: dict[str, int]
) -> pd.DataFrame:
    """The searched queries of known users; those of others are counted and left out."""
    table = files.queries
    if table is None or len(table) == 0:
        return empty_searched()
    known = pa.array(user_ids, pa.string())
    user = pc.index_in(checks.identifiers(table, options.user_id), value_set=known)
    time = checks.moments(table, options.timestamp, options.timestamp_format, TIME_FORM)
    words = _words(table.entries(options.words, options.query_separator), len(table), spelling)
    stranger, wordless = user.is_null().to_numpy() & ~table.rejected, (words == "") & ~table.rejected
    if stranger.any():
        notes["searched queries of unknown users, dropped"] = int(stranger.sum())
    if (wordless & ~stranger).any():
        notes["searched queries without words, dropped"] = int((wordless & ~stranger).sum())
    kept = np.flatnonzero(~stranger & ~wordless & ~table.rejected)
    index = np.asarray(user.fill_null(-1).to_numpy(), dtype=np.int64)
    if time.fraction is not None:
        kept = kept[np.argsort(time.fraction[kept], kind="stable")]
    frame = pd.DataFrame({"user": index[kept], "time": time.seconds[kept], "words": words[kept]})
    return frame.sort_values(["user", "time"], kind="stable", ignore_index=True)


def _words(entries: FieldEntries, n_rows: int, spelling: CleanFields) -> np.ndarray:
    """The words of each query in the spelling of the items, joined by "|", object [n_rows]."""
    texts = entries.text.dictionary_encode()
    spelled = np.array([spelling.spelled(text) for text in texts.dictionary.to_pylist()], dtype=object)
    frame = pd.DataFrame({"row": entries.row, "word": spelled[texts.indices.to_numpy(zero_copy_only=False)]})
    frame = frame[frame["word"] != ""].drop_duplicates()
    return joined(frame["row"].to_numpy(), pa.array(frame["word"].to_numpy(dtype=object), pa.string()), n_rows)

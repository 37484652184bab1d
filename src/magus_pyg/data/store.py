"""Processed data sets on disk: compact columns that are read back in seconds, under a name that stands for a whole one.

A folder holds `log.*.npy`, `items.parquet`, `users.parquet`, `searched.parquet` and `meta.json`. The same input gives
the same bytes. It is written under a temporary name and then renamed, so what has the final name is whole.
"""

import json
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from magus_pyg.data.assemble import Log, Prepared, Tables
from magus_pyg.errors import DataError

try:
    import fcntl
except ImportError:  # Windows has no such locks: two processes then both process, and the last one's folder stays
    fcntl = None  # type: ignore[assignment]

__all__ = ["FORMAT_VERSION", "locked", "processed_files", "read_prepared", "write_prepared"]

#: Version of the files. A folder of another version is processed again.
FORMAT_VERSION = 1
_TABLES = ("items", "users", "searched")
_COLUMNS = ("item", "time", "label", "part", "action")


def processed_files() -> list[str]:
    """The names of the files of a processed data set."""
    return ["meta.json", "log.counts.npy", *(f"log.{name}.npy" for name in _COLUMNS[:-1]), *(
        f"{name}.parquet" for name in _TABLES)]  # fmt: skip


def write_prepared(prepared: Prepared, meta: dict[str, Any], folder: Path) -> None:
    """Write a prepared data set to a folder; the folder appears, or replaces an older one, only when it is complete.

    Args:
        prepared: the data set.
        meta: what it was made from; written into meta.json.
        folder: the folder to make.

    Raises:
        OSError: if it cannot be written; nothing is left behind.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    temporary = folder.with_name(f".{folder.name}.{secrets.token_hex(8)}")
    try:
        temporary.mkdir()
        _write(prepared, meta, temporary)
        if folder.exists():
            shutil.rmtree(folder)
        os.replace(temporary, folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the right to write a folder; others wait. Folders that a killed process left half-written are removed."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with open(folder.with_name(f".{folder.name}.lock"), "w") as lock:
        if fcntl is not None:
            fcntl.flock(lock, fcntl.LOCK_EX)
            for left in folder.parent.glob(f".{folder.name}.*/"):
                shutil.rmtree(left, ignore_errors=True)
        yield


def read_meta(folder: Path) -> dict[str, Any] | None:
    """What a processed folder was made from; None where there is no such folder."""
    try:
        meta = json.loads((folder / "meta.json").read_text())
    except (OSError, ValueError):
        return None
    return meta if isinstance(meta, dict) else None


def read_prepared(folder: Path) -> Prepared:
    """Read a prepared data set back.

    Raises:
        DataError: if a file is missing or damaged.
    """
    try:
        return _read(folder, json.loads((folder / "meta.json").read_text()))
    except (OSError, ValueError, KeyError, pa.ArrowException) as error:
        advice = "load once with force_reload to process the raw files again"
        raise DataError(f"the processed files in {folder} are damaged ({error}); {advice}") from error


def _write(prepared: Prepared, meta: dict[str, Any], folder: Path) -> None:
    log, tables = prepared.log, prepared.tables
    # Rows are sorted by user, so the numbers of rows say whose they are.
    counts = np.bincount(log.user, minlength=len(tables.users)).astype(np.int64)
    columns = {"counts": counts, **{name: getattr(log, name) for name in _COLUMNS}}
    for name, column in columns.items():
        if column is not None:
            np.save(folder / f"log.{name}.npy", _smallest(column), allow_pickle=False)
    for name in _TABLES:
        frame: pd.DataFrame = getattr(tables, name)
        texts = {key: pa.array(frame[key].to_numpy(), pa.string()) if frame[key].dtype.kind not in "iu" else
                 pa.array(frame[key].to_numpy()) for key in frame.columns}  # fmt: skip
        pq.write_table(pa.table(texts), folder / f"{name}.parquet", compression="zstd")
    content = {**meta, "notes": tables.notes, "actions": list(log.actions), "ordered": log.ordered}
    content["files"] = {path.name: path.stat().st_size for path in sorted(folder.iterdir())}
    (folder / "meta.json").write_text(json.dumps(content, indent=1, sort_keys=True) + "\n")


def _smallest(column: np.ndarray) -> np.ndarray:
    """The column in the smallest signed type that holds it."""
    low, high = (int(column.min()), int(column.max())) if column.size else (0, 0)
    for kind in (np.int8, np.int16, np.int32):
        if np.iinfo(kind).min <= low and high <= np.iinfo(kind).max:
            return column.astype(kind, copy=False)
    return column.astype(np.int64, copy=False)


def _read(folder: Path, meta: dict[str, Any]) -> Prepared:
    for name, size in meta["files"].items():
        found = (folder / name).stat().st_size
        if found != size:
            raise ValueError(f"{name} has {found} bytes instead of {size}")
    columns = {path.name[4:-4]: np.load(path, allow_pickle=False) for path in folder.glob("log.*.npy")}
    counts = columns.pop("counts").astype(np.int64)
    user = np.repeat(np.arange(counts.size), counts)
    tables = {name: _frame(pq.read_table(folder / f"{name}.parquet")) for name in _TABLES}
    log = Log(
        user=user,
        item=columns["item"].astype(np.int64),
        label=columns["label"].astype(np.int8, copy=False),
        time=columns["time"].astype(np.int64),
        part=columns["part"].astype(np.int8, copy=False),
        actions=tuple(meta["actions"]),
        ordered=bool(meta["ordered"]),
    )
    if "action" in columns:
        log = replace(log, action=columns["action"].astype(np.int8, copy=False))
    return Prepared(Tables(tables["items"], tables["users"], tables["searched"], dict(meta["notes"])), log)


def _frame(table: pa.Table) -> pd.DataFrame:
    return pd.DataFrame(
        {
            name: table.column(name).to_numpy()
            if pa.types.is_integer(table.column(name).type)
            else table.column(name).to_pandas().to_numpy(dtype=object)
            for name in table.column_names
        }
    )

"""Processed data sets on disk: columns that are mapped into memory, under a name that stands for a whole one.

A folder holds `log.*.npy`, `items.parquet`, `users.parquet`, `searched.parquet` and `meta.json`. The same input gives
the same bytes. What has the final name is whole.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from magus_pyg.data.assemble import InteractionLog, PreparedData, SourceTables
from magus_pyg.data.dataset import empty_searched
from magus_pyg.errors import DataError
from magus_pyg.files import parse_json, whole

__all__ = ["PREPARED_FORMAT", "processed_files", "read_prepared", "write_prepared"]

#: Version of the files. A folder of another version is processed again.
PREPARED_FORMAT = 4
_TABLES = ("items", "users", "searched")
_COLUMNS = {"user": np.int64, "item": np.int64, "time": np.int64, "label": np.int8, "part": np.int8, "action": np.int8}


def processed_files() -> list[str]:
    """The names of the files of a processed data set."""
    log = [f"log.{name}.npy" for name in _COLUMNS if name != "action"]
    return ["meta.json", *log, *(f"{name}.parquet" for name in _TABLES)]


def write_prepared(prepared: PreparedData, meta: dict[str, Any], folder: Path) -> None:
    """Write a prepared data set to a folder; the folder appears, or replaces an older one, only when it is complete.

    Args:
        prepared: the data set.
        meta: what it was made from; written into meta.json.
        folder: the folder to make.

    Raises:
        DataError: if it cannot be written; nothing is left behind.
    """
    with whole(folder, DataError) as fresh:
        fresh.mkdir()
        _write(prepared, meta, fresh)


def read_meta(folder: Path) -> dict[str, Any] | None:
    """What a processed folder was made from; None where there is no such folder."""
    try:
        meta = parse_json((folder / "meta.json").read_text())
    except (OSError, ValueError):
        return None
    return meta if isinstance(meta, dict) else None


def read_prepared(folder: Path) -> PreparedData:
    """Read a prepared data set back.

    Raises:
        DataError: if a file is missing or damaged.
    """
    try:
        return _read(folder, parse_json((folder / "meta.json").read_text()))
    except (OSError, ValueError, KeyError, pa.ArrowException) as error:
        advice = "load once with force_reload to process the raw files again"
        raise DataError(f"the processed files in {folder} are damaged ({error}); {advice}") from error


def _write(prepared: PreparedData, meta: dict[str, Any], folder: Path) -> None:
    log, tables = prepared.log, prepared.tables
    for name, kind in _COLUMNS.items():
        column: np.ndarray | None = getattr(log, name)
        if column is not None:
            np.save(folder / f"log.{name}.npy", column.astype(kind, copy=False), allow_pickle=False)
    for name in _TABLES:
        frame: pd.DataFrame = getattr(tables, name)
        texts = {key: pa.array(frame[key].to_numpy(), pa.string()) if frame[key].dtype.kind not in "iu" else
                 pa.array(frame[key].to_numpy()) for key in frame.columns}  # fmt: skip
        pq.write_table(pa.table(texts), folder / f"{name}.parquet", compression="zstd")
    content = {**meta, "notes": tables.notes, "actions": list(log.actions), "ordered": log.ordered}
    content["files"] = {path.name: path.stat().st_size for path in sorted(folder.iterdir())}
    (folder / "meta.json").write_text(json.dumps(content, indent=1, sort_keys=True) + "\n")


def _read(folder: Path, meta: dict[str, Any]) -> PreparedData:
    for name, size in meta["files"].items():
        found = (folder / name).stat().st_size
        if found != size:
            raise ValueError(f"{name} has {found} bytes instead of {size}")
    # Mapped copy-on-write: pages are read when they are used, shared with other processes, and never written back.
    columns = {
        name: np.asarray(np.load(folder / f"log.{name}.npy", mmap_mode="c", allow_pickle=False))
        for name in _COLUMNS
        if f"log.{name}.npy" in meta["files"]
    }
    tables = {name: pq.read_table(folder / f"{name}.parquet").to_pandas() for name in _TABLES}
    if not len(tables["searched"]):
        tables["searched"] = empty_searched()
    log = InteractionLog(**columns, actions=tuple(meta["actions"]), ordered=bool(meta["ordered"]))
    return PreparedData(SourceTables(tables["items"], tables["users"], tables["searched"], dict(meta["notes"])), log)

"""Writing a synthetic catalogue and its log as a folder that `dataset=tabular` reads."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from magus_pyg.data.synthetic.shape_log import ScaleLog
from magus_pyg.data.synthetic.shapes import (
    ScaleOptions,
    Shape,
    SyntheticCatalogue,
    catalogue_columns,
    make_catalogue,
)
from magus_pyg.errors import DataError
from magus_pyg.files import home_expanded, whole

__all__ = ["write_scale_data"]

_BYTES_A_ROW = 10  # of a Parquet file; 8 were measured


def write_scale_data(options: ScaleOptions, progress: Callable[[str], None] = lambda text: None) -> Path:
    """Write `items.parquet`, `users.parquet` and `interactions.parquet`; the folder appears only when it is complete.

    Args:
        options: what to make. Memory grows with `chunk_rows` and with the number of items, not with the rows.
        progress: told what is being done.

    Returns:
        The folder.

    Raises:
        ConfigError: an option without such a value.
        DataError: if the folder exists, or cannot be written, or the disk has too little space.
    """
    shape, folder = options.sized(), home_expanded(options.out)
    if folder.exists():
        raise DataError(f"{folder} exists already: remove it, or name another folder (out=)")
    with whole(folder, DataError) as fresh:
        needed = _BYTES_A_ROW * (shape.interactions + shape.items + shape.users)
        free = shutil.disk_usage(folder.parent).free
        if needed > free:
            raise DataError(
                f"{folder} would take about {needed / 2**30:.1f} GiB, and {free / 2**30:.1f} GiB are free on its disk; "
                "name another folder (out=), or lower scale"
            )
        fresh.mkdir()
        _write(options, shape, fresh, progress)
    return folder


def _write(options: ScaleOptions, shape: Shape, folder: Path, progress: Callable[[str], None]) -> None:
    catalogue = make_catalogue(shape, options.seed)
    log = ScaleLog(shape, catalogue, options.seed)
    progress(f"{shape.items:,} items")
    with _table(folder / "items.parquet") as write:
        for first in range(0, shape.items, options.chunk_rows):
            write(_items(catalogue, slice(first, min(first + options.chunk_rows, shape.items))))
    with _table(folder / "users.parquet") as write:
        for first in range(0, shape.users, options.chunk_rows):
            users = range(first, min(first + options.chunk_rows, shape.users))
            ids = pa.array(np.arange(users.start, users.stop, dtype=np.int32))
            texts = {name: pa.array(values, pa.string()) for name, values in log.profiles(users).items()}
            write(pa.table({"user_id": ids, **(texts if shape.brands else {})}))
    actions = pa.array(shape.actions, pa.string())
    told = 0
    with _table(folder / "interactions.parquet") as write:
        for users in log.chunks(options.chunk_rows):
            rows = log.rows(users)
            action = pa.DictionaryArray.from_arrays(pa.array(rows.action), actions)
            write(pa.table({"user_id": rows.user, "item_id": rows.item, "action": action, "timestamp": rows.time}))
            done = int(log.ends[users.stop])
            if done * 10 // shape.interactions > told:
                told = done * 10 // shape.interactions
                progress(f"{done:,} of {shape.interactions:,} rows")


def _items(catalogue: SyntheticCatalogue, rows: slice) -> pa.Table:
    columns: dict[str, pa.Array] = {"item_id": pa.array(np.arange(rows.start, rows.stop, dtype=np.int32))}
    for name, (numbers, prefix) in catalogue_columns(catalogue).items():
        distinct, place = np.unique(numbers[rows], return_inverse=True)
        words = pa.array([f"{prefix}{number}" if number >= 0 else "" for number in distinct.tolist()], pa.string())
        columns[name] = words.take(pa.array(place))
    return pa.table(columns)


@contextmanager
def _table(path: Path) -> Iterator[Callable[[pa.Table], None]]:
    """A Parquet file that is written table by table, each a row group."""
    writer: pq.ParquetWriter | None = None
    try:

        def write(table: pa.Table) -> None:
            nonlocal writer
            writer = writer or pq.ParquetWriter(path, table.schema, compression="zstd")
            writer.write_table(table)

        yield write
    finally:
        if writer is not None:
            writer.close()

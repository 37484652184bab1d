"""The answer log and the events as Parquet, to train on and to report on."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from magus_pyg.data.reading.served_files import SERVED_FORMAT, SERVED_TABLES, SOURCE_FILE, read_source
from magus_pyg.data.sets.served_options import ServedOptions
from magus_pyg.errors import DataError, StoreError
from magus_pyg.files import home_expanded, locked, whole, write_json
from magus_pyg.runs import Config
from magus_pyg.serve.stores import Event, LogRow, NamedEntry, Store

__all__ = ["Exported", "export_served"]

_ROWS_A_FILE = 65_536
"""Numbers, of which those of removed rows are missing."""
_PAGE = 4_096


@dataclass(frozen=True)
class Exported:
    """What an export has done.

    Attributes:
        answers, events: rows that the folder holds now.
        written: files that were written.
        removed: files that were removed.
    """

    answers: int
    events: int
    written: int
    removed: int


@dataclass(frozen=True)
class _Table:
    """One of the two tables, on its way from the store to its files."""

    name: str
    read: Callable[[int, int], Sequence[LogRow] | Sequence[Event]]
    count: Callable[[int, int], int]
    row: Callable[[Any], dict[str, Any]]


def export_served(store: Store, config: Config, folder: Path, key: Path) -> Exported:
    """Bring a folder to what the store holds now: new rows are added, and what was erased or is too old goes.

    A file stands for a range of numbers, and is written whole or not at all, so an export that was cut off is gone on
    with by the next; files whose rows are all there still stay as they are.

    Args:
        store: the store of the service.
        config: of a run that the service has served; what its first data set is read by is noted.
        folder: the folder, made if it is not there, for its owner alone.
        key: the file with the key to the names of people (`serve.privacy`); its path is noted, never what it holds.

    Raises:
        StoreError: the store cannot be read, or the folder not be written.
        DataError: the folder holds something else; or the run was trained on such a log itself, and that is gone.
    """
    if folder.is_dir() and any(folder.iterdir()) and not (folder / SOURCE_FILE).is_file():
        raise DataError(f"{folder} holds other things than a log of what was served: choose another folder")
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(f"the folder {folder} cannot be made: {error}") from error
    with locked(folder / SOURCE_FILE, StoreError):
        write_json(folder / SOURCE_FILE, _source(config, key), StoreError)
        tables = (
            _Table("answers", store.read_rows, store.count_rows, _answer),
            _Table("events", store.read_events, store.count_events, _event),
        )
        counts = [_mirror(table, folder / table.name) for table in tables]
    (answers, *first), (events, *second) = counts
    written, removed = (sum(pair) for pair in zip(first, second, strict=True))
    return Exported(answers, events, written, removed)


def _source(config: Config, key: Path) -> dict[str, Any]:
    options = config.dataset
    if isinstance(options, ServedOptions):  # all that was served counts anew, on the same first log
        before = read_source(options.folder)
        return {**before, "key": str(key.absolute())}
    dataset = {"class": type(options).__name__, "options": asdict(options)}
    root = None if config.paths.data is None else str(home_expanded(config.paths.data).absolute())
    return {"format": SERVED_FORMAT, "dataset": dataset, "data_root": root, "key": str(key.absolute())}


def _mirror(table: _Table, folder: Path) -> tuple[int, int, int]:
    """Bring the files of a table to what the store holds: (rows, files written, files removed)."""
    there = {int(path.stem): path for path in folder.glob("*.parquet")}
    rows = written = 0
    for first in _ranges(table):
        path = there.pop(first, folder / f"{first:012d}.parquet")
        held, last = _held(path)
        most = first + _ROWS_A_FILE - 1
        if not held or table.count(first, last) != held or table.count(last + 1, most):
            held = _write(table, first, most, path)
            written += 1
        rows += held
    for path in there.values():
        path.unlink(missing_ok=True)
    return rows, written, len(there)


def _ranges(table: _Table) -> Iterator[int]:
    """The first numbers of the ranges that hold a row."""
    after = 0
    while found := table.read(after, 1):
        first = (found[0].number - 1) // _ROWS_A_FILE * _ROWS_A_FILE + 1
        yield first
        after = first + _ROWS_A_FILE - 1


def _held(path: Path) -> tuple[int, int]:
    """How many rows a file has, and its last number; (0, 0) where it is not there, or damaged."""
    try:
        with pq.ParquetFile(path) as file:
            groups = [file.metadata.row_group(at) for at in range(file.metadata.num_row_groups)]
            return file.metadata.num_rows, max(group.column(0).statistics.max for group in groups)
    except (OSError, pa.ArrowException, AttributeError, ValueError):
        return 0, 0


def _write(table: _Table, first: int, most: int, path: Path) -> int:
    schema, count, after = SERVED_TABLES[table.name], 0, first - 1
    with whole(path, StoreError) as fresh, pq.ParquetWriter(fresh, schema, compression="zstd") as writer:
        while found := [entry for entry in table.read(after, _PAGE) if entry.number <= most]:
            writer.write_table(pa.Table.from_pylist([table.row(entry) for entry in found], schema))
            count, after = count + len(found), found[-1].number
    return count


def _answer(row: LogRow) -> dict[str, Any]:
    numbers = ("number", "time", "round", "clicked", "liked", "list_length", "rounds")
    texts = ("kind", "session_id", "user_hash", "recommendation_id", "experiment", "arm", "edition", "run", "variant")
    return {
        **{name: getattr(row, name) for name in numbers},
        **_texts(row, *texts),
        "shown": [_entry(entry) for entry in row.shown],
        "not_care": list(row.not_care),
        "words": _words(row.words),
    }


def _entry(entry: NamedEntry) -> dict[str, Any]:
    if isinstance(entry, str):
        return {"item_id": _text(entry), "words": None}
    return {"item_id": None, "words": _words(entry)}


def _event(event: Event) -> dict[str, Any]:
    names = ("event_id", "kind", "item_id", "session_id", "user_hash", "recommendation_id")
    return {"number": event.number, "time": event.time, **_texts(event, *names)}


def _words(words: Sequence[Sequence[str]]) -> list[Mapping[str, str]]:
    return [{"field": _text(field), "value": _text(value)} for field, value in words]


def _texts(record: LogRow | Event, *names: str) -> dict[str, str | None]:
    values = {name: getattr(record, name) for name in names}
    return {name: None if value is None else _text(value) for name, value in values.items()}


def _text(text: str) -> str:
    """A text that Arrow can hold, which knows no halves of surrogate pairs."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")

"""The log of what was served, as `serve.served_log` writes it: a folder of Parquet files, and what it was served from.

`answers/` and `events/` hold a file for every so many numbers of rows, `source.json` says which data set the run was
trained on.
"""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from magus_pyg.errors import DataError
from magus_pyg.files import parse_json

__all__ = ["SERVED_FORMAT", "SERVED_TABLES", "SOURCE_FILE", "read_served", "read_source"]

SERVED_FORMAT = 1
SOURCE_FILE = "source.json"

_WORDS = pa.list_(pa.struct([("field", pa.string()), ("value", pa.string())]))
_WHO = [("session_id", pa.string()), ("user_hash", pa.string()), ("recommendation_id", pa.string())]

SERVED_TABLES = {
    "answers": pa.schema(
        [
            ("number", pa.int64()),
            ("time", pa.float64()),  # seconds since 1970
            ("kind", pa.string()),  # start, answer, words, undo
            *_WHO,
            ("round", pa.int32()),
            ("shown", pa.list_(pa.struct([("item_id", pa.string()), ("words", _WORDS)]))),  # one of the two
            ("clicked", pa.int32()),  # a place in `shown`, from 0
            ("not_care", pa.list_(pa.int32())),
            ("words", _WORDS),
            ("liked", pa.bool_()),
            *((name, pa.string()) for name in ("experiment", "arm", "edition", "run", "variant")),
            ("list_length", pa.int32()),
            ("rounds", pa.int32()),
        ]
    ),
    "events": pa.schema(
        [
            ("number", pa.int64()),
            ("time", pa.float64()),
            ("event_id", pa.string()),
            ("kind", pa.string()),
            ("item_id", pa.string()),
            *_WHO,
        ]
    ),
}
"""What the files hold; `magus_pyg.serve.stores.LogRow` and `Event` say what the columns mean."""


def read_served(folder: Path, name: str) -> pa.Table:
    """A table of the log, in the order of its numbers.

    Args:
        folder: the log.
        name: "answers" or "events".

    Raises:
        DataError: a folder that is no such log, or a file that is damaged.
    """
    read_source(folder)
    schema = SERVED_TABLES[name]
    tables = []
    for path in sorted((folder / name).glob("*.parquet")):
        try:
            table = pq.read_table(path)
        except (OSError, pa.ArrowException, UnicodeDecodeError) as error:
            raise DataError(f"{path} cannot be read: {error}; write the log anew") from error
        if table.schema != schema:
            raise DataError(f"{path} has not the columns of a log of what was served: write the log anew")
        tables.append(table)
    whole = pa.concat_tables(tables) if tables else schema.empty_table()
    return whole.combine_chunks().sort_by("number")


def read_source(folder: Path) -> dict[str, Any]:
    """What the log was served from: `dataset` (`class` and `options`) and `key`, the file with the key to the names.

    Raises:
        DataError: a folder that is no such log, or of another release.
    """
    path = folder / SOURCE_FILE
    try:
        source = parse_json(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise DataError(f"{folder} is no log of what was served: {path.name}: {error.strerror}") from error
    except ValueError as error:
        raise DataError(f"{path} is damaged: {error}; write the log anew") from error
    if not isinstance(source, dict) or source.get("format") != SERVED_FORMAT:
        raise DataError(f"{path} is of another release: this one reads format {SERVED_FORMAT}; write the log anew")
    return source

"""Logs of what was served, written by hand through a store in memory."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from magus_pyg.data import DatasetOptions
from magus_pyg.runs import Config, PathOptions
from magus_pyg.serve.privacy import KEY_FILE, People
from magus_pyg.serve.served_log import Exported, export_served
from magus_pyg.serve.stores import Event, LogRow, Store, StoredSession
from magus_pyg.serve.stores.memory_store import MemoryStore

SERVED = 1_700_000_000.0
"""When the first row was served."""


def answer(session: str, shown: Sequence[Any], clicked: int | None, **values: Any) -> LogRow:
    """An answered list; a query is a text with a colon, "brand:Acme+tag:red"."""
    entries = [
        [part.split(":") for part in entry.split("+")] if isinstance(entry, str) and ":" in entry else entry
        for entry in shown
    ]
    return LogRow("answer", session, shown=entries, clicked=clicked, **{"time": SERVED, "round": 1, **values})


def keep(store: Store, rows: Sequence[LogRow] = (), events: Sequence[Event] = ()) -> None:
    """Write rows to the log of a store."""
    count = store.open_sessions()
    store.create(StoredSession(f"writer {count}", {}, [], 0, "", 0.0, 0.0, 9e99), rows)
    store.append_events(events)


def write_served(
    folder: Path, first: DatasetOptions, rows: Sequence[LogRow] = (), events: Sequence[Event] = ()
) -> Path:
    """The folder of a log, beside the key to its names (`People(folder)`)."""
    store = MemoryStore()
    keep(store, rows, events)
    export(store, folder, first)
    return folder / "log"


def export(store: Store, folder: Path, first: DatasetOptions) -> Exported:
    People(folder)
    return export_served(store, Config(dataset=first, paths=PathOptions()), folder / "log", folder / KEY_FILE)

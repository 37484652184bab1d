"""What the service keeps: sessions, replies, the answer log, item changes; in memory, in SQLite or in Redis.

They keep what a session is made of again; what it shows they do not know.
"""

from magus_pyg.serve.stores.opening import open_store
from magus_pyg.serve.stores.store import GONE_SECONDS, Store
from magus_pyg.serve.stores.stored import (
    Event,
    Gone,
    Job,
    LoggedChange,
    LogRow,
    NamedEntry,
    Outcome,
    Reply,
    RowKind,
    StoredSession,
)

__all__ = [
    "GONE_SECONDS",
    "Event",
    "Gone",
    "Job",
    "LogRow",
    "LoggedChange",
    "NamedEntry",
    "Outcome",
    "Reply",
    "RowKind",
    "Store",
    "StoredSession",
    "open_store",
]

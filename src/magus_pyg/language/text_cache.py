"""The texts that were accepted of a model, and the tokens spent for them: in one SQLite file, or in memory."""

import hashlib
import json
import logging
import os
import sqlite3
import threading
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from magus_pyg.files import parse_json
from magus_pyg.graph import Word

__all__ = ["TextCache", "text_key"]

logger = logging.getLogger(__name__)

_PATIENCE = 0.05  # seconds for another process that writes: a round waits for no cache
_TABLES = (
    "CREATE TABLE IF NOT EXISTS texts (key TEXT PRIMARY KEY, answer TEXT NOT NULL) WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS tokens (day TEXT PRIMARY KEY, spent INTEGER NOT NULL) WITHOUT ROWID",
)


def text_key(words: Sequence[Word], locale: str, version: str) -> str:
    """What a text is kept under: the words, the language, the model and the version of its prompts."""
    parts = [[list(word) for word in words], locale, version]
    return hashlib.sha256(json.dumps(parts, ensure_ascii=True).encode()).hexdigest()


class TextCache:
    """Texts by key, and tokens by day; threads and processes may share a file.

    A file that cannot be read or written is said once in the log; texts are then kept in memory.

    Args:
        path: the file, made where it is not there; None for memory.
    """

    def __init__(self, path: Path | None = None) -> None:
        self.path = path
        self._lock = threading.Lock()
        self._database, self._process = self._opened(path), os.getpid()

    def _opened(self, path: Path | None) -> sqlite3.Connection:
        try:
            if path is not None:
                path.parent.mkdir(parents=True, exist_ok=True)
            database = sqlite3.connect(
                ":memory:" if path is None else path, timeout=_PATIENCE, isolation_level=None, check_same_thread=False
            )
            if path is not None:
                database.execute("PRAGMA journal_mode=WAL")
            for table in _TABLES:
                database.execute(table)
        except (sqlite3.Error, OSError) as error:
            if path is None:
                raise
            logger.warning("the texts of a model are kept in memory, not in %s: %s", path, error)
            return self._opened(None)
        return database

    def _run(self, statement: str, *values: object) -> list[Any]:
        with self._lock:
            if self._process != os.getpid():  # SQLite's connections do not outlive a fork
                self._database, self._process = self._opened(self.path), os.getpid()
            try:
                return self._database.execute(statement, values).fetchall()
            except sqlite3.OperationalError:  # busy: another process writes; the text is asked for again another time
                return []
            except sqlite3.DatabaseError as error:
                logger.warning("the texts of a model are kept in memory, no longer in %s: %s", self.path, error)
                self._database = self._opened(None)
                return []

    def get(self, key: str) -> dict[str, Any] | None:
        """What was kept under a key, or None."""
        found = self._run("SELECT answer FROM texts WHERE key = ?", key)
        try:
            answer = parse_json(found[0][0]) if found else None
        except ValueError:
            return None
        return answer if isinstance(answer, dict) else None

    def put(self, key: str, answer: dict[str, Any]) -> None:
        """Keep an answer."""
        self._run("INSERT OR REPLACE INTO texts VALUES (?, ?)", key, json.dumps(answer, ensure_ascii=True))

    def spend(self, tokens: int) -> None:
        """Count tokens of today (UTC)."""
        statement = "INSERT INTO tokens VALUES (?, ?) ON CONFLICT (day) DO UPDATE SET spent = spent + excluded.spent"
        self._run(statement, _today(), tokens)

    def spent(self) -> int:
        """The tokens of today (UTC)."""
        found = self._run("SELECT spent FROM tokens WHERE day = ?", _today())
        return int(found[0][0]) if found else 0

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._database.close()


def _today() -> str:
    return datetime.now(UTC).date().isoformat()

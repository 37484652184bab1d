"""Files written by hand."""

import gzip
from collections.abc import Callable
from pathlib import Path

import pytest
from small_data import ITEMS, LOG


@pytest.fixture(autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test reads what another one, or a person, keeps in the cache folder."""
    monkeypatch.setenv("MAGUS_CACHE", str(tmp_path_factory.mktemp("cache")))


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """Writes files into a folder: `write(**{"items.csv": text})`; the items and the log above unless given."""

    def write_files(files: dict[str, str | bytes | None] | None = None) -> Path:
        content: dict[str, str | bytes | None] = {"items.csv": ITEMS, "interactions.csv": LOG, **(files or {})}
        for name, text in content.items():
            if text is None:
                continue
            data = text.encode() if isinstance(text, str) else text
            (tmp_path / name).write_bytes(
                gzip.compress(data) if name.endswith(".gz") and isinstance(text, str) else data
            )
        return tmp_path

    return write_files

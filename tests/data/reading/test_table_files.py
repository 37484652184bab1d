"""How many bytes of memory the columns of a Parquet file are said to take."""

from pathlib import Path

import pandas as pd
import pytest

from magus_pyg.data.reading.table_files import read_table

TEXTS = pd.Series([mark * 400 for mark in "abc"] * 3000)
"""Written once each."""


@pytest.mark.parametrize(
    ("values", "least"),
    [
        (TEXTS, 5 * 400 * 9000),
        (TEXTS.astype("category"), 5 * 400 * 9000),
        (pd.Series([f"{n:0400}" for n in range(1000)]), 5 * 400 * 1000),
        (pd.Series(range(5000)), 40 * 5000),
        (pd.Series([], dtype="int64"), 0),
    ],
)
def test_parquet_counts_as_its_decoded_values(
    values: pd.Series, least: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    needed: list[int] = []
    monkeypatch.setattr("magus_pyg.data.reading.file_content.require_memory", lambda size, *rest: needed.append(size))
    path = tmp_path / "items.parquet"
    values.to_frame("value").to_parquet(path)
    assert len(read_table(path)) == len(values)
    assert least <= max(needed) <= 1.4 * least + 1000

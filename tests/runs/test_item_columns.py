"""The other columns of a run's items: kept with the run, bounded, read a row at a time."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from magus_pyg.data import RecDataset, load_dataset
from magus_pyg.errors import RunError
from magus_pyg.runs import item_columns, load_run
from magus_pyg.runs.item_columns import ItemColumns, save_item_columns


@pytest.fixture(scope="module")
def data(shop_run: Path) -> RecDataset:
    return load_run(shop_run).dataset()


def _kept(data: RecDataset, path: Path) -> list[dict[str, str]]:
    save_item_columns(data, path)
    return [ItemColumns(path).of(item) for item in range(data.n_items)]


def test_a_run_keeps_what_its_item_table_has_beside_titles_and_words(shop_run: Path, tiny_run: Path) -> None:
    run = load_run(shop_run)
    assert run.item_columns.of(1) == {"price": "2.49", "image": "m2.jpg"}  # its word is a band of prices
    tiny = load_run(tiny_run)
    prices = tiny.dataset().items["price"]
    assert [tiny.item_columns.of(item) for item in range(160)] == [{"price": price} for price in prices]


def test_a_run_of_before_has_none(shop_run: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(shop_run, tmp_path / "run")
    info = json.loads((copy / "run.json").read_text())
    del info["files"]["item-columns.arrow"]
    (copy / "run.json").write_text(json.dumps(info))
    assert load_run(copy).item_columns.of(0) == {}
    (copy / "item-columns.arrow").unlink()
    assert load_run(copy).item_columns.of(0) == {}


def test_texts_are_harmless_and_cut(data: RecDataset, tmp_path: Path) -> None:
    texts = ["a\x1b[31m b", "", "x" * 1001, "x" * 1000, "\u202eabc", " \n"]
    kept = _kept(replace(data, items=data.items.assign(note=texts, image="")), tmp_path / "c.arrow")
    assert [columns.get("note") for columns in kept] == ["a [31m b", None, "x" * 999 + "…", "x" * 1000, "abc", None]
    assert all("image" not in columns for columns in kept)


def test_columns_beyond_the_limit_are_left_out_and_named(
    data: RecDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(item_columns, "_MOST_BYTES", 200)
    items = data.items.drop(columns=["image", "price (exact)"]).assign(large="y" * 900, small="z", other="w")
    assert _kept(replace(data, items=items), tmp_path / "c.arrow")[5] == {"small": "z", "other": "w"}
    assert "too large: ['large']" in caplog.text
    monkeypatch.setattr(item_columns, "_MOST_COLUMNS", 1)
    assert _kept(replace(data, items=items), tmp_path / "c.arrow")[5] == {"small": "z"}


def test_items_without_other_columns(data: RecDataset, tmp_path: Path) -> None:
    items: pd.DataFrame = data.items.drop(columns=["image", "price (exact)"])
    assert _kept(replace(data, items=items), tmp_path / "c.arrow") == [{}] * 6


def test_a_damaged_file_is_one_error(tmp_path: Path) -> None:
    (tmp_path / "c.arrow").write_bytes(b"nothing")
    for name in ("c.arrow", "nowhere.arrow"):
        with pytest.raises(RunError, match="missing, cut off or damaged"):
            ItemColumns(tmp_path / name).of(0)


def test_a_data_set_with_bands_keeps_their_numbers(shop_run: Path) -> None:
    data = load_dataset(load_run(shop_run).config.dataset)
    assert data.other_columns == {"price": "price (exact)", "image": "image"}

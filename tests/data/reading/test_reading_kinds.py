"""Files of equivalent kinds give the same data set: types of Arrow, parts, formats, encodings, lists, gaps, times."""

import gzip
import json
import os
from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq
import pytest
from small_data import ITEMS, LOG, tabular

from magus_pyg.data import Findings, load_dataset
from magus_pyg.data.reading import delimited
from magus_pyg.data.reading.delimited import check_header
from magus_pyg.data.reading.file_content import is_parquet
from magus_pyg.data.reading.integer_logs import LogLayout, read_integers
from magus_pyg.data.reading.json_lines import read_objects
from magus_pyg.data.reading.table_files import read_table
from magus_pyg.errors import ConfigError, DataError

IDS = ["007", "7", "8"]


def _items(folder, **columns):
    base = {"item_id": pa.array(IDS), "brand": pa.array(["A", "B", "C"]), "tag": pa.array(["", "", ""])}
    pq.write_table(pa.table({**base, **columns}), folder / "items.parquet")


def _log(folder, **columns):
    base = {"user_id": ["1"] * 3, "item_id": IDS, "rating": [5.0, 1.0, 5.0], "timestamp": [3, 1, 2]}
    pq.write_table(pa.table({**base, **columns}), folder / "interactions.parquet")


def _cells(data, column):
    return [cell.split("|") if cell else [] for cell in data.items[column]]


@pytest.fixture
def parquet(tmp_path):
    _items(tmp_path)
    _log(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    "kind", [pa.string(), pa.large_string(), pa.string_view(), pa.dictionary(pa.int8(), pa.string())]
)
def test_every_type_of_texts(parquet, kind):
    texts = {"user_id": ["1", "01", "1"], "rating": ["5.0", " 1", "4"], "timestamp": ["3", "1", "2"]}
    columns = {name: pa.array(values).cast(kind) for name, values in texts.items()}
    _log(parquet, item_id=pa.array(IDS).cast(kind), **columns)
    _items(parquet, item_id=pa.array(IDS).cast(kind), tag=pa.array(["x|y", None, "z"]).cast(kind))
    data = load_dataset(tabular(parquet))
    assert data.user_ids.tolist() == ["1", "01"]
    assert data.item.tolist() == [2, 0, 1]
    assert data.label.tolist() == [1, 1, 0]
    assert _cells(data, "tag") == [["x", "y"], [], ["z"]]


@pytest.mark.parametrize("ratings", [pa.array([True, False, True]), pa.array(["True", "false", "TRUE"])])
def test_truth_is_one_and_zero(parquet, ratings):
    _log(parquet, rating=ratings)
    assert load_dataset(tabular(parquet, positive_above=0.0)).label.tolist() == [0, 1, 1]


def test_columns_that_nobody_asks_for_are_left_alone(parquet):
    extra = {
        "struct": pa.array([{"a": 1}] * 3),
        "list of structs": pa.array([[{"a": 1}]] * 3),
        "map": pa.array([[("k", 1)]] * 3, pa.map_(pa.string(), pa.int64())),
        "bytes": pa.array([b"\xff\x00"] * 3),
        "vector": pa.array([[0.5, 1.5]] * 3),
        "fixed vector": pa.array([[0.5, 1.5]] * 3, pa.list_(pa.float32(), 2)),
        "nothing": pa.nulls(3),
        "names": pa.array([["a", None]] * 3),
    }
    _items(parquet, **extra)
    _log(parquet, **extra)
    data = load_dataset(tabular(parquet))
    assert list(data.items.columns) == ["item_id", "brand", "tag", "nothing", "names"]
    assert data.items["names"].tolist() == ["a"] * 3
    with pytest.raises(DataError, match=r"items.parquet, column 'struct': values of the type struct<.*> are no texts"):
        load_dataset(tabular(parquet, word_fields=["struct"]))
    _items(parquet, brand=pa.array([b"Caf\xc3\xa9", None, b"B"]))  # texts that a writer did not mark as such
    assert load_dataset(tabular(parquet)).items["brand"].tolist() == ["Caf\u00e9", "", "B"]


@pytest.mark.parametrize("kind", [pa.list_, pa.large_list, pa.list_view])
def test_lists_hold_words_as_they_are(parquet, kind):
    lists = pa.array([["x;1", None, "a|b"], None, []], kind(pa.string()))
    _items(parquet, tag=lists, brand=pa.array(["A;B", "", "C"]))
    data = load_dataset(tabular(parquet, separator=";"))
    assert _cells(data, "tag") == [["x;1", "a/b"], [], []]
    assert _cells(data, "brand") == [["A", "B"], [], ["C"]]
    _items(parquet, tag=pa.array([[1994.0, None], [2001.0], []]))
    assert _cells(load_dataset(tabular(parquet)), "tag") == [["1994"], ["2001"], []]


def test_lists_in_queries(parquet):
    queries = {"user_id": ["1", "1"], "timestamp": [1, 0], "words": pa.array([["A", None, "B b"], ["C"]])}
    pq.write_table(pa.table(queries), parquet / "queries.parquet")
    assert load_dataset(tabular(parquet, query_separator=" ")).searched["words"].tolist() == ["C", "A|B b"]


@pytest.mark.parametrize("year", [pa.array([1994.0, float("nan"), 2e15]), pa.array([1994, None, 2 * 10**15])])
def test_whole_numbers_beside_a_gap(parquet, year):
    _items(parquet, tag=year)
    data = load_dataset(tabular(parquet))
    assert data.items["tag"].tolist() == ["1994", "", "2000000000000000"]


def test_whole_numbers_beside_a_gap_in_csv(write):
    items = "item_id,brand,tag\n007,1994.0,1.0\n7,,2.0\n8,2001.0,2.5\n"
    data = load_dataset(tabular(write({"items.csv": items})))
    assert data.items["brand"].tolist() == ["1994", "", "2001"]
    assert data.items["tag"].tolist() == ["1.0", "2.0", "2.5"]  # no gap, and no whole numbers: as written


@pytest.mark.parametrize("unit", ["ms", "us", "ns"])
@pytest.mark.parametrize("zone", [None, "Europe/Oslo"])
def test_times_of_any_unit(parquet, unit, zone):
    ticks = np.array([2, 0, 1]) + 1_700_000_000 * {"ms": 10**3, "us": 10**6, "ns": 10**9}[unit]
    _log(parquet, timestamp=pa.array(ticks).cast(pa.timestamp(unit, zone)))
    data = load_dataset(tabular(parquet))
    assert data.item.tolist() == [1, 2, 0]
    assert data.time.tolist() == [1_700_000_000] * 3


@pytest.mark.parametrize(
    ("times", "form", "seconds"),
    [
        (pa.array([1.5e9 + 0.000002, 1.5e9, 1.5e9 + 0.000001]), "number", 1_500_000_000),
        (pa.array(["-0.2", "-0.9", "-0.5"]), "number", -1),
        (
            pa.array(["2024-01-01T00:00:00.3", "2024-01-01T02:00:00.1+02:00", "2024-01-01 00:00:00.2"]),
            "iso",
            1704067200,
        ),
        (pa.array(["12:30.000300", "12:30.000100", "12:30.000200"]), "%M:%S.%f", -2208988050),
    ],
)
def test_fractions_of_seconds(parquet, times, form, seconds):
    _log(parquet, timestamp=times)
    data = load_dataset(tabular(parquet, timestamp_format=form))
    assert data.item.tolist() == [1, 2, 0]
    assert data.time.tolist() == [seconds] * 3


def test_dates_and_equal_moments(parquet):
    days = [date(2024, 1, day) for day in (3, 1, 2)]
    for kind in (pa.date32(), pa.date64()):
        _log(parquet, timestamp=pa.array(days).cast(kind))
        assert load_dataset(tabular(parquet)).time.tolist() == [1704067200, 1704153600, 1704240000]
    moment = datetime(2024, 1, 1, tzinfo=UTC)
    stamps = pa.array([moment, moment.replace(microsecond=1), moment], pa.timestamp("us", "UTC"))
    _log(parquet, item_id=["7", "7", "7"], rating=[5.0, 5.0, 5.0], timestamp=stamps)
    data = load_dataset(tabular(parquet))
    assert data.notes["exact copies of a row, dropped"] == 1  # of three visits within a second two are one


@pytest.mark.parametrize(
    ("value", "form"),
    [("0x10", "number"), ("1_0", "number"), ("now", "number"), ("now", "iso"), ("today", "iso"), ("Now", "%Y%m%d"),
     ("NaT", "iso"), ("\u0663", "number")],
)  # fmt: skip
def test_times_that_are_none(write, value, form):
    log = f"user_id,item_id,rating,timestamp\n1,7,5,20240101\n1,8,5,{value}\n"
    with pytest.raises(DataError, match=rf"interactions.csv, line 3, column 'timestamp': '{value}' is no time"):
        load_dataset(tabular(write({"interactions.csv": log}), timestamp_format=form))


@pytest.mark.parametrize("value", ["0x10", "1_0", "1.5", "now", "\u0663", "inf"])
def test_whole_numbers_that_are_none(tmp_path, value):
    (tmp_path / "log").write_text(f"1,2\n3,{value}\n")
    with pytest.raises(DataError, match=r"log, line 2, column 'b': '.*' is no whole number"):
        read_integers(tmp_path / "log", LogLayout(("a", "b")), Findings())
    (tmp_path / "objects").write_text(json.dumps({"n": 1}) + "\n" + json.dumps({"n": value}) + "\n")
    with pytest.raises(DataError, match=r"objects, line 2: a value has another type than expected"):
        list(read_objects(tmp_path / "objects", pa.schema([("n", pa.int64())]), Findings()))


def test_parts_of_different_types_and_formats(write, tmp_path):
    expected = load_dataset(tabular(write())).fingerprint
    lines = LOG.splitlines(keepends=True)
    (tmp_path / "interactions.csv").unlink()
    parts = tmp_path / "interactions"
    parts.mkdir()
    (parts / "a.csv").write_text("".join(lines[:-1]))
    last = pd.DataFrame([lines[-1].strip().split(",")], columns=lines[0].strip().split(","))
    assert not last["item_id"].item().startswith("0")
    typed = last.astype({"item_id": "int64", "rating": "float32", "timestamp": "int32"})
    typed.to_parquet(parts / "b.parquet")
    assert load_dataset(tabular(tmp_path)).fingerprint == expected
    typed.assign(timestamp=pd.to_datetime(typed["timestamp"], unit="s")).to_parquet(parts / "b.parquet")
    message = r"column 'timestamp' has moments in .*b.parquet \(timestamp.*\) and numbers in .*a.csv \(string\)"
    with pytest.raises(DataError, match=message):
        load_dataset(tabular(tmp_path))
    typed.assign(rating="bad").to_parquet(parts / "b.parquet")
    with pytest.raises(DataError, match=r"b.parquet, row 1, column 'rating': 'bad' is no rating \(1 such rows\)"):
        load_dataset(tabular(tmp_path))


def test_a_file_is_what_its_bytes_say(write, tmp_path):
    expected = load_dataset(tabular(write())).fingerprint
    frame = pd.read_csv(tmp_path / "items.csv", dtype=str, keep_default_na=False)
    frame.to_parquet(tmp_path / "items.csv")
    (tmp_path / "interactions.csv").write_bytes(gzip.compress(LOG.encode()))
    assert load_dataset(tabular(tmp_path)).fingerprint == expected
    (tmp_path / "items.csv").write_bytes(gzip.compress((tmp_path / "items.csv").read_bytes()))
    (tmp_path / "interactions.csv").write_bytes(LOG.encode("utf-16"))
    assert load_dataset(tabular(tmp_path)).fingerprint == expected
    (tmp_path / "items.csv").rename(tmp_path / "items.parquet")
    (tmp_path / "items.parquet").write_text(ITEMS)
    assert not is_parquet(tmp_path / "items.parquet")
    assert load_dataset(tabular(tmp_path)).fingerprint == expected


def test_long_fields_and_wide_rows(write):
    wide = ",".join(f"c{number}" for number in range(20_000))
    rows = "".join(
        f'{name},A,t,"{size * "x"}"{",1" * 20_000}\n' for name, size in (("007", 3), ("7", 2_000_000), ("8", 9))
    )
    data = load_dataset(tabular(write({"items.csv": f"item_id,brand,tag,text,{wide}\n{rows}"})))
    assert data.items["text"].str.len().tolist() == [3, 2_000_000, 9]
    assert data.items["c19999"].tolist() == ["1"] * 3
    with pytest.raises(DataError, match=r"line 2: 20005 columns instead of 20004: .* characters\)") as error:
        load_dataset(tabular(write({"items.csv": f"item_id,brand,tag,text,{wide}\n" + rows.replace("7,A", "7,A,B")})))
    assert len(str(error.value)) < 1000


def test_folders_whose_names_are_no_utf8(tmp_path):
    folder = tmp_path / os.fsdecode(b"caf\xe9")
    folder.mkdir()
    (folder / "interactions.csv").write_text(LOG)
    _items(tmp_path)
    (tmp_path / "items.parquet").rename(folder / "items.parquet")
    assert load_dataset(tabular(folder)).n_items == 3


def test_a_comma_before_fractions(write):
    items = "item_id;brand;tag;price\n007;A;t;1,5\n7;B;;\n8;C;t;20\n"
    log = "user_id;item_id;rating;timestamp\n1;7;3,5;1,5\n1;8;2,5;1,25\n"
    files = {"items.csv": items, "interactions.csv": log}
    options = {"delimiter": ";", "decimal": ",", "bands": {"price": 2}, "word_fields": ["brand", "price"]}
    data = load_dataset(tabular(write(files), **options))
    assert data.items["price"].tolist() == ["price 1.5", "", "price 20"]
    assert data.item.tolist() == [2, 1]
    assert data.label.tolist() == [0, 1]
    with pytest.raises(DataError, match=r"column 'rating': '3.5' is no rating"):
        load_dataset(tabular(write({**files, "interactions.csv": log.replace("3,5", "3.5")}), **options))
    with pytest.raises(ConfigError, match=r"decimal must be '.' or ',' .got ';'"):
        load_dataset(tabular(write(files), decimal=";"))


def test_an_encoding_a_file(write, tmp_path):
    latin = ITEMS.replace("blue", "bl\u00fce").encode("latin-1")
    log = LOG.replace("01,", "\u00e9,").encode()
    for encodings in ({"items": "latin-1"}, {"items.csv": "latin-1"}):
        data = load_dataset(tabular(write({"items.csv": latin, "interactions.csv": log}), encodings=encodings))
        assert data.items["tag"].tolist() == ["red|small", "bl\u00fce", ""]
        assert "\u00e9" in data.user_ids
    with pytest.raises(ConfigError, match=r"encodings.items: unknown encoding: utf-99"):
        load_dataset(tabular(tmp_path, encodings={"items": "utf-99"}))
    with pytest.raises(ConfigError, match=r"encodings names 'itmes', no table or file of .*; choose from items, inter"):
        load_dataset(tabular(tmp_path, encodings={"itmes": "utf-8"}))


def test_copies_of_item_rows(write):
    expected = load_dataset(tabular(write())).fingerprint
    copied = ITEMS + ITEMS.splitlines(keepends=True)[1] * 2
    users = "user_id,age\n1,3\n1,3\n"
    data = load_dataset(tabular(write({"items.csv": copied})))
    assert data.fingerprint == expected
    assert data.notes == {"exact copies of a row of items.csv, dropped": 2}
    data = load_dataset(tabular(write({"items.csv": ITEMS, "users.csv": users}), profile_fields=["age"]))
    assert data.users["user_id"].tolist() == ["1", "01"]
    assert data.notes["exact copies of a row of users.csv, dropped"] == 1
    with pytest.raises(
        DataError, match=r"items.csv, line 7, column 'item_id': the id '007' is already on line 2 \(1 re"
    ):
        load_dataset(tabular(write({"items.csv": copied + "007,other,,\n"})))


def test_copies_of_item_rows_compare_every_column(parquet):
    rows = pa.table(
        {
            "item_id": [*IDS, "7"],
            "brand": ["A", "B", "C", "B"],
            "tag": [""] * 4,
            "s": [{"a": k % 2} for k in (0, 1, 2, 3)],
        }
    )
    pq.write_table(rows, parquet / "items.parquet")
    assert load_dataset(tabular(parquet)).n_items == 3
    other = pa.array([{"a": k} for k in range(4)])
    pq.write_table(rows.set_column(3, "s", other), parquet / "items.parquet")
    with pytest.raises(DataError, match="the id '7' is already"):
        load_dataset(tabular(parquet))


def test_a_positive_action_that_no_row_has_is_told(write):
    log = "user_id,item_id,rating,timestamp\n1,7,buy,1\n1,8,view,2\n"
    options = tabular(write({"interactions.csv": log}), positive="action", positive_actions=["buy", "Cart"])
    assert load_dataset(options).notes["rows of the positive action 'Cart'"] == 0


def test_one_wrong_column_is_one_problem(write):
    """Nothing is said of rows whose only fault is that another table has one."""
    options = {"bands": {"price": 2}, "word_fields": ["brand", "price"]}
    items = "item_id,brand,price\n007,A,1\n7,B,much\n8,C,2\n"
    findings = Findings(collect=True)
    data = load_dataset(tabular(write({"items.csv": items}), **options), None, findings)
    assert data.item_ids.tolist() == ["007", "8"]
    assert len(findings.problems) == 1
    assert "'much' is no number" in findings.problems[0]

    findings = Findings(collect=True)
    with pytest.raises(DataError, match=r"interactions.csv: no row is left; mend the columns above first"):
        load_dataset(tabular(write(), item_key="title", word_fields=["tag"]), None, findings)
    assert len(findings.problems) == 1
    assert "no row has a known id: '007' is no item of items.csv, whose ids are such as" in findings.problems[0]

    findings = Findings(collect=True)
    with pytest.raises(DataError, match=r"interactions.csv: no row is left; mend the columns above first"):
        load_dataset(tabular(write({"items.csv": ITEMS}), positive="action", positive_actions=["x"]), None, findings)
    assert len(findings.problems) == 1


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_a_matrix_is_no_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    """So many columns are read, whatever they are; more are refused, before their values are read."""
    with pytest.raises(DataError, match="there are 100,000 columns; at most 50,000 are read: leave out"):
        check_header([f"c{number}" for number in range(100_000)], "items.csv")
    monkeypatch.setattr(delimited, "_MOST_COLUMNS", 50)
    for count in (50, 51):
        table = pa.table({f"c{number}": ["x"] for number in range(count)})
        path = tmp_path / f"wide{count}.{kind}"
        (pacsv.write_csv if kind == "csv" else pq.write_table)(table, path)
    assert len(read_table(tmp_path / f"wide50.{kind}").columns) == 50
    with pytest.raises(DataError, match=r"wide51.*there are 51 columns; at most 50 are read"):
        read_table(path)

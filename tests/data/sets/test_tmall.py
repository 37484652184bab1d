"""Tmall on small files in the exact format, with every quirk of it."""

import gzip
from pathlib import Path

import numpy as np
import pytest

from magus_pyg.data import Findings, Tmall, TmallOptions, load_dataset
from magus_pyg.errors import ConfigError, DataError

HEADER = "user_id,item_id,cat_id,seller_id,brand_id,time_stamp,action_type\n"
LOG = (
    "328862,323294,833,2882,2661,0829,0\n"
    "328862,844400,1271,2882,2661,0829,2\n"
    "17,323294,833,2882,,0511,3\n"  # the brand is missing here alone
    "328862,1086186,1271,1253,1049,0828,1\n"
    "328862,323294,833,2882,2661,0829,0\n"  # the same again on the same day
    "17,5,9,7,,1112,2\n"  # an item without brand
)
INFO = "user_id,age_range,gender\n328862,6,1\n17,,\n99,0,2\n"


def write(folder: Path, log: str | bytes = HEADER + LOG, info: str = INFO, place: str = "tmall") -> Path:
    target = folder / place
    target.mkdir(parents=True, exist_ok=True)
    (target / "user_log_format1.csv").write_bytes(log.encode() if isinstance(log, str) else log)
    (target / "user_info_format1.csv").write_text(info)
    return folder


def test_values_by_hand(tmp_path):
    data = load_dataset(TmallOptions(), write(tmp_path))
    assert data.user_ids.tolist() == ["17", "99", "328862"]  # by number
    assert data.users.to_dict("list") == {
        "user_id": ["17", "99", "328862"],
        "age": ["", "", "40-49"],  # empty and 0: unknown
        "gender": ["", "", "male"],  # empty and 2: unknown
    }
    assert data.items.to_dict("list") == {
        "item_id": ["5", "323294", "844400", "1086186"],
        "cat_id": ["cat_9", "cat_833", "cat_1271", "cat_1271"],
        "seller_id": ["seller_7", "seller_2882", "seller_2882", "seller_1253"],
        "brand_id": ["", "brand_2661", "brand_2661", "brand_1049"],
    }
    # 17: 11 May, 12 November; 328862: 28 August, then the three of 29 August as in the file.
    assert data.user.tolist() == [0, 0, 2, 2, 2, 2]
    assert data.item.tolist() == [1, 0, 3, 1, 2, 1]
    days = ["2015-05-11", "2015-11-12", "2015-08-28", "2015-08-29", "2015-08-29", "2015-08-29"]
    assert data.time.tolist() == np.array(days, "datetime64[s]").astype(np.int64).tolist()
    assert data.actions == ("click", "cart", "purchase", "favourite")
    assert data.action.tolist() == [3, 2, 1, 0, 2, 0]
    assert data.label.tolist() == [0, 1, 0, 0, 1, 0]
    assert data.part.tolist() == [0, 1, 0, 0, 0, 0]  # the rows of a day are in one part
    assert data.ordered
    assert data.notes == {"exact copies of a row, kept": 1, "users without history": 1}


def test_other_positives_and_fewer_rows(tmp_path):
    write(tmp_path)
    data = load_dataset(TmallOptions(positive_actions=["purchase", "favourite", "cart"]), tmp_path)
    assert data.label.tolist() == [1, 1, 1, 0, 1, 0]
    data = load_dataset(TmallOptions(only_actions=["click", "purchase"], repeats="drop"), tmp_path)
    assert data.action.tolist() == [2, 0, 2]
    assert data.notes["rows of other actions, left out"] == 2
    assert data.notes["exact copies of a row, dropped"] == 1
    data = load_dataset(TmallOptions(min_user_rows=3), tmp_path)
    assert data.user_ids.tolist() == ["328862"]
    assert data.notes["rows left out by the filters"] == 2
    assert "items left out by the filters" not in data.notes
    assert data.notes["items without history"] == 1


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.removeprefix(HEADER),
        lambda text: "\ufeff" + text,
        lambda text: text.replace("\n", "\r\n"),
        lambda text: text.replace(HEADER, HEADER.upper()),
        lambda text: text.replace("seller_id", "merchant_id"),
        lambda text: text.replace("2661,", "2661.0,").replace("1049,", "1049.0,"),  # as pandas writes it
        lambda text: text.replace(",0829", ",829"),  # read as a number once
        lambda text: text + "\n\n",
        lambda text: text.rstrip("\n"),
        lambda text: text.replace(LOG[:35], LOG[:35] + HEADER),
    ],
)
def test_what_makes_no_difference(tmp_path, change):
    expected = load_dataset(TmallOptions(), write(tmp_path / "first")).fingerprint
    changed = change(HEADER + LOG)
    assert changed != HEADER + LOG
    assert load_dataset(TmallOptions(), write(tmp_path / "second", changed)).fingerprint == expected


def test_columns_in_another_order_and_places(tmp_path):
    rows = [line.split(",") for line in (HEADER + LOG).splitlines()]
    turned = "".join(",".join(reversed(row)) + "\n" for row in rows)
    first = load_dataset(TmallOptions(), write(tmp_path / "a", turned, place="tmall/raw/data_format1"))
    second = load_dataset(TmallOptions(path="own"), write(tmp_path / "b", place="own"))
    assert first.fingerprint == second.fingerprint
    (tmp_path / "b" / "own" / "user_log_format1.csv").unlink()
    (tmp_path / "b" / "own" / "user_log_format1.csv.gz").write_bytes(gzip.compress((HEADER + LOG).encode()))
    assert load_dataset(TmallOptions(path="own"), tmp_path / "b").fingerprint == first.fingerprint


@pytest.mark.parametrize(
    ("log", "message"),
    [
        (LOG + "1,2,3\n1,2,3,4,5,0829,0\n", r"user_log_format1.csv, line 8: 3 columns instead of 7: \['1', '2', '3'\]"),
        (LOG + "1,2,3,4,5,08", r"line 8: the last row has 6 columns instead of 7: .*; the file looks cut off"),
        (LOG + "1,2,3,x,5,0829,0\n", r"line 8, column 'seller_id': 'x' is no whole number"),
        (LOG + "1,2,3.5,4,5,0829,0\n", r"line 8, column 'cat_id': '3.5' is no whole number"),
        (LOG + "1,,3,4,5,0829,0\n", r"line 8, column 'item_id': '' is no whole number"),
        (
            LOG + "\n1,2,3,4,5,0829,4\n",
            r"line 9, column 'action_type': 4 is no action; they are 0 click, 1 cart, 2 pur",
        ),
        (
            LOG + "1,2,3,4,5,0931,0\n",
            r"line 8, column 'time_stamp': 931 is no day \(MMDD\) from 2015-05-11.*out_of_range",
        ),
        (LOG + "1,2,3,4,5,0510,0\n", r"line 8, column 'time_stamp': 510 is no day"),
        (LOG + "-1,2,3,4,5,0829,0\n", r"line 8, column 'user_id': -1 is no id"),
        ("", r"user_log_format1.csv: no row is left"),
    ],
)
def test_bad_rows(tmp_path, log, message):
    with pytest.raises(DataError, match=message):
        load_dataset(TmallOptions(), write(tmp_path, HEADER + log))


def test_bad_files(tmp_path):
    write(tmp_path, "user_id,item_id,cat_id,seller_id,time_stamp,action_type\n")
    with pytest.raises(DataError, match=r"line 1: the header .* lacks brand_id; there must be user_id"):
        load_dataset(TmallOptions(), tmp_path)
    write(tmp_path, "")
    with pytest.raises(DataError, match=r"user_log_format1.csv is empty \(0 bytes\)"):
        load_dataset(TmallOptions(), tmp_path)
    write(tmp_path, "\n\n")
    with pytest.raises(DataError, match=r"user_log_format1.csv is empty \(no line with a value\)"):
        load_dataset(TmallOptions(), tmp_path)
    write(tmp_path, HEADER.encode() + "é,2,3,4,5,0829,0\n".encode("latin-1"))
    with pytest.raises(DataError, match=r"line 2, column 'user_id': 'é' is no whole number"):
        load_dataset(TmallOptions(), tmp_path)
    write(tmp_path, info="user_id,age_range,gender\n1,9,0\n")
    with pytest.raises(DataError, match=r"user_info_format1.csv, line 2, column 'age_range': 9 is no code of an age"):
        load_dataset(TmallOptions(), tmp_path)
    (tmp_path / "tmall" / "user_info_format1.csv").unlink()
    with pytest.raises(DataError, match=r"holds user_log_format1.csv but not user_info_format1.csv; .*dataId=42"):
        load_dataset(TmallOptions(), tmp_path)
    with pytest.raises(DataError, match=r"user_log_format1.csv, user_info_format1.csv were looked for in .*none/tmall"):
        load_dataset(TmallOptions(), tmp_path / "none")
    with pytest.raises(DataError, match=r"dataId=42.*Fetching it failed: .*have no open address"):
        load_dataset(TmallOptions(download=True), tmp_path / "none")


def test_a_log_that_was_cut_off(tmp_path):
    write(tmp_path)
    rows = "".join(f"1,{number},3,4,5,0829,{number * 7919 % 3}\n" for number in range(20_000))
    data = gzip.compress((HEADER + rows).encode())
    (tmp_path / "tmall" / "user_log_format1.csv").unlink()
    (tmp_path / "tmall" / "user_log_format1.csv.gz").write_bytes(data[: len(data) // 2])
    with pytest.raises(
        DataError, match=r"user_log_format1.csv.gz is cut off or damaged: it can be read up to line \d+ "
    ):
        load_dataset(TmallOptions(), tmp_path)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"positive_actions": ["buy"]},
            "positive_actions: there is no action 'buy'; choose from click, cart, purchase, fa",
        ),
        ({"positive_actions": []}, "positive_actions must name at least one of click"),
        ({"only_actions": ["view"]}, "only_actions: there is no action 'view'"),
        ({"out_of_range": "keep"}, "out_of_range must be one of error, drop"),
        ({"word_fields": ["brand"]}, "no word field 'brand'; there are cat_id, seller_id, brand_id"),
        ({"empty_values": {"brand": ["x"]}}, "empty_values names 'brand', no field of 'tmall'; choose from cat_id"),
    ],
)
def test_options(tmp_path, changes, message):
    with pytest.raises(ConfigError, match=message):
        load_dataset(TmallOptions(**changes), write(tmp_path))


def test_no_positive_row(tmp_path):
    with pytest.raises(DataError, match=r"no row is one of positive_actions \(purchase\)"):
        load_dataset(TmallOptions(), write(tmp_path, HEADER + LOG[:35]))


def test_days_that_are_dropped(tmp_path):
    log = HEADER + LOG + "1,2,3,4,5,0931,0\n1,2,3,4,5,1231,0\n"
    data = load_dataset(TmallOptions(out_of_range="drop"), write(tmp_path, log))
    assert data.user.size == 6
    note = "rows whose time_stamp is no day (MMDD) from 2015-05-11 to 2015-11-12, dropped"
    assert data.notes[note] == 2


def test_items_and_users_that_contradict_themselves(tmp_path):
    log = HEADER + "1,5,10,1,,0601,2\n1,5,11,1,,0602,0\n2,5,11,2,3,0603,0\n3,5,12,3,,0603,0\n"
    data = load_dataset(TmallOptions(), write(tmp_path, log, INFO + "17,3,0\n"))
    # cat 11 twice; three sellers once each: the least.
    assert data.items.iloc[0].tolist() == ["5", "cat_11", "seller_1", "brand_3"]
    assert data.notes["items with several values of cat_id, the most frequent taken"] == 1
    assert data.notes["items with several values of seller_id, the most frequent taken"] == 1
    assert data.notes["repeated rows of user profiles, left out"] == 1
    assert data.notes["users without a profile"] == 3
    assert data.users["age"].tolist() == ["", "", "", "", "", "40-49"]


def test_every_problem_at_once(tmp_path):
    bad = "1,2\n1,2,3,4,5,0829,9\n1,x,3,4,5,0829,0\n1,2\n1,2,3,4,5,9999,0\n1,y,3,4,5,0829,0\n"
    write(tmp_path, HEADER + bad + LOG, INFO + "5,x,1\n")
    findings = Findings(collect=True)
    data = Tmall(tmp_path).load(findings)
    assert data.user.size == 6
    folder = f"{tmp_path}/tmall/"
    day = "is no day (MMDD) from 2015-05-11 to 2015-11-12; `dataset.out_of_range=drop` leaves such rows out"
    assert findings.problems == [
        f"{folder}user_info_format1.csv, line 5, column 'age_range': 'x' is no whole number",
        f"{folder}user_log_format1.csv, line 2: 2 columns instead of 7: ['1', '2']; lines 2, 5",
        f"{folder}user_log_format1.csv, line 4, column 'item_id': 'x' is no whole number; lines 4, 7",
        f"{folder}user_log_format1.csv, line 6, column 'time_stamp': 9999 {day}",
        f"{folder}user_log_format1.csv, line 3, column 'action_type': 9 is no action; they are 0 click, 1 cart, "
        "2 purchase, 3 favourite",
    ]

"""The forms that a folder of one's own may have: parts, names, separators, encodings, numbers, items without a row."""

import gzip

import pandas as pd
import pytest
from small_data import ITEMS, LOG, tabular

from magus_pyg.data import Findings, load_dataset
from magus_pyg.errors import ConfigError, DataError


def test_a_folder_of_parts(write, tmp_path):
    expected = load_dataset(tabular(write())).fingerprint
    lines = LOG.splitlines(keepends=True)
    (tmp_path / "interactions.csv").unlink()
    parts = tmp_path / "interactions"
    parts.mkdir()
    (parts / "part-0.csv").write_text("".join(lines[:3]))
    turned = "".join(",".join(reversed(line.strip().split(","))) + "\n" for line in [lines[0], *lines[3:]])
    (parts / "part-1.csv.gz").write_bytes(gzip.compress(turned.encode()))
    (parts / "_SUCCESS").write_text("")  # as Spark leaves it
    assert load_dataset(tabular(tmp_path)).fingerprint == expected
    (parts / "part-1.csv.gz").write_bytes(gzip.compress((turned + "9,5,5,1\n").encode()))
    with pytest.raises(DataError, match=r"interactions/part-1.csv.gz, line 4, column 'item_id': '5' is no item"):
        load_dataset(tabular(tmp_path))
    (parts / "part-2.csv").write_text("user_id,item_id,rating\n")
    with pytest.raises(DataError, match=r"part-2.csv has other columns than part-0.csv: 'timestamp' differ"):
        load_dataset(tabular(tmp_path))
    (parts / "readme.md").write_text("")
    with pytest.raises(DataError, match=r"must hold .csv.gz, .csv, .parquet files alone, .*; it holds readme.md"):
        load_dataset(tabular(tmp_path))
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=r"the folder .*empty must hold .*; it is empty"):
        load_dataset(tabular(tmp_path, interactions="empty"))


def test_parquet_parts_with_other_types(write, tmp_path):
    expected = load_dataset(tabular(write())).fingerprint
    frame = pd.read_csv(tmp_path / "interactions.csv", dtype={"user_id": str, "item_id": str})
    (tmp_path / "interactions.csv").unlink()
    (tmp_path / "interactions").mkdir()
    frame[:2].astype({"timestamp": "int32"}).to_parquet(tmp_path / "interactions" / "a.parquet")
    frame[2:].to_parquet(tmp_path / "interactions" / "b.parquet")
    assert load_dataset(tabular(tmp_path)).fingerprint == expected


def test_ids_that_parquet_holds_as_numbers(tmp_path):
    pd.DataFrame({"item_id": [2661.0, 5.0], "brand": ["a", "b"], "tag": ["", ""]}).to_parquet(
        tmp_path / "items.parquet"
    )
    log = {"user_id": [1, 2], "item_id": [2661, 5], "rating": [4, 2], "timestamp": [1, 2]}
    pd.DataFrame(log).to_parquet(tmp_path / "interactions.parquet")
    data = load_dataset(tabular(tmp_path))
    assert data.item_ids.tolist() == ["2661", "5"]
    assert data.user_ids.tolist() == ["1", "2"]
    pd.DataFrame({**log, "item_id": [2661.5, None]}).to_parquet(tmp_path / "interactions.parquet")
    with pytest.raises(DataError, match=r"interactions.parquet, row 1, column 'item_id': '2661.5' is no id \(2 such"):
        load_dataset(tabular(tmp_path))


def test_names_delimiters_and_encodings(write, tmp_path):
    expected = load_dataset(tabular(write())).fingerprint
    shop = tmp_path / "shop"
    shop.mkdir()
    (shop / "products.tsv").write_bytes(ITEMS.replace(",", "\t").replace("blue", "bl\u00fce").encode("cp1252"))
    (shop / "events.tsv").write_bytes(LOG.replace(",", "\t").encode("cp1252"))
    options = tabular(shop, items="products.tsv", interactions="events.tsv", delimiter="tab", encoding="cp1252")
    data = load_dataset(options)
    assert data.items["tag"].tolist() == ["red|small", "bl\u00fce", ""]
    (shop / "products.tsv").write_text(ITEMS.replace(",", "\t"))
    assert load_dataset(options).fingerprint == expected
    assert load_dataset(tabular(tmp_path, interactions=str(tmp_path / "interactions.csv"))).fingerprint == expected
    with pytest.raises(DataError, match=r"shop holds no goods.tsv; it holds events.tsv, products.tsv"):
        load_dataset(tabular(shop, items="goods.tsv"))
    with pytest.raises(DataError, match=r"shop holds no people"):
        load_dataset(tabular(shop, items="products.tsv", interactions="events.tsv", users="people", delimiter="\t"))


def test_keys_with_other_names(write, tmp_path):
    files = {"users.csv": "user_id,age\n01,3\n"}
    expected = load_dataset(tabular(write(files), profile_fields=["age"])).fingerprint
    write({"items.csv": ITEMS.replace("item_id", "sku"), "users.csv": "id,age\n01,3\n"})
    options = tabular(tmp_path, item_key="sku", user_key="id", profile_fields=["age"])
    assert load_dataset(options).fingerprint == expected


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"delimiter": ""}, "delimiter must be one character"),
        ({"delimiter": ";;"}, "delimiter must be one character, or one of comma, semicolon, tab, bar .got ';;'"),
        ({"encoding": "utf-99"}, "encoding: unknown encoding: utf-99; choose for example utf-8"),
        ({"unknown_items": "skip"}, "unknown_items must be one of error, drop, keep"),
        ({"items": ""}, "items must not be empty"),
        ({"query_separator": ""}, "query_separator must not be empty"),
        ({"spelling": "upper"}, "spelling must be one of fold, keep, lower"),
        ({"max_length": 0}, "max_length must be at least 1"),
        ({"bands": {"prize": 3}}, "bands names 'prize', no field of .*; choose from title, brand, tag"),
    ],
)
def test_options(write, changes, message):
    with pytest.raises(ConfigError, match=message):
        load_dataset(tabular(write(), **changes))


def test_items_without_a_row(write):
    folder = write({"interactions.csv": LOG + "1,x9,4,50\n2,x9,4,50\n2,007,4,60\n"})
    data = load_dataset(tabular(folder, unknown_items="drop"))
    assert data.item_ids.tolist() == ["007", "7", "8"]
    assert data.user.size == 5
    assert data.notes == {"rows of 1 items without a row in the item table, dropped": 2}
    data = load_dataset(tabular(folder, unknown_items="keep"))
    assert data.item_ids.tolist() == ["007", "7", "8", "x9"]
    assert data.items.iloc[3].tolist() == ["x9", "", "", ""]
    assert data.notes == {"items without a row in the item table, kept without words": 1, "items without words": 1}


def test_bands_of_numbers(write):
    items = "item_id,brand,tag,price\n007,A,t,1.5\n7,B,,\n8,C,t,20\n9,,,3\n"
    options = tabular(write({"items.csv": items}), word_fields=["brand", "price"], bands={"price": 2})
    data = load_dataset(options)
    assert data.items["price"].tolist() == ["price 1.5 to 3", "", "price 20", "price 1.5 to 3"]
    write({"items.csv": items.replace("20", "twenty")})
    with pytest.raises(
        DataError, match=r"items.csv, line 4, column 'price': 'twenty' is no number, and .*\(1 such.*dataset.bands"
    ):
        load_dataset(options)


def test_searched_words_are_spelled_as_those_of_items(write):
    queries = "user_id,timestamp,words\n1,5,ACME   Red red\n1,6,&nbsp;\n"
    data = load_dataset(tabular(write({"queries.csv": queries}), query_separator=" "))
    assert data.searched["words"].tolist() == ["Acme|red"]
    assert data.notes == {"searched queries without words, dropped": 1}
    kept = load_dataset(tabular(write({"queries.csv": queries}), query_separator=" ", spelling="keep"))
    assert kept.searched["words"].tolist() == ["ACME|Red|red"]


FORM = "set dataset.timestamp_format to the form of the times: number, iso, or a pattern such as '%d.%m.%Y'"


def test_every_problem_of_every_file_at_once(write):
    files = {
        "items.csv": ITEMS + "7,again,,\n,empty,,\n",
        "interactions.csv": LOG + "1,7\n1,zz,5,50\n1,8,good,60\n1,8,bad,60\n1,8,3,soon\n2,yy,5,50\n",
        "users.csv": "user_id,age\n01,3\n01,4\n",
        "queries.csv": "user_id,timestamp,words\n1,never,red\n1,5,red\n",
    }
    folder = write(files)
    findings = Findings(collect=True)
    data = load_dataset(tabular(folder), None, findings)
    assert (data.n_items, data.user.size, len(data.searched)) == (3, 4, 1)
    assert findings.problems == [
        f"{folder}/interactions.csv, line 6: 2 columns instead of 4: ['1', '7']",
        f"{folder}/items.csv, line 6, column 'item_id': the id is empty (1 such rows)",
        f"{folder}/items.csv, line 5, column 'item_id': the id '7' is already on line 3 (1 repeated rows); keep one "
        "row for each id",
        f"{folder}/interactions.csv, line 7, column 'item_id': 'zz' is no item of items.csv (2 rows with 2 such ids); "
        "add the missing rows or take these out of the log; or set dataset.unknown_items=drop (keep: such items have "
        "no words); lines 7, 11",
        f"{folder}/users.csv, line 3, column 'user_id': the id '01' is already on line 2 (1 repeated rows); keep one "
        "row for each id",
        f"{folder}/interactions.csv, line 8, column 'rating': 'good' is no rating (2 such rows); words need "
        "dataset.positive=action, numbers such as 1,5 need dataset.decimal=','; lines 8, 9",
        f"{folder}/interactions.csv, line 10, column 'timestamp': 'soon' is no time in seconds (1 such rows); {FORM}",
        f"{folder}/queries.csv, line 2, column 'timestamp': 'never' is no time in seconds (1 such rows); {FORM}",
    ]


def test_what_cannot_be_gone_on_from_is_told_with_the_rest(write):
    folder = write({"items.csv": ITEMS.replace("tag", "tags"), "interactions.csv": LOG.replace("user_id", "user")})
    findings = Findings(collect=True)
    with pytest.raises(DataError, match=r"interactions.csv: no column 'user_id'"):
        load_dataset(tabular(folder), None, findings)
    assert len(findings.problems) == 1
    assert "items.csv: no column 'tag'" in findings.problems[0]


def test_damaged_files_are_read_as_far_as_they_go(write, tmp_path):
    header, rows = LOG.splitlines()[0], "".join(f"1,7,3,{number * 7919 % 10007}\n" for number in range(5000))
    whole = gzip.compress(f"{header}\n{rows}".encode())
    write({"interactions.csv": None, "interactions.csv.gz": whole[: len(whole) // 2]})
    write({"items.csv": ITEMS.encode() + b"9,\xe9t\xe9,,\n"})
    (tmp_path / "interactions.csv").unlink(missing_ok=True)
    findings = Findings(collect=True)
    data = load_dataset(tabular(tmp_path), None, findings)
    assert 1000 < data.user.size < 4000
    assert data.item_ids.tolist()[-1] == "9"
    assert "the text is not utf-8" in findings.problems[0]
    assert "is cut off or damaged" in findings.problems[1]

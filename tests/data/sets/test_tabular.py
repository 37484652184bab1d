"""A folder of one's own: values by hand."""

import gzip

import numpy as np
import pandas as pd
import pytest
from small_data import ITEMS, LOG, tabular

from magus_pyg.data import load_dataset
from magus_pyg.errors import ConfigError, DataError


def test_values_by_hand(write):
    data = load_dataset(tabular(write()))
    # Users stand in the order of the log, ids are kept as written: "01" is not "1".
    assert data.user_ids.tolist() == ["01", "1"]
    assert data.item_ids.tolist() == ["007", "7", "8"]
    # Rows of "01" by time: 8 (20), 007 (30), 7 (40); then "1": 7 (10).
    assert data.user.tolist() == [0, 0, 0, 1]
    assert data.item.tolist() == [2, 0, 1, 1]
    assert data.time.tolist() == [20, 30, 40, 10]
    assert data.label.tolist() == [0, 1, 1, 0]
    # Three rows: train ends at 23 // 10 = 2, validation at 29 // 10 = 2.
    assert data.part.tolist() == [0, 0, 2, 0]
    assert data.items["tag"].tolist() == ["red|small", "blue", ""]
    assert data.items["title"].tolist() == ["Seven", "Other", "Eight"]
    assert data.has_negatives
    assert data.notes == {}
    assert len(data.searched) == 0
    assert repr(data) == "RecDataset('tabular', users=2, items=3, interactions=4, positive=2)"


@pytest.mark.parametrize("form", ["csv.gz", "parquet"])
def test_all_forms_give_the_same_data_set(write, tmp_path, form):
    expected = load_dataset(tabular(write())).fingerprint
    for name in ("items", "interactions"):
        frame = pd.read_csv(tmp_path / f"{name}.csv", dtype=str, keep_default_na=False)
        if form == "parquet":
            if name == "interactions":
                frame = frame.astype({"rating": float, "timestamp": int})
            else:
                frame["tag"] = frame["tag"].str.split("|")
            frame.to_parquet(tmp_path / f"{name}.parquet")
        else:
            frame.to_csv(tmp_path / f"{name}.csv.gz", index=False)
        (tmp_path / f"{name}.csv").unlink()
    assert load_dataset(tabular(tmp_path)).fingerprint == expected


def test_a_byte_order_mark_and_windows_line_ends_change_nothing(write, tmp_path):
    expected = load_dataset(tabular(write())).fingerprint
    write({"items.csv": b"\xef\xbb\xbf" + ITEMS.replace("\n", "\r\n").encode(), "interactions.csv": LOG + "\n\n"})
    assert load_dataset(tabular(tmp_path)).fingerprint == expected


def test_folder_inside_the_data_root(write, monkeypatch):
    folder = write()
    options = tabular(folder.name)
    assert load_dataset(options, folder.parent).n_items == 3
    monkeypatch.setenv("MAGUS_DATA", str(folder.parent))
    assert load_dataset(options).n_items == 3
    monkeypatch.delenv("MAGUS_DATA")
    with pytest.raises(DataError, match=r"none is named: set `paths.data=` or the variable MAGUS_DATA"):
        load_dataset(options)


def test_names_of_columns_actions_and_iso_times(write):
    log = "who,what,did,when\na,x,buy,2014-02-28\na,y,click,2014-02-27\nb,x,click,2014-03-01T00:00:10\n"
    options = tabular(
        write({"interactions.csv": log, "items.csv": "what,brand,tag\nx,A,t\ny,B,t\n"}),
        user_id="who", item_id="what", rating="did", timestamp="when", timestamp_format="iso", positive="action",
        positive_actions=["buy"],
    )  # fmt: skip
    data = load_dataset(options)
    assert data.item.tolist() == [1, 0, 0]
    assert data.label.tolist() == [0, 1, 0]
    assert data.actions == ("buy", "click")
    assert data.action.tolist() == [1, 0, 1]
    assert data.time.tolist() == [1393459200, 1393545600, 1393632010]
    assert list(data.items.columns) == ["item_id", "brand", "tag"]


def test_pattern_of_times_and_positive_above(write):
    log = "user_id,item_id,rating,timestamp\n1,7,2.5,20140228\n1,8,2.0,20140227\n"
    data = load_dataset(tabular(write({"interactions.csv": log}), timestamp_format="%Y%m%d", positive_above=2.0))
    assert data.time.tolist() == [1393459200, 1393545600]
    assert data.label.tolist() == [0, 1]  # 2.0 is not above 2.0


def test_without_ratings_and_times_the_order_of_the_file_counts(write):
    log = "user_id,item_id\n1,8\n2,7\n1,007\n"
    data = load_dataset(tabular(write({"interactions.csv": log}), rating="", timestamp="", positive="all"))
    assert data.item.tolist() == [2, 0, 1]
    assert data.time.tolist() == [0, 1, 0]
    assert not data.has_negatives
    assert data.ordered
    assert data.action is None


def test_without_an_order_and_with_one_kind_of_action(write):
    log = "user_id,item_id,rating\n1,8,buy\n2,7,buy\n"
    options = tabular(write({"interactions.csv": log}), timestamp="", ordered=False, positive="action")
    options.positive_actions = ["buy"]
    data = load_dataset(options)
    assert not data.ordered
    assert (data.action, data.actions) == (None, ())


def test_too_many_actions(write):
    log = "user_id,item_id,rating,timestamp\n" + "".join(f"1,8,act{number},{number}\n" for number in range(128))
    with pytest.raises(
        DataError, match=r"interactions.csv: 128 different actions, such as \['act0', 'act1',.*at most 1"
    ):
        load_dataset(tabular(write({"interactions.csv": log}), positive="action", positive_actions=["act5"]))


def test_times_in_nanoseconds_are_not_rounded(write):
    log = "user_id,item_id,rating,timestamp\n1,7,5,1700000000000000001\n1,8,5,1700000000000000000\n"
    data = load_dataset(tabular(write({"interactions.csv": log})))
    assert data.time.tolist() == [1700000000000000000, 1700000000000000001]


def test_given_split(write):
    log = "user_id,item_id,set\n1,8,test\n1,7,train\n1,007,valid\n1,8,train\n"
    options = tabular(write({"interactions.csv": log}), rating="", timestamp="", positive="all", split="set")
    data = load_dataset(options)
    assert data.item.tolist() == [1, 2, 0, 2]
    assert data.part.tolist() == [0, 0, 1, 2]
    assert data.time.tolist() == [0, 1, 2, 3]
    options.split_values = ["train", "dev", "test"]
    with pytest.raises(DataError, match=r"interactions.csv, line 4, column 'set': 'valid' is no part.*\(1 such rows\)"):
        load_dataset(options)


def test_a_given_split_against_the_order_of_time_is_counted(write):
    log = "user_id,item_id,rating,timestamp,split\n1,8,5,1,test\n1,7,5,2,train\n"
    data = load_dataset(tabular(write({"interactions.csv": log}), split="split"))
    assert data.notes["rows of an earlier part after a later one"] == 1


def test_values_that_mean_nothing(write):
    items = "item_id,brand,tag\n007,brand_5, red | red|none|small\n7,none,\n8,x|brand_5,blue\n"
    empty = {"brand": ["brand_5"], "*": ["none"]}
    data = load_dataset(tabular(write({"items.csv": items}), empty_values=empty))
    assert data.items["brand"].tolist() == ["", "", "x"]
    assert data.items["tag"].tolist() == ["red|small", "", "blue"]
    assert data.notes == {
        "values of brand that mean no value": 3,
        "values of tag that mean no value": 1,
        "items without words": 1,
    }
    with pytest.raises(ConfigError, match="empty_values names 'brnd'"):
        load_dataset(tabular(write({"items.csv": items}), empty_values={"brnd": ["x"]}))


def test_another_separator(write):
    items = "item_id,brand,tag\n007,A,red;small\n7,B,\n8,C,blue\n"
    data = load_dataset(tabular(write({"items.csv": items}), separator=";"))
    assert data.items["tag"].tolist() == ["red|small", "", "blue"]
    with pytest.raises(DataError, match=r"items.csv, line 2, column 'tag': 'red\|small' holds '\|'"):
        load_dataset(tabular(write({"items.csv": items.replace(";", "|")}), separator=";"))


def test_repeated_rows(write):
    log = LOG + "1,7,2,10\n1,7,5,10\n"  # the second is no copy: another rating
    data = load_dataset(tabular(write({"interactions.csv": log})))
    assert data.user.size == 5
    assert data.notes == {"exact copies of a row, dropped": 1}
    kept = load_dataset(tabular(write({"interactions.csv": log}), repeats="keep"))
    assert kept.user.size == 6
    assert kept.notes == {"exact copies of a row, kept": 1}


def test_users_and_queries(write):
    users = "user_id,age,city\n9,young,Oslo\n1,old,\n"
    queries = "user_id,timestamp,words\n1,12,red|small\n1,5,blue\n77,6,red\n9,7,\n"
    data = load_dataset(tabular(write({"users.csv": users, "queries.csv": queries}), profile_fields=["age"]))
    assert data.user_ids.tolist() == ["9", "1", "01"]
    assert data.users["age"].tolist() == ["young", "old", ""]
    assert data.searched.to_dict("list") == {"user": [1, 1], "time": [5, 12], "words": ["blue", "red|small"]}
    assert data.notes == {
        "users without a profile": 1,
        "users without history": 1,
        "searched queries of unknown users, dropped": 1,
        "searched queries without words, dropped": 1,
    }


def test_merged_fields(write):
    data = load_dataset(tabular(write(), word_fields=["any"], merge_fields={"any": ["brand", "tag"]}))
    assert data.word_columns == ("brand", "tag")
    assert data.merge_fields == {"any": ("brand", "tag")}
    # A field named by itself brings the whole merged field.
    data = load_dataset(tabular(write(), word_fields=["tag"], merge_fields={"any": ["brand", "tag"]}))
    assert data.word_columns == ("tag", "brand")


def test_one_row_and_one_item(write):
    data = load_dataset(
        tabular(
            write(
                {"items.csv": "item_id,brand,tag\nx,,\n", "interactions.csv": LOG[:34].split("\n")[0] + "\nu,x,1,0\n"}
            )
        )
    )
    assert (data.n_users, data.n_items, data.part.tolist()) == (1, 1, [0])
    assert data.notes == {"items without words": 1}


def test_quoted_line_breaks_keep_lines_right(write):
    items = 'item_id,brand,tag\n1,"two\nlines",x\n\n2,b,y\n2,c,z\n'
    with pytest.raises(DataError, match=r"items.csv, line 6, column 'item_id': the id '2' is already on line 5"):
        load_dataset(tabular(write({"items.csv": items})))


def test_fingerprint_follows_the_content(write):
    base = load_dataset(tabular(write()))
    assert len(base.fingerprint) == 64
    assert load_dataset(tabular(write(), name="other", max_words=2)).fingerprint == base.fingerprint
    changes = [
        {"items.csv": ITEMS.replace("blue", "green")},
        {"interactions.csv": LOG.replace("01,8,3", "01,8,4")},
        {"interactions.csv": LOG.replace(",30", ",31")},
        {"interactions.csv": LOG.replace("01,", "02,")},
        {"items.csv": ITEMS.replace("Acme,red|small", "Acme|red,small")},
    ]
    prints = {base.fingerprint} | {load_dataset(tabular(write(change))).fingerprint for change in changes}
    assert len(prints) == len(changes) + 1
    titles = load_dataset(tabular(write({"items.csv": ITEMS.replace("Seven", "Sept")})))
    assert titles.fingerprint == base.fingerprint  # a title is no word
    assert load_dataset(tabular(write(), title_field="title")).fingerprint == base.fingerprint


def test_titles_are_a_column_of_the_item_table(write):
    assert load_dataset(tabular(write())).title_field == ""
    data = load_dataset(tabular(write(), title_field="title"))
    assert data.items[data.title_field].tolist() == ["Seven", "Other", "Eight"]
    scraped = write({"items.csv": ITEMS.replace("Seven", "S &amp;amp; T&#39;s")})
    data = load_dataset(tabular(scraped, title_field="title"))
    assert data.items["title"].tolist() == ["S & T's", "Other", "Eight"]
    write()
    message = r"items.csv: no column 'titel' \(asked for by title_field\); the file has .*; did you mean 'title'\?"
    with pytest.raises(DataError, match=message):
        load_dataset(tabular(write(), title_field="titel"))
    with pytest.raises(ConfigError, match="no title field 'item_id'; there are title, brand, tag"):
        load_dataset(tabular(write(), title_field="item_id"))


def test_gzip_members_are_read_whole(write):
    head, tail = LOG[:50], LOG[50:]
    files = {
        "interactions.csv": None,
        "interactions.csv.gz": gzip.compress(head.encode()) + gzip.compress(tail.encode()),
    }
    assert np.array_equal(load_dataset(tabular(write(files))).time, [20, 30, 40, 10])

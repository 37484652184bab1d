"""Everything that can be wrong in a file, and what the error then says."""

import gzip

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from small_data import ITEMS, LOG, tabular

from magus_pyg.data import DatasetOptions, load_dataset, register_dataset
from magus_pyg.data.dataset import part_index
from magus_pyg.errors import ConfigError, DataError

HEADER = "user_id,item_id,rating,timestamp\n"


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"items.csv": None}, r"holds no items.csv.gz or items.csv or items.parquet; it holds interactions.csv"),
        ({"items.parquet": b"x"}, r"several files for 'items': items.csv, items.parquet"),
        ({"items.csv": ""}, r"items.csv is empty \(0 bytes\)"),
        ({"items.csv": "\n\n"}, r"items.csv is empty"),
        ({"items.csv": "item_id,brand,tag\n"}, r"items.csv has a header but no row"),
        ({"interactions.csv": ""}, r"interactions.csv is empty \(0 bytes\)"),
        ({"interactions.csv": HEADER}, r"interactions.csv has a header but no row"),
        ({"interactions.csv": LOG[:-4]}, r"interactions.csv, line 5: the last row has 3 columns instead of 4.*cut off"),
        (
            {"interactions.csv": HEADER + "1,7\n1,7,3,4\n"},
            r"interactions.csv, line 2: 2 columns instead of 4: \['1', '7'\]",
        ),
        ({"interactions.csv": HEADER + "1,7,3,4,5\n1,7,3,4\n"}, r"line 2: 5 columns instead of 4"),
        (
            {"items.csv": ITEMS.replace("tag", "tags")},
            r"no column 'tag' \(asked for by word_fields\); the file has .* did you mean 'tags'\?",
        ),
        ({"interactions.csv": LOG.replace("user_id", "userid")}, r"no column 'user_id'; .*did you mean 'userid'\?"),
        (
            {"interactions.csv": LOG.replace("rating", "stars")},
            r"no column 'rating'; the file has user_id, item_id, stars, .*; dataset.rating='' reads a log without it$",
        ),
        (
            {"interactions.csv": LOG.replace("timestamp", "when")},
            r"no column 'timestamp'; .*; dataset.timestamp='' takes .*, and with dataset.ordered=false for none$",
        ),
        ({"items.csv": ITEMS.replace("title", "tag")}, r"items.csv, line 1: the column 'tag' is there more than once"),
        (
            {"interactions.csv": LOG + "1,99,3,5\n2,98,3,6\n2,99,3,7\n"},
            r"line 6, column 'item_id': '99' is no item of items.csv \(3 rows with 2 such ids\)",
        ),
        (
            {"items.csv": ITEMS + "7,again,,\n"},
            r"line 5, column 'item_id': the id '7' is already on line 3 \(1 repeated",
        ),
        ({"items.csv": ITEMS + ",none,,\n"}, r"line 5, column 'item_id': the id is empty \(1 such rows\)"),
        ({"interactions.csv": LOG + " ,7,1,1\n"}, r"line 6, column 'user_id': the id is empty"),
        ({"interactions.csv": LOG + "1,8,good,5\n"}, r"line 6, column 'rating': 'good' is no rating \(1 such rows\)"),
        ({"interactions.csv": LOG + "1,8,nan,5\n"}, r"line 6, column 'rating': 'nan' is no rating"),
        ({"interactions.csv": LOG + "1,8,inf,5\n"}, r"line 6, column 'rating': 'inf' is no rating"),
        ({"interactions.csv": LOG + "1,8,,5\n"}, r"line 6, column 'rating': '' is no rating"),
        ({"interactions.csv": LOG + "1,8,4,soon\n"}, r"line 6, column 'timestamp': 'soon' is no time in seconds"),
        ({"interactions.csv": LOG + "1,8,4,\n"}, r"line 6, column 'timestamp': '' is no time in seconds"),
        ({"interactions.csv": LOG + "1,8,4,1e300\n"}, r"line 6, column 'timestamp': '1e300' is no time .*too large"),
        (
            {"users.csv": "user_id,age\n1,2\n1,3\n"},
            r"users.csv, line 3, column 'user_id': the id '1' is already on line 2",
        ),
        ({"queries.csv": "user_id,time,words\n1,2,x\n"}, r"queries.csv: no column 'timestamp'"),
        ({"items.csv": ITEMS.encode() + b"9,\xe9t\xe9,,\n"}, r"items.csv, after line \d+: the text is not utf-8"),
    ],
)
def test_message(write, files, message):
    with pytest.raises(DataError, match=message):
        load_dataset(tabular(write(files)))


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_gzip_that_was_cut_off(write, share):
    data = gzip.compress((HEADER + "".join(f"1,7,3,{second * 7919 % 10007}\n" for second in range(5000))).encode())
    cut = data[: int(len(data) * share)]
    with pytest.raises(DataError, match=r"interactions.csv.gz is cut off or damaged: it can be read up to line \d+"):
        load_dataset(tabular(write({"interactions.csv": None, "interactions.csv.gz": cut})))


def test_gzip_in_name_only(write):
    expected = load_dataset(tabular(write())).fingerprint
    folder = write({"items.csv.gz": ITEMS.encode()})
    (folder / "items.csv").unlink()
    assert load_dataset(tabular(folder)).fingerprint == expected


def test_formats_that_are_not_read(write):
    with pytest.raises(DataError, match=r"items.csv is a zip archive, or an Excel file: unpack it, or write it as CSV"):
        load_dataset(tabular(write({"items.csv": b"PK\x03\x04rest"})))


def test_parquet_that_was_cut_off(write, tmp_path):
    write({"items.csv": None})
    pd.DataFrame({"item_id": ["7"], "brand": [""], "tag": [""]}).to_parquet(tmp_path / "items.parquet")
    whole = (tmp_path / "items.parquet").read_bytes()
    (tmp_path / "items.parquet").write_bytes(whole[:-100])
    with pytest.raises(DataError, match=r"items.parquet is no whole Parquet file"):
        load_dataset(tabular(tmp_path))


def not_utf8(kind: pa.DataType) -> pa.Array:
    """Three texts whose second is no UTF-8."""
    raw = pa.array([b"a", b"b\xff", b"c"], pa.large_binary() if kind == pa.large_string() else pa.binary())
    return pa.Array.from_buffers(kind, 3, raw.buffers())


@pytest.mark.parametrize("column", ["item_id", "brand", "unused"])
@pytest.mark.parametrize("kind", ["string", "large_string", "list"])
def test_parquet_whose_texts_are_no_utf8(write, tmp_path, column, kind):
    write({"items.csv": None})
    texts = not_utf8(pa.large_string() if kind == "large_string" else pa.string())
    if kind == "list":
        texts = pa.ListArray.from_arrays(pa.array(range(4)), texts)
    columns = {"item_id": ["7", "8", "9"], "brand": ["a"] * 3, "tag": ["x"] * 3}
    pq.write_table(pa.table(columns | {column: texts}), tmp_path / "items.parquet")
    with pytest.raises(DataError, match=rf"items.parquet, column '{column}', holds what is no text: .*index 1"):
        load_dataset(tabular(tmp_path))


def test_parquet_with_a_column_whose_name_is_no_utf8(write, tmp_path):
    write({"items.csv": None})
    columns = {"item_id": ["7", "8", "9"], "brand": ["a"] * 3, "tag": ["x"] * 3, "odd-name": [1, 2, 3]}
    pq.write_table(pa.table(columns), tmp_path / "items.parquet", store_schema=False)
    content = (tmp_path / "items.parquet").read_bytes()
    (tmp_path / "items.parquet").write_bytes(content.replace(b"odd-name", b"odd\xffname"))
    with pytest.raises(DataError, match=r"items.parquet is no whole Parquet file .*utf-8"):
        load_dataset(tabular(tmp_path))


def test_parquet_names_rows(write, tmp_path):
    write({"interactions.csv": None})
    log = {"user_id": ["1", "1"], "item_id": ["7", "8"], "rating": [1.0, None], "timestamp": [1, 2]}
    pd.DataFrame(log).to_parquet(tmp_path / "interactions.parquet")
    with pytest.raises(DataError, match=r"interactions.parquet, row 2, column 'rating': '' is no rating"):
        load_dataset(tabular(tmp_path))


def test_no_such_folder(tmp_path):
    with pytest.raises(DataError, match=r"there is no folder .*/nowhere \(dataset 'tabular'\); set `paths.data=`"):
        load_dataset(tabular(tmp_path / "nowhere"))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"positive": "some"}, "positive must be one of rating, action, all .got 'some'"),
        ({"repeats": "maybe"}, "repeats must be one of drop, keep"),
        ({"rating": ""}, "positive: rating needs a column"),
        ({"positive": "action"}, "needs `positive_actions`"),
        ({"split": "x", "split_values": ["a", "b"]}, "split_values must be three different values"),
        ({"separator": ""}, "separator must not be empty"),
        ({"max_words": 0}, "max_words must be at least 1 .got 0"),
        ({"max_share": 0.0}, "max_share must be in .0, 1"),
        ({"word_fields": []}, "has no word_fields"),
    ],
)
def test_options(write, changes, message):
    with pytest.raises(ConfigError, match=message):
        load_dataset(tabular(write(), **changes))


def test_actions_that_never_happen(write):
    with pytest.raises(DataError, match=r"no row has an action of positive_actions \['buy'\]; the actions are"):
        load_dataset(tabular(write(), positive="action", positive_actions=["buy"]))


def test_profiles_without_users(write):
    with pytest.raises(DataError, match=r"need a file users\.csv"):
        load_dataset(tabular(write(), profile_fields=["age"]))


def test_queries_without_times(write):
    files = {"queries.csv": "user_id,words\n1,red\n"}
    with pytest.raises(DataError, match="searched queries need times"):
        load_dataset(tabular(write(files), timestamp=""))


def test_options_of_an_unknown_class(write):
    with pytest.raises(ConfigError, match="no data set is read from DatasetOptions; there are SyntheticOptions"):
        load_dataset(DatasetOptions())


def test_a_registered_data_set(write, monkeypatch):
    class Own(DatasetOptions):
        pass

    data = load_dataset(tabular(write()))
    monkeypatch.setattr("magus_pyg.data.sets.load._LOADERS", {})
    register_dataset(Own, lambda options, root: data)
    assert load_dataset(Own()) is data


def test_unknown_part():
    with pytest.raises(DataError, match="unknown part 'valid'; choose one of train, validation, test"):
        part_index("valid")

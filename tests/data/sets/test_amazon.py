"""Amazon on small files in both formats, and on the real ones."""

import ast
import gzip
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from magus_pyg.data import Amazon, AmazonOptions, Findings, load_dataset
from magus_pyg.data.reading.json_lines import _fast, parse_line, read_objects
from magus_pyg.data.sets import amazon as amazon
from magus_pyg.errors import ConfigError, DataError

REVIEWS = [
    {"reviewerID": "A2", "asin": "0000031852", "reviewerName": 'x "y"', "overall": 5.0, "unixReviewTime": 1393545600},
    {"reviewerID": "A1", "asin": "B0000CDBQT", "helpful": [13, 14], "overall": 3.0, "unixReviewTime": 1363392000},
    {"reviewerID": "A2", "asin": "B0000CDBQT", "overall": 4.0, "unixReviewTime": 1393459200},
    {"reviewerID": "A2", "asin": "B00NOMETA0", "overall": 1.0, "unixReviewTime": 1393459200},
]
# One line each as the files of 2014 have it: Python, not JSON.
META = [
    "{'asin': 'B0000CDBQT', 'related': {'also_bought': ['B0000CDBRA', '0000031852']}, 'title': \"Chef Paul's Magic\", "
    "'price': 14.95, 'brand': 'Crabtree &amp; Evelyn', "
    "'categories': [['Grocery', 'Herbs', 'Salt'], ['Grocery', 'Sea']]}",
    "{'asin': '0000031852', 'title': 'Girls Ballet Tutu', 'brand': 'Coxlures', "
    "'categories': [['Sports & Outdoors', 'Other Sports', 'Dance']], 'salesRank': {'Toys & Games': 211836}}",
    "{'asin': 'B00UNSEEN0', 'categories': [['Sports & Outdoors']], 'brand': 'Unknown', 'ok': True, 'no': None}",
    "{'asin': '0000031852', 'brand': 'Other', 'categories': [[]]}",
]


def write(folder: Path, reviews=REVIEWS, meta=META, name: str = "reviews_X_5.json.gz") -> Path:
    (folder / "amazon").mkdir(parents=True, exist_ok=True)
    for file, rows in ((name, reviews), ("meta_X.json.gz", meta)):
        text = "\n".join(row if isinstance(row, str) else json.dumps(row) for row in rows)
        (folder / "amazon" / file).write_bytes(gzip.compress(text.encode()))
    return folder


def options(**changes: object) -> AmazonOptions:
    return AmazonOptions(**{"category": "X", **changes})


def test_values_of_2014_by_hand(tmp_path):
    data = load_dataset(options(), write(tmp_path))
    assert data.user_ids.tolist() == ["A1", "A2"]
    assert data.items.to_dict("list") == {
        "item_id": ["0000031852", "B0000CDBQT", "B00NOMETA0"],  # digits stay text
        "title": ["Girls Ballet Tutu", "Chef Paul's Magic", ""],
        "brand": ["Coxlures", "Crabtree & Evelyn", ""],
        "category": ["Other Sports|Dance", "Herbs|Salt|Sea", ""],  # no root
        "department": ["Other Sports", "Herbs|Sea", ""],
        "leaf_category": ["Dance", "Salt", ""],
        "price": ["", "14.95", ""],
    }
    # A2's two reviews of one day in the order of the file.
    assert (data.user.tolist(), data.item.tolist()) == ([0, 1, 1, 1], [1, 1, 2, 0])
    assert data.label.tolist() == [0, 1, 0, 1]
    assert data.time.tolist() == [1363392000, 1393459200, 1393459200, 1393545600]
    assert data.notes == {
        "meta lines of an item that had one before, left out": 1,
        "items without a meta line, kept without words": 1,
        "items without words": 1,
    }
    assert (data.word_fields, data.title_field) == (("brand", "category"), "title")


def test_reviews_as_python_dicts_and_meta_as_json(tmp_path):
    expected = load_dataset(options(), write(tmp_path / "a")).fingerprint
    meta = [json.dumps(ast.literal_eval(line)) for line in META]
    assert load_dataset(options(), write(tmp_path / "b", [repr(row) for row in REVIEWS], meta)).fingerprint == expected
    # Each line for itself.
    mixed = [META[0], *meta[1:]]
    assert load_dataset(options(), write(tmp_path / "c", meta=mixed)).fingerprint == expected


def test_all_items_and_unknown_brands(tmp_path):
    data = load_dataset(options(all_items=True), write(tmp_path))
    assert data.item_ids.tolist()[-1] == "B00UNSEEN0"
    assert data.items.iloc[-1].tolist() == ["B00UNSEEN0", "", "", "", "", "", ""]
    assert data.notes["values of brand that mean no value"] == 1
    assert data.notes["items without history"] == 1


def test_values_of_2018_by_hand(tmp_path):
    meta = [
        {"asin": "0000031852", "category": ["Root", "Kitchen &amp; Dining", "</span></span>", "Mugs"], "brand": "",
         "title": "<span class='x'>a", "price": "$1,299.50", "rank": ["1 in X"]},
        {"asin": "B0000CDBQT", "category": [], "brand": "unknown", "title": "Plain", "price": "$5.00 - $8.00",
         "rank": "843 in X"},
        {"asin": "B00NOMETA0", "category": ["Root", "mugs"], "brand": "Acme", "price": ".a-box { color: red }"},
    ]  # fmt: skip
    data = load_dataset(options(release="2018"), write(tmp_path, [*REVIEWS, REVIEWS[0]], meta, "X_5.json.gz"))
    assert data.items.to_dict("list") == {
        "item_id": ["0000031852", "B0000CDBQT", "B00NOMETA0"],
        "title": ["", "Plain", ""],  # a piece of a page is no title
        "brand": ["", "", "Acme"],
        "category": ["Kitchen & Dining|Mugs", "", "Mugs"],  # written as the first in order of equally frequent ones
        "department": ["Kitchen & Dining", "", "mugs"],
        "leaf_category": ["Mugs", "", ""],
        "price": ["1299.50", "5.00", ""],
    }
    assert data.notes["exact copies of a row, dropped"] == 1
    assert data.notes["prices that are no number, left out"] == 1
    assert data.notes["spellings of category written as another"] == 1
    lower = load_dataset(options(release="2018", spelling="lower"), tmp_path)
    assert lower.items["category"].tolist() == ["kitchen & dining|mugs", "", "mugs"]


def test_prices_as_bands(tmp_path):
    meta = [f"{{'asin': '{number}', 'price': {number}.5}}" for number in range(8)]
    reviews = [{**REVIEWS[0], "asin": str(number)} for number in range(9)]
    data = load_dataset(options(bands={"price": 4}, word_fields=["price"]), write(tmp_path, reviews, meta))
    low, high = "price 0.5 to 1.5", "price 6.5 to 7.5"
    middle = ["price 2.5 to 3.5"] * 2 + ["price 4.5 to 5.5"] * 2
    assert data.items["price"].tolist() == [low, low, *middle, high, high, ""]


@pytest.mark.parametrize(
    ("reviews", "message"),
    [
        ([*REVIEWS, "{'reviewerID': 'A"], r"X_5.json.gz, line 5: neither JSON nor a Python dict.*; the file lo"),
        (["[1]", *REVIEWS], r"line 1: neither JSON nor a Python dict: '\[1\]'$"),
        (["__import__('os').getcwd()", *REVIEWS], r"line 1: neither JSON nor a Python dict"),
        ([REVIEWS[0], {**REVIEWS[0], "asin": ""}], r"line 2: the object has no 'asin'"),
        ([REVIEWS[0], {"asin": "x"}], r"line 2: the object has no 'reviewerID'"),
        ([{**REVIEWS[0], "overall": "good"}], r"line 1: a value has another type than expected \(could not convert"),
        ([REVIEWS[0], "", {**REVIEWS[0], "overall": 0.0}], r"line 3, 'overall': 0.0 is no rating from 1 to 5"),
        ([{**REVIEWS[0], "unixReviewTime": 1493545600}], r"line 1, 'unixReviewTime': 1493545600 is no time in "
         r"seconds up to the end of 2014; `dataset.out_of_range=drop`"),
        ([], r"reviews_X_5.json.gz is empty \(no line with a value\)"),
    ],
)  # fmt: skip
def test_bad_reviews(tmp_path, reviews, message):
    with pytest.raises(DataError, match=message):
        load_dataset(options(), write(tmp_path, reviews))


def test_bad_meta_and_bytes(tmp_path):
    with pytest.raises(DataError, match=r"meta_X.json.gz, line 2: a value has another type .*'Toys' is no list"):
        load_dataset(options(), write(tmp_path, meta=[META[0], "{'asin': '0000031852', 'categories': 'Toys'}"]))
    write(tmp_path)
    path = tmp_path / "amazon" / "meta_X.json.gz"
    path.write_bytes(gzip.compress("\n".join([META[0], "{'asin': 'é'}"]).encode("latin-1")))
    with pytest.raises(DataError, match=r"meta_X.json.gz, line 2: the text is not utf-8"):
        load_dataset(options(), tmp_path)
    whole = gzip.compress("\n".join(META * 500).encode())
    path.write_bytes(whole[: len(whole) - 20])
    with pytest.raises(DataError, match=r"meta_X.json.gz is cut off or damaged: it can be read up to line \d+"):
        load_dataset(options(), tmp_path)
    path.write_bytes(b"")
    with pytest.raises(DataError, match=r"meta_X.json.gz is empty \(0 bytes\)"):
        load_dataset(options(), tmp_path)
    path.unlink()
    with pytest.raises(DataError, match=r"not meta_X.json.gz; .*jmcauley.ucsd.edu.*`dataset.meta=false`"):
        load_dataset(options(), tmp_path)
    assert load_dataset(options(meta=False), tmp_path).notes == {"items without words": 3}


def test_rows_that_are_dropped(tmp_path):
    late = {**REVIEWS[0], "unixReviewTime": 1493545600}
    data = load_dataset(options(out_of_range="drop"), write(tmp_path, [*REVIEWS, late]))
    assert data.user.size == 4
    assert data.notes["rows whose unixReviewTime is no time in seconds up to the end of 2014, dropped"] == 1


def test_every_problem_at_once(tmp_path):
    bad = [{**REVIEWS[0], "overall": 9}, "oops", *REVIEWS, {"asin": "x"}, "again"]
    findings = Findings(collect=True)
    data = Amazon(write(tmp_path, bad, [*META, "{'asin'"]), options()).load(findings)
    assert data.user.size == 4
    reviews = f"{tmp_path}/amazon/reviews_X_5.json.gz"
    assert findings.problems == [
        f"{reviews}, line 2: neither JSON nor a Python dict: 'oops'; lines 2, 8",
        f"{reviews}, line 7: the object has no 'reviewerID'",
        f"{reviews}, line 1, 'overall': 9.0 is no rating from 1 to 5",
        f"{tmp_path}/amazon/meta_X.json.gz, line 5: neither JSON nor a Python dict: \"{{'asin'\"; the file looks "
        "cut off",
    ]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"category": ""}, "needs a category as in the names of the files"),
        ({"release": "2015"}, "release must be one of 2014, 2018"),
        ({"word_fields": ["brands"]}, "no word field 'brands'; there are title, brand, category"),
        ({"bands": {"price": 1}}, "bands.price must be at least 2"),
    ],
)
def test_options(tmp_path, changes, message):
    with pytest.raises(ConfigError, match=message):
        load_dataset(options(**changes), write(tmp_path))


def test_addresses_are_ones_that_are_fetched():
    assert {address.partition(":")[0] for pair in amazon._URLS.values() for address in pair} == {"https"}


def test_fetched_where_it_is_asked_for(tmp_path, monkeypatch):
    source = write(tmp_path / "server") / "amazon"
    monkeypatch.setitem(amazon._URLS, "2014", (f"{source.as_uri()}/",) * 2)
    with pytest.raises(DataError, match=r"`dataset.download` is off"):
        load_dataset(options(), tmp_path / "none")
    assert load_dataset(options(download=True), tmp_path / "none").user.size == 4
    (source / "meta_X.json.gz").write_bytes(b"no gzip")
    with pytest.raises(DataError, match=r"Fetching it failed: .*reviews_X.json.gz could not be fetched"):
        load_dataset(options(download=True, five_core=False), tmp_path / "none")


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**40), 2**40) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


@given(st.lists(st.fixed_dictionaries({
    "asin": st.text(min_size=1, max_size=6), "title": st.none() | st.text(max_size=12), "brand": st.text(max_size=6),
    "categories": st.lists(st.lists(st.text(max_size=6), max_size=3), max_size=2),
    "price": st.none() | st.floats(0, 100)}, optional={"related": VALUES}), min_size=1, max_size=4))  # fmt: skip
def test_python_dicts_are_read_as_python_reads_them(rows):
    lines = [repr(row) for row in rows]
    assert [parse_line(line) for line in lines] == rows
    table = _fast("\n".join(lines), amazon._META["2014"])
    if table is not None:  # what pyarrow refuses is read by line
        wanted = [{key: row.get(key) for key in ("asin", "title", "brand", "categories", "price")} for row in rows]
        assert table.select(["asin", "title", "brand", "categories", "price"]).to_pylist() == wanted


def test_most_python_dicts_need_no_second_reading():
    assert _fast("\n".join(META), amazon._META["2014"]).num_rows == len(META)
    escaped = _fast("{u'asin': u'x', 'title': 'It\\'s \\x41 \"b\"'}", amazon._META["2014"])
    assert escaped.column("title").to_pylist() == ['It\'s A "b"']
    assert _fast("{'asin': ('x',)}", amazon._META["2014"]) is None


def test_blocks_do_not_matter(tmp_path):
    write(tmp_path)
    path = tmp_path / "amazon" / "meta_X.json.gz"
    for size in (7, 100, 250, 10_000):
        parts = list(read_objects(path, amazon._META["2014"], Findings(), ["asin"], size))
        assert [line for _, lines in parts for line in lines] == [1, 2, 3, 4]
        assert [asin for table, _ in parts for asin in table.column("asin").to_pylist()][1] == "0000031852"


@pytest.mark.real_data
def test_magazines_of_2018(real_data_root):
    def values(field: str) -> set[str]:
        return {value for text in data.items[field] for value in text.split("|")} - {""}

    mags = AmazonOptions(category="Magazine_Subscriptions", release="2018", path="amazon18-magazines", spelling="keep")
    data = load_dataset(mags, real_data_root)
    assert (data.n_users, data.n_items, data.user.size) == (348, 157, 2328)
    assert round(float(data.label.mean()), 4) == 0.8063
    assert [len(values(field)) for field in ("brand", "department", "leaf_category")] == [56, 19, 56]
    shares = [round(float((data.items[field] != "").mean()), 3) for field in ("brand", "department", "leaf_category")]
    assert shares == [0.943, 0.924, 0.866]
    assert (data.items["department"] == "Cooking, Food & Wine").sum() == 20
    assert (data.items["brand"] == "Hearst Magazines").sum() == 24
    assert data.notes["exact copies of a row, dropped"] == 47
    assert data.notes["items without a meta line, kept without words"] == 6
    mags.spelling = "fold"
    data = load_dataset(mags, real_data_root)
    assert len(values("brand")) == 55  # "Meredith corporation" is "Meredith Corporation"
    mags.all_items = True
    assert load_dataset(mags, real_data_root).n_items == 2320 + 6


@pytest.mark.real_data
def test_musical_instruments_of_2014(real_data_root):
    music = AmazonOptions(category="Musical_Instruments", path="amazon14-musical-instruments", meta=False)
    data = load_dataset(music, real_data_root)
    assert (data.n_users, data.n_items, data.user.size) == (1429, 900, 10_261)
    assert int(data.label.sum()) == 6938 + 2084
    assert "1384719342" in data.item_ids
    assert data.notes == {"items without words": 900}

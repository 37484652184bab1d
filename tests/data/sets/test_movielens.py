"""MovieLens 100K on small files in the original format, and fetching it."""

import hashlib
import zipfile
from pathlib import Path

import pytest

from magus_pyg.data import MovieLens100kOptions, load_dataset
from magus_pyg.data.reading.download import fetch_archive
from magus_pyg.errors import ConfigError, DataError

GENRES = "unknown|0\nAction|1\nComedy|2\n\n"
ITEMS = (
    "1|Toy Story (1995)|01-Jan-1996||http://x|0|0|1\n"
    "2|Misérables, Les|01-Feb-1957|||0|1|1\n"
    '3|"Odd" title|||http://y|1|0|0\n'
)
USERS = "1|24|M|technician|85711\n2|17|F|other|94043\n3|70|F|writer|T8H1N\n"
LOG = "2\t3\t3\t881250949\n1\t1\t4\t891717742\n1\t2\t5\t878887116\n"


def write(folder: Path, **changes: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    files = {"u.genre": GENRES, "u.item": ITEMS, "u.user": USERS, "u.data": LOG, **changes}
    for name, text in files.items():
        (folder / name).write_bytes(text.encode("latin-1"))
    return folder


@pytest.fixture(autouse=True)
def _no_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("MAGUS_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("MAGUS_DATA", raising=False)


def options(**changes: object) -> MovieLens100kOptions:
    return MovieLens100kOptions(**{"download": False, "verify": False, **changes})


@pytest.mark.parametrize("place", ["ml-100k/raw", "ml-100k", "."])
def test_values_by_hand(tmp_path, place):
    write(tmp_path / "data" / place)
    data = load_dataset(options(), tmp_path / "data")
    assert data.user_ids.tolist() == ["1", "2", "3"]
    assert data.items.to_dict("list") == {
        "item_id": ["1", "2", "3"],
        "title": ["Toy Story (1995)", "Misérables, Les", '"Odd" title'],
        "genre": ["Comedy", "Action|Comedy", ""],  # the flag "unknown" is no word
        "decade": ["1990s", "1950s", ""],  # of the title first, else of the release date
        "year": ["1995", "1957", ""],
    }
    assert data.users.to_dict("list") == {
        "user_id": ["1", "2", "3"],
        "age": ["18-24", "under 18", "56+"],
        "gender": ["M", "F", "F"],
        "occupation": ["technician", "other", "writer"],
    }
    assert data.item.tolist() == [1, 0, 2]
    assert data.label.tolist() == [1, 1, 0]  # 3 is not above 3
    assert data.notes == {"items without words": 1, "users without history": 1}
    assert (data.max_words, data.word_fields, data.title_field) == (3, ("genre", "decade"), "title")


def test_the_log_must_be_the_published_one(tmp_path):
    write(tmp_path / "ml-100k")
    with pytest.raises(DataError, match=r"u.data is not the published u.data \(3 rows; MD5 .*`dataset.verify=false`"):
        load_dataset(options(verify=True), tmp_path)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"u.data": LOG + "1\t9\t3\t1\n"}, r"u.data, line 4, column 'item_id': '9' is no item of u.item \(1 rows"),
        ({"u.data": LOG + "8\t1\t3\t1\n"}, r"u.data, line 4, column 'user_id': '8' is no user of u.user"),
        ({"u.data": LOG + "1\t1\tx\t1\n"}, r"u.data, line 4, column 'rating': 'x' is no rating"),
        ({"u.data": LOG[:-12]}, r"u.data, line 3: the last row has 3 columns instead of 4"),
        ({"u.data": ""}, r"u.data is empty"),
        (
            {"u.item": ITEMS + "1|again||||0|0|0\n"},
            r"u.item, line 4, column 'item_id': the id '1' is already on line 1",
        ),
        ({"u.item": ITEMS + "4|bad||||0|2|0\n"}, r"u.item, line 4, column 'flag_1': '2' is no genre flag"),
        ({"u.item": ITEMS + "4|short\n"}, r"u.item, line 4: the last row has 2 columns instead of 8"),
        ({"u.user": USERS + "4|old|M|none|1\n"}, r"u.user, line 4, column 'age': 'old' is no age in years"),
    ],
)
def test_bad_files(tmp_path, changes, message):
    write(tmp_path / "ml-100k", **changes)
    with pytest.raises(DataError, match=message):
        load_dataset(options(), tmp_path)


def test_a_missing_file_and_no_files(tmp_path):
    write(tmp_path / "ml-100k")
    (tmp_path / "ml-100k" / "u.item").unlink()
    with pytest.raises(DataError, match=r"ml-100k holds u.data, u.genre, u.user but not u.item"):
        load_dataset(options(), tmp_path)
    with pytest.raises(
        DataError, match=r"looked for in .*nowhere/ml-100k/raw, .*`paths.data=`.*`dataset.download` is off"
    ):
        load_dataset(options(), tmp_path / "nowhere")


def test_unknown_field(tmp_path):
    write(tmp_path)
    with pytest.raises(ConfigError, match="no word field 'director'; there are title, genre, decade, year"):
        load_dataset(options(word_fields=["director"]), tmp_path)


def archive(tmp_path: Path) -> tuple[str, str]:
    write(tmp_path / "made" / "ml-100k")
    path = tmp_path / "ml-100k.zip"
    with zipfile.ZipFile(path, "w") as file:
        for name in ("u.data", "u.item", "u.genre", "u.user"):
            file.write(tmp_path / "made" / "ml-100k" / name, f"ml-100k/{name}")
    return path.as_uri(), hashlib.md5(path.read_bytes()).hexdigest()


def test_fetched_once_into_the_cache(tmp_path, monkeypatch):
    url, checksum = archive(tmp_path)
    monkeypatch.setattr("magus_pyg.data.sets.movielens.URL", url)
    monkeypatch.setattr("magus_pyg.data.sets.movielens.ARCHIVE_MD5", checksum)
    assert load_dataset(options(download=True), tmp_path / "empty").n_items == 3
    # Nothing half-done is left.
    assert sorted(path.name for path in (tmp_path / "cache").iterdir()) == ["ml-100k", "processed"]
    monkeypatch.setattr("magus_pyg.data.sets.movielens.URL", "file:///nowhere")
    assert load_dataset(options(download=True)).n_items == 3


def test_a_download_that_fails(tmp_path, monkeypatch):
    monkeypatch.setattr("magus_pyg.data.sets.movielens.URL", (tmp_path / "none.zip").as_uri())
    with pytest.raises(
        DataError, match=r"looked for in .*cache/ml-100k/ml-100k.*MAGUS_DATA.*Fetching it failed: .*none.zip"
    ):
        load_dataset(options(download=True))


def test_a_damaged_archive_leaves_nothing(tmp_path):
    url, checksum = archive(tmp_path)
    target = tmp_path / "cache" / "ml-100k"
    with pytest.raises(DataError, match=r"has the MD5 [0-9a-f]{32} instead of 0000"):
        fetch_archive(url, "0" * 32, target)
    broken = tmp_path / "broken.zip"
    broken.write_bytes(b"no archive")
    with pytest.raises(DataError, match="could not be fetched"):
        fetch_archive(broken.as_uri(), hashlib.md5(b"no archive").hexdigest(), target)
    assert not list(target.parent.iterdir())
    assert (fetch_archive(url, checksum, target) / "ml-100k" / "u.data").is_file()

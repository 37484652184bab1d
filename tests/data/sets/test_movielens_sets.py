"""MovieLens 1M and latest-small on small files in the original formats."""

import hashlib
import zipfile
from pathlib import Path

import pytest

from magus_pyg.data import Findings, MovieLens1M, MovieLens1MOptions, MovieLensLatestSmallOptions, load_dataset
from magus_pyg.errors import DataError

MOVIES = (
    "1::Toy Story (1995)::Animation|Children's|Comedy\n"
    "2::Misérables, Les: the (first) one (1957)::Drama\n"
    "3::No year::unknown\n"
)
USERS = "1::F::1::10::48067\n2::M::56::16::70072\n"
RATINGS = "2::1::5::978300760\n1::2::3::978302109\n1::1193::4::978301968\n1::1::4::978300275\n"


def write_1m(folder: Path, encoding: str = "latin-1", **changes: str) -> Path:
    (folder / "ml-1m").mkdir(parents=True, exist_ok=True)
    for name, text in {"movies": MOVIES, "users": USERS, "ratings": RATINGS, **changes}.items():
        (folder / "ml-1m" / f"{name}.dat").write_bytes(text.encode(encoding))
    return folder


def one_million(**changes: object) -> MovieLens1MOptions:
    return MovieLens1MOptions(**{"download": False, **changes})


@pytest.mark.parametrize("encoding", ["latin-1", "utf-8"])
@pytest.mark.parametrize("ends", ["\n", "\r\n"])
def test_values_of_1m_by_hand(tmp_path, encoding, ends):
    write_1m(tmp_path, encoding, movies=MOVIES.replace("\n", ends))
    data = load_dataset(one_million(), tmp_path)
    assert data.items.to_dict("list") == {
        "item_id": ["1", "2", "3", "1193"],
        "title": ["Toy Story (1995)", "Misérables, Les: the (first) one (1957)", "No year", ""],
        "genre": ["Animation|Children's|Comedy", "Drama", "unknown", ""],
        "decade": ["1990s", "1950s", "", ""],
        "year": ["1995", "1957", "", ""],
    }
    assert data.users.to_dict("list") == {
        "user_id": ["1", "2"],
        "age": ["under 18", "56+"],
        "gender": ["F", "M"],
        "occupation": ["K-12 student", "self-employed"],
    }
    assert data.item.tolist() == [0, 3, 1, 0]
    assert data.label.tolist() == [1, 1, 0, 1]
    assert data.title_field == "title"
    assert data.notes["items without a row in the item table, kept without words"] == 1


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"ratings": RATINGS + "1::2::3\n1::2::3::4\n"},
            r"ratings.dat, line 5: 3 columns instead of 4: \['1', '2'",
        ),
        ({"ratings": RATINGS + "7::1::3::4\n"}, r"ratings.dat, line 5, column 'user_id': '7' is no user of users.dat"),
        ({"users": USERS + "3::F::26::1::x\n"}, r"users.dat, line 3, column 'age': '26' is no age code"),
        ({"users": USERS + "3::F::25::21::x\n"}, r"users.dat, line 3, column 'occupation': '21' is no occupation code"),
        (
            {"movies": MOVIES + "1::Again::Drama\n"},
            r"movies.dat, line 4, .*the id '1' is already on line 1",
        ),
        ({"movies": ""}, r"movies.dat is empty \(0 bytes\)"),
    ],
)
def test_bad_files_of_1m(tmp_path, changes, message):
    with pytest.raises(DataError, match=message):
        load_dataset(one_million(), write_1m(tmp_path, **changes))


def test_every_problem_at_once(tmp_path):
    ratings = "7::1::3::4\n1::2\n" + RATINGS + "1::1::x::5\n8::1::3::4\n1::1::y::5\n"
    write_1m(tmp_path, ratings=ratings, users=USERS + "2::M::1::1::x\n")
    findings = Findings(collect=True)
    data = MovieLens1M(tmp_path, one_million()).load(findings)
    assert data.user.size == 4
    folder = f"{tmp_path}/ml-1m/"
    assert findings.problems == [
        f"{folder}users.dat, line 3, column 'user_id': the id '2' is already on line 2 (1 repeated rows); keep one row "
        "for each id",
        f"{folder}ratings.dat, line 2: 2 columns instead of 4: ['1', '2']",
        f"{folder}ratings.dat, line 1, column 'user_id': '7' is no user of users.dat (2 rows with 2 such ids); add the "
        "missing rows or take these out of the log; lines 1, 8",
        f"{folder}ratings.dat, line 7, column 'rating': 'x' is no rating (2 such rows); lines 7, 9",
    ]


LATEST = {
    "movies.csv": (
        "movieId,title,genres\n1,Toy Story (1995),Adventure|Animation\n"
        '11,"American President, The (1995) ",Comedy\n3,Planet (2006-2012),(no genres listed)\n'
        "4,Show (2006\u2013 ),Drama\n"
    ),
    "ratings.csv": "userId,movieId,rating,timestamp\n2,1,3.5,964982703\n2,3,0.5,964981247\n1,11,3.0,964982224\n",
}


def write_latest(folder: Path) -> Path:
    (folder / "ml-latest-small").mkdir(parents=True)
    for name, text in LATEST.items():
        (folder / "ml-latest-small" / name).write_text(text)
    return folder


def test_values_of_latest_small_by_hand(tmp_path):
    data = load_dataset(MovieLensLatestSmallOptions(download=False), write_latest(tmp_path))
    assert data.user_ids.tolist() == ["2", "1"]
    assert data.items["genre"].tolist() == ["Adventure|Animation", "Comedy", "", "Drama"]
    assert data.items["year"].tolist() == ["1995", "1995", "2006", "2006"]
    assert data.items["title"].tolist()[1] == "American President, The (1995) "
    assert data.title_field == "title"
    assert (data.user.tolist(), data.item.tolist(), data.label.tolist()) == ([0, 0, 1], [2, 0, 1], [0, 1, 0])
    assert data.notes == {"values of genre that mean no value": 1, "items without history": 1}


def test_years_as_bands(tmp_path):
    options = MovieLensLatestSmallOptions(download=False, bands={"year": 2}, word_fields=["genre", "year"])
    data = load_dataset(options, write_latest(tmp_path))
    assert data.items["year"].tolist() == ["year 1995", "year 1995", "year 2006", "year 2006"]


def test_latest_small_is_fetched_with_the_checksum_beside_it(tmp_path, monkeypatch):
    write_latest(tmp_path / "made")
    archive = tmp_path / "small.zip"
    with zipfile.ZipFile(archive, "w") as file:
        for name in LATEST:
            file.write(tmp_path / "made" / "ml-latest-small" / name, f"ml-latest-small/{name}")
    monkeypatch.setattr("magus_pyg.data.sets.movielens.URL_LATEST_SMALL", archive.as_uri())
    beside = tmp_path / "small.zip.md5"
    beside.write_text(f"MD5 (small.zip) = {'0' * 32}\n")
    with pytest.raises(DataError, match="Fetching it failed"):
        load_dataset(MovieLensLatestSmallOptions(), tmp_path / "none")
    beside.write_text(f"MD5 (small.zip) = {hashlib.md5(archive.read_bytes()).hexdigest()}\n")
    assert load_dataset(MovieLensLatestSmallOptions(), tmp_path / "none").user.size == 3

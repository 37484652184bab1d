"""MovieLens 100K, 1M and latest-small in their original files (Harper and Konstan 2015, "The MovieLens Datasets")."""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from magus_pyg.data.assemble import InteractionLog, PreparedData, SourceTables, prepare
from magus_pyg.data.field_values import FieldEntries, split_texts
from magus_pyg.data.reading import column_checks as checks
from magus_pyg.data.reading.delimited import guess_encoding
from magus_pyg.data.reading.download import fetch_archive, md5
from magus_pyg.data.reading.findings import Findings
from magus_pyg.data.reading.table_files import FileTable, read_table
from magus_pyg.data.sets.field_tables import field_table, one_each
from magus_pyg.data.sets.raw_dataset import RawDataset, RawOptions

__all__ = [
    "MovieLens1M",
    "MovieLens1MOptions",
    "MovieLens100k",
    "MovieLens100kOptions",
    "MovieLensLatestSmall",
    "MovieLensLatestSmallOptions",
]

URL = "https://files.grouplens.org/datasets/movielens/ml-100k.zip"
ARCHIVE_MD5 = "0e33842e24a9c977be4e0107933c0723"
LOG_MD5 = "6e47046882bad158b0efbb84cd5cb987"
URL_1M = "https://files.grouplens.org/datasets/movielens/ml-1m.zip"
ARCHIVE_MD5_1M = "c4d9eecfca2ab87c1945afe126590906"
URL_LATEST_SMALL = "https://files.grouplens.org/datasets/movielens/ml-latest-small.zip"
MOVIELENS_AGES = (
    (0, "under 18"),
    (18, "18-24"),
    (25, "25-34"),
    (35, "35-44"),
    (45, "45-49"),
    (50, "50-55"),
    (56, "56+"),
)
AGE_CODES = {1: "under 18", **dict(MOVIELENS_AGES[1:])}
OCCUPATIONS = (
    "other", "academic/educator", "artist", "clerical/admin", "college/grad student", "customer service",
    "doctor/health care", "executive/managerial", "farmer", "homemaker", "K-12 student", "lawyer", "programmer",
    "retired", "sales/marketing", "scientist", "self-employed", "technician/engineer", "tradesman/craftsman",
    "unemployed", "writer",
)  # fmt: skip


@dataclass
class MovieLensOptions(RawOptions):
    """Options that the MovieLens sets share.

    Attributes:
        positive_above: ratings greater than this are positive.
    """

    word_fields: list[str] = field(default_factory=lambda: ["genre", "decade"])
    title_field: str = "title"
    download: bool = True
    positive_above: float = 3.0


@dataclass
class MovieLens100kOptions(MovieLensOptions):
    """Options of MovieLens 100K: 943 users, 1,682 movies, 100,000 ratings from 1 to 5.

    Attributes:
        word_fields: of genre, decade, year. The flag "unknown" is no genre.
        profile_fields: of age (a band such as "25-34"), gender, occupation.
        verify: whether u.data must be the published file, by its MD5. Turn it off for a part or a copy of your own.
    """

    name: str = "ml-100k"
    profile_fields: list[str] = field(default_factory=lambda: ["age", "gender", "occupation"])
    verify: bool = True


@dataclass
class MovieLens1MOptions(MovieLensOptions):
    """Options of MovieLens 1M: 6,040 users, 3,883 movies, 1,000,209 ratings from 1 to 5.

    Attributes:
        word_fields: of genre, decade, year.
        profile_fields: of age (a band such as "25-34"), gender, occupation.
    """

    name: str = "ml-1m"
    profile_fields: list[str] = field(default_factory=lambda: ["age", "gender", "occupation"])


@dataclass
class MovieLensLatestSmallOptions(MovieLensOptions):
    """Options of MovieLens latest-small: about 100,000 ratings from 0.5 to 5 in halves; no profiles.

    Attributes:
        word_fields: of genre, decade, year.
    """

    name: str = "ml-latest-small"
    empty_values: dict[str, list[str]] = field(default_factory=lambda: {"genre": ["(no genres listed)"]})


class MovieLens100k(RawDataset[MovieLens100kOptions]):
    """MovieLens 100K: ratings, genres and decades, and user profiles.

    The decade is that of the year in the title, else of the release date. Item ids are those of u.item, in its order.
    """

    folder = "ml-100k"
    page = "https://grouplens.org/datasets/movielens/100k/"
    options_class = MovieLens100kOptions

    @property
    def raw_file_names(self) -> list[str]:
        """The four files that are needed."""
        return ["u.data", "u.item", "u.genre", "u.user"]

    def download(self) -> None:
        """Fetch the archive into the cache folder."""
        fetch_archive(URL, ARCHIVE_MD5, self.download_dir)

    def process(self, findings: Findings) -> PreparedData:
        """Read the four files."""
        log_path, item_path, genre_path, user_path = self.raw_paths
        notes: dict[str, int] = {}
        items = self._items(item_path, genre_path, findings, notes)
        names = ("user_id", "age", "gender", "occupation", "zip")
        table = read_table(user_path, "|", names, quoted=False, findings=findings)
        starts = np.array([start for start, _ in MOVIELENS_AGES])
        age = np.maximum(np.searchsorted(starts, checks.numbers(table, "age", "age in years"), side="right") - 1, 0)
        bands = np.array([band for _, band in MOVIELENS_AGES], dtype=object)
        users = _users(table, bands[age], _objects(table, "occupation"), notes)
        log = read_table(log_path, "\t", ("user_id", "item_id", "rating", "timestamp"), quoted=False, findings=findings)
        user = checks.indices(log, "user_id", users["user_id"].to_numpy(dtype=object), "user of u.user")
        item = checks.indices(log, "item_id", items["item_id"].to_numpy(dtype=object), "item of u.item")
        rows = _ratings(log, self.options, user, item)
        if self.options.verify and (found := md5(log_path)) != LOG_MD5:
            findings.problem(
                f"{log_path} is not the published u.data ({len(log)} rows; MD5 {found} instead of {LOG_MD5}): it is "
                "cut off or changed. Fetch it again, or set `dataset.verify=false` to use it as it is"
            )
        return prepare(self.options, SourceTables(items, users, notes=notes), rows)

    def _items(self, path: Path, genre_path: Path, findings: Findings, notes: dict[str, int]) -> pd.DataFrame:
        genres = (
            read_table(genre_path, "|", ("genre", "number"), quoted=False, findings=findings).texts("genre").to_pylist()
        )
        flags = [f"flag_{position}" for position in range(len(genres))]
        names = ("item_id", "title", "released", "video", "url", *flags)
        # The published file is Latin-1, which also reads the plain ASCII of stripped copies.
        table = read_table(path, "|", names, quoted=False, encoding="latin-1", findings=findings)
        set_ = np.stack([_flags(table, flag) for flag in flags], axis=1)
        set_ &= np.array([genre != "unknown" for genre in genres])
        row, column = set_.nonzero()
        released = pd.Series(_objects(table, "released"), dtype=object).str.extract(r"-(\d{4})$")[0]
        genre = FieldEntries(row.astype(np.int64), pa.array(np.array(genres, dtype=object)[column], pa.string()))
        return _movies(table, genre, self.options, notes, released)


class MovieLens1M(RawDataset[MovieLens1MOptions]):
    """MovieLens 1M: ratings, genres and decades, and user profiles.

    Files with `::` between the columns, in Latin-1 or, in some copies, UTF-8. Copies of movies.dat lack movies that
    were rated; those are items without words.
    """

    folder = "ml-1m"
    page = "https://grouplens.org/datasets/movielens/1m/"
    options_class = MovieLens1MOptions

    @property
    def raw_file_names(self) -> list[str]:
        """The three files that are needed."""
        return ["ratings.dat", "movies.dat", "users.dat"]

    def download(self) -> None:
        """Fetch the archive into the cache folder."""
        fetch_archive(URL_1M, ARCHIVE_MD5_1M, self.download_dir)

    def process(self, findings: Findings) -> PreparedData:
        """Read the three files."""
        log_path, item_path, user_path = self.raw_paths
        notes: dict[str, int] = {}
        movies = _double_colons(item_path, ("item_id", "title", "genre"), findings)
        items = _movies(movies, split_texts(movies.texts("genre"), "|"), self.options, notes)
        table = _double_colons(user_path, ("user_id", "gender", "age", "occupation", "zip"), findings)
        age = _coded(table, "age", AGE_CODES, "age code")
        users = _users(table, age, _coded(table, "occupation", dict(enumerate(OCCUPATIONS)), "occupation code"), notes)
        log = _double_colons(log_path, ("user_id", "item_id", "rating", "timestamp"), findings)
        user = checks.indices(log, "user_id", users["user_id"].to_numpy(dtype=object), "user of users.dat")
        item, items = _known_or_added(log, items, notes)
        return prepare(self.options, SourceTables(items, users, notes=notes), _ratings(log, self.options, user, item))


class MovieLensLatestSmall(RawDataset[MovieLensLatestSmallOptions]):
    """MovieLens latest-small: ratings in halves, genres and decades; changes a little now and then."""

    folder = "ml-latest-small"
    page = "https://grouplens.org/datasets/movielens/latest/"
    options_class = MovieLensLatestSmallOptions

    @property
    def raw_file_names(self) -> list[str]:
        """The two files that are needed."""
        return ["ratings.csv", "movies.csv"]

    def download(self) -> None:
        """Fetch the archive into the cache folder."""
        fetch_archive(URL_LATEST_SMALL, f"{URL_LATEST_SMALL}.md5", self.download_dir)

    def process(self, findings: Findings) -> PreparedData:
        """Read the two files."""
        log_path, item_path = self.raw_paths
        notes: dict[str, int] = {}
        log, movies = read_table(log_path, findings=findings), read_table(item_path, findings=findings)
        checks.check_columns(log, ("userId", "movieId", "rating", "timestamp"))
        checks.check_columns(movies, ("movieId", "title", "genres"))
        items = _movies(movies, split_texts(movies.texts("genres"), "|"), self.options, notes, key="movieId")
        ids = checks.identifiers(log, "userId").to_pandas()
        user, user_ids = pd.factorize(pd.Series(ids, dtype=object))
        users = pd.DataFrame({"user_id": np.asarray(user_ids, dtype=object)})
        item, items = _known_or_added(log, items, notes, "movieId")
        rows = _ratings(log, self.options, user.astype(np.int64), item)
        return prepare(self.options, SourceTables(items, users, notes=notes), rows)


def _double_colons(path: Path, names: tuple[str, ...], findings: Findings) -> FileTable:
    return read_table(path, "::", names, quoted=False, encoding=guess_encoding(path), findings=findings)


def _objects(table: FileTable, column: str) -> np.ndarray:
    return np.asarray(table.texts(column).to_pandas().to_numpy(dtype=object))


def _movies(
    table: FileTable,
    genre: FieldEntries,
    options: MovieLensOptions,
    notes: dict[str, int],
    released: pd.Series | None = None,
    key: str = "item_id",
) -> pd.DataFrame:
    """The item table: title, genre, decade, year."""
    ids = checks.unique_identifiers(table, key, notes)
    title = _objects(table, "title")
    # "(2006)", and of series "(2006-2012)" or "(2006- )": the first year.
    year = pd.Series(title, dtype=object).str.extract(r"\((\d{4})(?:\s*[-\u2013]\s*(?:\d{4})?\s*)?\)\s*$")[0]
    year = (year if released is None else year.fillna(released)).fillna("")
    decade = year.where(year == "", year.str[:3] + "0s")
    fields = {"genre": genre, "decade": one_each(decade.to_numpy()), "year": one_each(year.to_numpy())}
    frame = field_table("item_id", ids, fields, options, notes, {"title": title})
    return frame[~table.rejected].reset_index(drop=True) if table.rejected.any() else frame


def _users(table: FileTable, age: np.ndarray, occupation: np.ndarray, notes: dict[str, int]) -> pd.DataFrame:
    ids = checks.unique_identifiers(table, "user_id", notes)
    columns = {"user_id": ids, "age": age, "gender": _objects(table, "gender"), "occupation": occupation}
    return pd.DataFrame(columns)[~table.rejected].reset_index(drop=True)


def _known_or_added(
    log: FileTable, items: pd.DataFrame, notes: dict[str, int], key: str = "item_id"
) -> tuple[np.ndarray, pd.DataFrame]:
    """The item of each row, int64 [n], and the items with those that the item table lacks at its end."""
    ids = pd.Series(checks.identifiers(log, key).to_pandas(), dtype=object)
    known = items["item_id"]
    new = ids[~ids.isin(known) & ~log.rejected].unique()
    if len(new):
        notes["items without a row in the item table, kept without words"] = len(new)
        items = pd.concat([items, pd.DataFrame({"item_id": np.asarray(new, dtype=object)})], ignore_index=True).fillna(
            ""
        )
    index = pd.Index(items["item_id"]).get_indexer(pd.Index(ids))
    return np.asarray(index, dtype=np.int64), items


def _ratings(log: FileTable, options: MovieLensOptions, user: np.ndarray, item: np.ndarray) -> InteractionLog:
    rating = checks.numbers(log, "rating", "rating")
    time = checks.moments(log, "timestamp")
    label = (rating > options.positive_above).astype(np.int8)
    value = np.unique(rating, return_inverse=True)[1].astype(np.int64)
    rows = InteractionLog(user, item, label, time.seconds, value=value, fraction=time.fraction)
    return rows.take(~log.rejected) if log.rejected.any() else rows


def _flags(table: FileTable, column: str) -> np.ndarray:
    values = _objects(table, column)
    bad = (values != "0") & (values != "1")
    if bad.any():
        table.reject(bad, column, f"{values[int(bad.argmax())]!r} is no genre flag (0 or 1)")
    return np.asarray(values == "1")


def _coded(table: FileTable, column: str, names: dict[int, str], what: str) -> np.ndarray:
    """Codes as their names, object [rows]."""
    known = {str(code): name for code, name in names.items()}
    texts = _objects(table, column)
    bad = np.array([text not in known for text in texts], dtype=bool)
    if bad.any():
        table.reject(bad, column, f"{texts[int(bad.argmax())]!r} is no {what} ({int(bad.sum())} such rows)")
    return np.array([known.get(text, "") for text in texts], dtype=object)

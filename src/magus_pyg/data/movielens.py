"""MovieLens 100K from its original files (Harper and Konstan 2015, "The MovieLens Datasets")."""

import logging
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from magus_pyg.data import checks
from magus_pyg.data.assemble import Log, Tables, assemble
from magus_pyg.data.dataset import RecDataset
from magus_pyg.data.download import cache_folder, fetch_archive, md5
from magus_pyg.data.options import DatasetOptions
from magus_pyg.data.tables import Table, read_table
from magus_pyg.errors import DataError

__all__ = ["MovieLens100kOptions", "load_movielens"]

logger = logging.getLogger(__name__)

URL = "https://files.grouplens.org/datasets/movielens/ml-100k.zip"
ARCHIVE_MD5 = "0e33842e24a9c977be4e0107933c0723"
LOG_MD5 = "6e47046882bad158b0efbb84cd5cb987"
FILES = ("u.data", "u.item", "u.genre", "u.user")
AGE_BANDS = ((0, "under 18"), (18, "18-24"), (25, "25-34"), (35, "35-44"), (45, "45-49"), (50, "50-55"), (56, "56+"))


@dataclass
class MovieLens100kOptions(DatasetOptions):
    """Options of MovieLens 100K.

    The four files (u.data, u.item, u.genre, u.user) are looked for in `<data root>/ml-100k/raw`, `<data root>/ml-100k`
    and the data root itself, in this order, then in the cache folder (see `cache_folder`), and else fetched.

    Attributes:
        word_fields: of genre, decade, year. The flag "unknown" is no genre.
        profile_fields: of age (a band such as "25-34"), gender, occupation.
        positive_above: ratings greater than this are positive.
        download: whether the archive is fetched where the files are nowhere found.
        verify: whether u.data must be the published file, by its MD5. Turn it off for a part or a copy of your own.
    """

    name: str = "ml-100k"
    word_fields: list[str] = field(default_factory=lambda: ["genre", "decade"])
    profile_fields: list[str] = field(default_factory=lambda: ["age", "gender", "occupation"])
    positive_above: float = 3.0
    download: bool = True
    verify: bool = True


def load_movielens(options: MovieLens100kOptions, data_root: Path | None = None) -> RecDataset:
    """Read MovieLens 100K: ratings, genres and decades, and user profiles.

    The decade is that of the year in the title, else of the release date. Item ids are those of u.item, in its order.

    Raises:
        DataError: if the files are nowhere to be had, or hold something that cannot be used.
    """
    folder = _locate(data_root, options.download)
    items = _items(folder)
    users = _users(folder)
    log = read_table(folder / "u.data", "\t", ("user_id", "item_id", "rating", "timestamp"), quoted=False)
    user = checks.indices(log, "user_id", users["user_id"].to_numpy(dtype=object), "user of u.user")
    item = checks.indices(log, "item_id", items["item_id"].to_numpy(dtype=object), "item of u.item")
    rating = checks.numbers(log, "rating", "rating")
    time = checks.seconds(log, "timestamp")
    if options.verify and (found := md5(log.path)) != LOG_MD5:
        raise DataError(
            f"{log.path} is not the published u.data ({len(log)} rows; MD5 {found} instead of {LOG_MD5}): it is cut "
            "off or changed. Fetch it again, or set `dataset.verify=false` to use it as it is"
        )
    label = (rating > options.positive_above).astype(np.int8)
    values = np.unique(rating, return_inverse=True)[1].astype(np.int64)
    return assemble(options, Tables(items, users), Log(user, item, label, time, value=values))


def _locate(data_root: Path | None, download: bool) -> Path:
    """The folder of the four files; the search order is that of `MovieLens100kOptions`."""
    places = [data_root / "ml-100k" / "raw", data_root / "ml-100k", data_root] if data_root is not None else []
    cached = cache_folder() / "ml-100k"
    for folder in [*places, cached / "ml-100k"]:
        held = [name for name in FILES if (folder / name).is_file()]
        if held and len(held) < len(FILES):
            missing = ", ".join(name for name in FILES if name not in held)
            raise DataError(f"{folder} holds {', '.join(held)} but not {missing}; all of {', '.join(FILES)} are needed")
        if held:
            return folder
    looked = ", ".join(str(folder) for folder in [*places, cached / "ml-100k"])
    advice = (
        f"the files {', '.join(FILES)} of ml-100k were looked for in {looked}. Set `paths.data=` or the variable "
        f"MAGUS_DATA to the folder that holds ml-100k, or unpack {URL} there"
    )
    if not download:
        raise DataError(f"{advice} (`dataset.download` is off)")
    logger.info("fetching %s into %s", URL, cached)
    try:
        fetch_archive(URL, ARCHIVE_MD5, cached)
    except DataError as error:
        raise DataError(f"{advice}. Fetching it failed: {error}") from error
    return cached / "ml-100k"


def _items(folder: Path) -> pd.DataFrame:
    genres = read_table(folder / "u.genre", "|", ("genre", "number"), quoted=False).texts("genre").to_pylist()
    names = ("item_id", "title", "released", "video", "url", *(f"flag_{position}" for position in range(len(genres))))
    # The published file is Latin-1, which also reads the plain ASCII of stripped copies.
    table = read_table(folder / "u.item", "|", names, quoted=False, encoding="latin-1")
    ids = checks.unique_identifiers(table, "item_id")
    flags = np.stack([_flags(table, f"flag_{position}") for position in range(len(genres))], axis=1)
    flags &= np.array([genre != "unknown" for genre in genres])
    row, column = flags.nonzero()
    names_of = pd.Series(np.array(genres, dtype=object)[column], dtype=object).groupby(row).agg("|".join)
    genre = names_of.reindex(range(len(ids)), fill_value="")
    title = pd.Series(table.texts("title").to_pandas(), dtype=object)
    released = pd.Series(table.texts("released").to_pandas(), dtype=object)
    year = title.str.extract(r"\((\d{4})\)\s*$")[0].fillna(released.str.extract(r"-(\d{4})$")[0]).fillna("")
    decade = year.where(year == "", year.str[:3] + "0s")
    columns = {"item_id": ids, "title": title, "genre": genre, "decade": decade, "year": year}
    return pd.DataFrame({name: np.asarray(column, dtype=object) for name, column in columns.items()})


def _flags(table: Table, column: str) -> np.ndarray:
    values = table.texts(column).to_pandas().to_numpy(dtype=object)
    bad = (values != "0") & (values != "1")
    if bad.any():
        row = int(bad.argmax())
        raise DataError(f"{table.where(row, column)}: {values[row]!r} is no genre flag (0 or 1)")
    return np.asarray(values == "1")


def _users(folder: Path) -> pd.DataFrame:
    table = read_table(folder / "u.user", "|", ("user_id", "age", "gender", "occupation", "zip"), quoted=False)
    ids = checks.unique_identifiers(table, "user_id")
    starts = np.array([start for start, _ in AGE_BANDS])
    bands = np.array([band for _, band in AGE_BANDS], dtype=object)
    age = checks.numbers(table, "age", "age in years")
    columns = {
        "user_id": ids,
        "age": bands[np.maximum(np.searchsorted(starts, age, side="right") - 1, 0)],
        "gender": table.texts("gender").to_pandas().to_numpy(dtype=object),
        "occupation": table.texts("occupation").to_pandas().to_numpy(dtype=object),
    }
    return pd.DataFrame(columns)

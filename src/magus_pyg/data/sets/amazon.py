"""Amazon product reviews, any category: the release of 2014 (McAuley et al. 2015), which the paper uses, and of 2018
(Ni et al. 2019)."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from magus_pyg.data.assemble import InteractionLog, PreparedData, SourceTables, prepare
from magus_pyg.data.field_values import FieldEntries
from magus_pyg.data.reading.download import fetch_file
from magus_pyg.data.reading.findings import Findings
from magus_pyg.data.reading.json_lines import read_objects
from magus_pyg.data.reading.line_blocks import BadRows
from magus_pyg.data.sets.field_tables import field_table, one_each
from magus_pyg.data.sets.raw_dataset import RawDataset, RawOptions
from magus_pyg.errors import ConfigError
from magus_pyg.options import check_options, one_of

__all__ = ["Amazon", "AmazonOptions"]

_TEXT, _LIST = pa.string(), pa.list_(pa.string())
_REVIEW = pa.schema([("reviewerID", _TEXT), ("asin", _TEXT), ("overall", pa.float64()), ("unixReviewTime", pa.int64())])
_META = {
    "2014": pa.schema(
        [("asin", _TEXT), ("title", _TEXT), ("brand", _TEXT), ("categories", pa.list_(_LIST)), ("price", pa.float64())]
    ),
    "2018": pa.schema([("asin", _TEXT), ("title", _TEXT), ("brand", _TEXT), ("category", _LIST), ("price", _TEXT)]),
}
_PRICE = r"^\s*\$?\s*([0-9][0-9,]*(?:\.[0-9]+)?|\.[0-9]+)\s*(?:-.*)?$"
# Reviews were collected from May 1996 on; the releases end in July 2014 and October 2018.
_FIRST = int(pd.Timestamp("1995-01-01").timestamp())
_LAST = {"2014": int(pd.Timestamp("2014-12-31").timestamp()), "2018": int(pd.Timestamp("2018-12-31").timestamp())}
_URLS = {
    "2014": ("https://snap.stanford.edu/data/amazon/productGraph/categoryFiles/",) * 2,
    "2018": (
        "https://mcauleylab.ucsd.edu/public_datasets/data/amazon_v2/categoryFilesSmall/",
        "https://mcauleylab.ucsd.edu/public_datasets/data/amazon_v2/metaFiles2/",
    ),
}
_PAGES = {
    "2014": "https://jmcauley.ucsd.edu/data/amazon/",
    "2018": "https://cseweb.ucsd.edu/~jmcauley/datasets/amazon_v2/",
}


@dataclass
class AmazonOptions(RawOptions):
    """Options of Amazon reviews.

    Attributes:
        category: as in the names of the files, such as Musical_Instruments.
        release: "2014" or "2018".
        five_core: the file of users and items with at least five reviews; else the whole category.
        meta: whether the file of brands and categories is read; without it items have no words.
        all_items: also items of the meta file that nobody reviewed.
        word_fields: of brand, category (all levels without the root), department (the first of them), leaf_category
            (the last, where there are several), and price, which needs `bands`.
        positive_above: ratings greater than this are positive.
        out_of_range: what becomes of rows whose time lies outside of the release's: "error", or "drop" (counted).
    """

    name: str = "amazon"
    word_fields: list[str] = field(default_factory=lambda: ["brand", "category"])
    title_field: str = "title"
    empty_values: dict[str, list[str]] = field(default_factory=lambda: {"*": ["unknown"]})
    category: str = ""
    release: str = "2014"
    five_core: bool = True
    meta: bool = True
    all_items: bool = False
    positive_above: float = 3.0
    out_of_range: str = "error"


class Amazon(RawDataset[AmazonOptions]):
    """Amazon reviews of one category, with brands and categories.

    Ids are texts. Users and items are numbered in the order of their ids. Of several meta lines for one item the first
    counts; the others, and items without one, are counted. Titles that are scraped fragments of pages are left empty.
    """

    folder = "amazon"
    options_class = AmazonOptions

    @property
    def page(self) -> str:  # type: ignore[override]
        """Where a person gets the files."""
        return _PAGES[self.options.release]

    @property
    def raw_file_names(self) -> list[str]:
        """The reviews, and the meta file if it is wanted."""
        category, core = self.options.category, "_5" if self.options.five_core else ""
        reviews = f"{category}{core}" if self.options.release == "2018" else f"reviews_{category}{core}"
        return [f"{reviews}.json.gz", *([f"meta_{category}.json.gz"] if self.options.meta else [])]

    def check(self) -> None:
        """Check the options."""
        super().check()
        check_options(self.options, "dataset", release=one_of(_META), out_of_range=one_of(("error", "drop")))
        if not self.options.category:
            raise ConfigError(
                "dataset=amazon needs a category as in the names of the files: add dataset.category=... such as "
                "Musical_Instruments"
            )
        if not re.fullmatch(r"\w[\w.&-]*", self.options.category, re.ASCII):
            raise ConfigError(
                f"dataset.category={self.options.category!r} is no category as in the names of the files: letters, "
                "digits and _, such as Musical_Instruments"
            )

    def download(self) -> None:
        """Fetch the files into the cache folder."""
        reviews, meta = _URLS[self.options.release]
        if self.options.release == "2018" and not self.options.five_core:
            reviews = reviews.replace("categoryFilesSmall", "categoryFiles")
        for name in self.raw_file_names:
            fetch_file((meta if name.startswith("meta_") else reviews) + name, self.download_dir / name)

    def _without(self, missing: list[str]) -> str:
        only_meta = all(name.startswith("meta_") for name in missing)
        return ", or set `dataset.meta=false` to go on without words" if only_meta else ""

    def process(self, findings: Findings) -> PreparedData:
        """Read the reviews, then the meta lines of their items."""
        notes: dict[str, int] = {}
        reviews = self._reviews(self.raw_paths[0], findings, notes)
        user_ids, user = _encoded(reviews.column("reviewerID"))
        item_ids, item = _encoded(reviews.column("asin"))
        if self.options.meta:
            items = self._meta(self.raw_paths[1], item_ids, findings, notes)
        else:
            blank = one_each(np.full(len(item_ids), "", dtype=object))
            fields = dict.fromkeys(("brand", "category", "department", "leaf_category", "price"), blank)
            items = field_table("item_id", item_ids, fields, self.options, notes, {"title": blank.text.to_numpy(False)})
        rating = reviews.column("overall").to_numpy()
        label = (rating > self.options.positive_above).astype(np.int8)
        value = np.unique(rating, return_inverse=True)[1].astype(np.int64)
        log = InteractionLog(user, item, label, reviews.column("unixReviewTime").to_numpy(), value=value)
        users = pd.DataFrame({"user_id": user_ids})
        return prepare(self.options, SourceTables(items, users, notes=notes), log)

    def _reviews(self, path: Path, findings: Findings, notes: dict[str, int]) -> pa.Table:
        tally, last, parts = BadRows(findings), _LAST[self.options.release], []
        for table, lines in read_objects(path, _REVIEW, findings, _REVIEW.names):
            rating, time = table.column("overall").to_numpy(), table.column("unixReviewTime").to_numpy()
            wrong = ~((rating >= 1) & (rating <= 5))
            _tell(tally, path, lines, wrong, "overall", rating, "is no rating from 1 to 5")
            late = (time < _FIRST) | (time > last)
            what = f"is no time in seconds up to the end of {self.options.release}"
            if self.options.out_of_range == "error":
                _tell(
                    tally,
                    path,
                    lines,
                    late,
                    "unixReviewTime",
                    time,
                    f"{what}; `dataset.out_of_range=drop` leaves it out",
                )
            elif late.any():
                note = f"rows whose unixReviewTime {what}, dropped"
                notes[note] = notes.get(note, 0) + int(late.sum())
            bad = wrong | late
            parts.append(table.filter(pa.array(~bad)) if bad.any() else table)
        tally.report()
        return pa.concat_tables(parts) if parts else _REVIEW.empty_table()

    def _meta(self, path: Path, item_ids: np.ndarray, findings: Findings, notes: dict[str, int]) -> pd.DataFrame:
        """The item table: the reviewed items in the order of their ids, then, if wanted, the others."""
        reviewed = pa.array(item_ids, _TEXT)
        parts, lines = [], 0
        for table, numbers in read_objects(path, _META[self.options.release], findings, ["asin"]):
            lines += len(numbers)
            kept = pc.is_in(table.column("asin"), value_set=reviewed)
            parts.append(table if self.options.all_items else table.filter(kept))
        meta = pa.concat_tables(parts) if parts else _META[self.options.release].empty_table()
        ids = pd.Series(meta.column("asin").to_pandas(), dtype=object)
        again = ids.duplicated().to_numpy()
        if again.any():
            notes["meta lines of an item that had one before, left out"] = int(again.sum())
            meta, ids = meta.filter(pa.array(~again)), ids[~again].reset_index(drop=True)
        others = ids[~ids.isin(item_ids)].sort_values().to_numpy(dtype=object)
        every = np.concatenate([item_ids, others])
        place = pd.Index(ids).get_indexer(pd.Index(every, dtype=object))
        if (place < 0).any():
            notes["items without a meta line, kept without words"] = int((place < 0).sum())
        # A missing line is a null in every column.
        meta = meta.take(pa.array(place, pa.int64(), mask=place < 0)).combine_chunks()
        fields, title = self._fields(meta, notes)
        return field_table("item_id", every, fields, self.options, notes, {"title": title})

    def _fields(self, meta: pa.Table, notes: dict[str, int]) -> tuple[dict[str, FieldEntries], np.ndarray]:
        paths = _paths(meta, "categories" if self.options.release == "2014" else "category")
        titles = meta.column("title").fill_null("")
        fragment = pc.match_substring_regex(titles, r"<\s*/?\w|/>|\{")
        title = pc.if_else(fragment, "", titles).to_pandas().to_numpy(dtype=object)
        price = meta.column("price").cast(_TEXT).fill_null("")
        # "$1,299.00", and of a range "$5.00 - $8.00" the first; where a page was scraped, anything.
        number = pc.match_substring_regex(price, _PRICE)
        strange = pc.and_(pc.not_equal(price, ""), pc.invert(number))
        if pc.any(strange).as_py():
            notes["prices that are no number, left out"] = pc.sum(strange).as_py()
        price = pc.replace_substring(pc.replace_substring_regex(price, _PRICE, r"\1"), ",", "")
        price = pc.if_else(number, price, "")
        return {
            "brand": one_each(meta.column("brand").fill_null("").to_pandas().to_numpy(dtype=object)),
            "category": paths.entries(paths.level >= 1),
            "department": paths.entries(paths.level == 1),
            "leaf_category": paths.entries((paths.level >= 2) & paths.leaf),
            "price": one_each(price.to_pandas().to_numpy(dtype=object)),
        }, title


@dataclass(frozen=True)
class _Paths:
    """Category paths, an entry a level: its item, its text, its level (0 the root), whether it is the last."""

    row: np.ndarray
    text: pa.Array
    level: np.ndarray
    leaf: np.ndarray

    def entries(self, chosen: np.ndarray) -> FieldEntries:
        """Some of the levels as entries of a field."""
        return FieldEntries(self.row[chosen], self.text.filter(pa.array(chosen)))


def _paths(meta: pa.Table, column: str) -> _Paths:
    """The paths of the items: a list of them in 2014, one in 2018."""
    lists = pa.concat_arrays(meta.column(column).chunks) if meta.num_rows else pa.array([], meta.column(column).type)
    row = np.arange(len(lists))
    if pa.types.is_list(lists.type.value_type):
        row = np.asarray(pc.list_parent_indices(lists).to_numpy(), dtype=np.int64)
        lists = pc.list_flatten(lists)
    path = np.asarray(pc.list_parent_indices(lists).to_numpy(), dtype=np.int64)
    # Scraped categories hold tags of the page.
    text = pc.replace_substring_regex(pc.list_flatten(lists).fill_null(""), "<[^<>]*>", " ")
    first = np.concatenate([[True], path[1:] != path[:-1]])[: path.size]
    leaf = np.concatenate([path[1:] != path[:-1], [True]])[: path.size]
    level = (
        np.arange(path.size) - np.maximum.accumulate(np.where(first, np.arange(path.size), 0)) if path.size else path
    )
    return _Paths(row[path], text, level, leaf)


def _encoded(texts: pa.ChunkedArray) -> tuple[np.ndarray, np.ndarray]:
    """The distinct texts in order, object [K], and the position of each: int64 [n]."""
    distinct = pc.unique(texts)
    distinct = distinct.take(pc.array_sort_indices(distinct))
    index = pc.index_in(texts, value_set=distinct)
    return distinct.to_pandas().to_numpy(dtype=object), np.asarray(index.to_numpy(), dtype=np.int64)


def _tell(
    tally: BadRows, path: Path, lines: Sequence[int], bad: np.ndarray, key: str, values: np.ndarray, what: str
) -> None:
    rows = np.flatnonzero(bad)
    for place, row in enumerate(rows[:5]):
        count = rows.size - len(rows[:5]) + 1 if place == 0 else 1
        tally.add(path, lines[row], f"{key} {what}", f", {key!r}: {values[row]} {what}", count)

"""The one checked form of a data set that everything above this floor reads."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from magus_pyg.errors import DataError

__all__ = ["PARTS", "RecDataset", "exact_column", "part_index"]

PARTS: tuple[str, ...] = ("train", "validation", "test")
_PIECE = 1 << 20


def part_index(part: str) -> int:
    """The number of a part in `RecDataset.part`: 0 train, 1 validation, 2 test.

    Raises:
        DataError: for any other name.
    """
    if part not in PARTS:
        raise DataError(f"unknown part {part!r}; choose one of {', '.join(PARTS)}")
    return PARTS.index(part)


def exact_column(name: str) -> str:
    """The column of an item table that keeps the numbers of a field whose words are bands of them."""
    return f"{name} (exact)"


@dataclass(frozen=True, eq=False)
class RecDataset:
    """Users, items with their words, and a log split by time. U users, I items, n rows of the log.

    Attributes:
        name: name of the data set.
        user_ids: [U] texts.
        item_ids: [I] texts, in the order of the item table; item i is item node i of the graph.
        items: I rows of texts: `item_id` and all fields, several values joined by "|", a missing value is "". The
            numbers behind a field of bands are its `exact_column`.
        users: U rows of texts: `user_id` and the profile fields.
        user: int64 [n], index of the user. Rows are sorted by (user, time, order in the file).
        item: int64 [n], index of the item.
        label: int8 [n], 1 positive, 0 negative.
        time: int64 [n], seconds, or a position where there is only an order.
        part: int8 [n], 0 train, 1 validation, 2 test.
        word_fields: fields whose values are words.
        merge_fields: merged field -> item fields.
        profile_fields: columns of `users` that the recommenders read.
        max_words: most words of a query node.
        max_share: words on a larger share of the items are left out.
        min_support: how many items contain a query node at the least, or "auto".
        max_queries: the most query nodes with which "auto" is 1; else it is 2.
        searched: searched queries: user (int64 index), time (int64), words (text, joined by "|"); may be empty.
        notes: what was counted and carried on with, for example {"items without words": 3} (reading 20).
        ordered: whether the order of a user's rows is that of events; False where the log has neither times nor an
            order within a user, so that `time` only numbers the rows.
        action: int8 [n], index into `actions`; None where the log has no actions or all are alike.
        actions: names of the log's action types where it has several, such as click and buy; else empty.
        title_field: column of `items` with the titles that people see; "" for none.

    Raises:
        DataError: if the arrays contradict each other.
    """

    name: str
    user_ids: np.ndarray
    item_ids: np.ndarray
    items: pd.DataFrame
    users: pd.DataFrame
    user: np.ndarray
    item: np.ndarray
    label: np.ndarray
    time: np.ndarray
    part: np.ndarray
    word_fields: tuple[str, ...]
    merge_fields: dict[str, tuple[str, ...]] = field(default_factory=dict)
    profile_fields: tuple[str, ...] = ()
    max_words: int = 3
    max_share: float = 0.95
    searched: pd.DataFrame = field(default_factory=lambda: empty_searched())
    notes: dict[str, int] = field(default_factory=dict)
    ordered: bool = True
    action: np.ndarray | None = None
    actions: tuple[str, ...] = ()
    title_field: str = ""
    min_support: int | str = "auto"
    max_queries: int = 1_000_000

    def __post_init__(self) -> None:
        n = self.user.size
        dtypes = {"user": np.int64, "item": np.int64, "label": np.int8, "time": np.int64, "part": np.int8}
        for name, dtype in dtypes.items():
            array = getattr(self, name)
            if array.shape != (n,) or array.dtype != dtype:
                raise DataError(
                    f"RecDataset.{name} must be {np.dtype(dtype)} [{n}] (got {array.dtype} {list(array.shape)})"
                )
        for name, count, table in (("items", self.n_items, self.items), ("users", self.n_users, self.users)):
            if len(table) != count:
                raise DataError(f"RecDataset.{name} must have {count} rows (got {len(table)})")
        limits = {"user": self.n_users, "item": self.n_items, "label": 2, "part": len(PARTS)}
        for name, limit in limits.items():
            array = getattr(self, name)
            if n and (array.min() < 0 or array.max() >= limit):
                raise DataError(f"RecDataset.{name} must be in [0, {limit}) (got {array.min()} to {array.max()})")
        same_user = self.user[1:] == self.user[:-1]
        if (self.user[1:] < self.user[:-1]).any() or (same_user & (self.time[1:] < self.time[:-1])).any():
            raise DataError("the rows of a RecDataset must be sorted by user, then by time")
        self._check_actions()

    def _check_actions(self) -> None:
        if len(set(self.actions)) != len(self.actions) or len(self.actions) > np.iinfo(np.int8).max:
            raise DataError(f"RecDataset.actions must be at most 127 different names (got {list(self.actions)})")
        if (self.action is None) != (not self.actions):
            given, missing = ("action", "actions") if self.action is not None else ("actions", "action")
            raise DataError(f"RecDataset.{given} needs RecDataset.{missing}: the codes of the rows and their names")
        if self.action is None:
            return
        n, limit = self.user.size, len(self.actions)
        if self.action.shape != (n,) or self.action.dtype != np.int8:
            raise DataError(f"RecDataset.action must be int8 [{n}] (got {self.action.dtype} {list(self.action.shape)})")
        if n and (self.action.min() < 0 or self.action.max() >= limit):
            raise DataError(
                f"RecDataset.action must be in [0, {limit}) (got {self.action.min()} to {self.action.max()})"
            )

    def __repr__(self) -> str:
        return (
            f"RecDataset({self.name!r}, users={self.n_users}, items={self.n_items}, interactions={self.user.size}, "
            f"positive={int(self.label.sum())})"
        )

    @property
    def n_users(self) -> int:
        """U, users without history included."""
        return len(self.user_ids)

    @property
    def n_items(self) -> int:
        """I, items without history included."""
        return len(self.item_ids)

    @property
    def has_negatives(self) -> bool:
        """Whether the log holds a negative row; if not, negatives have to be sampled."""
        return bool((self.label == 0).any())

    @property
    def word_columns(self) -> tuple[str, ...]:
        """The columns of `items` whose values become words, merged fields resolved, without repeats."""
        return word_columns(self.word_fields, self.merge_fields)

    @property
    def other_columns(self) -> dict[str, str]:
        """What people see of items beside titles and words: its name -> the column of `items`."""
        known = {"item_id", self.title_field, *self.word_columns}
        exact = {exact_column(name): name for name in self.items.columns}
        return {exact.get(column, column): column for column in self.items.columns if column not in known}

    @cached_property
    def user_ptr(self) -> np.ndarray:
        """int64 [U + 1]; the rows of user u are `user_ptr[u]:user_ptr[u + 1]`."""
        return np.concatenate([[0], np.cumsum(np.bincount(self.user, minlength=self.n_users))]).astype(np.int64)

    def rows(self, part: str) -> np.ndarray:
        """Positions of the rows of a part ("train", "validation" or "test"), int64, ascending."""
        return np.flatnonzero(self.part == part_index(part))

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of the content, as 64 hex digits: ids, words, profiles, searched queries, log, parts and actions.

        Two data sets have the same fingerprint exactly if models, graphs and records made from one fit the other. The
        name, the notes, item columns that are no words (so titles), and what chooses words and queries (max_words,
        max_share, min_support, max_queries) are not content.
        """
        digest = hashlib.sha256()

        def add_texts(label: str, values: Iterable[str]) -> None:
            texts = pa.array(list(map(str, values)), pa.large_string())
            # Lengths first: without them ["ab", "c"] and ["a", "bc"] would look the same.
            lengths = pc.binary_length(texts).to_numpy().astype("<i8")
            digest.update(f"{label}:{len(texts)};".encode() + lengths.tobytes())
            digest.update(texts.buffers()[2] or b"")

        def add_numbers(label: str, column: np.ndarray) -> None:
            digest.update(f"{label};".encode())
            # In pieces, since a copy of a whole column may be hundreds of megabytes.
            for start in range(0, column.size, _PIECE):
                digest.update(np.ascontiguousarray(column[start : start + _PIECE], dtype="<i8").data)

        add_texts("users", self.user_ids)
        add_texts("items", self.item_ids)
        add_texts("word_fields", self.word_fields)
        for name in sorted(self.merge_fields):
            add_texts(f"merge {name}", self.merge_fields[name])
        for column in self.word_columns:
            add_texts(f"item {column}", self.items[column])
        for column in self.profile_fields:
            add_texts(f"user {column}", self.users[column])
        for name in ("user", "item", "time", "label", "part"):
            add_numbers(name, getattr(self, name))
        for name in ("user", "time"):
            add_numbers(f"searched {name}", self.searched[name].to_numpy(dtype=np.int64))
        add_texts("searched", self.searched["words"])
        if self.action is not None:
            add_texts("actions", self.actions)
            digest.update(b"action;" + self.action.tobytes())
        if not self.ordered:
            digest.update(b"unordered;")
        return digest.hexdigest()


def word_columns(word_fields: Iterable[str], merge_fields: dict[str, tuple[str, ...]]) -> tuple[str, ...]:
    """The columns behind word fields: a merged field stands for all its columns, any other field for itself."""
    columns: dict[str, None] = {}
    for name in word_fields:
        columns.update(dict.fromkeys(merge_fields.get(name, (name,))))
    # A field that is merged brings the whole merged field with it, in whichever way it was named.
    for members in merge_fields.values():
        if any(member in columns for member in members):
            columns.update(dict.fromkeys(members))
    return tuple(columns)


def empty_searched() -> pd.DataFrame:
    """A table of searched queries without rows."""
    return pd.DataFrame(
        {"user": np.empty(0, np.int64), "time": np.empty(0, np.int64), "words": np.empty(0, dtype=object)}
    )

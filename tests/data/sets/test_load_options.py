"""Every option of a data set changes what is kept of it, or what it is; the others stand on a list here."""

from collections.abc import Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest

from magus_pyg.data import SyntheticOptions, TabularOptions, load_dataset
from magus_pyg.data.dataset_options import DatasetOptions
from magus_pyg.data.sets.load import _RAW
from magus_pyg.data.sets.raw_dataset import RawDataset
from magus_pyg.errors import MagusError

#: What is applied when the kept files are read: it changes the data set, not the files (`test_processed`).
READ_AFTERWARDS = {
    "name", "word_fields", "profile_fields", "max_words", "max_share", "min_support", "max_queries", "title_field"
}  # fmt: skip
#: What says where files come from, and whether they are read anew: it changes neither.
WHERE_FROM = {"path", "download", "force_reload"}


def other_value(value: Any) -> Any:
    """Another value of the same type."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, int | float):
        return value + 1
    if isinstance(value, str):
        return value + "x"
    return [*value, "x"] if isinstance(value, list) else {**value, "x": ["y"]}


@pytest.mark.parametrize("kind", _RAW, ids=lambda kind: kind.__name__)
def test_every_option_of_a_set_has_a_folder_of_its_own(kind: type[RawDataset[Any]]) -> None:
    """Else an option that was changed would be served what was kept without it."""
    plain = kind(None, kind.options_class())
    kept = set()
    for entry in fields(kind.options_class):
        changed = replace(plain.options, **{entry.name: other_value(getattr(plain.options, entry.name))})
        if kind(None, changed)._settings() == plain._settings():
            kept.add(entry.name)
    assert kept == READ_AFTERWARDS | WHERE_FROM


ITEMS = """item_id,title,brand,tag,price
1,One,Acme,red|small,1
2,Two,acme,blue;red,2
3,Three,Café,green,3
4,Four,Bolt,red,9
"""
RATINGS = [("a", 1, 5), ("a", 2, 4), ("a", 3, 2), ("a", 4, 5), ("a", 1, 3), ("b", 1, 1), ("b", 2, 2), ("c", 1, 4.5)]
LOG = (
    "user_id,item_id,rating,timestamp,set\n"
    + "".join(f"{user},{item},{rating},{10 + row},train\n" for row, (user, item, rating) in enumerate(RATINGS))
    + "c,9,5,50,valid\na,1,5,10,test\n"  # an unknown item, and a copy of the first row but for its part
    + "a,1,5,10,train\n"
)
BASE: dict[str, Any] = {
    "word_fields": ["brand", "tag", "price"], "profile_fields": ["age"], "unknown_items": "drop",
}  # fmt: skip
ACTIONS = {"positive": "action", "positive_actions": ["5"]}
PARTS = {"split": "set"}
#: option -> its other value, and what else has to be set for it to mean anything.
CHANGES: dict[str, tuple[Any, Mapping[str, Any]]] = {
    "name": ("shop", {}), "word_fields": (["brand"], {}), "merge_fields": ({"both": ["brand", "tag"]}, {}),
    "profile_fields": ([], {}), "max_words": (2, {}), "max_share": (0.5, {}), "title_field": ("title", {}),
    "min_support": (2, {}), "max_queries": (10, {}),
    "split_by": ("hash", {}), "empty_values": ({"brand": ["Bolt"]}, {}), "bands": ({"price": 2}, {}),
    "spelling": ("keep", {}), "max_length": (4, {}), "repeats": ("keep", {}), "min_user_rows": (3, {}),
    "min_item_rows": (3, {}), "need_positive": (True, {}), "path": ("nowhere", {}), "interactions": ("log", {}),
    "items": ("shop", {}), "users": ("people", {}), "queries": ("searches", {}), "user_id": ("customer", {}),
    "item_id": ("article", {}), "item_key": ("sku", {}), "user_key": ("id", {}), "rating": ("stars", {}),
    "timestamp": ("", {}), "ordered": (False, {}), "timestamp_format": ("iso", {}), "positive": ("all", {}),
    "positive_above": (4.0, {}), "positive_actions": (["4"], ACTIONS), "split": ("set", {}),
    "split_values": (["valid", "train", "test"], PARTS), "unknown_items": ("keep", {}), "separator": (";", {}),
    "words": ("text", {}), "query_separator": (";", {}), "delimiter": ("semicolon", {}), "encoding": ("latin-1", {}),
    "encodings": ({"items": "latin-1"}, {}), "decimal": (",", {}),
}  # fmt: skip


def outcome(options: DatasetOptions) -> object:
    """All that there is to see of a data set, or the error."""
    try:
        data = load_dataset(options)
    except MagusError as error:
        return str(error)
    chosen = (data.max_words, data.max_share, data.min_support, data.max_queries)
    return data.fingerprint, data.notes, data.name, data.title_field, chosen


@pytest.fixture
def shop(tmp_path: Path) -> TabularOptions:
    (tmp_path / "items.csv").write_text(ITEMS, encoding="utf-8")
    (tmp_path / "interactions.csv").write_text(LOG)
    (tmp_path / "users.csv").write_text("user_id,age\na,20\nb,30\nc,20\n")
    (tmp_path / "queries.csv").write_text("user_id,timestamp,words\na,9,red|Acme\nb,12,blue\n")
    return TabularOptions(path=str(tmp_path), **BASE)


def test_every_option_of_a_folder_of_ones_own_changes_the_data_set(shop: TabularOptions) -> None:
    assert set(CHANGES) == {entry.name for entry in fields(TabularOptions)}
    plain = outcome(shop)
    assert isinstance(plain, tuple), plain
    without_effect = []
    for name, (value, also) in CHANGES.items():
        before = replace(shop, **also)
        assert isinstance(outcome(before), tuple), (name, outcome(before))
        if outcome(before) == outcome(replace(before, **{name: value})):
            without_effect.append(name)
    assert without_effect == []


def test_every_option_of_the_synthetic_shop_changes_the_data_set() -> None:
    base = SyntheticOptions(users=20, items=60, brands=5, min_interactions=12, mean_interactions=16.0)
    special = {
        "word_fields": ["brand"], "profile_fields": ["age"], "merge_fields": {}, "title_field": "", "split_by": "hash",
        "positive_share": 0.3, "max_share": 0.5, "unknown_words": 0.5, "min_support": 2,
    }  # fmt: skip
    plain, without_effect = outcome(base), []
    for entry in fields(SyntheticOptions):
        value = special.get(entry.name, other_value(getattr(base, entry.name)))
        changed = outcome(replace(base, **{entry.name: value}))
        assert isinstance(changed, tuple), (entry.name, changed)
        if changed == plain:
            without_effect.append(entry.name)
    assert without_effect == []

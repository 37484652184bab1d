"""Tmall, the log of the IJCAI-15 contest on repeat buyers: users, items, categories, sellers, brands, actions, days.

`user_log_format1.csv` has 54,925,330 rows. There are no names, only numbers, so words read `cat_1271`, `seller_2882`,
`brand_2661`. Days are MMDD of 2015; within a day the order is that of the file.
"""

from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from magus_pyg.data.assemble import PreparedData
from magus_pyg.data.reading.findings import Findings
from magus_pyg.data.reading.integer_logs import EMPTY, ColumnRule, LogLayout, read_integers
from magus_pyg.data.sets.action_logs import (
    DROP_ADVICE,
    ActionOptions,
    check_actions,
    day_seconds,
    known_days,
    prepare_actions,
)
from magus_pyg.data.sets.raw_dataset import RawDataset

__all__ = ["Tmall", "TmallOptions", "log_layout"]

TMALL_ACTIONS = ("click", "cart", "purchase", "favourite")
_START, _END = "2015-05-11", "2015-11-12"
_DAYS = known_days(_START, _END, "%m%d")
_AGES = np.array(["", "under 18", "18-24", "25-29", "30-34", "35-39", "40-49", "50+", "50+"], dtype=object)
_GENDERS = np.array(["female", "male", ""], dtype=object)
_INFO = LogLayout(
    columns=("user_id", "age_range", "gender"),
    optional=("age_range", "gender"),
    rules=(
        ColumnRule("user_id", lambda user: user < 0, "is no user id"),
        ColumnRule("age_range", lambda age: (age > 8) | (age < EMPTY), "is no code of an age (0 to 8, or empty)"),
        ColumnRule("gender", lambda code: (code > 2) | (code < EMPTY), "is no code of a gender (0 to 2, or empty)"),
    ),
)


@dataclass
class TmallOptions(ActionOptions):
    """Options of Tmall.

    Attributes:
        word_fields: of cat_id, seller_id, brand_id.
        profile_fields: of age (a band such as "25-29"), gender.
        positive_actions: of click, cart, purchase, favourite. The paper does not say; purchase, or all three but click.
    """

    name: str = "tmall"
    word_fields: list[str] = field(default_factory=lambda: ["cat_id", "seller_id", "brand_id"])
    profile_fields: list[str] = field(default_factory=lambda: ["age", "gender"])
    positive_actions: list[str] = field(default_factory=lambda: ["purchase"])


class Tmall(RawDataset[TmallOptions]):
    """Tmall in the files of `data_format1.zip`, with or without header lines."""

    folder = "tmall"
    page = "https://tianchi.aliyun.com/dataset/dataDetail?dataId=42 (data_format1.zip; an account is needed)"
    subfolders = ("raw", "data_format1", "raw/data_format1", "")
    options_class = TmallOptions

    @property
    def raw_file_names(self) -> list[str]:
        """The log and the profiles; the contest's train and test lists are not needed."""
        return ["user_log_format1.csv", "user_info_format1.csv"]

    def check(self) -> None:
        """Check the options."""
        super().check()
        check_actions(self.options, TMALL_ACTIONS)

    def process(self, findings: Findings) -> PreparedData:
        """Read the profiles and the log."""
        log_path, info_path = self.raw_paths
        info = read_integers(info_path, _INFO, findings)
        user, first = np.unique(info.columns["user_id"], return_index=True)
        age, gender = info.columns["age_range"][first], info.columns["gender"][first]
        notes = dict(info.notes)
        if user.size < info.columns["user_id"].size:
            notes["repeated rows of user profiles, left out"] = int(info.columns["user_id"].size - user.size)
        users = pd.DataFrame(
            {"user": user, "age": _AGES[np.maximum(age, 0)], "gender": _GENDERS[np.where(gender == EMPTY, 2, gender)]}
        )
        log = read_integers(log_path, log_layout(self.options.out_of_range == "drop"), findings)
        for what, count in log.notes.items():
            notes[what] = notes.get(what, 0) + count
        columns = log.columns
        for new, old in (("user", "user_id"), ("item", "item_id"), ("action", "action_type")):
            columns[new] = columns.pop(old)
        columns["time"] = day_seconds(columns.pop("time_stamp"), _START, _DAYS)
        fields = {
            "cat_id": ("cat_id", "cat_"),
            "seller_id": ("seller_id", "seller_"),
            "brand_id": ("brand_id", "brand_"),
        }
        return prepare_actions(self.options, log_path, columns, TMALL_ACTIONS, fields, notes, users)


def log_layout(drop: bool) -> LogLayout:
    """The columns of the log; `drop` says whether rows with days that are none are dropped."""
    day = f"is no day (MMDD) from {_START} to {_END}{'' if drop else DROP_ADVICE}"
    action = f"is no action; they are {', '.join(f'{code} {name}' for code, name in enumerate(TMALL_ACTIONS))}"
    return LogLayout(
        columns=("user_id", "item_id", "cat_id", "seller_id", "brand_id", "time_stamp", "action_type"),
        aliases={"merchant_id": "seller_id"},
        optional=("brand_id",),
        dtypes={"time_stamp": np.int16, "action_type": np.int8},
        rules=(
            *(
                ColumnRule(name, lambda ids: ids < 0, "is no id")
                for name in ("user_id", "item_id", "cat_id", "seller_id")
            ),
            ColumnRule("time_stamp", lambda days: ~np.isin(days, _DAYS), day, drop),
            ColumnRule("action_type", lambda codes: (codes < 0) | (codes >= len(TMALL_ACTIONS)), action),
        ),
    )

"""Alipay, the Taobao log of the IJCAI-16 contest: users, sellers, items, categories, clicks and purchases, days.

There are no names, only numbers, so words read `cat_404`, `seller_20002`. Days are YYYYMMDD; within a day the order is
that of the file.
"""

from dataclasses import dataclass, field

import numpy as np

from magus_pyg.data.assemble import PreparedData
from magus_pyg.data.reading.findings import Findings
from magus_pyg.data.reading.integer_logs import ColumnRule, LogLayout, read_integers
from magus_pyg.data.sets.action_logs import (
    DROP_ADVICE,
    ActionOptions,
    check_actions,
    day_seconds,
    known_days,
    prepare_actions,
)
from magus_pyg.data.sets.raw_dataset import RawDataset

__all__ = ["Alipay", "AlipayOptions"]

ALIPAY_ACTIONS = ("click", "buy")
_START, _END = "2015-07-01", "2015-11-30"
_DAYS = known_days(_START, _END, "%Y%m%d")


@dataclass
class AlipayOptions(ActionOptions):
    """Options of Alipay.

    Attributes:
        word_fields: of cat_id, seller_id.
        positive_actions: of click, buy.
    """

    name: str = "alipay"
    word_fields: list[str] = field(default_factory=lambda: ["cat_id", "seller_id"])
    positive_actions: list[str] = field(default_factory=lambda: ["buy"])


class Alipay(RawDataset[AlipayOptions]):
    """The online log of `IJCAI16_data.zip`.

    The original has no suffix and no header line; copies have both, and may repeat their header, or its end, inside.
    """

    folder = "alipay"
    page = "https://tianchi.aliyun.com/dataset/dataDetail?dataId=53 (IJCAI16_data.zip; an account is needed)"
    subfolders = ("raw", "IJCAI16_data", "raw/IJCAI16_data", "")
    options_class = AlipayOptions

    @property
    def raw_file_names(self) -> list[str]:
        """The log; the files of the shops (koubei) are not needed."""
        return ["ijcai2016_taobao"]

    def variants(self, name: str) -> list[str]:
        """With and without suffix."""
        return [f"{name}{suffix}" for suffix in ("", ".csv", ".csv.gz", ".gz", ".txt")]

    def check(self) -> None:
        """Check the options."""
        super().check()
        check_actions(self.options, ALIPAY_ACTIONS)

    def process(self, findings: Findings) -> PreparedData:
        """Read the log."""
        log = read_integers(self.raw_paths[0], _layout(self.options.out_of_range == "drop"), findings)
        columns = log.columns
        columns["time"] = day_seconds(columns.pop("day"), _START, _DAYS)
        fields = {"cat_id": ("category", "cat_"), "seller_id": ("seller", "seller_")}
        return prepare_actions(self.options, self.raw_paths[0], columns, ALIPAY_ACTIONS, fields, dict(log.notes))


def _layout(drop: bool) -> LogLayout:
    names = {
        "user": ("use_id", "user_id"),
        "seller": ("sel_id", "seller_id"),
        "item": ("ite_id", "item_id"),
        "category": ("cat_id", "category_id"),
        "action": ("act_id", "online_action_id", "action_id"),
        "day": ("time", "time_stamp"),
    }
    day = f"is no day (YYYYMMDD) from {_START} to {_END}{'' if drop else DROP_ADVICE}"
    action = f"is no action; they are {', '.join(f'{code} {name}' for code, name in enumerate(ALIPAY_ACTIONS))}"
    return LogLayout(
        columns=tuple(names),
        aliases={alias: column for column, aliases in names.items() for alias in aliases},
        dtypes={"action": np.int8},
        rules=(
            *(ColumnRule(name, lambda ids: ids < 0, "is no id") for name in ("user", "seller", "item", "category")),
            ColumnRule("day", lambda days: ~np.isin(days, _DAYS), day, drop),
            ColumnRule("action", lambda codes: (codes < 0) | (codes >= len(ALIPAY_ACTIONS)), action),
        ),
    )

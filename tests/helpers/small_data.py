"""Small data sets, written by hand."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from magus_pyg.data import RecDataset, TabularOptions, temporal_split

ITEMS = "item_id,title,brand,tag\n007,Seven,Acme,red|small\n7,Other,,blue\n8,Eight,Bolt,\n"
LOG = "user_id,item_id,rating,timestamp\n01,007,5,30\n1,7,2,10\n01,8,3,20\n01,7,4,40\n"


def tabular(folder: Path, **changes: object) -> TabularOptions:
    """Options that fit the files above."""
    options = TabularOptions(path=str(folder), word_fields=["brand", "tag"])
    for name, value in changes.items():
        assert hasattr(options, name)
        setattr(options, name, value)
    return options


def make_dataset(
    rows: Sequence[tuple[int, int, int, int]],
    n_users: int,
    n_items: int,
    part: Sequence[int] | None = None,
    searched: Sequence[tuple[int, int, str]] = (),
) -> RecDataset:
    """A data set from rows (user, item, label, time), sorted here; the split by time unless `part` is given."""
    table = np.array(rows, dtype=np.int64).reshape(-1, 4)
    order = np.lexsort((table[:, 3], table[:, 0]))
    table = table[order]
    tied = np.append(False, (np.diff(table[:, [0, 3]], axis=0) == 0).all(axis=1))[: len(table)]
    item_ids = np.array([f"i{number}" for number in range(n_items)], dtype=object)
    user_ids = np.array([f"u{number}" for number in range(n_users)], dtype=object)
    return RecDataset(
        name="small",
        user_ids=user_ids,
        item_ids=item_ids,
        items=pd.DataFrame({"item_id": item_ids, "word": [f"w{number % 3}" for number in range(n_items)]}),
        users=pd.DataFrame({"user_id": user_ids}),
        user=table[:, 0].copy(),
        item=table[:, 1].copy(),
        label=table[:, 2].astype(np.int8),
        time=table[:, 3].copy(),
        part=temporal_split(table[:, 0], tied) if part is None else np.array(part, np.int8)[order],
        word_fields=("word",),
        searched=pd.DataFrame(
            {
                "user": np.array([row[0] for row in searched], dtype=np.int64),
                "time": np.array([row[1] for row in searched], dtype=np.int64),
                "words": np.array([row[2] for row in searched], dtype=object),
            }
        ),
    )

"""Logs in the exact format of Tmall, of any size."""

from pathlib import Path

import numpy as np
import pandas as pd

ACTIONS = np.array([0, 1, 2, 3])


def write_tmall(folder: Path, rows: int, users: int, items: int, seed: int = 0) -> Path:
    """Write `tmall/` with a log of some rows, in the order of users as the original, and profiles."""
    generator = np.random.default_rng(seed)
    days = pd.date_range("2015-05-11", "2015-11-12").strftime("%m%d").to_numpy()
    user = np.sort(generator.integers(0, users, rows)) + 1
    item = np.minimum((generator.pareto(1.0, rows) * items / 20).astype(np.int64), items - 1)
    log = pd.DataFrame(
        {
            "user_id": user,
            "item_id": item + 1,
            "cat_id": item % 7 + 1,
            "seller_id": item % 11 + 1,
            "brand_id": np.where(item % 13 == 0, "", (item % 17 + 1).astype(str)),
            "time_stamp": generator.choice(days, rows),
            "action_type": generator.choice(ACTIONS, rows, p=[0.6, 0.1, 0.2, 0.1]),
        }
    )
    target = folder / "tmall"
    target.mkdir(parents=True, exist_ok=True)
    log.to_csv(target / "user_log_format1.csv", index=False)
    info = pd.DataFrame({"user_id": np.arange(1, users + 1), "age_range": generator.integers(0, 9, users)})
    info["gender"] = generator.choice(["0", "1", "2", ""], users)
    info.to_csv(target / "user_info_format1.csv", index=False)
    return folder

"""What a user had searched before a session."""

import numpy as np
import pandas as pd
import torch

from magus_pyg.data.dataset import RecDataset, part_index
from magus_pyg.data.sessions import Sessions
from magus_pyg.errors import DataError
from magus_pyg.ragged import Ragged

__all__ = ["part_begins", "searched_words"]


def part_begins(data: RecDataset, part: str) -> np.ndarray:
    """When a part begins for each user, int64 [U], in the unit of `RecDataset.time`.

    With the user's first row in it; for users without one, where one cut in time parts all rows, with the first row of
    anybody, else never (the largest number). What a user does from then on belongs to what is to be predicted.

    Raises:
        DataError: at an unknown part.
    """
    which = part_index(part)
    rows = data.rows(part)
    begins = np.full(data.n_users, np.iinfo(np.int64).max)
    if rows.size:
        cut = data.time[rows].min()
        # Times are whole seconds, those that parted the rows may have been finer: the cut may lie within one of them.
        if (data.time[data.part < which] <= cut).all():
            begins[:] = cut
        # Rows are sorted by time within a user: the first of a user in the part is its earliest.
        first_user, first = np.unique(data.user[rows], return_index=True)
        begins[first_user] = data.time[rows[first]]
    return begins


def searched_words(data: RecDataset, sessions: Sessions, part: str, limit: int = 5) -> tuple[Ragged, list[str]]:
    """The queries that each session's user searched before the part begins (`part_begins`).

    Two searches with the same words in another order are one query. Users without a row in the part have no sessions of
    it, and no queries here.

    Args:
        data: the data set.
        sessions: B sessions.
        part: the part they were made from.
        limit: most queries of a session, at least 0.

    Returns:
        `(rows, queries)`: [B] rows of positions in `queries`, the most recent first; the words of a query are joined by
        "|".

    Raises:
        DataError: at an unknown part or a negative limit.
    """
    if limit < 0:
        raise DataError(f"limit must be at least 0 (got {limit})")
    begins = part_begins(data, part)
    begins[np.bincount(data.user[data.rows(part)], minlength=data.n_users) == 0] = np.iinfo(np.int64).min
    searched = data.searched
    before = searched[searched["time"].to_numpy() < begins[searched["user"].to_numpy(dtype=np.int64)]]
    texts = pd.Series(before["words"].to_numpy(dtype=object), dtype=object)
    codes, distinct = pd.factorize(texts)
    canonical = np.array(["|".join(sorted(set(text.split("|")))) for text in distinct], dtype=object)
    query, queries = (
        pd.factorize(canonical[codes]) if len(codes) else (np.empty(0, np.int64), np.empty(0, dtype=object))
    )
    frame = pd.DataFrame({"user": before["user"].to_numpy(), "time": before["time"].to_numpy(), "query": query})
    frame = frame.iloc[::-1].sort_values(["user", "time"], ascending=[True, False], kind="stable")
    frame = frame.drop_duplicates(["user", "query"])
    frame = frame[frame.groupby("user").cumcount().to_numpy() < limit]
    of_users = Ragged.from_pairs(
        torch.from_numpy(frame["user"].to_numpy(dtype=np.int64).copy()),
        torch.from_numpy(frame["query"].to_numpy(dtype=np.int64).copy()),
        data.n_users,
    )
    return of_users.select(sessions.user), [str(text) for text in queries]

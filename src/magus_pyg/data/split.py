"""The split: 60 % of the rows for training, 20 % for validation, 20 % for the test (Sec. 4.1; readings 32 and 37)."""

import numpy as np
import pandas as pd
import torch

from magus_pyg.errors import ConfigError
from magus_pyg.random import hash_keys

__all__ = ["SPLITS", "global_split", "hash_split", "split_rule", "temporal_split"]

#: What `DatasetOptions.split_by` may be.
SPLITS: tuple[str, ...] = ("auto", "user", "global", "hash")
_TENTHS = (6, 8)  # where training and validation end
_PAIR = 0x5917  # what a random number is for


def split_rule(split_by: str, *, ordered: bool, timed: bool, given: bool) -> str:
    """How a log is split: "user", "global", "hash", or "given" by the log itself.

    Args:
        split_by: of the options.
        ordered: whether the order of a user's rows is that of events.
        timed: whether rows have times that can be compared between users.
        given: whether the log says which row belongs to which part.

    Raises:
        ConfigError: a split that the log cannot have.
    """
    if given:
        if split_by != "auto":
            raise ConfigError(
                f"split_by={split_by} splits anew a log that brings its own parts: leave it at auto, or set split to ''"
            )
        return "given"
    if split_by == "auto":
        return "user" if ordered else "hash"
    if split_by == "user" and not ordered:
        raise ConfigError(
            "split_by=user needs an order of each user's rows, and with ordered=false the log has none: set "
            "split_by=hash, or ordered=true"
        )
    if split_by == "global" and not timed:
        raise ConfigError(
            "split_by=global needs times that can be compared between users, and the log has none: set split_by=user "
            "or hash, or name the column of times"
        )
    return split_by


def temporal_split(user: np.ndarray, tied: np.ndarray | None = None) -> np.ndarray:
    """Split every user's rows 6:2:2 in their order.

    Of a user's n rows, train ends at (6n + 5) // 10 and validation at (8n + 5) // 10: integer arithmetic, so a run is
    the same everywhere. One row is for training; two rows leave the test empty, three leave validation empty. Rows of
    equal time at such an end go together to the earlier part (reading 32).

    Args:
        user: integers [rows], ascending; the rows of one user in the order of time.
        tied: bool [rows], True for a row of the same user and time as the one before it; no row is if None.

    Returns:
        int8 [rows]: 0 train, 1 validation, 2 test.
    """
    if user.size == 0:
        return np.empty(0, np.int8)
    starts = np.flatnonzero(np.concatenate([[True], user[1:] != user[:-1]]))
    counts = np.diff(np.append(starts, user.size))
    untied = None if tied is None or not tied.any() else np.append(np.flatnonzero(~tied), user.size)
    position = np.arange(user.size)
    part = np.zeros(user.size, np.int8)
    # One end of a part after the other, since a log of tens of millions of rows may be half of the memory.
    for tenths in _TENTHS:
        ends = starts + (tenths * counts + 5) // 10
        if untied is not None:  # on to the next row of another time; the next user's first row is one
            ends = untied[np.searchsorted(untied, ends)]
        part += position >= np.repeat(ends, counts)
    return part


def global_split(time: np.ndarray, fraction: np.ndarray | None = None) -> np.ndarray:
    """Split all rows 6:2:2 by one cut in time for all users; rows of one time are in one part, the earlier one.

    Args:
        time: integers [rows].
        fraction: integers [rows], which order the rows of one time; None where there are none.

    Returns:
        int8 [rows]: 0 train, 1 validation, 2 test.
    """
    part = np.zeros(time.size, np.int8)
    if not time.size:
        return part
    last = [max((tenths * time.size + 5) // 10 - 1, 0) for tenths in _TENTHS]
    if fraction is None:
        ordered = np.partition(time, last)
        for place in last:
            part += time > ordered[place]
        return part
    order = np.lexsort((fraction, time))[last]
    for row in order.tolist():
        part += (time > time[row]) | ((time == time[row]) & (fraction > fraction[row]))
    return part


def hash_split(user: np.ndarray, item: np.ndarray, user_ids: np.ndarray, item_ids: np.ndarray) -> np.ndarray:
    """Split every user's rows 6:2:2 at random, by a hash of the ids of user and item alone.

    So the order of a file does not matter, and all rows of a user with an item are in one part.

    Args:
        user: integers [rows], in any order.
        item: integers [rows].
        user_ids: object [U] of texts.
        item_ids: object [I] of texts.

    Returns:
        int8 [rows]: 0 train, 1 validation, 2 test.
    """
    people, things = (
        torch.from_numpy(pd.util.hash_array(ids.astype(object), categorize=False).view(np.int64))
        for ids in (user_ids, item_ids)
    )
    bits = hash_keys(_PAIR, people[torch.from_numpy(user).long()], things[torch.from_numpy(item).long()]).numpy()
    order = np.lexsort((bits, user))
    user, bits = user[order], bits[order]
    tied = np.zeros(user.size, dtype=bool)
    tied[1:] = (user[1:] == user[:-1]) & (bits[1:] == bits[:-1])
    part = np.empty(user.size, np.int8)
    part[order] = temporal_split(user, tied)
    return part

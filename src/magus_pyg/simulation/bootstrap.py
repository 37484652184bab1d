"""Resampling users with all their sessions: sessions of a user are not independent."""

import numpy as np

__all__ = ["bootstrap_interval", "resampled_means", "user_sums"]

_DRAWS = 1 << 23
"""Users drawn at once; bounds the memory."""

_MANY, _FEWER = 4096, 8
"""From how many users on those that are alike are sought, and how much fewer they must be to be worth it."""


def user_sums(values: np.ndarray, users: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """What the means over sessions need to know of users.

    Args:
        values: float [S, m], one row a session.
        users: int [S], the user of each.

    Returns:
        `(sums, size)`: float [U, m], the sums over the sessions of each user, and float [U], their numbers.
    """
    _, code = np.unique(users, return_inverse=True)
    size = np.bincount(code).astype(np.float64)
    sums = [np.bincount(code, weights=column, minlength=size.size) for column in values.T]
    return np.stack(sums, axis=1), size


def resampled_means(sums: np.ndarray, size: np.ndarray, resamples: int, seed: int) -> np.ndarray:
    """Means over all sessions in bootstrap samples of users, exactly: U users are drawn out of U with replacement.

    How often each was drawn is counted, so a sample is one row of a product of matrices with the sums of all users.
    Users that are alike in all columns, as most are who have one session each, count as one: how often any of them is
    drawn is multinomial too.

    Args:
        sums: float [U, m], of m columns over the sessions of each user.
        size: float [U], the numbers of sessions.
        resamples: number of bootstrap samples.
        seed: of the draws.

    Returns:
        float [resamples, m].
    """
    rng, users = np.random.default_rng(seed), size.size
    table = np.column_stack([sums, size])
    share, step = None, max(1, _DRAWS // users)
    if users >= _MANY and (alike := _alike(table)) is not None:
        table, share = alike
        step = max(1, _DRAWS // len(table))
    totals = np.empty((resamples, table.shape[1]))
    for start in range(0, resamples, step):
        rows = min(step, resamples - start)
        count = _counts(rng, users, rows) if share is None else rng.multinomial(users, share, size=rows)
        totals[start : start + rows] = count.astype(np.float64) @ table
    return totals[:, :-1] / totals[:, -1:]


def _counts(rng: np.random.Generator, users: int, samples: int) -> np.ndarray:
    """How often each of so many users is drawn, int64 [samples, users]."""
    drawn = rng.integers(0, users, size=(samples, users), dtype=np.uint32)
    place = drawn + np.arange(samples, dtype=np.uint32)[:, None] * np.uint32(users)
    return np.bincount(place.ravel(), minlength=samples * users).reshape(samples, users)


def _alike(table: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
    """The different rows of a table and the share of rows that are like each; None where they are not much fewer."""
    users = len(table)
    rows = np.ascontiguousarray(table).view(f"V{table.itemsize * table.shape[1]}").ravel()  # NaN is like NaN
    _, first, count = np.unique(rows, return_index=True, return_counts=True)
    return (table[first], count / users) if len(first) * _FEWER <= users else None


def bootstrap_interval(
    values: np.ndarray, users: np.ndarray, level: float = 0.95, resamples: int = 2000, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Percentile intervals of means over sessions, by resampling users.

    Args:
        values: float [S, metrics], one row a session.
        users: int [S], the user of each session.
        level: the coverage.
        resamples: number of bootstrap samples.
        seed: of the resampling.

    Returns:
        `(low, high)`, float [metrics] each; NaN without sessions.
    """
    if not len(values):
        nothing = np.full(values.shape[1], np.nan)
        return nothing, nothing.copy()
    means = resampled_means(*user_sums(values, users), resamples, seed)
    tail = (1.0 - level) / 2.0
    low, high = np.quantile(means, [tail, 1.0 - tail], axis=0)
    return low, high

"""Tests of whether one method is better than another on the same sessions.

Everything here takes two aligned columns, a value a (seed, session) pair for each method, and the users of the pairs:
pairs of a user, in one run or over the runs of several seeds, are not independent, so the user is the unit that is
resampled or ranked. McNemar's test alone takes pairs as they are, and refuses two of one user.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy import stats

from magus_pyg.errors import ConfigError, SessionError
from magus_pyg.simulation.bootstrap import resampled_means, user_sums

__all__ = [
    "FEWEST_USERS",
    "TESTS",
    "Difference",
    "McNemar",
    "Wilcoxon",
    "compare",
    "holm",
    "mcnemar",
    "paired_bootstrap",
    "unpaired_bootstrap",
    "wilcoxon_by_user",
]

#: With fewer users no p is given: the approximations of these tests need more.
FEWEST_USERS = 30

TESTS = ("auto", "mcnemar", "wilcoxon", "bootstrap")


@dataclass(frozen=True)
class McNemar:
    """What McNemar's test gives.

    Attributes:
        first_only: pairs in which only the first method succeeded.
        second_only: pairs in which only the second did.
        statistic: the smaller of the two (exact), or chi-square with the continuity correction.
        p: two-sided.
    """

    first_only: int
    second_only: int
    statistic: float
    p: float


@dataclass(frozen=True)
class Wilcoxon:
    """What Wilcoxon's signed rank test gives.

    Attributes:
        users: users with a difference; those without one are left out.
        statistic: the smaller of the two sums of ranks.
        p: two-sided.
    """

    users: int
    statistic: float
    p: float


@dataclass(frozen=True)
class Difference:
    """How far the first method is above the second.

    Attributes:
        value: mean of the differences over all pairs.
        low, high: bounds of its interval, by resampling users.
        p: two-sided; NaN where there are too few users.
        test: what gave p: "mcnemar", "wilcoxon", "bootstrap", or "" where p is NaN.
        pairs: number of (seed, session) pairs.
        users: number of users.
    """

    value: float
    low: float
    high: float
    p: float
    test: str
    pairs: int
    users: int


def mcnemar(first: np.ndarray, second: np.ndarray, users: np.ndarray, exact: bool = True) -> McNemar:
    """McNemar's test of two columns of successes.

    Args:
        first, second: [n] of 0 and 1 (or bool), one entry a pair.
        users: [n], the user of each pair.
        exact: the binomial test of the pairs that differ; False: chi-square with the continuity correction.

    Raises:
        SessionError: columns of different lengths, values other than 0 and 1, or a user with several pairs.
    """
    first, second, users = _columns(first, second, users)
    for column in (first, second):
        odd = column[(column != 0) & (column != 1)]
        if odd.size:
            raise SessionError(f"McNemar's test is for successes, 0 or 1 (got {odd[0]:g}): use wilcoxon_by_user")
    user, count = np.unique(users, return_counts=True)
    if (count > 1).any():
        worst = int(count.argmax())
        raise SessionError(
            f"McNemar's test needs one session a user, and user {user[worst]} has {count[worst]}: their pairs are not "
            "independent; use wilcoxon_by_user or paired_bootstrap"
        )
    b = int(((first == 1) & (second == 0)).sum())
    c = int(((first == 0) & (second == 1)).sum())
    if b + c == 0:
        return McNemar(b, c, 0.0, 1.0)
    if exact:
        p = min(1.0, 2.0 * float(stats.binom.cdf(min(b, c), b + c, 0.5)))
        return McNemar(b, c, float(min(b, c)), p)
    statistic = max(abs(b - c) - 1, 0) ** 2 / (b + c)
    return McNemar(b, c, statistic, float(stats.chi2.sf(statistic, 1)))


def wilcoxon_by_user(first: np.ndarray, second: np.ndarray, users: np.ndarray) -> Wilcoxon:
    """Wilcoxon's signed rank test on the users' means of the differences.

    Exact up to 50 users whose differences have no ties, else the normal approximation with the correction for ties.

    Args:
        first, second: float [n], one entry a pair.
        users: [n], the user of each pair; pairs of one user count as one.

    Raises:
        SessionError: columns of different lengths.
    """
    first, second, users = _columns(first, second, users)
    sums, size = user_sums((first - second)[:, None], users)
    # Means that are equal on paper differ in their last bit, which would break ties and make 0 a difference.
    means = np.round(sums[:, 0] / size, 12)
    means = means[means != 0.0]
    if not means.size:
        return Wilcoxon(0, 0.0, 1.0)
    tied = np.unique(np.abs(means)).size < means.size
    found = stats.wilcoxon(means, method="exact" if means.size <= 50 and not tied else "approx")
    return Wilcoxon(means.size, float(found.statistic), float(found.pvalue))


def paired_bootstrap(
    first: np.ndarray,
    second: np.ndarray,
    users: np.ndarray,
    level: float = 0.95,
    resamples: int = 2000,
    seed: int = 0,
) -> Difference:
    """The mean difference, with its percentile interval and p from resampling users with all their pairs.

    p is twice the smaller share of resamples on one side of 0, each share counted with the sample itself; it is never
    below 2 / (resamples + 1), so a bound of 0.001 after Holm needs many resamples.

    Args:
        first, second: float [n], one entry a pair.
        users: [n], the user of each pair.
        level: coverage of the interval.
        resamples: number of bootstrap samples.
        seed: of the resampling.

    Raises:
        SessionError: columns of different lengths.
    """
    first, second, users = _columns(first, second, users)
    if not first.size:
        return Difference(np.nan, np.nan, np.nan, np.nan, "", 0, 0)
    sums, size = user_sums((first - second)[:, None], users)
    means = resampled_means(sums, size, resamples, seed)[:, 0]
    low, high, p = _two_sided(means, level)
    return Difference(float(sums.sum() / size.sum()), low, high, p, "bootstrap", first.size, sums.size)


def unpaired_bootstrap(
    first: np.ndarray,
    first_users: np.ndarray,
    second: np.ndarray,
    second_users: np.ndarray,
    level: float = 0.95,
    resamples: int = 2000,
    seed: int = 0,
) -> Difference:
    """How far the mean of one group of sessions is above that of another one, of other users.

    Each group's users are resampled with all their sessions. Interval and p as of `paired_bootstrap`; p is NaN with
    fewer than `FEWEST_USERS` users in a group.

    Args:
        first, second: float [n] and [m], a value a session.
        first_users, second_users: [n] and [m], the user of each session.
        level: coverage of the interval.
        resamples: number of bootstrap samples.
        seed: of the resampling.

    Returns:
        The difference; its pairs and users are the sessions and users of both groups.
    """
    sizes = first.size + second.size, np.unique(first_users).size + np.unique(second_users).size
    if not first.size or not second.size:
        return Difference(np.nan, np.nan, np.nan, np.nan, "", *sizes)
    value, means, fewest = 0.0, np.zeros(resamples), sizes[1]
    for sign, group, users in ((1, first, first_users), (-1, second, second_users)):
        sums, size = user_sums(np.asarray(group, dtype=np.float64)[:, None], users)
        # Another seed for each: groups of as many users would be resampled alike.
        means += sign * resampled_means(sums, size, resamples, 2 * seed + (sign < 0))[:, 0]
        value, fewest = value + sign * float(sums.sum() / size.sum()), min(fewest, sums.size)
    low, high, p = _two_sided(means, level)
    few = fewest < FEWEST_USERS
    return Difference(value, low, high, np.nan if few else p, "" if few else "bootstrap", *sizes)


def _two_sided(means: np.ndarray, level: float) -> tuple[float, float, float]:
    """The bounds of the interval of resampled differences, and p."""
    means = np.round(means, 12)  # a difference of 0 must lie on both sides
    tail = (1.0 - level) / 2.0
    low, high = np.quantile(means, [tail, 1.0 - tail])
    below, above = ((1 + (side <= 0.0).sum()) / (means.size + 1) for side in (means, -means))
    return float(low), float(high), min(1.0, 2.0 * float(min(below, above)))


def compare(
    first: np.ndarray,
    second: np.ndarray,
    users: np.ndarray,
    test: str = "auto",
    level: float = 0.95,
    resamples: int = 2000,
    seed: int = 0,
) -> Difference:
    """The difference of two methods with its interval (bootstrap over users) and a p that respects users.

    Args:
        first, second: float [n], one entry a (seed, session) pair.
        users: [n], the user of each pair.
        test: "mcnemar" (exact), "wilcoxon" (users' means), "bootstrap", or "auto": McNemar for successes with one
            session a user, else Wilcoxon.
        level, resamples, seed: of the interval.

    Returns:
        The difference; p is NaN with fewer than `FEWEST_USERS` users.

    Raises:
        ConfigError: an unknown test.
        SessionError: see the tests.
    """
    if test not in TESTS:
        raise ConfigError(f"there is no test {test!r}; there are {', '.join(TESTS)}")
    first, second, users = _columns(first, second, users)
    found = paired_bootstrap(first, second, users, level, resamples, seed)
    if found.users < FEWEST_USERS:
        return replace(found, p=np.nan, test="")
    if test == "auto":
        successes = bool(np.isin(first, (0.0, 1.0)).all() and np.isin(second, (0.0, 1.0)).all())
        test = "mcnemar" if successes and found.users == found.pairs else "wilcoxon"
    if test == "mcnemar":
        p = mcnemar(first, second, users).p
    elif test == "wilcoxon":
        p = wilcoxon_by_user(first, second, users).p
    else:
        p = found.p
    return replace(found, p=p, test=test)


def holm(p: Sequence[float] | np.ndarray) -> np.ndarray:
    """Holm's step-down adjustment of the p of all tests of a table.

    Args:
        p: [m], in [0, 1]; NaN where no test was made, which does not count.

    Returns:
        float [m], adjusted, in the order of `p`; NaN stays.

    Raises:
        ConfigError: a value outside [0, 1].
    """
    values = np.asarray(p, dtype=np.float64)
    outside = values[(values < 0.0) | (values > 1.0)]
    if outside.size:
        raise ConfigError(f"p must be in [0, 1], got {outside[0]:g}")
    adjusted = np.full(values.shape, np.nan)
    tested = np.flatnonzero(~np.isnan(values))
    order = tested[np.argsort(values[tested], kind="stable")]
    scaled = values[order] * np.arange(order.size, 0, -1)
    adjusted[order] = np.minimum(np.maximum.accumulate(scaled), 1.0)
    return adjusted


def _columns(first: np.ndarray, second: np.ndarray, users: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    first, second = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    users = np.asarray(users)
    if not first.shape == second.shape == users.shape or first.ndim != 1:
        raise SessionError(
            f"a paired test needs a value of both methods and a user for every session (got {list(first.shape)}, "
            f"{list(second.shape)}, {list(users.shape)}): are the records of the same sessions?"
        )
    return first, second, users

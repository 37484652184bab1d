"""The paper's Tables 1 and 3: a row a method, the metrics of each data set, stars after Holm's adjustment."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from magus_pyg.errors import ConfigError
from magus_pyg.options import between, check_value, one_of
from magus_pyg.report.method_labels import base_label, row_label
from magus_pyg.report.pools import Pool, compare_pools
from magus_pyg.report.significance import FEWEST_USERS, Difference, holm
from magus_pyg.simulation.users_by_name import user_text

__all__ = ["AGAINST", "TABLE_COLUMNS", "ReportTable", "build_table", "starred"]

AGAINST = ("rival", "floor")

#: A row of the table's frame is a metric of a method on a data set.
TABLE_COLUMNS = (
    "dataset", "model", "method", "variation", "row", "metric", "mean", "low", "high", "half", "seed_std", "best",
    "star", "below", "against", "difference", "difference_low", "difference_high", "test", "p", "p_holm",
    "seeds", "sessions", "users", "training_seconds", "fit_seconds", "play_seconds",
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class ReportTable:
    """A table, to be written in one of the forms of `formats`.

    Attributes:
        title: above it.
        metrics: columns of each data set.
        frame: columns `TABLE_COLUMNS`, in the order of the rows. `mean` is over all sessions of all seeds; `half` is
            half its 95 % interval, from resampling users; `seed_std` the standard deviation of the seeds' means, NaN
            with one. `difference` is to the method `against`, on the same sessions; NaN where nothing is compared.
        notes: below it.
    """

    title: str
    metrics: tuple[str, ...]
    frame: pd.DataFrame
    notes: tuple[str, ...]


def build_table(
    pools: Sequence[Pool],
    title: str = "",
    rounds: Sequence[int] = (3, 5),
    metrics: Sequence[str] = ("SAC", "RA@3", "SA@3", "SA@5"),
    against: str = "rival",
    alpha: float = 0.001,
    test: str = "auto",
    resamples: int = 2000,
) -> ReportTable:
    """Make a table.

    Args:
        pools: what `pool_plays` gave.
        title: above the table.
        rounds: the K that are judged.
        metrics: the columns: SAC, and RA@K and SA@K for K of `rounds`.
        against: with what MAGUS, MAGUS+ and bayes are compared: "rival", the best other method of the same base
            recommender, data set and metric; or "floor", `items`.
        alpha: a star where p, after Holm's adjustment over all tests of the table, is below it and the method is ahead;
            a dagger where it is behind.
        test: see `significance.compare`.
        resamples: bootstrap samples.

    Returns:
        The table. SAC stands beside the rows of X and of `items`, of whose first lists it is.

    Raises:
        ConfigError: no pools, an unknown metric or `against`, or alpha outside (0, 1).
        SessionError: a K beyond the rounds played, or unlike sessions.
    """
    known = ["SAC", *(f"{name}@{k}" for k in rounds for name in ("RA", "SA"))]
    odd = [metric for metric in metrics if metric not in known]
    if odd or not metrics:
        raise ConfigError(f"there is no metric {odd[0] if odd else ''!r}; there are {', '.join(known)}")
    check_value("against", against, one_of(AGAINST))
    check_value("alpha", alpha, between(0, 1, "()"))
    if not pools:
        raise ConfigError("there is nothing to tabulate: no plays are left")
    blocks: dict[tuple[str, str], list[Pool]] = {}
    for pool in pools:
        blocks.setdefault(pool.base, []).append(pool)
    rows: list[dict[str, Any]] = []
    for block in blocks.values():
        rows.extend(_block(block, rounds, metrics, against, test, resamples))
    frame = starred(pd.DataFrame(rows, columns=list(TABLE_COLUMNS)), alpha)
    return ReportTable(title, tuple(metrics), frame, tuple(_notes(frame, pools, against, alpha)))


def starred(frame: pd.DataFrame, alpha: float) -> pd.DataFrame:
    """The frame of a table with `p_holm`, `star` and `below`, which follow from the p and the differences of all rows.

    Args:
        frame: with the columns `p` and `difference`.
        alpha: as of `build_table`.
    """
    adjusted = holm(frame["p"].to_numpy(dtype=np.float64))
    sure = adjusted < alpha
    ahead, behind = frame["difference"] > 0, frame["difference"] < 0
    return frame.assign(p_holm=adjusted, star=sure & ahead, below=sure & behind)


def _block(
    block: Sequence[Pool], rounds: Sequence[int], metrics: Sequence[str], against: str, test: str, resamples: int
) -> list[dict[str, Any]]:
    """The rows of one base recommender on one data set."""
    methods = {pool.method for pool in block}
    means = [pool.means(rounds, resamples) for pool in block]
    floor = next((values for pool, values in zip(block, means, strict=True) if pool.entry.role == "floor"), None)
    for pool, values in zip(block, means, strict=True):
        if pool.entry.alone and floor is not None:
            values.update({name: value for name, value in floor.items() if name.startswith("SAC")})
    others = [
        index for index, pool in enumerate(block)
        if pool.entry.role == "floor" or (against == "rival" and pool.entry.role == "rival")
    ]  # fmt: skip
    rows = []
    for index, (pool, values) in enumerate(zip(block, means, strict=True)):
        for metric in metrics:
            column = [other[metric] for other in means]
            row = _facts(pool, methods) | _value(pool, values, metric, rounds)
            row["best"] = metric != "SAC" and column[index] >= max(column) - 1e-12
            if others and metric != "SAC" and pool.entry.role == "own":
                rival = block[max(others, key=lambda other: means[other][metric])]
                found = compare_pools(pool, rival, metric, rounds, test, resamples)
                row |= _comparison(found, row_label(rival.model, rival.method, rival.variation, methods, rival.entry))
            rows.append(row)
    return rows


def _facts(pool: Pool, methods: set[str]) -> dict[str, Any]:
    tables = [play.log for play in pool.plays.values()]
    return {
        "dataset": pool.dataset,
        "model": pool.model,
        "method": pool.method,
        "variation": pool.variation,
        "row": row_label(pool.model, pool.method, pool.variation, methods, pool.entry),
        "seeds": len(pool.seeds),
        "sessions": sum(table["session"].nunique() for table in tables),
        "users": int(pd.concat([table["user"] for table in tables]).nunique()),
        "training_seconds": pool.mean("training_seconds"),
        "fit_seconds": pool.mean("fit_seconds"),
        "play_seconds": pool.mean("play_seconds"),
    }


def _value(pool: Pool, values: Mapping[str, float], metric: str, rounds: Sequence[int]) -> dict[str, Any]:
    low, high = values[f"{metric}_low"], values[f"{metric}_high"]
    by_seed = pool.sessions(rounds)[metric].groupby("seed").mean()
    std = float(by_seed.std()) if len(by_seed) > 1 else np.nan
    return {
        "metric": metric,
        "mean": values[metric],
        "low": low,
        "high": high,
        "half": (high - low) / 2,
        "seed_std": std,
        "against": "",
        "test": "",
        **dict.fromkeys(("difference", "difference_low", "difference_high", "p"), np.nan),
    }


def _comparison(found: Difference, against: str) -> dict[str, Any]:
    return {
        "against": against,
        "difference": found.value,
        "difference_low": found.low,
        "difference_high": found.high,
        "test": found.test,
        "p": found.p,
    }


def _notes(frame: pd.DataFrame, pools: Sequence[Pool], against: str, alpha: float) -> list[str]:
    """What a reader has to know to read the table."""
    notes = [
        _about_sessions(pools),
        "Mean over the sessions of all seeds ± half its 95 % interval (bootstrap over users); best of a base "
        f"recommender in bold. Wall time: training, fitting and play of a seed ({_machines(pools)}).",
    ]
    plain = {pool.method for pool in pools if pool.entry.alone}
    if len(plain) == 1:
        notes.append(f"Rows of a base recommender alone: {plain.pop()}.")
    compared = frame[frame["difference"].notna()]
    tested = compared[compared["p"].notna()]
    if len(tested):
        what = "the strongest other method of its base recommender" if against == "rival" else "the floor, items"
        tests = " or ".join(name for test, name in _TESTS.items() if (tested["test"] == test).any())
        below = "; † likewise, but below it" if tested["below"].any() else ""
        notes.append(
            f"* p < {alpha:g} against {what}, after Holm over the {len(tested)} tests of the table ({tests}; two-sided)"
            f"{below}."
        )
        notes += _strongest(frame, compared, pools) if against == "rival" else []
    if not len(compared):
        notes.append("No stars: these runs have no methods to compare.")
    few = sorted({str(name) for name in compared.loc[compared["p"].isna(), "dataset"]})
    if few:
        notes.append(f"No stars for {', '.join(few)}: fewer than {FEWEST_USERS} users.")
    silent = [pool for pool in pools if pool.entry.role == "own" and not pool.asked]
    notes += [f"{pool.where} never showed a query: try {pool.entry.asks}." for pool in silent]
    unequal = sorted({f"{pool.dataset}, {base_label(pool.model)}" for pool in pools if _other_seeds(pool, pools)})
    if unequal:
        notes.append(f"Not all rows have the same seeds ({'; '.join(unequal)}): tests are on those that both have.")
    return notes


_TESTS = {
    "mcnemar": "McNemar's exact test",
    "wilcoxon": "Wilcoxon's signed rank test of users' means",
    "bootstrap": "bootstrap over users",
}


def _machines(pools: Sequence[Pool]) -> str:
    plays = [play for pool in pools for play in pool.plays.values()]
    told = {
        f"{play.environment.get('device', 'unknown device')}, {play.environment.get('cores', '?')} cores"
        for play in plays
    }
    return "; ".join(sorted(told))


def _about_sessions(pools: Sequence[Pool]) -> str:
    """Sessions of each data set, and how they were played."""
    parts: dict[str, dict[str, str]] = {}
    for pool in pools:
        play = next(iter(pool.plays.values()))
        count = [play.log["session"].nunique() for play in pool.plays.values()]
        number = f"{min(count):,}" if min(count) == max(count) else f"{min(count):,} to {max(count):,}"
        settings = play.settings
        own = {key.removeprefix("user."): value for key, value in settings.items() if key.startswith("user.")}
        played = (
            f"{settings.get('sessions.candidates')} candidates, lists of {settings['simulation.list_length']}, "
            f"{settings['simulation.rounds']} rounds, {user_text(own.pop('name'), own)}"
        )
        parts.setdefault(played, {}).setdefault(pool.dataset, number)
    told = [
        ", ".join(f"{dataset} {number}" for dataset, number in numbers.items()) + f" ({played})"
        for played, numbers in parts.items()
    ]
    return f"Sessions of a seed: {'; '.join(told)}."


def _strongest(frame: pd.DataFrame, compared: pd.DataFrame, pools: Sequence[Pool]) -> list[str]:
    """Which method that was: the most frequent one, then where it was another."""
    methods = dict(zip(frame["row"], frame["method"], strict=True))
    chosen = compared.drop_duplicates(["dataset", "model", "metric"])
    names = chosen["against"].map(methods)
    usual = str(names.mode().iloc[0])
    exceptions: dict[str, list[str]] = {}
    for row in chosen[names != usual].itertuples():
        exceptions.setdefault(f"{row.against} on {row.dataset}", []).append(str(row.metric))
    told = "; ".join(f"{where} ({', '.join(metrics)})" for where, metrics in exceptions.items())
    short = next(pool.entry.short for pool in pools if pool.method == usual)
    return [f"Strongest other method: {short}" + (f", but {told}." if told else " everywhere.")]


def _other_seeds(pool: Pool, pools: Sequence[Pool]) -> bool:
    return any(other.base == pool.base and other.seeds != pool.seeds for other in pools)

"""Plays of several seeds as one, and the checks that only like is compared with like."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd

from magus_pyg.agents.methods import Method, method_rank
from magus_pyg.errors import ConfigError, RunError, SessionError
from magus_pyg.report.alike import SELECTORS, check_alike, other_sessions
from magus_pyg.report.left_out import LeftOut
from magus_pyg.report.method_labels import base_label, base_rank
from magus_pyg.report.plays import MethodPlay
from magus_pyg.report.significance import Difference, compare
from magus_pyg.simulation import bootstrap_interval, session_metrics

__all__ = ["Pool", "align", "compare_pools", "judged", "pool_plays", "select_plays"]


@dataclass(frozen=True, eq=False)
class Pool:
    """One method on one base recommender and data set, over all seeds.

    Attributes:
        dataset, model, method, variation: which.
        setting: the values of the settings that the report is over, such as the length of lists.
        plays: seed -> play.
    """

    dataset: str
    model: str
    method: str
    variation: str
    setting: tuple[Any, ...]
    plays: Mapping[int, MethodPlay]

    @property
    def seeds(self) -> tuple[int, ...]:
        """The seeds, ascending."""
        return tuple(self.plays)

    @property
    def name(self) -> str:
        """For lines and bars of one base: the method, and what is unlike its defaults."""
        return self.entry.short + (f" ({self.variation})" if self.variation else "")

    @property
    def entry(self) -> Method:
        """Of the method."""
        return next(iter(self.plays.values())).entry

    @property
    def where(self) -> str:
        """For messages."""
        return f"{self.dataset}, {base_label(self.model)}, {self.name}"

    @property
    def asked(self) -> bool:
        """Whether it ever showed a query."""
        return any(bool((play.log["queries_shown"] > 0).any()) for play in self.plays.values())

    @property
    def base(self) -> tuple[str, str]:
        """Data set and base recommender."""
        return self.dataset, self.model

    def rank(self) -> tuple[Any, ...]:
        """Sorts pools as tables list them, within a data set."""
        return (*base_rank(self.model), *method_rank(self.method), self.variation)

    def mean(self, name: str) -> float:
        """Mean over the seeds of a number of the plays, such as "play_seconds"."""
        return float(np.mean([getattr(play, name) for play in self.plays.values()]))

    def sessions(self, rounds: Sequence[int]) -> pd.DataFrame:
        """RA@K and SA@K of every session, and SAC (of `items` alone), indexed by (seed, session), with its `user`."""
        tables = {seed: judged(play, tuple(rounds)) for seed, play in self.plays.items()}
        return pd.concat(tables, names=["seed", "session"]).sort_index()

    def means(self, rounds: Sequence[int], resamples: int = 2000, seed: int = 0) -> dict[str, float]:
        """Means over all sessions of all seeds with their intervals, by resampling users.

        Returns:
            {"RA@K": mean, "RA@K_low": ..., "RA@K_high": ...} and so on for SA@K and SAC (NaN but for `items`).

        Raises:
            SessionError: a K beyond the rounds that were played.
        """
        names = ["SAC", *(f"{metric}@{k}" for k in rounds for metric in ("RA", "SA"))]
        table = self.sessions(rounds)
        values = table[names].to_numpy(dtype=np.float64)
        low, high = bootstrap_interval(values, table["user"].to_numpy(), resamples=resamples, seed=seed)
        found = dict(zip(names, table[names].mean(), strict=True))
        for name, *bounds in zip(names, low, high, strict=True):
            found[f"{name}_low"], found[f"{name}_high"] = map(float, bounds)
        return found


@lru_cache(maxsize=512)
def judged(play: MethodPlay, rounds: tuple[int, ...]) -> pd.DataFrame:
    """`session_metrics` of a play; a table is asked for the same sessions again and again."""
    try:
        return session_metrics(play.log, rounds)
    except SessionError as error:
        raise SessionError(f"{play.folder}, {play.method}: {error}") from error


def select_plays(
    plays: Iterable[MethodPlay],
    wanted: Mapping[str, Any],
    methods: Sequence[str] | None = None,
    models: Sequence[str] | None = None,
    datasets: Sequence[str] | None = None,
    usual: Mapping[str, Any] | None = None,
    left_out: LeftOut | None = None,
    asked: Collection[str] = (),
) -> list[MethodPlay]:
    """The plays with certain settings.

    Args:
        plays: all.
        wanted: option of `SELECTORS` -> value; None where any will do.
        methods, models, datasets: names; None for all.
        usual: option -> value to take where there are plays with it and `wanted` has none.
        left_out: notes the plays with other settings, where they were not asked for.
        asked: the options that were asked for.

    Raises:
        ConfigError: none is left, with what there is.
    """
    kept = list(plays)
    lists = {"methods": ("method", methods), "models": ("model", models), "datasets": ("dataset", datasets)}
    for option, (attribute, names) in lists.items():
        if names is not None:
            there = sorted({getattr(play, attribute) for play in kept})
            unknown = [name for name in names if name not in there]
            if unknown:
                raise ConfigError(f"{option}: no play has {unknown[0]!r}; there are {', '.join(there)}")
            kept = [play for play in kept if getattr(play, attribute) in names]
    settings = {option: value for option, value in wanted.items() if value is not None}
    left = {option: value for option, value in (usual or {}).items() if option not in settings}
    for option, value in [*settings.items(), *left.items()]:
        key = SELECTORS[option]
        if option in left and all(play.settings.get(key) != value for play in kept):
            continue
        there = sorted({str(play.settings.get(key)) for play in kept})
        others = [play for play in kept if play.settings.get(key) != value]
        kept = [play for play in kept if play.settings.get(key) == value]
        if not kept:
            raise ConfigError(f"no play has {option}={value}; there are {', '.join(there)}")
        if left_out is not None and option not in asked:
            for play in others:
                why = f"{key} is {play.settings.get(key)}, not {value} (choose with {option}=...)"
                left_out.note(play.folder, why)
    return kept


def pool_plays(
    plays: Iterable[MethodPlay], by: Sequence[str] = (), variation: Callable[[MethodPlay], str] | None = None
) -> list[Pool]:
    """Put the seeds of each method together.

    Args:
        plays: the plays of a report.
        by: keys of the configuration that the report is over, such as "simulation.list_length"; plays may differ in
            them, and each value makes a pool of its own.
        variation: names what of a method's own settings is unlike its defaults, where not `MethodPlay.variation`; plays
            of the same name are the seeds of one pool.

    Returns:
        The pools, sorted by data set, base recommender, method, variation, then by the values of `by`.

    Raises:
        RunError: plays of a data set that differ in other settings, runs of a base recommender that were trained
            differently, or two unlike plays of the same seed.
        SessionError: methods whose sessions are not the same.
    """
    plays = list(plays)
    check_alike(plays, by)
    grouped: dict[tuple[str, str, str, str, tuple[Any, ...]], dict[int, MethodPlay]] = {}
    for play in plays:
        at = tuple(play.settings.get(key) for key in by)
        name = play.variation if variation is None else variation(play)
        group = grouped.setdefault((play.dataset, play.model, play.method, name, at), {})
        group[play.seed] = _either(group[play.seed], play) if play.seed in group else play
    pools = [Pool(*key, plays=dict(sorted(group.items()))) for key, group in grouped.items()]
    for pool in pools:
        first = next(other for other in pools if other.base == pool.base and other.setting == pool.setting)
        align(first, pool)
    return sorted(pools, key=lambda pool: (pool.dataset, *pool.rank(), *map(_sortable, pool.setting)))


def _either(first: MethodPlay, second: MethodPlay) -> MethodPlay:
    """Of two plays of the same the one with more horizons: a simulation can add K at which what plans is judged.

    Raises:
        RunError: they differ at a horizon that both have, or each has one that the other lacks.
    """
    held = [set(play.log["horizon"]) for play in (first, second)]
    shared = held[0] & held[1]
    a, b = (play.log[play.log["horizon"].isin(shared)].reset_index(drop=True) for play in (first, second))
    if not a.equals(b) or shared not in held:
        raise RunError(
            f"{first.folder} and {second.folder} both hold {first.method} on {first.dataset} with {first.model} and "
            f"seed {first.seed}, and differ: name one of these folders in runs=... (a run brings its simulations along)"
        )
    return first if held[0] >= held[1] else second


def align(first: Pool, second: Pool) -> list[int]:
    """The seeds that two methods share, after a check that their sessions are the same.

    Raises:
        SessionError: other sessions, or sessions of other users, candidates or targets.
    """
    shared = [seed for seed in first.seeds if seed in second.plays]
    for seed in shared:
        odd = other_sessions(first.plays[seed], second.plays[seed])
        if odd:
            raise SessionError(odd)
    return shared


def compare_pools(
    first: Pool, second: Pool, metric: str, rounds: Sequence[int], test: str = "auto", resamples: int = 2000
) -> Difference:
    """How far a method is above another, on the (seed, session) pairs of the seeds that both have.

    Args:
        first, second: the methods.
        metric: "RA@3", "SA@5", ...
        rounds: the K that are judged, that of the metric among them.
        test: see `significance.compare`; "auto" takes McNemar's for SA@K alone.
        resamples: bootstrap samples.

    Raises:
        SessionError: see `align`; or no seed that both have.
    """
    if test == "auto" and not metric.startswith("SA@"):
        test = "wilcoxon"  # gains that all happen to be 0 or 1 are still no successes
    shared = align(first, second)
    if not shared:
        raise SessionError(f"{first.where} and {second.name} have no seed in common: name runs of the same seeds")
    a, b = (pool.sessions(rounds).loc[shared] for pool in (first, second))
    return compare(a[metric].to_numpy(), b[metric].to_numpy(), a["user"].to_numpy(), test, resamples=resamples)


def _sortable(value: Any) -> tuple[int, Any]:
    return (0, value) if isinstance(value, int | float) else (1, str(value))

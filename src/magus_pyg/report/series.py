"""The numbers behind the figures, as tidy tables: a row a point."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd
from safetensors import SafetensorError, safe_open

from magus_pyg.errors import ConfigError, RunError
from magus_pyg.report.method_labels import base_label
from magus_pyg.report.plays import MethodPlay
from magus_pyg.report.pools import Pool, pool_plays
from magus_pyg.simulation import bootstrap_interval

__all__ = [
    "SERIES_COLUMNS",
    "fitted_error_rate",
    "length_series",
    "noise_series",
    "round_series",
    "success_series",
    "time_series",
    "unplanned_rounds",
]

#: `panel` is what a panel of the figure is of, beside data set and metric; `planned` marks a point of its own play.
SERIES_COLUMNS = (
    "dataset", "model", "method", "series", "metric", "panel", "x", "mean", "low", "high", "planned", "seeds",
    "sessions",
)  # fmt: skip


def round_series(pools: Iterable[Pool], rounds: Sequence[int] = (2, 3, 4, 5), resamples: int = 2000) -> pd.DataFrame:
    """RA@K and SA@K over K (Fig. 3).

    A method that plans for the rounds left has a point at K only where a run of K rounds was played: the first K rounds
    of a longer run are spent on what pays later.

    Args:
        pools: of one base recommender and setting.
        rounds: the K.
        resamples: bootstrap samples of the intervals.

    Returns:
        `SERIES_COLUMNS`, x = K, metric "RA@K" or "SA@K".

    Raises:
        SessionError: a K beyond the rounds that were played.
    """
    rows = []
    for pool in pools:
        judged = [k for k in rounds if k not in unplanned_rounds(pool, rounds)]
        means = pool.means(judged, resamples)
        rows += [_row(pool, f"{metric}@K", k, means, f"{metric}@{k}") for metric in ("RA", "SA") for k in judged]
    return _sorted(rows)


def unplanned_rounds(pool: Pool, rounds: Sequence[int]) -> list[int]:
    """The K of `rounds` for which a method that plans has no run of K rounds; none for other methods."""
    if not pool.entry.plans:
        return []
    played = [set(play.log["horizon"].unique()) for play in pool.plays.values()]
    return [k for k in rounds if not all(k in horizons for horizons in played)]


def length_series(pools: Iterable[Pool], at: int = 3, resamples: int = 2000) -> pd.DataFrame:
    """RA and SA over the length of the list (Fig. 4).

    Args:
        pools: pooled by "simulation.list_length".
        at: the K of RA@K and SA@K.
        resamples: bootstrap samples of the intervals.

    Returns:
        `SERIES_COLUMNS`, x = N, metric "RA@3" or "SA@3".
    """
    rows = []
    for pool in pools:
        means = pool.means((at,), resamples)
        rows += [_row(pool, f"{metric}@{at}", pool.setting[0], means, f"{metric}@{at}") for metric in ("RA", "SA")]
    return _sorted(rows)


def success_series(pools: Iterable[Pool], resamples: int = 2000) -> pd.DataFrame:
    """SA@K for every K, from the round in which each session succeeded.

    Args:
        pools: pooled by "sessions.candidates".
        resamples: bootstrap samples of the intervals.

    Returns:
        `SERIES_COLUMNS`, x = K, panel the number of candidates, or "all" where it reaches the whole catalogue. One play
        makes a line; for a method that plans for the rounds left that is its longest run, and rows with `planned` are
        the end points of its shorter ones.
    """
    rows: list[dict[str, Any]] = []
    for pool in pools:
        play = next(iter(pool.plays.values()))
        panel = _candidates_label(pool.setting[0], int(play.data["items"]))
        horizons = sorted({int(horizon) for each in pool.plays.values() for horizon in each.log["horizon"].unique()})
        for horizon in horizons:
            longest = horizon == horizons[-1]
            table = pd.concat([success_rounds(each.log, horizon) for each in pool.plays.values()])
            rounds = np.arange(1, horizon + 1) if longest else np.array([horizon])
            found = table["round"].to_numpy()[:, None] <= rounds
            low, high = bootstrap_interval(found.astype(np.float64), table["user"].to_numpy(), resamples=resamples)
            for index, k in enumerate(rounds):
                values = {"SA": found[:, index].mean(), "SA_low": low[index], "SA_high": high[index]}
                rows.append(_row(pool, "SA@K", int(k), values, "SA") | {"panel": panel, "planned": not longest})
    return pd.DataFrame(rows, columns=list(SERIES_COLUMNS))


def _candidates_label(value: Any, items: int) -> str:
    return "all" if value == "all" or int(value) >= items else f"{int(value):,}"


def success_rounds(log: pd.DataFrame, horizon: int) -> pd.DataFrame:
    """The round in which the target of each session was clicked, of the play with a certain horizon.

    Returns:
        A row a session: `user` and `round`, infinite where none was clicked.
    """
    part = log[log["horizon"] == horizon]
    turn = part["round"].where(part["target_clicked"].astype(bool), np.inf).astype(np.float64)
    return part.assign(found=turn).groupby("session").agg(user=("user", "first"), round=("found", "min"))


def noise_series(plays: Iterable[MethodPlay], rounds: Sequence[int] = (3, 5), resamples: int = 2000) -> pd.DataFrame:
    """SA@K over the share p of misjudged queries, with the error rate of `bayes` as fitted, halved and doubled.

    Args:
        plays: with truthful and noisy users.
        rounds: the K.
        resamples: bootstrap samples of the intervals.

    Returns:
        `SERIES_COLUMNS`, x = p, metric "SA@3" and so on.
    """
    plays = list(plays)
    set_by_hand = any("error_rate=" in play.variation for play in plays)
    # A rate that was fitted to 0 is its own half and double.
    zero = [play for play in plays if play.method == "bayes" and not play.variation and fitted_error_rate(play) == 0.0]
    pools = pool_plays(plays, by=("user.name", "user.p"), variation=_error_rate_name)
    if set_by_hand and zero:
        for name in (_HALF, _DOUBLE):
            pools += pool_plays(zero, by=("user.name", "user.p"), variation=_always(name))
    merged: dict[tuple[Any, ...], Pool] = {}
    for pool in pools:
        share = 0.0 if pool.setting[0] == "truthful" else float(pool.setting[1])
        key = (*pool.base, pool.method, pool.variation, share)
        # A noisy user with p = 0 is a truthful one; zeros join the seeds whose half and double were played.
        held = merged[key].plays if key in merged else {}
        merged[key] = Pool(
            *pool.base, pool.method, pool.variation, (share,), dict(sorted({**pool.plays, **held}.items()))
        )
    rows = []
    for pool in merged.values():
        means = pool.means(rounds, resamples)
        rows += [_row(pool, f"SA@{k}", pool.setting[0], means, f"SA@{k}") for k in rounds]
    return _sorted(rows)


_HALF, _DOUBLE = "½ error rate", "2× error rate"


def _always(name: str) -> Callable[[MethodPlay], str]:
    return lambda play: name


def _error_rate_name(play: MethodPlay) -> str:
    """How far the error rate that was set is from the fitted one; other variations as they are."""
    if play.method != "bayes" or not play.variation.startswith("error_rate="):
        return play.variation
    chosen = float(play.settings["magus.error_rate"])
    fitted = fitted_error_rate(play)
    if fitted:
        # Double is cut at the bound of 1/2, which an error rate must stay below.
        for name, wanted in ((_HALF, fitted / 2), (_DOUBLE, min(2 * fitted, 0.5))):
            if abs(chosen - wanted) <= 0.1 * wanted:
                return name
    return play.variation


def fitted_error_rate(play: MethodPlay) -> float | None:
    """The error rate that `bayes` fitted for a play, or else in its run; None where it fitted nothing.

    Raises:
        RunError: a damaged file.
    """
    for folder in (play.folder, play.run):
        path = folder / "agents" / "bayes.safetensors"
        if not path.is_file():
            continue
        try:
            with safe_open(path, framework="np") as file:
                return float(file.get_tensor("error_rate"))
        except (SafetensorError, OSError) as error:
            raise RunError(f"{path} is damaged ({error}); train or simulate again") from error
    return None


def time_series(pools: Iterable[Pool]) -> pd.DataFrame:
    """Wall times (Fig. 6): what training takes, and playing.

    Returns:
        A row a method of a base recommender: dataset, model, method, series, `base_seconds` and `fit_seconds` of its
        training (the base recommender and what the method learns beside it), `session_ms`, milliseconds a session, NaN
        where it is not known, and `device`. Means over seeds.

    Raises:
        ConfigError: plays of one data set on different devices, whose times say nothing of the methods.
    """
    rows = []
    for pool in pools:
        speeds = [play.speed for play in pool.plays.values() if play.speed > 0]
        devices = {play.environment.get("device", "unknown device") for play in pool.plays.values()}
        rows.append(
            {
                "dataset": pool.dataset,
                "model": pool.model,
                "method": pool.method,
                "series": pool.name,
                "base_seconds": pool.mean("training_seconds"),
                "fit_seconds": pool.mean("fit_seconds"),
                "session_ms": float(np.mean([1000.0 / speed for speed in speeds])) if speeds else np.nan,
                "device": ", ".join(sorted(devices)),
                "seeds": len(pool.seeds),
            }
        )
    table = pd.DataFrame(rows)
    machines = sorted(set(table["device"])) if len(table) else []
    if len(machines) > 1:
        raise ConfigError(
            f"the plays ran on different devices ({'; '.join(machines)}): their times say nothing of the methods; name "
            "runs of one device in runs=..."
        )
    return table


def _row(pool: Pool, metric: str, x: float, means: dict[str, Any], name: str) -> dict[str, Any]:
    return {
        "dataset": pool.dataset,
        "model": base_label(pool.model),
        "method": pool.method,
        "series": pool.entry.short + (f", {pool.variation}" if pool.variation else ""),
        "metric": metric,
        "panel": "",
        "x": x,
        "mean": float(means[name]),
        "low": float(means[f"{name}_low"]),
        "high": float(means[f"{name}_high"]),
        "planned": False,
        "seeds": len(pool.seeds),
        "sessions": sum(play.log["session"].nunique() for play in pool.plays.values()),
    }


def _sorted(rows: Sequence[dict[str, Any]]) -> pd.DataFrame:
    """Methods in their order, points from left to right."""
    table = pd.DataFrame(rows, columns=list(SERIES_COLUMNS))
    order = {name: index for index, name in enumerate(dict.fromkeys(table["series"]))}
    table["order"] = table["series"].map(order)
    return table.sort_values(["dataset", "metric", "order", "x"], kind="stable", ignore_index=True).drop(
        columns="order"
    )

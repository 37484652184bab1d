"""RA@K, SA@K and SAC from the record table, with intervals that respect that sessions of a user are not independent."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from magus_pyg.errors import SessionError
from magus_pyg.simulation.bootstrap import bootstrap_interval

__all__ = ["means_with_intervals", "session_metrics", "summarize"]


def session_metrics(log: pd.DataFrame, rounds: Sequence[int] = (3, 5)) -> pd.DataFrame:
    """The metrics of every session.

    Args:
        log: a record table of one agent.
        rounds: the K of RA@K and SA@K.

    Returns:
        One row a session, indexed by session id, with `user`, `RA@K` and `SA@K` for every K (Sec. 4.1) and `SAC`.
        RA@K is the mean of 1/log2(b + 1), b the position of the click, over the rounds played up to K, a round
        without a click counting 0. SA@K is 1 if a target item was clicked by round K. SAC is 1 if the first list of
        the `items` agent held a target; NaN for other agents.

    Raises:
        SessionError: a log of several agents, a (session, round) twice, or a K beyond the log's horizon.
    """
    agents = log["agent"].unique()
    if len(agents) > 1:
        raise SessionError(f"the log holds several agents ({', '.join(map(str, agents))}): pass one at a time")
    frames = []
    for k in rounds:
        if k < 1:
            raise SessionError(f"the K of RA@K and SA@K must be at least 1, got {k}")
        part = _rows_of_horizon(log, k)
        part = part[part["round"] <= k]
        if part.duplicated(["session", "round"]).any():
            session = part.loc[part.duplicated(["session", "round"]), "session"].iloc[0]
            raise SessionError(f"session {session} has a round twice: the log mixes runs")
        position = part["position"].to_numpy()
        gain = np.zeros(len(part))
        gain[position > 0] = 1.0 / np.log2(position[position > 0] + 1.0)
        by_session = part.assign(gain=gain).groupby("session", sort=True)
        frames.append(by_session["gain"].mean().rename(f"RA@{k}"))
        frames.append(by_session["target_clicked"].max().astype(np.float64).rename(f"SA@{k}"))
    user = log.groupby("session", sort=True)["user"].first()
    first = log[log["round"] == 1].groupby("session")["target_clicked"].max().astype(np.float64)
    is_items = len(agents) == 1 and agents[0] == "items"
    sac = first.rename("SAC") if is_items else pd.Series(np.nan, index=user.index, name="SAC")
    return pd.concat([user, *frames, sac], axis=1)


def _rows_of_horizon(log: pd.DataFrame, k: int) -> pd.DataFrame:
    """The rows to judge at K: those of a run of K rounds where there is one, else of the shortest run that is longer.

    An agent that plans for the rounds left plays a run of K rounds differently from the first K rounds of a longer one.
    """
    horizons = np.sort(log["horizon"].unique())
    fitting = horizons[horizons >= k]
    if len(log) and not len(fitting):
        raise SessionError(f"the log has {horizons.max()} rounds: @{k} cannot be computed; simulate with more rounds")
    return log[log["horizon"] == fitting[0]] if len(fitting) else log


def means_with_intervals(
    table: pd.DataFrame, names: Sequence[str], level: float = 0.95, resamples: int = 2000, seed: int = 0
) -> dict[str, float]:
    """Means of columns, each followed by `<name>_low` and `<name>_high`, the bounds of its interval.

    Args:
        table: a row a session (or dialogue), with the column `user` and those of `names`.
        names: the columns.
        level, resamples, seed: see `bootstrap_interval`.

    Returns:
        {column: value}; NaN where the table is empty.
    """
    values = table[list(names)].to_numpy(dtype=np.float64)
    low, high = bootstrap_interval(values, table["user"].to_numpy(), level, resamples, seed)
    row: dict[str, float] = {}
    for column, name in enumerate(names):
        row[name] = float(values[:, column].mean()) if len(values) else float("nan")
        row[f"{name}_low"], row[f"{name}_high"] = float(low[column]), float(high[column])
    return row


def summarize(
    log: pd.DataFrame, rounds: Sequence[int] = (3, 5), level: float = 0.95, resamples: int = 2000, seed: int = 0
) -> pd.DataFrame:
    """One row of results from a record table of one agent.

    Args:
        log: the record table that `simulate` returns.
        rounds: the K of RA@K and SA@K.
        level: coverage of the intervals.
        resamples: bootstrap samples.
        seed: of the bootstrap.

    Returns:
        One row: `agent`, `sessions`, `users`, `SAC`, then `RA@K` and `SA@K` for every K, each metric followed by
        `<metric>_low` and `<metric>_high`, the bounds of its interval (bootstrap over users), and `query_rounds`, the
        share of rounds in which a query was shown.

    Raises:
        SessionError: see `session_metrics`.
    """
    sessions = session_metrics(log, rounds)
    names = ["SAC", *(f"{metric}@{k}" for k in rounds for metric in ("RA", "SA"))]
    row: dict[str, object] = {
        "agent": log["agent"].iloc[0] if len(log) else "",
        "sessions": len(sessions),
        "users": sessions["user"].nunique(),
    }
    row.update(means_with_intervals(sessions, names, level, resamples, seed))
    row["query_rounds"] = float((log["queries_shown"] > 0).mean()) if len(log) else np.nan
    return pd.DataFrame([row])

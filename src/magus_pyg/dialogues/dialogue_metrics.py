"""SR@t, AT and hDCG of a record table of EAR's protocol."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from magus_pyg.errors import SessionError
from magus_pyg.simulation.session_metrics import means_with_intervals

__all__ = ["dialogue_metrics", "summarize_dialogues"]


def dialogue_metrics(log: pd.DataFrame, at: Sequence[int] = (5, 10, 15)) -> pd.DataFrame:
    """The metrics of every dialogue.

    SR@t is 1 if the target was shown by turn t (Lei et al. 2020). AT is the turn of success; a failure counts the most
    turns of a dialogue. hDCG is the one of UNICORN's released code (Deng et al. 2021): success in turn T at position k
    gains 1/log2(T + 2) + (1/log2(T + 1) - 1/log2(T + 2)) / log2(k + 1), a failure 0.

    Args:
        log: the records of one agent, from `play_dialogues`.
        at: the t of SR@t.

    Returns:
        One row a dialogue, indexed by its id: `user`, `SR@t` for each t, `AT`, `hDCG`, `asks` (questions asked).

    Raises:
        SessionError: records of several agents or runs, or a t outside 1 .. the most turns.
    """
    agents = log["agent"].unique()
    if len(agents) > 1:
        raise SessionError(f"the log holds several agents ({', '.join(map(str, agents))}): pass one at a time")
    if log.duplicated(["dialogue", "turn"]).any():
        twice = log.loc[log.duplicated(["dialogue", "turn"]), "dialogue"].iloc[0]
        raise SessionError(f"dialogue {twice} has a turn twice: the log mixes runs")
    horizon = int(log["horizon"].max()) if len(log) else max(at, default=1)
    for t in at:
        if not 1 <= t <= horizon:
            raise SessionError(f"the t of SR@t must be in 1..{horizon}, the turns of the log, got {t}")
    success = log["success"].to_numpy(dtype=bool)
    turn = log["turn"].to_numpy(dtype=np.float64)
    position = np.maximum(log["position"].to_numpy(dtype=np.float64), 1.0)
    outer, inner = 1.0 / np.log2(turn + 2.0), 1.0 / np.log2(turn + 1.0)
    gain = np.where(success, outer + (inner - outer) / np.log2(position + 1.0), 0.0)
    rows = log.assign(
        gain=gain, found=np.where(success, turn, np.inf), is_ask=(log["asked"].to_numpy(dtype=np.int64) >= 0)
    ).groupby("dialogue", sort=True)
    found = rows["found"].min().to_numpy(dtype=np.float64)
    columns: dict[str, object] = {"user": rows["user"].first()}
    for t in at:
        columns[f"SR@{t}"] = (found <= t).astype(np.float64)
    columns |= {"AT": np.minimum(found, horizon), "hDCG": rows["gain"].sum(), "asks": rows["is_ask"].sum()}
    return pd.DataFrame(columns)


def summarize_dialogues(
    log: pd.DataFrame, at: Sequence[int] = (5, 10, 15), level: float = 0.95, resamples: int = 2000, seed: int = 0
) -> pd.DataFrame:
    """One row of results from the records of one agent.

    Args:
        log: from `play_dialogues`.
        at: the t of SR@t.
        level: coverage of the intervals, which resample users: dialogues of a user are not independent.
        resamples: bootstrap samples.
        seed: of the bootstrap.

    Returns:
        One row: `agent`, `dialogues`, `users`, then each of SR@t, AT, hDCG and asks followed by its `_low` and `_high`.

    Raises:
        SessionError: see `dialogue_metrics`.
    """
    table = dialogue_metrics(log, at)
    names = [*(f"SR@{t}" for t in at), "AT", "hDCG", "asks"]
    row: dict[str, object] = {
        "agent": log["agent"].iloc[0] if len(log) else "",
        "dialogues": len(table),
        "users": table["user"].nunique(),
    }
    row.update(means_with_intervals(table, names, level, resamples, seed))
    return pd.DataFrame([row])

"""Run folders written by hand: records in which a session is the round of its success, and what lies beside them."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

SECONDS = {"training": 60.0, "fit bayes": 6.0, "items": 0.5, "magus": 1.0, "bayes": 2.0}


def records(
    found: Sequence[int],
    method: str = "items",
    rounds: int = 5,
    position: int = 1,
    users: Sequence[int] | None = None,
    candidates: int = 30,
) -> pd.DataFrame:
    """The record table of a method.

    Args:
        found: for each session the round in which its target is clicked, 0 for never.
        method: the agent.
        rounds: the horizon.
        position: of the click in its list.
        users: the user of each session; that of its number if None.
        candidates: number of candidates.
    """
    rows = []
    for session, success in enumerate(found):
        last = success or rounds
        for turn in range(1, last + 1):
            hit = turn == success
            rows.append(
                {
                    "session": session,
                    "user": session if users is None else users[session],
                    "agent": method,
                    "horizon": rounds,
                    "round": turn,
                    "shown": [3 * turn, 3 * turn + 1],
                    "kinds": ["item", "query"],
                    "clicked": 3 * turn if hit else -1,
                    "position": position if hit else 0,
                    "n_candidates": candidates,
                    "n_targets": 1,
                    "queries_shown": 1,
                    "target_clicked": hit,
                    "done": turn == last,
                }
            )
    return pd.DataFrame(rows)


def config(**changes: Any) -> dict[str, Any]:
    """A configuration, as config.yaml has it; changes are given as dataset__name="..." and so on."""
    values: dict[str, Any] = {
        "dataset": {"name": "shop", "word_fields": ["brand"]},
        "model": {"name": "fm", "dim": 8},
        "magus": {"name": "base", "negative": "zero", "hops": 1},
        "user": {"name": "truthful"},
        "train": {"epochs": 2, "accelerator": "auto"},
        "simulation": {"rounds": 5, "list_length": 3, "at": [3, 5], "part": "test", "searches": 5},
        "sessions": {"kind": "standard", "candidates": 30, "min_targets": 1},
        "agents": None,
        "seed": 0,
    }
    for key, value in changes.items():
        group, _, name = key.partition("__")
        if name:
            values[group][name] = value
        else:
            values[group] = value
    return values


def write_play(folder: Path, tables: Mapping[str, pd.DataFrame], **changes: Any) -> None:
    """config.yaml, records.parquet and results.csv."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.yaml").write_text(yaml.safe_dump(config(**changes)))
    pd.concat(tables.values(), ignore_index=True).to_parquet(folder / "records.parquet", index=False)
    counts = [table["session"].nunique() for table in tables.values()]
    pd.DataFrame({"method": list(tables), "sessions": counts}).to_csv(folder / "results.csv", index=False)


def write_run(
    folder: Path,
    found: Mapping[str, Sequence[int] | pd.DataFrame],
    seconds: Mapping[str, float] | None = None,
    fingerprint: str = "f00d",
    state: str = "complete",
    environment: Mapping[str, str] | None = None,
    **changes: Any,
) -> Path:
    """A whole run folder, as far as reports read it.

    Args:
        folder: its path.
        found: method -> what `records` takes, or its record table.
        seconds: of run.json.
        fingerprint: of the data set.
        state: of run.json.
        environment: of run.json.
        changes: see `config`.
    """
    write_play(folder, {name: _table(name, value, changes) for name, value in found.items()}, **changes)
    names = ("config.yaml", "records.parquet", "results.csv")
    info = {
        "format": 1,
        "state": state,
        "data": {"name": "shop", "fingerprint": fingerprint, "users": 40, "items": 200},
        "environment": dict(environment or {"device": "CPU (x86_64)", "cores": "2"}),
        "seconds": dict(SECONDS if seconds is None else seconds),
        "sessions_per_second": dict.fromkeys(found, 500.0),
        "files": {name: (folder / name).stat().st_size for name in names},
    }
    (folder / "run.json").write_text(json.dumps(info))
    return folder


def write_simulation(run: Path, number: int, found: Mapping[str, Sequence[int] | pd.DataFrame], **changes: Any) -> Path:
    """A simulation inside a run folder."""
    folder = run / "simulations" / str(number)
    write_play(folder, {name: _table(name, value, changes) for name, value in found.items()}, **changes)
    values = {"seconds": {"items": 0.25}, "sessions_per_second": {"items": 800.0}, "environment": {"device": "GPU"}}
    (folder / "simulation.json").write_text(json.dumps(values))
    return folder


def _table(method: str, value: Sequence[int] | pd.DataFrame, changes: Mapping[str, Any]) -> pd.DataFrame:
    if isinstance(value, pd.DataFrame):
        return value
    rounds, candidates = changes.get("simulation__rounds", 5), changes.get("sessions__candidates", 30)
    return records(value, method, rounds, candidates=candidates)

"""Successive sessions of the same users, with and without learning between them: RA and SA by the session's number.

    python -m magus_pyg.experiment.learning_curve [key=value ...]   trains with experiment=learning, then plays
    python -m magus_pyg.experiment.learning_curve run=RUN           plays a run that was trained before

Both write RUN/learning/: the records of all plays, results.csv (a row an agent, way of learning and session number) and
the configuration. To be compared are the two ways at the same number: later sessions are of fewer users, and have fewer
targets, since no target returns.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

import pandas as pd
import torch
from rich.table import Table
from rich.text import Text

from magus_pyg.agents.context import AgentContext
from magus_pyg.agents.fitted_states import AgentState
from magus_pyg.agents.methods import METHODS
from magus_pyg.data import Sessions
from magus_pyg.errors import ConfigError, MagusError
from magus_pyg.experiment.agents_by_name import agent_context, agent_names
from magus_pyg.experiment.learning import learning_agent
from magus_pyg.experiment.pipeline import train_run
from magus_pyg.report import make_console
from magus_pyg.runs.config import Config
from magus_pyg.runs.data_loading import load_data
from magus_pyg.runs.folder import RunFolder
from magus_pyg.runs.overrides import check_overrides, compose_config
from magus_pyg.runs.run import Run, check_fingerprint, load_run
from magus_pyg.runs.run_inputs import playable_sessions
from magus_pyg.runs.schemas import register, typed
from magus_pyg.simulation import Agent, User, session_metrics, session_numbers, simulate
from magus_pyg.simulation.session_metrics import means_with_intervals
from magus_pyg.simulation.users_by_name import build_user
from magus_pyg.terminal import Terminal, complain
from magus_pyg.training import training_data

__all__ = ["distinct_targets", "learning_table", "main", "play_with_and_without"]

WAYS = ("none", "per_session")


def distinct_targets(sessions: Sessions) -> Sessions:
    """Sessions in which no user looks for an item again.

    A candidate that was a target of an earlier session of its user is taken out of the later ones, and a session that
    has no target left is left out. What is learned from a click then counts only as far as it carries over to other
    items.

    Args:
        sessions: those of a user in the order in which they are played.
    """
    if not bool(sessions.targets.any()):
        return sessions.take(sessions.targets.any(1))
    number = session_numbers(sessions.user).unsqueeze(1).expand_as(sessions.candidates)
    width = int(sessions.candidates.max()) + 2
    key = sessions.user.unsqueeze(1) * width + sessions.candidates + 1
    wanted, place = torch.unique(key[sessions.targets], return_inverse=True)
    never = torch.iinfo(torch.int64).max
    first = torch.full_like(wanted, never).scatter_reduce(0, place, number[sessions.targets], "amin")
    found = torch.searchsorted(wanted, key.contiguous()).clamp(max=wanted.numel() - 1)
    earlier = (wanted[found] == key) & (first[found] < number)
    targets = sessions.targets & ~earlier
    candidates = torch.where(earlier, -1, sessions.candidates)
    kept = Sessions(sessions.user, candidates, targets, sessions.searched, sessions.id)
    return kept.take(targets.any(1))


def learning_table(records: pd.DataFrame, rounds: Sequence[int], resamples: int = 2000, seed: int = 0) -> pd.DataFrame:
    """RA@K and SA@K by the number of a session among its user's.

    Args:
        records: record tables of several agents with the column `learn`, "none" or "per_session", added.
        rounds: the K.
        resamples, seed: of the intervals (bootstrap over users).

    Returns:
        A row an agent, way of learning and number (from 1): `agent`, `learn`, `number`, `sessions`, `users`, each
        metric with its bounds `_low` and `_high`, and `<metric>_gain` with bounds, what learning adds on the same
        sessions (NaN in rows without learning, and where the sessions were not played both ways).
    """
    names = [f"{metric}@{k}" for k in rounds for metric in ("RA", "SA")]
    rows: list[dict[str, object]] = []
    for agent, of_agent in records.groupby("agent", sort=False):
        metrics = {way: _numbered(log, rounds) for way, log in of_agent.groupby("learn", sort=False)}
        for way, table in metrics.items():
            for number, sessions in table.groupby("number"):
                row: dict[str, object] = {"agent": agent, "learn": way, "number": int(str(number))}
                row.update({"sessions": len(sessions), "users": sessions["user"].nunique()})
                row.update(means_with_intervals(sessions, names, resamples=resamples, seed=seed))
                control = metrics.get("none")
                if way != "none" and control is not None:
                    both = sessions.join(control[names].add_suffix("_none"), how="inner")
                    gains = pd.DataFrame({f"{name}_gain": both[name] - both[f"{name}_none"] for name in names})
                    gains["user"] = both["user"]
                    wanted = [f"{name}_gain" for name in names]
                    row.update(means_with_intervals(gains, wanted, resamples=resamples, seed=seed))
                rows.append(row)
    return pd.DataFrame(rows)


def _numbered(log: pd.DataFrame, rounds: Sequence[int]) -> pd.DataFrame:
    """`session_metrics` with the column `number`, the place of a session (from 1) among those of its user."""
    table = session_metrics(log, rounds)
    order = log.drop_duplicates("session")
    number = session_numbers(torch.from_numpy(order["user"].to_numpy(dtype="int64").copy())) + 1
    table["number"] = pd.Series(number.numpy(), index=order["session"])
    return table


def play_with_and_without(
    config: Config, context: AgentContext, sessions: Sessions, user: User, states: dict[str, AgentState]
) -> pd.DataFrame:
    """Play the same successive sessions with every agent of the configuration, with a base recommender that learns
    between them and with one that does not.

    Args:
        config: of the run.
        context: of the run, with its rows.
        sessions: those of a user in the order in which they are played.
        user: who answers.
        states: what the agents have fitted.

    Returns:
        The record tables one below the other, with the column `learn` added.
    """
    options = config.simulation
    logs = []
    for way in WAYS:
        for name in agent_names(config):
            method, state = METHODS[name], states.get(name, {})
            agent: Agent
            if way == "per_session":
                agent = learning_agent(method.build, context, state, config.learning)
            else:
                agent = method.build(context, state)
            for k in options.judged_at if method.plans else [options.rounds]:
                played = (user, k, options.list_length, config.seed, options.batch_size, options.min_items)
                log = simulate(agent, sessions, *played)
                logs.append(log.assign(learn=way))
    return pd.concat(logs, ignore_index=True)


def learn_run(run: Run, console: Terminal) -> Path:
    """Play successive sessions of a run's users with and without learning, and write RUN/learning/.

    Raises:
        ConfigError: a run whose configuration has one session a user.
        MagusError: as `pipeline.simulate_run`.
    """
    config = run.config
    if config.sessions.per_user < 2:
        raise ConfigError(
            f"sessions.per_user must be at least 2 to learn between sessions (got {config.sessions.per_user}): train "
            "with experiment=learning"
        )
    data = load_data(config)
    check_fingerprint(data, run.fingerprint, run.path)
    options = config.simulation
    made = playable_sessions(data, run.graph, options.part, config.session_options, config.seed, options.searches)
    sessions = distinct_targets(made)
    console.print(f"{len(sessions):,} {options.part} sessions of {len(torch.unique(sessions.user)):,} users")
    rows = training_data(data, config.train)
    model = run.model.with_history(rows.before(options.part))
    context = agent_context(config, run.graph, model, rows=lambda: rows, say=console.note)
    with console.stage("playing"):
        records = play_with_and_without(config, context, sessions, build_user(config.user), run.agent_states)
    table = learning_table(records, options.judged_at, options.resamples, config.seed)
    folder = RunFolder(run.path).write_learning(config, records, table)
    console.print(_as_text(table, options.judged_at))
    console.print("gains are on the same sessions, with 95 % intervals (bootstrap over users)", style="dim")
    console.say(f"written to {folder}")
    return folder


def _as_text(table: pd.DataFrame, rounds: Sequence[int]) -> Table:
    """The table for a terminal."""
    text = Table(title="by the number of a session among its user's", title_justify="left")
    for name in ("method", "learn", "number", "sessions"):
        text.add_column(name, justify="left" if name in ("method", "learn") else "right")
    names = [f"{metric}@{k}" for k in rounds for metric in ("RA", "SA")]
    for name in names:
        text.add_column(f"{name}\ngain", justify="center")
    for row in table.to_dict("records"):
        cells: list[str | Text] = [str(row["agent"]), str(row["learn"]), str(row["number"]), f"{row['sessions']:,}"]
        for name in names:
            gain, low, high = (row.get(f"{name}_gain{end}", float("nan")) for end in ("", "_low", "_high"))
            second = "" if pd.isna(gain) else f"\n{gain:+.3f} ({low:+.3f} to {high:+.3f})"
            cells.append(Text.assemble(f"{row[name]:.3f}", (second, "dim")))
        text.add_row(*cells)
    return text


def main(words: Sequence[str]) -> Path:
    """Train if no run is named, then play; `words` as in the module.

    Raises:
        MagusError: see `pipeline.train_run`, `load_run` and `learn_run`.
    """
    console = make_console()
    named = [word.removeprefix("run=") for word in words if word.startswith("run=")]
    others = [word for word in words if not word.startswith("run=")]
    if named and others:
        raise ConfigError(f"{others[0]}: a run that is named plays with its own settings; leave the others out")
    if not named:
        if not any(word.startswith("experiment=") for word in others):
            others = ["experiment=learning", *others]
        check_overrides(others)
        register()
        named = [str(train_run(typed(compose_config(others)), console))]
    return learn_run(load_run(named[-1]), console)


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except MagusError as error:
        complain(f"error: {error}")
        sys.exit(2)

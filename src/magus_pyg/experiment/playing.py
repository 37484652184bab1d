"""Playing the sessions of a data set with several agents, and what comes out of it."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

import pandas as pd
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from torch_geometric.data import HeteroData

from magus_pyg.data import RecDataset, Sessions
from magus_pyg.experiment.agents import AGENTS, agent_names
from magus_pyg.experiment.config import Config
from magus_pyg.experiment.context import AgentContext, AgentState
from magus_pyg.experiment.environment import Stopwatch
from magus_pyg.experiment.inputs import playable_sessions
from magus_pyg.experiment.users import build_user
from magus_pyg.models import BaseRecommender, training_data
from magus_pyg.models.folds import fold_data
from magus_pyg.simulation import prepare_sessions, simulate, summarize

__all__ = ["Played", "fit_agents", "play_agents"]


@dataclass(frozen=True)
class Played:
    """What playing gave.

    Attributes:
        records: the record table, agent after agent.
        results: a row an agent: dataset, model, method, seed, sessions, users, SAC, RA@K, SA@K with bounds, and
            query_rounds.
        speeds: agent -> sessions a second, session graphs not counted.
        sessions: number of sessions.
    """

    records: pd.DataFrame
    results: pd.DataFrame
    speeds: dict[str, float]
    sessions: int


def fit_agents(
    config: Config,
    data: RecDataset,
    graph: HeteroData,
    model: BaseRecommender,
    watch: Stopwatch,
    console: Console,
    skip: Collection[str] = (),
) -> tuple[dict[str, AgentState], dict[str, pd.DataFrame]]:
    """Let the agents that learn something beyond the base recommender learn it, from training and validation sessions.

    Args:
        config: of the run.
        data: the data set.
        graph: its relational graph.
        model: the trained base recommender.
        watch: notes the wall time of each fitting.
        console: shows what was fitted.
        skip: agents that have learned already.

    Returns:
        agent -> its tensors, and agent -> the table of what it tried, for those that learn.
    """
    made: dict[tuple[str, int | None], Sessions] = {}

    def sessions(part: str, per_user: int | None = None) -> Sessions:
        key = (part, per_user)
        if key not in made:
            searches, options = config.simulation.searches, config.session_options
            options = options if per_user is None else replace(options, per_user=per_user)
            made[key] = playable_sessions(data, graph, part, options, config.seed, searches)
        return made[key]

    def fold_sessions(fold: int, folds: int, per_user: int) -> Sessions:
        options = replace(config.session_options, per_user=per_user)
        part = fold_data(data, fold, folds, config.seed)
        return playable_sessions(part, graph, "train", options, config.seed, config.simulation.searches)

    states = {}
    context = AgentContext(
        config,
        graph,
        model,
        sessions,
        rows=lambda: training_data(data, config.train),
        fold_sessions=fold_sessions,
        say=console.print,
    )
    for name in agent_names(config):
        fit = AGENTS[name].fit
        if fit is not None and name not in skip:
            with watch(f"fit {name}"), console.status(f"fitting {name} on validation sessions"):
                states[name] = fit(context)
    return states, context.tables


def play_agents(
    config: Config,
    data: RecDataset,
    graph: HeteroData,
    model: BaseRecommender,
    states: Mapping[str, AgentState],
    watch: Stopwatch,
    console: Console,
) -> Played:
    """Play the same sessions with every agent of the configuration.

    Args:
        config: of the run.
        data: the data set.
        graph: its relational graph.
        model: the trained base recommender.
        states: what the agents have learned.
        watch: notes the wall time of "sessions", "session graphs" and each agent.
        console: shows the progress.

    Raises:
        DataError: if no user gets a session.
    """
    options = config.simulation
    user = build_user(config.user)
    with watch("sessions"):
        sessions = playable_sessions(data, graph, options.part, config.session_options, config.seed, options.searches)
    console.print(
        f"{len(sessions):,} {options.part} sessions of at most {sessions.candidates.shape[1]} candidates, "
        f"{options.rounds} rounds, lists of {options.list_length}"
    )
    with watch("session graphs"), console.status("session graphs"):
        prepared = prepare_sessions(graph, sessions, model, options.batch_size)
    context = AgentContext(config, graph, model, say=console.print)
    names = agent_names(config)
    logs, rows, speeds = [], [], {}
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console) as progress:
        task = progress.add_task("playing", total=len(names))
        for name in names:
            progress.update(task, description=f"playing {name}")
            agent = AGENTS[name].build(context, states.get(name, {}))
            before = watch.seconds.get(name, 0.0)
            with watch(name):
                horizons = options.judged_at if AGENTS[name].plans else [options.rounds]
                log = pd.concat(
                    [simulate(agent, prepared, user, k, options.list_length, config.seed) for k in horizons],
                    ignore_index=True,
                )
            speeds[name] = len(sessions) * len(horizons) / max(watch.seconds[name] - before, 1e-9)
            with watch("summary"):
                rows.append(summarize(log, options.judged_at, resamples=options.resamples, seed=config.seed))
            logs.append(log)
            progress.advance(task)
        progress.update(task, description="played")
    table = pd.concat(rows, ignore_index=True).rename(columns={"agent": "method"})
    table.insert(0, "dataset", data.name)
    table.insert(1, "model", config.model.name)
    table.insert(3, "seed", config.seed)
    return Played(pd.concat(logs, ignore_index=True), table, speeds, len(sessions))

"""Playing the sessions of a data set with several agents, and what comes out of it."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

import pandas as pd
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from torch_geometric.data import HeteroData

from magus_pyg.data import RecDataset, Sessions
from magus_pyg.errors import DataError
from magus_pyg.experiment.agents import AGENTS, agent_names
from magus_pyg.experiment.config import Config
from magus_pyg.experiment.context import AgentContext, AgentState
from magus_pyg.experiment.environment import Stopwatch
from magus_pyg.experiment.inputs import playable_sessions
from magus_pyg.experiment.users import build_user
from magus_pyg.models import BaseRecommender, training_data
from magus_pyg.models.folds import fold_data
from magus_pyg.simulation import prepare_sessions, simulate, summarize

__all__ = ["PlaySetting", "Played", "fit_agents", "play_agents"]


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


@dataclass(frozen=True)
class PlaySetting:
    """What agents are fitted in and play in.

    Attributes:
        config: of the run.
        data: the data set.
        graph: its relational graph.
        model: the trained base recommender.
        watch: notes the wall time of each step.
        console: shows progress and what was fitted.
    """

    config: Config
    data: RecDataset
    graph: HeteroData
    model: BaseRecommender
    watch: Stopwatch
    console: Console

    def played(self, records: list[pd.DataFrame], rows: list[pd.DataFrame], speeds: dict[str, float], n: int) -> Played:
        """Records and rows of results, one of each an agent, as one table each, with the names of data set and model.

        Args:
            records: of each agent.
            rows: of results, with the agent's name in `agent`.
            speeds: agent -> sessions a second.
            n: number of sessions.
        """
        table = pd.concat(rows, ignore_index=True).rename(columns={"agent": "method"})
        table.insert(0, "dataset", self.data.name)
        table.insert(1, "model", self.config.model.name)
        table.insert(3, "seed", self.config.seed)
        return Played(pd.concat(records, ignore_index=True), table, speeds, n)


def fit_agents(
    setting: PlaySetting, skip: Collection[str] = ()
) -> tuple[dict[str, AgentState], dict[str, pd.DataFrame]]:
    """Let the agents that learn something beyond the base recommender learn it, from training and validation sessions.

    Args:
        setting: what they are fitted in; `watch` notes the wall time of each fitting.
        skip: agents that have learned already.

    Returns:
        agent -> its tensors, and agent -> the table of what it tried, for those that learn.
    """
    config, data, graph, console = setting.config, setting.data, setting.graph, setting.console
    made: dict[tuple[str, int | None], Sessions] = {}

    def sessions(part: str, per_user: int | None = None) -> Sessions:
        if part not in ("train", "validation"):
            raise DataError(f"agents are fitted on the part train or validation (got {part!r})")
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
        setting.model,
        sessions,
        rows=lambda: training_data(data, config.train),
        fold_sessions=fold_sessions,
        say=console.print,
    )
    for name in agent_names(config):
        fit = AGENTS[name].fit
        if fit is not None and name not in skip:
            with setting.watch(f"fit {name}"), console.status(f"fitting {name} on validation sessions"):
                states[name] = fit(context)
    return states, context.tables


def play_agents(setting: PlaySetting, states: Mapping[str, AgentState]) -> Played:
    """Play the same sessions with every agent of the configuration.

    Args:
        setting: what they play in; `watch` notes the wall time of "sessions", "session graphs" and each agent.
        states: what the agents have learned.

    Raises:
        DataError: if no user gets a session.
    """
    config, data, graph, model = setting.config, setting.data, setting.graph, setting.model
    watch, console, options = setting.watch, setting.console, config.simulation
    user = build_user(config.user)
    with watch("sessions"):
        sessions = playable_sessions(data, graph, options.part, config.session_options, config.seed, options.searches)
    console.print(
        f"{len(sessions):,} {options.part} sessions of at most {sessions.candidates.shape[1]} candidates, "
        f"{options.rounds} rounds, lists of {options.list_length}"
    )
    with watch("session graphs"), console.status("session graphs"):
        prepared = prepare_sessions(graph, sessions, model, options.batch_size)
    # Agents that learn between sessions read the rows; none has sessions of any part here.
    context = AgentContext(config, graph, model, rows=lambda: training_data(data, config.train), say=console.print)
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
    return setting.played(logs, rows, speeds, len(sessions))

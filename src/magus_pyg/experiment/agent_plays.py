"""Playing the sessions of a data set with several agents, and what comes out of it."""

import time
from collections.abc import Callable, Collection, Generator, Mapping
from contextlib import closing
from dataclasses import dataclass, field, replace

import pandas as pd
import torch
from torch_geometric.data import HeteroData

from magus_pyg.agents.fitted_states import AgentState
from magus_pyg.agents.methods import METHODS
from magus_pyg.data import RecDataset, Sessions
from magus_pyg.errors import DataError
from magus_pyg.experiment.agents_by_name import agent_context, agent_names, build_agent
from magus_pyg.experiment.environment import Stopwatch
from magus_pyg.models import BaseRecommender, TrainingData
from magus_pyg.runs.config import Config
from magus_pyg.runs.run_inputs import playable_sessions
from magus_pyg.simulation import (
    SessionShare,
    User,
    prepare_sessions,
    prepare_sharded,
    simulate,
    simulate_sharded,
    summarize,
)
from magus_pyg.simulation.processes import in_processes
from magus_pyg.simulation.users_by_name import build_user
from magus_pyg.simulation.word_users import told_error
from magus_pyg.terminal import Terminal
from magus_pyg.training import training_data
from magus_pyg.training.folds import fold_data

__all__ = ["PlaySetting", "Played", "check_sessions", "fit_agents", "play_agents", "play_beside"]


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
        model: the trained base recommender, which reads the training rows where it reads a history.
        watch: notes the wall time of each step.
        console: shows progress and what was fitted.
        made: the sessions that were made so far, by part and number a user.
    """

    config: Config
    data: RecDataset
    graph: HeteroData
    model: BaseRecommender
    watch: Stopwatch
    console: Terminal
    made: dict[tuple[str, int | None], Sessions] = field(default_factory=dict, repr=False, compare=False)

    def sessions(self, part: str, per_user: int | None = None) -> Sessions:
        """The sessions of a part, `per_user` of each user where it is given, made once.

        Raises:
            DataError: if no user gets a session.
        """
        config, key = self.config, (part, per_user)
        if key not in self.made:
            options = config.session_options
            options = options if per_user is None else replace(options, per_user=per_user)
            searches = config.simulation.searches
            self.made[key] = playable_sessions(self.data, self.graph, part, options, config.seed, searches)
        return self.made[key]

    def model_at(self, part: str) -> BaseRecommender:
        """The base recommender with the histories that users have when a part begins."""
        return self.model.with_history(training_data(self.data, self.config.train).before(part))

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


def check_sessions(setting: PlaySetting) -> None:
    """Make the sessions that will be played, and those of validation if a rival learns: the variants have defaults.

    Raises:
        DataError: if no user gets a session.
    """
    setting.sessions(setting.config.simulation.part)
    methods = [METHODS[name] for name in agent_names(setting.config)]
    if any(method.role == "rival" and method.fit is not None for method in methods):
        setting.sessions("validation")


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

    def sessions(part: str, per_user: int | None = None) -> Sessions:
        if part not in ("train", "validation"):
            raise DataError(f"agents are fitted on the part train or validation (got {part!r})")
        return setting.sessions(part, per_user)

    def fold_sessions(fold: int, folds: int, per_user: int) -> Sessions:
        options = replace(config.session_options, per_user=per_user)
        part = fold_data(data, fold, folds, config.seed)
        return playable_sessions(part, graph, "validation", options, config.seed, config.simulation.searches)

    states = {}
    context = agent_context(
        config,
        graph,
        setting.model,
        sessions=sessions,
        rows=lambda: training_data(data, config.train),
        fold_sessions=fold_sessions,
        say=console.note,
    )
    for name in agent_names(config):
        fit = METHODS[name].fit
        if fit is not None and name not in skip:
            with setting.watch(f"fit {name}"), console.stage(f"fitting {name}") as stage:
                states[name] = fit(replace(context, progress=stage.reach))
    heard = [name for name in agent_names(config) if METHODS[name].hears and name not in skip]
    error = _told_error(setting) if heard else None
    if error is not None:
        console.note(f"{error:.1%} of the words told on validation are wrong: {', '.join(heard)} learn it")
        for name in heard:
            states.setdefault(name, {})["told_error"] = torch.tensor(error, dtype=torch.float64)
    return states, context.tables


def _told_error(setting: PlaySetting) -> float | None:
    """The share of words told on validation sessions that are wrong; None where the user tells nothing."""
    user = build_user(setting.config.user)
    if type(user).tells is User.tells:
        return None
    try:
        sessions = setting.sessions("validation")
    except DataError:  # no user has one: the default stands
        return None
    return told_error(user, setting.graph, sessions.candidates, sessions.targets, setting.config.seed)


@dataclass(frozen=True)
class _Job:
    """What a process needs to play its share with every agent.

    Attributes:
        sessions: of all processes.
        states: what the agents have learned.
        rows: of the log, where an agent learns from it between sessions.
    """

    config: Config
    graph: HeteroData
    model: BaseRecommender
    sessions: Sessions
    states: Mapping[str, AgentState]
    rows: TrainingData | None

    @classmethod
    def of(cls, setting: PlaySetting, states: Mapping[str, AgentState]) -> "_Job":
        config, data, graph = setting.config, setting.data, setting.graph
        sessions = setting.sessions(config.simulation.part)
        learns = config.magus_options.learn == "per_session"
        model = setting.model_at(config.simulation.part)
        return cls(config, graph, model, sessions, states, training_data(data, config.train) if learns else None)


_GRAPHS, _SAY = "session graphs", "say"
Part = tuple[str, pd.DataFrame | str | None, float]
"""(stage, what it gave, its seconds): `_GRAPHS`, the name of an agent with its records, or `_SAY` with a text."""


def _play_share(job: _Job, say: Callable[[str], None], shared: bool) -> Generator[Part, None, None]:
    """Play with every agent: all sessions, or where `shared`, this process's share, records going to that of rank 0."""
    config, options, rows = job.config, job.config.simulation, job.rows
    user = build_user(config.user)
    began = time.perf_counter()
    # Training on several devices leaves a group behind: whether to share is said, not read from there.
    prepare = prepare_sharded if shared else prepare_sessions
    share = prepare(job.graph, job.sessions, job.model, options.batch_size)
    yield _GRAPHS, None, time.perf_counter() - began
    # Agents that learn between sessions read the rows; none has sessions of any part here.
    context = agent_context(config, job.graph, job.model, rows=None if rows is None else lambda: rows, say=say)
    for name in agent_names(config):
        agent = build_agent(name, context, job.states.get(name, {}), config)
        began = time.perf_counter()
        horizons = options.judged_at if METHODS[name].plans else [options.rounds]
        logs = [
            simulate_sharded(agent, share, user, k, options.list_length, config.seed, min_items=options.min_items)
            if isinstance(share, SessionShare)
            else simulate(agent, share, user, k, options.list_length, config.seed, min_items=options.min_items)
            for k in horizons
        ]
        got = [log for log in logs if log is not None]
        yield name, pd.concat(got, ignore_index=True) if got else None, time.perf_counter() - began


def _play_job(job: _Job, send: Callable[[Part], None]) -> None:
    """What a new process does."""
    for part in _play_share(job, lambda text: send((_SAY, text, 0.0)), shared=True):
        send(part)


def play_beside(setting: PlaySetting, states: Mapping[str, AgentState]) -> None:
    """Play this process's share of what the process of rank 0 plays with `play_agents`."""
    for _ in _play_share(_Job.of(setting, states), lambda text: None, shared=True):
        pass


def play_agents(setting: PlaySetting, states: Mapping[str, AgentState], launched: bool = False) -> Played:
    """Play the same sessions with every agent of the configuration, in `simulation.processes` processes.

    Args:
        setting: what they play in; `watch` notes the wall time of "sessions", "session graphs" and each agent.
        states: what the agents have learned.
        launched: whether this process is that of rank 0 of a group, whose others call `play_beside`.

    Raises:
        DataError: if no user gets a session.
    """
    config, watch, console, options = setting.config, setting.watch, setting.console, setting.config.simulation
    with watch("sessions"):
        job = _Job.of(setting, states)
    sessions, processes = job.sessions, options.processes or 1
    console.print(
        f"{len(sessions):,} {options.part} sessions of at most {sessions.candidates.shape[1]} candidates, "
        f"{options.rounds} rounds, lists of {options.list_length}"
    )
    batches = -(-len(sessions) // options.batch_size)
    if processes > batches:
        console.print(
            f"{processes} processes, but {batches} batches: the others are left out; lower simulation.batch_size (now "
            f"{options.batch_size})"
        )
        processes = batches
    spawned = processes > 1 and not launched
    parts = in_processes(_play_job, job, processes) if spawned else _play_share(job, console.note, launched)
    names = agent_names(config)
    logs, rows, speeds = [], [], {}
    with closing(parts), console.stage("playing", len(names)) as playing:  # closed at once: other processes end with it
        playing.note = _GRAPHS
        for stage, given, seconds in parts:
            if isinstance(given, str):
                console.note(given)
                continue
            watch.add(stage, seconds)
            if given is not None:
                speeds[stage] = len(sessions) * given["horizon"].nunique() / max(seconds, 1e-9)
                with watch("summary"):
                    rows.append(summarize(given, options.judged_at, resamples=options.resamples, seed=config.seed))
                logs.append(given)
                playing.step()
            playing.note = names[len(logs)] if len(logs) < len(names) else ""
    return setting.played(logs, rows, speeds, len(sessions))

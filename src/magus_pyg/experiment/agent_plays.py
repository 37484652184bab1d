"""Playing the sessions of a data set with several agents, and what comes out of it."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch_geometric.data import HeteroData

from magus_pyg.agents.fitted_states import AgentState
from magus_pyg.agents.methods import METHODS
from magus_pyg.data import RecDataset, Sessions
from magus_pyg.engines import Engine, OneProcess
from magus_pyg.errors import ConfigError, DataError
from magus_pyg.experiment.agents_by_name import agent_context, agent_names, build_agent
from magus_pyg.experiment.environment import Stopwatch
from magus_pyg.graph import SessionGraphBuilder
from magus_pyg.memory import require_memory
from magus_pyg.models import BaseRecommender
from magus_pyg.online.catalogue.simulated import (
    CataloguePlays,
    play_catalogue_batch,
    plays_catalogues,
    split_for_catalogue,
)
from magus_pyg.runs.config import Config
from magus_pyg.runs.run_inputs import playable_sessions
from magus_pyg.simulation import Agent, Learner, User, simulate, summarize
from magus_pyg.simulation.loop import PlayedBatch, Plays, play_batch
from magus_pyg.simulation.prepare import split_sessions
from magus_pyg.simulation.record_table import join_records
from magus_pyg.simulation.users_by_name import build_user
from magus_pyg.simulation.word_users import told_error
from magus_pyg.terminal import Terminal
from magus_pyg.training import training_data
from magus_pyg.training.folds import fold_data

__all__ = ["PlaySetting", "Played", "check_sessions", "fit_agents", "play_agents"]

_RECORD = 600
"""Bytes of a row of the record table, with its list."""


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
        engine: works on batches and trials.
        made: the sessions that were made so far, by part and number a user.
    """

    config: Config
    data: RecDataset
    graph: HeteroData
    model: BaseRecommender
    watch: Stopwatch
    console: Terminal
    engine: Engine = field(default_factory=OneProcess)
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
        engine=setting.engine,
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


def play_agents(setting: PlaySetting, states: Mapping[str, AgentState]) -> Played:
    """Play the same sessions with every agent of the configuration: batch by batch, each with all of them.

    Session graphs and base scores of a batch are made once for all agents and K; with `candidates=all` there are no
    session graphs for agents that need none. An agent that learns between sessions plays them all by itself, after the
    others.

    Args:
        setting: what they play in; `watch` notes the time of "sessions", "session graphs" and each agent, and
            `engine` shares out the batches.
        states: what the agents have learned.

    Raises:
        ConfigError: records that the memory does not hold.
        DataError: if no user gets a session.
    """
    config, watch, console, options = setting.config, setting.watch, setting.console, setting.config.simulation
    with watch("sessions"):
        sessions = setting.sessions(options.part)
    console.print(
        f"{len(sessions):,} {options.part} sessions of at most {sessions.candidates.shape[1]} candidates, "
        f"{options.rounds} rounds, lists of {options.list_length}"
    )
    model, user = setting.model_at(options.part), build_user(config.user)
    agents = _built(setting, model, states)
    turns = sum(sum(_horizons(name, config)) for name in agents)
    what = f"the records of {len(sessions):,} sessions with {len(agents)} agents, up to {turns} rounds each,"
    advice = "lower sessions.per_user or simulation.rounds, or name fewer agents"
    require_memory(_RECORD * len(sessions) * turns, what, advice, ConfigError)
    groups = _groups(setting, model, user, agents, sessions)
    alone = {name: agent for name, agent in agents.items() if isinstance(agent, Learner)}
    tables: dict[str, list[pd.DataFrame]] = {name: [] for name in agents}
    with console.stage("playing", sum(len(group.batches) for group in groups) + len(alone), "batch") as playing:
        for group in groups:
            for played in setting.engine.map(group.play, group.shared, group.batches):
                watch.add("session graphs", played.preparing)
                for name, table, seconds in zip(group.names, played.records, played.seconds, strict=True):
                    watch.add(name, seconds)
                    tables[name].append(table)
                playing.step()
        for name, agent in alone.items():
            playing.note = name
            with watch(name):
                for k in _horizons(name, config):
                    given = (options.list_length, config.seed, options.batch_size, options.min_items, setting.engine)
                    tables[name].append(simulate(agent, sessions, user, k, *given))
            playing.step()
    logs, rows, speeds = [], [], {}
    with watch("summary"), console.stage("making the table"):
        for name in agents:
            log = _by_horizon(tables.pop(name))
            speeds[name] = len(sessions) * log["horizon"].nunique() / max(watch.seconds[name], 1e-9)
            rows.append(summarize(log, options.judged_at, resamples=options.resamples, seed=config.seed))
            logs.append(log)
    return setting.played(logs, rows, speeds, len(sessions))


def _built(setting: PlaySetting, model: BaseRecommender, states: Mapping[str, AgentState]) -> dict[str, Agent]:
    """The agents of the configuration, by name. Those that learn between sessions read the rows of the log."""
    config = setting.config
    rows = training_data(setting.data, config.train) if config.magus_options.learn == "per_session" else None
    given = None if rows is None else lambda: rows
    context = agent_context(config, setting.graph, model, rows=given, say=setting.console.note)
    return {name: build_agent(name, context, states.get(name, {}), config) for name in agent_names(config)}


@dataclass(frozen=True)
class _Group:
    """Agents that play the same batches in the same way; `names` has one entry a table of a `PlayedBatch`."""

    names: list[str]
    play: Callable[[Any, Sessions], PlayedBatch]
    shared: Any
    batches: list[Sessions]


def _groups(
    setting: PlaySetting, model: BaseRecommender, user: User, agents: Mapping[str, Agent], sessions: Sessions
) -> list[_Group]:
    """The agents that do not learn between sessions: on whole catalogues by nodes, where they can, else by session
    graphs."""
    config, options, builder = setting.config, setting.config.simulation, SessionGraphBuilder(setting.graph)
    everything = config.session_options.candidates == "all"
    names: dict[bool, list[str]] = {True: [], False: []}
    for name, agent in agents.items():
        if not isinstance(agent, Learner):
            names[everything and plays_catalogues(agent)] += [name] * len(_horizons(name, config))
    groups = []
    for by_nodes, some in names.items():
        rounds = [k for name in dict.fromkeys(some) for k in _horizons(name, config)]
        turns = [(agents[name], k) for name, k in zip(some, rounds, strict=True)]
        plays = Plays(turns, builder, model, user, options.list_length, config.seed, options.min_items)
        if by_nodes and some:
            batches = split_for_catalogue(plays, sessions, options.batch_size)
            groups.append(_Group(some, play_catalogue_batch, CataloguePlays(plays), batches))
        elif some:
            groups.append(_Group(some, play_batch, plays, split_sessions(builder, sessions, options.batch_size)))
    return groups


def _horizons(name: str, config: Config) -> list[int]:
    """The most rounds of each run that an agent plays: one that plans for the rounds left plays one for every K."""
    return config.simulation.judged_at if METHODS[name].plans else [config.simulation.rounds]


def _by_horizon(tables: list[pd.DataFrame]) -> pd.DataFrame:
    """The record tables of an agent as one, run after run."""
    log = join_records(tables)
    order = np.argsort(log["horizon"].to_numpy(), kind="stable")
    return log.iloc[order].reset_index(drop=True)

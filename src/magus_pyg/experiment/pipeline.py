"""The main job: data, graph, base recommender, sessions, agents, tables, run folder; and playing a run again."""

import os
import shutil
from collections.abc import Collection, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Any, NoReturn, cast

import pandas as pd
from omegaconf import OmegaConf

from magus_pyg.agents.fitted_states import AgentState
from magus_pyg.agents.methods import METHODS
from magus_pyg.agents.variant_fitting import bayes_method
from magus_pyg.agents.variants import OBJECTIVES, BayesVariant
from magus_pyg.data import PARTS, RecDataset
from magus_pyg.dialogues.dialogue_options import EarSimulation
from magus_pyg.engines import ENGINES, opened_engine
from magus_pyg.errors import ConfigError
from magus_pyg.escaping import csv_text
from magus_pyg.experiment.agent_plays import Played, PlaySetting, check_sessions, fit_agents, play_agents
from magus_pyg.experiment.agents_by_name import agent_names
from magus_pyg.experiment.dialogue_runs import (
    check_dialogues,
    fit_dialogue_agents,
    play_dialogue_agents,
    played_dialogues,
)
from magus_pyg.experiment.environment import Stopwatch, describe_environment, peak_memory
from magus_pyg.experiment.preparing import prepare_model, prepare_training
from magus_pyg.files import write_text
from magus_pyg.graph import save_graph
from magus_pyg.interrupts import die_with_parent
from magus_pyg.invocation import command_name, shell_words
from magus_pyg.models import save_model
from magus_pyg.options import at_least, at_most, check_options, one_of
from magus_pyg.report import environment_text, queries_text, results_table, stages_text
from magus_pyg.runs.config import Config
from magus_pyg.runs.data_loading import check_data, load_data
from magus_pyg.runs.folder import RunFolder
from magus_pyg.runs.item_columns import save_item_columns
from magus_pyg.runs.population import save_population
from magus_pyg.runs.run import Run, check_fingerprint
from magus_pyg.runs.schemas import check_group_names
from magus_pyg.simulation.users_by_name import build_user, user_text
from magus_pyg.terminal import Terminal
from magus_pyg.training import TrainResult, fit
from magus_pyg.training.base_quality import BaseQuality, judge
from magus_pyg.training.checkpoint import has_checkpoint
from magus_pyg.training.epoch_log import check_logger, epoch_log
from magus_pyg.training.epochs import check_devices

__all__ = ["check_config", "check_training", "simulate_run", "train_run"]


def check_config(config: Config) -> None:
    """Raise ConfigError for a value that is out of range, before anything is loaded or written."""
    check_options(config, "", seed=at_least(0), engine=one_of(ENGINES))
    check_options(config, "", seed=at_most(2**62))
    config.ray.check()
    check_group_names(config)
    config.simulation.check()
    config.session_options.check()
    config.magus.check()
    if isinstance(config.simulation, EarSimulation):
        if config.engine != "process":
            raise ConfigError(f"engine={config.engine}: dialogues of EAR's protocol are played in one process")
        check_dialogues(config)
        return
    agent_names(config)
    _check_user(config)


def _check_user(config: Config) -> None:
    """Raise ConfigError for a user that does not exist, or that the sessions are not for."""
    build_user(config.user)
    sessions = config.session_options
    if config.user.name == "not_care" and sessions.kind == "standard" and sessions.min_targets < 2:
        raise ConfigError(
            f"Not Care with single-target sessions: sessions.min_targets is {sessions.min_targets}, and user=not_care "
            "answers so where several targets share a query; set sessions.min_targets=2"
        )


def check_training(config: Config) -> None:
    """Raise MagusError for what no training can begin with: as `check_config`; also devices and the folder of runs."""
    check_config(config)
    check_data(config)
    check_logger(config.train.logger)
    check_devices(config.train)
    RunFolder.check_place(config)


def train_run(config: Config, console: Terminal, resume: Path | None = None) -> Path:
    """Train a base recommender, play with all agents, and write the run folder.

    Args:
        config: what to do.
        console: where progress and the table go.
        resume: a run folder to go on with; its checkpoint is taken up.

    Returns:
        The run folder.

    Raises:
        MagusError: anything that is wrong with the configuration, the data, or the folder to go on with.
    """
    check_training(config)
    if _is_worker():
        _train_beside(config, resume)
    environment, watch = describe_environment(), Stopwatch()
    console.print(environment_text(environment), style="dim")
    with console.logs("magus_pyg"), ExitStack() as held:
        engine = held.enter_context(opened_engine(config.engine, config.ray, console.say))
        if resume is not None:
            held.enter_context(RunFolder(resume).held())
        inputs = prepare_training(config, console, watch)
        model = prepare_model(inputs, config)
        data, graph, population = inputs.data, inputs.graph, inputs.population
        setting = PlaySetting(config, data, graph, model, watch, console, engine)
        with watch("sessions"):
            _check_sessions(setting)
        values: dict[str, Any] = {"data": _describe_data(data), "environment": environment}
        if resume is None:
            folder = RunFolder.create(config, values)
            held.enter_context(folder.held())
        else:
            folder = _folder_of(resume, data)
            folder.write_config(config)
            folder.write_info(config, values, "training")
        settings = cast(dict[str, Any], OmegaConf.to_container(OmegaConf.structured(config)))
        try:
            with watch("training"), epoch_log(config.train.logger, folder.logs, settings) as log:
                going_on = resume is not None
                trained = fit(model, inputs.rows, config.train, config.seed, folder.checkpoints, going_on, console, log)
        except Exception:
            if resume is None and not has_checkpoint(folder.checkpoints):  # there is nothing to go on with
                shutil.rmtree(folder.path, ignore_errors=True)
            raise
        model.to("cpu")
        _print_training(trained, console)
        with watch("judging"), console.stage("judging the base recommender"):
            quality = [judge(model, data, part, config.train, config.seed, engine=engine) for part in PARTS[1:]]
        _print_quality(quality[-1], console)
        states, tried = _fit(setting)
        played = _play(setting, states)
        with watch("writing"), console.stage("writing the run folder"):
            save_model(model, folder.model, data.fingerprint)
            save_graph(graph, folder.graph)
            save_population(population, folder.population)
            save_item_columns(data, folder.item_columns)
            write_text(folder.history, csv_text(trained.history))
            folder.write_play(played.records, played.results, states, tried)
        memory = max(peak_memory(), trained.peak_memory)
        values |= {"base": {found.part: asdict(found) for found in quality}}
        folder.write_info(config, {**values, **_describe_play(setting, played, trained, memory)})
    _print_end(config, played, watch, memory, folder.path, population.user_ids, console)
    return folder.path


def simulate_run(run: Run, config: Config, console: Terminal) -> Path:
    """Play the sessions of a trained run again, for example with other rounds, lists, sessions, users or switches.

    Args:
        run: the run.
        config: its configuration with the changes.
        console: where progress and the table go.

    Returns:
        The folder inside the run folder that holds the new config.yaml, records.parquet, results.csv,
        simulation.json, and what agents were fitted for it.

    Raises:
        MagusError: as `train_run`.
    """
    check_config(config)
    environment, watch = describe_environment(), Stopwatch()
    console.print(environment_text(environment), style="dim")
    with console.logs("magus_pyg"), opened_engine(config.engine, config.ray, console.say) as engine:
        with watch("data"), console.stage("reading the data"):
            data = load_data(config)
            check_fingerprint(data, run.fingerprint, run.path)
        states = {} if config.refit else dict(run.agent_states)
        setting = PlaySetting(config, data, run.graph, run.model, watch, console, engine)
        fitted, tried = _fit(setting, states)
        states |= fitted
        played = _play(setting, states)
    memory = peak_memory()
    values = {"environment": environment, **_describe_play(setting, played, None, memory)}
    play = (config, played.records, played.results, fitted, tried, values)
    folder = RunFolder(run.path).write_simulation(*play)
    _print_end(config, played, watch, memory, run.path, run.user_ids, console, folder)
    return folder


def _check_sessions(setting: PlaySetting) -> None:
    """Raise DataError where nothing can be played, or an agent that learns has nothing to learn from."""
    if isinstance(setting.config.simulation, EarSimulation):
        played_dialogues(setting)
    else:
        check_sessions(setting)


def _fit(setting: PlaySetting, known: Collection[str] = ()) -> tuple[dict[str, AgentState], dict[str, pd.DataFrame]]:
    """What the agents of the protocol learn that is not among the known states, and the tables of what they tried."""
    if isinstance(setting.config.simulation, EarSimulation):
        return fit_dialogue_agents(setting, skip=known), {}
    idle = idle_click_weight(setting.config)
    if idle:
        setting.console.say(idle)
    return fit_agents(setting, skip=known)


def _play(setting: PlaySetting, states: Mapping[str, AgentState]) -> Played:
    """Play the protocol that the configuration chooses."""
    if isinstance(setting.config.simulation, EarSimulation):
        return play_dialogue_agents(setting, states)
    return play_agents(setting, states)


def idle_click_weight(config: Config) -> str:
    """What is to be said where a weight of clicks is set that counts for none of the agents; "" where it counts."""
    variant, names = config.magus, agent_names(config)
    if not isinstance(variant, BayesVariant) or variant.click_weight is None:
        return ""
    meant, played = bayes_method(variant.objective), [bayes_method(objective) for objective in OBJECTIVES]
    if meant in names or not set(played) & set(names):
        return ""
    return (
        f"magus.click_weight={variant.click_weight:g} counts for {meant} alone (magus.objective={variant.objective}), "
        "which is not played: set the objective of what is"
    )


def _is_worker() -> bool:
    """Whether this process is one that Lightning has started beside the first, for another device."""
    return any(int(os.environ.get(name, "0") or 0) > 0 for name in ("LOCAL_RANK", "NODE_RANK"))


def _train_beside(config: Config, resume: Path | None) -> NoReturn:
    """Take part in the training that the first process has begun; it alone shows, plays and writes."""
    die_with_parent()
    inputs = prepare_training(config, Terminal(quiet=True))
    model = prepare_model(inputs, config)
    checkpoints = None if resume is None else RunFolder(resume).checkpoints
    fit(model, inputs.rows, config.train, config.seed, checkpoints, resume=resume is not None, progress=False)
    raise SystemExit(0)


def _folder_of(resume: Path, data: RecDataset) -> RunFolder:
    """The folder of a run that is gone on with, if it was begun on this data."""
    folder = RunFolder(resume)
    check_fingerprint(data, str(folder.read_info()["data"]["fingerprint"]), folder.path)
    return folder


def _describe_data(data: RecDataset) -> dict[str, Any]:
    return {
        "name": data.name,
        "fingerprint": data.fingerprint,
        "users": data.n_users,
        "items": data.n_items,
        "rows": int(data.user.size),
        "notes": data.notes,
    }


def _describe_play(setting: PlaySetting, played: Played, trained: TrainResult | None, memory: int) -> dict[str, Any]:
    config = setting.config
    dialogues = isinstance(config.simulation, EarSimulation)  # they have a table of their own
    values: dict[str, Any] = {
        "methods": {} if dialogues else {name: METHODS[name].described() for name in agent_names(config)},
        "sessions": played.sessions,
        "seconds": setting.watch.seconds,
        "sessions_per_second": played.speeds,
        "peak_memory": memory,
    }
    if setting.engine.lost:
        values["lost_workers"] = setting.engine.lost
    if trained is not None:
        values["training"] = {
            "best_epoch": trained.best_epoch,
            "stopped_early": trained.stopped_early,
            "calibration": None if trained.calibration is None else asdict(trained.calibration),
        }
    return values


def _print_training(trained: TrainResult, console: Terminal) -> None:
    history = trained.history
    best = history[history["epoch"] == trained.best_epoch].iloc[0]
    epochs = f"{len(history)} epoch{'' if len(history) == 1 else 's'}"
    early = " (stopped early)" if trained.stopped_early else ""
    console.print(
        f"trained {epochs}{early} in {trained.seconds:.1f} s; best is epoch {trained.best_epoch + 1}: "
        f"validation loss {best['val_loss']:.4f}, AUC {best['val_auc']:.4f}"
    )
    found = trained.calibration
    if found is not None:
        console.print(
            f"calibrated on validation: log-loss {found.loss_before:.4f} to {found.loss_after:.4f}, calibration "
            f"error {found.error_before:.4f} to {found.error_after:.4f}"
        )


def _print_quality(found: BaseQuality, console: Terminal) -> None:
    console.print(
        f"on {found.part}, all untouched items ranked for {found.users:,} users: NDCG@{found.k} {found.ndcg:.4f}, "
        f"Recall@{found.k} {found.recall:.4f}, MRR {found.mrr:.4f}; AUC {found.auc:.4f}, calibration error "
        f"{found.calibration_error:.4f}"
    )


def _print_end(
    config: Config,
    played: Played,
    watch: Stopwatch,
    memory: int,
    run: Path,
    user_ids: Sequence[str],
    console: Terminal,
    simulation: Path | None = None,
) -> None:
    user_id = user_ids[int(played.records["user"].iloc[0])]
    settings = {key: value for key, value in asdict(config.user).items() if key != "name"}
    user = user_text(config.user.name, settings)
    title = f"{config.dataset.name}, {config.model.name}, seed {config.seed}, {user}"
    console.print(results_table(played.results, played.speeds, title, console))
    console.print("with 95 % intervals (bootstrap over users)", style="dim")
    if "query_rounds" in played.results.columns:
        shares = dict(zip(played.results["method"], played.results["query_rounds"], strict=True))
        for line in queries_text(shares):
            console.print(line)
    console.print(stages_text(watch.seconds, memory))
    console.say(f"run folder: {run}" if simulation is None else f"simulation: {simulation}")
    console.command("next: ", command_name("play"), *map(shell_words, (f"run={run}", f"user={user_id}")))
    if simulation is None:
        console.command("  or: ", command_name("serve"), shell_words(f"run={run}"))
    more = f"simulation.rounds={2 * config.simulation.rounds}"
    change = "simulation=default" if isinstance(config.simulation, EarSimulation) else more
    console.command("  or: ", command_name("simulate"), *map(shell_words, (f"run={run}", change)))

"""EAR's protocol in the pipeline (`simulation=ear`): its options, what its agents learn, and the play."""

from collections.abc import Collection, Mapping

import torch
from torch import Tensor

from magus_pyg.agents.fitted_states import AgentState
from magus_pyg.agents.methods import check_names
from magus_pyg.dialogues import (
    Dialogues,
    build_dialogues,
    latest_dialogues,
    play_dialogues,
    summarize_dialogues,
)
from magus_pyg.dialogues.dialogue_methods import DIALOGUE_METHODS, dialogue_method
from magus_pyg.dialogues.dialogue_options import EarSimulation
from magus_pyg.errors import ConfigError, DataError
from magus_pyg.experiment.agent_plays import Played, PlaySetting
from magus_pyg.graph import n_items, node_words
from magus_pyg.options import between, check_value
from magus_pyg.runs.config import Config
from magus_pyg.simulation.users_by_name import NoisyOptions

__all__ = ["check_dialogues", "fit_dialogue_agents", "play_dialogue_agents", "played_dialogues"]

_LATEST = 3  # validation dialogues of a user that choices are made on: the log drifts


def check_dialogues(config: Config) -> None:
    """Raise ConfigError for an agent or a user that EAR's protocol does not have."""
    _noise(config)
    _names(config)


def _noise(config: Config) -> float:
    """Share of wrong answers."""
    if isinstance(config.user, NoisyOptions):
        check_value("user.p", config.user.p, between(0, 0.5, "[)"))
        return config.user.p
    if config.user.name != "truthful":
        raise ConfigError(f"simulation=ear knows the users truthful and noisy (got {config.user.name!r})")
    return 0.0


def _names(config: Config) -> list[str]:
    names = list(DIALOGUE_METHODS) if config.agents is None else config.agents
    for name in names:
        dialogue_method(name)
    if config.rivals.max_entropy.literal and "max_entropy" in names:
        raise ConfigError(
            "rivals.max_entropy.literal=true is for sessions: with simulation=ear max_entropy asks as EAR's own runner "
            "does; add rivals.max_entropy.literal=false"
        )
    return check_names(names)


def _options(config: Config) -> EarSimulation:
    assert isinstance(config.simulation, EarSimulation)
    return config.simulation


def _dialogues(setting: PlaySetting, part: str, most: int, fit: bool) -> Dialogues:
    """At most `most` dialogues of a part at equal distances, all for 0; for a fit only the latest of each user."""
    graph = setting.graph
    words = node_words(graph).select(torch.arange(n_items(graph)))
    dialogues = build_dialogues(setting.data, words, len(graph.vocabulary.words), part, setting.config.seed)
    if fit:
        dialogues = latest_dialogues(dialogues, _LATEST)
    if 0 < most < len(dialogues):
        dialogues = dialogues.take(torch.arange(most) * len(dialogues) // most)
    return dialogues


def played_dialogues(setting: PlaySetting) -> Dialogues:
    """The dialogues that are played; DataError if none can begin."""
    options = _options(setting.config)
    dialogues = _dialogues(setting, options.part, options.dialogues, fit=False)
    if not len(dialogues):
        raise DataError(
            f"dataset {setting.data.name!r}: no {options.part} row has an item with words, so no dialogue begins"
        )
    return dialogues


def _scores(setting: PlaySetting, part: str) -> Tensor:
    """float32 [U, I] for dialogues of a part, once for all agents and turns."""
    return setting.model_at(part).score(torch.arange(setting.data.n_users), torch.arange(setting.data.n_items))


def fit_dialogue_agents(setting: PlaySetting, skip: Collection[str] = ()) -> dict[str, AgentState]:
    """Fit the Bayesian agent's state and MAGUS's factor on R- on the latest validation dialogues.

    Args:
        setting: what they are fitted in; `watch` notes the wall time of each fitting.
        skip: states that are there already.

    Returns:
        What `play_dialogue_agents` takes, to be kept with the run.
    """
    config, options = setting.config, _options(setting.config)
    learning = {name: DIALOGUE_METHODS[name] for name in _names(config)}
    learning = {name: method for name, method in learning.items() if method.fit and method.saved_as not in skip}
    states: dict[str, AgentState] = {}
    if not learning:
        return states
    chosen_on, scores = (
        _dialogues(setting, "validation", options.fit_dialogues, fit=True),
        _scores(setting, "validation"),
    )
    for name, method in learning.items():
        assert method.fit is not None
        with setting.watch(f"fit {name}"), setting.console.stage(f"fitting {name}") as stage:
            state = method.fit(chosen_on, scores, _noise(config), options, config.seed, stage.reach)
        states[method.saved_as] = state.tensors()
        setting.console.print(f"{name}: {state}")
    return states


def play_dialogue_agents(setting: PlaySetting, states: Mapping[str, AgentState]) -> Played:
    """Play the same dialogues with every agent.

    Args:
        setting: what they play in; `watch` notes the wall time of each agent.
        states: from `fit_dialogue_agents`.

    Returns:
        Records of `magus_pyg.dialogues.DIALOGUE_COLUMNS`, and a row of results an agent: dataset, model, method, seed,
        sessions (dialogues), users, SR@t, AT, hDCG and asks with bounds.

    Raises:
        DataError: no dialogue can begin.
    """
    config, watch, console = setting.config, setting.watch, setting.console
    options, noise = _options(config), _noise(config)
    dialogues = played_dialogues(setting)
    console.print(f"{len(dialogues):,} {options.part} dialogues of at most {options.rounds} turns")
    scores = _scores(setting, options.part)
    logs, rows, speeds = [], [], {}
    for name in _names(config):
        method = DIALOGUE_METHODS[name]
        agent = method.build(options.refusals, method.read(name, states))
        with watch(name), console.stage(f"playing {name}"):
            log = play_dialogues(agent, dialogues, scores, options.rounds, options.list_length, noise, seed=config.seed)
        speeds[name] = len(dialogues) / max(watch.seconds[name], 1e-9)
        log["agent"] = name
        with watch("summary"):
            rows.append(summarize_dialogues(log, options.judged_at, resamples=options.resamples, seed=config.seed))
        logs.append(log)
    rows = [row.rename(columns={"dialogues": "sessions"}) for row in rows]
    return setting.played(logs, rows, speeds, len(dialogues))

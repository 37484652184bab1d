"""EAR's protocol in the pipeline (`simulation=ear`): its options, what its agents learn, and the play."""

from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, field, fields

import pandas as pd
import torch
from rich.console import Console
from torch import Tensor
from torch_geometric.data import HeteroData

from magus_pyg.data import RecDataset
from magus_pyg.ear import (
    Dialogues,
    EarAgent,
    EarBayesAgent,
    EarBayesState,
    EarItemsAgent,
    EarMagusAgent,
    MaxEntropyAgent,
    build_dialogues,
    choose_minus_scale,
    fit_ear_bayes,
    latest_dialogues,
    play_dialogues,
    summarize_dialogues,
)
from magus_pyg.errors import ConfigError, DataError, RunError
from magus_pyg.experiment.config import Config, NoisyOptions, SimulationOptions
from magus_pyg.experiment.context import AgentState
from magus_pyg.experiment.environment import Stopwatch
from magus_pyg.experiment.playing import Played
from magus_pyg.graph import n_items, node_words
from magus_pyg.models import BaseRecommender

__all__ = ["EAR_AGENTS", "EarSimulation", "check_dialogues", "fit_dialogue_agents", "play_dialogue_agents"]

EAR_AGENTS = ("items", "max_entropy", "magus", "bayes")
_BAYES, _MAGUS = "ear_bayes", "ear_magus"  # what was fitted, in the run folder
_STATES = {"bayes": _BAYES, "magus": _MAGUS}
_LATEST = 3  # validation dialogues of a user that choices are made on: the log drifts


@dataclass
class EarSimulation(SimulationOptions):
    """EAR's protocol (reading 30; Lei et al. 2020): each turn asks one attribute or shows items of the whole catalogue.

    The user group gives the share of wrong answers: `user=truthful`, or `user=noisy user.p=0.1`.

    Attributes:
        rounds: the most turns.
        list_length: items shown in a turn.
        at: the t of SR@t.
        refusals: whether the agents use a refused attribute to rule items out.
        dialogues: test dialogues, at equal distances through all; 0 for all.
        fit_dialogues: validation dialogues that choices are made on, at most.
    """

    rounds: int = 15
    list_length: int = 10
    at: list[int] = field(default_factory=lambda: [5, 10, 15])
    refusals: bool = True
    dialogues: int = 0
    fit_dialogues: int = 1500

    def check(self) -> None:
        """As the base class; also the numbers of dialogues."""
        super().check()
        for name, low in (("dialogues", 0), ("fit_dialogues", 0)):
            if getattr(self, name) < low:
                raise ConfigError(f"simulation.{name} must be at least {low} (got {getattr(self, name)})")
        if self.candidates is not None:
            raise ConfigError(
                f"simulation.candidates={self.candidates!r}: dialogues of EAR's protocol are on the whole catalogue; "
                "leave it out, or take simulation=default"
            )
        if self.part not in ("validation", "test"):
            raise ConfigError(f"simulation.part must be validation or test for dialogues (got {self.part!r})")


def check_dialogues(config: Config) -> None:
    """Raise ConfigError for an agent or a user that EAR's protocol does not have."""
    _noise(config)
    _names(config)


def _noise(config: Config) -> float:
    """Share of wrong answers."""
    if isinstance(config.user, NoisyOptions):
        if not 0 <= config.user.p < 0.5:
            raise ConfigError(f"user.p must be in [0, 0.5) (got {config.user.p})")
        return config.user.p
    if config.user.name != "truthful":
        raise ConfigError(f"simulation=ear knows the users truthful and noisy (got {config.user.name!r})")
    return 0.0


def _names(config: Config) -> list[str]:
    names = list(EAR_AGENTS) if config.agents is None else list(config.agents)
    for name in names:
        if name not in EAR_AGENTS:
            raise ConfigError(f"simulation=ear has no agent {name!r}; there are {', '.join(EAR_AGENTS)}")
    if not names or len(set(names)) < len(names):
        raise ConfigError(f"agents must name at least one agent, each once (got {names})")
    return names


def _options(config: Config) -> EarSimulation:
    assert isinstance(config.simulation, EarSimulation)
    return config.simulation


def _dialogues(config: Config, data: RecDataset, graph: HeteroData, part: str, most: int, fit: bool) -> Dialogues:
    """At most `most` dialogues of a part at equal distances, all for 0; for a fit only the latest of each user."""
    words = node_words(graph).select(torch.arange(n_items(graph)))
    dialogues = build_dialogues(data, words, len(graph.vocabulary.words), part, config.seed)
    if fit:
        dialogues = latest_dialogues(dialogues, _LATEST)
    if 0 < most < len(dialogues):
        dialogues = dialogues.take(torch.arange(most) * len(dialogues) // most)
    return dialogues


def _scores(model: BaseRecommender, data: RecDataset) -> Tensor:
    """float32 [U, I], once for all agents and turns."""
    return model.score(torch.arange(data.n_users), torch.arange(data.n_items))


def fit_dialogue_agents(
    config: Config,
    data: RecDataset,
    graph: HeteroData,
    model: BaseRecommender,
    watch: Stopwatch,
    console: Console,
    skip: Collection[str] = (),
) -> dict[str, AgentState]:
    """Fit the Bayesian agent's state and MAGUS's factor on R- on the latest validation dialogues.

    Args:
        config: of the run.
        data: the data set.
        graph: its relational graph.
        model: the trained base recommender.
        watch: notes the wall time of each fitting.
        console: shows what was fitted.
        skip: states that are there already.

    Returns:
        What `play_dialogue_agents` takes, to be kept with the run.
    """
    options, noise = _options(config), _noise(config)
    names = [name for name in _names(config) if name in _STATES and _STATES[name] not in skip]
    states: dict[str, AgentState] = {}
    if not names:
        return states
    chosen_on = _dialogues(config, data, graph, "validation", options.fit_dialogues, fit=True)
    scores = _scores(model, data)
    turns, length, seed = options.rounds, options.list_length, config.seed
    if "magus" in names:
        with watch("fit magus"), console.status("fitting magus on validation dialogues"):
            scale = choose_minus_scale(
                chosen_on, scores, noise, options.refusals, turns=turns, list_length=length, seed=seed
            )
        states[_MAGUS] = {"minus_scale": torch.tensor(scale, dtype=torch.float64)}
        console.print(f"magus: factor on R- {scale}")
    if "bayes" in names:
        with watch("fit bayes"), console.status("fitting bayes on validation dialogues"):
            state = fit_ear_bayes(
                chosen_on, scores, noise, options.refusals, turns=turns, list_length=length, seed=seed
            )
        states[_BAYES] = {key: torch.tensor(float(value), dtype=torch.float64) for key, value in asdict(state).items()}
        console.print(f"bayes: {state}")
    return states


def _agent(name: str, states: Mapping[str, AgentState], refusals: bool) -> EarAgent:
    if name == "items":
        return EarItemsAgent()
    if name == "max_entropy":
        return MaxEntropyAgent(refusals)
    wanted = _STATES[name]
    if wanted not in states:
        raise RunError(f"{name} was not fitted for dialogues in this run: add refit=true")
    if name == "magus":
        return EarMagusAgent(refusals, float(states[_MAGUS]["minus_scale"]))
    stored = states[_BAYES]
    state = EarBayesState(**{entry.name: float(stored[entry.name]) for entry in fields(EarBayesState)})
    return EarBayesAgent(state, refusals)


def play_dialogue_agents(
    config: Config,
    data: RecDataset,
    graph: HeteroData,
    model: BaseRecommender,
    states: Mapping[str, AgentState],
    watch: Stopwatch,
    console: Console,
) -> Played:
    """Play the same dialogues with every agent.

    Args:
        config: of the run.
        data: the data set.
        graph: its relational graph.
        model: the trained base recommender.
        states: from `fit_dialogue_agents`.
        watch: notes the wall time of each agent.
        console: shows the progress.

    Returns:
        Records of `magus_pyg.ear.DIALOGUE_COLUMNS`, and a row of results an agent: dataset, model, method, seed,
        sessions (dialogues), users, SR@t, AT, hDCG and asks with bounds.

    Raises:
        DataError: no dialogue can begin.
    """
    options, noise = _options(config), _noise(config)
    dialogues = _dialogues(config, data, graph, options.part, options.dialogues, fit=False)
    if not len(dialogues):
        raise DataError(f"dataset {data.name!r}: no {options.part} row has an item with words, so no dialogue begins")
    console.print(f"{len(dialogues):,} {options.part} dialogues of at most {options.rounds} turns")
    scores = _scores(model, data)
    at = [t for t in options.at if t <= options.rounds] or [options.rounds]
    logs, rows, speeds = [], [], {}
    for name in _names(config):
        agent = _agent(name, states, options.refusals)
        with watch(name), console.status(f"playing {name}"):
            log = play_dialogues(agent, dialogues, scores, options.rounds, options.list_length, noise, seed=config.seed)
        speeds[name] = len(dialogues) / max(watch.seconds[name], 1e-9)
        log["agent"] = name
        with watch("summary"):
            rows.append(summarize_dialogues(log, at, resamples=options.resamples, seed=config.seed))
        logs.append(log)
    table = pd.concat(rows, ignore_index=True).rename(columns={"agent": "method", "dialogues": "sessions"})
    table.insert(0, "dataset", data.name)
    table.insert(1, "model", config.model.name)
    table.insert(3, "seed", config.seed)
    return Played(pd.concat(logs, ignore_index=True), table, speeds, len(dialogues))

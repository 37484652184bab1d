"""Choosing settings of a base recommender by search on the validation part (Optuna), written as an experiment file.

Hydra's own plug-in for Optuna is tied to a version of Optuna that current Pythons cannot install, so configurations
are composed here. Test rows and sessions are never looked at.
"""

import logging
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
from omegaconf import DictConfig, OmegaConf

from magus_pyg.engines import ENGINES, opened_engine
from magus_pyg.errors import ConfigError, ModelError
from magus_pyg.escaping import shown, yaml_text
from magus_pyg.experiment.preparing import TrainingInputs, prepare_model, prepare_training
from magus_pyg.files import write_text
from magus_pyg.options import at_least, check_options, one_of
from magus_pyg.runs.overrides import apply_values, compose_config, own_conf, parse, split_groups
from magus_pyg.runs.schemas import typed
from magus_pyg.terminal import Terminal
from magus_pyg.training import fit

if TYPE_CHECKING:
    import optuna

__all__ = [
    "SPACES",
    "Choice",
    "Range",
    "TuneOptions",
    "Tuned",
    "space_of",
    "tune",
    "write_experiment",
]

_OF_THE_MACHINE = ("paths", "resume", "engine", "ray")  # keys that are no part of an experiment
_DIGITS = 3  # significant digits of what is tried: finer differences are noise


@dataclass(frozen=True)
class Range:
    """Numbers from `low` to `high`, evenly spread over their logarithms with `log`."""

    low: float
    high: float
    log: bool = True

    def suggest(self, trial: "optuna.Trial", key: str) -> float:
        """The number of a trial, rounded to few digits."""
        value = trial.suggest_float(key, self.low, self.high, log=self.log)
        return float(f"{value:.{_DIGITS}g}")


@dataclass(frozen=True)
class Choice:
    """One of some values."""

    values: tuple[Any, ...]

    def suggest(self, trial: "optuna.Trial", key: str) -> Any:
        """The value of a trial."""
        return self.values[trial.suggest_categorical(key, range(len(self.values)))]


Space = Mapping[str, Range | Choice]

_ALL: dict[str, Range | Choice] = {
    "train.lr": Range(1e-3, 3e-2),
    "train.weight_decay": Range(1e-4, 1e-1),
    "train.batch_size": Choice((1024, 2048, 4096)),
    "model.dropout": Range(0.0, 0.6, log=False),
    "model.init_std": Choice((0.01, 0.03, 0.1)),
}
_NETWORK: dict[str, Range | Choice] = {
    **_ALL,
    "model.hidden": Choice(([64], [128, 64], [256, 128])),
    "model.hidden_dropout": Range(0.0, 0.7, log=False),
}
_HISTORY: dict[str, Range | Choice] = {**_ALL, "model.history": Choice((10, 20, 40))}
_GRAPH: dict[str, Range | Choice] = {
    "train.lr": Range(1e-3, 1e-2),
    "train.weight_decay": Range(1e-4, 1e-2),
    "model.dropout": Range(0.0, 0.5, log=False),
    "model.inhibits": Choice((0, 10)),
}

#: What is searched for each base recommender; a model without an entry is searched over what all have.
SPACES: dict[str, Space] = {
    "mps": {},
    "hybrid": {"model.popularity": Range(0.0, 1.0, log=False), "model.decay": Range(0.8, 1.0, log=False)},
    "deepfm": _NETWORK,
    "pnn": _NETWORK,
    "mmoe": {**_NETWORK, "model.experts": Choice((2, 4, 8)), "model.task_weight": Range(0.0, 1.0, log=False)},
    "din": _HISTORY,
    "lstm": _HISTORY,
    "gru": _HISTORY,
    "rgcn": _GRAPH,
    "rgat": _GRAPH,
    "gipa": _GRAPH,
}


@dataclass(frozen=True)
class TuneOptions:
    """A search.

    Attributes:
        trials: settings tried, the ones of the configuration first; at least 1.
        minutes: no trial begins after this many; None for no limit.
        vary: keys that are searched, out of those of the model's space; all if None.
        study: a file that keeps the trials, to go on with them; None keeps nothing.
    """

    trials: int = 20
    minutes: float | None = None
    vary: tuple[str, ...] | None = None
    study: Path | None = None


@dataclass(frozen=True)
class Tuned:
    """What a search found.

    Attributes:
        values: key -> value of the best trial.
        auc: validation AUC of the best trial, and `default` that of the configuration as it was.
        default: see `auc`.
        trials: a row a trial, best first: its values, auc, loss, epochs, seconds.
    """

    values: dict[str, Any]
    auc: float
    default: float
    trials: pd.DataFrame


def space_of(config: DictConfig, vary: Sequence[str] | None = None) -> dict[str, Range | Choice]:
    """What is searched for the model of a configuration.

    Raises:
        ConfigError: a model without settings, or a key in `vary` that is not in its space.
    """
    name = str(config.model.name)
    space = {key: entry for key, entry in SPACES.get(name, _ALL).items() if _has(config, key)}
    for key in vary or ():
        if key not in space:
            raise ConfigError(f"vary: {key!r} is not searched for {name}; there are {', '.join(space) or 'no keys'}")
    if vary is not None:
        space = {key: space[key] for key in vary}
    if not space:
        raise ConfigError(f"model={name} has no settings to search")
    return space


def _has(config: DictConfig, key: str) -> bool:
    group, name = key.split(".")
    return name in config[group]


def tune(words: Sequence[str], options: TuneOptions, console: Terminal) -> Tuned:
    """Search settings of a base recommender by the AUC of its validation rows.

    With `engine=ray` as many trials as there are workers are chosen and tried at a time, so that each is chosen by
    fewer; one process tries one after the other.

    Args:
        words: the configuration, such as "model=deepfm" and "dataset=ml-100k"; `seed` also seeds the search.
        options: how long and over what.
        console: shows a line a trial.

    Raises:
        ConfigError: no trials, a model without settings, an unknown key, or Optuna is not installed.
    """
    try:
        import optuna
    except ImportError as error:
        raise ConfigError("searching needs optuna: pip install 'magus-pyg[tune]'") from error
    check_options(options, "", trials=at_least(1), minutes=at_least(0))
    base = compose_config(words)
    space = space_of(base, options.vary)
    config = typed(base)
    check_options(config, "", engine=one_of(ENGINES))
    config.ray.check()
    inputs = prepare_training(config, console)
    optuna.logging.set_verbosity(optuna.logging.ERROR)  # a trial that is broken off is told as a trace
    logging.getLogger("lightning.fabric").setLevel(logging.ERROR)
    sampler = optuna.samplers.TPESampler(seed=int(base.seed))
    storage = None if options.study is None else f"sqlite:///{options.study}"
    name = f"{base.dataset.name}-{base.model.name}"
    study = optuna.create_study(
        storage=storage, sampler=sampler, study_name=name, direction="maximize", load_if_exists=True
    )
    rows: list[dict[str, Any]] = []
    began = time.perf_counter()

    def judged(tried: Sequence[Mapping[str, Any]]) -> Iterator[float]:
        """The AUC of each of some settings, which are tried at the same time where there are workers."""
        work = engine.map(_try, _Search(base, inputs), tried)
        for values, found in zip(tried, work, strict=True):
            searching.step(note=f"best AUC {max(row['auc'] for row in rows):.4f}" if rows else "")
            if isinstance(found, str):  # such as a loss that is no number: a setting that does not work
                console.say(f"{values}: {found}")
                yield 0.0
                continue
            rows.append({**values, **found})
            told = ", ".join(f"{key.split('.')[1]} {value}" for key, value in values.items())
            console.say(f"AUC {found['auc']:.4f} in {found['seconds']:.0f} s: {told or 'as configured'}")
            yield float(found["auc"])

    with (
        opened_engine(config.engine, config.ray, console.say) as engine,
        console.stage("searching", options.trials, "trial", bound="at most") as searching,
    ):
        (default,) = judged([{}])
        left = options.trials - 1
        while left and (options.minutes is None or time.perf_counter() - began < options.minutes * 60):
            trials = [study.ask() for _ in range(min(left, engine.workers))]
            values = [{key: entry.suggest(trial, key) for key, entry in space.items()} for trial in trials]
            for trial, auc in zip(trials, judged(values), strict=True):
                study.tell(trial, auc)
            left -= len(trials)
    return _best(study, space, default, pd.DataFrame(rows))


@dataclass(frozen=True)
class _Search:
    """What all trials begin with."""

    base: DictConfig
    inputs: TrainingInputs


def _try(search: _Search, values: Mapping[str, Any]) -> dict[str, Any] | str:
    """AUC, loss, epochs and seconds of a training with some values; the message of one that does not work."""
    config = search.base.copy()
    apply_values(config, parse([f"{key}={_word(value)}" for key, value in values.items()]))
    chosen = typed(config)
    start = time.perf_counter()
    inputs = search.inputs
    try:
        result = fit(prepare_model(inputs, chosen), inputs.rows, chosen.train, chosen.seed, progress=False)
    except (ConfigError, ModelError) as error:  # also one that the memory does not hold
        return str(error)
    best = result.history[result.history["epoch"] == result.best_epoch].iloc[0]
    seconds = time.perf_counter() - start
    row = {"auc": float(best["val_auc"]), "loss": float(best["val_loss"]), "epochs": len(result.history)}
    return {**row, "seconds": seconds}


def _best(study: "optuna.Study", space: Space, default: float, trials: pd.DataFrame) -> Tuned:
    trials = trials.sort_values("auc", ascending=False, kind="stable").reset_index(drop=True)
    done = [trial for trial in study.trials if trial.value is not None]
    best = max(done, key=lambda trial: float(trial.value or 0.0), default=None)
    if best is None or not float(best.value or 0.0) > default:
        return Tuned({}, default, default, trials)
    values = {
        key: entry.values[best.params[key]] if isinstance(entry, Choice) else float(f"{best.params[key]:.{_DIGITS}g}")
        for key, entry in space.items()
        if key in best.params
    }
    return Tuned(values, float(best.value or 0.0), default, trials)


def _word(value: Any) -> str:
    return "[" + ",".join(map(str, value)) + "]" if isinstance(value, list | tuple) else str(value)


def write_experiment(path: Path, words: Sequence[str], tuned: Tuned) -> None:
    """Write what a search found as a file of `conf/experiment/`, whole or not at all.

    `experiment=<its name>` is the configuration that was searched from, with the values found; only where things lie on
    this machine (`paths`) is left out.

    Args:
        path: of the file; an existing one is replaced.
        words: the configuration that was searched from.
        tuned: what was found.
    """
    config = compose_config(words)
    chosen, values = split_groups(parse(words), own_conf(words))
    options = {entry.key_or_group: entry.value() for entry in chosen}
    experiments = options.pop("experiment", [])
    options = {"dataset": "synthetic", "model": config.model.name, **options}
    tree = OmegaConf.create({})
    for key, value in {**{entry.key_or_group: entry.value() for entry in values}, **tuned.values}.items():
        if key.partition(".")[0] not in _OF_THE_MACHINE:
            OmegaConf.update(tree, key, list(value) if isinstance(value, tuple) else value, merge=True)
    gain = "" if not tuned.values else f"; {tuned.default:.4f} with the defaults"
    lines = [
        "# @package _global_",
        f"# {config.model.name} on {shown(config.dataset.name)}: the best of {len(tuned.trials)} trials of "
        "scripts/tune.py by the AUC of the validation",
        f"# part ({tuned.auc:.4f}{gain}).",
        "defaults:",
        *(f"  - {name}" for name in (experiments if isinstance(experiments, list) else [experiments])),
        *(f"  - override /{group}: {name}" for group, name in options.items()),
        "",
        yaml_text(OmegaConf.to_yaml(tree)).rstrip() if tree else "",
    ]
    write_text(path, "\n".join(lines).rstrip() + "\n")

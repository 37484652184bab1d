"""The commands: train, simulate, play, report.

What is wrong with their words or their data ends in one message and code 2.
"""

import os
import sys
from collections.abc import Callable, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any

import hydra
from omegaconf import DictConfig, OmegaConf

from magus_pyg.errors import ConfigError, MagusError
from magus_pyg.experiment.overrides import apply_values, check_overrides, compose_config, parse, split_groups
from magus_pyg.experiment.schemas import conf_folder, from_container, register, schema_names, typed
from magus_pyg.report import make_console

if TYPE_CHECKING:
    from magus_pyg.report.command import ReportOptions

__all__ = [
    "describe",
    "guarded",
    "main_play",
    "main_report",
    "main_simulate",
    "main_train",
    "play",
    "report",
    "simulate",
    "train",
]

_SIMULATE_HELP = """Play the sessions of a trained run again, without training.

  simulate.py run=RUN [key=value ...]

May change: simulation.* (rounds, list_length, at, part, ...), sessions.* and sessions=..., user=..., magus=... and its
switches, agents=[...], seed, paths.data. Writes simulations/<number>/ inside the run folder.
"""
_PLAY_HELP = """Answer the lists of a trained run yourself.

  play.py run=RUN user=USER_ID [simulation.rounds=5] [simulation.list_length=3] [magus.negative=signed ...]

Type the number of what you would click, Enter if there is nothing, q to stop.
"""
_REPORT_HELP = """Write a table or a figure from run folders.

  report.py runs=RUNS table=1|3 [out=reports] [key=value ...]
  report.py runs=RUNS figure=3|4|6|7|candidates|noise [out=reports] [key=value ...]

RUNS are paths or patterns parted by commas, or a folder of run folders. Choose among their plays by methods=[...],
models=[...], datasets=[...], user, rounds, list_length, candidates, min_targets, part; conf/report.yaml explains all
keys. Tables are text, CSV, Markdown and LaTeX; figures PNG and SVG, and their points CSV.
"""
#: What may differ from the run that is played again, and from one that is gone on with.
_PLAYED = ("simulation", "sessions", "user", "magus", "agents", "seed", "refit", "paths")
_RESUMED = ("train", "simulation", "sessions", "user", "magus", "agents", "paths")


def train() -> None:
    """Console command `magus-train`, `scripts/train.py`."""
    sys.exit(guarded(main_train, sys.argv[1:]))


def simulate() -> None:
    """Console command `magus-simulate`, `scripts/simulate.py`."""
    sys.exit(guarded(main_simulate, sys.argv[1:]))


def play() -> None:
    """Console command `magus-play`, `scripts/play.py`."""
    sys.exit(guarded(main_play, sys.argv[1:]))


def report() -> None:
    """Console command `magus-report`, `scripts/report.py`."""
    sys.exit(guarded(main_report, sys.argv[1:]))


def describe() -> None:
    """Console command `magus-describe`, `scripts/describe.py`."""
    from magus_pyg.experiment.describe import main_describe

    sys.exit(guarded(main_describe, sys.argv[1:]))


def main_train(words: Sequence[str]) -> None:
    """Train, simulate and write a run folder.

    Args:
        words: of the command: overrides, and Hydra's own flags such as -m, --help and --cfg job.

    Raises:
        MagusError: see `pipeline.train_run`.
    """
    flags = [word for word in words if word.startswith("-")]
    multirun = any(flag in ("-m", "--multirun") for flag in flags)
    overrides = [word for word in words if not word.startswith("-")]
    if not set(flags) - {"-m", "--multirun"}:
        parsed = parse(overrides)
        several = [override.input_line for override in parsed if override.is_sweep_override()]
        if several and not multirun:
            raise ConfigError(f"{several[0]} has several values: add -m to run one after the other")
        resumed = [override for override in parsed if override.key_or_group == "resume" and override.value()]
        if resumed and not multirun:
            _resume(Path(str(resumed[-1].value())), [word for word in overrides if not word.startswith("resume=")])
            return
        check_overrides(overrides)
    register()
    # Hydra reads the words from sys.argv, and runs the job once, or several times with -m.
    before = sys.argv
    sys.argv = [before[0], *words]
    try:
        hydra.main(version_base="1.3", config_path=str(conf_folder()), config_name="config")(_train_job)()
    finally:
        sys.argv = before


def main_simulate(words: Sequence[str]) -> None:
    """Play again; `words` as in the help of the command.

    Raises:
        MagusError: see `load_run` and `pipeline.simulate_run`.
    """
    from magus_pyg.experiment.pipeline import simulate_run
    from magus_pyg.experiment.run import load_run

    if _wants_help(words, _SIMULATE_HELP):
        return
    own, others = _take(words, ("run",))
    run = load_run(_needed(own, "run", "the run folder that train.py printed"))
    simulate_run(run, _changed(run.config, others, _PLAYED), make_console())


def main_play(words: Sequence[str]) -> None:
    """Let a person answer; `words` as in the help of the command.

    Raises:
        MagusError: see `load_run` and `MagusSession`.
    """
    from magus_pyg.experiment.play import play_session
    from magus_pyg.experiment.run import load_run

    if _wants_help(words, _PLAY_HELP):
        return
    own, others = _take(words, ("run", "user"))
    run = load_run(_needed(own, "run", "the run folder that train.py printed"))
    some = ", ".join(run.user_ids[:5])
    user = _needed(own, "user", f"one of the run's {len(run.user_ids)} users, such as {some}")
    config = _changed(run.config, others, ("simulation", "magus"))
    play_session(run, config, user, make_console())


def main_report(words: Sequence[str]) -> None:
    """Write a table or a figure; `words` as in the help of the command.

    Raises:
        MagusError: see `report.command.write_report`.
    """
    from magus_pyg.report.command import write_report

    if _wants_help(words, _REPORT_HELP):
        return
    write_report(_report_options(words))


def _report_options(words: Sequence[str]) -> "ReportOptions":
    """conf/report.yaml with the words of a command over it.

    Raises:
        ConfigError: a misspelt or ill-typed key, or several values.
    """
    from magus_pyg.report.command import ReportOptions

    own, others = _take(words, ("runs", "out"))
    config = OmegaConf.merge(OmegaConf.structured(ReportOptions), OmegaConf.load(conf_folder() / "report.yaml"), own)
    assert isinstance(config, DictConfig)
    names = [str(name) for name in config]
    overrides = parse(others)
    for override in overrides:
        if override.key_or_group not in names:
            close = get_close_matches(override.key_or_group, names, n=1, cutoff=0.5)
            hint = f", did you mean {close[0]!r}?" if close else ""
            raise ConfigError(f"there is no key {override.key_or_group!r}{hint}; the keys are {', '.join(names)}")
        if override.is_sweep_override():
            raise ConfigError(f"{override.input_line} has several values: report them one after the other")
    apply_values(config, overrides)
    options = OmegaConf.to_object(config)
    assert isinstance(options, ReportOptions)
    return options


def _train_job(composed: DictConfig) -> None:
    """One run of Hydra; its errors end here, since Hydra would add a trace."""
    from magus_pyg.experiment.pipeline import train_run

    def job() -> None:
        train_run(typed(composed), make_console())

    code = guarded(job)
    if code:
        sys.exit(code)


def _resume(path: Path, words: Sequence[str]) -> None:
    from magus_pyg.experiment.folder import RunFolder, read_config
    from magus_pyg.experiment.pipeline import train_run

    folder = RunFolder(path)
    config = read_config(folder, folder.read_info())
    train_run(_changed(config, words, _RESUMED), make_console(), resume=path)


def _changed(config: Any, words: Sequence[str], allowed: Sequence[str]) -> Any:
    """A run's configuration with some keys changed.

    Raises:
        ConfigError: a key that may not be changed, a misspelt or ill-typed one, an unknown option.
    """
    overrides = parse(words)
    chosen, values = split_groups(overrides)
    names = schema_names(config)
    container = OmegaConf.to_container(OmegaConf.structured(config))
    assert isinstance(container, dict)
    for override in overrides:
        top = override.key_or_group.split(".")[0]
        if top not in allowed and hasattr(config, top):
            raise ConfigError(f"{override.input_line}: {top} belongs to the trained run and cannot be changed; only "
                              f"{', '.join(allowed)} can, else train again")  # fmt: skip
    if chosen:
        fresh = typed(compose_config([override.input_line or "" for override in chosen]))
        other = OmegaConf.to_container(OmegaConf.structured(fresh))
        assert isinstance(other, dict)
        for override in chosen:
            group = override.key_or_group
            container[group] = other[group]
            if group in names:
                names[group] = schema_names(fresh)[group]
    composed = from_container({str(key): value for key, value in container.items()}, names)
    OmegaConf.set_struct(composed, True)
    apply_values(composed, values)
    return typed(composed)


def _take(words: Sequence[str], names: Sequence[str]) -> tuple[dict[str, str], list[str]]:
    """Take words such as run=... apart, as they stand: a path or an id may hold what Hydra would read as syntax."""
    own, others = {}, []
    for word in words:
        name, equals, value = word.partition("=")
        if equals and name in names:
            own[name] = value
        else:
            others.append(word)
    return own, others


def _needed(own: dict[str, str], name: str, what: str) -> str:
    if not own.get(name):
        raise ConfigError(f"{name}=... is missing: {what}")
    return own[name]


def _wants_help(words: Sequence[str], text: str) -> bool:
    flags = [word for word in words if word.startswith("-")]
    if any(flag in ("-h", "--help") for flag in flags):
        print(text)
        return True
    if flags:
        raise ConfigError(f"unknown flag {flags[0]!r}; this command takes key=value and --help")
    return False


def guarded(command: Callable[..., None], *arguments: Any) -> int:
    """Run a command; a MagusError becomes one message on standard error and the code 2."""
    try:
        command(*arguments)
    except MagusError as error:
        if os.environ.get("HYDRA_FULL_ERROR", "0") not in ("", "0"):
            raise
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        return 130
    return 0

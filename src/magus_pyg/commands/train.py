"""Train a base recommender, play sessions with it and print the table; `-m` runs several in turn."""

import sys
from collections.abc import Sequence
from pathlib import Path

import hydra
from omegaconf import DictConfig

from magus_pyg.commands.command_line import changed_config, guarded, run_command
from magus_pyg.errors import ConfigError
from magus_pyg.experiment.pipeline import train_run
from magus_pyg.report import make_console
from magus_pyg.runs.folder import RunFolder
from magus_pyg.runs.overrides import check_overrides, parse
from magus_pyg.runs.schemas import conf_folder, register, typed

__all__ = ["command", "main_train"]


_RESUMED = ("train", "simulation", "sessions", "user", "magus", "agents", "paths")


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


def _train_job(composed: DictConfig) -> None:
    """One run of Hydra; its errors end here, since Hydra would add a trace."""

    def job() -> None:
        train_run(typed(composed), make_console())

    code = guarded(job)
    if code:
        sys.exit(code)


def _resume(path: Path, words: Sequence[str]) -> None:
    from magus_pyg.experiment.pipeline import train_run

    folder = RunFolder(path)
    config = folder.read_config(folder.read_info())
    train_run(changed_config(config, words, _RESUMED), make_console(), resume=path)


def command() -> None:
    """Console command `magus-train`, `scripts/train.py`."""
    sys.exit(run_command(main_train))

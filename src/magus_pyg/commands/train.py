"""Train a base recommender, play sessions with it and print the table; `-m` runs several in turn."""

import sys
from collections.abc import Sequence
from pathlib import Path

from omegaconf import OmegaConf

from magus_pyg.commands.command_line import changed_config, end_by, take_words, with_own_conf
from magus_pyg.errors import ConfigError
from magus_pyg.experiment.pipeline import check_training, train_run
from magus_pyg.files import home_expanded
from magus_pyg.invocation import as_called
from magus_pyg.report import make_console
from magus_pyg.runs.folder import RunFolder
from magus_pyg.runs.overrides import compose_config, own_conf, single_commands
from magus_pyg.runs.schemas import group_options, groups, typed
from magus_pyg.terminal import say

__all__ = ["command", "main_train"]


_RESUMED = ("train", "simulation", "sessions", "user", "magus", "agents", "engine", "ray", "paths")


_HELP = """Train a base recommender, play sessions with it, and print the table.

  train.py [group=option ...] [key=value ...] [-m] [--config-dir FOLDER] [--cfg job]
  train.py resume=RUN [key=value ...]

Choose by group=option:
{groups}
Set a key by its path, for example train.epochs=5 or magus.negative=signed. `--cfg job` shows all keys,
`-m seed=0,1,2` runs several in turn, `--config-dir FOLDER` (or paths.conf=FOLDER) adds option files of your own, such
as FOLDER/dataset/shop.yaml, and the files in the configuration folder explain every key.
"""


def main_train(words: Sequence[str]) -> None:
    """Train, simulate and write a run folder.

    Args:
        words: of the command: overrides, and the flags -m, --help, --config-dir and --cfg job.

    Raises:
        MagusError: see `pipeline.train_run`; all that `-m` asks for is checked before the first of them.
    """
    flags, overrides = _flags_apart(with_own_conf(words))
    if flags & {"-h", "--help"}:
        own = own_conf(overrides)
        listed = "\n".join(f"  {group}: {', '.join(group_options(group, own))}" for group in groups())
        say(as_called(_HELP).format(groups=listed))
        sys.exit(0)
    if "--cfg" in flags:
        say(OmegaConf.to_yaml(compose_config(overrides)))
        return
    named, others = take_words(overrides, ("resume",))
    resumed = named.get("resume") not in (None, "", "null")
    if resumed and "-m" in flags:
        raise ConfigError("resume=... goes on with one run: leave out -m")
    if resumed:
        _resume(home_expanded(named["resume"]), others)
        return
    commands = single_commands(others) if "-m" in flags else [others]
    configs = [typed(compose_config(command)) for command in commands]
    for config in configs:
        check_training(config)
    before = sys.argv
    try:
        for command, config in zip(commands, configs, strict=True):
            sys.argv = [before[0], *command]  # Lightning starts the processes of further devices with these words
            train_run(config, make_console())
    finally:
        sys.argv = before


def _flags_apart(words: Sequence[str]) -> tuple[set[str], list[str]]:
    """The flags, by their shorter or only names, and the other words; ConfigError at a flag that there is not."""
    flags, others, waiting = set(), [], list(words)
    while waiting:
        word = waiting.pop(0)
        if word in ("--cfg", "-c"):
            word = f"--cfg={waiting.pop(0) if waiting else ''}"
        if not word.startswith("-"):
            others.append(word)
        elif word in ("-m", "--multirun"):
            flags.add("-m")
        elif word in ("-h", "--help", "--cfg=job"):
            flags.add(word.partition("=")[0])
        else:
            raise ConfigError(
                f"unknown flag {word!r}; this command takes key=value, -m, --config-dir FOLDER, --cfg job and --help"
            )
    return flags, others


def _resume(path: Path, words: Sequence[str]) -> None:
    folder = RunFolder(path)
    config = folder.read_config(folder.read_info())
    train_run(changed_config(config, words, _RESUMED), make_console(), resume=path)


def command() -> None:
    """Console command `magus-train`, `scripts/train.py`."""
    end_by(main_train)

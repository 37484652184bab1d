"""What all commands share: their words, changed settings, messages and codes.

What is wrong with their words or their data ends in one message and code 2.
"""

import os
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, NoReturn

from omegaconf import OmegaConf

from magus_pyg.errors import ConfigError, MagusError
from magus_pyg.files import temporary_folder
from magus_pyg.interrupts import hear_no_more, heard_signals, stop_of
from magus_pyg.invocation import as_called
from magus_pyg.runs.overrides import apply_values, compose_config, own_conf, parse, split_groups
from magus_pyg.runs.schemas import from_container, schema_names, typed
from magus_pyg.terminal import complain, say

__all__ = ["end_by", "guarded", "run_command"]

_NO_MEMORY = (
    "the memory does not hold what was asked for: lower model.dim or other sizes of the model, train.batch_size, "
    "simulation.batch_size or simulation.candidates"
)
_TOLD = 200  # letters of what a library says


def changed_config(config: Any, words: Sequence[str], allowed: Sequence[str]) -> Any:
    """A run's configuration with some keys changed.

    Raises:
        ConfigError: a key that may not be changed, a misspelt or ill-typed one, an unknown option.
    """
    overrides = parse(words)
    own = own_conf(words)
    chosen, values = split_groups(overrides, own)
    names = schema_names(config)
    container = OmegaConf.to_container(OmegaConf.structured(config))
    assert isinstance(container, dict)
    for override in overrides:
        top = override.key_or_group.split(".")[0]
        if top not in allowed and hasattr(config, top):
            raise ConfigError(f"{override.input_line}: {top} belongs to the trained run and cannot be changed; only "
                              f"{', '.join(allowed)} can, else train again")  # fmt: skip
    if chosen:
        named = [word for word in words if word.startswith("paths.conf=")]
        fresh = typed(compose_config([*named, *(override.input_line or "" for override in chosen)]))
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


def take_words(words: Sequence[str], names: Sequence[str]) -> tuple[dict[str, str], list[str]]:
    """Take words such as run=... apart, as they stand: a path or an id may hold what Hydra would read as syntax."""
    own, others = {}, []
    for word in words:
        name, equals, value = word.partition("=")
        if equals and name in names:
            own[name] = value
        else:
            others.append(word)
    return own, others


def with_own_conf(words: Sequence[str]) -> list[str]:
    """The words with `--config-dir FOLDER` as `paths.conf=FOLDER`; ConfigError where no folder follows the flag."""
    flags = ("--config-dir", "-cd")
    changed, waiting = [], list(words)
    while waiting:
        flag, equals, place = waiting.pop(0).partition("=")
        if flag in flags and not equals:
            place = waiting.pop(0) if waiting else ""
        if flag in flags and not place:
            raise ConfigError(f"{flag} needs a folder: {flag} FOLDER")
        changed.append(f"paths.conf={place}" if flag in flags else f"{flag}{equals}{place}")
    return changed


def needed(own: dict[str, str], name: str, what: str) -> str:
    if not own.get(name):
        raise ConfigError(f"{name}=... is missing: {what}")
    return own[name]


def wants_help(words: Sequence[str], text: str) -> bool:
    flags = [word for word in words if word.startswith("-")]
    if any(flag in ("-h", "--help") for flag in flags):
        say(as_called(text))
        return True
    if flags:
        raise ConfigError(f"unknown flag {flags[0]!r}; this command takes key=value and --help")
    return False


def guarded(command: Callable[..., None], *arguments: Any) -> int:
    """Run a command: a MagusError becomes one message on standard error and the code 2; a signal, see `stop_of`."""
    try:
        command(*arguments)
        sys.stdout.flush()
        hear_no_more()
    except (Exception, KeyboardInterrupt) as error:
        stop = stop_of(error)
        if stop is not None:
            complain(stop.message, alone=True)
            return stop.code
        if isinstance(error, BrokenPipeError):  # such as `--help | head`: whoever read the output has left
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return 141
        if _beyond_memory(error):
            said = " ".join(str(error).split())[:_TOLD]
            complain(f"error: {_NO_MEMORY}" + (f" ({said})" if said else ""))
            return 2
        if not isinstance(error, MagusError) or os.environ.get("HYDRA_FULL_ERROR", "0") not in ("", "0"):
            raise
        complain(f"error: {error}")
        return 2
    return 0


def _beyond_memory(error: BaseException) -> bool:
    """Whether memory was asked for that there is not: of Python, numpy, or torch on the CPU or a device."""
    refused = isinstance(error, RuntimeError) and "can't allocate memory" in str(error)
    return isinstance(error, MemoryError) or refused or type(error).__name__ == "OutOfMemoryError"


def run_command(main: Callable[[Sequence[str]], None]) -> int:
    """Run a command with the words of this process, which only has to end after it; gives the exit code."""

    def command() -> None:
        with temporary_folder():
            main(sys.argv[1:])

    with heard_signals():
        return guarded(command)


def end_by(main: Callable[[Sequence[str]], None]) -> NoReturn:
    """Run a command, as `run_command` does, and end this process by its exit code.

    After a signal nothing more runs, not even the end of the interpreter: libraries that were broken off, such as Ray,
    crash in it.
    """
    code = run_command(main)
    if code <= 128:
        sys.exit(code)
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):  # whoever read it has left
            stream.flush()
    os._exit(code)

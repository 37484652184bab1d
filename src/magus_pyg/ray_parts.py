"""What goes between a command and the workers of Ray: what all parts share, a part, its result, lines of the log."""

import logging
import sys
import tempfile
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from logging.handlers import QueueHandler
from pathlib import Path
from queue import SimpleQueue
from types import ModuleType
from typing import Any

import torch

from magus_pyg.errors import ConfigError, MagusError

__all__ = ["PartDone", "do_part", "log_level", "read_shared", "say_records", "write_shared"]

_PACKAGE = "magus_pyg"


@dataclass(frozen=True)
class PartDone:
    """What became of a part.

    Attributes:
        result: of the work; None where it failed.
        error: how it failed, where that is an error of this package.
        trace: of another error.
        records: what was logged and warned of meanwhile.
    """

    result: Any = None
    error: MagusError | None = None
    trace: str = ""
    records: list[logging.LogRecord] = field(default_factory=list)


def write_shared(ray: ModuleType, path: Path, values: Any) -> None:
    """Write what all parts share; ConfigError where it cannot be handed to other processes."""
    try:
        torch.save(values, path, pickle_module=ray.cloudpickle)  # which also takes what a script itself defines
    except Exception as error:
        raise ConfigError(f"this cannot be handed to other processes ({error}): take engine=process") from error


def read_shared(path: Path, copy: Sequence[Any]) -> Any:
    """In a worker: what all parts share, its tensors mapped into memory; `copy` holds the file where it is not seen."""
    try:
        return torch.load(path, weights_only=False, mmap=True)
    except OSError:  # of another machine, or of another user
        if not copy:
            raise
    import ray

    with tempfile.NamedTemporaryFile(suffix=".pt") as own:  # what is mapped stays when its name goes
        own.write(ray.get(copy[0]))
        own.flush()
        return torch.load(own.name, weights_only=False, mmap=True)


_known: dict[str, Any] = {}
"""In a worker: the file of what its parts share, and what it holds."""


def do_part(path: str, copy: Sequence[Any], places: Sequence[str], threads: int, level: int, part: Any) -> PartDone:
    """What a worker does with a part.

    Args:
        path: of the file of what all parts share.
        copy: see `read_shared`.
        places: where modules are found.
        threads: of torch.
        level: of this package's log.
        part: what is to be worked on.
    """
    sys.path += [place for place in places if place not in sys.path]
    torch.set_num_threads(threads)
    with _kept_records(level) as records:
        try:
            if path not in _known:
                _known.clear()
                _known[path] = read_shared(Path(path), copy)
            work, shared = _known[path]
            return PartDone(work(shared, part), records=records)
        except MagusError as error:
            return PartDone(error=error, records=records)
        except Exception:  # noqa: BLE001 (it is raised, with its trace, where the result is asked for)
            return PartDone(trace=traceback.format_exc(), records=records)


@contextmanager
def _kept_records(level: int) -> Iterator[list[logging.LogRecord]]:
    """A list that holds, when the block has ended, what was logged in it, ready to be handed on."""
    heard: SimpleQueue[logging.LogRecord] = SimpleQueue()
    kept: list[logging.LogRecord] = []
    handler, package = QueueHandler(heard), logging.getLogger(_PACKAGE)
    before = package.level
    logging.getLogger().addHandler(handler)
    package.setLevel(level)
    logging.captureWarnings(True)
    try:
        yield kept
    finally:
        logging.captureWarnings(False)
        package.setLevel(before)
        logging.getLogger().removeHandler(handler)
        kept += [heard.get() for _ in range(heard.qsize())]


def log_level() -> int:
    """From which level on this package's log is heard here."""
    return logging.getLogger(_PACKAGE).getEffectiveLevel()


def say_records(records: Sequence[logging.LogRecord]) -> None:
    """Hand records of a worker to the loggers of this process."""
    for record in records:
        logging.getLogger(record.name).handle(record)

"""Starting processes of this machine, and joining those that torchrun or srun has started."""

import ctypes
import multiprocessing
import os
import pickle
import queue
import re
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any, NamedTuple, NoReturn, TypeVar

import torch
import torch.distributed as dist
from torch.multiprocessing import get_context

from magus_pyg.errors import ConfigError, MagusError, ProcessError
from magus_pyg.files import scratch_folder
from magus_pyg.options import at_least, check_value

__all__ = ["Launch", "check_main_guard", "die_with_parent", "in_processes", "joined_launch", "read_launch"]

_T = TypeVar("_T")
Job = Callable[[_T, Callable[[Any], None]], None]

_TIMEOUT = timedelta(days=1)
"""How long a process waits for the others. One that dies is noticed at once; one may well work for hours."""

_UNGUARDED = 78
"""Exit code of a process that reads its script anew and would start processes itself."""

_GRACE = 3.0
"""Seconds in which those that have not failed yet may say that they failed first, or be found gone."""


class _Failure(NamedTuple):
    """What a process says when it fails: when (by the machine's clock, the same for all), and what."""

    when: float
    error: type[MagusError] | None
    text: str


def in_processes(job: Job[_T], payload: _T, processes: int) -> Generator[Any, None, None]:
    """Run a job in new processes of this machine, joined in a gloo group.

    The payload goes through a file that all of them map into memory, so its tensors are held once. The threads of this
    process are shared out among them.

    Args:
        job: a function of a module, called in every process as `job(payload, send)`.
        payload: what can be pickled.
        processes: at least 1.

    Yields:
        What the process of rank 0 sends.

    Raises:
        ConfigError: fewer than one process, a payload that cannot be pickled, or a script without a main guard.
        MagusError: what a process raised; ProcessError, if one was killed.
        RuntimeError: another error in a process. All processes are ended before.
    """
    check_main_guard()
    check_value("processes", processes, at_least(1))
    context = get_context("spawn")
    with scratch_folder() as folder:
        try:
            torch.save((job, payload), folder / "job.pt")
        except (pickle.PicklingError, AttributeError, TypeError) as error:
            raise ConfigError(f"this cannot be handed to other processes ({error}): use one process") from error
        threads = max(1, torch.get_num_threads() // processes)
        pipes = [context.Pipe(duplex=False) for _ in range(processes)]
        workers = [
            context.Process(target=_work, args=(folder, rank, processes, threads, end), daemon=True)
            for rank, (_, end) in enumerate(pipes)
        ]
        try:
            with _without_signals():
                for worker in workers:
                    worker.start()
            for _, end in pipes:
                end.close()  # so that a pipe ends with the process that writes to it
            yield from _received(_Mailbox([heard for heard, _ in pipes]), workers)
        finally:
            for worker in workers:
                if worker.is_alive():
                    worker.kill()  # it holds nothing that has to be put in order
            for worker in workers:
                if worker.pid is not None:
                    worker.join()


class _Mailbox:
    """What processes say, each through a pipe of its own: one that is killed leaves no other one waiting."""

    def __init__(self, pipes: Sequence[Connection]) -> None:
        self._pipes = list(pipes)

    def get(self, timeout: float) -> tuple[int, str, Any]:
        """The next message as (rank, kind, value); queue.Empty if none comes in so many seconds."""
        if not self._pipes:
            time.sleep(timeout)
        for pipe in wait(self._pipes, timeout):
            assert isinstance(pipe, Connection)
            self._pipes.remove(pipe)
            with suppress(EOFError, ConnectionError):  # its process is gone
                said: tuple[int, str, Any] = pipe.recv()
                self._pipes.append(pipe)  # at the end: the others are heard before it is again
                return said
        raise queue.Empty


def _received(messages: Any, workers: Sequence[BaseProcess]) -> Iterator[Any]:
    """The messages of rank 0 until all processes are done."""
    running = len(workers)
    while running:
        try:
            rank, kind, value = messages.get(timeout=0.5)
        except queue.Empty:
            codes = [worker.exitcode for worker in workers]
            if None in codes and not any(codes):
                continue
            _raise_ended(workers)
        if kind == "message":
            yield value
        elif kind == "failed":
            _raise_cause(messages, workers, {rank: value})
        else:
            running -= 1


def _raise_cause(messages: Any, workers: Sequence[BaseProcess], failures: dict[int, _Failure]) -> NoReturn:
    """Raise what failed first: a process that lost another one may be heard before that one is, or its end seen."""
    end = time.monotonic() + _GRACE
    while time.monotonic() < end:
        try:
            rank, kind, value = messages.get(timeout=0.1)
        except queue.Empty:
            silent = [worker.exitcode for rank, worker in enumerate(workers) if rank not in failures]
            if any(silent):
                _raise_ended(workers)
            if None not in silent:
                break
            continue
        if kind == "failed":
            failures[rank] = value
    rank = min(failures, key=lambda place: failures[place].when)
    cause = failures[rank]
    if cause.error is not None:
        raise cause.error(cause.text)
    raise RuntimeError(f"process {rank} of {len(workers)} failed:\n{cause.text}")


def _raise_ended(workers: Sequence[BaseProcess]) -> NoReturn:
    codes = [worker.exitcode for worker in workers]
    rank = next((place for place, code in enumerate(codes) if code), 0)
    if codes[rank] == _UNGUARDED:
        raise ConfigError(
            "the script that uses several processes has no main guard: each of them reads it anew, and must not start "
            'others. Put what it does under `if __name__ == "__main__":`, or use one process'
        ) from None
    raise ProcessError(
        f"process {rank} of {len(codes)} ended with exit code {codes[rank]} and said nothing; -9 is mostly a lack of "
        "memory: take fewer processes or a smaller batch_size"
    ) from None


def check_main_guard() -> None:
    """End a process that was started for a share of the work, and that still reads the script of its parent.

    To be called before anything that a script without a main guard should not do once more in each process.
    """
    if getattr(multiprocessing.current_process(), "_inheriting", False):
        os._exit(_UNGUARDED)


def die_with_parent() -> None:
    """Let this process end when the one that started it does, whatever ends that (on Linux)."""
    if sys.platform == "linux":
        parent = os.getppid()
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
        started_by = multiprocessing.parent_process()
        if os.getppid() != (parent if started_by is None else started_by.pid):
            os._exit(1)


@contextmanager
def _without_signals() -> Iterator[None]:
    """No process is left half started; those that are started never hear Ctrl-C: this one does, and ends them."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _work(folder: Path, rank: int, processes: int, threads: int, end: Connection) -> None:
    """What a new process does."""
    die_with_parent()
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGTERM, signal.SIGHUP])
    tempfile.tempdir = str(folder)
    torch.set_num_threads(threads)
    try:
        # A file instead of a port: nothing to collide with, and nothing open to the network.
        dist.init_process_group(
            "gloo", init_method=(folder / "meeting").as_uri(), rank=rank, world_size=processes, timeout=_TIMEOUT
        )
        job, payload = torch.load(folder / "job.pt", weights_only=False, mmap=True)
        job(payload, (lambda value: end.send((0, "message", value))) if rank == 0 else _unheard)
        end.send((rank, "done", None))
    except MagusError as error:
        end.send((rank, "failed", _Failure(time.monotonic(), type(error), str(error))))
    except Exception:  # noqa: BLE001 (whatever it is, the process that started this one reports it)
        end.send((rank, "failed", _Failure(time.monotonic(), None, traceback.format_exc().rstrip())))
    except KeyboardInterrupt:
        pass  # the process that started this one is interrupted too, and says so
    finally:
        if dist.is_initialized():
            dist.destroy_process_group()


def _unheard(value: object) -> None:
    """Where sends of other ranks go."""


@dataclass(frozen=True)
class Launch:
    """The place of this process among those that a launcher has started.

    Attributes:
        rank: from 0.
        size: the number of processes.
        address, port: where the process of rank 0 is found.
        by: the launcher's name.
    """

    rank: int
    size: int
    address: str
    port: int
    by: str


def read_launch(environment: Mapping[str, str] = os.environ) -> Launch | None:
    """What torchrun (RANK, WORLD_SIZE, MASTER_ADDR, MASTER_PORT) or srun (SLURM_*) says; None where neither runs.

    MASTER_ADDR and MASTER_PORT, where set, go before what SLURM says.

    Raises:
        ConfigError: variables that are incomplete or no numbers.
    """
    if "RANK" in environment and "WORLD_SIZE" in environment:
        missing = [name for name in ("MASTER_ADDR", "MASTER_PORT") if not environment.get(name)]
        if missing:
            raise ConfigError(f"RANK and WORLD_SIZE are set, but {' and '.join(missing)} not: start with torchrun")
        rank, size, port = (_number(environment, name) for name in ("RANK", "WORLD_SIZE", "MASTER_PORT"))
        return _checked(Launch(rank, size, environment["MASTER_ADDR"], port, "torchrun"))
    # Only srun sets the number of tasks of a step; the script of a batch job runs once, whatever the job asked for.
    if "SLURM_PROCID" in environment and "SLURM_STEP_NUM_TASKS" in environment:
        rank, size = _number(environment, "SLURM_PROCID"), _number(environment, "SLURM_STEP_NUM_TASKS")
        if size == 1:
            return None
        address = environment.get("MASTER_ADDR") or _first_host(environment.get("SLURM_STEP_NODELIST", ""))
        named = environment.get("MASTER_PORT")
        # Jobs that share a node must not meet on one port.
        port = _number(environment, "MASTER_PORT") if named else 15000 + _number(environment, "SLURM_JOB_ID") % 10000
        return _checked(Launch(rank, size, address, port, "srun"))
    return None


def _number(environment: Mapping[str, str], name: str) -> int:
    text = environment.get(name, "")
    if not text.isdecimal():
        raise ConfigError(f"the variable {name} must be a whole number (got {text!r})")
    return int(text)


def _checked(launch: Launch) -> Launch:
    if not launch.rank < launch.size:
        raise ConfigError(f"{launch.by} gives rank {launch.rank} of {launch.size} processes: ranks start at 0")
    return launch


def _first_host(nodes: str) -> str:
    """The first node of a list such as "gpu[03-05,9],login1"; this machine for an empty one."""
    found = re.match(r"([^,\[]+)(?:\[(\d+)[^\]]*\]([^,]*))?", nodes)
    if found is None:
        return "127.0.0.1"
    return found[1] + (found[2] or "") + (found[3] or "")


@contextmanager
def joined_launch() -> Iterator[Launch | None]:
    """A gloo group of the processes that torchrun or srun has started, left at the end; None where neither has.

    Raises:
        ConfigError: see `read_launch`.
    """
    launch = read_launch()
    if launch is None or dist.is_initialized():
        yield launch
        return
    place = f"tcp://{launch.address}:{launch.port}"
    dist.init_process_group("gloo", init_method=place, rank=launch.rank, world_size=launch.size, timeout=_TIMEOUT)
    try:
        yield launch
    finally:
        dist.destroy_process_group()

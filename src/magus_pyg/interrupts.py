"""Ctrl-C, SIGTERM and SIGHUP, from the first moment of a command to its last.

While libraries are loaded, a signal ends the process at once. After that the first one ends it in order: what is
half-done is removed, other processes are ended. A second one ends it at once. Either way what is temporary is
removed, and what can be done next is said. Imports nothing that takes time.
"""

import os
import shutil
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Set
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import NamedTuple

__all__ = [
    "Stop",
    "die_with_parent",
    "hear_no_more",
    "hear_while_loading",
    "heard_signals",
    "remove",
    "removed_after",
    "service_signals",
    "stop_of",
    "told_if_stopped",
    "worker_signals",
]

_MESSAGES = {signal.SIGINT: "stopped", signal.SIGTERM: "stopped by SIGTERM"}
if sys.platform != "win32":
    _MESSAGES[signal.SIGHUP] = "stopped by SIGHUP"
_PATIENCE = 10.0  # seconds in which a command ends that was told to: a library may have caught what was raised


class Stop(NamedTuple):
    """How a command ends that was told to."""

    message: str
    code: int
    """128 and the number of the signal, as shells have it: 130 after Ctrl-C, 143 after SIGTERM."""


class _Process:
    """What this process has to know when a signal comes."""

    def __init__(self) -> None:
        self.is_listening = False
        self.stop: Stop | None = None
        self.temporary: set[Path] = set()
        self.told: list[str] = []

    def listen(self) -> None:
        """Begin anew."""
        self.is_listening, self.stop = True, None


_process = _Process()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_process.temporary.clear)  # they are its parent's


def stop_of(error: BaseException) -> Stop | None:
    """How a command ends by an error, to be told by the caller; None where the error is one of its own.

    Libraries turn what a signal raises into errors of theirs, and work that is shared out breaks off.
    """
    hear_no_more()
    if _process.stop is None and isinstance(error, KeyboardInterrupt):
        return _stop_by(signal.SIGINT)
    return _process.stop


def hear_no_more() -> None:
    """Ignore signals where `heard_signals` heard them: the process has only to end, and if it was told to, it will."""
    if _process.is_listening:
        _ignore()


@contextmanager
def told_if_stopped(what: str) -> Iterator[None]:
    """Let the message of a command that is stopped meanwhile end with what can be done next."""
    _process.told.append(what)
    try:
        yield
    finally:
        _process.told.remove(what)


@contextmanager
def removed_after(path: Path) -> Iterator[None]:
    """Remove a temporary file or folder, which may not be there yet, at the end of the block, whatever ends it."""
    _process.temporary.add(path)
    try:
        yield
    finally:
        remove(path)
        _process.temporary.discard(path)


def remove(path: Path) -> None:
    """Remove a temporary file or folder; its lock goes last, so that what is half removed is still known as one."""
    with suppress(OSError):
        if not path.is_dir():
            path.unlink(missing_ok=True)
            return
        for entry in path.iterdir():
            if entry.is_dir() and not entry.is_symlink():
                shutil.rmtree(entry, ignore_errors=True)
            elif entry.name != ".lock":
                entry.unlink(missing_ok=True)
    shutil.rmtree(path, ignore_errors=True)


def hear_while_loading() -> None:
    """Let signals end the process at once, with their message and without a trace."""
    for number in _heard():
        signal.signal(number, lambda number, frame: _end_at_once(_stop_by(signal.Signals(number))))


@contextmanager
def heard_signals() -> Iterator[None]:
    """Raise a KeyboardInterrupt at the first signal, end the process at the second, and hear none after the block."""
    end = 0.0

    def hear(number: int, frame: FrameType | None) -> None:
        nonlocal end
        if _process.stop is not None:
            _end_at_once(_process.stop)
        _process.stop = _stop_by(signal.Signals(number))
        end = time.monotonic() + _PATIENCE
        if hasattr(signal, "SIGALRM"):
            signal.signal(signal.SIGALRM, raise_again)
        raise_again(0, None)

    def raise_again(number: int, frame: FrameType | None) -> None:
        assert _process.stop is not None
        left = end - time.monotonic()
        if left <= 0:
            _end_at_once(_process.stop)
        if hasattr(signal, "setitimer"):
            signal.setitimer(signal.ITIMER_REAL, left)
        raise KeyboardInterrupt

    def swallowed(error: "sys.UnraisableHookArgs") -> None:
        # What is raised in a destructor goes no further: it is raised once more, a moment later.
        if _process.stop is None or not isinstance(error.exc_value, KeyboardInterrupt):
            before(error)
        elif hasattr(signal, "setitimer"):
            signal.setitimer(signal.ITIMER_REAL, 0.01)

    heard, before, others = _heard(), sys.unraisablehook, frozenset(_process.temporary)
    _process.listen()
    for number in heard:
        signal.signal(number, hear)
    sys.unraisablehook = swallowed
    try:
        yield
    finally:
        hear_no_more()
        _process.is_listening = False
        _remove_temporary(others)  # what a program had before it called the command stays


@contextmanager
def service_signals(stop: Callable[[], None], reload: Callable[[], object]) -> Iterator[None]:
    """What a service hears meanwhile: the first Ctrl-C or SIGTERM asks it to stop, the second ends it at once.

    SIGHUP asks it to reload; at a terminal it means that the terminal has gone, and asks it to stop.

    Args:
        stop: lets the service finish what runs and end; called in a signal handler.
        reload: lets it take up what is new; called in a thread of its own.
    """
    stopping = False

    def hear(number: int, frame: FrameType | None) -> None:
        nonlocal stopping
        if number == getattr(signal, "SIGHUP", None) and not sys.stderr.isatty():
            threading.Thread(target=reload, daemon=True).start()
        elif stopping:
            _end_at_once(_stop_by(signal.Signals(number)))
        else:
            stopping = True
            stop()

    before = {number: signal.signal(number, hear) for number in _MESSAGES}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def worker_signals(stop: Callable[[], None]) -> Iterator[None]:
    """What a worker of a service hears meanwhile: SIGTERM asks it to stop; the rest is for its master to hear."""
    for number in _MESSAGES:
        signal.signal(number, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda number, frame: stop())
    yield
    _ignore()


def die_with_parent() -> None:
    """Let this process end when the one that started it does, whatever ends that (on Linux)."""
    if sys.platform == "linux":
        import ctypes

        parent = os.getppid()
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
        if os.getppid() != parent:
            os._exit(1)


def _heard() -> list[signal.Signals]:
    # `nohup` starts a process that ignores SIGHUP, a shell a job in its background that ignores Ctrl-C: both want that.
    # SIGTERM is ignored from the start by accident alone (of a parent that ignores it for itself), and always heard.
    ignored = {number for number in _MESSAGES if signal.getsignal(number) is signal.SIG_IGN}
    return [number for number in _MESSAGES if number is signal.SIGTERM or number not in ignored]


def _ignore() -> None:
    for number in _MESSAGES:
        signal.signal(number, signal.SIG_IGN)
    if _process.stop is not None and hasattr(signal, "SIGALRM"):
        code = _process.stop.code
        signal.signal(signal.SIGALRM, lambda *_: os._exit(code))


def _stop_by(number: signal.Signals) -> Stop:
    return Stop("; ".join([_MESSAGES[number], *_process.told[-1:]]), 128 + number)


def _remove_temporary(but: Set[Path] = frozenset()) -> None:
    for path in _process.temporary - but:
        remove(path)


def _end_at_once(stop: Stop) -> None:
    _ignore()
    _remove_temporary()
    with suppress(OSError, ValueError):  # streams may be closed
        if sys.stdout.isatty():
            os.write(sys.stdout.fileno(), b"\r\x1b[2K\x1b[?25h")  # a bar is wiped away, and the cursor shown again
        os.write(sys.stderr.fileno(), f"{stop.message}\n".encode(errors="backslashreplace"))
    os._exit(stop.code)

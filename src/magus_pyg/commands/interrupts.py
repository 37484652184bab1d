"""Ctrl-C and SIGTERM while a command runs.

The first ends it in order: what is half-done is removed, other processes are ended. A second one ends it at once; what
that leaves, the next start removes.
"""

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType

__all__ = ["end_of", "heard_signals"]

_MESSAGES = {signal.SIGINT: "stopped", signal.SIGTERM: "stopped by SIGTERM"}
_PATIENCE = 10  # seconds in which a command ends that was told to: a library may have caught what was raised


def end_of(interrupt: KeyboardInterrupt) -> tuple[str, int]:
    """The message and the exit code of a command that was interrupted: 130 by Ctrl-C, 143 by SIGTERM."""
    number = interrupt.args[0] if interrupt.args else signal.SIGINT
    return _MESSAGES[number], 128 + number


@contextmanager
def heard_signals() -> Iterator[None]:
    """Raise a KeyboardInterrupt for `end_of` at the first signal, and end the process at the second.

    At the end of the block signals are ignored: the process has only to end.
    """
    first: list[signal.Signals] = []

    def hear(number: int, frame: FrameType | None) -> None:
        first.append(signal.Signals(number))
        if len(first) > 1:
            _end_at_once(first[0])
        if hasattr(signal, "alarm"):
            signal.signal(signal.SIGALRM, lambda *_: _end_at_once(first[0]))
            signal.alarm(_PATIENCE)
        raise KeyboardInterrupt(first[0])

    # Whoever starts a process with a signal ignored, as `nohup` and jobs in the background are, wants it ignored.
    heard = [number for number in _MESSAGES if signal.getsignal(number) is not signal.SIG_IGN]
    for number in heard:
        signal.signal(number, hear)
    try:
        yield
    finally:
        for number in heard:
            signal.signal(number, signal.SIG_IGN)


def _end_at_once(number: signal.Signals) -> None:
    with suppress(OSError, ValueError):  # streams may be closed
        if sys.stdout.isatty():
            os.write(sys.stdout.fileno(), b"\r\x1b[2K\x1b[?25h")  # a bar is wiped away, and the cursor shown again
        os.write(sys.stderr.fileno(), f"{_MESSAGES[number]}\n".encode())
    os._exit(128 + number)

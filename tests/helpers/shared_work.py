"""What workers do in tests; a module of its own, so that they find it."""

import logging
import os
import signal
import threading
import time
import warnings
from contextlib import suppress
from pathlib import Path
from typing import Any

import pandas as pd
from torch import Tensor

from magus_pyg.agents import ItemsAgent
from magus_pyg.errors import ModelError
from magus_pyg.simulation import NoisyUser, Play, SessionView
from magus_pyg.simulation.users import Answer, ShownList
from magus_pyg.testing import small_graph, small_scores


def scaled(shared: Tensor, part: int) -> tuple[float, int]:
    """A number and the process that made it."""
    return float(shared[part]) * 2, os.getpid()


def failing(error: Exception | None, part: int) -> int:
    """Raises at the part 1."""
    if part == 1:
        raise error or ModelError("broken weights")
    return part


def killed(marks: tuple[Path, int], part: int) -> int:
    """Ends its process without a word at the part 2, as often as asked for."""
    folder, times = marks
    if part == 2:
        kill_self(folder, times)
    return part


def node_killed(given: tuple[str, Path], part: int) -> int:
    """Ends the node that it is done on, unless that is the first one; there it waits until the other has ended."""
    import ray

    head, mark = given
    if ray.get_runtime_context().get_node_id() != head:
        mark.touch()
        os.kill(os.getppid(), signal.SIGKILL)
        time.sleep(60.0)
    end = time.monotonic() + 60.0
    while not mark.exists() and time.monotonic() < end:
        time.sleep(0.05)
    return part


def slow(shared: None, part: int) -> int:
    """Takes half a second."""
    time.sleep(0.5)
    return part


def logging_part(shared: None, part: int) -> int:
    """Logs a line, warns at the part 2, and fails at the part -1."""
    logger = logging.getLogger("magus_pyg.work")
    if part < 0:
        logger.warning("part %d fails", part)
        raise ModelError("broken weights")
    logger.info("part %d of %s", part, part)
    if part == 2:
        warnings.warn("part 2 is the last", stacklevel=2)
    return part


def kill_self(folder: Path, times: int) -> None:
    """End this process by SIGKILL, in all so many times; each leaves a mark."""
    for number in range(times):
        with suppress(FileExistsError):
            (folder / str(number)).touch(exist_ok=False)
            os.kill(os.getpid(), signal.SIGKILL)


class KillingUser(NoisyUser):
    """Answers as `NoisyUser`, and at one session of one round ends the process that it is in, once."""

    def __init__(self, p: float, folder: Path) -> None:
        super().__init__(p)
        self.folder = folder

    def answer(self, shown: ShownList) -> Answer:
        """See the class."""
        if shown.round == 2:
            kill_self(self.folder, 1)
        return super().answer(shown)


class Remembers:
    """Learns from all users' clicks: the scores of every user go up by what any user clicked."""

    name = "remembers"

    def __init__(self) -> None:
        self.graph = small_graph()
        self.restart()

    def restart(self) -> None:
        """Forget."""
        self.scorer: Tensor = small_scores().clone()

    def learn(self, answers: pd.DataFrame) -> None:
        """Move the scores."""
        for clicked in answers["clicked"]:
            if 0 <= clicked < self.scorer.shape[1]:
                self.scorer[:, clicked] *= 0.7

    def start(self, view: SessionView) -> Play:
        """Play by the scores."""
        return ItemsAgent(self.graph, self.scorer).start(view)


def locked() -> Any:
    """What cannot be handed to another process."""
    return threading.Lock()

"""The service as its command starts it: a process of its own, told to stop, or killed."""

import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from processes import outliving

SCRIPT = Path(__file__).parents[2] / "scripts" / "serve.py"
PATIENCE = 60.0  # seconds on a busy machine


class RealService:
    """`scripts/serve.py` on a run, answering from the end of the constructor on.

    Args:
        run: the run folder.
        words: of the command.
        variables: of the environment, beside those of this process.
    """

    def __init__(self, run: Path, *words: str, **variables: str) -> None:
        self.words = [f"run={run}", *words]
        self.environment = {**os.environ, "OMP_NUM_THREADS": "1", **variables}
        self.log: list[Path] = []
        self.folder, self.port = Path(tempfile.mkdtemp(prefix="service-")), 0
        self.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start it, again at the port that it had."""
        self.log.append(self.folder / f"{time.monotonic_ns()}.log")
        command = [sys.executable, str(SCRIPT), *self.words, f"serve.port={self.port}"]
        with self.log[-1].open("w") as log:
            self.process = subprocess.Popen(
                command, stdout=subprocess.PIPE, stderr=log, text=True, env=self.environment, start_new_session=True
            )
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if line.startswith("ready: http://"):
                self.port = int(line.rpartition(":")[2])
                return
        raise RuntimeError(f"the service did not start:\n{self.errors()}")

    def errors(self) -> str:
        """What it has logged since it was started last."""
        return self.log[-1].read_text()

    @property
    def workers(self) -> list[int]:
        """The processes that answer, where there are several."""
        own = self.process.pid
        return [int(pid) for pid in Path(f"/proc/{own}/task/{own}/children").read_text().split()]

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Tell it to stop; its exit code."""
        self.process.send_signal(number)
        return self.process.wait(PATIENCE)

    def kill(self) -> None:
        """Kill its first process, and wait for the end of all: workers do not outlive it."""
        workers = self.workers
        self.process.kill()
        self.process.wait()
        if outliving(workers, PATIENCE):
            raise RuntimeError("workers outlive the process that started them")

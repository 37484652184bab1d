"""Several workers of one service, forked from a process that has loaded everything (gunicorn and uvicorn-worker)."""

import asyncio
import logging
import os
import socket
import sys
import threading
from collections.abc import Callable
from math import ceil
from typing import Any, ClassVar

import torch
from fastapi import FastAPI
from gunicorn.app.base import BaseApplication
from gunicorn.arbiter import Arbiter
from gunicorn.glogging import Logger
from uvicorn_worker import UvicornWorker

from magus_pyg.errors import ProcessError
from magus_pyg.interrupts import worker_signals
from magus_pyg.serve.closing_server import ClosingServer
from magus_pyg.serve.measurements import forget_worker
from magus_pyg.serve.serve_options import ServeOptions
from magus_pyg.serve.server_settings import server_settings

__all__ = ["serve_in_workers"]

_HANGS_SECONDS = 60
"""A worker that does not come back to its event loop for so long hangs, and is replaced."""

logger = logging.getLogger(__name__)


def serve_in_workers(
    app: FastAPI,
    options: ServeOptions,
    taken: socket.socket,
    ready: Callable[[], None],
    reload: Callable[[], object],
) -> None:
    """Answer in `options.workers` processes until this one is told to stop; see `workers.serve_app`."""
    tie = _Tie(ready)
    worker = type(
        "Worker", (_Worker,), {"CONFIG_KWARGS": server_settings(options), "tie": tie, "threads": options.torch_threads}
    )
    try:
        _Master(_Application(app, options, taken.detach(), worker), reload).run()  # gunicorn closes it
    except SystemExit as end:
        if end.code:
            raise ProcessError("the workers cannot start: the lines above say why") from end
    finally:
        tie.close()


class _Tie:
    """What binds workers to their master: two pipes.

    One is written to by nobody, and ends when the master does. The other holds one byte: the worker that reads it says
    that the service is ready.
    """

    def __init__(self, ready: Callable[[], None]) -> None:
        self._ready = ready
        self.until, self._held = os.pipe()
        self._token, give = os.pipe()
        os.set_blocking(self._token, False)
        os.write(give, b"1")
        os.close(give)

    def begin(self, ended: Callable[[], None]) -> None:
        """In a worker, within its event loop: call a function when the master has ended."""
        os.close(self._held)  # the master alone holds it now
        loop = asyncio.get_running_loop()

        def end() -> None:
            loop.remove_reader(self.until)
            ended()

        loop.add_reader(self.until, end)

    def tell(self) -> None:
        """In a worker that answers: say so, if it is the first."""
        if os.read(self._token, 1):  # an empty pipe that nobody writes to is at its end
            self._ready()

    def close(self) -> None:
        """In the master."""
        for end in (self.until, self._held, self._token):
            os.close(end)


class _Application(BaseApplication):  # type: ignore[misc]
    """What gunicorn is told; nothing is read from files or the environment."""

    def __init__(self, app: FastAPI, options: ServeOptions, taken: int, worker: type) -> None:
        self._app, self._options, self._taken, self._worker = app, options, taken, worker
        super().__init__()

    def load_config(self) -> None:
        settings: dict[str, Any] = {
            "bind": [f"fd://{self._taken}"],
            "workers": self._options.workers,
            "worker_class": self._worker,
            "preload_app": True,
            "timeout": _HANGS_SECONDS,
            "graceful_timeout": ceil(self._options.stop_seconds) + 2,
            "control_socket_disable": True,
            "loglevel": "warning",
            "logger_class": _Logger,
            "child_exit": _forget,
        }
        for name, value in settings.items():
            self.cfg.set(name, value)

    def load(self) -> FastAPI:
        return self._app


def _forget(master: Arbiter, worker: UvicornWorker) -> None:
    forget_worker(worker.pid)


class _Master(Arbiter):  # type: ignore[misc]
    """gunicorn's master, with the signals of this package: Ctrl-C is as SIGTERM, SIGHUP a reload of the run."""

    def __init__(self, application: BaseApplication, reload: Callable[[], object]) -> None:
        self._reload_run = reload
        super().__init__(application)

    def handle_int(self) -> None:
        self.handle_term()

    def handle_hup(self) -> None:
        if sys.stderr.isatty():  # the terminal has gone
            self.handle_term()
        threading.Thread(target=self._reload_run, daemon=True).start()


class _Logger(Logger):  # type: ignore[misc]
    """gunicorn's log through `logging`, so that its lines are as all others."""

    def setup(self, cfg: Any) -> None:
        super().setup(cfg)
        for log in (self.error_log, self.access_log):
            log.handlers, log.propagate = [], True


class _Worker(UvicornWorker):  # type: ignore[misc]
    """A worker that ends with its master, and never unwinds what the master has on its stack."""

    tie: ClassVar[_Tie]
    threads: ClassVar[int]

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        logging.getLogger("uvicorn.error").propagate = True

    def init_process(self) -> None:
        """Work until told to stop. The process ends here: temporary folders further down the stack are the master's."""
        code: Any = Arbiter.WORKER_BOOT_ERROR
        torch.set_num_threads(self.threads)
        try:
            super().init_process()
            code = 0
        except SystemExit as end:
            code = end.code
        except BaseException:
            logger.exception("a worker broke off")
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code if isinstance(code, int) else int(bool(code)))

    async def _serve(self) -> None:
        self.config.app = self.wsgi
        server = ClosingServer(self.config, self.tie.tell, worker_signals)
        self.tie.begin(server.stop)
        await server.serve(sockets=self.sockets)
        if not server.started:
            sys.exit(Arbiter.WORKER_BOOT_ERROR)

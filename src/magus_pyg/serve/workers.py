"""The processes that answer: one by uvicorn, or several by gunicorn that share what was loaded before the fork."""

import gc
import socket
from collections.abc import Callable

import torch
import uvicorn
from fastapi import FastAPI

from magus_pyg.errors import ConfigError, ProcessError
from magus_pyg.interrupts import service_signals
from magus_pyg.serve.closing_server import ClosingServer
from magus_pyg.serve.serve_options import ServeOptions
from magus_pyg.serve.server_settings import BACKLOG, server_settings

__all__ = ["listen", "serve_app", "set_threads"]


_COLLECTED = 20_000
"""New objects between two collections of garbage: by Python's own 700 each request has some, which find nothing."""


def listen(options: ServeOptions) -> socket.socket:
    """Listen at the address of the settings; nobody is answered yet.

    Raises:
        ConfigError: the address cannot be taken.
    """
    where = f"serve.host={options.host} serve.port={options.port}"
    try:
        family, kind, _, _, address = socket.getaddrinfo(options.host, options.port, type=socket.SOCK_STREAM)[0]
        # By its number asyncio knows that it is TCP, and lets no reply wait for an acknowledgement (TCP_NODELAY).
        taken = socket.socket(family, kind, socket.IPPROTO_TCP)
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind(address)
        taken.listen(BACKLOG)
    except (OSError, UnicodeError) as error:
        advice = "choose another port, or serve.port=0 for a free one" if options.port else "choose another host"
        raise ConfigError(f"{where}: {getattr(error, 'strerror', None) or error}; {advice}") from error
    return taken


def set_threads(options: ServeOptions) -> None:
    """Compute with the threads of the settings; to be called before anything is computed.

    A process that will be forked has one thread: those of OpenMP do not outlive a fork. Its workers set their own.
    """
    torch.set_num_threads(options.torch_threads if options.workers == 1 else 1)


def serve_app(
    app: FastAPI,
    options: ServeOptions,
    taken: socket.socket,
    ready: Callable[[str], None],
    reload: Callable[[], object],
) -> None:
    """Answer until the process is told to stop: then no connection is taken any more, what runs is finished, and the
    function returns.

    Args:
        app: what answers; loaded, so that workers share what it holds.
        options: of the service.
        taken: from `listen`.
        ready: called with the address as soon as requests are answered, in the process that answers first.
        reload: what SIGHUP does; called in a thread of its own.

    Raises:
        ProcessError: the app, or a worker, cannot be started.
    """
    gc.collect()
    gc.freeze()  # what is there stays: no collection writes into pages that workers share
    gc.set_threshold(_COLLECTED)
    address = _address_of(taken)
    if options.workers == 1:
        config = uvicorn.Config(app, **server_settings(options))
        try:
            ClosingServer(config, lambda: ready(address), lambda stop: service_signals(stop, reload)).run([taken])
        except SystemExit as error:
            raise ProcessError("the service cannot start: the line above says why") from error
        return
    from magus_pyg.serve.gunicorn_workers import serve_in_workers  # gunicorn is of POSIX alone

    serve_in_workers(app, options, taken, lambda: ready(address), reload)


def _address_of(taken: socket.socket) -> str:
    """The address of a socket as a browser takes it; that of this machine where it listens at all of them."""
    host, port = taken.getsockname()[:2]
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"

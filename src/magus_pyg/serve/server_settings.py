"""What uvicorn is told, in one process and in each worker."""

from math import ceil
from typing import Any

from magus_pyg.serve.joined_writes import JoinedWrites
from magus_pyg.serve.serve_options import ServeOptions

__all__ = ["BACKLOG", "server_settings"]

BACKLOG = 2048
"""Connections that wait to be taken."""


def server_settings(options: ServeOptions) -> dict[str, Any]:
    """The keyword arguments of `uvicorn.Config` beside the app."""
    return {
        "backlog": BACKLOG,
        "http": JoinedWrites,
        "access_log": False,
        "log_config": None,
        "lifespan": "on",
        "server_header": False,
        "proxy_headers": bool(options.proxies),
        "forwarded_allow_ips": list(options.proxies),
        "timeout_graceful_shutdown": ceil(options.stop_seconds),
    }

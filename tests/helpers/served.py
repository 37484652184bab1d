"""Services in this process for tests: over HTTP, on the tiny run, with a store in memory."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from fastapi.testclient import TestClient

from magus_pyg.runs import Run
from magus_pyg.serve.app import create_app
from magus_pyg.serve.serve_options import LimitOptions, ServeOptions
from magus_pyg.serve.stores import Store


def folder_beside(run: Run) -> Path:
    """Where services of a run write, so that the folder of a run that tests share stays as it is."""
    return run.path.parents[1] / f"served-{run.path.name}"


@contextmanager
def served(run: Run, store: Store | None = None, **options: Any) -> Iterator[TestClient]:
    """A client of a service of a run, which may ask as often as it likes."""
    limits = LimitOptions(requests=0, new_sessions=0)
    chosen = {"store": "memory:", "folder": str(folder_beside(run)), "limits": limits, **options}
    app = create_app(run, ServeOptions(**chosen), store)
    with TestClient(app, raise_server_exceptions=False) as client:
        yield client


def begin(client: TestClient, **asked: Any) -> dict[str, Any]:
    """A new session: its first list."""
    reply = client.post("/v1/sessions", json=asked)
    assert reply.status_code == 201, reply.text
    found: dict[str, Any] = reply.json()
    return found


def answer(client: TestClient, shown: dict[str, Any], clicked: str | None = None, **asked: Any) -> dict[str, Any]:
    """Answer a list: the next one."""
    body = {"recommendation_id": shown["recommendation_id"], "clicked": clicked, **asked}
    reply = client.post(f"/v1/sessions/{shown['session_id']}/answers", json=body)
    assert reply.status_code == 200, reply.text
    found: dict[str, Any] = reply.json()
    return found


def first_query(shown: dict[str, Any]) -> dict[str, Any]:
    """The first query of a list."""
    return next(entry for entry in shown["entries"] if entry["kind"] == "query")

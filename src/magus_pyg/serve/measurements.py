"""What the service measures of itself, for Prometheus: requests, lists, sessions, waiting rounds."""

import os

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead

from magus_pyg.serve.measurement_folder import MULTIPROC_VARIABLE

__all__ = [
    "CONTENT_TYPE_LATEST",
    "LIST_SECONDS",
    "LIVE_SESSIONS",
    "MODEL_ANSWERS",
    "REFUSED",
    "REQUESTS",
    "SECONDS",
    "TEXTS",
    "WAITING",
    "forget_worker",
    "measured",
]

_BOUNDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)

REQUESTS = Counter("magus_requests_total", "Requests, by route and status", ["method", "route", "status"])
SECONDS = Histogram("magus_request_seconds", "From the head of a request to its reply", ["route"], buckets=_BOUNDS)
REFUSED = Counter("magus_refused_total", "Requests refused for want of room, key or time", ["status"])
LIST_SECONDS = Histogram("magus_list_seconds", "To take an answer in and make a list", ["variant"], buckets=_BOUNDS)
LIVE_SESSIONS = Gauge("magus_live_sessions", "Sessions ready in memory", multiprocess_mode="livesum")
TEXTS = Counter("magus_texts_total", "Texts of queries shown, by source", ["source"])
MODEL_ANSWERS = Counter("magus_model_answers_total", "What became of a language model's answers", ["what", "why"])
WAITING = Gauge("magus_waiting_rounds", "Rounds that wait for a thread or have one", multiprocess_mode="livesum")


def measured() -> bytes:
    """All measurements, of all workers together, as Prometheus reads them."""
    if not os.environ.get(MULTIPROC_VARIABLE):
        return generate_latest()
    registry = CollectorRegistry()
    MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    return generate_latest(registry)


def forget_worker(pid: int) -> None:
    """Count a worker that has ended no longer among those that hold sessions and rounds."""
    if os.environ.get(MULTIPROC_VARIABLE):
        mark_process_dead(pid)  # type: ignore[no-untyped-call]

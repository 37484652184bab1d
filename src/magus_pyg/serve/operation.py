"""What an operator needs of an app: probes, measurements, the gate, and a line in the log for each request."""

from collections.abc import Callable

from fastapi import APIRouter, FastAPI, Response
from fastapi.responses import PlainTextResponse

from magus_pyg.serve.gate import Gate
from magus_pyg.serve.head_requests import HeadRequests
from magus_pyg.serve.keys import KeyRing
from magus_pyg.serve.measurements import CONTENT_TYPE_LATEST, measured
from magus_pyg.serve.rate_limits import RateLimits
from magus_pyg.serve.request_log import RequestLog
from magus_pyg.serve.serve_options import ServeOptions

__all__ = ["add_operation"]


def add_operation(app: FastAPI, options: ServeOptions, keys: KeyRing, ready: Callable[[], None]) -> None:
    """Give an app its probes, measurements, gate and log; to be called after its other middleware is added.

    Args:
        app: the app.
        options: of the service.
        keys: of the service.
        ready: raises a MagusError unless the service can answer: a run is loaded, the store can be used. It may block.
    """
    router = APIRouter(tags=["operation"])

    @router.get("/livez", summary="Whether the process answers at all")
    async def livez() -> dict[str, str]:
        return {"status": "alive"}

    @router.get("/readyz", summary="Whether requests can be answered: a run is loaded and the store can be used")
    def readyz() -> dict[str, str]:
        ready()
        return {"status": "ready"}

    @router.get(
        "/metrics",
        response_class=PlainTextResponse,
        summary="Measurements, for Prometheus; needs a key of the scope admin",
    )
    def metrics() -> Response:
        return Response(measured(), media_type=CONTENT_TYPE_LATEST)

    app.include_router(router)
    app.add_middleware(HeadRequests)
    app.add_middleware(Gate, keys=keys, limits=RateLimits(options))
    app.add_middleware(RequestLog)

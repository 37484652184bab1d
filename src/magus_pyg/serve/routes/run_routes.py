"""Runs, people and events: what a shop does behind its pages."""

from typing import Annotated

from fastapi import APIRouter, Path, Response

from magus_pyg.serve.api_schemas import EventsIn, EventsOut, JobOut, ReloadIn
from magus_pyg.serve.requests import App, Resending, json_response, problems
from magus_pyg.serve.strict_routes import StrictRoute

__all__ = ["run_router"]

run_router = APIRouter(prefix="/v1", tags=["runs, people and events"], route_class=StrictRoute)

UserId = Annotated[str, Path(min_length=1, max_length=500)]


@run_router.post("/runs:reload", status_code=202, response_model=JobOut, responses=problems(413, 422, 429, 503))
async def reload(asked: ReloadIn, app: App, resend: Resending) -> Response:
    """Take up a new run: sessions that began go on."""
    return json_response(await app.lanes.slow(lambda: app.administration.reload(asked.run, resend)), 202)


@run_router.delete("/users/{user_id}", status_code=204, responses=problems(422, 429, 503))
async def erase(user_id: UserId, app: App) -> Response:
    """Erase a person from the log, the store and what is kept ready."""
    await app.lanes.slow(lambda: app.administration.erase(user_id))
    return Response(status_code=204)


@run_router.post("/events:batch", response_model=EventsOut, responses=problems(413, 422, 429, 503))
async def take_events(asked: EventsIn, app: App, resend: Resending) -> Response:
    """Keep what happened outside the lists, such as purchases, each event once."""
    return json_response(await app.lanes.quick(lambda: app.administration.take_events(asked, resend)))

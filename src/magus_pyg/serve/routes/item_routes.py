"""Items: looked up, added, removed and restored; suggestions of words; jobs."""

from typing import Annotated

from fastapi import APIRouter, Path, Query, Response

from magus_pyg.serve.api_schemas import ItemIdsIn, ItemOut, ItemsIn, JobOut, SuggestionOut
from magus_pyg.serve.requests import App, Resending, json_response, problems
from magus_pyg.serve.strict_routes import StrictRoute

__all__ = ["item_router"]

item_router = APIRouter(prefix="/v1", tags=["items"], route_class=StrictRoute)

Prefix = Annotated[str, Query(max_length=100, description="What was typed so far.")]
ItemId = Annotated[str, Path(min_length=1, max_length=500)]
JobId = Annotated[str, Path(min_length=1, max_length=100)]


@item_router.get("/queries", response_model=list[SuggestionOut], responses=problems(422, 429, 503))
async def suggest(app: App, prefix: Prefix = "") -> Response:
    """Words that begin as what was typed, the commonest first."""
    return json_response(await app.lanes.quick(lambda: app.administration.suggest(prefix)))


@item_router.get("/items/{item_id}", response_model=ItemOut, responses=problems(404, 422, 429, 503))
async def show_item(item_id: ItemId, app: App) -> Response:
    """An item: its title, words and the other columns that it came with."""
    return json_response(await app.lanes.quick(lambda: app.administration.item(item_id)))


@item_router.post("/items:batch", status_code=202, response_model=JobOut, responses=problems(413, 422, 429, 503))
async def add_items(asked: ItemsIn, app: App, resend: Resending) -> Response:
    """Add items: their rows are cleaned as the run's data were. Sessions that begin after the job is done have them."""
    return json_response(await app.lanes.slow(lambda: app.administration.add_items(asked.items, resend)), 202)


@item_router.post("/items:remove", status_code=202, response_model=JobOut, responses=problems(413, 422, 429, 503))
async def remove_items(asked: ItemIdsIn, app: App, resend: Resending) -> Response:
    """Take items from the offer: no list shows them any more."""
    work = app.administration.offer
    return json_response(await app.lanes.slow(lambda: work(asked.item_ids, True, resend)), 202)


@item_router.post("/items:restore", status_code=202, response_model=JobOut, responses=problems(413, 422, 429, 503))
async def restore_items(asked: ItemIdsIn, app: App, resend: Resending) -> Response:
    """Put removed items on offer again."""
    work = app.administration.offer
    return json_response(await app.lanes.slow(lambda: work(asked.item_ids, False, resend)), 202)


@item_router.get("/jobs/{job_id}", response_model=JobOut, responses=problems(404, 422, 429, 503))
async def show_job(job_id: JobId, app: App) -> Response:
    """How far a job is."""
    return json_response(await app.lanes.quick(lambda: app.administration.job(job_id)))

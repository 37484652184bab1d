"""What a person says outside a list, and why an entry stands where it does."""

from fastapi import APIRouter, Response

from magus_pyg.serve.api_schemas import ReasonOut, WordsIn, WordsOut
from magus_pyg.serve.requests import App, EntryId, Resending, SessionId, json_response, problems
from magus_pyg.serve.strict_routes import StrictRoute

__all__ = ["word_router"]

word_router = APIRouter(prefix="/v1/sessions", tags=["sessions"], route_class=StrictRoute)


@word_router.post("/{session_id}/words", response_model=WordsOut, responses=problems(404, 409, 410, 413, 422, 429, 503))
async def tell(session_id: SessionId, asked: WordsIn, app: App, resend: Resending) -> Response:
    """Take in, or take back, what a person says outside a list: what was understood, and the next list."""
    return json_response(await app.round(session_id, app.service.tell, session_id, asked, resend))


@word_router.get(
    "/{session_id}/explanations/{entry_id}", response_model=list[ReasonOut], responses=problems(404, 410, 422, 429, 503)
)
async def explain(session_id: SessionId, entry_id: EntryId, app: App) -> Response:
    """Which answers moved an entry that was shown, in order, and how far."""
    return json_response(await app.lanes.slow(lambda: app.service.explain(session_id, entry_id)))

"""Sessions: begin, show, answer, undo, forget."""

from fastapi import APIRouter, Response

from magus_pyg.serve.api_schemas import AnswerIn, ListOut, SessionIn, SessionOut
from magus_pyg.serve.requests import App, Resending, SessionId, json_response, problems
from magus_pyg.serve.strict_routes import StrictRoute

__all__ = ["session_router"]

session_router = APIRouter(prefix="/v1/sessions", tags=["sessions"], route_class=StrictRoute)


@session_router.post("", status_code=201, response_model=ListOut, responses=problems(409, 413, 422, 429, 503))
async def begin(asked: SessionIn, app: App, resend: Resending) -> Response:
    """Begin a session: its first list."""
    found = await app.lanes.slow(lambda: app.service.begin(asked, resend))
    return json_response(found, 201, {"Location": f"/v1/sessions/{found['session_id']}"})


@session_router.get("/{session_id}", response_model=SessionOut, responses=problems(404, 410, 422, 429, 503))
async def show(session_id: SessionId, app: App) -> Response:
    """The open list of a session, and its history."""
    return json_response(await app.round(session_id, app.service.show, session_id))


@session_router.delete("/{session_id}", status_code=204, responses=problems(404, 410, 422, 429, 503))
async def forget(session_id: SessionId, app: App) -> Response:
    """Forget a session, with its rows in the log."""
    await app.lanes.quick(lambda: app.service.forget(session_id))
    return Response(status_code=204)


@session_router.post(
    "/{session_id}/answers", response_model=ListOut, responses=problems(404, 409, 410, 413, 422, 429, 503)
)
async def answer(session_id: SessionId, asked: AnswerIn, app: App, resend: Resending) -> Response:
    """Answer the open list: the next one. The same answer again gives the same list again."""
    return json_response(await app.round(session_id, app.service.answer, session_id, asked, resend))


@session_router.delete(
    "/{session_id}/answers/last", response_model=ListOut, responses=problems(404, 409, 410, 422, 429, 503)
)
async def undo(session_id: SessionId, app: App, resend: Resending) -> Response:
    """Take the last answer, or what was said last, back: the list before."""
    return json_response(await app.round(session_id, app.service.undo, session_id, resend))

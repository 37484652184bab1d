"""The page's addresses: `/`, `/s/{session}/{step}`, what is sent from there, and the page's own files."""

from collections.abc import Callable
from typing import Annotated, TypeVar
from urllib.parse import quote, urlencode

from fastapi import APIRouter, Depends, Form, Path, Query, Request, Response
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse

from magus_pyg.errors import InputError, NotThereError
from magus_pyg.serve.pages.page_sessions import NEW, PageSessions, Standing
from magus_pyg.serve.pages.page_views import words_of_key
from magus_pyg.serve.pages.rendering import FILES, HEADERS
from magus_pyg.serve.pages.screens import Asked, Screens
from magus_pyg.serve.pages.visitors import check_form, forget_unread, keep_unread, keep_visitor, unread_of
from magus_pyg.serve.requests import Running

__all__ = ["page_router"]

_FOR_EVER = {"Cache-Control": "public, max-age=31536000, immutable", "X-Content-Type-Options": "nosniff"}

_Found = TypeVar("_Found")

page_router = APIRouter(include_in_schema=False)

Session = Annotated[str, Path(min_length=1, max_length=100)]
Step = Annotated[int, Path(ge=1, le=100_000)]
Expert = Annotated[bool, Query()]


class _Page:
    """One request for a page: the service, how it looks, and who asks."""

    def __init__(self, request: Request, expert: Expert = False) -> None:
        self.running: Running = request.app.state.running
        self.screens: Screens = request.app.state.screens
        self.request = request
        self.asked = Asked.of(request, self.screens.shop, expert)

    @property
    def sessions(self) -> PageSessions:
        """The sessions."""
        return self.screens.sessions

    async def do(self, session_id: str, work: Callable[[bool], _Found]) -> _Found:
        """Do what may be quick where the service does such things."""
        is_quick = session_id != NEW and self.running.service.is_quick(session_id)
        found: _Found = await self.running.lanes.either(is_quick, work)
        return found

    def shown(self, text: str, status: int = 200) -> Response:
        """A page."""
        response = HTMLResponse(text, status, HEADERS)
        keep_visitor(self.request, response, self.asked.visitor)
        return response

    async def said(self, csrf: str, session_id: str, work: Callable[[bool], Standing]) -> Response:
        """Take in what a form says, and go to the list after it."""
        check_form(self.asked.visitor, csrf)
        said = await self.do(session_id, work)
        note = {name: "1" for name, so in (("stale", said.stale), ("expert", self.asked.expert)) if so}
        where = f"{self.asked.root}/s/{quote(said.session_id)}/{said.step}"
        response = RedirectResponse(f"{where}{'?' if note else ''}{urlencode(note)}#list", 303, HEADERS)
        if said.unread:
            keep_unread(self.request, response, where, said.unread)
        return response


PageRequest = Annotated[_Page, Depends(_Page)]
Csrf = Annotated[str, Form()]


@page_router.get("/")
async def start(page: PageRequest) -> Response:
    """The start page."""
    return page.shown(await page.do(NEW, lambda quick: page.screens.start(page.asked)))


@page_router.get("/s/{session_id}/{step}")
async def show(page: PageRequest, session_id: Session, step: Step, stale: bool = False) -> Response:
    """The list of a step, the item that was found, or that the lists are used up."""
    if session_id == NEW:
        return RedirectResponse(f"{page.asked.root}/", 303, HEADERS)
    unread = unread_of(page.request, f"{page.asked.root}/s/{quote(session_id)}/{step}")
    response = page.shown(
        await page.do(session_id, lambda quick: page.screens.step(page.asked, session_id, step, unread, stale, quick))
    )
    forget_unread(page.request, response)
    return response


@page_router.get("/s/{session_id}/{step}/compare")
async def compare(
    page: PageRequest, session_id: Session, step: Step, item: Annotated[list[str] | None, Query()] = None
) -> Response:
    """Items side by side."""
    return page.shown(
        await page.do(session_id, lambda quick: page.screens.compare(page.asked, session_id, step, item or [], quick))
    )


@page_router.get("/s/{session_id}/{step}/why")
async def why(page: PageRequest, session_id: Session, step: Step, entry: str) -> Response:
    """Why an item or a query stands where it does."""
    return page.shown(
        await page.do(session_id, lambda quick: page.screens.why(page.asked, session_id, step, entry, quick))
    )


@page_router.post("/s/{session_id}/{step}/answer")
async def answer(
    page: PageRequest,
    session_id: Session,
    step: Step,
    csrf: Csrf = "",
    click: Annotated[str, Form()] = "",
    not_care: Annotated[list[str] | None, Form()] = None,
) -> Response:
    """Answer a list."""
    who = page.asked.visitor.visitor_id, page.asked.language
    return await page.said(
        csrf,
        session_id,
        lambda quick: page.sessions.answer(session_id, step, *who, click, not_care or [], quick),
    )


@page_router.post("/s/{session_id}/{step}/words")
async def words(
    page: PageRequest,
    session_id: Session,
    step: Step,
    csrf: Csrf = "",
    text: Annotated[str, Form()] = "",
    more: Annotated[str, Form()] = "",
) -> Response:
    """Take in what somebody wrote, or a word of a card."""
    most = page.running.service.options.limits.text_length
    if len(text) > most:
        raise InputError(f"a text has at most {most} signs (got {len(text)})", [("/text", "too long")])
    who = page.asked.visitor.visitor_id, page.asked.language
    if more:
        wanted = {True: [*words_of_key(more)]}
        return await page.said(
            csrf, session_id, lambda quick: page.sessions.tell(session_id, step, *who, wanted, quick)
        )
    if text.strip():
        return await page.said(csrf, session_id, lambda quick: page.sessions.write(session_id, step, *who, text, quick))
    return RedirectResponse(f"{page.asked.root}/s/{quote(session_id)}/{step}", 303, HEADERS)


@page_router.post("/s/{session_id}/{step}/retract")
async def retract(
    page: PageRequest, session_id: Session, step: Step, words: Annotated[str, Form()], csrf: Csrf = ""
) -> Response:
    """Take back what was said of a chip's words."""
    return await page.said(csrf, session_id, lambda quick: page.sessions.retract(session_id, step, words, quick))


@page_router.post("/s/{session_id}/{step}/undo")
async def undo(page: PageRequest, session_id: Session, step: Step, csrf: Csrf = "") -> Response:
    """Back to the list before."""
    return await page.said(csrf, session_id, lambda quick: page.sessions.undo(session_id, step, quick))


@page_router.post("/s/{session_id}/{step}/on")
async def go_on(page: PageRequest, session_id: Session, step: Step, csrf: Csrf = "") -> Response:
    """Go on looking for something else, with what was said."""
    who = page.asked.visitor.visitor_id, page.asked.language
    return await page.said(csrf, session_id, lambda quick: page.sessions.go_on(session_id, step, *who, quick))


@page_router.get("/suggestions")
async def suggestions(page: PageRequest, prefix: Annotated[str, Query(max_length=200)] = "") -> Response:
    """Words that begin as somebody types, as JSON."""
    return JSONResponse(await page.do(NEW, lambda quick: page.screens.data.suggest(prefix)))


@page_router.get(FILES + "/{name}")
async def own_file(request: Request, name: str) -> Response:
    """A file of the page; its address has the edition of the files, so browsers may keep it."""
    screens: Screens = request.app.state.screens
    if name not in screens.shop.files:
        raise NotThereError(f"the page has no file {name!r}")
    content, kind = screens.shop.files[name]
    return Response(content, 200, _FOR_EVER, kind)

"""Who looks at the page: a random visitor and a token against forged forms, in one cookie, and nothing else.

A form carries the token that its cookie holds (a double submit). Another site can make a browser send the cookie, if at
all (SameSite), but can neither read nor set it, so it cannot fill in the field.
"""

import json
import re
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass
from hmac import compare_digest

from starlette.requests import Request
from starlette.responses import Response

from magus_pyg.errors import AccessError
from magus_pyg.files import parse_json

__all__ = ["COOKIE", "Visitor", "check_form", "forget_unread", "keep_unread", "keep_visitor", "unread_of", "visitor_of"]

COOKIE = "magus"

_FORM = re.compile(r"([A-Za-z0-9_-]{16})\.([A-Za-z0-9_-]{32})")
_DAYS = 30
_UNREAD, _UNREAD_SIGNS, _UNREAD_SECONDS = "magus-unread", 200, 120


@dataclass(frozen=True)
class Visitor:
    """Who looks at the page.

    Attributes:
        visitor_id: a random name.
        csrf: what their forms carry.
        is_new: whether the browser has no cookie yet.
    """

    visitor_id: str
    csrf: str
    is_new: bool = False


def visitor_of(request: Request) -> Visitor:
    """The visitor of a request; a new one where it has no cookie of ours."""
    found = _FORM.fullmatch(request.cookies.get(COOKIE, ""))
    if found:
        return Visitor(found[1], found[2])
    return Visitor(secrets.token_urlsafe(12), secrets.token_urlsafe(24), is_new=True)


def keep_visitor(request: Request, response: Response, visitor: Visitor) -> None:
    """Set the cookie of a visitor who has none."""
    if visitor.is_new:
        response.set_cookie(
            COOKIE,
            f"{visitor.visitor_id}.{visitor.csrf}",
            max_age=_DAYS * 86400,
            path=request.scope.get("root_path", "") or "/",
            secure=request.url.scheme == "https",
            httponly=True,
            samesite="lax",
        )


def keep_unread(request: Request, response: Response, page: str, text: str) -> None:
    """Let the next page of a browser say what was not understood of its text: no address holds what people write.

    Args:
        request: of the browser.
        response: that sends it to the page.
        page: the path of the page that says it.
        text: what was not understood.
    """
    value = urlsafe_b64encode(json.dumps([page, text[:_UNREAD_SIGNS]]).encode()).decode()
    response.set_cookie(
        _UNREAD,
        value,
        max_age=_UNREAD_SECONDS,
        path=request.scope.get("root_path", "") or "/",
        secure=request.url.scheme == "https",
        httponly=True,
        samesite="strict",
    )


def unread_of(request: Request, page: str) -> str:
    """What was not understood of the text that led to a page; "" for nothing."""
    try:
        kept = parse_json(urlsafe_b64decode(request.cookies.get(_UNREAD, "")))
    except ValueError:
        return ""
    is_own = isinstance(kept, list) and len(kept) == 2 and kept[0] == page and isinstance(kept[1], str)
    return kept[1][:_UNREAD_SIGNS].encode("utf-8", "replace").decode() if is_own else ""


def forget_unread(request: Request, response: Response) -> None:
    """What was not understood was said."""
    if _UNREAD in request.cookies:
        response.delete_cookie(_UNREAD, path=request.scope.get("root_path", "") or "/")


def check_form(visitor: Visitor, csrf: str) -> None:
    """Raise AccessError unless a form was made for this visitor."""
    if visitor.is_new or not compare_digest(visitor.csrf.encode(), csrf.encode("utf-8", "replace")):
        raise AccessError(
            "the form was not made for this browser, or its cookie is gone: load the page again", known=True
        )

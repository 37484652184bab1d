"""Who looks at the page: a random visitor and a token against forged forms, in one cookie, and nothing else.

A form carries the token that its cookie holds (a double submit). Another site can make a browser send the cookie, if at
all (SameSite), but can neither read nor set it, so it cannot fill in the field.
"""

import re
import secrets
from dataclasses import dataclass
from hmac import compare_digest

from starlette.requests import Request
from starlette.responses import Response

from magus_pyg.errors import AccessError

__all__ = ["COOKIE", "Visitor", "check_form", "keep_visitor", "visitor_of"]

COOKIE = "magus"

_FORM = re.compile(r"([A-Za-z0-9_-]{16})\.([A-Za-z0-9_-]{32})")
_DAYS = 30


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


def check_form(visitor: Visitor, csrf: str) -> None:
    """Raise AccessError unless a form was made for this visitor."""
    if visitor.is_new or not compare_digest(visitor.csrf.encode(), csrf.encode("utf-8", "replace")):
        raise AccessError(
            "the form was not made for this browser, or its cookie is gone: load the page again", known=True
        )

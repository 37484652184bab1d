"""The cookie of a visitor, and forms that were not made for them."""

from base64 import urlsafe_b64encode

import pytest
from starlette.requests import Request
from starlette.responses import Response

from magus_pyg.errors import AccessError
from magus_pyg.serve.pages.visitors import check_form, forget_unread, keep_unread, keep_visitor, unread_of, visitor_of


def request(cookie: str = "", scheme: str = "http", root: str = "") -> Request:
    scope = {
        "type": "http", "method": "GET", "path": "/", "scheme": scheme, "root_path": root, "query_string": b"",
        "headers": [(b"cookie", cookie.encode())] if cookie else [], "server": ("shop.example", 80),
    }  # fmt: skip
    return Request(scope)


def test_a_new_visitor_and_the_same_again() -> None:
    new = visitor_of(request())
    assert new.is_new
    again = visitor_of(request(f"magus={new.visitor_id}.{new.csrf}"))
    assert (again.visitor_id, again.csrf, again.is_new) == (new.visitor_id, new.csrf, False)
    check_form(again, new.csrf)


@pytest.mark.parametrize("cookie", ["magus=", "magus=a.b", "magus=" + "x" * 49, "other=1", "magus=" + "é" * 16])
def test_what_is_no_cookie_of_ours_is_a_new_visitor(cookie: str) -> None:
    assert visitor_of(request(cookie)).is_new


@pytest.mark.parametrize("token", ["", "x" * 32, "é" * 32, "\ud800"])
def test_a_form_of_somebody_else(token: str) -> None:
    new = visitor_of(request())
    known = visitor_of(request(f"magus={new.visitor_id}.{new.csrf}"))
    with pytest.raises(AccessError, match="not made for this browser"):
        check_form(known, token)
    with pytest.raises(AccessError, match="its cookie is gone"):
        check_form(new, new.csrf)


def test_the_cookie_is_set_once_and_safely() -> None:
    new, response = visitor_of(request(scheme="https", root="/shop")), Response()
    keep_visitor(request(scheme="https", root="/shop"), response, new)
    cookie = response.headers["set-cookie"]
    for part in ("HttpOnly", "SameSite=lax", "Secure", "Path=/shop"):
        assert part in cookie
    known, response = visitor_of(request(f"magus={new.visitor_id}.{new.csrf}")), Response()
    keep_visitor(request(), response, known)
    assert "set-cookie" not in response.headers


def test_what_was_not_understood_is_known_to_its_page_alone() -> None:
    response = Response()
    keep_unread(request(scheme="https", root="/shop"), response, "/s/a/2", "wól 👋" + "x" * 300)
    cookie = response.headers["set-cookie"]
    for part in ("HttpOnly", "SameSite=strict", "Secure", "Path=/shop", "Max-Age=120"):
        assert part in cookie
    sent = request(cookie.partition(";")[0])
    assert unread_of(sent, "/s/a/2") == ("wól 👋" + "x" * 300)[:200]
    assert unread_of(sent, "/s/a/3") == ""
    forgotten = Response()
    forget_unread(sent, forgotten)
    assert 'magus-unread=""' in forgotten.headers["set-cookie"]
    assert "Max-Age=0" in forgotten.headers["set-cookie"]


@pytest.mark.parametrize("cookie", ["", "x", "é", "e30=", "W10=", "WzEsMl0=", "WyIvcyIsIFsxXV0="])
def test_a_cookie_that_somebody_made_says_nothing(cookie: str) -> None:
    assert unread_of(request(f"magus-unread={cookie}"), "/s") == ""
    untouched = Response()
    forget_unread(request(), untouched)
    assert "set-cookie" not in untouched.headers


def test_a_cookie_that_is_nested_deeply_or_holds_half_a_letter() -> None:
    deep = urlsafe_b64encode(b"[" * 2000).decode()
    assert unread_of(request(f"magus-unread={deep}"), "/s") == ""
    half = urlsafe_b64encode(b'["/s", "a\\ud800"]').decode()
    assert unread_of(request(f"magus-unread={half}"), "/s") == "a?"

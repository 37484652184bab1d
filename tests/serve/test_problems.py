"""Problem details: one kind for each error class of the package."""

import inspect

import pytest

import magus_pyg.errors as errors
from magus_pyg.errors import (
    AccessError,
    BusyError,
    GraphError,
    InputError,
    LimitError,
    MagusError,
    NotThereError,
    ProcessError,
    StoreError,
)
from magus_pyg.serve.problems import inside, problem_of, problem_response, problem_type


@pytest.mark.parametrize(
    ("error", "status", "kind", "header"),
    [
        (NotThereError("a"), 404, "not-there-error", {}),
        (errors.ConflictError("a"), 409, "conflict-error", {}),
        (errors.GoneError("a"), 410, "gone-error", {}),
        (LimitError("a"), 413, "limit-error", {}),
        (InputError("a"), 422, "input-error", {}),
        (GraphError("a"), 422, "graph-error", {}),
        (LimitError("a", 2.5), 429, "limit-error", {"Retry-After": "3"}),
        (BusyError("a"), 503, "busy-error", {"Retry-After": "1"}),
        (StoreError("a"), 503, "store-error", {"Retry-After": "1"}),
        (AccessError("a"), 401, "access-error", {"WWW-Authenticate": "Bearer"}),
        (AccessError("a", known=True), 403, "access-error", {}),
        (ProcessError("a"), 500, "magus-error", {}),
    ],
)
def test_the_problem_of_each_error(error: MagusError, status: int, kind: str, header: dict[str, str]) -> None:
    body, found = problem_of(error)
    assert (body["status"], body["type"], found) == (status, f"urn:magus-pyg:{kind}", header)
    assert body["detail"] == "a"
    reply = problem_response(error)
    assert (reply.status_code, reply.media_type) == (status, "application/problem+json")


def test_every_class_has_a_type_of_its_own() -> None:
    kinds = [kind for _, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, MagusError)]
    assert len({problem_type(kind) for kind in kinds}) == len(kinds) > 10


def test_an_error_inside_a_place_of_the_body_names_it() -> None:
    with pytest.raises(InputError) as raised, inside("/searched"):
        raise GraphError("no such word")
    body, _ = problem_of(raised.value)
    assert body["type"] == "urn:magus-pyg:graph-error"
    assert body["errors"] == [{"pointer": "/searched", "detail": "no such word"}]
    with pytest.raises(InputError) as raised, inside("/outer"), inside("/inner"):
        raise GraphError("no such word")
    assert problem_of(raised.value)[0]["errors"][0]["pointer"] == "/inner"


def test_long_texts_of_whoever_asks_are_cut() -> None:
    body, _ = problem_of(InputError("x" * 10_000, [("/" + "y" * 10_000, "z" * 10_000)] * 100))
    assert len(body["detail"]) == 1000
    assert len(body["errors"]) == 20
    assert {len(fault[name]) for fault in body["errors"] for name in ("pointer", "detail")} == {1000}

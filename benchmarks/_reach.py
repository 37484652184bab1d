"""Which tests reach which mistakes: marks in a copy of the source, and the pytest plugin that reads them.

A test reaches a mistake if the function that holds it runs during the test, during a fixture that the test asks for, or
while the test's file is collected. What only another process runs is not seen.
"""

import ast
import json
import os
from collections.abc import Generator
from pathlib import Path

import pytest
from _mistakes import MISTAKES, Mistake

__all__ = ["OUT", "hit", "mark_source"]

OUT = "MAGUS_PYG_REACH"  # the environment variable that names the file to write
_seen: dict[str, set[int]] = {}  # by test, `fixture NAME` or file
_now = [""]
_seconds: dict[str, float] = {}
_failed: set[str] = set()


def hit(number: int) -> None:
    """The function of a mistake runs."""
    _seen.setdefault(_now[-1], set()).add(number)


def _place(text: str, mistake: Mistake) -> ast.stmt | None:
    """The first statement of the innermost function that holds a mistake; None outside functions."""
    line = text.count("\n", 0, text.index(mistake.before.strip())) + 1
    around = [
        node
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.FunctionDef) and node.lineno <= line <= (node.end_lineno or 0)
    ]
    if not around:
        return None
    body = max(around, key=lambda node: node.lineno).body
    spoken = isinstance(body[0], ast.Expr) and isinstance(body[0].value, ast.Constant)
    first = body[1] if spoken and len(body) > 1 else body[0]
    return None if first.lineno == max(around, key=lambda node: node.lineno).lineno else first


def mark_source(source: Path) -> set[int]:
    """Write a mark into each function of `source` that holds a mistake.

    Layers (`nn`) get none: their code is compiled.

    Returns:
        The numbers of the mistakes that have one.
    """
    marks: dict[str, list[tuple[int, int, int]]] = {}
    for number, mistake in enumerate(MISTAKES):
        text = (source / mistake.file).read_text(encoding="utf-8")
        place = None if mistake.file.startswith("nn/") or text.count(mistake.before) != 1 else _place(text, mistake)
        if place is not None:
            marks.setdefault(mistake.file, []).append((place.lineno, place.col_offset, number))
    for file, places in marks.items():
        lines = (source / file).read_text(encoding="utf-8").splitlines(keepends=True)
        for line, indent, number in sorted(places, reverse=True):
            lines.insert(line - 1, f'{" " * indent}__import__("_reach").hit({number})\n')
        (source / file).write_text("".join(lines), encoding="utf-8")
    return {number for places in marks.values() for *_, number in places}


def _inside(name: str) -> Generator[None, object, object]:
    _now.append(name)
    try:
        return (yield)
    finally:
        _now.pop()


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(collector: pytest.Collector) -> Generator[None, object, object]:
    return (yield from _inside(collector.nodeid.split("::")[0]))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    return (yield from _inside(item.nodeid))


@pytest.hookimpl(wrapper=True)
def pytest_fixture_setup(
    fixturedef: pytest.FixtureDef[object], request: pytest.FixtureRequest
) -> Generator[None, object, object]:
    shared = fixturedef.scope != "function"
    return (yield from _inside(f"fixture {fixturedef.argname}" if shared else _now[-1]))


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    _seconds[report.nodeid] = _seconds.get(report.nodeid, 0.0) + report.duration
    if report.failed:
        _failed.add(report.nodeid)


def pytest_sessionfinish(session: pytest.Session) -> None:
    if OUT not in os.environ:
        return
    found = {}
    for item in session.items:
        names = [item.nodeid, item.nodeid.split("::")[0], *(f"fixture {n}" for n in getattr(item, "fixturenames", ()))]
        reached = set().union(*(_seen.get(name, set()) for name in names))
        found[item.nodeid] = {
            "seconds": round(_seconds.get(item.nodeid, 0.0), 3),
            "failed": item.nodeid in _failed,
            "reaches": sorted(MISTAKES[number].name for number in reached),
        }
    Path(os.environ[OUT]).write_text(json.dumps(found), encoding="utf-8")

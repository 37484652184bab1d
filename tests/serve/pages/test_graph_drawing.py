"""The session's graph as SVG: which nodes, which marks, and text of the data that stays text."""

from xml.etree import ElementTree as ET

import pandas as pd
import pytest
from catalogues import APPLE_FIELDS

import magus_pyg as mp
from magus_pyg.graph import build_relational_graph
from magus_pyg.serve.pages.graph_drawing import graph_drawings

NAMES = ("words", "<combinations>", "items")


def of_class(svg: str, name: str) -> list[ET.Element]:
    return [at for at in ET.fromstring(svg).iter() if name in at.attrib.get("class", "").split()]


@pytest.mark.parametrize("kind", ["session", "catalogue"])
def test_a_drawing_a_list(apple: pd.DataFrame, kind: str) -> None:
    graph = build_relational_graph(apple.replace("airpods", "<b>&"), APPLE_FIELDS, max_words=2)
    scores = [7.0, 4.0, 8.0]
    session = (
        mp.MagusSession(graph, scores, list_length=2)
        if kind == "session"
        else mp.Catalogue(graph).session(scores, list_length=2)
    )
    first = session.recommend()
    session.feedback(next(entry for entry in first if entry.kind == "query"))
    session.recommend()
    one, two = graph_drawings(session, NAMES)
    assert ((one.number, one.is_open, one.shown), (two.number, two.is_open, two.shown)) == ((1, False, 2), (2, True, 2))
    assert len(of_class(one.svg, "ring")) == 2
    assert len(of_class(one.svg, "took")) == 1
    assert of_class(two.svg, "took") == []
    assert len(of_class(two.svg, "gone")) == 2  # shown before
    assert [at.text for at in of_class(one.svg, "layer")] == ["words", "<combinations>", "items"]
    assert len(of_class(one.svg, "node")) == one.drawn == int(graph["node"].num_nodes)
    titles = {at.text for at in ET.fromstring(one.svg).iter("title")}
    assert "<b>&" in titles
    assert session.recommend() == session.recommend()


def test_the_latest_lists_alone(apple: pd.DataFrame) -> None:
    graph = build_relational_graph(apple, APPLE_FIELDS, max_words=3)
    session = mp.MagusSession(graph, [7.0, 4.0, 8.0], list_length=1, rounds=9)
    assert len(graph_drawings(session, NAMES)) == 1
    for _ in range(7):
        session.recommend()
        session.feedback(None)
    assert [drawing.number for drawing in graph_drawings(session, NAMES)] == [3, 4, 5, 6, 7, 8]

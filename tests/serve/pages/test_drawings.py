"""Drawn placeholders: the same for the same item, of one colour for one kind, and harmless."""

from xml.etree import ElementTree as ET

from magus_pyg.graph import Word
from magus_pyg.serve.pages.drawings import HUES, placeholder


def test_a_drawing_comes_from_words_alone() -> None:
    boots, shoes = Word("kind", "boots"), Word("kind", "shoes")
    one = placeholder(boots, "m1")
    assert one == placeholder(boots, "m1")
    assert one != placeholder(boots, "m2")
    hue = ET.fromstring(one).attrib["class"]
    assert ET.fromstring(placeholder(boots, "m2")).attrib["class"] == hue
    assert ET.fromstring(placeholder(shoes, "m1")).attrib["class"] != hue


def test_all_drawings_stand_on_the_shelf_and_have_a_colour() -> None:
    for number in range(300):
        drawing = ET.fromstring(placeholder(Word("kind", str(number)), f"<{number}>"))
        assert int(drawing.attrib["class"].rpartition("-")[2]) < HUES
        assert len(drawing) == 4
        assert drawing.attrib["aria-hidden"] == "true"
    assert len(placeholder(None, "")) < 700

"""Colours of a shop that can be read, whatever colour it is."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from magus_pyg.serve.pages.shop_style import _DARK, _LIGHT, contrast, shop_css

COLOURS = st.integers(0, 0xFFFFFF).map(lambda number: f"#{number:06x}")


def test_contrast_as_wcag_gives_it() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21.0)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.478, abs=0.001)
    assert contrast("#1a5fb4", "#1a5fb4") == 1.0


@given(COLOURS)
def test_text_and_controls_of_any_colour_can_be_read(colour: str) -> None:
    css = shop_css(colour)
    for ground in (_LIGHT, _DARK):
        theme = css.split("@media")[ground == _DARK]
        found = dict(re.findall(r"--([\w-]+):(#[0-9a-f]{6})", theme))
        assert contrast(found["link"], ground) >= 4.5
        assert contrast(found["fill"], ground) >= 3.0
        assert contrast(found["on-fill"], found["fill"]) >= 4.5


def test_a_colour_that_can_be_read_stays() -> None:
    assert "--fill:#0f6b5c" in shop_css("#0f6b5c")

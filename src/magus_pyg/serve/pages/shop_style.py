"""The shop's own colour as a small stylesheet, in tones that can be read on the light and on the dark page."""

from colorsys import hls_to_rgb, rgb_to_hls

__all__ = ["contrast", "shop_css"]

_LIGHT, _DARK = "#efede7", "#272b32"
"""The least contrasting grounds of page.css that links stand on, light and dark."""
_LINK, _FILL = 4.6, 3.1
"""Contrast that WCAG 2.2 AA asks of text (4.5) and of controls (3), and a little more."""


def shop_css(colour: str) -> str:
    """The stylesheet of a colour, such as "#1a5fb4".

    Buttons have the colour itself, with white or black on it, whichever is read better; links have the nearest tone
    that can be read on the page.
    """
    light = _theme(_toned(colour, _LIGHT, _FILL), _toned(colour, _LIGHT, _LINK))
    dark = _theme(_toned(colour, _DARK, _FILL), _toned(colour, _DARK, _LINK))
    return f":root{{{light}}}\n@media (prefers-color-scheme:dark){{:root{{{dark}}}}}\n"


def contrast(one: str, other: str) -> float:
    """The contrast of two colours, from 1 to 21 (WCAG 2.2)."""
    low, high = sorted((_luminance(one), _luminance(other)))
    return (high + 0.05) / (low + 0.05)


def _theme(fill: str, link: str) -> str:
    ink = max(("#ffffff", "#000000"), key=lambda text: contrast(fill, text))
    return f"--fill:{fill};--fill-2:{_moved(fill, -0.05 if ink == '#ffffff' else 0.05)};--on-fill:{ink};--link:{link}"


def _toned(colour: str, ground: str, least: float) -> str:
    """The colour, as much darker or lighter as the ground asks for."""
    step = -0.02 if _luminance(ground) > 0.18 else 0.02
    for _ in range(50):
        if contrast(colour, ground) >= least:
            break
        colour = _moved(colour, step)
    return colour


def _moved(colour: str, step: float) -> str:
    hue, light, saturation = rgb_to_hls(*_channels(colour))
    return _text(hls_to_rgb(hue, min(1.0, max(0.0, light + step)), saturation))


def _channels(colour: str) -> tuple[float, float, float]:
    red, green, blue = (int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5))
    return red, green, blue


def _text(channels: tuple[float, float, float]) -> str:
    return "#" + "".join(f"{round(255 * value):02x}" for value in channels)


def _luminance(colour: str) -> float:
    red, green, blue = (
        value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4 for value in _channels(colour)
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue

"""Drawn placeholders for items without a picture: things on a shelf, in shapes and colours that come from words."""

from hashlib import blake2b

from markupsafe import Markup

from magus_pyg.graph import Word

__all__ = ["HUES", "placeholder"]

HUES = 12
"""Colours, of which each is a class `hue-0` ... of the stylesheet."""

_WIDTH, _HEIGHT, _SHELF = 120, 80, 64
_BESIDE = 240
"""How far the shelf goes on at both sides: wide cards show more than the width, and no thing is cut off."""


def placeholder(kind: Word | None, name: str) -> Markup:
    """A drawing as SVG. Items of one kind have one colour, and each its own shapes.

    Args:
        kind: the word that chooses the colour.
        name: what tells the item from others.
    """
    hue = _bytes("" if kind is None else "\0".join(kind))[0] % HUES
    draw = iter(_bytes(name))
    order, things = next(draw) % 3, []
    for _ in range(3):
        shape = _SHAPES[next(draw) % len(_SHAPES)]
        things.append((shape, 16 + next(draw) % 14, 18 + next(draw) % 30, next(draw) % 9 - 1))
    left = (_WIDTH - sum(width + gap for _, width, _, gap in things)) // 2
    parts = [
        f'<rect class="a" x="-{_BESIDE}" y="{_SHELF}" width="{_WIDTH + 2 * _BESIDE}" height="{_HEIGHT - _SHELF}"/>'
    ]
    for place, (shape, width, height, gap) in enumerate(things):
        parts.append(shape("bcd"[(order + place) % 3], left, width, height))
        left += width + gap
    return Markup(  # numbers and fixed texts alone
        f'<svg class="drawn hue-{hue}" viewBox="0 0 {_WIDTH} {_HEIGHT}" aria-hidden="true" focusable="false" '
        f'preserveAspectRatio="xMidYMax meet">{"".join(parts)}</svg>'
    )


def _bytes(text: str) -> bytes:
    return blake2b(text.encode("utf-8", "replace"), digest_size=16).digest()


def _ball(shade: str, left: int, width: int, height: int) -> str:
    radius = width * 5 // 8
    return f'<circle class="{shade}" cx="{left + width // 2}" cy="{_SHELF - radius}" r="{radius}"/>'


def _box(shade: str, left: int, width: int, height: int) -> str:
    return f'<rect class="{shade}" x="{left}" y="{_SHELF - height}" width="{width}" height="{height}" rx="2"/>'


def _arch(shade: str, left: int, width: int, height: int) -> str:
    half = width / 2
    top = _SHELF - height + half
    return f'<path class="{shade}" d="M{left} {_SHELF}V{top:g}a{half:g} {half:g} 0 0 1 {width} 0V{_SHELF}z"/>'


def _bottle(shade: str, left: int, width: int, height: int) -> str:
    neck = width * 2 // 5
    inset, shoulder = (width - neck) // 2, height * 3 // 5
    throat = height - shoulder - 6
    return (
        f'<path class="{shade}" d="M{left} {_SHELF}v-{shoulder}l{inset}-6v-{throat}h{neck}'
        f'v{throat}l{width - neck - inset} 6v{shoulder}z"/>'
    )


def _bowl(shade: str, left: int, width: int, height: int) -> str:
    half = width * 3 / 4
    rim = f"M{left - width / 4:g} {_SHELF - half:g}h{2 * half:g}"
    return f'<path class="{shade}" d="{rim}a{half:g} {half:g} 0 0 1-{2 * half:g} 0z"/>'


_SHAPES = (_ball, _box, _arch, _bottle, _bowl, _box, _bottle)

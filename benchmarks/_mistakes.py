"""The mistakes that `mistakes.py` plants, read from mistakes.toml."""

import tomllib
from dataclasses import dataclass
from pathlib import Path

__all__ = ["KINDS", "MISTAKES", "Mistake"]


@dataclass(frozen=True)
class Mistake:
    """One mistake.

    Attributes:
        kind: what mistakes of its like have in common.
        name: what is wrong.
        file: of `src/magus_pyg`.
        before, after: the text, which stands there once, and what takes its place.
        tests: the tests that should notice.
        harmless: why it changes nothing that can be seen; "" where it does.
    """

    kind: str
    name: str
    file: str
    before: str
    after: str
    tests: str
    harmless: str = ""


MISTAKES = tuple(
    Mistake(**entry)
    for entry in tomllib.loads(Path(__file__).with_name("mistakes.toml").read_text(encoding="utf-8"))["mistakes"]
)

KINDS = {
    kind: tuple(mistake for mistake in MISTAKES if mistake.kind == kind)
    for kind in dict.fromkeys(mistake.kind for mistake in MISTAKES)
}
"""The mistakes by their kind."""

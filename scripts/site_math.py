"""Docstrings as the site shows them: the formulas and titles of layers, written for Sphinx as in PyG, in Markdown."""

import re
from typing import Any

from griffe import Alias, Extension, Module, Object
from latex2mathml.converter import convert

_BLOCK = re.compile(r"^( *)\.\. math::\n((?:\1 +\S.*\n?|\s*\n)+)", re.MULTILINE)
_INLINE = re.compile(r":math:`([^`]+)`")
_TITLE = re.compile(r"`\"([^\"`]+)\"\s*<([^>`]+)>`_")


def markdown(text: str) -> str:
    """A docstring with MathML in place of `.. math::` and `:math:`, and Markdown's links."""

    def block(found: re.Match[str]) -> str:
        lines = re.split(r"\n\s*\n", found[2].strip())
        formulas = [re.sub(r"(?<!\\)&", "", " ".join(line.split())).replace(r"\_", "_") for line in lines]
        parts = "\n\n".join(f"{found[1]}{convert(formula, display='block')}" for formula in formulas)
        return f"{parts}\n\n"

    text = _BLOCK.sub(block, text)
    # In a span, since a line that begins with MathML would be a block.
    text = _INLINE.sub(lambda found: f"<span>{convert(' '.join(found[1].split()))}</span>", text)
    return _TITLE.sub(lambda found: f"[{' '.join(found[1].split())}]({found[2]})", text)


class SiteMath(Extension):
    """Rewrites all docstrings of a package once it is read."""

    def on_package(self, *, pkg: Module, **kwargs: Any) -> None:
        """See the class."""
        self._rewrite(pkg)

    def _rewrite(self, found: Object) -> None:
        if found.docstring is not None:
            found.docstring.value = markdown(found.docstring.value)
        for member in found.members.values():
            if not isinstance(member, Alias):
                self._rewrite(member)

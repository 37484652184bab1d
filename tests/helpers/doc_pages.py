"""The code blocks of the pages in docs/."""

import re

from repository import ROOT


def blocks(page: str, language: str) -> list[str]:
    """The blocks of one language in docs/`page`, in order."""
    return re.findall(rf"```{language}\n(.*?)```", (ROOT / "docs" / page).read_text(encoding="utf-8"), re.DOTALL)


def run_blocks(page: str) -> dict:
    """The names that the page's Python blocks make, run one after the other as one program."""
    names: dict = {}
    for block in blocks(page, "python"):
        exec(block, names)
    return names

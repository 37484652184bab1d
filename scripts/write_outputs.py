"""Run the Python blocks of pages and write what each prints into the text block that follows it.

The blocks of a page are one program. A page with figures saves them under the names that it shows them by.
"""

import argparse
import io
import os
import re
import tempfile
from contextlib import chdir, redirect_stdout
from dataclasses import dataclass
from pathlib import Path

from magus_pyg.files import write_text

DOCS = Path(__file__).resolve().parents[1] / "docs"
PAGES = [
    "start.md",
    "language.md",
    "own_shop.md",
    *sorted(
        path.relative_to(DOCS).as_posix()
        for folder in ("api", "notebooks")
        for path in (DOCS / folder).glob("*.md")
        if "```python" in path.read_text(encoding="utf-8")
    ),
]
"""The pages whose blocks are run: the first steps, notebooks, and the examples of the reference."""

_BLOCK = re.compile(r"(```python\n)(.*?)(```\n)(\n```text\n.*?```\n)?", re.DOTALL)


@dataclass(frozen=True)
class Ran:
    """A page after its blocks were run: its text, the names that they made, and the files that they wrote."""

    text: str
    names: dict[str, object]
    files: dict[str, bytes]


def run_page(page: str) -> Ran:
    """Run a page in a folder of its own.

    Args:
        page: a file of docs/.
    """
    names: dict[str, object] = {"__name__": "__main__"}
    source = (DOCS / page).read_text(encoding="utf-8")

    def run(found: re.Match[str]) -> str:
        said = io.StringIO()
        line = source.count("\n", 0, found.start()) + 1
        with redirect_stdout(said):
            exec(compile("\n" * line + found[2], str(DOCS / page), "exec"), names)
        printed = "".join(f"{line.rstrip()}\n" for line in said.getvalue().splitlines())
        return found[1] + found[2] + found[3] + (f"\n```text\n{printed}```\n" if printed else "")

    with tempfile.TemporaryDirectory() as place, chdir(place):
        text = _BLOCK.sub(run, source)
        files = {name: Path(name).read_bytes() for name in os.listdir() if Path(name).is_file()}
    return Ran(text, names, files)


def main() -> None:
    """Run and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("pages", nargs="*", default=PAGES, help="files of docs/; all with an output if none")
    for page in parser.parse_args().pages:
        ran = run_page(page)
        write_text(DOCS / page, ran.text)
        for name, content in ran.files.items():
            if f"]({name})" in ran.text:  # a picture of the page
                (DOCS / page).with_name(name).write_bytes(content)


if __name__ == "__main__":
    main()

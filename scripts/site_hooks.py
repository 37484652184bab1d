"""What `mkdocs build` is told beyond mkdocs.yml: pages from files outside docs/, names of files as links, tables."""

import posixpath
import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parents[1]
PAGES = {
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changes.md",
    "benchmarks/README.md": "benchmarks.md",
    "benchmarks/RESULTS.md": "measured.md",
}
"""Files of the repository outside docs/ that are pages of the site."""

SHOWN = {"conf": "settings.md", "examples": "examples.md"}
"""Folders whose files a page shows."""

_NAMED = re.compile(r"(?<!\[)`((?:docs/|benchmarks/)?[\w/]+\.md|(?:conf|examples)/[\w/-]+\.(?:yaml|py))`(?!\])")
_LINKED = re.compile(r"\]\(((?:\.\./)*[\w/]+\.md)(#[\w-]+)?\)")
_PICTURE = re.compile(r'<img src="([^"]+)" width="(\d+)" alt="([^"]*)">')  # whose address MkDocs would not change
_FENCED = re.compile(r"(^ *```.*?^ *```$)", re.DOTALL | re.MULTILINE)
_FIGURE = re.compile(r"(?<=\d) (?=[±−+](?:[ |]|$))|(?<=±) (?=\d)")  # a figure and its interval or mark


def settings_page() -> str:
    """Every file of conf/, whose comments say what each key means."""
    parts = [
        "# Settings",
        "Every key of every command, from the files in `conf/`, which say what it means. `train.epochs=5` sets a key, "
        "`dataset=ml-100k` takes a file of a group; the files of `experiment` are overlays over all groups. Types and "
        "further explanations are those of the classes in `magus_pyg.runs.schemas`.",
    ]
    files = sorted((ROOT / "conf").rglob("*.yaml"), key=lambda path: (path.parent != ROOT / "conf", path))
    group = ""
    for path in files:
        name = path.relative_to(ROOT)
        if len(name.parts) == 2:
            parts.append(_shown(2, f"`{path.name}`", name, "yaml"))
            continue
        if group != path.parent.name:
            group = path.parent.name
            parts.append(f"## `{group}=`")
        parts.append(_shown(3, f"`{group}={path.stem}`", name, "yaml"))
    return "\n\n".join(parts) + "\n"


def examples_page() -> str:
    """Every program of examples/."""
    parts = ["# Examples", "Whole programs, from the folder `examples/`; the tests run them as they stand."]
    for path in sorted((ROOT / "examples").glob("*.py"), key=lambda path: path.stat().st_size):
        parts.append(_shown(2, f"`{path.name}`", path.relative_to(ROOT), "python"))
    return "\n\n".join(parts) + "\n"


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Adds `PAGES` and `SHOWN`."""
    pages = {page: (ROOT / source).read_text(encoding="utf-8") for source, page in PAGES.items()}
    pages |= {SHOWN["conf"]: settings_page(), SHOWN["examples"]: examples_page()}
    for page, content in pages.items():
        files.append(File.generated(config, page, content=content))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Makes a link of each page, setting or example that is named as a file, such as `docs/bayes.md`: people read the
    files too. Figures stay on one line with their intervals."""
    here = posixpath.dirname(page.file.src_uri)
    outside = next((source for source, name in PAGES.items() if name == page.file.src_uri), None)

    def place(target: str) -> str:
        return posixpath.relpath(target, here or ".")

    def link(found: re.Match[str]) -> str:
        name = found[1]
        folder = name.split("/")[0]
        if folder in SHOWN:
            return f"[{found[0]}]({place(SHOWN[folder])}#{_anchor(name)})" if (ROOT / name).is_file() else found[0]
        target = PAGES.get(name, name.removeprefix("docs/"))
        return found[0] if files.get_file_from_path(target) is None else f"[{found[0]}]({place(target)})"

    def moved(found: re.Match[str]) -> str:
        """A link of a file outside docs/, whose neighbours lie elsewhere on the site."""
        name = posixpath.normpath(posixpath.join(posixpath.dirname(outside or ""), found[1]))
        target = PAGES.get(name, name.removeprefix("docs/"))
        return f"]({place(target)}{found[2] or ''})"

    markdown = _PICTURE.sub(r'![\3](\1){ width="\2" }', markdown)
    parts = _FENCED.split(markdown)
    for number, part in enumerate(parts):
        if part.startswith("```"):
            continue
        if outside is not None:
            part = _LINKED.sub(moved, part)
        part = _NAMED.sub(link, part)
        lines = part.split("\n")
        parts[number] = "\n".join(_FIGURE.sub("\u00a0", line) if line.startswith("|") else line for line in lines)
    return "".join(parts)


def on_page_content(html: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Makes an empty head of a column, as over the names of rows, a plain cell: it heads nothing."""
    return re.sub(r"<th[^>]*></th>", "<td></td>", html)


def on_post_page(output: str, page: Page, config: MkDocsConfig) -> str:
    """Gives the dialog of the search, which the theme leaves without one, a name for screen readers."""
    dialog = 'data-md-component="search" role="dialog"'
    return output.replace(dialog, f'{dialog} aria-label="Search"')


def _shown(level: int, title: str, name: Path, language: str) -> str:
    """A section with a file of the repository."""
    text = (ROOT / name).read_text(encoding="utf-8").rstrip()
    return f"{'#' * level} {title} {{ #{_anchor(name.as_posix())} }}\n\n```{language}\n{text}\n```"


def _anchor(name: str) -> str:
    """Of a file on the page that shows it."""
    return re.sub(r"[^\w]+", "-", name.rsplit(".", 1)[0].split("/", 1)[1])

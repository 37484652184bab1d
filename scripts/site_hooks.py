"""What `mkdocs build` is told beyond mkdocs.yml: pages from files at the root, and names of pages as links."""

import posixpath
import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parents[1]
PAGES = {"CONTRIBUTING.md": "contributing.md", "CHANGELOG.md": "changes.md", "benchmarks/RESULTS.md": "benchmarks.md"}
"""Files of the repository outside docs/ that are pages of the site."""

_NAMED = re.compile(r"(?<!\[)`((?:docs/|benchmarks/)?[\w/]+\.md)`(?!\])")
_PICTURE = re.compile(r'<img src="([^"]+)" width="(\d+)" alt="([^"]*)">')  # whose address MkDocs would not change
_FENCED = re.compile(r"(^ *```.*?^ *```$)", re.DOTALL | re.MULTILINE)


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Adds `PAGES`."""
    for source, page in PAGES.items():
        files.append(File.generated(config, page, content=(ROOT / source).read_text(encoding="utf-8")))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Makes a link of each page that is named as a file, such as `docs/bayes.md`: people read the files too."""
    here = posixpath.dirname(page.file.src_uri)

    def link(found: re.Match[str]) -> str:
        target = PAGES.get(found[1], found[1].removeprefix("docs/"))
        if files.get_file_from_path(target) is None:
            return found[0]
        return f"[{found[0]}]({posixpath.relpath(target, here or '.')})"

    markdown = _PICTURE.sub(r'![\3](\1){ width="\2" }', markdown)
    parts = _FENCED.split(markdown)
    return "".join(part if part.startswith("```") else _NAMED.sub(link, part) for part in parts)


def on_post_page(output: str, page: Page, config: MkDocsConfig) -> str:
    """Gives the dialog of the search, which the theme leaves without one, a name for screen readers."""
    dialog = 'data-md-component="search" role="dialog"'
    return output.replace(dialog, f'{dialog} aria-label="Search"')

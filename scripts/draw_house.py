"""Draw the floors of the package with their imports, or check that all imports go down: see --help.

Everything is read from the source's syntax trees; nothing of the package is imported. An import counts wherever it
stands: at the top of a file, inside a function, or under `if TYPE_CHECKING`.
"""

import argparse
import ast
import sys
from collections import defaultdict, deque
from collections.abc import Iterator
from dataclasses import dataclass
from html import escape
from pathlib import Path
from textwrap import wrap

PACKAGE = "magus_pyg"
GROUND = "ground"
"""The floor of the single files beside the folders, which anybody may import."""

FLOORS: tuple[tuple[str, ...], ...] = (
    (GROUND,),
    ("data",),
    ("graph", "nn"),
    ("language",),
    ("simulation",),
    ("models",),
    ("training",),
    ("agents",),
    ("dialogues",),
    ("runs",),
    ("online",),
    ("report",),
    ("experiment", "testing"),
    ("serve",),
    ("commands",),
)
"""From the ground up. Folders of one floor do not import each other; a folder that does not exist yet is not drawn."""

GROUND_FILES = (
    "_version",
    "engines",
    "errors",
    "escaping",
    "files",
    "interrupts",
    "invocation",
    "memory",
    "options",
    "ragged",
    "random",
    "ray_parts",
    "ray_reaper",
    "terminal",
)
ROOF_FILES = ("__init__", "ear")
"""Files beside the folders that hand on names of the floors, `ear` old ones; nothing inside may import them."""


@dataclass(frozen=True)
class Source:
    """One file of the package."""

    path: str
    """Relative to the package, with slashes."""
    module: str
    tree: ast.Module

    @property
    def folder(self) -> str:
        """The module path of the folder the file lies in."""
        return self.module if self.path.endswith("__init__.py") else self.module.rpartition(".")[0]

    @property
    def top(self) -> str:
        """The folder below the package, `GROUND` for a single file beside the folders, empty for one of the roof."""
        first, _, rest = self.path.partition("/")
        if rest:
            return first
        return "" if first.removesuffix(".py") in ROOF_FILES else GROUND


@dataclass(frozen=True)
class Import:
    """One file imports from another one."""

    importer: Source
    imported: Source
    line: int
    name: str | None
    """The imported name, where it is no file."""


def read_sources(root: Path) -> dict[str, Source]:
    """The files below `root` (the folder of the package) by module, in order of their paths."""
    found = {}
    for file in sorted(root.rglob("*.py")):
        path = file.relative_to(root)
        parts = path.parts[:-1] if path.name == "__init__.py" else path.with_suffix("").parts
        module = ".".join((root.name, *parts))
        found[module] = Source(path.as_posix(), module, ast.parse(file.read_text(encoding="utf-8"), str(file)))
    return found


def read_imports(sources: dict[str, Source]) -> list[Import]:
    """Every import of one file of the package by another. `from package import file` imports the file alone."""
    return [
        Import(source, sources[module], line, name)
        for source in sources.values()
        for line, module, name in _imports_of(source, sources)
    ]


def _imports_of(source: Source, sources: dict[str, Source]) -> Iterator[tuple[int, str, str | None]]:
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name in sources:
                    yield node.lineno, alias.name, None
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                above = source.folder.split(".")[: source.folder.count(".") + 2 - node.level]
                base = ".".join([*above, *([base] if base else [])])
            for alias in node.names:
                whole = f"{base}.{alias.name}"
                if whole in sources:
                    yield node.lineno, whole, None
                elif base in sources:
                    yield node.lineno, base, alias.name


def faults(sources: dict[str, Source], imports: list[Import]) -> list[str]:
    """What breaks the rules of the house, one line each."""
    return [
        *_unknown_places(sources),
        *_twice(sources),
        *_arrows_up(imports),
        *_circles(imports),
        *_private_imports(imports),
    ]


def _unknown_places(sources: dict[str, Source]) -> list[str]:
    known = {folder for floor in FLOORS for folder in floor}
    found = []
    for top in sorted({source.top for source in sources.values()} - known - {""}):
        found.append(f"{top}/: no floor holds this folder (FLOORS in scripts/draw_house.py)")
    for source in sources.values():
        if source.top == GROUND and source.path.removesuffix(".py") not in GROUND_FILES:
            found.append(f"{source.path}: no file of the ground (GROUND_FILES in scripts/draw_house.py)")
    return found


def _twice(sources: dict[str, Source]) -> list[str]:
    places = defaultdict(list)
    for source in sources.values():
        name = source.path.rpartition("/")[2]
        if source.top and name != "__init__.py":
            places[name].append(source.path)
    return [f"{name}: a file name that stands twice: {', '.join(paths)}" for name, paths in places.items() if paths[1:]]


def _height(source: Source) -> float:
    """The floor of a file: what no floor holds is the roof."""
    for height, floor in enumerate(FLOORS):
        if source.top in floor:
            return height
    return len(FLOORS)


def _arrows_up(imports: list[Import]) -> list[str]:
    found = []
    for edge in imports:
        low, high = _height(edge.importer), _height(edge.imported)
        if edge.importer.top == edge.imported.top or low > high:
            continue
        way = "a folder of the same floor" if low == high else "a floor above"
        found.append(f"{edge.importer.path}:{edge.line}: imports {edge.imported.path}, {way}")
    return found


def _circles(imports: list[Import]) -> list[str]:
    """One line for each file that can be reached from itself and no earlier circle holds: the shortest way round."""
    below: dict[str, list[str]] = defaultdict(list)
    for edge in imports:
        below[edge.importer.path].append(edge.imported.path)
    found, seen = [], set()
    for start in sorted(below):
        way = [] if start in seen else _way_round(start, below)
        if way:
            seen.update(way)
            found.append(f"{start}: imports itself by way of {' -> '.join([*way[1:], start])}")
    return found


def _way_round(start: str, below: dict[str, list[str]]) -> list[str]:
    """The files of the shortest circle through `start`, which comes first; none where there is no circle."""
    reached: dict[str, str] = {}
    waiting = deque([start])
    while waiting:
        at = waiting.popleft()
        for other in below.get(at, ()):
            if other == start:
                way = [at]
                while way[-1] != start:
                    way.append(reached[way[-1]])
                return way[::-1]
            if other not in reached:
                reached[other] = at
                waiting.append(other)
    return []


def _is_private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__")


def _private_imports(imports: list[Import]) -> list[str]:
    found = []
    for edge in imports:
        at = f"{edge.importer.path}:{edge.line}"
        parts = edge.imported.module.split(".")
        for depth, part in enumerate(parts):
            home = ".".join(parts[:depth])
            if _is_private(part) and not f"{edge.importer.module}.".startswith(f"{home}."):
                found.append(f"{at}: imports {edge.imported.path}, a private file outside its folder")
        if edge.name is not None and _is_private(edge.name):
            found.append(f"{at}: imports the private name {edge.name} of {edge.imported.path}")
    return found


# ---------------------------------------------------------------------------------------------------------------------
# The drawing: a row a folder, the highest floor first. A line falls from each folder, with a dot in the row of each
# folder it imports.

_ROW, _COLUMN, _TEXT, _MARGIN, _ROOF = 50, 38, 520, 28, 96
_LETTERS_A_LINE = 60
_TOP_COLOUR, _LOW_COLOUR, _FAULT_COLOUR = (196, 93, 44), (36, 84, 140), "#d00000"


def draw(sources: dict[str, Source], imports: list[Import]) -> str:
    """The drawing as SVG."""
    present = {source.top for source in sources.values()}
    floors = [[folder for folder in floor if folder in present] for floor in reversed(FLOORS)]
    floors = [floor for floor in floors if floor]
    rows = {folder: row for row, folder in enumerate(folder for floor in floors for folder in floor)}
    uses: dict[str, set[str]] = {folder: set() for folder in rows}
    for edge in imports:
        if edge.importer.top in rows and edge.imported.top in rows and edge.importer.top != edge.imported.top:
            uses[edge.importer.top].add(edge.imported.top)

    wide = _TEXT + _COLUMN * len(rows) + 70
    width, height = wide + 2 * _MARGIN, _ROOF + _ROW * len(rows) + 2 * _MARGIN + 30
    left, right, top = _MARGIN, _MARGIN + wide, _MARGIN + _ROOF
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" '
        "font-family=\"Helvetica, Arial, 'DejaVu Sans', sans-serif\">",
        "<title>The floors of magus_pyg and their imports</title>",
        f'<rect width="{width}" height="{height}" fill="#ffffff"/>',
        f'<path d="M {left} {top} L {width / 2:g} {_MARGIN} L {right} {top} Z" fill="#f3e7e0" stroke="#8a5a44"/>',
        _text(width / 2, top - 38, PACKAGE, size=20, weight="bold", anchor="middle"),
        _text(width / 2, top - 16, "a line falls from each folder; a dot is a folder it imports", anchor="middle"),
    ]
    row = 0
    for number, floor in enumerate(floors):
        y, tall = top + row * _ROW, _ROW * len(floor)
        fill = "#faf8f5" if number % 2 else "#ffffff"
        parts.append(f'<rect x="{left}" y="{y}" width="{wide}" height="{tall}" fill="{fill}" stroke="#cfc8c0"/>')
        row += len(floor)
    parts += [part for folder in rows for part in _draw_words(folder, rows, sources, top)]
    parts += [part for folder in rows for part in _draw_line(folder, rows, uses[folder], top)]
    low = top + _ROW * len(rows)
    parts.append(f'<path d="M {left - 12} {low} H {right + 12}" stroke="#8a5a44" stroke-width="3"/>')
    parts.append(_text(left, low + 28, "Folders between two lines stand on one floor and do not import each other."))
    return "\n".join([*parts, "</svg>", ""])


def _draw_words(folder: str, rows: dict[str, int], sources: dict[str, Source], top: int) -> Iterator[str]:
    y = top + rows[folder] * _ROW + _ROW / 2
    yield _text(_MARGIN + 14, y + 5, folder, size=15, weight="bold", colour=_colour(rows[folder], len(rows)))
    lines = wrap(_summary(folder, sources), _LETTERS_A_LINE)
    for number, line in enumerate(lines):
        yield _text(_MARGIN + 124, y + 4 + 15 * (number - (len(lines) - 1) / 2), line)


def _summary(folder: str, sources: dict[str, Source]) -> str:
    """The first sentence of the folder's docstring; for the ground the files it consists of."""
    if folder == GROUND:
        return ", ".join(name for name in GROUND_FILES if f"{PACKAGE}.{name}" in sources)
    source = sources.get(f"{PACKAGE}.{folder}")
    words = " ".join(((source and ast.get_docstring(source.tree)) or "").split("\n\n")[0].split())
    return words.split(". ")[0].rstrip(".")


def _draw_line(folder: str, rows: dict[str, int], uses: set[str], top: int) -> Iterator[str]:
    def middle(row: int) -> float:
        return top + row * _ROW + _ROW / 2

    own = rows[folder]
    x, colour = _MARGIN + _TEXT + _COLUMN * (own + 0.5), _colour(own, len(rows))
    used = sorted(rows[other] for other in uses)
    if used:
        yield (
            f'<path d="M {x:g} {middle(min(own, used[0])):g} V {middle(max(own, used[-1])):g}" stroke="{colour}" '
            'stroke-width="1.6" fill="none"/>'
        )
    yield f'<rect x="{x - 6:g}" y="{middle(own) - 6:g}" width="12" height="12" rx="2" fill="{colour}"/>'
    yield _text(x + 12, middle(own) + 4, folder, colour=colour)
    for row in used:
        fill = colour if row > own else _FAULT_COLOUR
        yield f'<circle cx="{x:g}" cy="{middle(row):g}" r="4.5" fill="{fill}" stroke="#ffffff"/>'


def _colour(row: int, rows: int) -> str:
    share = row / max(rows - 1, 1)
    mixed = [round(high + (low - high) * share) for high, low in zip(_TOP_COLOUR, _LOW_COLOUR, strict=True)]
    return "#{:02x}{:02x}{:02x}".format(*mixed)


def _text(
    x: float,
    y: float,
    words: str,
    size: int = 12,
    weight: str = "normal",
    anchor: str = "start",
    colour: str = "#444444",
) -> str:
    return (
        f'<text x="{x:g}" y="{y:g}" font-size="{size}" font-weight="{weight}" text-anchor="{anchor}" '
        f'fill="{colour}">{escape(words)}</text>'
    )


# ---------------------------------------------------------------------------------------------------------------------


def public_names_twice(sources: dict[str, Source]) -> dict[str, list[str]]:
    """Classes, functions and constants without a leading underscore that more than one file defines at its top level,
    with those files; not `command` and `logger`, which each file has as its own by convention."""
    places = defaultdict(list)
    for source in sources.values():
        for name in sorted(set(_defined(source.tree))):
            if not name.startswith("_") and name not in ("command", "logger"):
                places[name].append(source.path)
    return {name: paths for name, paths in sorted(places.items()) if paths[1:]}


def _defined(tree: ast.Module) -> Iterator[str]:
    for node in tree.body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield node.name
        elif isinstance(node, ast.Assign):
            yield from (target.id for target in node.targets if isinstance(target, ast.Name))
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            yield node.target.id


def main(arguments: list[str] | None = None) -> int:
    """The command; the exit code is 1 where a check fails."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split(":")[0] + ".")
    parser.add_argument("--check", action="store_true", help="fail on a broken rule or an old drawing; write nothing")
    parser.add_argument("--names", action="store_true", help="list public names that more than one file defines")
    parser.add_argument("--root", type=Path, default=Path(__file__).resolve().parents[1], help="the repository")
    chosen = parser.parse_args(arguments)
    sources = read_sources(chosen.root / "src" / PACKAGE)
    imports = read_imports(sources)
    if chosen.names:
        for name, paths in public_names_twice(sources).items():
            print(f"{name}: {', '.join(paths)}")
        return 0
    drawing, file = draw(sources, imports), chosen.root / "docs" / "house.svg"
    if not chosen.check:
        file.write_text(drawing, encoding="utf-8")
        print(f"wrote {file}")
        return 0
    found = faults(sources, imports)
    if not file.is_file() or file.read_text(encoding="utf-8") != drawing:
        found.append("docs/house.svg: not the drawing of this source (python scripts/draw_house.py makes it)")
    for fault in found:
        print(fault, file=sys.stderr)
    if not found:
        pairs = {(edge.importer.path, edge.imported.path) for edge in imports}
        print(f"{len(sources)} files, {len(pairs)} imports between them: no circle, no arrow up")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())

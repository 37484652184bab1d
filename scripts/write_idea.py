"""Write the figures and tables of docs/idea.md anew: a shop of ten items, its graph, a session of each variant."""

import argparse
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from html import escape
from pathlib import Path

import pandas as pd
import torch
from torch import Tensor
from torch_geometric.data import HeteroData

import magus_pyg as mp
from magus_pyg.files import write_text

DOCS = Path(__file__).resolve().parents[1] / "docs"
PAGE = "idea.md"

SHOP = pd.DataFrame(
    [
        ("oat drink", "Oakfield", "milk", 0.90),
        ("barista oat drink", "Oakfield", "milk", 0.80),
        ("soy drink", "Brook", "milk", 0.75),
        ("rice drink", "Brook", "milk", 0.60),
        ("almond drink", "Dune", "milk", 0.35),
        ("hemp cheese", "Oakfield", "cheese", 0.55),
        ("pea cheese", "Brook", "cheese", 0.30),
        ("oat yoghurt", "Oakfield", "yoghurt", 0.40),
        ("soy yoghurt", "Brook", "yoghurt", 0.20),
        ("coconut yoghurt", "Dune", "yoghurt", 0.10),
    ],
    columns=["item_id", "brand", "kind", "score"],
)
"""The shop and the scores of some recommender."""

FIELDS = ["brand", "kind"]
WANTED = "almond drink"
LIST_LENGTH, ROUNDS = 2, 3
MINUS_SCALE, REFUSAL = 0.3, 1.0
"""What MAGUS+ would learn in a run, here set by hand: the weights of R- in the first guess, and of a refusal."""

_BLOCK = re.compile(r"(?<=<!-- written: )(\w+)( -->\n).*?(?=<!-- end -->)", re.DOTALL)
_RELATIONS = {"improves": "R+", "inhibits": "R-", "independent": "R⊥"}


@dataclass(frozen=True)
class Round:
    """One round of a session: the score of each node, the list, and what was clicked (None: none of these)."""

    scores: dict[int, float]
    shown: list[int]
    clicked: int | None


class Shop:
    """The ten items with their graph; nodes by name."""

    def __init__(self) -> None:
        self.graph: HeteroData = mp.build_relational_graph(SHOP, FIELDS, max_words=2)
        self.n = int(self.graph["node"].num_nodes)

    @cached_property
    def names(self) -> list[str]:
        """What stands for each node: an item's id, or a query's words."""
        items = list(SHOP["item_id"])
        return items + [mp.title_of(self.graph, node) for node in range(len(items), self.n)]

    def edges(self, relation: str) -> Tensor:
        """int64 [2, E]: the edges of a relation; of R- and R⊥ those from the smaller node."""
        edges: Tensor = self.graph["node", relation, "node"].edge_index
        return edges if relation == "improves" else edges[:, edges[0] < edges[1]]

    def related(self, node: int, relation: str) -> list[int]:
        """The nodes in a relation with one, in either direction."""
        edges = self.edges(relation)
        return sorted(edges[1][edges[0] == node].tolist() + edges[0][edges[1] == node].tolist())

    def play(self, variant: str) -> list[Round]:
        """A session with somebody who wants `WANTED` and answers truthfully."""
        ones = torch.ones(self.n, 1)
        learned = mp.EdgeFactors(ones, ones, MINUS_SCALE, REFUSAL) if variant == "plus" else None
        scores = dict(zip(SHOP["item_id"], SHOP["score"], strict=True))
        session = mp.MagusSession(self.graph, scores, variant, LIST_LENGTH, ROUNDS, state=learned, min_items=0)
        wanted = mp.item_node(self.graph, WANTED)
        parts = set(mp.words_of(self.graph, wanted))
        rounds = []
        while not session.done:
            shown = session.recommend()
            fits = [entry for entry in shown if entry.kind == "query" and set(entry.words) <= parts]
            clicked = next((entry for entry in shown if entry.node == wanted), fits[0] if fits else None)
            nodes = [entry.node for entry in shown]
            rounds.append(Round(session.node_scores(), nodes, clicked.node if clicked else None))
            session.feedback(clicked)
        return rounds


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    numbers = [all(re.fullmatch(r"[\W\d]*", row[column]) for row in rows) for column in range(len(head))]
    lines = [head, ["--:" if number else "---" for number in numbers], *rows]
    return "".join(f"| {' | '.join(row)} |\n" for row in lines)


def write_items(shop: Shop) -> str:
    """The item table."""
    rows = [(item, brand, kind, f"{score:.2f}") for item, brand, kind, score in SHOP.itertuples(index=False)]
    return _table(["item", "brand", "kind", "score"], rows)


def write_relations(shop: Shop) -> str:
    """How many pairs are in each relation, and whom one query is related to."""
    rows = []
    query = shop.names.index("Brook")
    for relation, name in _RELATIONS.items():
        others = ", ".join(shop.names[node] for node in shop.related(query, relation))
        rows.append((name, str(shop.edges(relation).shape[1]), others))
    pairs = shop.n * (shop.n - 1) // 2
    text = _table(["relation", "pairs", "of the query *Brook*"], rows)
    return f"{text}\n{shop.n} nodes ({len(SHOP)} items, {shop.n - len(SHOP)} queries) are {pairs} pairs.\n"


def first_guess(shop: Shop) -> pd.DataFrame:
    """Eqs. (2), (4) and (6) from the edges of the graph: a row a node."""
    base = torch.zeros(shop.n, dtype=torch.float64)
    base[: len(SHOP)] = torch.tensor(SHOP["score"].to_numpy().copy())
    low, high = base[: len(SHOP)].min(), base[: len(SHOP)].max()
    unit = torch.zeros_like(base)
    unit[: len(SHOP)] = (base[: len(SHOP)] - low) / (high - low)  # Eq. (2)
    part, whole = shop.edges("improves")
    held = torch.zeros_like(unit).index_add(0, part, unit[whole])  # S: what the items that contain it hold together
    left, right = shop.edges("inhibits")
    against = torch.zeros_like(unit).index_add(0, right, unit[left]).index_add(0, left, unit[right])
    is_item = shop.graph["node"].is_item
    guess = torch.where(is_item, unit, held - against)  # Eq. (4)
    scaled = (guess - guess.min()) / (guess.max() - guess.min())  # Eq. (6)
    columns = {"unit": unit, "held": held, "against": against, "guess": guess, "scaled": scaled}
    return pd.DataFrame({name: values.numpy() for name, values in columns.items()}, index=shop.names)


def write_guess(shop: Shop) -> str:
    """Eqs. (2), (4) and (6), node by node."""
    rows = []
    for node, row in enumerate(first_guess(shop).itertuples()):
        sums = ("", "") if node < len(SHOP) else (f"{row.held:.3f}", f"{row.against:.3f}")
        unit = f"{row.unit:.3f}" if node < len(SHOP) else ""
        rows.append((shop.names[node], unit, *sums, f"{row.guess:.3f}", f"{row.scaled:.3f}"))
    return _table(["node", "Eq. (2)", "from R+", "from R-", "Eq. (4)", "Eq. (6)"], rows)


def _marked(score: float, node: int, turn: Round, shown_before: set[int]) -> str:
    text = f"{score:.3f}"
    if node in turn.shown:
        return f"**{text}** {'✓' if node == turn.clicked else '✗'}"
    return f"({text})" if node in shown_before else text


def _session_table(shop: Shop, rounds: list[Round]) -> str:
    rows = []
    for node in range(shop.n):
        before: set[int] = set()
        cells = []
        for turn in rounds:
            cells.append(_marked(turn.scores[node], node, turn, before))
            before |= set(turn.shown)
        rows.append((shop.names[node], *cells))
    return _table(["node", *(f"round {number}" for number in range(1, len(rounds) + 1))], rows)


def _lists(shop: Shop, rounds: list[Round]) -> str:
    lines = []
    for number, turn in enumerate(rounds, 1):
        shown = ", ".join(shop.names[node] for node in turn.shown)
        said = "none of these" if turn.clicked is None else f"*{shop.names[turn.clicked]}*"
        lines.append(f"{number}. {shown}: {said}\n")
    return "".join(lines)


def _write_session(variant: str) -> Callable[[Shop], str]:
    def write(shop: Shop) -> str:
        rounds = shop.play(variant)
        return _lists(shop, rounds) + ("" if variant == "none" else f"\n{_session_table(shop, rounds)}")

    return write


def write_endings(shop: Shop) -> str:
    """In which round each variant found the wanted item."""
    rows = []
    titles = {"none": "items alone", "base": "MAGUS", "plus": "MAGUS+", "bayes": "bayes"}
    for variant, title in titles.items():
        rounds = shop.play(variant)
        found = rounds[-1].clicked is not None and rounds[-1].clicked < len(SHOP)
        asked = sum(node >= len(SHOP) for turn in rounds for node in turn.shown)
        rows.append((title, str(asked), f"in round {len(rounds)}" if found else "no"))
    return _table(["variant", "queries shown", "found"], rows)


BLOCKS: dict[str, Callable[[Shop], str]] = {
    "items": write_items,
    "relations": write_relations,
    "guess": write_guess,
    "none": _write_session("none"),
    "base": _write_session("base"),
    "plus": _write_session("plus"),
    "bayes": _write_session("bayes"),
    "endings": write_endings,
}
"""The parts of the page between `<!-- written: NAME -->` and `<!-- end -->`."""

_ROW, _TOP, _COLUMNS = 42, 56, (30, 330, 600)
_WIDTH, _BOX = 760, 30
_INK, _PLUS, _FREE, _PAPER = "#22303a", "#0b7a75", "#c25b12", "#ffffff"


def _places(shop: Shop) -> list[tuple[float, float, float]]:
    """x, y and width of each node: items left, queries of two words in the middle, of one word right."""
    sizes = (shop.graph.word_ptr[1:] - shop.graph.word_ptr[:-1]).tolist()
    column_of = [0 if node < len(SHOP) else (1 if sizes[node] == 2 else 2) for node in range(shop.n)]
    counts = [column_of.count(column) for column in range(3)]
    seen = [0, 0, 0]
    places: list[tuple[float, float, float]] = []
    for column in column_of:
        step = _ROW * max(counts) / counts[column]
        places.append((_COLUMNS[column], _TOP + step * (seen[column] + 0.5), (160.0, 170.0, 120.0)[column]))
        seen[column] += 1
    return places


def _neighbours(shop: Shop) -> list[tuple[int, int]]:
    """The R+ pairs with no node between them: all others follow from these."""
    edges = {(int(part), int(whole)) for part, whole in shop.edges("improves").T}
    return sorted(e for e in edges if not any((e[0], n) in edges and (n, e[1]) in edges for n in range(shop.n)))


def _svg(width: float, height: float, title: str, parts: Iterator[str]) -> str:
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" role="img" '
        f'font-family="sans-serif" font-size="13">\n<title>{escape(title)}</title>\n'
        f'<rect width="{width:g}" height="{height:g}" fill="{_PAPER}"/>\n'
    )
    return head + "".join(f"{part}\n" for part in parts) + "</svg>\n"


def _lines(shop: Shop, places: list[tuple[float, float, float]], faint: bool) -> Iterator[str]:
    for part, whole in _neighbours(shop):
        (x1, y1, _), (x2, y2, wide) = places[part], places[whole]
        bend = (x2 + wide + x1) / 2
        yield (
            f'<path d="M {x1:g} {y1:g} C {bend:g} {y1:g} {bend:g} {y2:g} {x2 + wide:g} {y2:g}" fill="none" '
            f'stroke="{_PLUS}" stroke-width="{0.8 if faint else 1.4}" opacity="{0.4 if faint else 0.8}"/>'
        )


def _box(place: tuple[float, float, float], name: str, fill: str, ink: str, edge: str, width: float) -> str:
    x, y, wide = place
    return (
        f'<rect x="{x:g}" y="{y - _BOX / 2:g}" width="{wide:g}" height="{_BOX}" rx="6" fill="{fill}" stroke="{edge}" '
        f'stroke-width="{width:g}"/>\n<text x="{x + wide / 2:g}" y="{y + 4.5:g}" text-anchor="middle" '
        f'fill="{ink}">{escape(name)}</text>'
    )


def draw_graph(shop: Shop) -> str:
    """The relational graph: R+ as lines between neighbouring sizes, R⊥ of the query "Brook" dashed."""

    def parts() -> Iterator[str]:
        places = _places(shop)
        heads = ("items", "queries of two words", "queries of one word")
        for (left, span), head in zip(((30, 160), (330, 170), (600, 120)), heads, strict=True):
            middle = left + span / 2
            yield f'<text x="{middle:g}" y="30" text-anchor="middle" fill="{_INK}" font-weight="bold">{head}</text>'
        yield from _lines(shop, places, faint=False)
        query = shop.names.index("Brook")
        for other in shop.related(query, "independent"):
            (x1, y1, wide), (_, y2, _) = places[query], places[other]
            bulge = x1 + wide + 8 + abs(y2 - y1) * 0.1
            yield (
                f'<path d="M {x1 + wide:g} {y1:g} C {bulge:g} {y1:g} {bulge:g} {y2:g} {x1 + wide:g} {y2:g}" '
                f'fill="none" stroke="{_FREE}" stroke-width="1.6" stroke-dasharray="5 4"/>'
            )
        for node, place in enumerate(places):
            item = node < len(SHOP)
            yield _box(place, shop.names[node], "#eef3f6" if item else "#fdf1e3", _INK, _INK, 1.0)

    rows = _ROW * len(SHOP) + _TOP
    return _svg(_WIDTH, rows + 10, "The relational graph of ten items", parts())


def _shade(value: float) -> tuple[str, str]:
    """Background from white to teal for a score from 0 to 1, and an ink that is read on it."""
    low, high = (255, 255, 255), (11, 122, 117)
    mixed = [round(a + (b - a) * min(max(value, 0.0), 1.0)) for a, b in zip(low, high, strict=True)]
    return "#{:02x}{:02x}{:02x}".format(*mixed), _INK if value < 0.6 else "#ffffff"


def draw_session(shop: Shop) -> str:
    """The scores of MAGUS in each round as shades; shown nodes with a thick edge."""
    rounds = shop.play("base")
    places = _places(shop)
    height = _ROW * len(SHOP) + _TOP + 20

    def parts() -> Iterator[str]:
        for number, turn in enumerate(rounds):
            click = "none of these" if turn.clicked is None else f"click on {shop.names[turn.clicked]}"
            yield f'<g transform="translate(0 {number * height:g})">'
            title = f"Round {number + 1}: {click}"
            yield f'<text x="30" y="32" fill="{_INK}" font-weight="bold" font-size="15">{title}</text>'
            yield from _lines(shop, places, faint=True)
            for node, place in enumerate(places):
                fill, ink = _shade(turn.scores[node])
                shown = node in turn.shown
                text = f"{shop.names[node]} {turn.scores[node]:.2f}"
                yield _box(place, text, fill, ink, _FREE if shown else _INK, 3.5 if shown else 0.6)
            yield "</g>"

    return _svg(_WIDTH, len(rounds) * height, "The scores of MAGUS in three rounds", parts())


FIGURES: dict[str, Callable[[Shop], str]] = {
    "figures/idea_graph.svg": draw_graph,
    "figures/idea_session.svg": draw_session,
}


def written(page: str, shop: Shop) -> str:
    """The page with each of its `BLOCKS` anew."""
    return _BLOCK.sub(lambda found: f"{found[1]}{found[2]}\n{BLOCKS[found[1]](shop)}\n", page)


def main() -> None:
    """Play and write."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    shop = Shop()
    for name, draw in FIGURES.items():
        write_text(DOCS / name, draw(shop))
    write_text(DOCS / PAGE, written((DOCS / PAGE).read_text(encoding="utf-8"), shop))


if __name__ == "__main__":
    main()

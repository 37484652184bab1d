"""Small catalogues for the tests: two written out after Figs. 1 and 2, and random ones (Hypothesis)."""

from dataclasses import dataclass

import pandas as pd
import torch
from hypothesis import strategies as st

from reference import IMPROVES, INDEPENDENT, Node, Word, catalogue_nodes, field_groups, part_of, relation, words_of_rows

MILK_FIELDS = ["brand", "kind", "fat", "size", "price", "offer"]
MILK_ROWS = [
    ("A", "Brand A", "Milk", "Semi Skimmed", "2L", "$3", "On Sale"),
    ("B", "Brand B", "Milk", "Skimmed", "1L", "$2", None),
    ("D", "Brand A", "Milk", "Whole", "2L", "$3", None),
    ("F", "Butcher", "Beef", None, None, "$9", "On Sale"),
]
APPLE_FIELDS = ["line", "level", "colour"]
APPLE_ROWS = [("A", "macbook", "pro", "grey"), ("B", "airpods", None, None), ("C", "iphone", "pro", None)]


def milk_table() -> pd.DataFrame:
    """Three kinds of milk and a piece of beef (Fig. 1)."""
    return pd.DataFrame(MILK_ROWS, columns=["item_id", *MILK_FIELDS])


def apple_table() -> pd.DataFrame:
    """Item A (macbook pro grey), item B (airpods) and item C (iphone pro) of Fig. 2."""
    return pd.DataFrame(APPLE_ROWS, columns=["item_id", *APPLE_FIELDS])


@dataclass
class Catalogue:
    """A random catalogue, how to build its graph, and its nodes by the slow reference."""

    table: pd.DataFrame
    word_fields: list[str]
    merge_fields: dict[str, list[str]]
    max_words: int
    max_share: float
    queries: list[list[Word]]

    @property
    def build_arguments(self) -> dict[str, object]:
        """What `build_relational_graph` is called with, the table apart."""
        return {
            "word_fields": self.word_fields,
            "merge_fields": self.merge_fields,
            "max_words": self.max_words,
            "max_share": self.max_share,
            "queries": self.queries,
        }

    @property
    def item_words(self) -> list[frozenset[Word]]:
        rows = self.table.to_dict("records")
        return words_of_rows(rows, self.word_fields, self.merge_fields, self.max_share)

    @property
    def nodes(self) -> list[Node]:
        """The nodes in their promised order."""
        words = self.item_words
        known = set().union(*words)
        searched = [[word for word in query if word in known] for query in self.queries]
        fields = list(field_groups(self.word_fields, self.merge_fields))
        return catalogue_nodes(words, fields, self.max_words, searched)


_VALUES = st.lists(st.sampled_from(["x", "y", "z", "x y"]), min_size=1, max_size=2).map("|".join)
_BLANK = st.sampled_from([None, "", " ", "|"])
_CELL = st.integers(0, 3).flatmap(lambda number: _VALUES if number else _BLANK)


@st.composite
def catalogues(draw: st.DrawFn, max_items: int = 6, max_words: int = 4) -> Catalogue:
    """Catalogues with wordless and equal items, several values, blanks, merged fields and long searched queries."""
    fields = ["a", "b", "c"][: draw(st.integers(1, 3))]
    row = st.tuples(*[_CELL for _ in fields])
    rows = draw(st.lists(row, min_size=1, max_size=max_items))
    table = pd.DataFrame(rows, columns=fields, dtype=object)
    table.insert(0, "item_id", [f"i{number}" for number in range(len(rows))])
    merge = {"bc": ["b", "c"]} if len(fields) == 3 and draw(st.booleans()) else {}
    max_share = draw(st.sampled_from([1.0, 0.8, 0.5]))
    names = list(field_groups(fields, merge))
    word = st.tuples(st.sampled_from([*names, "no such field"]), st.sampled_from(["x", "y", "z", "x y", "unknown"]))
    queries = draw(st.lists(st.lists(word, max_size=5), max_size=2))
    for words in draw(st.lists(st.sampled_from(words_of_rows(table.to_dict("records"), fields, merge)), max_size=3)):
        queries.append([one for one in sorted(words) if draw(st.integers(0, 4))])  # most words of some item
    return Catalogue(
        table=table,
        word_fields=fields,
        merge_fields=merge,
        max_words=draw(st.integers(1, max_words)),
        max_share=max_share,
        queries=queries,
    )


def pairs(edge_index: torch.Tensor) -> set[tuple[int, int]]:
    """The edges as a set; fails where one stands twice."""
    listed = [tuple(pair) for pair in edge_index.T.tolist()]
    assert len(set(listed)) == len(listed), "an edge stands twice"
    return set(listed)


def expected_relations(
    nodes: list[Node], pool: list[Node], relations: str = "definition", members: list[int] | None = None
) -> tuple[set[tuple[int, int]], set[tuple[int, int]], set[tuple[int, int]]]:
    """R+ (part -> whole), R- and R⊥ (both directions) by the reference, among `members`."""
    chosen = list(range(len(nodes))) if members is None else members
    improves, inhibits, independent = set(), set(), set()
    for u in chosen:
        for v in chosen:
            if u == v:
                continue
            kind = relation(nodes[u], nodes[v], pool, relations)
            if kind == IMPROVES:
                if part_of(nodes[u], nodes[v]):
                    improves.add((u, v))
            elif kind == INDEPENDENT:
                independent.add((u, v))
            else:
                inhibits.add((u, v))
    return improves, inhibits, independent

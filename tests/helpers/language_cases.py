"""A small shop for what is said and read: the blue shirts of App. D.2, prices in bands, and words that are orders."""

import pandas as pd
from torch_geometric.data import HeteroData

from magus_pyg.graph import build_relational_graph, find_query

ROWS = [
    # item, brand, department, kind, colour, material, price_band, title
    ("s1", "Alvo", "clothes", "shirt", "blue", "cotton", "budget"),
    ("s2", "Brin", "clothes", "shirt", "blue", "linen", "premium"),
    ("s3", "Alvo", "clothes", "shirt", "red", "cotton", "mid-range"),
    ("t1", "Brin", "clothes", "trousers", "blue", "cotton", "budget"),
    ("t2", "Alvo", "clothes", "trousers", "red", "wool", "premium"),
    ("c1", "Cala", "groceries", "green tea", "", "", "budget"),
    ("c2", "Dovi", "groceries", "green tea", "", "", "mid-range"),
    ("c3", "Cala", "groceries", "oat drink", "", "", "budget"),
]


def clothes_graph(rows: list[tuple[str, ...]] | None = None) -> HeteroData:
    """The graph of the small shop, or of other rows of the same columns."""
    fields = ["brand", "department", "kind", "colour", "material", "price_band"]
    items = pd.DataFrame(ROWS if rows is None else rows, columns=["item_id", *fields])
    return build_relational_graph(items, word_fields=fields, item_id="item_id", max_words=3)


def query(graph: HeteroData, *words: str) -> int:
    """A query by its words."""
    node = find_query(graph, list(words))
    assert node is not None, words
    return node

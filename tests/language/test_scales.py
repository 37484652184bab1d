import pandas as pd
from language_cases import clothes_graph

from magus_pyg.graph import build_relational_graph
from magus_pyg.language import read_lexicons
from magus_pyg.language.scales import end_words, read_scales


def scale(field: str, values: list[str]) -> list[str] | None:
    items = pd.DataFrame({"item_id": [str(n) for n in range(len(values))], field: values})
    graph = build_relational_graph(items, word_fields=[field], item_id="item_id", max_words=1)
    found = read_scales(graph, read_lexicons()).get(field)
    return None if found is None else [graph.vocabulary.words.values[word] for word in found]


def test_values_with_an_order_stand_in_it():
    assert scale("price_band", ["premium", "budget", "mid-range"]) == ["budget", "mid-range", "premium"]
    assert scale("price", ["price 100 to 250", "price 9 to 20", "price 3"]) == [
        "price 3",
        "price 9 to 20",
        "price 100 to 250",
    ]
    assert scale("decade", ["1990s", "1920s"]) == ["1920s", "1990s"]
    assert scale("size", ["L", "S", "M"]) == ["S", "M", "L"]


def test_other_fields_have_none():
    assert scale("colour", ["1", "2"]) is None, "no field of prices, times, sizes or ratings"
    assert scale("price", ["10", "cheap"]) is None, "not all are numbers, nor on one scale"
    assert scale("price", ["10"]) is None
    assert scale("year", [str(year) for year in range(1900, 1950)]) is None, "numbers, not bands"
    assert set(read_scales(clothes_graph(), read_lexicons())) == {"price_band"}


def test_an_end_is_a_third_the_outermost_first():
    assert end_words((5, 6, 7), "low") == (5,)
    assert end_words((5, 6, 7, 8), "high") == (8, 7)
    assert end_words((5, 6), "low") == (5,)

"""Items added to any tables, in any parts: the graph of the joined table."""

from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from catalogues import Catalogue, catalogues
from growing_graphs import assert_mapped, assert_same
from hypothesis import given
from hypothesis import strategies as st

import magus_pyg as mp
from magus_pyg.errors import GraphError
from magus_pyg.graph import build_relational_graph, n_items
from magus_pyg.graph.extend import extend_relational_graph


def parts_of(data: st.DataObject, table: pd.DataFrame, least: int = 0) -> list[pd.DataFrame]:
    """The table cut in up to four parts, the first of at least one row."""
    cuts = sorted(data.draw(st.lists(st.integers(1, len(table)), max_size=3)))
    ends = [0, *cuts, len(table)]
    return [table.iloc[low:high] for low, high in pairwise(ends) if high - low >= least]


@given(catalogue=catalogues(max_items=8), data=st.data())
def test_any_tables(tmp_path_factory: pytest.TempPathFactory, catalogue: Catalogue, data: st.DataObject) -> None:
    first, *rest = parts_of(data, catalogue.table, least=1)
    arguments = catalogue.build_arguments | {"materialize": data.draw(st.booleans())}
    graph = build_relational_graph(first, **arguments)  # type: ignore[arg-type]
    rows = len(first)
    for part in rest:
        rows += len(part)
        rebuilt = build_relational_graph(catalogue.table.head(rows), **arguments)  # type: ignore[arg-type]
        if data.draw(st.booleans()):
            path = tmp_path_factory.mktemp("graph") / "g"
            mp.save_graph(graph, path)
            graph = mp.load_graph(path)
        left_out, now = ({word for word, _ in g.settings.dropped} for g in (graph, rebuilt))
        if left_out - now or set(graph.vocabulary.words) & now:
            with pytest.raises(GraphError, match="chooses other words"):
                extend_relational_graph(graph, part)
            graph = rebuilt
            continue
        extension = extend_relational_graph(graph, part)
        assert_same(extension.graph, rebuilt)
        assert_mapped(graph, extension)
        graph = extension.graph


@given(catalogue=catalogues(max_items=8), data=st.data())
def test_kept_words_are_those_chosen_first(catalogue: Catalogue, data: st.DataObject) -> None:
    first, *rest = parts_of(data, catalogue.table, least=1)
    graph = build_relational_graph(first, **catalogue.build_arguments)  # type: ignore[arg-type]
    for part in rest:
        extension = extend_relational_graph(graph, part, common_words="keep")
        assert_mapped(graph, extension)
        old, new = (set(g.vocabulary.words) for g in (graph, extension.graph))
        left_out = {word for word, _ in extension.graph.settings.dropped}
        assert old <= new
        assert {word for word, _ in graph.settings.dropped} <= left_out
        assert not new & left_out
        # The words apart, it is the build of all.
        dropped = catalogue.build_arguments | {"max_share": 1.0}
        everything = build_relational_graph(
            catalogue.table.head(n_items(extension.graph)),
            **dropped,  # type: ignore[arg-type]
        )
        assert set(everything.vocabulary.words) == new | left_out
        graph = extension.graph


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("piece", [7, 2**21])
def test_larger_tables(seed: int, piece: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("magus_pyg.graph.combinations._PIECE", piece)
    random = np.random.default_rng(seed)
    n = 300
    table = pd.DataFrame({"item_id": random.permutation(10 * n)[:n].astype(str)})
    for name in ("b", "a", "c"):
        values = np.char.add(
            np.array(["w", "vé", "日", ""])[random.integers(0, 4, n)], (random.zipf(1.5, n) % 40).astype(str)
        )
        more = np.char.add("|", random.integers(0, 30, n).astype(str))
        table[name] = np.char.add(values, np.where(random.random(n) < 0.5, more, ""))
    queries = [table.loc[row, "a"] + "|" + table.loc[row, "b"] + "|" + table.loc[row, "c"] for row in range(0, n, 7)]
    arguments = {"word_fields": ["b", "a", "c"], "queries": queries, "max_words": 1 + seed % 4, "materialize": False}
    graph = build_relational_graph(table.head(200), **arguments)  # type: ignore[arg-type]
    for low, high in ((200, 201), (201, 260), (260, 300)):
        extension = extend_relational_graph(graph, table[low:high])
        assert_same(extension.graph, build_relational_graph(table.head(high), **arguments))  # type: ignore[arg-type]
        assert_mapped(graph, extension)
        graph = extension.graph

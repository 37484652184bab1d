"""From a data set to its graph."""

from dataclasses import replace

import pytest

from magus_pyg.data import SyntheticOptions, load_dataset
from magus_pyg.graph import min_support, n_items, n_nodes, title_of
from magus_pyg.runs.run_inputs import build_graph


@pytest.mark.parametrize("field", ["title", ""])
def test_the_graph_holds_the_titles_of_the_data_set(field: str) -> None:
    data = load_dataset(SyntheticOptions(users=20, items=30))
    graph = build_graph(replace(data, title_field=field))
    shown = [title_of(graph, item) for item in range(n_items(graph))]
    assert (shown == data.items["title"].tolist()) == bool(field)
    assert graph.settings.title_field == (field or None)


def test_queries_of_one_item_are_left_out_where_there_are_too_many() -> None:
    data = load_dataset(SyntheticOptions(users=20, items=30))
    assert min_support(build_graph(data)) == 1
    few = build_graph(replace(data, max_queries=10))
    assert min_support(few) == 2
    assert n_nodes(few) < n_nodes(build_graph(data))
    assert n_nodes(build_graph(replace(data, max_queries=10, min_support=1))) == n_nodes(build_graph(data))

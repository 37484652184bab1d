"""From a data set to its graph."""

from dataclasses import replace

import pytest

from magus_pyg.data import SyntheticOptions, load_dataset
from magus_pyg.graph import n_items, title_of
from magus_pyg.runs.run_inputs import build_graph


@pytest.mark.parametrize("field", ["title", ""])
def test_the_graph_holds_the_titles_of_the_data_set(field: str) -> None:
    data = load_dataset(SyntheticOptions(users=20, items=30))
    graph = build_graph(replace(data, title_field=field))
    shown = [title_of(graph, item) for item in range(n_items(graph))]
    assert (shown == data.items["title"].tolist()) == bool(field)
    assert graph.settings.title_field == (field or None)

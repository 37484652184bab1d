import pytest
from language_cases import clothes_graph, query

from magus_pyg.errors import GraphError
from magus_pyg.graph import Word
from magus_pyg.language import Phraser, Phrasing


def test_items_and_unknown_nodes_are_no_queries():
    graph = clothes_graph()
    phraser = Phraser(graph)
    assert phraser.phrase([]) == []
    for node in (0, -1, graph["node"].num_nodes):
        with pytest.raises(GraphError, match=f"node {node} is no query"):
            phraser.phrase([query(graph, "blue"), node])
    assert repr(phraser) == f"Phraser(queries={graph['node'].num_nodes - 8}, languages=['de', 'en'])"


def test_a_phrasing_outlives_a_process():
    phrasing = Phrasing(
        (Word("colour", "blue"), Word("kind", "shirt")), "blue shirt", "Do you like blue shirts?", "cache"
    )
    assert Phrasing.of_dict(phrasing.to_dict()) == phrasing

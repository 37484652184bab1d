"""Words, the relational graph, session graphs and storage.

Nothing is scored here: layers on it are in `nn`, agents on it in `agents`.
"""

from magus_pyg.graph.access import (
    find_query,
    given_title,
    id_texts,
    improves_edges,
    item_id_of,
    item_node,
    item_nodes,
    item_queries,
    min_support,
    n_items,
    n_nodes,
    node_label,
    node_parts,
    node_wholes,
    node_words,
    query_node,
    title_of,
    words_of,
)
from magus_pyg.graph.extend import Extension, extend_relational_graph
from magus_pyg.graph.relational import IMPROVES, INDEPENDENT, INHIBITS, build_relational_graph
from magus_pyg.graph.relational_rows import RelationalRows
from magus_pyg.graph.session_graphs import SessionGraphBuilder, SessionGraphs
from magus_pyg.graph.storage import load_graph, save_graph
from magus_pyg.graph.trees import RelationalTrees, Touched, Tree, whole_units
from magus_pyg.graph.vocabulary import Vocabulary, Word, Words
from magus_pyg.graph.words import WordTable, build_word_table

__all__ = [
    "IMPROVES",
    "INDEPENDENT",
    "INHIBITS",
    "Extension",
    "RelationalRows",
    "RelationalTrees",
    "SessionGraphBuilder",
    "SessionGraphs",
    "Touched",
    "Tree",
    "Vocabulary",
    "Word",
    "WordTable",
    "Words",
    "build_relational_graph",
    "build_word_table",
    "extend_relational_graph",
    "find_query",
    "given_title",
    "id_texts",
    "improves_edges",
    "item_id_of",
    "item_node",
    "item_nodes",
    "item_queries",
    "load_graph",
    "min_support",
    "n_items",
    "n_nodes",
    "node_label",
    "node_parts",
    "node_wholes",
    "node_words",
    "query_node",
    "save_graph",
    "title_of",
    "whole_units",
    "words_of",
]

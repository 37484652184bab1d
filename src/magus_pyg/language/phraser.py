"""Queries of a graph in words that a person would use."""

from collections.abc import Sequence

from torch_geometric.data import HeteroData

from magus_pyg.errors import GraphError
from magus_pyg.graph import n_items, n_nodes
from magus_pyg.language.lexicon import Lexicons, read_lexicons
from magus_pyg.language.phrasing import Phrasing
from magus_pyg.language.rule import Rule
from magus_pyg.language.word_items import WordItems

__all__ = ["Phraser"]


class Phraser:
    """Says what queries are called: keywords, and a gentle question (App. D.2).

    Args:
        graph: the relational graph.
        lexicons: the languages; those of the package if None.
        items: which items have which words; made if None.
    """

    def __init__(self, graph: HeteroData, lexicons: Lexicons | None = None, items: WordItems | None = None) -> None:
        self.lexicons = read_lexicons() if lexicons is None else lexicons
        self.rule = Rule(graph, self.lexicons, WordItems(graph) if items is None else items)
        self._first, self._count = n_items(graph), n_nodes(graph)
        self._ptr, self._index = graph.word_ptr.cpu().numpy(), graph.word_index.cpu().numpy()

    def __repr__(self) -> str:
        return f"Phraser(queries={self._count - self._first}, languages={sorted(self.lexicons.by_name)})"

    def phrase(self, queries: Sequence[int], locale: str | None = None) -> list[Phrasing]:
        """What some queries are called.

        Args:
            queries: query nodes.
            locale: of the person, such as "de-AT"; a language that the lexicons lack is answered in their default.

        Returns:
            A text for each.

        Raises:
            GraphError: a node that is no query.
        """
        name = self.lexicons.of(locale).name
        return [self.rule.phrase(ids, name) for ids in self.word_ids(queries)]

    def word_ids(self, queries: Sequence[int]) -> list[tuple[int, ...]]:
        """The ids of the words of query nodes, ascending; GraphError for a node that is no query."""
        for node in queries:
            if not self._first <= node < self._count:
                raise GraphError(f"node {node} is no query: the graph's queries are {self._first}..{self._count - 1}")
        return [tuple(self._index[self._ptr[node] : self._ptr[node + 1]].tolist()) for node in queries]

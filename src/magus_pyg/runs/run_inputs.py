"""From a data set to what the floors below take: graph, features, playable sessions."""

import logging

import numpy as np
import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from magus_pyg.data import RecDataset, SessionOptions, Sessions, build_sessions, searched_words
from magus_pyg.data.searches import part_begins
from magus_pyg.errors import DataError
from magus_pyg.graph import build_relational_graph, n_items, node_words, query_node
from magus_pyg.graph.searched import match_words, parse_query
from magus_pyg.models import FeatureSpace
from magus_pyg.ragged import Ragged

__all__ = ["build_graph", "features_of", "playable_sessions", "searched_nodes"]

logger = logging.getLogger(__name__)


def build_graph(data: RecDataset) -> HeteroData:
    """The relational graph of the catalogue, with the queries searched before the test part among its nodes."""
    searched = data.searched
    known = searched["time"].to_numpy() < part_begins(data, "test")[searched["user"].to_numpy(dtype=np.int64)]
    return build_relational_graph(
        data.items,
        list(data.word_fields),
        max_words=data.max_words,
        max_share=data.max_share,
        queries=searched["words"][known].tolist(),
        merge_fields=data.merge_fields,
        title_field=data.title_field or None,
        min_support=data.min_support,  # type: ignore[arg-type]
        max_queries=data.max_queries,
    )


def features_of(graph: HeteroData, profiles: Ragged, n_profiles: int) -> FeatureSpace:
    """What a base recommender knows: words from the graph, profiles of the users ([U] rows)."""
    count = n_items(graph)
    return FeatureSpace(
        n_users=len(profiles),
        n_items=count,
        n_words=len(graph.vocabulary.words),
        n_profiles=n_profiles,
        item_words=node_words(graph).select(torch.arange(count)),
        user_profiles=profiles,
    )


def searched_nodes(graph: HeteroData, queries: list[str]) -> Tensor:
    """The query node of each searched query, int64 [Q], -1 where it has none; words unknown to the graph are dropped
    (reading 3)."""
    nodes = []
    for query in queries:
        words, _ = match_words(parse_query(query), graph.vocabulary)
        node = query_node(graph, words) if words else None
        nodes.append(-1 if node is None else node)
    return torch.tensor(nodes, dtype=torch.int64)


def playable_sessions(
    data: RecDataset, graph: HeteroData, part: str, options: SessionOptions, seed: int, searches: int
) -> Sessions:
    """The sessions of a part, with the queries that their users searched before the part began.

    Args:
        data: the data set.
        graph: its relational graph.
        part: "train", "validation" or "test".
        options: how sessions are made.
        seed: of the sessions.
        searches: most searched queries of a session.

    Raises:
        DataError: if no user gets a session.
    """
    sessions = build_sessions(data, part, options, seed)
    if not len(sessions):
        raise DataError(
            f"dataset {data.name!r}: no user gets a {part} session; lower sessions.min_interactions (now "
            f"{options.min_interactions}) or sessions.min_targets (now {options.min_targets})"
        )
    if not searches or not len(data.searched):
        return sessions
    rows, queries = searched_words(data, sessions, part, searches)
    node = searched_nodes(graph, queries)[rows.index]
    row, node = rows.row[node >= 0], node[node >= 0]
    # Two searches that differ in unknown words alone are one node.
    pairs = torch.unique(torch.stack([row, node]), dim=1)
    found = Ragged.from_pairs(pairs[0], pairs[1], len(sessions))
    width = int(found.lengths.max()) if len(found) else 0
    if not width:
        return sessions
    searched = torch.full((len(sessions), width), -1, dtype=torch.int64)
    place = torch.arange(found.index.numel()) - found.ptr[found.row]
    searched[found.row, place] = found.index
    logger.info("%d of %d %s sessions start with a searched query", int((found.lengths > 0).sum()), len(sessions), part)
    return Sessions(sessions.user, sessions.candidates, sessions.targets, searched, sessions.id)

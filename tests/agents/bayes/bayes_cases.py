"""Small cases for the tests of `magus=bayes`."""

import torch

from catalogues import APPLE_FIELDS, apple_table
from magus_pyg.agents import BayesAgent
from magus_pyg.graph import SessionGraphBuilder, build_relational_graph
from magus_pyg.simulation import SessionView, score_candidates
from playing import Case


def queries_of(case: Case, session: int) -> tuple[list[int], dict[int, frozenset[int]]]:
    """Candidates ascending, and query node -> candidates that contain it, by the literal reference."""
    candidates = sorted(item for item in case.sessions.candidates[session].tolist() if item >= 0)
    held = {}
    for node, one in enumerate(case.nodes):
        if not one.is_item:
            items = frozenset(item for item in candidates if one.words <= case.nodes[item].words)
            if items:
                held[node] = items
    return candidates, held


def apple_view(rounds: int = 3, length: int = 2, scores: list[float] | None = None) -> tuple[BayesAgent, SessionView]:
    graph = build_relational_graph(apple_table(), word_fields=APPLE_FIELDS, item_id="item_id")
    matrix = torch.tensor([scores or [0.5, 0.3, 0.2]], dtype=torch.float64)
    builder = SessionGraphBuilder(graph)
    graphs = builder.build(torch.tensor([[0, 1, 2]]))
    user = torch.zeros(1, dtype=torch.int64)
    values = score_candidates(matrix, user, graphs.node[:, :3])
    return BayesAgent(graph, matrix), SessionView(graph, builder, graphs, user, values, None, rounds, length, user)

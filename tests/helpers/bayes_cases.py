"""Small cases for the tests of `magus=bayes`."""

import random

import pandas as pd
import torch
from catalogues import APPLE_FIELDS, Catalogue, apple_table
from hypothesis import strategies as st
from playing import Case

from magus_pyg.agents import BayesAgent
from magus_pyg.data import Sessions
from magus_pyg.graph import SessionGraphBuilder, build_relational_graph
from magus_pyg.simulation import SessionView, score_candidates


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


@st.composite
def busy_cases(draw: st.DrawFn, max_sessions: int = 3) -> Case:
    """Sessions of 7 to 14 candidates of many words, too many to be shown in the few rounds: questions pay."""
    rng = random.Random(draw(st.integers(0, 10**6)))
    n_sessions = draw(st.integers(1, max_sessions))
    count, fields = rng.randint(9, 14), ["a", "b", "c"][: rng.randint(2, 3)]
    rows = [[rng.choice("xyz") for _ in fields] for _ in range(count)]
    table = pd.DataFrame(rows, columns=fields, dtype=object)
    table.insert(0, "item_id", [f"i{number}" for number in range(count)])
    catalogue = Catalogue(table, fields, {}, max_words=2, max_share=1.0, queries=[])
    candidates, targets = [], []
    for _ in range(n_sessions):
        chosen = rng.sample(range(count), rng.randint(7, count))
        wanted = rng.sample(chosen, rng.randint(1, 3))
        candidates.append(chosen + [-1] * (count - len(chosen)))
        targets.append([item in wanted for item in candidates[-1]])
    sharp = rng.choice([0.0, 0.3, 1.0, 3.0])
    scores = [[sharp * rng.gauss(0.0, 1.0) for _ in range(count)] for _ in range(n_sessions)]
    sessions = Sessions(torch.arange(n_sessions), torch.tensor(candidates), torch.tensor(targets))
    matrix = torch.tensor(scores, dtype=torch.float64)
    return Case(catalogue, sessions, matrix, draw(st.integers(2, 4)), draw(st.integers(1, 2)))

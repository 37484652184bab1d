"""The distinct queries of session graphs against literal grouping."""

import torch
from hypothesis import given
from playing import Case, cases

from magus_pyg.agents.bayes import distinct_queries
from magus_pyg.graph import SessionGraphBuilder


@given(cases(max_sessions=3))
def test_choices_are_the_distinct_sets_of_candidates(case: Case) -> None:
    graphs = SessionGraphBuilder(case.graph).build(case.sessions.candidates)
    choices = distinct_queries(graphs)
    held: dict[int, set[int]] = {}
    for query, item in graphs.item_edges.T.tolist():
        held.setdefault(query, set()).add(item % graphs.n_slots)
    for session in range(graphs.n_sessions):
        count = int(graphs.valid[session, : graphs.n_candidates].sum())
        groups: dict[frozenset[int], int] = {}
        for slot in range(graphs.n_candidates, graphs.n_slots):
            items = frozenset(held.get(session * graphs.n_slots + slot, set()))
            if 0 < len(items) < count:
                groups.setdefault(items, slot)
        slots = [slot for slot in choices.slot[session].tolist() if slot >= 0]
        assert slots == sorted(groups.values())
        dense = choices.dense(graphs.n_candidates)[session]
        for column, slot in enumerate(slots):
            assert groups[frozenset(torch.nonzero(dense[column]).flatten().tolist())] == slot

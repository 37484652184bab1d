"""Session graphs: a batch is its sessions one at a time, and each is the literal definition on its candidates."""

import pandas as pd
import pytest
import torch
from catalogues import APPLE_FIELDS, Catalogue, catalogues, expected_relations, pairs
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch_geometric.data import HeteroData

from magus_pyg.errors import SessionError
from magus_pyg.graph import SessionGraphBuilder, SessionGraphs, build_relational_graph, n_items, node_words
from reference import contains, part_of

Edges = set[tuple[int, int]]


@st.composite
def batches(draw: st.DrawFn) -> tuple[Catalogue, Tensor]:
    """A catalogue and B sets of candidates in any order, padded anywhere; int64 [B, C]."""
    catalogue = draw(catalogues())
    count = len(catalogue.table)
    width = draw(st.integers(0, count + 1))
    rows = []
    for _ in range(draw(st.integers(0, 4))):
        row = draw(st.lists(st.integers(0, count - 1), unique=True, max_size=min(width, count)))
        rows.append(draw(st.permutations(row + [-1] * (width - len(row)))))
    return catalogue, torch.tensor(rows, dtype=torch.int64).reshape(len(rows), width)


def build(catalogue: Catalogue) -> HeteroData:
    return build_relational_graph(catalogue.table, **catalogue.build_arguments, materialize=False)


def edges_of(graphs: SessionGraphs, session: int, edge_index: Tensor) -> Edges:
    """The edges of one session, as pairs of nodes."""
    inside = edge_index[:, edge_index[0] // graphs.n_slots == session]
    assert (inside[1] // graphs.n_slots == session).all(), "an edge leaves its session"
    nodes = graphs.node.view(-1)[inside]
    assert (nodes >= 0).all(), "an edge touches an empty slot"
    return pairs(nodes)


def members(nodes: list, candidates: list[int]) -> list[int]:
    """The nodes of a session, literally: the candidates and the queries of at least one of them."""
    queries = [
        n
        for n, node in enumerate(nodes)
        if not node.is_item and any(contains(nodes[item], node) for item in candidates)
    ]
    return sorted(candidates) + queries


@given(batches(), st.booleans(), st.sampled_from(["definition", "swapped", "fields"]))
def test_every_session_is_the_literal_definition(
    batch: tuple[Catalogue, Tensor], catalogue_scope: bool, relations: str
) -> None:
    catalogue, candidates = batch
    nodes = catalogue.nodes
    builder = SessionGraphBuilder(build(catalogue))
    graphs = builder.build(candidates)
    assert graphs.n_sessions == len(candidates)
    assert graphs.n_candidates == candidates.shape[1]
    assert graphs.n_slots == graphs.node.shape[1]
    assert torch.equal(graphs.valid, graphs.node >= 0)
    inhibits, independent = builder.explicit(graphs, relations, catalogue_scope)
    for session, row in enumerate(candidates.tolist()):
        chosen = [item for item in row if item >= 0]
        expected = members(nodes, chosen)
        assert [node for node in graphs.node[session].tolist() if node >= 0] == expected  # ascending, each once
        first = graphs.node[session, : graphs.n_candidates].tolist()
        assert first == sorted(chosen) + [-1] * (len(row) - len(chosen))
        assert candidates[session][graphs.order[session]].tolist() == first
        pool = [node for node in nodes if node.is_item] if catalogue_scope else [nodes[item] for item in chosen]
        plus, minus, neither = expected_relations(nodes, pool, relations, expected)
        assert edges_of(graphs, session, torch.stack([graphs.part, graphs.whole])) == plus
        assert edges_of(graphs, session, inhibits) == minus
        assert edges_of(graphs, session, independent) == neither


@given(batches(), st.booleans(), st.data())
def test_compatible_slots_of_chosen_ones(
    batch: tuple[Catalogue, Tensor], catalogue_scope: bool, data: st.DataObject
) -> None:
    catalogue, candidates = batch
    nodes = catalogue.nodes
    builder = SessionGraphBuilder(build(catalogue))
    graphs = builder.build(candidates)
    held = torch.nonzero(graphs.valid.view(-1)).flatten().tolist()
    rows = data.draw(st.lists(st.sampled_from(held), unique=True)) if held else []
    found = builder.compatible(graphs, torch.tensor(rows, dtype=torch.int64), catalogue_scope)
    expected = set()
    for slot in rows:
        session = slot // graphs.n_slots
        chosen = [item for item in candidates[session].tolist() if item >= 0]
        pool = [node for node in nodes if node.is_item] if catalogue_scope else [nodes[item] for item in chosen]
        _, minus, _ = expected_relations(nodes, pool, members=members(nodes, chosen))
        node = int(graphs.node.view(-1)[slot])
        for other, holds in enumerate(graphs.node[session].tolist()):
            if holds >= 0 and (node, holds) not in minus:
                expected.add((slot, session * graphs.n_slots + other))
    assert {tuple(pair) for pair in found.T.tolist()} == expected


@given(batches())
def test_a_batch_is_its_sessions_one_at_a_time(batch: tuple[Catalogue, Tensor]) -> None:
    catalogue, candidates = batch
    builder = SessionGraphBuilder(build(catalogue))
    together = builder.build(candidates)
    edges = torch.stack([together.part, together.whole])
    key = edges[0] * together.node.numel() + edges[1]
    assert torch.equal(key, key.sort().values)
    for session in range(len(candidates)):
        alone = builder.build(candidates[session : session + 1])
        assert alone.n_slots <= together.n_slots
        assert torch.equal(alone.node[0], together.node[session, : alone.n_slots])
        assert (together.node[session, alone.n_slots :] == -1).all()
        assert torch.equal(alone.order[0], together.order[session])
        single = torch.stack([alone.part, alone.whole])
        assert edges_of(alone, 0, single) == edges_of(together, session, edges)
        offset = session * together.n_slots
        mine = edges[:, edges[0] // together.n_slots == session] - offset
        assert torch.equal(mine, single)  # in the same order too, so sums round alike


@given(batches(), st.integers(0, 3))
def test_repeated_sessions_are_built_ones(batch: tuple[Catalogue, Tensor], times: int) -> None:
    catalogue, candidates = batch
    builder = SessionGraphBuilder(build(catalogue))
    repeated, built = builder.build(candidates).repeat(times), builder.build(candidates.repeat(times, 1))
    if times and len(candidates):  # without sessions there is nothing that says how wide they are
        assert torch.equal(repeated.node, built.node)
    assert repeated.n_candidates == built.n_candidates
    for name in ("order", "part", "whole"):
        assert torch.equal(getattr(repeated, name), getattr(built, name)), name


@given(batches(), st.data())
def test_chosen_sessions_are_those_of_all(batch: tuple[Catalogue, Tensor], data: st.DataObject) -> None:
    catalogue, candidates = batch
    graphs = SessionGraphBuilder(build(catalogue)).build(candidates)
    kept = data.draw(st.lists(st.booleans(), min_size=len(candidates), max_size=len(candidates)))
    rows = torch.nonzero(torch.tensor(kept, dtype=torch.bool)).flatten()
    taken = graphs.take(rows)
    assert torch.equal(taken.node, graphs.node[rows])
    assert torch.equal(taken.order, graphs.order[rows])
    assert taken.n_candidates == graphs.n_candidates
    for session, row in enumerate(rows.tolist()):
        pairs = [(a % graphs.n_slots, b % graphs.n_slots) for a, b in zip(graphs.part.tolist(), graphs.whole.tolist(),
                 strict=True) if a // graphs.n_slots == row]  # fmt: skip
        own = taken.part // graphs.n_slots == session
        part, whole = taken.part[own], taken.whole[own]
        assert torch.equal(whole // graphs.n_slots, torch.full((len(pairs),), session))
        assert list(zip((part % graphs.n_slots).tolist(), (whole % graphs.n_slots).tolist(), strict=True)) == pairs
    assert taken.part.tolist() == sorted(taken.part.tolist())


@given(batches(), st.data())
def test_count_targets(batch: tuple[Catalogue, Tensor], data: st.DataObject) -> None:
    catalogue, candidates = batch
    nodes = catalogue.nodes
    targets = torch.zeros(candidates.shape, dtype=torch.bool)
    for place in torch.nonzero(candidates >= 0).tolist():
        targets[place[0], place[1]] = data.draw(st.booleans())
    graphs = SessionGraphBuilder(build(catalogue)).build(candidates)
    counts = graphs.count_targets(targets)
    assert counts.dtype == torch.int64
    for session in range(len(candidates)):
        wanted = [nodes[item] for item in candidates[session][targets[session]].tolist()]
        for slot, node in enumerate(graphs.node[session].tolist()):
            expected = 0 if node < 0 else sum(contains(target, nodes[node]) for target in wanted)
            assert int(counts[session, slot]) == expected


@given(batches())
def test_rows_and_masks(batch: tuple[Catalogue, Tensor]) -> None:
    catalogue, candidates = batch
    nodes = catalogue.nodes
    graphs = SessionGraphBuilder(build(catalogue)).build(candidates)
    flat = graphs.node.view(-1).tolist()
    assert graphs.is_item.tolist() == [slot < candidates.shape[1] for slot in range(graphs.n_slots)]
    assert graphs.session.tolist() == [s for s in range(len(candidates)) for _ in range(graphs.n_slots)]
    parts, wholes = graphs.parts.tolist(), graphs.wholes.tolist()
    assert len(parts) == len(wholes) == len(flat)
    for slot, node in enumerate(flat):
        same = [s for s in range(len(flat)) if flat[s] >= 0 and s // graphs.n_slots == slot // graphs.n_slots]
        assert parts[slot] == ([] if node < 0 else [s for s in same if part_of(nodes[flat[s]], nodes[node])])
        assert wholes[slot] == ([] if node < 0 else [s for s in same if part_of(nodes[node], nodes[flat[s]])])
    query, item = graphs.item_edges
    assert all(slot % graphs.n_slots < graphs.n_candidates for slot in item.tolist())
    assert query.numel() == sum(len(row) for slot, row in enumerate(parts) if slot % max(graphs.n_slots, 1)
                                < graphs.n_candidates)  # fmt: skip


@pytest.fixture
def builder(apple: pd.DataFrame) -> SessionGraphBuilder:
    return SessionGraphBuilder(build_relational_graph(apple, APPLE_FIELDS))


def test_a_session_by_hand(builder: SessionGraphBuilder) -> None:
    # Candidates C (iphone pro) and B (airpods): nodes B 1, C 2, airpods 3, iphone 4, pro 6, iphone pro 8.
    graphs = builder.build(torch.tensor([[2, 1, -1]]))
    assert graphs.node.tolist() == [[1, 2, -1, 3, 4, 6, 8]]
    assert graphs.order.tolist() == [[1, 0, 2]]
    assert graphs.sort_candidates(torch.tensor([[0.2, 0.1, 0.0]])).tolist() == [pytest.approx([0.1, 0.2, 0.0])]
    assert torch.stack([graphs.part, graphs.whole]).T.tolist() == [[3, 0], [4, 1], [4, 6], [5, 1], [5, 6], [6, 1]]
    inhibits, independent = builder.explicit(graphs)
    assert pairs(independent) == {(4, 5), (5, 4)}  # iphone and pro
    b_and_airpods = {(u, v) for u in (0, 3) for v in (1, 4, 5, 6)}
    c_and_airpods = {(0, 1), (1, 0), (1, 3), (3, 1)}
    assert pairs(inhibits) == b_and_airpods | {(v, u) for u, v in b_and_airpods} | c_and_airpods
    assert graphs.count_targets(torch.tensor([[True, False, False]])).tolist() == [[0, 1, 0, 0, 1, 1, 1]]


def test_the_scope_decides_where_both_are_sought() -> None:
    # x and y stand together only in item 2, which is no candidate.
    items = pd.DataFrame({"item_id": "abc", "w": ["x", "y", "x|y"]} | {"item_id": ["a", "b", "c"]})
    builder = SessionGraphBuilder(build_relational_graph(items, ["w"]))
    graphs = builder.build(torch.tensor([[0, 1]]))
    assert graphs.node.tolist() == [[0, 1, 3, 4]]
    within, _ = builder.explicit(graphs)
    assert (2, 3) in pairs(within)
    beyond, independent = builder.explicit(graphs, catalogue=True)
    assert (2, 3) not in pairs(beyond)
    assert pairs(independent) == {(2, 3), (3, 2)}


def test_long_searched_queries_are_in_sessions(apple: pd.DataFrame) -> None:
    graph = build_relational_graph(apple, APPLE_FIELDS, max_words=1, queries=["macbook|pro|grey"])
    graphs = SessionGraphBuilder(graph).build(torch.tensor([[0], [2]]))
    assert graphs.node.tolist() == [[0, 5, 6, 7, 8], [2, 4, 6, -1, -1]]
    assert edges_of(graphs, 0, torch.stack([graphs.part, graphs.whole])) == {
        *((5, 0), (6, 0), (7, 0), (8, 0), (5, 8), (6, 8), (7, 8)),
    }


@pytest.mark.parametrize("shape", [(0, 0), (0, 3), (2, 0)])
def test_no_sessions_or_no_candidates(builder: SessionGraphBuilder, shape: tuple[int, int]) -> None:
    graphs = builder.build(torch.zeros(shape, dtype=torch.int64))
    assert graphs.node.shape == shape
    assert graphs.part.numel() == graphs.whole.numel() == 0
    assert graphs.count_targets(torch.zeros(shape, dtype=torch.bool)).shape == shape
    assert [edge.shape for edge in builder.explicit(graphs)] == [(2, 0), (2, 0)]
    assert builder.compatible(graphs, torch.zeros(0, dtype=torch.int64)).shape == (2, 0)


def test_a_session_of_pads_alone_is_empty(builder: SessionGraphBuilder) -> None:
    graphs = builder.build(torch.tensor([[-1, -1], [1, -1]]))
    assert graphs.node.tolist() == [[-1, -1, -1], [1, -1, 3]]


@pytest.mark.parametrize("bad", [3, 12, -2])
def test_candidates_outside_the_items(builder: SessionGraphBuilder, bad: int) -> None:
    with pytest.raises(SessionError, match=rf"candidate {bad} of session 1 is no item of the graph: .* 0\.\.2"):
        builder.build(torch.tensor([[0, 1], [2, bad]]))


def test_a_candidate_twice(builder: SessionGraphBuilder) -> None:
    with pytest.raises(SessionError, match="item 2 is twice a candidate of session 1"):
        builder.build(torch.tensor([[-1, -1, 0], [2, 1, 2]]))


def test_candidates_of_another_shape(builder: SessionGraphBuilder) -> None:
    with pytest.raises(SessionError, match=r"\[sessions, candidates\], got \[2\]"):
        builder.build(torch.tensor([0, 1]))


@given(batches(), st.booleans())
def test_independent_of_chosen_slots(batch: tuple[Catalogue, Tensor], catalogue_scope: bool) -> None:
    """Of all slots: R⊥ as the explicit form has it, in its order; of some: the edges that leave them."""
    catalogue, candidates = batch
    builder = SessionGraphBuilder(build(catalogue))
    graphs = builder.build(candidates)
    _, expected = builder.explicit(graphs, catalogue=catalogue_scope)
    every = torch.nonzero(graphs.valid.view(-1)).flatten()
    assert torch.equal(builder.independent(graphs, every, catalogue_scope), expected)
    some = every[1::2]
    found = builder.independent(graphs, some.flip(0), catalogue_scope)
    assert torch.equal(found, expected[:, torch.isin(expected[0], some)])


@given(batches(), st.integers(1, 3))
def test_queries_of_a_session_are_of_enough_candidates(batch: tuple[Catalogue, Tensor], least: int) -> None:
    catalogue, candidates = batch
    graph = build_relational_graph(catalogue.table, **catalogue.build_arguments, min_support=least, materialize=False)
    graphs = SessionGraphBuilder(graph).build(candidates)
    rows, first = node_words(graph).tolist(), n_items(graph)
    for session, chosen in enumerate(candidates.tolist()):
        items = sorted(item for item in chosen if item >= 0)
        queries = [
            node
            for node in range(first, len(rows))
            if sum(set(rows[node]) <= set(rows[item]) for item in items) >= least
        ]
        assert [node for node in graphs.node[session].tolist() if node >= 0] == items + queries
        edges = {
            (part, whole)
            for part in queries
            for whole in items + queries
            if set(rows[part]) < set(rows[whole]) or (whole < first and set(rows[part]) <= set(rows[whole]))
        }
        assert edges_of(graphs, session, torch.stack([graphs.part, graphs.whole])) == edges

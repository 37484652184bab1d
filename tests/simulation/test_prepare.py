"""Batches of sessions: fewer where sessions have many nodes, which changes no row."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from magus_pyg.agents import Judge, MagusAgent, fit_bayes
from magus_pyg.agents.rivals.rollout import prepare_scored
from magus_pyg.data import Sessions
from magus_pyg.errors import SessionError
from magus_pyg.graph import SessionGraphBuilder
from magus_pyg.random import hash_keys
from magus_pyg.simulation import Scorer, prepare_sessions, simulate
from magus_pyg.simulation.prepare import PreparedBatch, prepare_batch
from magus_pyg.testing import small_graph, small_scores, small_sessions


@pytest.mark.parametrize("batch_size", [3, 256])
def test_chosen_prepared_sessions_play_as_before(batch_size: int) -> None:
    graph, scores, sessions = small_graph(), small_scores(), small_sessions()
    prepared = prepare_sessions(graph, sessions, scores, batch_size)
    agent = MagusAgent(graph, scores)
    rows = torch.arange(0, len(sessions), 2)
    chosen, whole = simulate(agent, prepared.take(rows)), simulate(agent, prepared)
    assert len(prepared.take(rows)) == len(rows)
    assert chosen.equals(whole[whole["session"].isin(chosen["session"].unique())].reset_index(drop=True))
    assert chosen["session"].nunique() == len(rows)
    assert not len(prepared.take(rows[:0]))


def test_sessions_of_many_nodes_come_in_smaller_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    graph, scores, sessions = small_graph(), small_scores(), small_sessions()
    whole = prepare_sessions(graph, sessions, scores, 256)
    assert len(whole.batches) == 1
    slots = whole.batches[0].graphs.n_slots
    agent = MagusAgent(graph, scores)
    rows = simulate(agent, whole)
    for limit, size in ((2 * slots, 2), (1, 1), (10 * len(sessions) * slots, len(sessions))):
        monkeypatch.setattr("magus_pyg.simulation.prepare._SLOTS", limit)
        prepared = prepare_sessions(graph, sessions, scores, 256)
        sizes = [len(batch.sessions) for batch in prepared.batches]
        assert max(sizes) <= size or all(batch.graphs.node.numel() <= limit for batch in prepared.batches)
        assert sum(sizes) == len(sessions)
        assert len(sizes) > 1 or size == len(sessions)
        assert simulate(agent, prepared).equals(rows)
    monkeypatch.setattr("magus_pyg.simulation.prepare._SLOTS", 1)
    none = sessions.take(sessions.user[:0])
    assert not len(prepare_sessions(graph, none, scores, 256))


def test_graphs_that_are_too_many_to_be_kept_are_made_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    graph, scores, sessions = small_graph(), small_scores(), small_sessions()
    kept = prepare_sessions(graph, sessions, scores, 3)
    assert kept.batches[0] is kept.batches[0]
    monkeypatch.setattr("magus_pyg.simulation.prepare._KEPT", 0)
    anew = prepare_sessions(graph, sessions, scores, 3)
    assert anew.batches[0] is not anew.batches[0]
    assert (len(anew), len(anew.batches), anew.mean_targets) == (len(kept), len(kept.batches), kept.mean_targets)
    assert len(anew.batches[1:]) == len(kept.batches) - 1
    agent, rows = MagusAgent(graph, scores), torch.arange(1, len(sessions), 2)
    assert simulate(agent, anew).equals(simulate(agent, kept))
    assert len(anew.take(rows)) == len(rows)
    assert simulate(agent, anew.take(rows)).equals(simulate(agent, kept.take(rows)))
    fitted = [fit_bayes(graph, scores, some, Judge(some, (2, 3), 2, plans=True)) for some in (kept, anew)]
    assert fitted[0] == fitted[1]


def test_training_sessions_that_are_too_many_to_be_kept_are_made_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    graph, sessions = small_graph(), small_sessions()
    ids = hash_keys(1, torch.arange(len(sessions))) >> 20
    sessions = replace(sessions, id=ids)
    scores = small_scores()[sessions.user.unsqueeze(1), sessions.candidates]
    kept = prepare_scored(graph, sessions, scores, 3)
    monkeypatch.setattr("magus_pyg.simulation.prepare._KEPT", 0)
    anew = prepare_scored(graph, sessions, scores, 3)
    assert kept.batches[1] is kept.batches[1]
    assert anew.batches[1] is not anew.batches[1]
    odd = torch.arange(1, len(sessions), 2)
    for few, many in ((kept, anew), (kept.take(odd), anew.take(odd))):
        assert len(few.batches) == len(many.batches)
        for own, other in zip(few.batches, many.batches, strict=True):
            assert torch.equal(own.scores, other.scores)
            width = other.graphs.n_slots  # a batch of which a part is taken stays as wide
            assert torch.equal(own.graphs.node[:, :width], other.graphs.node)
    with pytest.raises(SessionError, match=r"the id 7 is of two sessions"):
        prepare_scored(graph, replace(sessions, id=torch.full_like(ids, 7)), scores, 3)


def test_graphs_are_made_for_sessions_alone_that_may_have_searched_nodes(monkeypatch: pytest.MonkeyPatch) -> None:
    graph, scores, sessions = small_graph(), small_scores(), small_sessions()
    assert len(sessions) > 6
    graphs = prepare_sessions(graph, sessions, scores, 3).batches[1].graphs
    row, query = max(enumerate(graphs.node[:, graphs.n_candidates :].amax(1).tolist()), key=lambda pair: pair[1])
    assert query >= 10  # the nodes below are items
    monkeypatch.setattr("magus_pyg.simulation.prepare._KEPT", 0)
    made: list[int] = []

    def counted(builder: SessionGraphBuilder, batch: Sessions, scorer: Scorer | Tensor) -> PreparedBatch:
        made.append(len(batch))
        return prepare_batch(builder, batch, scorer)

    monkeypatch.setattr("magus_pyg.simulation.prepare.prepare_batch", counted)
    nowhere = torch.full((len(sessions), 2), -1)
    there = nowhere.clone()
    there[3 + row, 1] = query
    elsewhere = nowhere.clone()
    elsewhere[4, 0] = 10**6
    for searched, found, count in ((None, False, 0), (nowhere, False, 0), (there, True, 1), (elsewhere, False, 1)):
        made.clear()
        assert prepare_sessions(graph, replace(sessions, searched=searched), scores, 3).have_searched is found
        assert len(made) == count
    kept = prepare_sessions(graph, sessions.take(sessions.user[:0]), scores, 3)
    assert not kept.have_searched


def test_a_session_whose_graph_the_memory_does_not_hold_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    graph, scores, sessions = small_graph(), small_scores(), small_sessions()
    monkeypatch.setattr("magus_pyg.simulation.prepare._SLOTS", 1)
    monkeypatch.setattr("magus_pyg.memory.available_memory", lambda: 1000)
    expected = r"the graph of a session of \d+ candidates and \d+ of their queries would.*lower simulation\.candidates"
    with pytest.raises(SessionError, match=expected):
        prepare_sessions(graph, sessions, scores)
    with pytest.raises(SessionError, match=expected):
        simulate(MagusAgent(graph, scores), sessions)
    with pytest.raises(SessionError, match=expected):
        prepare_scored(graph, sessions, scores[sessions.user.unsqueeze(1), sessions.candidates])

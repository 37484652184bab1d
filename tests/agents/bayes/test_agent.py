"""The agent against the literal player; batches, orders, shards; sizes; states between requests; fitting."""

import logging
from dataclasses import replace
from typing import Any

import pandas as pd
import pytest
import torch
from bayes_cases import apple_view, busy_cases, queries_of
from bayes_reference import Player
from hypothesis import given, settings
from hypothesis import strategies as st
from playing import Case, cases

from magus_pyg.agents import BayesAgent, BayesState
from magus_pyg.agents.bayes.agent import _say_once
from magus_pyg.data import Sessions
from magus_pyg.errors import SessionError
from magus_pyg.graph import SessionGraphBuilder, build_relational_graph
from magus_pyg.simulation import Feedback, simulate
from magus_pyg.simulation.users import NoisyUser, TruthfulUser

STATES = st.builds(
    BayesState,
    temperature=st.sampled_from([1.0, 3.0]),
    error_rate=st.sampled_from([0.0, 0.0, 0.1, 0.3]),
    others=st.sampled_from([0.0, 0.0, 0.8]),
    searched_error=st.sampled_from([0.5, 0.1]),
    targets=st.sampled_from([1.0, 2.0]),
    click_weight=st.sampled_from([0.0, 0.0, 0.25, 2.0]),
    discount=st.just(1.0),
)
FADING = st.builds(
    replace,
    STATES,
    discount=st.sampled_from([0.9, 0.5]),
    forgetting=st.sampled_from([0.0, 0.1, 0.6]),
)
STATES = st.one_of(STATES, FADING)


def rows_of(log: pd.DataFrame) -> list[dict[str, Any]]:
    return log.sort_values(["session", "round"]).to_dict("records")


@settings(max_examples=60)
@given(st.one_of(cases(max_items=6), busy_cases(), busy_cases()), STATES, st.sampled_from([1, 4]))
def test_plays_like_the_literal_player(case: Case, state: BayesState, beam: int) -> None:
    if case.sessions.searched is not None:
        case.sessions = Sessions(case.sessions.user, case.sessions.candidates, case.sessions.targets)
    # Scores that tie would be told apart by the last bit of a sum; the order of equals is tested by batches.
    generator = torch.Generator().manual_seed(len(case.nodes))
    case.matrix = case.matrix + torch.rand(case.matrix.shape, generator=generator, dtype=torch.float64)
    agent = BayesAgent(case.graph, case.matrix, state, beam=beam)
    log = simulate(agent, case.sessions, None, case.rounds, case.list_length)
    for session in range(len(case.sessions)):
        candidates, held = queries_of(case, session)
        scores = {item: case.matrix[session, item].item() for item in candidates}
        player = Player(
            scores,
            held,
            case.rounds,
            case.list_length,
            state.temperature,
            state.error_rate,
            state.others,
            state.targets,
            state.click_weight,
            state.discount,
            state.forgetting,
            beam,
        )
        for row in log[log["session"] == session].to_dict("records"):
            assert row["shown"] == player.recommend()
            player.update(row["shown"], None if row["clicked"] < 0 else row["clicked"])


@given(st.one_of(cases(max_sessions=4), busy_cases(4)), STATES, st.integers(1, 5), st.booleans(), st.data())
def test_any_batch_size_order_and_shard(
    case: Case, state: BayesState, batch: int, noisy: bool, data: st.DataObject
) -> None:
    agent = BayesAgent(case.graph, case.matrix, state)
    user = NoisyUser(0.3, 0.2) if noisy else TruthfulUser()
    expected = rows_of(simulate(agent, case.sessions, user, case.rounds, case.list_length))
    assert rows_of(simulate(agent, case.sessions, user, case.rounds, case.list_length, batch_size=batch)) == expected
    order = data.draw(st.permutations(range(len(case.sessions))))
    shuffled = case.sessions.take(torch.tensor(order, dtype=torch.int64))
    assert rows_of(simulate(agent, shuffled, user, case.rounds, case.list_length, batch_size=batch)) == expected
    cut = data.draw(st.integers(0, len(order)))
    shards = [
        simulate(agent, case.sessions.take(torch.tensor(part, dtype=torch.int64)), user, case.rounds, case.list_length)
        for part in (order[:cut], order[cut:])
    ]
    assert rows_of(pd.concat(shards, ignore_index=True)) == expected


@settings(max_examples=15)
@given(st.one_of(cases(max_sessions=4), busy_cases()), STATES, st.integers(1, 6))
def test_lists_are_full_and_repeat_nothing(case: Case, state: BayesState, length: int) -> None:
    # `simulate` itself refuses a node shown twice.
    log = simulate(BayesAgent(case.graph, case.matrix, state), case.sessions, NoisyUser(0.4), 4, length)
    for session, rows in log.groupby("session"):
        graphs = SessionGraphBuilder(case.graph).build(case.sessions.take(torch.tensor([session])).candidates)
        left = int(graphs.valid.sum())
        for shown in rows["shown"]:
            assert len(shown) == min(length, left)
            left -= len(shown)


@given(busy_cases(), STATES)
def test_dense_plans_play_the_same(case: Case, state: BayesState) -> None:
    fast = simulate(BayesAgent(case.graph, case.matrix, state), case.sessions, None, case.rounds, case.list_length)
    slow = simulate(
        BayesAgent(case.graph, case.matrix, state, exact=True), case.sessions, None, case.rounds, case.list_length
    )
    assert rows_of(fast) == rows_of(slow)


def test_last_round_shows_items_alone() -> None:
    agent, view = apple_view(rounds=1)
    assert agent.start(view).recommend().tolist() == [[0, 1]]


def test_other_rounds_than_those_fitted_for_are_said_once(caplog: pytest.LogCaptureFixture) -> None:
    _say_once.cache_clear()
    with caplog.at_level(logging.INFO):
        for _ in range(2):  # a service makes an agent for every session
            agent, view = apple_view(rounds=4)
            agent.state = BayesState(rounds=(3, 5))
            agent.start(replace(view, rounds=5))
            assert len(caplog.records) <= 1
            agent.start(view)
            agent.start(view)
    assert [record.getMessage() for record in caplog.records] == ["bayes was fitted for 3 and 5 rounds; it plays 4"]


def test_a_longer_list_than_nodes_is_all_nodes() -> None:
    agent, view = apple_view(length=30)
    shown = agent.start(view).recommend()[0].tolist()
    assert sorted(slot for slot in shown if slot >= 0) == list(range(view.graphs.n_slots))
    assert shown[:3] == [0, 1, 2]


def test_one_candidate_and_no_queries() -> None:
    table = pd.DataFrame({"item_id": ["a"], "word": [None]})
    graph = build_relational_graph(table, word_fields=["word"], item_id="item_id")
    sessions = Sessions(torch.zeros(1, dtype=torch.int64), torch.tensor([[0]]), torch.tensor([[True]]))
    log = simulate(BayesAgent(graph, torch.ones((1, 1))), sessions, rounds=1, list_length=3)
    assert log["shown"].tolist() == [[0]]
    assert log["done"].tolist() == [True]


def test_all_queries_equal() -> None:
    table = pd.DataFrame({"item_id": ["a", "b"], "word": ["x|y", "x|y"]})
    graph = build_relational_graph(table, word_fields=["word"], item_id="item_id")
    sessions = Sessions(torch.zeros(1, dtype=torch.int64), torch.tensor([[0, 1]]), torch.tensor([[False, True]]))
    log = simulate(BayesAgent(graph, torch.tensor([[1.0, 0.0]])), sessions, rounds=5, list_length=1)
    assert log["kinds"].tolist() == [["item"], ["item"]]


def test_no_sessions() -> None:
    agent, _ = apple_view()
    none = torch.zeros((0, 3), dtype=torch.int64)
    assert simulate(agent, Sessions(none[:, 0], none, none.bool())).empty


def test_a_false_click_on_an_item_does_not_end_the_plans() -> None:
    agent, view = apple_view(rounds=6, length=1)
    play = agent.start(view)
    seen = set()
    for _ in range(5):
        shown = play.recommend()
        assert shown.item() not in seen
        seen.add(shown.item())
        clicked = torch.tensor([0 if shown.item() < 3 else -1])
        play.update(Feedback(shown, clicked, torch.zeros((1, 1), dtype=torch.bool), torch.ones(1, dtype=torch.bool)))
    assert torch.isfinite(play.node_scores()).all()


def test_wrong_list_length_is_refused() -> None:
    agent, _ = apple_view()
    sessions = Sessions(torch.zeros(1, dtype=torch.int64), torch.tensor([[0]]), torch.tensor([[True]]))
    with pytest.raises(SessionError, match="list_length"):
        simulate(agent, sessions, list_length=0)

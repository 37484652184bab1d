"""A session's rows do not depend on the company it is played in; `items`; options and weights out of range."""

from typing import Any

import pandas as pd
import pytest
import torch
from catalogues import APPLE_FIELDS
from hypothesis import given, settings
from hypothesis import strategies as st
from playing import Case, Watched, any_options, assert_agent_is_reference, cases
from torch import Tensor

from magus_pyg.agents import EdgeFactors, ItemsAgent, MagusAgent, MagusOptions
from magus_pyg.data import Sessions
from magus_pyg.errors import ConfigError, GraphError
from magus_pyg.graph import build_relational_graph
from magus_pyg.simulation import Agent, prepare_sessions, simulate
from reference import items_only, play


def agent_of(case: Case, options: MagusOptions) -> MagusAgent:
    return MagusAgent(case.graph, case.matrix, options)


def rows_of(log: pd.DataFrame) -> list[dict[str, Any]]:
    return log.sort_values(["session", "round"]).to_dict("records")


@given(cases(max_sessions=4), any_options())
def test_one_session_at_a_time_gives_the_same_rows_and_scores(case: Case, options: MagusOptions) -> None:
    together = Watched(agent_of(case, options))
    log = simulate(together, case.sessions, None, case.rounds, case.list_length)
    for session in range(len(case.sessions)):
        alone = Watched(agent_of(case, options))
        one = case.sessions.take(torch.tensor([session]))
        rows = simulate(alone, one, None, case.rounds, case.list_length)
        assert rows_of(rows) == rows_of(log[log["session"] == session])
        for turn in range(len(rows)):  # to the last bit
            assert alone.scores[turn][0] == together.scores[turn][session]


@given(cases(max_sessions=4), any_options(), st.integers(1, 5), st.data())
def test_any_batch_size_order_and_shard(
    case: Case, options: MagusOptions, batch_size: int, data: st.DataObject
) -> None:
    agent = agent_of(case, options)
    expected = rows_of(simulate(agent, case.sessions, None, case.rounds, case.list_length))
    batched = simulate(agent, case.sessions, None, case.rounds, case.list_length, batch_size=batch_size)
    assert rows_of(batched) == expected
    assert batched["session"].is_monotonic_increasing
    order = data.draw(st.permutations(range(len(case.sessions))))
    shuffled = case.sessions.take(torch.tensor(order, dtype=torch.int64))
    rows = simulate(agent, shuffled, None, case.rounds, case.list_length, batch_size=batch_size)
    assert list(dict.fromkeys(rows["session"])) == order
    assert rows_of(rows) == expected
    cut = data.draw(st.integers(0, len(order)))
    shards = [simulate(agent, case.sessions.take(torch.tensor(part, dtype=torch.int64)), None, case.rounds,
                       case.list_length) for part in (order[:cut], order[cut:])]  # fmt: skip
    assert rows_of(pd.concat(shards, ignore_index=True)) == expected
    prepared = prepare_sessions(case.graph, case.sessions, case.matrix, batch_size)
    assert len(prepared) == len(case.sessions)
    assert rows_of(simulate(agent, prepared, None, case.rounds, case.list_length)) == expected


@given(cases(), any_options(), st.data())
def test_the_order_of_candidates_and_their_padding_do_not_matter(
    case: Case, options: MagusOptions, data: st.DataObject
) -> None:
    sessions, width = case.sessions, case.sessions.candidates.shape[1]
    order = torch.tensor(data.draw(st.permutations(range(width + 1))))
    pad = torch.nn.functional.pad
    moved = Sessions(
        sessions.user, pad(sessions.candidates, (0, 1), value=-1)[:, order], pad(sessions.targets, (0, 1))[:, order],
        sessions.searched,
    )  # fmt: skip
    agent = agent_of(case, options)
    first, second = (simulate(agent, which, None, case.rounds, case.list_length) for which in (sessions, moved))
    assert rows_of(first) == rows_of(second)


@given(cases(), any_options(), st.sampled_from([0.5, 1.0, 4.0]), st.sampled_from([0.0, 2.0, 64.0]))
def test_base_scores_count_up_to_scale_and_shift(case: Case, options: MagusOptions, scale: float, shift: float) -> None:
    case.matrix = torch.round(case.matrix * 8)  # so that scaling and shifting are exact
    first = simulate(agent_of(case, options), case.sessions, None, case.rounds, case.list_length)
    case.matrix = scale * case.matrix + shift
    second = simulate(agent_of(case, options), case.sessions, None, case.rounds, case.list_length)
    assert rows_of(first) == rows_of(second)


def test_negative_base_scores_are_no_different(apple: pd.DataFrame) -> None:
    graph = build_relational_graph(apple, APPLE_FIELDS)
    sessions = Sessions(torch.tensor([0]), torch.tensor([[0, 1, 2]]), torch.tensor([[True, False, False]]))
    lists = [
        simulate(MagusAgent(graph, torch.full((1, 3), score)), sessions, rounds=1)["shown"][0] for score in (1.0, -1.0)
    ]
    assert lists[0] == lists[1]


@given(cases(max_sessions=4))
def test_items_lists_the_best_items_not_shown(case: Case) -> None:
    log = simulate(ItemsAgent(case.graph, case.matrix), case.sessions, None, case.rounds, case.list_length)
    assert set(log["agent"]) <= {"items"}
    assert (log["queries_shown"] == 0).all()
    for session in range(len(case.sessions)):
        candidates = [item for item in case.sessions.candidates[session].tolist() if item >= 0]
        scores = case.matrix[session, candidates].tolist()
        turns = play(case.nodes, candidates, scores, case.targets(session), case.rounds, case.list_length,
                     order=items_only)  # fmt: skip
        rows = log[log["session"] == session]
        assert rows["shown"].tolist() == [turn.shown for turn in turns]
        assert rows["clicked"].tolist() == [-1 if turn.clicked is None else turn.clicked for turn in turns]


def test_the_items_agent_does_not_need_queries(apple: pd.DataFrame) -> None:
    graph = build_relational_graph(apple, APPLE_FIELDS)
    sessions = Sessions(torch.tensor([0]), torch.tensor([[2, 0, 1]]), torch.tensor([[False, False, True]]))
    log = simulate(ItemsAgent(graph, torch.tensor([[-7.0, -9.0, -8.0]])), sessions, rounds=3, list_length=2)
    assert log["shown"].tolist() == [[0, 2], [1]]
    assert log["position"].tolist() == [0, 1]


@settings(max_examples=15)
@given(cases())
def test_weights_of_one_are_unit_weights(case: Case) -> None:
    ones = torch.ones(len(case.nodes), 1, dtype=torch.float64)
    agent = MagusAgent(case.graph, case.matrix, factors=EdgeFactors(ones, ones))
    assert agent.name == "magus+"
    assert_agent_is_reference(case, agent, None)


class Model:
    """A recommender that gives float32 scores from a matrix and refuses to be asked one user at a time."""

    def __init__(self, matrix: Tensor) -> None:
        self.matrix = matrix

    def score(self, users: Tensor, items: Tensor) -> Tensor:
        assert users.dim() == 1
        assert items.dim() == 2
        return torch.where(items < 0, -torch.inf, self.matrix[users.unsqueeze(1), items.clamp(min=0)])


@settings(max_examples=15)
@given(cases())
def test_a_model_is_as_good_as_its_matrix(case: Case) -> None:
    matrix = case.matrix.float()
    agents: list[Agent] = [MagusAgent(case.graph, matrix), MagusAgent(case.graph, Model(matrix))]
    logs = [simulate(agent, case.sessions, None, case.rounds, case.list_length) for agent in agents]
    assert rows_of(logs[0]) == rows_of(logs[1])


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("relations", "opposite"),
        ("scope", "world"),
        ("searched", "yes"),
        ("negative", "minus"),
        ("unclicked", "skip"),
        ("hops", 0),
        ("minus_scale", -0.5),
        ("minus_scale", float("nan")),
        ("minus_scale", float("inf")),
    ],
)
def test_options_out_of_range_are_named(apple: pd.DataFrame, name: str, value: object) -> None:
    graph = build_relational_graph(apple, APPLE_FIELDS)
    options = MagusOptions(**{name: value})  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match=rf"magus\.{name} .*got {value!r}"):
        MagusAgent(graph, torch.zeros(1, 3), options)


def test_weights_of_another_graph(apple: pd.DataFrame) -> None:
    graph = build_relational_graph(apple, APPLE_FIELDS)
    wrong = EdgeFactors(torch.ones(13, 2), torch.ones(12, 2))
    with pytest.raises(GraphError, match="12 nodes, and this one has 13"):
        MagusAgent(graph, torch.zeros(1, 3), factors=wrong)

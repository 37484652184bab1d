"""The static agent: the first guess of MAGUS, once, whatever is answered."""

from dataclasses import replace

import pytest
import torch
from catalogues import APPLE_FIELDS, apple_table
from hypothesis import given
from playing import Case, Watched, any_options, cases
from torch import Tensor
from torch_geometric.data import HeteroData

from magus_pyg.agents import MagusAgent, MagusOptions, StaticAgent
from magus_pyg.agents.context import AgentContext
from magus_pyg.agents.methods import METHODS
from magus_pyg.agents.variants import BaseVariant
from magus_pyg.data import Sessions
from magus_pyg.errors import ConfigError
from magus_pyg.graph import build_relational_graph
from magus_pyg.simulation import Agent, NoisyUser, Scorer, TruthfulUser, simulate
from magus_pyg.testing import AgentContract, small_graph, small_scores, small_sessions
from magus_pyg.testing.agent_contract import AsksOnly
from reference import Session, catalogue_nodes, words_of_rows


class TestStatic(AgentContract):
    @classmethod
    def make(cls, graph: HeteroData, scorer: Scorer | Tensor) -> Agent:
        return StaticAgent(graph, scorer)


def test_by_hand() -> None:
    # Scores of the first round in test_magus_by_hand: pro 1, C 11/14, A 5/7, iphone 4/7, B 1/2, macbook and grey 3/7,
    # airpods 0. C 2, A 0, B 1; airpods 3, iphone 4, macbook 5, pro 6, grey 7.
    graph = build_relational_graph(apple_table(), APPLE_FIELDS, max_words=1)
    sessions = Sessions(torch.tensor([0]), torch.tensor([[0, 1, 2]]), torch.tensor([[False, True, False]]))
    log = simulate(StaticAgent(graph, torch.tensor([[7.0, 4.0, 8.0]])), sessions, rounds=4, list_length=2)
    assert log["shown"].tolist() == [[6, 2], [0, 4], [1, 5]]
    assert log["clicked"].tolist() == [-1, -1, 1]
    assert set(log["agent"]) == {"static"}


@given(cases(), any_options())
def test_it_lists_the_guess_in_order(case: Case, options: MagusOptions) -> None:
    watched = Watched(StaticAgent(case.graph, case.matrix, options))
    log = simulate(watched, case.sessions, None, case.rounds, case.list_length)
    for session in range(len(case.sessions)):
        magus = MagusAgent(case.graph, case.matrix, options)
        one = case.sessions.take(torch.tensor([session]))
        long = simulate(magus, one, AsksOnly(), 1, len(case.nodes))
        shown = log[log["session"] == session]["shown"].sum()
        assert shown == long["shown"].iloc[0][: len(shown)]
        scores = [turn[session] for turn in watched.scores if session < len(turn) and turn[session]]
        assert all(turn == scores[0] for turn in scores)


def test_answers_change_nothing() -> None:
    graph = small_graph()
    agent, sessions = StaticAgent(graph, small_scores()), small_sessions(targets=False)
    users = (TruthfulUser(), AsksOnly(), NoisyUser(0.4))
    logs = [simulate(agent, sessions, user, rounds=5, list_length=2)["shown"].tolist() for user in users]
    assert logs[0] == logs[1] == logs[2]


def test_searched_queries_rise() -> None:
    graph, scores = small_graph(), small_scores()
    with_searches, without = (
        simulate(StaticAgent(graph, scores), small_sessions(searched=searched), rounds=1) for searched in (True, False)
    )
    assert with_searches["shown"].tolist() != without["shown"].tolist()


def test_options_out_of_range() -> None:
    with pytest.raises(ConfigError, match=r"magus\.hops"):
        StaticAgent(small_graph(), small_scores(), MagusOptions(hops=0))
    assert "relations='swapped'" in repr(StaticAgent(small_graph(), small_scores(), MagusOptions(relations="swapped")))


def test_reference_ranking_is_the_same() -> None:
    """By the slow reference on the small catalogue's full session."""
    rows = apple_table().to_dict("records")
    nodes = catalogue_nodes(words_of_rows(rows, APPLE_FIELDS), APPLE_FIELDS, 2)
    session = Session(nodes, [0, 1, 2], [3.0, 1.0, 2.0])
    session.normalise()
    graph = build_relational_graph(apple_table(), APPLE_FIELDS, max_words=2)
    one = Sessions(torch.tensor([0]), torch.tensor([[0, 1, 2]]), torch.zeros((1, 3), dtype=torch.bool))
    log = simulate(StaticAgent(graph, torch.tensor([[3.0, 1.0, 2.0]])), one, rounds=1, list_length=len(nodes))
    assert log["shown"].tolist() == [session.ranking()]


def test_by_name() -> None:
    context = AgentContext(small_graph(), small_scores(), BaseVariant(relations="swapped"))  # type: ignore[arg-type]
    agent = METHODS["static"].build(context, {})
    assert isinstance(agent, StaticAgent)
    assert agent.guess.options == replace(MagusOptions(), relations="swapped")

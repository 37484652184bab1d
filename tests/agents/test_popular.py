"""Nodes by their counts: counts by hand and as MPS counts word combinations, lists, the rows by name."""

import pytest
import torch
from catalogues import APPLE_FIELDS, apple_table
from torch import Tensor
from torch_geometric.data import HeteroData

from magus_pyg.agents import StaticAgent
from magus_pyg.agents.context import AgentContext
from magus_pyg.agents.methods import METHODS
from magus_pyg.agents.popular import PopularAgent, node_counts
from magus_pyg.data import Sessions
from magus_pyg.errors import ConfigError
from magus_pyg.graph import build_relational_graph, find_query, n_items, n_nodes, node_words
from magus_pyg.models import MPS, FeatureSpace, Hybrid, HybridOptions, Interactions, MPSOptions
from magus_pyg.ragged import Ragged
from magus_pyg.simulation import NoisyUser, Scorer, TruthfulUser, simulate
from magus_pyg.testing import AgentContract, small_graph, small_sessions


def space(graph: HeteroData, users: int) -> FeatureSpace:
    count = n_items(graph)
    words, none = node_words(graph).select(torch.arange(count)), Ragged.from_lists([[]] * users)
    return FeatureSpace(users, count, len(graph.vocabulary.words), 0, words, none)


def rows(user: list[int], item: list[int], label: list[int]) -> Interactions:
    return Interactions(torch.tensor(user), torch.tensor(item), torch.tensor(label))


def popular(graph: HeteroData, users: int = 64) -> MPS:
    count = n_items(graph)
    liked = [item for item in range(count) for _ in range(1 + (item * 7) % 5)]
    return MPS(MPSOptions(), space(graph, users), rows([0] * len(liked), liked, [1] * len(liked)))


class TestPopular(AgentContract):
    @classmethod
    def make(cls, graph: HeteroData, scorer: Scorer | Tensor) -> PopularAgent:
        return PopularAgent(graph, popular(graph))


def apples() -> tuple[HeteroData, MPS]:
    """A macbook pro grey, liked twice; B airpods, three times (and disliked); C iphone pro, once."""
    graph = build_relational_graph(apple_table(), APPLE_FIELDS, max_words=1)
    log = rows([0, 0, 1, 1, 1, 0, 1], [0, 1, 1, 1, 0, 2, 1], [1, 1, 1, 1, 1, 1, 0])
    return graph, MPS(MPSOptions(), space(graph, 2), log)


def test_counts_and_lists_by_hand() -> None:
    graph, model = apples()
    airpods, iphone, macbook, pro, grey = (
        find_query(graph, [word]) for word in ("airpods", "iphone", "macbook", "pro", "grey")
    )
    counts = node_counts(graph, model.positives)
    assert {node: counts[node].item() for node in range(n_nodes(graph))} == {
        0: 2, 1: 3, 2: 1, airpods: 3, iphone: 1, macbook: 2, pro: 3, grey: 2
    }  # fmt: skip
    sessions = Sessions(torch.tensor([0]), torch.tensor([[2, 1, 0]]), torch.tensor([[True, False, False]]))
    log = simulate(PopularAgent(graph, model), sessions, rounds=4, list_length=2)
    order = [node for _, node in sorted((-counts[node].item(), node) for node in range(n_nodes(graph)))]
    assert log["shown"].tolist() == [order[:2], order[2:4], order[4:6], order[6:]]
    assert set(log["agent"]) == {"static"}


def test_counts_are_those_of_the_whole_catalogue() -> None:
    """Item A is no candidate, and its rows count for "pro" all the same."""
    graph, model = apples()
    sessions = Sessions(torch.tensor([0]), torch.tensor([[1, 2]]), torch.tensor([[False, False]]))
    log = simulate(PopularAgent(graph, model), sessions, rounds=1, list_length=5)
    counts = node_counts(graph, model.positives)
    assert counts[log["shown"][0]].tolist() == [3, 3, 3, 1, 1]


@pytest.mark.parametrize("kind", [MPS, Hybrid])
def test_values_are_the_models_own_of_word_combinations(kind: type[MPS]) -> None:
    """The graph's counts against those that the model finds by words; Hybrid's mix against its scores."""
    graph = small_graph()
    items = n_items(graph)
    options = MPSOptions() if kind is MPS else HybridOptions()
    generator = torch.Generator().manual_seed(0)
    item = torch.randint(items, (60,), generator=generator)
    log = Interactions(torch.arange(60) % 4, item, (torch.arange(60) % 3 > 0).to(torch.int64))
    model = kind(options, space(graph, 4), log)  # type: ignore[arg-type]
    queries = node_words(graph).select(torch.arange(items, n_nodes(graph)))
    counts = node_counts(graph, model.positives)
    assert torch.equal(counts[items:], model.covered(queries).to(torch.float64))
    sessions = Sessions(torch.tensor([3]), torch.arange(items).unsqueeze(0), torch.zeros((1, items)) > 0)
    shown = simulate(PopularAgent(graph, model), sessions, rounds=1, list_length=n_nodes(graph))["shown"][0]
    user = torch.tensor([3])
    scores = torch.cat([model.score(user, torch.arange(items))[0], model.score_words(user, queries)[0]])
    assert (scores[shown].diff() <= 1e-6).all()
    assert len(shown) == n_nodes(graph)


def test_answers_change_nothing() -> None:
    graph = small_graph()
    agent, sessions = PopularAgent(graph, popular(graph)), small_sessions(targets=False)
    logs = [simulate(agent, sessions, user, rounds=5)["shown"].tolist() for user in (TruthfulUser(), NoisyUser(0.4))]
    assert logs[0] == logs[1]


def test_rows_by_name() -> None:
    graph = small_graph()
    model = popular(graph)
    assert isinstance(METHODS["static"].build(AgentContext(graph, model), {}), PopularAgent)
    model.options.rows = "score"
    assert isinstance(METHODS["static"].build(AgentContext(graph, model), {}), StaticAgent)
    with pytest.raises(ConfigError, match=r"model\.rows must be one of count, score.* \(got 'counts'\)"):
        MPSOptions(rows="counts")
    assert HybridOptions().rows == "count"

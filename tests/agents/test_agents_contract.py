"""The agents under the contract of all agents, and the contract itself: agents that break it are caught."""

import gc

import pytest
import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from magus_pyg.agents import BayesAgent, BayesState, EdgeFactors, ItemsAgent, MagusAgent, MagusOptions
from magus_pyg.data import Sessions
from magus_pyg.graph import n_nodes
from magus_pyg.simulation import Agent, Play, Scorer, SessionView, simulate
from magus_pyg.testing import AgentContract, small_graph, small_scores, small_sessions
from magus_pyg.testing.target_spy import TargetSpy


class TestItems(AgentContract):
    shows_queries = False

    @classmethod
    def make(cls, graph: HeteroData, scorer: Scorer | Tensor) -> Agent:
        return ItemsAgent(graph, scorer)


class TestMagus(AgentContract):
    @classmethod
    def make(cls, graph: HeteroData, scorer: Scorer | Tensor) -> Agent:
        return MagusAgent(graph, scorer)


class TestMagusWithTies(TestMagus):
    @classmethod
    def scorer(cls, graph: HeteroData) -> Tensor:
        return small_scores(ties=True)


class TestMagusSigned(AgentContract):
    @classmethod
    def make(cls, graph: HeteroData, scorer: Scorer | Tensor) -> Agent:
        options = MagusOptions(negative="signed_both", unclicked="unknown", hops=2, scope="catalogue", clamp=True)
        return MagusAgent(graph, scorer, options)


class TestMagusPlus(AgentContract):
    @classmethod
    def make(cls, graph: HeteroData, scorer: Scorer | Tensor) -> Agent:
        weights = torch.rand((n_nodes(graph), 3), generator=torch.Generator().manual_seed(1), dtype=torch.float64)
        return MagusAgent(graph, scorer, factors=EdgeFactors(weights, weights.flip(1), 0.7, 0.4))


class TestBayes(AgentContract):
    @classmethod
    def make(cls, graph: HeteroData, scorer: Scorer | Tensor) -> Agent:
        return BayesAgent(
            graph,
            scorer,
            BayesState(error_rate=0.1, searched_error=0.2, discount=0.9, forgetting=0.1, click_weight=0.5),
        )


class Cheat:
    """Plays like `items` and looks at the targets on the way."""

    name = "cheat"

    def __init__(self, graph: HeteroData, sessions: Sessions, way: str) -> None:
        self.graph, self.scorer, self.sessions, self.way = graph, small_scores(), sessions, way
        self.kept = sessions.targets

    def start(self, view: SessionView) -> Play:
        if self.way == "attribute":
            self.sessions.targets.any()
        elif self.way == "tensor":
            self.kept[0].tolist()
        else:
            for entry in gc.get_objects():
                if isinstance(entry, Sessions):
                    entry.targets.any()
        return ItemsAgent(self.graph, self.scorer).start(view)


@pytest.mark.parametrize("way", ["attribute", "tensor", "memory"])
def test_the_spy_sees_who_reads_targets(way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    spy = TargetSpy()
    sessions = spy.sessions(small_sessions())
    agent = spy.agent(Cheat(small_graph(), sessions, way))
    with spy.watch(monkeypatch), pytest.raises(AssertionError, match="the agent reads the"):
        simulate(agent, sessions)


class Leak(Cheat):
    """Looks at what the loop made of the targets, found in the memory."""

    def start(self, view: SessionView) -> Play:
        for entry in gc.get_objects():
            if isinstance(entry, Tensor) and entry.shape == view.graphs.node.shape and entry.dtype == torch.int64:
                entry.sum()
        return ItemsAgent(self.graph, self.scorer).start(view)


def test_the_spy_sees_who_reads_counted_targets(monkeypatch: pytest.MonkeyPatch) -> None:
    spy = TargetSpy()
    sessions = spy.sessions(small_sessions())
    with spy.watch(monkeypatch), pytest.raises(AssertionError, match="the agent reads the targets with"):
        # The loop has counted the targets of the first batch when the second begins.
        simulate(spy.agent(Leak(small_graph(), sessions, "counts")), sessions, batch_size=4)


class Repeats:
    """Shows the same list again."""

    name = "repeats"

    def __init__(self, graph: HeteroData) -> None:
        self.graph, self.scorer = graph, small_scores()

    def start(self, view: SessionView) -> Play:
        play = ItemsAgent(self.graph, self.scorer).start(view)
        play.update = lambda feedback: None  # type: ignore[method-assign]
        return play


def test_an_agent_that_repeats_itself_breaks_the_contract() -> None:
    with pytest.raises(AssertionError, match="a node returns"):
        AgentContract().test_lists_are_full_until_no_node_is_left_and_none_returns(Repeats(small_graph()), 1, 0)

"""Simulated sessions on a whole catalogue: the record tables of sessions with all items as candidates."""

from collections.abc import Sequence

import pandas as pd
import pytest
import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from magus_pyg.agents import BayesAgent, BayesState, EdgeFactors, ItemsAgent, MagusAgent, MagusOptions
from magus_pyg.agents.node_rules import NodeRules
from magus_pyg.data import Sessions
from magus_pyg.graph import SessionGraphBuilder, build_relational_graph, n_nodes
from magus_pyg.online.catalogue import simulated
from magus_pyg.online.catalogue.simulated import (
    CataloguePlays,
    play_catalogue_batch,
    plays_catalogues,
    split_for_catalogue,
)
from magus_pyg.simulation import (
    Agent,
    DriftingUser,
    ImpatientUser,
    NoisyUser,
    NotCareUser,
    Play,
    SessionView,
    TruthfulUser,
    User,
    simulate,
)
from magus_pyg.simulation.loop import Plays
from magus_pyg.simulation.record_table import join_records

ITEMS, USERS = 60, 9


def world() -> tuple[HeteroData, Tensor, Sessions]:
    """A catalogue, scores, and sessions that leave some items out."""
    generator = torch.Generator().manual_seed(3)
    table = pd.DataFrame({"item_id": [f"i{n}" for n in range(ITEMS)]})
    for field, size in (("a", 5), ("b", 4)):
        table[field] = [f"{field}{n}" for n in torch.randint(0, size, (ITEMS,), generator=generator).tolist()]
    graph = build_relational_graph(table, word_fields=["a", "b"], item_id="item_id", max_words=2)
    scores = torch.randn(USERS, ITEMS, generator=generator, dtype=torch.float64)
    order = torch.rand(USERS, ITEMS, generator=generator).argsort(1)
    length = torch.randint(40, ITEMS + 1, (USERS, 1), generator=generator)
    candidates = torch.where(torch.arange(ITEMS) < length, order, -1)
    candidates[0] = torch.arange(ITEMS)
    targets = torch.zeros_like(candidates, dtype=torch.bool)
    targets[:, 3], targets[:, 7] = True, True
    searched = torch.randint(ITEMS, n_nodes(graph), (USERS, 2), generator=generator)
    searched[1, 0], searched[2] = -1, searched[2, 0]
    return graph, scores, Sessions(torch.arange(USERS), candidates, targets, searched, 3 * torch.arange(USERS))


def plays_of(agents: Sequence[tuple[Agent, int]], user: User) -> Plays:
    """What plays with a seed and lists of three."""
    return Plays(agents, SessionGraphBuilder(agents[0][0].graph), agents[0][0].scorer, user, 3, seed=4)


def agents_of(graph: HeteroData, scores: Tensor) -> list[tuple[Agent, int]]:
    """Each way to play a catalogue, with its rounds."""
    generator = torch.Generator().manual_seed(5)
    sides = (torch.rand(n_nodes(graph), 3, generator=generator, dtype=torch.float64) for _ in range(2))
    switches = MagusOptions(minus_scale=0.1, clamp=True, negative="signed", searched="literal", scope="catalogue")
    state = BayesState(temperature=0.7, error_rate=0.1, others=0.3, searched_error=0.2)
    return [
        (ItemsAgent(graph, scores), 5),
        (MagusAgent(graph, scores, MagusOptions()), 6),
        (MagusAgent(graph, scores, switches), 4),
        (MagusAgent(graph, scores, None, EdgeFactors(*sides, refusal=0.3)), 5),
        (BayesAgent(graph, scores, state), 4),
    ]


@pytest.mark.parametrize(
    "user",
    [TruthfulUser(), NoisyUser(0.2), ImpatientUser(0.2), NotCareUser(), DriftingUser()],
    ids=lambda user: type(user).__name__,
)
def test_records_are_those_of_session_graphs(user: User, monkeypatch: pytest.MonkeyPatch) -> None:
    graph, scores, sessions = world()
    agents = agents_of(graph, scores)
    plays = plays_of(agents, user)
    monkeypatch.setattr(simulated, "_NODES", 4 * n_nodes(graph))
    batches = split_for_catalogue(plays, sessions, 256)
    assert [len(batch) for batch in batches] == [4, 4, 1]
    shared = CataloguePlays(plays)
    played = [play_catalogue_batch(shared, batch) for batch in batches]
    for place, (agent, rounds) in enumerate(agents):
        expected = simulate(agent, sessions, user, rounds, 3, seed=4)
        pd.testing.assert_frame_equal(join_records([batch.records[place] for batch in played]), expected)
        assert expected["round"].max() > 1


class Silent:
    """An agent of one's own that says nothing of catalogues."""

    name = "silent"

    def __init__(self, graph: HeteroData, scorer: Tensor) -> None:
        self.graph, self.scorer = graph, scorer

    def start(self, view: SessionView) -> Play:
        """Play items."""
        return ItemsAgent(self.graph, self.scorer).start(view)


class Declared(Silent):
    """One that says how."""

    node_rules = NodeRules("none")


def test_an_agent_of_ones_own_plays_by_the_rules_that_it_declares() -> None:
    graph, scores, sessions = world()
    agent = Declared(graph, scores)
    (records,) = play_catalogue_batch(CataloguePlays(plays_of([(agent, 5)], TruthfulUser())), sessions).records
    pd.testing.assert_frame_equal(records, simulate(agent, sessions, TruthfulUser(), 5, 3, seed=4))


def test_who_plays_a_catalogue() -> None:
    graph, scores, sessions = world()
    assert all(plays_catalogues(agent) for agent, _ in agents_of(graph, scores))
    assert not plays_catalogues(MagusAgent(graph, scores, MagusOptions(hops=2)))
    assert not plays_catalogues(BayesAgent(graph, scores, exact=True))
    assert plays_catalogues(Declared(graph, scores))
    assert not plays_catalogues(Silent(graph, scores))
    plays = plays_of(agents_of(graph, scores), TruthfulUser())
    assert split_for_catalogue(plays, sessions.take(torch.arange(0)), 4) == []
    one = play_catalogue_batch(CataloguePlays(plays), sessions.take(torch.tensor([4])))
    assert {table["session"].unique().item() for table in one.records} == {12}

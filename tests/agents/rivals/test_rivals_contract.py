"""The rivals under the contract of all agents, with networks that have random weights."""

from rival_cases import randomised
from torch import Tensor
from torch_geometric.data import HeteroData

from magus_pyg.agents.rivals import (
    BaseFeatures,
    BeliefCalibration,
    CRMAgent,
    EarAgent,
    EstimationNetwork,
    MaxEntropyAgent,
    MaxEntropyState,
    RecurrentAgent,
    RecurrentNetwork,
    crm,
    ear,
)
from magus_pyg.agents.rivals.policy import PolicyNetwork
from magus_pyg.models import BaseRecommender
from magus_pyg.simulation import Agent, Scorer
from magus_pyg.testing import AgentContract, small_model, small_scores


def features_of(graph: HeteroData, scorer: Scorer | Tensor) -> BaseFeatures:
    assert isinstance(scorer, BaseRecommender)
    return BaseFeatures(graph, scorer)


class TestMaxEntropy(AgentContract):
    @classmethod
    def make(cls, graph: HeteroData, scorer: Scorer | Tensor) -> Agent:
        return MaxEntropyAgent(graph, scorer, MaxEntropyState(0.3, 0.05, 0.2, 0.4, items=1, ending=False))


class TestMaxEntropyWithTies(AgentContract):
    @classmethod
    def make(cls, graph: HeteroData, scorer: Scorer | Tensor) -> Agent:
        return MaxEntropyAgent(graph, scorer)

    @classmethod
    def scorer(cls, graph: HeteroData) -> Tensor:
        return small_scores(ties=True)


class TestCRM(AgentContract):
    @classmethod
    def make(cls, graph: HeteroData, scorer: Scorer | Tensor) -> Agent:
        network = randomised(PolicyNetwork(crm.N_NODE, crm.N_SESSION, 8))
        return CRMAgent(graph, scorer, network, BeliefCalibration(0.4, 0.1, 0.3))


class TestEar(AgentContract):
    @classmethod
    def make(cls, graph: HeteroData, scorer: Scorer | Tensor) -> Agent:
        features = features_of(graph, scorer)
        network = randomised(PolicyNetwork(ear.N_NODE, ear.N_SESSION, 8))
        estimation = randomised(EstimationNetwork(features.size, 3), 6)
        return EarAgent(graph, scorer, network, features, estimation, BeliefCalibration(0.7), rate=0.3)

    @classmethod
    def scorer(cls, graph: HeteroData) -> Scorer | Tensor:
        return small_model(graph)


class TestRecurrent(AgentContract):
    @classmethod
    def make(cls, graph: HeteroData, scorer: Scorer | Tensor) -> Agent:
        features = features_of(graph, scorer)
        network = randomised(RecurrentNetwork(features.size, 6, 3, 4))
        return RecurrentAgent(graph, scorer, features, network, temperature=0.6, offset=-0.5)

    @classmethod
    def scorer(cls, graph: HeteroData) -> Scorer | Tensor:
        return small_model(graph)

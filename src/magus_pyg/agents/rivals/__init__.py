"""Rival agents over the same nodes, lists and users: recurrent, max_entropy, crm and ear.

EAR's own protocol, with binary questions on a whole catalogue, is in `dialogues`.
"""

from magus_pyg.agents.bayes.belief import BeliefCalibration
from magus_pyg.agents.rivals.base_features import BaseFeatures
from magus_pyg.agents.rivals.crm import CRMAgent, fit_crm
from magus_pyg.agents.rivals.ear import EarAgent, fit_ear
from magus_pyg.agents.rivals.estimation import EstimationNetwork
from magus_pyg.agents.rivals.max_entropy import (
    MaxEntropyAgent,
    MaxEntropyState,
    fit_belief_calibration,
    fit_max_entropy,
)
from magus_pyg.agents.rivals.recurrent_agent import RecurrentAgent, RecurrentNetwork
from magus_pyg.agents.rivals.recurrent_training import fit_recurrent
from magus_pyg.agents.rivals.rival_options import EarOptions, PolicyOptions, RecurrentAgentOptions, RivalOptions
from magus_pyg.agents.rivals.rollout import TrainingSessions, prepare_scored

__all__ = [
    "BaseFeatures",
    "BeliefCalibration",
    "CRMAgent",
    "EarAgent",
    "EarOptions",
    "EstimationNetwork",
    "MaxEntropyAgent",
    "MaxEntropyState",
    "PolicyOptions",
    "RecurrentAgent",
    "RecurrentAgentOptions",
    "RecurrentNetwork",
    "RivalOptions",
    "TrainingSessions",
    "fit_belief_calibration",
    "fit_crm",
    "fit_ear",
    "fit_max_entropy",
    "fit_recurrent",
    "prepare_scored",
]

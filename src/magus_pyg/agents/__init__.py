"""The ways to recommend: the items floor, the static ranking, MAGUS, MAGUS+, `normalised`, the Bayesian variant
(`bayes/`) and the rivals (`rivals/`), with what each learns before it plays.

Simulated users and the loop that plays are in `simulation`, one person's session is in `online`, and EAR's dialogues
have agents of their own in `dialogues`.
"""

from magus_pyg.agents.bayes import BayesAgent, BayesState, fit_bayes
from magus_pyg.agents.items import ItemsAgent
from magus_pyg.agents.judging import Judge, choose_weight_form
from magus_pyg.agents.magus import EdgeFactors, MagusAgent
from magus_pyg.agents.magus_options import MagusOptions
from magus_pyg.agents.static import StaticAgent
from magus_pyg.agents.weights import WeightForm, WeightTrainOptions, edge_factors, train_node_features

__all__ = [
    "BayesAgent",
    "BayesState",
    "EdgeFactors",
    "ItemsAgent",
    "Judge",
    "MagusAgent",
    "MagusOptions",
    "StaticAgent",
    "WeightForm",
    "WeightTrainOptions",
    "choose_weight_form",
    "edge_factors",
    "fit_bayes",
    "train_node_features",
]

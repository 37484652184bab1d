"""`magus=bayes`: a belief over the candidates flows through the relational graph instead of scores.

Scores and their calibration are not made here: they come from a base recommender in `models`, or from anywhere else.
"""

from magus_pyg.agents.bayes.agent import BayesAgent
from magus_pyg.agents.bayes.asking import PlanSettings
from magus_pyg.agents.bayes.belief import BayesState, ItemMass, answer_evidence, initial_logit, searched_evidence
from magus_pyg.agents.bayes.belief_fitting import fit_bayes, fit_temperature, target_log_likelihood
from magus_pyg.agents.bayes.choices import QueryChoices, distinct_queries
from magus_pyg.agents.bayes.optimal import optimal_success
from magus_pyg.agents.bayes.planning import Plan, plan_lists

__all__ = [
    "BayesAgent",
    "BayesState",
    "ItemMass",
    "Plan",
    "PlanSettings",
    "QueryChoices",
    "answer_evidence",
    "distinct_queries",
    "fit_bayes",
    "fit_temperature",
    "initial_logit",
    "optimal_success",
    "plan_lists",
    "searched_evidence",
    "target_log_likelihood",
]

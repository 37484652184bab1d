"""`magus=bayes`: a belief over the candidates flows through the relational graph instead of scores."""

from magus_pyg.agents.bayes.agent import BayesAgent
from magus_pyg.agents.bayes.belief import BayesState, ItemMass, answer_likelihood, initial_belief
from magus_pyg.agents.bayes.choices import QueryChoices, distinct_queries
from magus_pyg.agents.bayes.fitting import fit_bayes, fit_temperature, target_log_likelihood
from magus_pyg.agents.bayes.planning import best_mass, plan_lists

__all__ = [
    "BayesAgent",
    "BayesState",
    "ItemMass",
    "QueryChoices",
    "answer_likelihood",
    "best_mass",
    "distinct_queries",
    "fit_bayes",
    "fit_temperature",
    "initial_belief",
    "plan_lists",
    "target_log_likelihood",
]

"""How MAGUS+ and the Bayesian variant learn what they add to a base recommender, for the pipeline."""

from dataclasses import asdict
from typing import Any

import torch

from magus_pyg.agents import (
    BayesAgent,
    BayesState,
    Judge,
    MagusAgent,
    WeightForm,
    choose_weight_form,
    edge_factors,
    fit_bayes,
    train_node_features,
)
from magus_pyg.agents.fitted_states import AgentState, bayes_state, plus_factors
from magus_pyg.agents.variants import BayesVariant, PlusVariant
from magus_pyg.data import Sessions
from magus_pyg.errors import DataError, RunError
from magus_pyg.experiment.context import AgentContext
from magus_pyg.graph import n_nodes
from magus_pyg.simulation import Agent, prepare_sessions
from magus_pyg.simulation.users_by_name import build_user

__all__ = [
    "build_bayes",
    "build_plus",
    "fit_bayes_state",
    "fit_plus",
    "validation_judge",
]

_MOST_SESSIONS = 500
"""Validation sessions that forms and parameters are judged on, at most."""


def validation_judge(context: AgentContext, plans: bool) -> Judge:
    """On the validation sessions, with the user that the run is for."""
    options, config = context.config.simulation, context.config
    assert context.sessions is not None, "fitting needs sessions"
    try:
        sessions = context.sessions("validation")
    except DataError as error:  # no user has one: the variants then say which defaults they play with
        context.say(str(error))
        none = torch.zeros((0, 1), dtype=torch.int64)
        sessions = Sessions(none[:, 0], none, none.bool())
    sessions = sessions.take(torch.arange(min(len(sessions), _MOST_SESSIONS)))
    prepared = prepare_sessions(context.graph, sessions, context.model, options.batch_size)
    return Judge(prepared, options.judged_at, options.list_length, build_user(config.user), config.seed, plans)


def fit_plus(context: AgentContext) -> AgentState:
    """Train the node features, choose the form of the weights on validation sessions, and make the factors.

    The table of all forms tried goes to `context.tables["magus+"]`.

    Raises:
        ModelError: a base recommender without embeddings.
    """
    variant = context.config.magus if isinstance(context.config.magus, PlusVariant) else PlusVariant()
    assert context.rows is not None, "fitting needs the rows of the log"
    rows = context.rows()
    columns = [(part.user, part.item, part.label) for part in (rows.train, rows.validation)]
    features = train_node_features(
        context.graph, context.model, columns[0], columns[1], variant.training, context.config.seed
    )
    form = WeightForm(raw=True)
    if variant.weights == "fitted":
        judge = validation_judge(context, plans=False)
        if len(judge.sessions):
            form, table = choose_weight_form(
                context.graph, context.model, features, context.config.magus_options, judge
            )
            context.tables["magus+"] = table
        else:
            form = WeightForm()
            context.say("there are no validation sessions to choose weights on: magus+ plays with unit weights")
    context.say(f"magus+ weights: {form}")
    factors = edge_factors(context.graph, features, form)
    return {
        "positive": factors.positive.to(torch.float32),
        "negative": factors.negative.to(torch.float32),
        "minus_scale": torch.tensor(factors.minus_scale, dtype=torch.float64),
        "refusal": torch.tensor(factors.refusal, dtype=torch.float64),
    }


def build_plus(context: AgentContext, state: AgentState) -> Agent:
    """MAGUS+ from what `fit_plus` stored.

    Raises:
        RunError: nothing was stored, or for another graph.
    """
    if not state:
        raise RunError("magus+ has no learned weights in this run: train with magus=plus")
    if state["positive"].shape[0] != n_nodes(context.graph):
        nodes = state["positive"].shape[0]
        raise RunError(f"the weights are of a graph of {nodes} nodes, and this one has {n_nodes(context.graph)}")
    return MagusAgent(context.graph, context.model, context.config.magus_options, plus_factors(state))


def fit_bayes_state(context: AgentContext) -> AgentState:
    """Fit the state of the Bayesian variant on validation sessions; what the configuration sets stays."""
    variant = context.config.magus if isinstance(context.config.magus, BayesVariant) else BayesVariant()
    judge = validation_judge(context, plans=True)
    limits: dict[str, Any] = {}
    if variant.error_rate is not None:
        limits["error_rates"] = (variant.error_rate,)
    if variant.depth is not None:
        limits["depths"] = (variant.depth,)
    if variant.others is not None:
        limits["shares_of_others"] = ()
    fitted = fit_bayes(context.graph, context.model, judge.sessions, judge, **limits)
    state = variant.over(fitted).check()
    context.say(f"bayes: {state}")
    return {name: torch.tensor(float(value), dtype=torch.float64) for name, value in asdict(state).items()}


def build_bayes(context: AgentContext, state: AgentState) -> Agent:
    """The Bayesian variant from what `fit_bayes_state` stored and what the configuration sets."""
    variant = context.config.magus if isinstance(context.config.magus, BayesVariant) else BayesVariant()
    if not state:
        context.say(f"bayes was not fitted in this run; it plays with {variant.over(BayesState())}")
    return BayesAgent(context.graph, context.model, variant.over(bayes_state(state)), exact=variant.exact)

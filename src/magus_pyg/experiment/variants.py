"""How MAGUS+ and the Bayesian variant learn what they add to a base recommender, for the pipeline."""

from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any

import torch

from magus_pyg.agents import (
    BayesAgent,
    BayesState,
    EdgeFactors,
    Judge,
    MagusAgent,
    MagusOptions,
    WeightForm,
    WeightTrainOptions,
    choose_weight_form,
    edge_factors,
    fit_bayes,
    train_node_features,
)
from magus_pyg.data import Sessions
from magus_pyg.errors import ConfigError, DataError, RunError
from magus_pyg.experiment.config import VariantOptions
from magus_pyg.experiment.context import AgentContext, AgentState
from magus_pyg.experiment.users import build_user
from magus_pyg.graph import n_nodes
from magus_pyg.simulation import Agent, prepare_sessions

__all__ = [
    "BayesVariant",
    "PlusVariant",
    "build_bayes",
    "build_plus",
    "fit_bayes_state",
    "fit_plus",
    "validation_judge",
]

WEIGHTS = ("fitted", "raw")
_MOST_SESSIONS = 500
"""Validation sessions that forms and parameters are judged on, at most."""


@dataclass
class PlusVariant(MagusOptions, VariantOptions):
    """MAGUS+: MAGUS with learned edge weights.

    Attributes:
        name: "plus".
        weights: "fitted": the form of the weights is chosen on validation sessions, unit weights among the forms;
            "raw": the dot products of Eq. (14) as printed.
        training: how the node features are trained (Eqs. 10-13).
    """

    name: str = "plus"
    weights: str = "fitted"
    training: WeightTrainOptions = field(default_factory=WeightTrainOptions)

    def check(self) -> "PlusVariant":
        """The options themselves; ConfigError where one is out of range."""
        super().check()
        if self.weights not in WEIGHTS:
            raise ConfigError(f"magus.weights must be one of {list(WEIGHTS)}, got {self.weights!r}")
        return self


@dataclass
class BayesVariant(VariantOptions):
    """The Bayesian variant; what is None is fitted on validation sessions.

    Attributes:
        name: "bayes".
        temperature: the base scores are divided by it; positive.
        error_rate: share of answers to queries taken to be wrong, in [0, 0.5).
        searched_error: share of searched queries that the item in mind does not contain, in (0, 0.5].
        others: how many targets a session has beside the one in mind, on average; at least 0.
        depth: how many answers ahead a list is planned, at least 0.
        exact: plan densely, for comparison (True), or in near-linear time (False or None); the lists are the same.
    """

    name: str = "bayes"
    temperature: float | None = None
    error_rate: float | None = None
    searched_error: float | None = None
    others: float | None = None
    depth: int | None = None
    exact: bool | None = None

    def check(self) -> "BayesVariant":
        """The options themselves; ConfigError where one is out of range."""
        self.over(BayesState()).check()
        return self

    def over(self, state: BayesState) -> BayesState:
        """`state` with what is set here in its place."""
        chosen = {entry.name: getattr(self, entry.name) for entry in fields(BayesState)}
        return replace(state, **{name: value for name, value in chosen.items() if value is not None})


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


def plus_factors(state: AgentState) -> EdgeFactors:
    """The factors that `fit_plus` stored.

    Raises:
        RunError: what is stored is not what this version stores.
    """
    missing = {"positive", "negative", "minus_scale", "refusal"} - set(state)
    if missing:
        raise RunError(f"the learned weights of the run lack {', '.join(sorted(missing))}: train with magus=plus again")
    return EdgeFactors(state["positive"], state["negative"], float(state["minus_scale"]), float(state["refusal"]))


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


def bayes_state(state: AgentState) -> BayesState:
    """The state that `fit_bayes_state` stored; the defaults where nothing was.

    Raises:
        RunError: what is stored is not what this version stores.
    """
    if not state:
        return BayesState()
    missing = {entry.name for entry in fields(BayesState)} - set(state)
    if missing:
        raise RunError(f"what bayes fitted in the run lacks {', '.join(sorted(missing))}: train with magus=bayes again")
    values: dict[str, Any] = {name: float(state[name]) for name in asdict(BayesState())}
    return BayesState(**{**values, "depth": int(values["depth"])})


def build_bayes(context: AgentContext, state: AgentState) -> Agent:
    """The Bayesian variant from what `fit_bayes_state` stored and what the configuration sets."""
    variant = context.config.magus if isinstance(context.config.magus, BayesVariant) else BayesVariant()
    if not state:
        context.say(f"bayes was not fitted in this run; it plays with {variant.over(BayesState())}")
    return BayesAgent(context.graph, context.model, variant.over(bayes_state(state)), exact=variant.exact)

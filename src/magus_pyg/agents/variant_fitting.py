"""How MAGUS+ and the Bayesian variant learn what they add to a base recommender, and are built from it."""

from collections.abc import Sequence
from dataclasses import asdict

import torch

from magus_pyg.agents.bayes import BayesAgent, BayesState, fit_bayes
from magus_pyg.agents.context import AgentContext
from magus_pyg.agents.fitted_states import AgentState
from magus_pyg.agents.judging import RANKING, Judge, choose_weight_form
from magus_pyg.agents.magus import EdgeFactors, MagusAgent
from magus_pyg.agents.variants import BayesVariant, PlusVariant
from magus_pyg.agents.weights import WeightForm, edge_factors, train_node_features
from magus_pyg.data import Sessions
from magus_pyg.errors import DataError, ModelError, RunError
from magus_pyg.graph import SessionGraphBuilder, n_nodes
from magus_pyg.memory import require_memory
from magus_pyg.simulation import Agent, PreparedSessions
from magus_pyg.simulation.prepare import prepare_batches, split_sessions
from magus_pyg.simulation.users_by_name import build_user, user_text

__all__ = [
    "bayes_method",
    "build_bayes",
    "build_plus",
    "fit_bayes_state",
    "fit_plus",
    "validation_judge",
]

_MOST_SESSIONS = 500
"""Validation sessions that forms and parameters are judged on, at most."""

_FEATURE = 40
"""Bytes of a number of a node's features while they are learned: itself, its gradient, Adam's two averages, the best
so far, and what is made of them."""

_BESIDE_CLICKS = 0.1
"""What RA counts where the lists of the Bayesian variant are planned for clicks: these pay for it themselves, and what
is chosen beside them is to cost no success."""

_JUDGED = "validation sessions of the variants"


def validation_judge(context: AgentContext, plans: bool, ranking: float = RANKING) -> Judge:
    """On the validation sessions, prepared once for all variants of a run, with the user that the run is for."""
    options = context.simulation
    if _JUDGED not in context.shared:
        assert context.sessions is not None, "fitting needs sessions"
        try:
            sessions = context.sessions("validation")
        except DataError as error:  # no user has one: the variants then say which defaults they play with
            context.say(str(error))
            sessions = Sessions.none()
        sessions = sessions.take(torch.arange(min(len(sessions), _MOST_SESSIONS)))
        # A race begins on the first third: of all users alike, and in batches of its own. These are as large as memory
        # allows, since small ones cost as much.
        third = torch.arange(len(sessions)) % 3 == 0
        size = max(options.batch_size, _MOST_SESSIONS)
        builder, batches = SessionGraphBuilder(context.graph), []
        for chosen in (third, ~third):
            batches += split_sessions(builder, sessions.take(torch.nonzero(chosen).flatten()), size)
        context.shared[_JUDGED] = prepare_batches(builder, batches, context.model)
    prepared: PreparedSessions = context.shared[_JUDGED]
    user = build_user(context.user)
    settings = (options.list_length, user, context.seed, plans, options.min_items, ranking)
    return Judge(prepared, options.judged_at, *settings)


def fit_plus(context: AgentContext) -> AgentState:
    """Train the node features, choose the form of the weights on validation sessions, and make the factors.

    The table of all forms tried goes to `context.tables["magus+"]`.

    Raises:
        ModelError: a base recommender without embeddings, or node features that the memory does not hold.
    """
    _require_features(context)
    variant = context.variant if isinstance(context.variant, PlusVariant) else PlusVariant()
    assert context.rows is not None, "fitting needs the rows of the log"
    rows = context.rows()
    columns = [(part.user, part.item, part.label) for part in (rows.train, rows.validation)]
    features = train_node_features(context.graph, context.model, columns[0], columns[1], variant.training, context.seed)
    form = WeightForm(raw=True)
    if variant.weights == "fitted":
        judge = validation_judge(context, plans=False)
        if len(judge.sessions):
            made_of = (context.graph, context.model, features, context.magus_options)
            form, table = choose_weight_form(*made_of, judge, progress=context.progress, engine=context.engine)
            context.tables["magus+"] = table
        else:
            form = WeightForm()
            context.say("there are no validation sessions to choose weights on: magus+ plays with unit weights")
    context.say(f"magus+ weights: {form}")
    factors = edge_factors(context.graph, features, form)
    return factors.tensors()


def _require_features(context: AgentContext) -> None:
    """Refuse node features that the memory does not hold beside what trains them and the factors made of them."""
    nodes, dim = n_nodes(context.graph), int(getattr(context.model.options, "dim", 0))
    what = f"learning vectors of {nodes:,} nodes of length {dim} (magus=plus)"
    require_memory(_FEATURE * nodes * dim, what, "take a model of a lower model.dim, or magus=bayes", ModelError)


def build_plus(context: AgentContext, state: AgentState) -> Agent:
    """MAGUS+ from what `fit_plus` stored.

    Raises:
        RunError: nothing was stored, or for another graph.
    """
    if not state:
        raise RunError("magus+ has no learned weights in this run: train with magus=plus")
    factors = EdgeFactors.of_tensors(state, context.graph)
    return MagusAgent(context.graph, context.model, context.options_with(state), factors)


def fit_bayes_state(context: AgentContext, objective: str = "success") -> AgentState:
    """Fit the state of the Bayesian variant on validation sessions; what the configuration sets stays."""
    variant = context.variant if isinstance(context.variant, BayesVariant) else BayesVariant()
    chosen, user = variant.chosen(objective), _user_text(context)
    judge = validation_judge(context, plans=True, ranking=_BESIDE_CLICKS if chosen["click_weight"] else RANKING)
    name = bayes_method(objective)
    fitted = fit_bayes(context.graph, context.model, judge.sessions, judge, chosen, user, context.progress).check()
    context.say(f"{name}: {fitted}")
    return fitted.tensors()


def build_bayes(context: AgentContext, state: AgentState, objective: str = "success") -> Agent:
    """The Bayesian variant from what `fit_bayes_state` stored and what the configuration sets.

    What was fitted for other users or other rounds is played all the same, and said.
    """
    variant = context.variant if isinstance(context.variant, BayesVariant) else BayesVariant()
    fitted = BayesState.of_tensors(state) if state else BayesState()
    name, played = bayes_method(objective), variant.over(fitted, objective)
    if not state:
        context.say(f"{name} was not fitted in this run; it plays with {played}")
    elif fitted.user:
        user, rounds = _user_text(context), tuple(context.simulation.judged_at)
        if (user, rounds) != (fitted.user, fitted.rounds):
            context.say(
                f"{name} was fitted for the {fitted.user} and {_rounds_text(fitted.rounds)}; it plays with the {user} "
                f"and {_rounds_text(rounds)}: refit=true fits it for these"
            )
    agent = BayesAgent(context.graph, context.model, played, name, variant.exact)
    agent.told = True
    return agent


def bayes_method(objective: str) -> str:
    """The name of the Bayesian method whose lists are for an objective."""
    return "bayes" if objective == "success" else f"bayes-{objective}"


def _user_text(context: AgentContext) -> str:
    settings = asdict(context.user)
    return user_text(settings.pop("name"), settings)


def _rounds_text(rounds: Sequence[int]) -> str:
    return f"{' and '.join(map(str, rounds))} rounds"

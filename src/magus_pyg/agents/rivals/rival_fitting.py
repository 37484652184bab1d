"""How the rival agents learn what they add to a base recommender, and are built from it."""

from dataclasses import dataclass

import pandas as pd
from torch import Tensor

from magus_pyg.agents.context import AgentContext
from magus_pyg.agents.fitted_states import AgentState
from magus_pyg.agents.judging import Judge
from magus_pyg.agents.rivals import (
    BaseFeatures,
    CRMAgent,
    EarAgent,
    MaxEntropyAgent,
    MaxEntropyState,
    RecurrentAgent,
    TrainingSessions,
    fit_belief_calibration,
    fit_crm,
    fit_ear,
    fit_max_entropy,
    fit_recurrent,
)
from magus_pyg.data import Sessions
from magus_pyg.errors import DataError, ModelError, RunError
from magus_pyg.models import BaseRecommender, Interactions, build_model
from magus_pyg.random import hash_keys
from magus_pyg.simulation import Agent, PreparedSessions, prepare_sessions
from magus_pyg.simulation.users_by_name import build_user
from magus_pyg.training.folds import FoldedSessions, out_of_fold_scores

__all__ = [
    "build_crm",
    "build_ear",
    "build_literal_entropy",
    "build_max_entropy",
    "build_recurrent",
    "fit_crm_state",
    "fit_ear_state",
    "fit_max_entropy_state",
    "fit_recurrent_state",
    "folded_sessions",
]

_MOST_SESSIONS = 2000
"""Validation sessions that the rivals stop on, at most."""

_CHOSEN = 0x5E55  # what a random number is for


def folded_sessions(context: AgentContext) -> FoldedSessions:
    """The training sessions with out-of-fold base scores, made once for all rivals of a run (reading 27).

    Raises:
        DataError: no user gets a training session.
        ModelError: a base recommender that cannot be trained again.
    """
    if "folded" not in context.shared:
        context.shared["folded"] = _fold(context)
    folded: FoldedSessions = context.shared["folded"]
    return folded


def _fold(context: AgentContext) -> FoldedSessions:
    options = context.rivals
    assert context.fold_sessions is not None, "fitting needs sessions"
    assert context.rows is not None, "fitting needs the rows of the log"
    sessions, why = [], ""
    for fold in range(options.folds):
        try:
            sessions.append(context.fold_sessions(fold, options.folds, options.per_user))
        except DataError as error:  # no user has one in this fold
            sessions.append(Sessions.none())
            why = str(error)
    if not any(len(own) for own in sessions):
        raise DataError(
            f"the learned rivals (recurrent, crm, ear) need training sessions of {options.folds} folds (rivals.folds), "
            f"each the validation part of a model without it: {why}, or leave them out of agents=[...]"
        )

    def build(rows: Interactions) -> BaseRecommender:
        return build_model(context.model.options, context.model.features, context.graph, rows, context.seed)

    folded = out_of_fold_scores(
        build,
        context.rows(),
        context.train,
        sessions,
        context.seed,
        context.progress,
    )
    if len(folded) <= options.sessions:
        return folded
    assert folded.sessions.id is not None, "Sessions numbers itself"
    chosen = hash_keys(context.seed, _CHOSEN, folded.sessions.id).argsort(stable=True)[: options.sessions]
    return folded.take(chosen.sort().values)


@dataclass(frozen=True)
class _Lessons:
    """What a learned rival is trained on."""

    sessions: TrainingSessions
    temperature: float
    judge: Judge


def _lessons(context: AgentContext, batch_size: int, plans: bool) -> _Lessons:
    folded = folded_sessions(context)
    # Batches of like sessions would make like steps.
    assert folded.sessions.id is not None, "Sessions numbers itself"
    order = hash_keys(context.seed, _CHOSEN, 1, folded.sessions.id).argsort(stable=True)
    folded = folded.take(order)
    sessions = TrainingSessions.of(
        context.graph,
        folded.sessions,
        folded.scores,
        batch_size,
        build_user(context.user),
        tuple(context.simulation.judged_at),
        context.simulation.list_length,
        context.seed,
        context.simulation.min_items,
    )
    return _Lessons(sessions, fit_belief_calibration(sessions.prepared).temperature, _judge(context, plans))


def _validation(context: AgentContext) -> PreparedSessions:
    """The validation sessions, prepared once for all rivals of a run."""
    if "validation" not in context.shared:
        assert context.sessions is not None, "fitting needs sessions"
        try:
            sessions = context.sessions("validation", context.rivals.per_user)
        except DataError as error:  # no user has one
            context.say(f"{error}: the rivals cannot be judged and play as they are after their last epoch")
            sessions = Sessions.none()
        if len(sessions) > _MOST_SESSIONS:
            assert sessions.id is not None, "Sessions numbers itself"
            chosen = hash_keys(context.seed, _CHOSEN, 2, sessions.id).argsort(stable=True)[:_MOST_SESSIONS]
            sessions = sessions.take(chosen.sort().values)
        batch_size = context.simulation.batch_size
        context.shared["validation"] = prepare_sessions(context.graph, sessions, context.model, batch_size)
    prepared: PreparedSessions = context.shared["validation"]
    return prepared


def _judge(context: AgentContext, plans: bool) -> Judge:
    options, user = context.simulation, build_user(context.user)
    judged = (options.judged_at, options.list_length, user, context.seed, plans, options.min_items)
    return Judge(_validation(context), *judged)


def _features(context: AgentContext, name: str) -> BaseFeatures:
    try:
        return BaseFeatures(context.graph, context.model)
    except ModelError as error:
        raise ModelError(f"{name} learns from the base recommender's features of nodes: {error}") from error


def _rule(context: AgentContext) -> MaxEntropyState:
    """What `max_entropy` fits, once for all rivals of a run."""
    if "max_entropy" not in context.shared:
        found = fit_max_entropy(context.graph, context.model, _judge(context, plans=True), progress=context.progress)
        context.shared["max_entropy"] = found
    state, table = context.shared["max_entropy"]
    context.tables["max_entropy"] = table
    assert isinstance(state, MaxEntropyState)
    return state


def fit_max_entropy_state(context: AgentContext) -> AgentState:
    """Fit `max_entropy` on validation sessions; what was tried goes to `context.tables["max_entropy"]`."""
    state = _rule(context)
    context.say(f"max_entropy: {state}")
    return state.tensors()


def build_max_entropy(context: AgentContext, state: AgentState) -> Agent:
    """`max_entropy` from what was fitted; with the defaults where nothing was."""
    if not state:
        context.say(f"max_entropy was not fitted in this run; it plays with {MaxEntropyState()}")
        return MaxEntropyAgent(context.graph, context.model)
    return MaxEntropyAgent(context.graph, context.model, MaxEntropyState.of_tensors(state))


def build_literal_entropy(context: AgentContext, state: AgentState) -> Agent:
    """`max_entropy` as the paper describes it; nothing is fitted."""
    return MaxEntropyAgent(context.graph, context.model, name="max_entropy_literal", literal=True)


def fit_recurrent_state(context: AgentContext) -> AgentState:
    """Train `recurrent`; its epochs and the offsets tried go to `context.tables["recurrent"]`.

    Raises:
        DataError: no training sessions.
        ModelError: a base recommender without features of nodes.
    """
    options = context.rivals.recurrent
    features = _features(context, "recurrent")
    lessons = _lessons(context, options.batch_size, plans=False)
    temperatures = (lessons.temperature, _temperature(context, lessons.temperature))
    agent, rows = fit_recurrent(
        context.graph,
        context.model,
        features,
        lessons.sessions,
        lessons.judge,
        temperatures,
        options,
        context.seed,
        progress=context.progress,
    )
    return _learned(context, "recurrent", agent.tensors(), rows)


def _temperature(context: AgentContext, other: float) -> float:
    """That of the final model's scores; `other` without validation sessions to fit it on."""
    prepared = _validation(context)
    return fit_belief_calibration(prepared).temperature if len(prepared) else other


def _learned(context: AgentContext, name: str, state: dict[str, Tensor], rows: list[dict[str, float]]) -> AgentState:
    context.tables[name] = pd.DataFrame(rows)
    best = max((row["objective"] for row in rows if "objective" in row), default=float("nan"))
    context.say(f"{name}: the best objective on validation sessions is {best:.4f} (the mean of the SA@K)")
    return state


def build_recurrent(context: AgentContext, state: AgentState) -> Agent:
    """`recurrent` from what it learned; RunError where it learned nothing."""
    _check_learned("recurrent", state)
    return RecurrentAgent.of_tensors(context.graph, context.model, _features(context, "recurrent"), state)


def fit_crm_state(context: AgentContext) -> AgentState:
    """Train `crm`; its epochs go to `context.tables["crm"]`.

    Raises:
        DataError: no training sessions.
    """
    options = context.rivals.crm
    lessons = _lessons(context, options.batch_size, plans=True)
    agent, rows = fit_crm(
        context.graph,
        context.model,
        lessons.sessions,
        lessons.judge,
        _rule(context),
        lessons.temperature,
        options,
        context.seed,
        progress=context.progress,
    )
    return _learned(context, "crm", agent.tensors(), rows)


def build_crm(context: AgentContext, state: AgentState) -> Agent:
    """`crm` from what it learned; RunError where it learned nothing."""
    _check_learned("crm", state)
    return CRMAgent.of_tensors(context.graph, context.model, state)


def fit_ear_state(context: AgentContext) -> AgentState:
    """Train `ear`; its epochs and the rates of reflection tried go to `context.tables["ear"]`.

    Raises:
        DataError: no training sessions.
        ModelError: a base recommender without features of nodes.
    """
    options = context.rivals.ear
    features = _features(context, "ear")
    lessons = _lessons(context, options.batch_size, plans=True)
    agent, rows = fit_ear(
        context.graph,
        context.model,
        features,
        lessons.sessions,
        lessons.judge,
        _rule(context),
        lessons.temperature,
        options,
        context.seed,
        progress=context.progress,
    )
    return _learned(context, "ear", agent.tensors(), rows)


def build_ear(context: AgentContext, state: AgentState) -> Agent:
    """`ear` from what it learned; RunError where it learned nothing."""
    _check_learned("ear", state)
    return EarAgent.of_tensors(context.graph, context.model, _features(context, "ear"), state)


def _check_learned(name: str, state: AgentState) -> None:
    if not state:
        raise RunError(f"{name} has learned nothing in this run: train with agents=[..., {name}], or with refit=true")

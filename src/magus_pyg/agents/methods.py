"""The one table of methods: how each agent is called, drawn, fitted and built, what it is there for, and who plays it.

A new agent is one entry, `METHODS["mine"] = Method("{base}+Mine", "Mine", "rival", build)`: it can then be named in
`agents=[...]`, and reports know it, in other processes by what the run folder keeps of its entry.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from functools import partial
from typing import Any, Literal

from torch import Tensor
from torch_geometric.data import HeteroData

from magus_pyg.agents.bayes import BayesAgent, BayesState
from magus_pyg.agents.context import AgentContext
from magus_pyg.agents.fitted_states import AgentState, FittedState
from magus_pyg.agents.items import ItemsAgent
from magus_pyg.agents.magus import EdgeFactors, MagusAgent
from magus_pyg.agents.magus_options import MagusOptions
from magus_pyg.agents.normalised_fitting import build_normalised, fit_normalised
from magus_pyg.agents.popular import PopularAgent
from magus_pyg.agents.rivals.rival_fitting import (
    build_crm,
    build_ear,
    build_literal_entropy,
    build_max_entropy,
    build_recurrent,
    fit_crm_state,
    fit_ear_state,
    fit_max_entropy_state,
    fit_recurrent_state,
)
from magus_pyg.agents.static import StaticAgent
from magus_pyg.agents.variant_fitting import bayes_method, build_bayes, build_plus, fit_bayes_state, fit_plus
from magus_pyg.agents.variants import OBJECTIVES, BayesVariant, VariantOptions
from magus_pyg.errors import ConfigError, did_you_mean
from magus_pyg.models import MPS
from magus_pyg.simulation import Agent, Scorer

__all__ = [
    "METHODS",
    "VARIANTS",
    "Method",
    "Role",
    "check_names",
    "check_variant",
    "fitted_for_sessions",
    "method_named",
    "method_rank",
    "played_by",
    "session_agent",
    "variant_method",
]

Role = Literal["floor", "rival", "own"]

SessionAgent = Callable[[HeteroData, Scorer | Tensor, MagusOptions | None, Any], Agent]


_SWITCHES: dict[str, Any] = {entry.name: entry.default for entry in fields(MagusOptions)}
_LEARN = {"learn": _SWITCHES["learn"]}
"""The base recommender of any method can learn between sessions."""
_GUESS = {name: _SWITCHES[name] for name in ("learn", "relations", "scope", "hops", "searched", "minus_scale")}
"""What the first guess depends on."""
_BAYES = _LEARN | {
    **{entry.name: None for entry in fields(BayesVariant) if entry.name not in ("name", "objective", "exact")},
    **dict.fromkeys(BayesVariant.gone),  # of runs of earlier releases
}


@dataclass(frozen=True)
class Method:
    """One way to recommend.

    Attributes:
        label: how rows call it, `{base}` standing for the base recommender.
        short: how lines and bars call it, where the base is known.
        role: "floor" (lists items alone), "rival", or "own": what is compared with the best of the others.
        build: makes the agent from the context and what was fitted, a dict of tensors; empty where nothing was.
        fit: learns what `build` takes, to be kept in the run folder; None where nothing is learned.
        plans: whether it plans for the rounds left: it then plays a run of K rounds for every K it is judged at, and a
            run of K rounds is judged at K alone.
        variant: the variant of a session that plays it (`magus=<variant>`); None where no session does.
        hears: whether it takes words told outside a list, and `build` the error that was measured of them.
        play: makes the agent of such a session from the graph, the scorer, the switches of MAGUS and its state.
        state: what such a session is given of what was fitted; None where it is given nothing.
        alone: whether the paper calls it by the base recommender alone.
        switches: the switches of `magus=...` that its rows are told apart by, with their defaults.
        asks: what to try where it never showed a query.
        colour, marker: of its lines and bars, as matplotlib names them; "" for spare ones.
    """

    label: str
    short: str
    role: Role
    build: Callable[[AgentContext, AgentState], Agent]
    fit: Callable[[AgentContext], AgentState] | None = None
    plans: bool = False
    variant: str | None = None
    hears: bool = False
    play: SessionAgent | None = None
    state: type[FittedState] | None = None
    alone: bool = False
    switches: Mapping[str, Any] = field(default_factory=lambda: _LEARN)
    asks: str = "other sessions, such as more rounds (simulation.rounds) or candidates (simulation.candidates)"
    colour: str = ""
    marker: str = ""

    def described(self) -> dict[str, Any]:
        """What a run folder keeps of the entry, so that reports know it where it is not in the table."""
        return {name: getattr(self, name) for name in ("label", "short", "role", "plans")}


def _items(context: AgentContext, state: AgentState) -> Agent:
    return ItemsAgent(context.graph, context.model)


def _play_items(graph: HeteroData, scorer: Scorer | Tensor, options: MagusOptions | None, state: None) -> Agent:
    return ItemsAgent(graph, scorer)


def _play_bayes(
    graph: HeteroData, scorer: Scorer | Tensor, options: MagusOptions | None, state: BayesState | None
) -> Agent:
    return BayesAgent(graph, scorer, state)


def _static(context: AgentContext, state: AgentState) -> Agent:
    if isinstance(context.model, MPS) and context.model.options.rows == "count":
        return PopularAgent(context.graph, context.model)
    return StaticAgent(context.graph, context.model, context.magus_options)


def _magus(context: AgentContext, state: AgentState) -> Agent:
    return MagusAgent(context.graph, context.model, context.options_with(state))


#: All methods by name, in the order of the rows.
METHODS: dict[str, Method] = {
    "recurrent": Method(
        "{base}, recurrent", "recurrent", "rival", build_recurrent, fit_recurrent_state, alone=True,
        colour="#007A5A", marker="v",
    ),
    "static": Method(
        "{base}, static", "static", "rival", _static, alone=True, switches=_GUESS, colour="#8A8A8A", marker="X"
    ),
    "max_entropy": Method(
        "{base}+ME, calibrated belief", "ME, calibrated", "rival", build_max_entropy, fit_max_entropy_state, plans=True,
        colour="#B87800", marker="^",
    ),
    "max_entropy_literal": Method(
        "{base}+ME, literal", "ME, literal", "rival", build_literal_entropy, colour="#D9A441", marker="<"
    ),
    "crm": Method("{base}+CRM", "CRM", "rival", build_crm, fit_crm_state, plans=True, colour="#B0568A", marker="P"),
    "ear": Method("{base}+EAR", "EAR", "rival", build_ear, fit_ear_state, plans=True, colour="#7A5C12", marker="p"),
    "magus": Method(
        "{base}+MAGUS", "MAGUS", "own", _magus, variant="base", hears=True, play=MagusAgent, switches=_SWITCHES,
        asks="magus=bayes, magus=plus, or a smaller magus.minus_scale, such as 0.1: as printed a query comes up only "
        "where it holds more than half of all score mass",
        colour="#0072B2", marker="s",
    ),
    "normalised": Method(
        "{base}+MAGUS, normalised", "MAGUS, normalised", "own", build_normalised, fit_normalised,
        switches=_SWITCHES, asks="magus=bayes, or another magus.mixing", colour="#4A5FA5", marker="h",
    ),
    "magus+": Method(
        "{base}+MAGUS+", "MAGUS+", "own", build_plus, fit_plus,
        variant="plus", hears=True, play=MagusAgent, state=EdgeFactors, switches={**_SWITCHES, "weights": "fitted"},
        asks="magus=bayes", colour="#2C95D6", marker="D",
    ),
    "bayes": Method(
        "{base}+bayes", "bayes", "own", build_bayes, fit_bayes_state, plans=True,
        variant="bayes", hears=True, play=_play_bayes, state=BayesState,
        switches=_BAYES,
        colour="#C84B00", marker="*",
    ),
    "bayes-balanced": Method(
        "{base}+bayes, balanced", "bayes, balanced", "own", partial(build_bayes, objective="balanced"),
        partial(fit_bayes_state, objective="balanced"), plans=True, hears=True, state=BayesState,
        switches=_BAYES, colour="#8C3A00", marker="d",
    ),
    "items": Method(
        "{base}, items", "items", "floor", _items,
        variant="none", play=_play_items, colour="#4D4D4D", marker="o",
    ),
}  # fmt: skip

_BUILT_IN = tuple(METHODS)  # those of one's own are entered later


def method_rank(name: str) -> tuple[int, str]:
    """Sorts methods as tables list them: those of one's own come between the rivals and this package's own."""
    if name in _BUILT_IN:
        return _BUILT_IN.index(name), ""
    first = next(place for place, known in enumerate(_BUILT_IN) if METHODS[known].role == "own")
    return first - 1, name


#: The method of each variant of MAGUS and of a session: items alone, MAGUS, MAGUS+ and the Bayesian variant.
VARIANTS: dict[str, str] = {
    variant: name
    for variant in ("none", "base", "plus", "bayes")
    for name, method in METHODS.items()
    if method.variant == variant
}


def variant_method(variant: str) -> str:
    """The name of the method of a variant; ConfigError with the list of all where there is none."""
    if variant not in list(VARIANTS):
        hint = did_you_mean(str(variant), VARIANTS)
        raise ConfigError(f"variant must be one of {list(VARIANTS)}, got {variant!r}{hint}")
    return VARIANTS[variant]


def played_by(options: VariantOptions) -> list[str]:
    """The methods that `magus=<variant>` plays, in the order of play: the floor, MAGUS, then the variant's own."""
    own = bayes_method(options.objective) if isinstance(options, BayesVariant) else variant_method(options.name)
    floor = variant_method("none")
    return list(dict.fromkeys((floor,) if own == floor else (floor, variant_method("base"), own)))


def fitted_for_sessions(options: VariantOptions, variant: str) -> list[str]:
    """The methods whose fitted states a session of a variant can be given in a run, first choice first."""
    if variant != "bayes":
        return [variant_method(variant)]
    first = options.objective if isinstance(options, BayesVariant) else "success"
    return [bayes_method(objective) for objective in sorted(OBJECTIVES, key=lambda name: name != first)]


def method_named(name: str) -> Method:
    """The entry of a method; ConfigError with the list of all where there is none."""
    if name not in METHODS:
        raise ConfigError(f"there is no agent {name!r}{did_you_mean(name, METHODS)}; there are {', '.join(METHODS)}")
    return METHODS[name]


def check_names(names: Sequence[str]) -> list[str]:
    """The names of agents to be played, each of which is in some table.

    Raises:
        ConfigError: none, or one named twice.
    """
    if not names or len(set(names)) < len(names):
        raise ConfigError(f"agents must name at least one agent, each once (got {list(names)})")
    return list(names)


def check_variant(variant: str, state: object) -> None:
    """Raise a ConfigError unless the variant is one of `VARIANTS` and the state is what it takes, and in range."""
    expected = METHODS[variant_method(variant)].state
    if state is not None and not isinstance(state, expected or type(None)):
        raise ConfigError(f"variant={variant!r} takes no state of the kind {type(state).__name__}")
    if expected is EdgeFactors and state is None:
        raise ConfigError(f"variant={variant!r} needs state: the weights that MAGUS+ learned (run.edge_factors)")
    if state is not None and expected is not None:
        state.check()


def session_agent(
    variant: str,
    graph: HeteroData,
    scorer: Scorer | Tensor,
    options: MagusOptions | None = None,
    state: FittedState | None = None,
) -> Agent:
    """The agent of a session.

    Args:
        variant: one of `VARIANTS`.
        graph: the relational graph.
        scorer: a base recommender, or a matrix of scores [U, I].
        options: the switches of MAGUS; the defaults if None.
        state: what was fitted; the defaults of the method if None, where it has some.

    Raises:
        ConfigError: as of `check_variant`, or an option out of range.
        GraphError: a state of another graph.
    """
    check_variant(variant, state)
    play = METHODS[variant_method(variant)].play
    assert play is not None, "what has a variant has an agent for its sessions"
    return play(graph, scorer, options, state)

"""How tables and figures call the methods and the base recommenders, in which order, and what each is there for."""

from collections.abc import Collection, Mapping
from typing import Any

from magus_pyg.agents.context import AgentContext
from magus_pyg.agents.fitted_states import AgentState
from magus_pyg.agents.methods import METHODS, Method
from magus_pyg.agents.variant_fitting import bayes_method
from magus_pyg.errors import ConfigError
from magus_pyg.simulation import Agent

__all__ = [
    "BASES",
    "base_label",
    "base_rank",
    "method_of",
    "row_label",
    "variation_of",
]

#: The base recommenders in the paper's order.
BASES: dict[str, str] = {
    "mps": "MPS",
    "hybrid": "Hybrid",
    "fm": "FM",
    "deepfm": "DeepFM",
    "pnn": "PNN",
    "mmoe": "MMoE",
    "din": "DIN",
    "lstm": "LSTM",
    "gru": "GRU",
    "rgcn": "RGCN",
    "rgat": "RGAT",
    "gipa": "GIPA",
}


def method_of(name: str, kept: Mapping[str, Any] | None = None) -> Method:
    """The entry of a method.

    Args:
        name: the agent.
        kept: what the run folder keeps of the entry (`Method.described`), for one that is not in the table of this
            process; a rival that does not plan if None.
    """
    if name in METHODS:
        return METHODS[name]
    return Method(**{"label": f"{{base}}+{name}", "short": name, "role": "rival", "build": _not_here, **(kept or {})})


def _not_here(context: AgentContext, state: AgentState) -> Agent:
    raise ConfigError("a method that only a run folder knows can be reported, not built: enter it in METHODS")


def base_label(model: str) -> str:
    """How a base recommender is called."""
    return BASES.get(model, model)


def base_rank(model: str) -> tuple[int, str]:
    """Sorts base recommenders: those of the paper first, others by name."""
    names = list(BASES)
    return (names.index(model) if model in names else len(names), model)


def row_label(model: str, method: str, variation: str, methods: Collection[str], entry: Method | None = None) -> str:
    """How a row is called.

    Args:
        model: the base recommender.
        method: the agent.
        variation: what is unlike its defaults, "" where nothing is.
        methods: all methods of the same base; X stands alone for the only one of those that the paper calls so.
        entry: of the method, where it is not in the table.
    """
    entry = entry or method_of(method)
    only = entry.alone and sum(method_of(name).alone for name in set(methods)) == 1
    label = "{base}" if only else entry.label
    return label.format(base=base_label(model)) + (f" ({variation})" if variation else "")


def variation_of(method: str, settings: Mapping[str, Any]) -> str:
    """What of a method's own settings is unlike its defaults, such as "negative=signed"; "" where nothing is.

    Args:
        method: the agent.
        settings: the configuration of the play, flat: "magus.negative" and so on.
    """
    switches = method_of(method).switches
    told: list[str] = []
    if method == "static" and settings.get("model.name") in ("mps", "hybrid"):
        # The counts of nodes depend on no switch; runs of earlier releases ranked by score, and say nothing of it.
        counted = settings.get("model.rows", "score") == "count"
        switches = {"learn": switches["learn"]} if counted else switches
        told = [] if counted else ["rows=score"]
    found = {name: settings.get(f"magus.{name}", default) for name, default in switches.items()}
    if bayes_method(str(settings.get("magus.objective", "success"))) != method:
        found.pop("click_weight", None)  # it counts for the objective that is set beside it
    return ", ".join(told + [f"{name}={value}" for name, value in found.items() if value != switches[name]])

"""How tables and figures call the methods and the base recommenders, in which order, and what each is there for."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, fields
from typing import Any, Literal

from magus_pyg.agents import BayesState, MagusOptions

__all__ = [
    "BASES",
    "METHODS",
    "Method",
    "base_label",
    "base_rank",
    "method_of",
    "method_rank",
    "row_label",
    "variation_of",
]

Role = Literal["floor", "rival", "own"]


@dataclass(frozen=True)
class Method:
    """One way to recommend.

    Attributes:
        label: how rows call it, `{base}` standing for the base recommender.
        short: how lines and bars call it, where the base is known.
        role: "floor" (lists items alone), "rival", or "own": what is compared with the best of the others.
        plans: whether it plans for the rounds left, so that a run of K rounds is judged at K alone.
    """

    label: str
    short: str
    role: Role
    plans: bool = False


#: The methods in the order of the rows.
METHODS: dict[str, Method] = {
    "recurrent": Method("{base}, recurrent", "recurrent", "rival"),
    "static": Method("{base}, static", "static", "rival"),
    "max_entropy": Method("{base}+ME", "ME", "rival", plans=True),
    "crm": Method("{base}+CRM", "CRM", "rival", plans=True),
    "ear": Method("{base}+EAR", "EAR", "rival", plans=True),
    "magus": Method("{base}+MAGUS", "MAGUS", "own"),
    "normalised": Method("{base}+MAGUS, normalised", "MAGUS, normalised", "own"),
    "magus+": Method("{base}+MAGUS+", "MAGUS+", "own"),
    "bayes": Method("{base}+bayes", "bayes", "own", plans=True),
    "items": Method("{base}, items", "items", "floor"),
}

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

_GUESS = ("learn", "relations", "scope", "hops", "searched", "minus_scale")
"""The switches that the first guess depends on."""

_PLAIN = ("recurrent", "static")
"""The rows that the paper calls X alone."""


def method_of(name: str) -> Method:
    """The method of an agent; one of the user's own is a rival."""
    return METHODS.get(name, Method(f"{{base}}+{name}", name, "rival"))


def base_label(model: str) -> str:
    """How a base recommender is called."""
    return BASES.get(model, model)


def base_rank(model: str) -> tuple[int, str]:
    """Sorts base recommenders: those of the paper first, others by name."""
    names = list(BASES)
    return (names.index(model) if model in names else len(names), model)


def method_rank(name: str) -> tuple[int, str]:
    """Sorts methods: own agents come before the Bayesian variant and the floor."""
    names = list(METHODS)
    return (names.index(name) if name in names else names.index("magus") - 1, "" if name in names else name)


def row_label(model: str, method: str, variation: str, methods: Collection[str]) -> str:
    """How a row is called.

    Args:
        model: the base recommender.
        method: the agent.
        variation: what is unlike its defaults, "" where nothing is.
        methods: all methods of the same base; X stands alone where there is one of `recurrent` and `static`.
    """
    label = method_of(method).label
    if method in _PLAIN and len(set(_PLAIN) & set(methods)) == 1:
        label = "{base}"
    return label.format(base=base_label(model)) + (f" ({variation})" if variation else "")


def variation_of(method: str, settings: Mapping[str, Any]) -> str:
    """What of a method's own settings is unlike its defaults, such as "negative=signed"; "" where nothing is.

    Args:
        method: the agent.
        settings: the configuration of the play, flat: "magus.negative" and so on.
    """
    options = {entry.name: entry.default for entry in fields(MagusOptions)}
    # The base recommender of any method can learn between sessions; the other switches are those of MAGUS.
    own = options if method in ("magus", "normalised", "magus+") else _GUESS if method == "static" else ("learn",)
    defaults: dict[str, Any] = {name: options[name] for name in own if name in options}
    if method == "magus+":
        defaults["weights"] = "fitted"
    if method == "bayes" and settings.get("magus.name") == "bayes":
        defaults |= dict.fromkeys(entry.name for entry in fields(BayesState))
    found = {name: settings.get(f"magus.{name}", default) for name, default in defaults.items()}
    return ", ".join(f"{name}={value}" for name, value in found.items() if value != defaults[name])

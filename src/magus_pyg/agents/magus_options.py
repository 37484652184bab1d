"""The switches of MAGUS: each names a place where the paper is silent or can be read in two ways."""

from dataclasses import dataclass, replace
from typing import Self

from magus_pyg.agents.fitted_states import AgentState
from magus_pyg.errors import ConfigError
from magus_pyg.options import at_least, at_most, between, check_options, one_of
from magus_pyg.simulation.protocol import TOLD_ERROR

__all__ = ["DEFAULT_MIXING", "MagusOptions", "Refusals", "with_told_error"]

_CHOICES = {
    "relations": ("definition", "swapped", "fields"),
    "scope": ("session", "catalogue"),
    "searched": ("lift", "literal"),
    "negative": ("zero", "signed", "signed_both"),
    "unclicked": ("zero", "unknown"),
    "propagation": ("paper", "normalised"),
    "learn": ("none", "per_session"),
}

#: λ where the options leave it open and nothing has chosen it.
DEFAULT_MIXING = 0.5


@dataclass(frozen=True)
class Refusals:
    """What Eqs. (8) and (9) make of the nodes of a list that were not clicked.

    Attributes:
        weight: a refused node sends -weight along R+; 0 as printed.
        inhibits: whether it sends the same along R-.
        all_refused: whether a click refuses the queries that were not read too (F.2; `simulation.answers`).
        told_error: the share of words told outside a list that are wrong.
    """

    weight: float = 0.0
    inhibits: bool = False
    all_refused: bool = True
    told_error: float = TOLD_ERROR

    def told(self, liked: bool) -> tuple[float, bool]:
        """The weight of a word told outside a list in Eq. (9), and whether it goes along R- too; see `MagusAgent`."""
        return (1.0 if liked else -1.0) * (1.0 - 2.0 * self.told_error), liked or self.inhibits


@dataclass
class MagusOptions:
    """How MAGUS guesses and updates.

    Attributes:
        relations: which pairs inhibit each other. "definition": the prose of Definition 3.1 (no item contains both);
            "swapped": its numbered list, R- and R⊥ change places; "fields": App. C.3, pairs that share a field.
        scope: whether two queries are compatible through a candidate of the "session" or any item of the "catalogue".
        hops: how often Eq. (4) is applied.
        searched: Eq. (5). "lift": a searched query rises to the highest score of the other queries; "literal": to
            the lowest, as printed.
        clamp: whether Eq. (9) is bounded to [0, 1] as printed; False follows App. B.3.
        negative: what a refused node sends. "zero": nothing, as printed; "signed": -1 along R+, so what contains a
            refused query falls; "signed_both": -1 along R- as well, so what it inhibits rises.
        unclicked: what a click says of the other nodes in the list. "zero": all are refused (F.2); "unknown": the
            queries below the clicked node say nothing.
        minus_scale: factor on the R- weights of Eq. (4), the first guess; 1 as printed.
        propagation: how answers spread. "paper": by Eq. (9); "normalised": by the formula of App. B.1 and B.3,
            Y(k+1) = λSY(k) + (1 - λ)Y(0), S the normalised adjacency matrix of R+ and R-, Y(0) the first guess, and all
            answers so far held at the 1 or 0 of Eq. (8).
        mixing: the λ of "normalised", in [0, 1); None: chosen on validation sessions by the agent `normalised`, else
            1/2.
        told_error: the share of words told outside a list that the item in mind does not fit, in [0, 0.5]; None: as it
            was measured on validation sessions of users who write (`user=writer`), else 0.2.
        learn: what the base recommender learns between a user's sessions. "none": nothing; "per_session": what the
            user answered in each finished session (Algorithm 1, lines 14 and 16; `experiment.learning`). An agent or
            session by itself does not look at it.
    """

    relations: str = "definition"
    scope: str = "session"
    hops: int = 1
    searched: str = "lift"
    clamp: bool = False
    negative: str = "zero"
    unclicked: str = "zero"
    minus_scale: float = 1.0
    propagation: str = "paper"
    mixing: float | None = None
    told_error: float | None = None
    learn: str = "none"

    def check(self) -> Self:
        """The options themselves, if all are in range.

        Raises:
            ConfigError: naming the option, its value and the choices.
        """
        choices = {name: one_of(words) for name, words in _CHOICES.items()}
        ranges = {"hops": at_least(1), "minus_scale": at_least(0), "mixing": between(0, 1, "[)")}
        ranges["told_error"] = between(0, 0.5)
        check_options(self, "magus", **choices, **ranges)
        check_options(self, "magus", hops=at_most(1000))
        if self.propagation == "normalised" and (self.clamp or self.negative != "zero"):
            name = "clamp" if self.clamp else "negative"
            raise ConfigError(
                f"magus.{name} is a switch of Eq. (9), which magus.propagation=normalised replaces: leave it at its "
                f"default (got {getattr(self, name)!r})"
            )
        return self

    def refusals(self, learned: float = 0.0) -> Refusals:
        """What refused nodes do; `learned` is the weight that MAGUS+ found, where the options let them send nothing."""
        sends = self.negative != "zero"
        weight = 1.0 if sends else learned if self.propagation == "paper" else 0.0
        all_refused = self.unclicked == "zero" and (sends or weight == 0.0)
        told_error = TOLD_ERROR if self.told_error is None else self.told_error
        return Refusals(weight, self.negative == "signed_both", all_refused, told_error)

    @property
    def needs_explicit(self) -> bool:
        """Whether all of R- must be there as edges, which are quadratic: the implied form knows one pass and the
        definition's R- alone, and the R- of "swapped" are few enough to be found for the nodes that send."""
        return self.relations == "fields" or (self.relations == "definition" and self.hops > 1)


def with_told_error(options: MagusOptions, state: AgentState) -> MagusOptions:
    """Options whose `told_error` is that of a run, where they leave it open and the run has measured one.

    Args:
        options: the switches.
        state: what an agent of the run has learned.
    """
    if options.told_error is not None or "told_error" not in state:
        return options
    return replace(options, told_error=float(state["told_error"]))

"""The variants of MAGUS as options: none, base, plus and bayes."""

from dataclasses import dataclass, field, fields, replace
from typing import Self

from magus_pyg.agents.bayes.belief import BayesState
from magus_pyg.agents.magus_options import MagusOptions
from magus_pyg.agents.weights import WeightTrainOptions
from magus_pyg.options import check_options, one_of

__all__ = ["BaseVariant", "BayesVariant", "NoneVariant", "PlusVariant", "VariantOptions"]


@dataclass
class VariantOptions:
    """Which variant of MAGUS is prepared.

    Attributes:
        name: the variant; it decides which agents play (`methods.played_by`).
    """

    name: str = "none"

    @property
    def switches(self) -> MagusOptions:
        """The switches of MAGUS; the defaults where the variant has none."""
        if not isinstance(self, MagusOptions):
            return MagusOptions()
        return MagusOptions(**{entry.name: getattr(self, entry.name) for entry in fields(MagusOptions)})

    def check(self) -> Self:
        """The options themselves; ConfigError where one is out of range."""
        check_options(self, "magus")
        return self


@dataclass
class NoneVariant(VariantOptions):
    """No MAGUS: the items agent alone."""

    name: str = "none"


@dataclass
class BaseVariant(MagusOptions, VariantOptions):
    """MAGUS with unit weights; its switches are those of `MagusOptions`."""

    name: str = "base"


WEIGHTS = ("fitted", "raw")


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

    def check(self) -> Self:
        """The options themselves; ConfigError where one is out of range."""
        super().check()
        check_options(self, "magus", weights=one_of(WEIGHTS))
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
        told_error: share of words told outside a list that are wrong, in (0, 0.5]; None: as measured where user=writer,
            else 0.2.
        exact: plan densely, for comparison (True), or in near-linear time (False or None); the lists are the same.
    """

    name: str = "bayes"
    temperature: float | None = None
    error_rate: float | None = None
    searched_error: float | None = None
    others: float | None = None
    depth: int | None = None
    told_error: float | None = None
    exact: bool | None = None

    def check(self) -> Self:
        """The options themselves; ConfigError where one is out of range."""
        check_options(self, "magus", **BayesState.rules)
        return self

    def over(self, state: BayesState) -> BayesState:
        """`state` with what is set here in its place."""
        chosen = {entry.name: getattr(self, entry.name) for entry in fields(BayesState)}
        return replace(state, **{name: value for name, value in chosen.items() if value is not None})

"""The variants of MAGUS as options: none, base, plus and bayes."""

from dataclasses import dataclass, field, fields, replace
from typing import Any, ClassVar, Self

from magus_pyg.agents.bayes.belief import BayesState
from magus_pyg.agents.magus_options import MagusOptions
from magus_pyg.agents.weights import WeightTrainOptions
from magus_pyg.errors import ConfigError
from magus_pyg.options import check_options, one_of

__all__ = ["OBJECTIVES", "BaseVariant", "BayesVariant", "NoneVariant", "PlusVariant", "VariantOptions"]


@dataclass
class VariantOptions:
    """Which variant of MAGUS is prepared.

    Attributes:
        name: the variant; it decides which agents play (`methods.played_by`).
        gone: options of earlier releases, passed over where a run of one is read.
    """

    gone: ClassVar[frozenset[str]] = frozenset()
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


OBJECTIVES = {"success": 0.0, "balanced": 0.2}
"""What the lists of the Bayesian variant are for -> the weight of clicks beside success."""


@dataclass
class BayesVariant(VariantOptions):
    """The Bayesian variant; what is None is fitted on validation sessions.

    Attributes:
        name: "bayes".
        objective: "success": lists are for success within the rounds alone; "balanced": for clicks high in the list
            too.
        click_weight: what clicks count beside success, at least 0; None: as the objective says (`OBJECTIVES`).
        discount: what an item that is shown a round later is worth, in (0, 1].
        forgetting: the share of the belief that falls back to all candidates after a round, in [0, 1); above 0 only
            with a discount below 1.
        temperature: the base scores are divided by it; positive.
        error_rate: share of answers to queries taken to be wrong, in [0, 0.5).
        searched_error: share of searched queries that the item in mind does not contain, in (0, 0.5].
        others: how many targets a session has beside the one in mind, on average; at least 0.
        targets: how many targets a session has, on average, at least 1; the order of a list goes by it.
        told_error: share of words told outside a list that are wrong, in (0, 0.5]; None: as measured where user=writer,
            else 0.2.
        exact: plan densely, for comparison (True), or in near-linear time (False or None); the lists are the same.
    """

    gone: ClassVar[frozenset[str]] = frozenset({"depth"})
    name: str = "bayes"
    objective: str = "success"
    click_weight: float | None = None
    discount: float | None = None
    forgetting: float | None = None
    temperature: float | None = None
    error_rate: float | None = None
    searched_error: float | None = None
    others: float | None = None
    targets: float | None = None
    told_error: float | None = None
    exact: bool | None = None

    def check(self) -> Self:
        """The options themselves; ConfigError where one is out of range, or forgets without a discount."""
        check_options(self, "magus", **BayesState.rules, objective=one_of(OBJECTIVES))
        if self.forgetting and self.discount == 1.0:
            raise ConfigError(
                f"magus.forgetting={self.forgetting:g} needs magus.discount below 1 (got 1): leave the discount out to "
                "have it fitted"
            )
        return self

    def chosen(self, objective: str) -> dict[str, Any]:
        """The fields of a `BayesState` that are set here for lists made for an objective.

        A click weight that is set counts for the objective that is set too.
        """
        values = {entry.name: getattr(self, entry.name, None) for entry in fields(BayesState)}
        if self.click_weight is None or objective != self.objective:
            values["click_weight"] = OBJECTIVES[objective]
        return {name: value for name, value in values.items() if value is not None}

    def over(self, state: BayesState, objective: str) -> BayesState:
        """`state` with what is set here in its place, for an objective."""
        return replace(state, **self.chosen(objective))

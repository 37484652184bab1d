"""What agents are fitted on and built from."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

import pandas as pd
from torch_geometric.data import HeteroData

from magus_pyg.agents.fitted_states import AgentState
from magus_pyg.agents.magus_options import MagusOptions, with_told_error
from magus_pyg.agents.rivals.rival_options import RivalOptions
from magus_pyg.agents.variants import VariantOptions
from magus_pyg.data import Sessions
from magus_pyg.engines import Engine, OneProcess
from magus_pyg.models import BaseRecommender, TrainingData
from magus_pyg.simulation.simulation_options import SimulationOptions
from magus_pyg.simulation.users_by_name import UserOptions
from magus_pyg.training.progress import Progress, unseen
from magus_pyg.training.train_options import TrainOptions

__all__ = ["AgentContext", "SessionSource"]


class SessionSource(Protocol):
    """Gives the sessions of a part of the log."""

    def __call__(self, part: str, per_user: int | None = None) -> Sessions:
        """Sessions of "train" or "validation", `per_user` of each user (as the configuration says if None)."""
        ...


def _silent(message: str) -> None:
    """Say nothing."""


@dataclass(frozen=True)
class AgentContext:
    """What an agent may be fitted on and built from; test sessions are not in it.

    Attributes:
        graph: the relational graph.
        model: the trained base recommender.
        variant: the options of the variant of MAGUS.
        rivals: how the rivals learn.
        simulation: how sessions are played.
        train: how the base recommender was trained; its models for out-of-fold scores are trained alike.
        user: who answers.
        seed: of all that is random.
        sessions: from "train" or "validation" to the sessions of that part, or to as many of each user as asked for;
            None where only `build` is called, since that needs no data.
        rows: the training and validation rows of the log; None likewise.
        fold_sessions: from (fold, folds, sessions a user) to sessions whose targets and disliked items are of one fold
            of the training rows (`training.folds`); None likewise.
        say: shows a line to the person who waits.
        progress: shows how far a fitting is.
        engine: works on what is tried.
        tables: what an agent wants kept of its fitting, by its name; written into the run folder.
        shared: what one fitting has made that others can use.
    """

    graph: HeteroData
    model: BaseRecommender
    variant: VariantOptions = field(default_factory=VariantOptions)
    rivals: RivalOptions = field(default_factory=RivalOptions)
    simulation: SimulationOptions = field(default_factory=SimulationOptions)
    train: TrainOptions = field(default_factory=TrainOptions)
    user: UserOptions = field(default_factory=UserOptions)
    seed: int = 0
    sessions: SessionSource | None = None
    rows: Callable[[], TrainingData] | None = None
    fold_sessions: Callable[[int, int, int], Sessions] | None = None
    say: Callable[[str], None] = _silent
    progress: Progress = unseen
    engine: Engine = field(default_factory=OneProcess)
    tables: dict[str, pd.DataFrame] = field(default_factory=dict)
    shared: dict[str, Any] = field(default_factory=dict)

    @property
    def magus_options(self) -> MagusOptions:
        """The switches of MAGUS."""
        return self.variant.switches

    def options_with(self, state: AgentState) -> MagusOptions:
        """The switches of MAGUS, with the error of told words that was measured where they leave it open."""
        return with_told_error(self.magus_options, state)

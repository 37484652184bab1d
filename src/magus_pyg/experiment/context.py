"""What agents are fitted on and built from."""

from collections.abc import Callable
from dataclasses import dataclass, field

import pandas as pd
from torch import Tensor
from torch_geometric.data import HeteroData

from magus_pyg.data import Sessions
from magus_pyg.experiment.config import Config
from magus_pyg.models import BaseRecommender, TrainingData

__all__ = ["AgentContext", "AgentState"]

AgentState = dict[str, Tensor]


def _silent(message: str) -> None:
    """Say nothing."""


@dataclass(frozen=True)
class AgentContext:
    """What an agent may be fitted on and built from; test sessions are not in it.

    Attributes:
        config: the whole configuration.
        graph: the relational graph.
        model: the trained base recommender.
        sessions: from "train" or "validation" to the sessions of that part; None where only `build` is called, since
            that needs no data.
        rows: the training and validation rows of the log; None likewise.
        say: shows a line to the person who waits.
        tables: what an agent wants kept of its fitting, by its name; written into the run folder.
    """

    config: Config
    graph: HeteroData
    model: BaseRecommender
    sessions: Callable[[str], Sessions] | None = None
    rows: Callable[[], TrainingData] | None = None
    say: Callable[[str], None] = _silent
    tables: dict[str, pd.DataFrame] = field(default_factory=dict)

"""Recommend queries and items together over several rounds (MAGUS), on PyTorch Geometric.

The layers are in `magus_pyg.nn`, the base recommenders in `magus_pyg.models`, their training in `magus_pyg.training`,
run folders in `magus_pyg.runs`, the pipeline in `magus_pyg.experiment`.
"""

from importlib import import_module
from typing import TYPE_CHECKING

from magus_pyg._version import __version__

if TYPE_CHECKING:
    from magus_pyg.agents import BayesAgent, BayesState, EdgeFactors, ItemsAgent, MagusAgent, MagusOptions
    from magus_pyg.data import Sessions
    from magus_pyg.errors import (
        ConfigError,
        DataError,
        GraphError,
        MagusError,
        ModelError,
        RunError,
        SessionError,
    )
    from magus_pyg.graph import (
        Extension,
        Word,
        build_relational_graph,
        extend_relational_graph,
        find_query,
        item_id_of,
        item_node,
        load_graph,
        save_graph,
        title_of,
        words_of,
    )
    from magus_pyg.online import Catalogue, CatalogueSession, MagusSession, Recommendation
    from magus_pyg.runs import Run, load_run
    from magus_pyg.simulation import (
        DriftingUser,
        ImpatientUser,
        NoisyUser,
        NotCareUser,
        TruthfulUser,
        User,
        prepare_sessions,
        session_metrics,
        simulate,
        summarize,
    )

__all__ = [
    "BayesAgent",
    "BayesState",
    "Catalogue",
    "CatalogueSession",
    "ConfigError",
    "DataError",
    "DriftingUser",
    "EdgeFactors",
    "Extension",
    "GraphError",
    "ImpatientUser",
    "ItemsAgent",
    "MagusAgent",
    "MagusError",
    "MagusOptions",
    "MagusSession",
    "ModelError",
    "NoisyUser",
    "NotCareUser",
    "Recommendation",
    "Run",
    "RunError",
    "SessionError",
    "Sessions",
    "TruthfulUser",
    "User",
    "Word",
    "__version__",
    "build_relational_graph",
    "extend_relational_graph",
    "find_query",
    "item_id_of",
    "item_node",
    "load_graph",
    "load_run",
    "prepare_sessions",
    "save_graph",
    "session_metrics",
    "simulate",
    "summarize",
    "title_of",
    "words_of",
]

_FLOORS = ("errors", "data", "graph", "simulation", "agents", "runs", "online")

if not TYPE_CHECKING:  # else any name would be taken for one of this module

    def __getattr__(name: str) -> object:
        """A name of `__all__`, or a floor that holds some; what takes seconds to load is loaded where it is needed."""
        if name in _FLOORS:
            return import_module(f"magus_pyg.{name}")
        for floor in _FLOORS if name in __all__ else ():
            found = getattr(import_module(f"magus_pyg.{floor}"), name, None)
            if found is not None:
                globals()[name] = found
                return found
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

    def __dir__() -> list[str]:
        return __all__

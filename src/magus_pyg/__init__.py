"""Recommend queries and items together over several rounds (MAGUS), on PyTorch Geometric.

The layers are in `magus_pyg.nn`, the base recommenders in `magus_pyg.models`, their training in `magus_pyg.training`,
run folders in `magus_pyg.runs`, the pipeline in `magus_pyg.experiment`.
"""

from magus_pyg._version import __version__
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

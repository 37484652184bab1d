"""People online: one session, whole catalogues, and why a node stands where it does.

Many simulated sessions at once are in `simulation`; HTTP, and where sessions are kept, in `serve`.
"""

from magus_pyg.online.catalogue import Catalogue, CatalogueSession
from magus_pyg.online.contract import OnlineSession, Recommendation
from magus_pyg.online.explanation import Reason
from magus_pyg.online.node_play import NodePlay, Told
from magus_pyg.online.session import MagusSession
from magus_pyg.online.wishes import Fit

__all__ = [
    "Catalogue",
    "CatalogueSession",
    "Fit",
    "MagusSession",
    "NodePlay",
    "OnlineSession",
    "Reason",
    "Recommendation",
    "Told",
]

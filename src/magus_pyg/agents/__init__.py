"""The ways to recommend: the items floor and MAGUS."""

from magus_pyg.agents.items import ItemsAgent
from magus_pyg.agents.magus import EdgeFactors, MagusAgent
from magus_pyg.agents.options import MagusOptions

__all__ = ["EdgeFactors", "ItemsAgent", "MagusAgent", "MagusOptions"]

"""Whole catalogues as candidates: sessions that cost what their answers touch.

Sessions on some candidates alone are `MagusSession`, in the folder above.
"""

from magus_pyg.online.catalogue.belief_play import Width
from magus_pyg.online.catalogue.catalogue import Catalogue
from magus_pyg.online.catalogue.catalogue_session import CatalogueSession
from magus_pyg.online.catalogue.edition import Start

__all__ = ["Catalogue", "CatalogueSession", "Start", "Width"]

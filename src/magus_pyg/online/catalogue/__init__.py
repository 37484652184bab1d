"""Whole catalogues as candidates: sessions that cost what their answers touch."""

from magus_pyg.online.catalogue.belief_play import Width
from magus_pyg.online.catalogue.catalogue import Catalogue, CatalogueSession, Start
from magus_pyg.online.catalogue.play import Answer, CataloguePlay

__all__ = ["Answer", "Catalogue", "CataloguePlay", "CatalogueSession", "Start", "Width"]

"""Whole catalogues as candidates: sessions that cost what their answers touch."""

from magus_pyg.catalogue.answers import Answer, CataloguePlay
from magus_pyg.catalogue.bayes import Width
from magus_pyg.catalogue.catalogue import Catalogue, CatalogueSession, Start

__all__ = ["Answer", "Catalogue", "CataloguePlay", "CatalogueSession", "Start", "Width"]

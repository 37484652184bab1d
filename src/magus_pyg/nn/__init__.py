"""Layers: signed label propagation, feature propagation, and relational convolutions."""

from magus_pyg.nn.signed_label_propagation import SignedLabelPropagation

__all__ = ["SignedLabelPropagation"]

"""Layers: signed label propagation, feature propagation, and relational convolutions, also out of PyG's.

They know nothing of items, queries or sessions: base recommenders that use them are in `models`.
"""

from magus_pyg.nn.feature_propagation import FeaturePropagation
from magus_pyg.nn.from_pyg import from_pyg
from magus_pyg.nn.gipa_conv import GIPAConv
from magus_pyg.nn.rgat_conv import RGATConv
from magus_pyg.nn.rgcn_conv import RGCNConv
from magus_pyg.nn.signed_label_propagation import SignedLabelPropagation

__all__ = ["FeaturePropagation", "GIPAConv", "RGATConv", "RGCNConv", "SignedLabelPropagation", "from_pyg"]

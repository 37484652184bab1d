"""Base recommenders: what scores users against items and word combinations, one a file.

How they are trained is in `training`, what a session makes of their scores in `agents`.
"""

from magus_pyg.models.adapters import PairScorer, feature_space, part_interactions, profile_values
from magus_pyg.models.base import BaseRecommender, TrainingTerms
from magus_pyg.models.batches import Batch
from magus_pyg.models.calibration import Calibration
from magus_pyg.models.deepfm import DeepFM, DeepFMOptions
from magus_pyg.models.din import DIN, DINOptions
from magus_pyg.models.dot_product import DotProductRecommender
from magus_pyg.models.feature_space import Candidates, FeatureSpace
from magus_pyg.models.fm import FM, FMOptions
from magus_pyg.models.gipa import GIPA, GIPAOptions
from magus_pyg.models.graph_model import GraphModelOptions
from magus_pyg.models.gru import GRU, GRUOptions
from magus_pyg.models.history import History, Window
from magus_pyg.models.history_recommender import HistoryRecommender
from magus_pyg.models.hybrid import Hybrid, HybridOptions
from magus_pyg.models.interactions import Interactions, TrainingData
from magus_pyg.models.lstm import LSTM, LSTMOptions
from magus_pyg.models.mmoe import MMoE, MMoEOptions
from magus_pyg.models.model_files import SavedModel, load_model, save_model
from magus_pyg.models.model_options import ModelOptions
from magus_pyg.models.mps import MPS, MPSOptions
from magus_pyg.models.pnn import PNN, PNNOptions
from magus_pyg.models.registry import MODELS, ModelEntry, build_model, model_entry
from magus_pyg.models.rgat import RGAT, RGATOptions
from magus_pyg.models.rgcn import RGCN, RGCNOptions

__all__ = [
    "DIN",
    "FM",
    "GIPA",
    "GRU",
    "LSTM",
    "MODELS",
    "MPS",
    "PNN",
    "RGAT",
    "RGCN",
    "BaseRecommender",
    "Batch",
    "Calibration",
    "Candidates",
    "DINOptions",
    "DeepFM",
    "DeepFMOptions",
    "DotProductRecommender",
    "FMOptions",
    "FeatureSpace",
    "GIPAOptions",
    "GRUOptions",
    "GraphModelOptions",
    "History",
    "HistoryRecommender",
    "Hybrid",
    "HybridOptions",
    "Interactions",
    "LSTMOptions",
    "MMoE",
    "MMoEOptions",
    "MPSOptions",
    "ModelEntry",
    "ModelOptions",
    "PNNOptions",
    "PairScorer",
    "RGATOptions",
    "RGCNOptions",
    "SavedModel",
    "TrainingData",
    "TrainingTerms",
    "Window",
    "build_model",
    "feature_space",
    "load_model",
    "model_entry",
    "part_interactions",
    "profile_values",
    "save_model",
]

"""The base recommenders by name.

A new model is a module with an options class (a `ModelOptions` with its own `name`) and a model class, and one line in
`MODELS`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from magus_pyg.errors import ConfigError
from magus_pyg.models.base import BaseRecommender
from magus_pyg.models.deepfm import DeepFM, DeepFMOptions
from magus_pyg.models.din import DIN, DINOptions
from magus_pyg.models.feature_space import FeatureSpace
from magus_pyg.models.fm import FM, FMOptions
from magus_pyg.models.gipa import GIPA, GIPAOptions
from magus_pyg.models.gru import GRU, GRUOptions
from magus_pyg.models.hybrid import Hybrid, HybridOptions
from magus_pyg.models.interactions import Interactions
from magus_pyg.models.lstm import LSTM, LSTMOptions
from magus_pyg.models.mmoe import MMoE, MMoEOptions
from magus_pyg.models.model_options import ModelOptions
from magus_pyg.models.mps import MPS, MPSOptions
from magus_pyg.models.pnn import PNN, PNNOptions
from magus_pyg.models.rgat import RGAT, RGATOptions
from magus_pyg.models.rgcn import RGCN, RGCNOptions

__all__ = ["MODELS", "ModelEntry", "build_model", "model_entry"]


@dataclass(frozen=True)
class ModelEntry:
    """One base recommender.

    Attributes:
        options: its options class.
        build: makes it from (options, features, graph, interactions, seed).
        needs_graph: True where it cannot be built without the relational graph and the training rows.
        needs_rows: True where it cannot be built without the training rows, such as models of a user's history.
    """

    options: type[ModelOptions]
    build: Callable[[Any, FeatureSpace, Any, Any, int], BaseRecommender]
    needs_graph: bool = False
    needs_rows: bool = False


MODELS: dict[str, ModelEntry] = {
    "deepfm": ModelEntry(DeepFMOptions, lambda options, features, graph, rows, seed: DeepFM(options, features, seed)),
    "din": ModelEntry(DINOptions, lambda o, features, _, rows, seed: DIN(o, features, rows, seed), needs_rows=True),
    "fm": ModelEntry(FMOptions, lambda options, features, graph, rows, seed: FM(options, features, seed)),
    "gipa": ModelEntry(GIPAOptions, lambda *given: GIPA(*given), needs_graph=True),
    "gru": ModelEntry(GRUOptions, lambda o, features, _, rows, seed: GRU(o, features, rows, seed), needs_rows=True),
    "hybrid": ModelEntry(
        HybridOptions, lambda o, features, graph, rows, seed: Hybrid(o, features, rows, seed), needs_rows=True
    ),
    "lstm": ModelEntry(LSTMOptions, lambda o, features, _, rows, seed: LSTM(o, features, rows, seed), needs_rows=True),
    "mmoe": ModelEntry(
        MMoEOptions, lambda o, features, graph, rows, seed: MMoE(o, features, rows, seed), needs_rows=True
    ),
    "mps": ModelEntry(MPSOptions, lambda o, features, graph, rows, seed: MPS(o, features, rows, seed), needs_rows=True),
    "pnn": ModelEntry(PNNOptions, lambda options, features, graph, rows, seed: PNN(options, features, seed)),
    "rgat": ModelEntry(RGATOptions, lambda *given: RGAT(*given), needs_graph=True),
    "rgcn": ModelEntry(RGCNOptions, lambda *given: RGCN(*given), needs_graph=True),
}


def model_entry(name: str) -> ModelEntry:
    """The entry of a model; ConfigError with the list of all where there is none."""
    if name not in MODELS:
        raise ConfigError(f"unknown model {name!r}; choose one of {', '.join(sorted(MODELS))}")
    return MODELS[name]


def build_model(
    options: ModelOptions,
    features: FeatureSpace,
    graph: Any = None,
    interactions: Interactions | None = None,
    seed: int = 0,
) -> BaseRecommender:
    """Make an untrained base recommender.

    Args:
        options: of the model's own options class; `options.name` chooses the model.
        features: what is known of users, items and words.
        graph: the relational graph (HeteroData); only graph models read it.
        interactions: the training rows, which graph models and those with `needs_rows` read.
        seed: of the weights before training.

    Raises:
        ConfigError: an unknown model, options of another model, or a model without the graph or the rows that it needs.
    """
    entry = model_entry(options.name)
    if not isinstance(options, entry.options):
        raise ConfigError(
            f"the model {options.name!r} takes {entry.options.__name__} (got {type(options).__name__}); "
            f"write {entry.options.__name__}(name={options.name!r})"
        )
    if entry.needs_graph and (graph is None or interactions is None):
        raise ConfigError(f"the model {options.name!r} needs graph=... and interactions=... (the training rows)")
    if entry.needs_rows and interactions is None:
        raise ConfigError(f"the model {options.name!r} needs interactions=... (the training rows)")
    return entry.build(options, features, graph, interactions, seed)

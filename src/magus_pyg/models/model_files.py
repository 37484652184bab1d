"""Trained weights on the disk: one safetensors file whose header says what it is."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from magus_pyg._version import __version__
from magus_pyg.errors import ConfigError, RunError
from magus_pyg.files import parse_json, whole
from magus_pyg.models.base import BaseRecommender
from magus_pyg.models.feature_space import FeatureSpace
from magus_pyg.models.interactions import Interactions
from magus_pyg.models.registry import MODELS, build_model

__all__ = ["SavedModel", "load_model", "save_model"]

_FORMAT = "magus_pyg model 1"


@dataclass(frozen=True)
class SavedModel:
    """What the header of a saved model says.

    Attributes:
        name: key of the model in `MODELS`.
        options: the fields of its options.
        version: of the package that wrote it.
        data: fingerprint of the data set.
        features: fingerprint of the feature space.
        seed: the model was built with.
    """

    name: str
    options: dict[str, Any]
    version: str
    data: str
    features: str
    seed: int


def save_model(model: BaseRecommender, path: Path | str, data_fingerprint: str = "") -> None:
    """Write a model's weights and what is needed to build it again, whole or not at all.

    Args:
        model: to save.
        path: of the file, by custom `model.safetensors`.
        data_fingerprint: of the data set it was trained on.

    Raises:
        RunError: if the file cannot be written.
    """
    info = SavedModel(
        model.options.name, asdict(model.options), __version__, data_fingerprint, model.features.fingerprint, model.seed
    )
    tensors = {key: value.detach().cpu().contiguous() for key, value in model.state_dict().items()}
    with whole(Path(path)) as fresh:
        save_file(tensors, fresh, {"format": _FORMAT, "model": json.dumps(asdict(info))})


def load_model(
    path: Path | str,
    features: FeatureSpace,
    graph: Any = None,
    interactions: Interactions | None = None,
    data_fingerprint: str | None = None,
) -> BaseRecommender:
    """Read a model, on the CPU and in evaluation mode.

    Args:
        path: of the file.
        features: the feature space it was trained with.
        graph: the relational graph, for graph models.
        interactions: the training rows, for graph models.
        data_fingerprint: of the data set; checked where given.

    Raises:
        RunError: no file, a damaged or foreign one, or one of another data set, feature space or package version.
    """
    path = Path(path)
    info, tensors = _read(path)
    if data_fingerprint is not None and info.data != data_fingerprint:
        raise RunError(
            f"{path} was trained on other data (fingerprint {info.data[:12]!r}, here {data_fingerprint[:12]!r}); "
            "load the data set of its run, or train again"
        )
    if info.features != features.fingerprint:
        raise RunError(f"{path} was trained with other users, items or words; build them as in its run, or train again")
    if info.name not in MODELS:
        raise RunError(f"{path} holds the model {info.name!r}, which is not one of {', '.join(sorted(MODELS))}")
    try:
        options = MODELS[info.name].options(**info.options)
        model = build_model(options, features, graph, interactions, info.seed)
        # Older files hold no calibration: that of a new model stays, which changes nothing.
        model.load_state_dict({"calibration": model.calibration, **tensors})
    except (ConfigError, TypeError, RuntimeError) as error:
        raise RunError(f"{path} (written by version {info.version}) cannot be used: {error}") from error
    return model.eval()


def _read(path: Path) -> tuple[SavedModel, dict[str, Any]]:
    if not path.is_file():
        raise RunError(f"no saved model at {path}")
    try:
        with safe_open(path, framework="pt") as file:
            header = file.metadata() or {}
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 - not a dict
    except (SafetensorError, OSError) as error:
        raise RunError(f"{path} is damaged or no safetensors file ({error}); train again") from error
    if header.get("format") != _FORMAT:
        raise RunError(f"{path} was not saved by this package (format {header.get('format')!r}, not {_FORMAT!r})")
    try:
        return SavedModel(**parse_json(header["model"])), tensors
    except (KeyError, TypeError, ValueError) as error:
        raise RunError(f"{path} has a header that cannot be read ({error}); train again") from error

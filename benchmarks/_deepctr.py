"""The same rows for DeepCTR-Torch, and its models on them."""

import importlib.util
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
from torch import Tensor

from magus_pyg.models import FeatureSpace, History, Interactions
from magus_pyg.ragged import Ragged

#: Names of its models -> names of ours.
RIVALS = {"fm": "fm", "deepfm": "deepfm", "pnn": "pnn", "pnn-6": "pnn", "mmoe": "mmoe", "din": "din"}

WHY_NOT = (
    "DeepCTR-Torch is not importable, its columns are left out: pip install --no-deps --target FOLDER "
    "deepctr-torch==0.3.0 with scikit-learn, tqdm, requests and packaging beside it, then PYTHONPATH=FOLDER"
)


def available() -> bool:
    """True where DeepCTR-Torch and what it imports are installed."""
    needs = ("deepctr_torch", "sklearn", "tqdm", "requests", "packaging")
    return all(importlib.util.find_spec(name) is not None for name in needs)


def rival(
    name: str,
    features: FeatureSpace,
    rows: Interactions,
    dim: int,
    layers: list[int],
    attention: list[int],
    history: int,
    experts: int,
    tower: list[int],
) -> tuple[Any, dict[str, np.ndarray], np.ndarray]:
    """A compiled model of DeepCTR-Torch with its inputs and labels.

    Args:
        name: of `RIVALS`; "pnn-6" has each profile value as a field of its own, six fields in all, the others have the
            four fields of this package: user, profile (mean), item, words (mean). "mmoe" learns the labels twice, as
            two tasks.
        features: profiles of equally many values each.
        rows: of the log.
        dim: length of the embeddings.
        layers: units of the deep network; of an expert ("mmoe").
        attention: units of the attention ("din").
        history: most items of a history ("din").
        experts, tower: their number, and the units of a task's tower ("mmoe").
    """
    with patch("threading.Thread.start"):  # on import it asks the network for its newest version
        from deepctr_torch.inputs import SparseFeat, VarLenSparseFeat
        from deepctr_torch.models import DIN, MMOE, PNN, DeepFM

    def bag(field: str, size: int, values: Ragged, index: Tensor) -> Any:
        longest = int(values.lengths.max())
        inputs[field], inputs[field + "_len"] = padded(values, longest)[index].numpy(), values.lengths[index].numpy()
        own = SparseFeat(field, size, dim)
        return VarLenSparseFeat(own, longest, combiner="mean", length_name=field + "_len")

    inputs = {"user": rows.user.numpy(), "item": rows.item.numpy()}
    columns = [SparseFeat("user", features.n_users, dim), SparseFeat("item", features.n_items, dim)]
    if name == "pnn-6":
        values = features.user_profiles.index.view(features.n_users, -1)
        for number in range(values.shape[1]):
            field = f"profile_{number}"
            inputs[field] = values[rows.user, number].numpy()
            columns.append(SparseFeat(field, features.n_profiles, dim))
    else:
        columns.append(bag("profile", features.n_profiles, features.user_profiles, rows.user))
    columns.append(bag("words", features.n_words, features.item_words, rows.item))
    if name == "din":
        window = History(rows, features.n_users, history).window(rows.user, rows.earlier_positives())
        inputs["hist_item"] = np.pad(window.item.numpy(), ((0, 0), (0, history - window.item.shape[1])))
        inputs["seq_length"] = window.mask.sum(1).numpy()
        own = SparseFeat("hist_item", features.n_items, dim, embedding_name="item")
        columns.append(VarLenSparseFeat(own, history, length_name="seq_length"))
        model = DIN(columns, ["item"], dnn_hidden_units=layers, att_hidden_size=attention)
    elif name == "mmoe":
        model = MMOE(columns, experts, layers, gate_dnn_hidden_units=(), tower_dnn_hidden_units=tower)
        model.compile("adam", ["binary_crossentropy"] * 2, metrics=[])
        return model, inputs, np.stack([rows.label.numpy()] * 2, 1)
    elif name in ("pnn", "pnn-6"):
        model = PNN(columns, dnn_hidden_units=layers)
    else:
        model = DeepFM(columns, columns, dnn_hidden_units=layers if name == "deepfm" else [])
    model.compile("adam", "binary_crossentropy", metrics=[])
    return model, inputs, rows.label.numpy()


def padded(values: Ragged, longest: int) -> Tensor:
    """int64 [n, longest], 0 beyond a row's end."""
    table = torch.zeros(len(values), longest, dtype=torch.int64)
    place = torch.arange(len(values.index)) - values.ptr[values.row]
    table[values.row, place] = values.index.to(torch.int64)
    return table


def batches(model: Any, inputs: dict[str, np.ndarray], label: np.ndarray, size: int) -> list[tuple[Tensor, Tensor]]:
    """What its loader would give, made beforehand."""
    columns = [inputs[field].reshape(len(label), -1) for field in model.feature_index]
    x, y = torch.from_numpy(np.concatenate(columns, 1)).float(), torch.from_numpy(label)
    return list(zip(torch.split(x, size), torch.split(y, size), strict=True))


def take_step(model: Any, x: Tensor, y: Tensor) -> None:
    """One step of its `fit`."""
    if isinstance(model.loss_func, list):
        given = zip(model.loss_func, model(x).T, y.T, strict=True)
        loss = torch.stack([loss_of_task(of, label, reduction="sum") for loss_of_task, of, label in given]).sum()
    else:
        loss = model.loss_func(model(x).squeeze(-1), y, reduction="sum")
    model.optim.zero_grad()
    (loss + model.get_regularization_loss() + model.aux_loss).backward()
    model.optim.step()

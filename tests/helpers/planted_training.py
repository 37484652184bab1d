"""A small log with a planted taste, and a model trained on it."""

import numpy as np
import torch

from magus_pyg.models import FM, FeatureSpace, FMOptions, TrainingData
from magus_pyg.ragged import Ragged
from magus_pyg.random import integers, uniform
from magus_pyg.testing.small_log import interactions
from magus_pyg.training import TrainOptions, fit

OPTIONS = TrainOptions(
    epochs=6, batch_size=40, lr=2e-2, lr_patience=0, patience=4, weight_decay=4e-4, negatives=1, accelerator="cpu"
)
N_USERS, N_ITEMS = 30, 40


def planted_data() -> TrainingData:
    """Users like the items of one of four words; 600 rows, a tenth of the labels wrong."""
    row = torch.arange(600)
    user, item = integers(N_USERS, row, 1), integers(N_ITEMS, row, 2)
    label = ((user % 4 == item % 4) ^ (uniform(row, 3) < 0.1)).to(torch.int8)
    rows = torch.stack([user, item, label.to(torch.int64)], 1).tolist()
    return TrainingData(interactions(rows[:400]), interactions(rows[400:]), "planted")


def new_model(seed: int = 0, dim: int = 4) -> FM:
    words = Ragged.from_lists([[item % 4] for item in range(N_ITEMS)])
    space = FeatureSpace(N_USERS, N_ITEMS, 4, 0, words, Ragged.from_lists([[] for _ in range(N_USERS)]))
    return FM(FMOptions(dim=dim, dropout=0.3, init_std=0.1), space, seed)


def train(options, folder=None, resume=False, model=None, data=None, seed=5):
    model = model or new_model()
    return model, fit(model, data or planted_data(), options, seed, folder, resume, progress=False)


def assert_same(first, second):
    for (key, a), (_, b) in zip(first[0].state_dict().items(), second[0].state_dict().items(), strict=True):
        assert torch.equal(a, b), key
    same = ["epoch", "train_loss", "val_loss", "val_auc", "lr"]
    np.testing.assert_array_equal(first[1].history[same].to_numpy(), second[1].history[same].to_numpy())
    assert first[1].best_epoch == second[1].best_epoch
    assert first[1].stopped_early == second[1].stopped_early

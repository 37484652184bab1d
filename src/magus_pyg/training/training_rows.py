"""The rows of a data set that a base recommender is trained on."""

import numpy as np

from magus_pyg.data import RecDataset
from magus_pyg.errors import ModelError
from magus_pyg.models.adapters import part_interactions
from magus_pyg.models.interactions import TrainingData
from magus_pyg.training.train_options import TrainOptions

__all__ = ["training_data", "users_that_train"]


def users_that_train(
    user: np.ndarray, label: np.ndarray, part: np.ndarray, n_users: int, options: TrainOptions
) -> np.ndarray:
    """Whose rows a base recommender is trained on (`TrainOptions.filter`): bool [U].

    Args:
        user: int [n], the user of each row of the whole log.
        label: [n], 1 positive; only those of the training part are looked at (reading 32).
        part: [n], 0 train.
        n_users: number of users U.
        options: see above.
    """
    if options.filter == "all":
        return np.ones(n_users, dtype=bool)
    rows = np.bincount(user, minlength=n_users)
    liked = np.bincount(user[(label == 1) & (part == 0)], minlength=n_users)
    chosen: np.ndarray = (rows >= options.min_interactions) & (liked > 0)
    return chosen


def training_data(data: RecDataset, options: TrainOptions | None = None) -> TrainingData:
    """The training and validation rows of a data set, with its fingerprint.

    Args:
        data: the data set.
        options: their `filter` says whose rows; those of all users if None.

    Raises:
        ModelError: if the filter leaves no training row.
    """
    options = options or TrainOptions()
    users = users_that_train(data.user, data.label, data.part, data.n_users, options)
    train = part_interactions(data, "train", users)
    if options.filter != "all" and not len(train):
        raise ModelError(
            f"train.filter=paper leaves no user of {data.name!r}: none has {options.min_interactions} rows and a "
            "positive one for training; lower train.min_interactions or set train.filter=all"
        )
    return TrainingData(train, part_interactions(data, "validation", users), data.fingerprint)

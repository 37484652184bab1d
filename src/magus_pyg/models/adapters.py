"""From a data set to what the base recommenders take."""

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from magus_pyg.data import RecDataset
from magus_pyg.errors import ModelError
from magus_pyg.models.features import FeatureSpace
from magus_pyg.models.interactions import Interactions, TrainingData
from magus_pyg.models.options import TrainOptions
from magus_pyg.ragged import Ragged

__all__ = ["feature_space", "part_interactions", "profile_values", "training_data"]


def part_interactions(data: RecDataset, part: str, users: np.ndarray | None = None) -> Interactions:
    """The rows of a part ("train", "validation" or "test") of a data set; only of the users of the bool mask [U]."""
    rows = data.rows(part)
    if users is not None:
        rows = rows[users[data.user[rows]]]
    user, item, label = (torch.from_numpy(column[rows]) for column in (data.user, data.item, data.label))
    action = None if data.action is None else torch.from_numpy(data.action[rows])
    return Interactions(user, item, label, data.ordered, action, data.actions)


def training_data(data: RecDataset, options: TrainOptions | None = None) -> TrainingData:
    """The training and validation rows of a data set, with its fingerprint.

    Args:
        data: the data set.
        options: their `filter` says whose rows; those of all users if None.

    Raises:
        ModelError: if the filter leaves no training row.
    """
    if options is None or options.filter == "all":
        return TrainingData(part_interactions(data, "train"), part_interactions(data, "validation"), data.fingerprint)
    rows = np.bincount(data.user, minlength=data.n_users)
    liked = np.bincount(data.user, weights=data.label == 1, minlength=data.n_users)
    users = (rows >= options.min_interactions) & (liked > 0)
    train = part_interactions(data, "train", users)
    if not len(train):
        raise ModelError(
            f"train.filter=paper leaves no user of {data.name!r}: none has {options.min_interactions} rows and a "
            "positive one; lower train.min_interactions or set train.filter=all"
        )
    return TrainingData(train, part_interactions(data, "validation", users), data.fingerprint)


def profile_values(data: RecDataset) -> tuple[list[tuple[str, str]], Ragged]:
    """The values of the profile fields.

    Returns:
        The values as (field, value), ordered by field and then by value, and the ids of each user's values, [U] rows;
        several values of a field are joined by "|", and a missing one ("") is none.
    """
    names: list[tuple[str, str]] = []
    users: list[Tensor] = []
    ids: list[Tensor] = []
    for field in data.profile_fields:
        if field not in data.users.columns:
            known = ", ".join(data.users.columns)
            raise ModelError(f"the profile field {field!r} is no column of the user table; it has {known}")
        texts = pd.Series(data.users[field].to_numpy(), index=range(data.n_users)).astype(str)
        values = texts.str.split("|").explode().str.strip()
        values = values[values != ""]
        codes, found = pd.factorize(values, sort=True)
        users.append(torch.tensor(values.index.to_numpy(), dtype=torch.int64))
        ids.append(torch.tensor(codes, dtype=torch.int64) + len(names))
        names.extend((field, str(value)) for value in found)
    nothing = torch.empty(0, dtype=torch.int64)
    return names, Ragged.from_pairs(torch.cat([nothing, *users]), torch.cat([nothing, *ids]), data.n_users)


def feature_space(data: RecDataset, item_words: Ragged, n_words: int) -> FeatureSpace:
    """The feature space of a data set with its words.

    Args:
        data: the data set.
        item_words: [I] rows of word ids, as in the relational graph (`WordTable.item_words`).
        n_words: number of words.
    """
    names, user_profiles = profile_values(data)
    return FeatureSpace(data.n_users, data.n_items, n_words, len(names), item_words, user_profiles)

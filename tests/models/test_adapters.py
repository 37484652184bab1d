import numpy as np
import pandas as pd
import pytest
import torch

from magus_pyg.data import MovieLens100kOptions, RecDataset, load_dataset
from magus_pyg.errors import ModelError
from magus_pyg.graph import build_word_table
from magus_pyg.models import FM, FMOptions, feature_space, part_interactions, profile_values
from magus_pyg.ragged import Ragged
from magus_pyg.training import TrainOptions, fit, training_data


def small_dataset(profile_fields=("job", "age")):
    users = pd.DataFrame({"user_id": ["a", "b", "c"], "age": ["20", "", "10"], "job": ["x|y", "y", ""]})
    items = pd.DataFrame({"item_id": ["p", "q"], "kind": ["k", "l"]})
    columns = {"user": [0, 0, 0, 2], "item": [1, 0, 1, 0], "time": [0, 1, 2, 5]}
    log = {name: np.array(values, dtype=np.int64) for name, values in columns.items()}
    small = {"label": [1, 0, 1, 1], "part": [0, 1, 2, 0]}
    log |= {name: np.array(values, dtype=np.int8) for name, values in small.items()}
    ids = (users["user_id"].to_numpy(dtype=object), items["item_id"].to_numpy(dtype=object))
    return RecDataset("small", *ids, items, users, **log, word_fields=("kind",), profile_fields=profile_fields)


def test_profiles_are_ordered_by_field_and_value():
    names, rows = profile_values(small_dataset())
    assert names == [("job", "x"), ("job", "y"), ("age", "10"), ("age", "20")]
    assert rows.tolist() == [[0, 1, 3], [1], [2]]
    names, rows = profile_values(small_dataset(()))
    assert names == []
    assert rows.tolist() == [[], [], []]
    with pytest.raises(ModelError, match="'jobs' is no column of the user table; it has user_id, age, job"):
        profile_values(small_dataset(("jobs",)))


def test_parts_become_columns():
    data = small_dataset()
    split = training_data(data)
    assert split.train.user.tolist() == [0, 2]
    assert split.train.item.tolist() == [1, 0]
    assert split.validation.label.tolist() == [0.0]
    assert part_interactions(data, "test").item.tolist() == [1]
    assert split.fingerprint == data.fingerprint
    space = feature_space(data, Ragged.from_lists([[0], [1]]), 2)
    assert (space.n_users, space.n_items, space.n_words, space.n_profiles) == (3, 2, 2, 4)


@pytest.mark.real_data
def test_fm_on_movielens(real_data_root):
    if not (real_data_root / "ml-100k").is_dir():
        pytest.skip(f"needs ml-100k in {real_data_root}")
    data = load_dataset(MovieLens100kOptions(), real_data_root)
    table = build_word_table(data.items, list(data.word_fields), data.merge_fields, data.max_share, "item_id")
    space = feature_space(data, table.item_words, len(table.words))
    model = FM(FMOptions(dim=16), space)
    options = TrainOptions(epochs=3, batch_size=4096, lr=1e-2, accelerator="cpu", negatives=0, softmax=0.0)
    result = fit(model, training_data(data), options, progress=False)
    assert result.history["val_auc"].max() > 0.73
    scores = model.score(torch.arange(data.n_users), torch.arange(data.n_items))
    assert scores.shape == (943, 1682)

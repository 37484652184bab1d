"""What a run keeps of its users, so that it answers without the data set."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from magus_pyg.data import SyntheticOptions, load_dataset
from magus_pyg.ragged import Ragged
from magus_pyg.runs.population import load_population, population_of, save_population
from magus_pyg.training import TrainOptions, training_data


def test_training_rows_come_back_with_actions_and_order(tmp_path: Path) -> None:
    data = load_dataset(SyntheticOptions(users=30, items=60))
    action = (np.arange(data.user.size) % 2).astype(np.int8)
    for changed in (data, replace(data, action=action, actions=("view", "buy"), ordered=False)):
        none = Ragged.from_lists([[]] * data.n_users)
        path = tmp_path / "population.safetensors"
        save_population(population_of(changed, none), path)
        loaded = load_population(path)
        found, expected = loaded.training_data(TrainOptions()).train, training_data(changed).train
        for name in ("user", "item", "label"):
            assert torch.equal(getattr(found, name), getattr(expected, name)), name
        assert (found.ordered, found.actions) == (expected.ordered, expected.actions)
        assert (found.action is None) == (expected.action is None)
        assert found.action is None or torch.equal(found.action, expected.action)
        few = TrainOptions(filter="paper", min_interactions=int(np.median(np.bincount(data.user))))
        found, expected = loaded.training_data(few).train, training_data(changed, few).train
        assert 0 < len(found) < len(loaded.training_data(TrainOptions()).train)
        assert torch.equal(found.user, expected.user)
        assert torch.equal(found.item, expected.item)
        assert torch.equal(loaded.training_data(few).validation.item, training_data(changed, few).validation.item)

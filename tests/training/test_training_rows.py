"""`train.filter: paper`: who trains the base recommender."""

import numpy as np
import pytest
from small_data import make_dataset

from magus_pyg.data import SyntheticOptions, load_dataset
from magus_pyg.errors import ConfigError, ModelError
from magus_pyg.training import TrainOptions, training_data


def test_users_with_few_rows_or_no_positive_are_left_out() -> None:
    data = load_dataset(SyntheticOptions(users=40, items=120, brands=6))
    rows = np.bincount(data.user, minlength=40)
    limit = int(np.median(rows))
    kept = {u for u in range(40) if rows[u] >= limit and data.label[(data.user == u) & (data.part == 0)].any()}
    filtered = training_data(data, TrainOptions(filter="paper", min_interactions=limit))
    everyone = training_data(data, TrainOptions())
    assert set(filtered.train.user.tolist()) == kept
    assert set(filtered.validation.user.tolist()) <= kept
    assert set(everyone.train.user.tolist()) == set(range(40))
    assert 0 < len(filtered.train) < len(everyone.train)
    chosen = [u in kept for u in everyone.train.user.tolist()]
    assert filtered.train.item.tolist() == everyone.train.item[chosen].tolist()


def test_a_positive_of_a_later_part_lets_nobody_train() -> None:
    data = make_dataset([(user, item, int(item == user), item) for user in (5, 6, 9) for item in range(10)], 10, 10)
    # Training ends after six of ten rows: only user 5 likes an item before.
    assert set(training_data(data, TrainOptions(filter="paper", min_interactions=10)).train.user.tolist()) == {5}
    assert set(training_data(data).train.user.tolist()) == {5, 6, 9}


def test_a_filter_that_leaves_nobody() -> None:
    data = load_dataset(SyntheticOptions(users=10, items=60, brands=4))
    with pytest.raises(ModelError, match=r"leaves no user of 'synthetic'.*lower train\.min_interactions"):
        training_data(data, TrainOptions(filter="paper", min_interactions=10_000))


def test_an_unknown_filter() -> None:
    with pytest.raises(ConfigError, match=r"filter must be one of all, paper \(got 'some'\)"):
        TrainOptions(filter="some")

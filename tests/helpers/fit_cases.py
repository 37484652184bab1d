"""A tiny data set in which everything that learns is fitted within seconds, and what came after a part replaced."""

from dataclasses import replace

import numpy as np

from magus_pyg.data import RecDataset, SyntheticOptions, load_dataset
from magus_pyg.data.searches import part_begins
from magus_pyg.experiment.agent_plays import PlaySetting
from magus_pyg.experiment.environment import Stopwatch
from magus_pyg.experiment.preparing import _population
from magus_pyg.models import build_model
from magus_pyg.runs.config import Config
from magus_pyg.runs.overrides import compose_config
from magus_pyg.runs.run_inputs import build_graph, features_of
from magus_pyg.runs.schemas import typed
from magus_pyg.terminal import Terminal
from magus_pyg.training import fit, training_data

#: Every agent that learns something.
LEARNING = ("magus+", "normalised", "bayes", "max_entropy", "recurrent", "crm", "ear")
_SHORT = [
    "magus=plus", "magus.training.epochs=1", "model.dim=8", "train.epochs=1", "train.accelerator=cpu", "seed=3",
    f"agents=[{','.join(LEARNING)}]", "simulation.at=[2]", "simulation.rounds=2", "simulation.list_length=2",
    "sessions.candidates=8", "sessions.min_interactions=10", "rivals.folds=2", "rivals.per_user=1",
    "rivals.recurrent.epochs=1", "rivals.recurrent.steps=1", "rivals.crm.imitation_epochs=1", "rivals.crm.epochs=1",
    "rivals.crm.steps=1", "rivals.crm.rollouts=2", "rivals.ear.imitation_epochs=1", "rivals.ear.epochs=1",
    "rivals.ear.steps=1", "rivals.ear.rollouts=2", "rivals.ear.estimation_epochs=1",
    "rivals.ear.reflection_rates=[0.3]",
]  # fmt: skip


def short_config(*words: str) -> Config:
    """A configuration in which every agent learns for one step."""
    return typed(compose_config([*_SHORT, *words]))


def tiny_data() -> RecDataset:
    """20 users with 12 rows or more of 40 items, and searches."""
    sizes = SyntheticOptions(users=20, items=40, brands=5, min_interactions=12, mean_interactions=16, max_words=2)
    return load_dataset(sizes)


def fitted_setting(data: RecDataset, config: Config) -> PlaySetting:
    """A trained base recommender with its data, for `fit_agents`."""
    graph = build_graph(data)
    population = _population(data, graph, config)
    rows = training_data(data, config.train)
    features = features_of(graph, population.profiles, population.n_profiles)
    model = build_model(config.model, features, graph, rows.train, config.seed)
    fit(model, rows, config.train, config.seed, progress=False)
    return PlaySetting(config, data, graph, model, Stopwatch(), Terminal(quiet=True))


def with_other_rows(data: RecDataset, first: str, seed: int = 0) -> RecDataset:
    """The data set with all rows of a part and of those after it replaced at random, and with the searches after.

    Users, their number of rows and the moment at which a part begins for a user stay: the split itself needs them.

    Args:
        data: split by time.
        first: "validation" or "test", the first part whose rows are replaced.
        seed: of what is drawn.
    """
    generator = np.random.default_rng(seed)
    begins = part_begins(data, first)
    later = np.flatnonzero(data.part >= ("train", "validation", "test").index(first))
    item, label, time = data.item.copy(), data.label.copy(), data.time.copy()
    item[later] = generator.integers(0, data.n_items, later.size)
    label[later] = generator.integers(0, 2, later.size)
    opening = np.unique(np.stack([data.user[later], data.part[later]]), axis=1, return_index=True)[1]
    free = np.setdiff1d(np.arange(later.size), opening)
    time[later[free]] += generator.integers(0, 1000, free.size)
    if data.action is not None:
        raise ValueError("the log has actions: replace them too")
    time[later] = np.maximum.accumulate(time[later] + data.user[later] * 2**40) - data.user[later] * 2**40
    searched = data.searched.copy()
    after = searched["time"].to_numpy() >= begins[searched["user"].to_numpy()]
    words = searched["words"].to_numpy(dtype=object).copy()
    words[after] = generator.permutation(words)[: int(after.sum())]
    return replace(data, item=item, label=label, time=time, searched=searched.assign(words=words))

"""From a configuration to what a training starts from: data, graph, users, rows, and the untrained model."""

from dataclasses import dataclass

import torch
from torch_geometric.data import HeteroData

from magus_pyg.data import RecDataset, Sessions, searched_words
from magus_pyg.data.part_checks import unlearnable_test
from magus_pyg.errors import ConfigError
from magus_pyg.experiment.environment import Stopwatch
from magus_pyg.graph import min_support, n_items, n_nodes
from magus_pyg.memory import require_memory
from magus_pyg.models import BaseRecommender, FeatureSpace, TrainingData, build_model
from magus_pyg.ragged import Ragged
from magus_pyg.runs.config import Config
from magus_pyg.runs.data_loading import load_data
from magus_pyg.runs.population import Population, population_of
from magus_pyg.runs.run_inputs import build_graph, features_of, searched_nodes
from magus_pyg.terminal import Terminal
from magus_pyg.training import training_data

__all__ = ["TrainingInputs", "prepare_model", "prepare_training"]


@dataclass(frozen=True)
class TrainingInputs:
    """What a training starts from.

    Attributes:
        data: the data set.
        graph: its relational graph.
        population: the users, with their profiles and searches.
        rows: the training and validation rows.
        features: what base recommenders know of users, items and words.
    """

    data: RecDataset
    graph: HeteroData
    population: Population
    rows: TrainingData
    features: FeatureSpace


def prepare_training(config: Config, console: Terminal, watch: Stopwatch | None = None) -> TrainingInputs:
    """Load the data and build the graph.

    Args:
        config: of the run.
        console: shows what was found.
        watch: notes the wall time of "data" and "graph".

    Raises:
        MagusError: anything that is wrong with the data.
    """
    watch = Stopwatch() if watch is None else watch
    with watch("data"), console.stage("reading the data"):
        data = load_data(config)
    console.print(
        f"{data.name}: {data.n_users:,} users, {data.n_items:,} items, {data.user.size:,} rows "
        f"({data.label.mean():.0%} positive)"
    )
    warning = unlearnable_test(data)
    if warning:
        console.say(warning)
    with watch("graph"), console.stage("building the graph"):
        graph = build_graph(data)
    least = min_support(graph)
    console.print(
        f"graph: {n_items(graph):,} items, {n_nodes(graph) - n_items(graph):,} queries of "
        f"{len(graph.vocabulary.words):,} words, {graph['node', 'improves', 'node'].edge_index.shape[1]:,} R+ edges"
        + (f"; a query has at least {least} items (dataset.min_support)" if least > 1 else "")
    )
    population = _population(data, graph, config)
    features = features_of(graph, population.profiles, population.n_profiles)
    return TrainingInputs(data, graph, population, training_data(data, config.train), features)


def prepare_model(inputs: TrainingInputs, config: Config) -> BaseRecommender:
    """The untrained base recommender of a configuration.

    Raises:
        ConfigError: options that do not fit, or vectors that the memory does not hold with their gradients and Adam's
            two averages.
    """
    entries, dim = sum(inputs.features.sizes), int(getattr(config.model, "dim", 0))
    what = f"training {entries:,} vectors of users, items and words of length {dim}"
    require_memory(16 * entries * dim, what, "lower model.dim", ConfigError)
    return build_model(config.model, inputs.features, inputs.graph, inputs.rows.train, config.seed)


def _population(data: RecDataset, graph: HeteroData, config: Config) -> Population:
    """The users, with the nodes of their last searches before the test part."""
    users = torch.arange(data.n_users)
    one = torch.zeros((data.n_users, 1), dtype=torch.int64)
    everyone = Sessions(users, one, torch.zeros_like(one, dtype=torch.bool))
    rows, queries = searched_words(data, everyone, "test", config.simulation.searches)
    node = searched_nodes(graph, queries)[rows.index] if queries else rows.index
    kept = node >= 0
    return population_of(data, Ragged.from_pairs(rows.row[kept], node[kept], data.n_users))

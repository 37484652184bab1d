"""A trained run, read back from its folder."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from magus_pyg.agents import BayesState, EdgeFactors, MagusOptions
from magus_pyg.agents.fitted_states import AgentState
from magus_pyg.agents.magus_options import with_told_error
from magus_pyg.agents.methods import METHODS, fitted_for_sessions, variant_method
from magus_pyg.data import RecDataset, first_dataset
from magus_pyg.data.sets.new_items import clean_new_items
from magus_pyg.errors import DataError, RunError
from magus_pyg.files import home_expanded
from magus_pyg.graph import Word, item_nodes, load_graph, n_items, words_of
from magus_pyg.graph.settings import GraphSettings
from magus_pyg.models import BaseRecommender, load_model
from magus_pyg.runs.config import Config
from magus_pyg.runs.data_loading import load_data
from magus_pyg.runs.folder import RunFolder
from magus_pyg.runs.guests import Guests
from magus_pyg.runs.item_columns import ItemColumns
from magus_pyg.runs.population import Population, load_population
from magus_pyg.runs.retrieval import Retriever, digest_of
from magus_pyg.runs.run_inputs import features_of

__all__ = ["Run", "load_run"]


@dataclass(frozen=True, eq=False)
class Run:
    """A run folder, loaded.

    Attributes:
        path: the folder.
        config: the configuration.
        info: what run.json holds: versions, data fingerprint, environment, times, memory.
        graph: the relational graph.
        model: the trained base recommender, on the CPU and in evaluation mode; it reads the training rows where it
            reads a history, and `scores` those up to the part that the run plays.
        population: the users, with their profiles and rows of the log.
        agent_states: what each agent has learned beyond the base recommender.
        records: the record table of all agents.
        results: a row an agent.
        history: a row an epoch of the training.
        item_columns: what people see of its items beside titles and words.
    """

    path: Path
    config: Config
    info: dict[str, Any]
    graph: HeteroData
    model: BaseRecommender
    population: Population
    agent_states: dict[str, AgentState]
    records: pd.DataFrame
    results: pd.DataFrame
    history: pd.DataFrame
    item_columns: ItemColumns = field(default_factory=ItemColumns)

    def __repr__(self) -> str:
        return f"Run({str(self.path)!r}, model={self.config.model.name!r}, variant={self.variant!r})"

    @property
    def variant(self) -> str:
        """The variant of MAGUS: "none", "base", ..."""
        return self.config.magus.name

    @property
    def magus_options(self) -> MagusOptions:
        """The switches of MAGUS."""
        state = self.agent_states.get(variant_method("plus" if self.variant == "plus" else "base"), {})
        return with_told_error(self.config.magus_options, state)

    @property
    def edge_factors(self) -> EdgeFactors | None:
        """The edge weights that MAGUS+ learned; None for the other variants."""
        state = self.state_for("plus")
        assert state is None or isinstance(state, EdgeFactors)
        return state

    @property
    def bayes_state(self) -> BayesState | None:
        """What the Bayesian variant fitted, for the run's objective where it has both; None for other variants."""
        state = self.state_for("bayes")
        assert state is None or isinstance(state, BayesState)
        return state

    @property
    def session_state(self) -> EdgeFactors | BayesState | None:
        """What a `MagusSession` of the run's variant takes as its `state`."""
        return self.state_for(self.variant)

    def state_for(self, variant: str) -> EdgeFactors | BayesState | None:
        """What a `MagusSession` of another variant takes as its `state`, as far as this run has learned it."""
        names = fitted_for_sessions(self.config.magus, variant)
        name = next((name for name in names if name in self.agent_states), names[0])
        kind, tensors = METHODS[name].state, self.agent_states.get(name)
        if kind is None or tensors is None:
            return None
        state = kind.of_tensors(tensors, self.graph)
        assert isinstance(state, EdgeFactors | BayesState), f"{name} is no method of a session"
        return state

    @property
    def fingerprint(self) -> str:
        """Of the data set."""
        return str(self.info["data"]["fingerprint"])

    @cached_property
    def user_ids(self) -> tuple[str, ...]:
        """All users."""
        return self.population.user_ids

    def scores(self, user_id: str | None = None, liked: Sequence[str] = ()) -> Tensor:
        """The base recommender's scores of all items for one person, as the sessions of the run's part begin.

        Args:
            user_id: a user of the log; None for a guest, who gets popular and varied items (`Guests.varied_scores`).
            liked: ids of items that a guest likes; one given twice counts once.

        Returns:
            float64 [I], in node order.

        Raises:
            DataError: an unknown user, or liked items of a user, whose own log counts.
            GraphError: an unknown item.
        """
        if user_id is None:
            return self._guests.varied_scores(item_nodes(self.graph, liked))
        if len(liked):
            raise DataError(f"liked items are for guests, and user {user_id!r} has a log: leave one of the two out")
        user = torch.tensor([self.population.user(user_id)])
        return self._model_at_start.score(user, torch.arange(n_items(self.graph)))[0].to(torch.float64)

    def scores_of(self, user_id: str, item_ids: Sequence[str]) -> dict[str, float]:
        """Base scores of some items for a user, by id, such as of a retrieval list: no others are computed.

        Raises:
            DataError: an unknown user.
            GraphError: an unknown item.
        """
        ids = list(map(str, item_ids))
        user = torch.tensor([self.population.user(user_id)])
        scores = self._model_at_start.score(user, item_nodes(self.graph, ids))[0].to(torch.float64)
        return dict(zip(ids, scores.tolist(), strict=True))

    @cached_property
    def _guests(self) -> Guests:
        return Guests(self._model_at_start, n_items(self.graph))

    @cached_property
    def _model_at_start(self) -> BaseRecommender:
        """The model with the histories that users have when the part begins that the run plays."""
        rows = self.population.training_data(self.config.train)
        return self.model.with_history(rows.before(self.config.simulation.part))

    def retriever(self, k: int = 1000, path: Path | str | None = None) -> Retriever:
        """What names the k best items of a person, for catalogues that are too large to score all of.

        Args:
            k: how many.
            path: a folder that keeps the index, to be mapped from where it is there; None builds it in memory.

        Raises:
            ModelError: a model whose scores are no dot products.
            RunError: an index of another run, or a damaged one.
            ConfigError: k is no whole number of at least 1, or the extra `[retrieval]` is not installed.
        """
        if path is None:
            return Retriever.build(self._model_at_start, k)
        if not Path(path).exists():
            Retriever.build(self._model_at_start, k).save(path)
        return Retriever.load(path, self._model_at_start, k)

    def retrieved(self, retriever: Retriever, user_id: str) -> list[str]:
        """The ids of a user's best items, best first, as `candidates` of a session.

        Args:
            retriever: of this run; items may have been removed from it, or have got other vectors.
            user_id: of a user of the run.

        Raises:
            DataError: an unknown user, or one of the best is a number that was added and no item of the run has.
            RunError: an index of another run.
        """
        if retriever.built_from != self._digest_at_start:
            raise RunError("the index was built from another run's items: build it with this run's `retriever`")
        user = torch.tensor([self.population.user(user_id)])
        found = retriever.items(self._model_at_start.user_embedding(user))[0]
        ids = self.graph.vocabulary.item_ids
        if found.numel() and int(found.max()) >= len(ids):
            raise DataError(
                f"the index finds the item number {int(found.max())}, and the run has {len(ids):,} items: "
                "retriever.items(run.model.user_embedding(users)) gives numbers"
            )
        return [ids[item] for item in found[found >= 0].tolist()]

    @cached_property
    def _digest_at_start(self) -> str:
        return digest_of(self._model_at_start)

    def known_items(self, user_id: str) -> list[str]:
        """Ids of the items that a user has a row of the log with, in node order.

        Raises:
            DataError: an unknown user.
        """
        ids = self.graph.vocabulary.item_ids
        return [ids[item] for item in self.population.touched(self.population.user(user_id)).tolist()]

    def searched_queries(self, user_id: str) -> list[tuple[Word, ...]]:
        """What the user searched before the test part, as far as it is a node of the graph.

        Raises:
            DataError: an unknown user.
        """
        user = torch.tensor([self.population.user(user_id)])
        _, nodes = self.population.searched.gather(user)
        return [words_of(self.graph, node) for node in nodes.tolist()]

    def cleaned_items(
        self, items: pd.DataFrame, graph: HeteroData | None = None
    ) -> tuple[pd.DataFrame, dict[str, int]]:
        """New items, cleaned as those of the run's data set were: see `clean_new_items`.

        Args:
            items: the rows of the new items, as in the source of the data set.
            graph: that they will be added to, whose words keep their spelling and bands; the run's if None.

        Returns:
            The rows as `extend_relational_graph` takes them, and what was counted.

        Raises:
            DataError: as of `clean_new_items`.
        """
        graph = self.graph if graph is None else graph
        settings: GraphSettings | None = getattr(graph, "settings", None)
        words: dict[str, list[str]] = {}
        for word in [*graph.vocabulary.words, *(word for word, _ in (settings.dropped if settings else ()))]:
            words.setdefault(word.field, []).append(word.value)
        return clean_new_items(items, first_dataset(self.config.dataset), words)

    def dataset(self, data_root: Path | str | None = None) -> RecDataset:
        """Load the data set of the run again.

        Args:
            data_root: the folder of the data sets; that of the run, else the variable MAGUS_DATA, if None.

        Raises:
            DataError: if the data is not there or cannot be used.
            RunError: if it is not the data that the run was trained on.
        """
        data = load_data(self.config, data_root)
        check_fingerprint(data, self.fingerprint, self.path)
        return data


def check_fingerprint(data: RecDataset, expected: str, path: Path) -> None:
    """Raise RunError unless the data has the fingerprint of the run at `path`."""
    if data.fingerprint != expected:
        raise RunError(
            f"{path} was trained on other data: {data.name!r} now has the fingerprint {data.fingerprint[:12]}, not "
            f"{expected[:12]}. Set paths.data=... to the data of the run, or train again"
        )


def load_run(path: Path | str) -> Run:
    """Read a run folder; the data set is not needed.

    Args:
        path: the folder, as `train.py` prints it.

    Raises:
        RunError: no run folder, an incomplete or damaged one, or one of a format that this release does not know.
    """
    folder = RunFolder(home_expanded(path))
    info = folder.read_info()
    folder.check(info)
    config = folder.read_config(info)
    with folder.reading(folder.graph):
        graph = load_graph(folder.graph)
    with folder.reading(folder.population):
        population = load_population(folder.population)
        features = features_of(graph, population.profiles, population.n_profiles)
        rows = population.training_data(config.train).train
    with folder.reading(folder.model):
        model = load_model(folder.model, features, graph, rows, str(info["data"]["fingerprint"]))
        if (model.seed, model.options) != (config.seed, config.model):
            raise ValueError(f"it is of {model.options} and seed {model.seed}, and config.yaml is not")
    return Run(
        path=folder.path,
        config=config,
        info=info,
        graph=graph,
        model=model,
        population=population,
        agent_states=folder.read_agents(),
        records=folder.read_records(),
        results=folder.read_results(),
        history=folder.read_history(),
        item_columns=ItemColumns(folder.item_columns if folder.item_columns.name in info["files"] else None),
    )

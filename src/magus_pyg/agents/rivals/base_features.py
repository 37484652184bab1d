"""What a base recommender knows of nodes, for agents that learn on top of it."""

from functools import cached_property

import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from magus_pyg.errors import ModelError
from magus_pyg.graph import n_items, n_nodes, node_words
from magus_pyg.models import BaseRecommender, Candidates

__all__ = ["BaseFeatures"]

_KEPT = 1 << 25  # floats of a table that is kept whole
_BLOCK = 1 << 14  # nodes embedded at once
_SAMPLE = 1 << 15  # nodes of a kind that mean and spread are taken from, at most


class BaseFeatures:
    """The base recommender's last embeddings of nodes (`candidate_features`), brought to one scale.

    Items and queries each have mean 0 and spread 1 in every feature; a feature that does not vary is 0. The vector of
    the user is left out on purpose: the trained model's holds the rows of the training sessions (reading 27). What it
    says of a node reaches an agent through the base score, which is out of fold in training.

    Args:
        graph: the relational graph.
        model: the trained base recommender.

    Raises:
        ModelError: a model without `candidate_features`, such as popularity, or of another graph.
    """

    def __init__(self, graph: HeteroData, model: BaseRecommender) -> None:
        if not isinstance(model, BaseRecommender):
            raise ModelError(
                f"this agent reads the base recommender's features of nodes, and {type(model).__name__} is none with "
                "candidate_features: train a model that has"
            )
        if model.features.n_items != n_items(graph):
            raise ModelError(f"the model has {model.features.n_items} items, and the graph has {n_items(graph)}")
        self.graph, self.model = graph, model
        self.words = node_words(graph)
        self.n_items, self.n_nodes = n_items(graph), n_nodes(graph)
        # Asking for one says at once whether the model has features at all.
        self.size = int(self._raw(torch.zeros(1, dtype=torch.int64)).shape[1])

    def __call__(self, node: Tensor) -> Tensor:
        """float32 [..., k] of nodes int64 [...]."""
        if self.n_nodes * self.size <= _KEPT:
            return self._table[node]
        distinct, place = torch.unique(node, return_inverse=True)
        return self._scaled(distinct)[place]

    @cached_property
    def _table(self) -> Tensor:
        return self._scaled(torch.arange(self.n_nodes))

    @cached_property
    def _scale(self) -> tuple[Tensor, Tensor]:
        """Mean and spread [2, k] of items and of queries."""
        means, spreads = [], []
        for start, end in ((0, self.n_items), (self.n_items, self.n_nodes)):
            step = max(1, (end - start) // _SAMPLE)
            known = self._raw(torch.arange(start, end, step))
            if not len(known):
                known = torch.zeros((1, self.size))
            means.append(known.mean(0))
            spread = known.std(0, correction=0)
            spreads.append(torch.where(spread > 1e-6, spread, torch.inf))
        return torch.stack(means), torch.stack(spreads)

    def _scaled(self, node: Tensor) -> Tensor:
        kind = (node >= self.n_items).to(torch.int64)
        mean, spread = self._scale
        return (self._raw(node) - mean[kind]) / spread[kind]

    def _raw(self, node: Tensor) -> Tensor:
        blocks = []
        device = self.model.device
        for part in torch.split(node, _BLOCK):
            item = torch.where(part < self.n_items, part, self.n_items)
            given = Candidates(item.to(device), self.words.select(part).to(device))
            blocks.append(self.model.candidate_features(given).to("cpu", torch.float32))
        return torch.cat(blocks) if blocks else torch.zeros((0, self.size))

"""What the base recommenders share that read the items a user liked before."""

import copy
from typing import Self

from magus_pyg.models.feature_space import FeatureSpace
from magus_pyg.models.fields import FieldRecommender
from magus_pyg.models.history import History
from magus_pyg.models.interactions import Interactions
from magus_pyg.models.model_options import ModelOptions

__all__ = ["HistoryRecommender"]


class HistoryRecommender(FieldRecommender):
    """A model that reads each user's latest liked items: in training those before a row, else all of its `history`.

    Args:
        options: of the model.
        features: what is known of users, items and words.
        interactions: the training rows, in the order of time.
        length: the most items it reads of a user.
        seed: of the weights before training.

    Raises:
        ModelError: rows without an order.
    """

    needs_history = True

    def __init__(
        self, options: ModelOptions, features: FeatureSpace, interactions: Interactions, length: int, seed: int = 0
    ) -> None:
        super().__init__(options, features, seed)
        self.history = History(interactions, features.n_users, length)

    def observe(self, train: Interactions) -> None:
        """Note which users and items have a training row, and that the histories are those of the same rows."""
        super().observe(train)
        self.history.check(train)

    def with_history(self, rows: Interactions) -> Self:
        """As the base class; the weights are shared, not copied.

        Raises:
            ModelError: rows without an order.
        """
        other = copy.copy(self)
        history = History(rows, self.features.n_users, self.history.length).to(self.device)
        other._modules = {**self._modules, "history": history}
        return other

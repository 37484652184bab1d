"""Base recommenders whose score is a dot product, scored by matrix products."""

from abc import abstractmethod
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from magus_pyg.models.base import BaseRecommender
from magus_pyg.models.feature_space import Candidates, FeatureSpace, check_ids
from magus_pyg.models.model_options import ModelOptions
from magus_pyg.ragged import Ragged

__all__ = ["DotProductRecommender"]

# Items embedded at once, and floats of gathered embeddings held at once.
_ITEMS = 1 << 18
_FLOATS = 1 << 24


def _version(tensor: Tensor) -> int:
    # Tensors made in inference mode count no changes, and cannot be changed outside of it.
    return -1 if tensor.is_inference() else tensor._version


class DotProductRecommender(BaseRecommender):
    """A model whose logit is the dot product of a user's and a candidate's embedding.

    A model implements `embed_users` and `embed_candidates`. Side terms that add to the score, such as biases, are two
    further coordinates: e_u = [.., side_u, 1] and e_v = [.., 1, side_v], so that nothing is lost in the dot product.
    The items' embeddings are kept between calls to `score` until a weight changes; as long as weights hold gradients
    nothing is kept, so after a training loop of your own call `zero_grad()`.
    """

    def __init__(self, options: ModelOptions, features: FeatureSpace, seed: int = 0) -> None:
        super().__init__(options, features, seed)
        self._cache: dict[str, tuple[object, Any]] = {}

    @abstractmethod
    def embed_users(self, user: Tensor) -> Tensor:
        """float [n, d] for `user` int64 [n], differentiable."""

    @abstractmethod
    def embed_candidates(self, candidates: Candidates) -> Tensor:
        """float [n, d] for n candidates, differentiable."""

    def logits(self, user: Tensor, candidates: Candidates) -> Tensor:
        """The dot products of the pairs, [n]."""
        return (self.embed_users(user) * self.embed_candidates(candidates)).sum(1)

    def user_embedding(self, users: Tensor) -> Tensor:
        """float32 [n, d] for `users` int64 [n], in evaluation mode and without gradients."""
        check_ids(users, self.features.n_users, "user")
        with self._scoring():
            return self.embed_users(users.to(self.device, torch.int64)).to(users.device, torch.float32)

    def item_embedding(self, items: Tensor) -> Tensor:
        """float32 [n, d] for `items` int64 [n], in evaluation mode and without gradients."""
        check_ids(items, self.features.n_items, "item")
        with self._scoring():
            return self._item_table()[items.to(self.device, torch.int64)].to(items.device)

    def query_embedding(self, words: Ragged) -> Tensor:
        """float32 [n, d] for n rows of word ids, in evaluation mode and without gradients."""
        check_ids(words.index, self.features.n_words, "word")
        with self._scoring():
            return self.embed_candidates(self._combinations(words)).to(words.ptr.device, torch.float32)

    def user_features(self, users: Tensor) -> Tensor:
        """The embeddings of `users`, float32 [n, d]."""
        return self.user_embedding(users)

    def candidate_features(self, candidates: Candidates) -> Tensor:
        """The embeddings of candidates, float32 [n, d], in evaluation mode and without gradients."""
        with self._scoring():
            return self.embed_candidates(candidates).to(torch.float32)

    def train(self, mode: bool = True) -> "DotProductRecommender":
        """Switch between training and evaluation mode; training drops what is kept between scorings."""
        if mode:
            self._cache.clear()
        super().train(mode)
        return self

    def _forget(self) -> None:
        # A step of the optimiser comes after gradients, and a fused one changes weights without raising their counters.
        if torch.is_grad_enabled():
            self._cache.clear()

    def _cached(self, name: str, compute: Callable[[], Any]) -> Any:
        """`compute()`, kept until a weight or a buffer changes. Only while scoring.

        A weight's version counter rises with a change in place, such as `load_state_dict`. While a weight has a
        gradient, a step of the optimiser may be to come, and nothing is kept.
        """
        parameters = list(self.parameters())
        if any(parameter.grad is not None for parameter in parameters):
            return compute()
        tensors = [*parameters, *self.buffers()]
        state = tuple((id(tensor), _version(tensor), tensor.device, tensor.dtype) for tensor in tensors)
        kept = self._cache.get(name)
        if kept is None or kept[0] != state:
            kept = self._cache[name] = (state, compute())
        return kept[1]

    def _item_table(self) -> Tensor:
        """float32 [I, d], the embeddings of all items."""

        def compute() -> Tensor:
            items = torch.arange(self.features.n_items, device=self.device)
            blocks = [
                self.embed_candidates(Candidates.of_items(block, self.item_words)).to(torch.float32)
                for block in torch.split(items, _ITEMS)
            ]
            return torch.cat(blocks)

        table: Tensor = self._cached("items", compute)
        return table

    def _score_items(self, user: Tensor, item: Tensor) -> Tensor:
        left, table = self.embed_users(user).to(torch.float32), self._item_table()
        if item.dim() == 1:
            return left @ table[item].T
        rows = max(1, _FLOATS // max(1, item.shape[1] * table.shape[1]))
        blocks = zip(torch.split(left, rows), torch.split(item, rows), strict=True)
        return torch.cat([torch.bmm(table[block], own.unsqueeze(2)).squeeze(2) for own, block in blocks])

    def _score_shared(self, user: Tensor, candidates: Candidates) -> Tensor:
        return self.embed_users(user) @ self.embed_candidates(candidates).T

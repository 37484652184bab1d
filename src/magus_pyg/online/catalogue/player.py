"""What of a variant plays a whole catalogue: its first values, and a session that begins from them."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from magus_pyg.agents import BayesState, MagusOptions
from magus_pyg.online.catalogue.belief_play import BayesPlay, Width
from magus_pyg.online.catalogue.dense_play import DensePlay, weighted_guess
from magus_pyg.online.catalogue.edition import Edition
from magus_pyg.online.catalogue.first_guess import Guess, first_guess, item_scores
from magus_pyg.online.catalogue.items_play import ItemsPlay
from magus_pyg.online.catalogue.prior import Prior, first_belief
from magus_pyg.online.catalogue.sparse_play import SparsePlay, Switches
from magus_pyg.online.node_play import NodePlay

__all__ = ["Player"]


@dataclass(frozen=True)
class Player:
    """A variant with its settings.

    Attributes:
        variant: see `Catalogue`.
        options: the switches of MAGUS, as `catalogue_options` allows.
        belief: what the Bayesian variant fitted.
        width: among how many items it plans its lists.
    """

    variant: str
    options: MagusOptions
    belief: BayesState
    width: Width

    def first(
        self, edition: Edition, scores: Tensor, excluded: Tensor | None, searched: Sequence[int]
    ) -> Guess | Prior:
        """The scores of all nodes before any answer; `searched`: nodes; the rest as of `first_guess`."""
        index, found = edition.index, torch.tensor(searched, dtype=torch.int64) if searched else None
        if self.variant == "bayes":
            return first_belief(index, scores, self.belief, excluded, found)
        if self.variant == "none":
            return item_scores(index, scores, excluded)
        literal = self.options.searched == "literal"
        if edition.weights is not None:
            return weighted_guess(edition.weights, scores, excluded, found, literal)
        scale = self.options.minus_scale * (1.0 if edition.factors is None else edition.factors.minus_scale)
        return first_guess(index, scores, scale, excluded, found, literal)

    def play(self, edition: Edition, first: Guess | Prior, list_length: int, rounds: int, min_items: int) -> NodePlay:
        """A session that begins from what `first` gave; the rest as of `Catalogue.session`."""
        longest = edition.index.n_nodes  # a longer list would be padding
        list_length, min_items = min(list_length, longest), min(min_items, longest)
        if isinstance(first, Prior):
            return BayesPlay(first, self.belief, rounds, list_length, self.width, min_items)
        if self.variant == "none":
            return ItemsPlay(first, list_length)
        refusals = self.options.refusals(0.0 if edition.factors is None else edition.factors.refusal)
        switches = Switches(list_length, refusals, self.options.clamp, min_items)
        if edition.weights is not None or self.options.clamp:
            return DensePlay(first, switches, edition.weights)
        return SparsePlay(first, switches)

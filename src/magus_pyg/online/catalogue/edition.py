"""A catalogue between two changes: what its sessions share and begin from, and how that goes on with new items."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from magus_pyg.agents import EdgeFactors, MagusOptions
from magus_pyg.errors import ConfigError, GraphError
from magus_pyg.graph import Extension
from magus_pyg.online.catalogue.carry_over import carry_edges, extended_factors, make_alike, rows_are_equal
from magus_pyg.online.catalogue.containment import CatalogueIndex
from magus_pyg.online.catalogue.dense_play import CatalogueWeights
from magus_pyg.online.catalogue.first_guess import Guess
from magus_pyg.online.catalogue.prior import Prior
from magus_pyg.online.session_inputs import SearchedWords

__all__ = ["Edition", "Start", "catalogue_options"]


@dataclass
class Edition:
    """A catalogue between two changes of its items; sessions go on with the one they began with.

    Attributes:
        index: the graph and what is made of it.
        factors: the weights that MAGUS+ learned.
        weights: the same, ready for use; None where all are 1.
        removed: bool [I], the items that are not offered to sessions that begin now; None for none.
        origin: the same for all editions of one catalogue.
    """

    index: CatalogueIndex
    factors: EdgeFactors | None = None
    weights: CatalogueWeights | None = None
    removed: Tensor | None = None
    origin: object = field(default_factory=object)

    @classmethod
    def of(
        cls, index: CatalogueIndex, factors: EdgeFactors | None, minus_scale: float, dtype: torch.dtype
    ) -> "Edition":
        """The first edition of a catalogue, or one with other factors.

        Args:
            index: the relational graph, and what is made of it.
            factors: learned weights of its nodes; None for unit weights.
            minus_scale: the options' factor on the R- weights of Eq. (4).
            dtype: of the weights.

        Raises:
            GraphError: a graph of other relations, or weights of another graph.
        """
        edition = cls(index, factors)
        if factors is None:
            return edition
        if factors.positive.shape[0] != edition.index.n_nodes:
            nodes = factors.positive.shape[0]
            raise GraphError(f"the weights are of a graph with {nodes} nodes, this has {edition.index.n_nodes}")
        if not _is_unit(factors):
            edition.weights = CatalogueWeights.of(edition.index, factors, minus_scale, dtype)
        return edition

    def removed_with(self, nodes: Tensor) -> Tensor | None:
        """bool [I]: the items that are not on offer, and others int64; None for none."""
        if not nodes.numel():
            return self.removed
        count, device = self.index.n_items, self.index.device
        mask = torch.zeros(count, dtype=torch.bool, device=device) if self.removed is None else self.removed.clone()
        mask[nodes.to(device)] = True
        return mask

    def offering(self, nodes: Tensor, removed: bool) -> "Edition":
        """The edition with items (int64) taken from the offer, or put back; itself where nothing changes."""
        mask = self.removed_with(nodes)
        if mask is None or (removed and self.removed is not None and torch.equal(mask, self.removed)):
            return self
        if not removed:
            mask[nodes.to(mask.device)] = False
            if torch.equal(mask, torch.zeros_like(mask) if self.removed is None else self.removed):
                return self
        return replace(self, removed=mask)

    def extended(
        self, extension: Extension, factors: EdgeFactors | None, minus_scale: float, dtype: torch.dtype
    ) -> "Edition":
        """The edition with new items; this one stays as it is.

        Args:
            extension: of this edition's graph.
            factors: learned weights of all nodes of its graph; None: those of `extended_factors`.
            minus_scale, dtype: as for `of`.

        Raises:
            GraphError: as of `of`.
        """
        kept = factors is None
        if factors is None and self.factors is not None:
            factors = extended_factors(self.factors, extension)
        now = Edition.of(CatalogueIndex(extension.graph), factors, minus_scale, dtype)
        now.origin = self.origin
        if self.removed is not None:
            now.removed = torch.zeros(now.index.n_items, dtype=torch.bool, device=now.index.device)
            now.removed[: self.removed.numel()] = self.removed
        make_alike(self.index, now.index)
        make_alike(self.index.graph.vocabulary.item_ids, extension.graph.vocabulary.item_ids)
        if self.weights is not None and now.weights is not None:
            carry_edges(self.weights, now.weights, extension.node_map, kept)
            make_alike(self.weights, now.weights)
        return now


@dataclass(frozen=True)
class Start:
    """What sessions with the same base scores, exclusions and searched queries begin from; never changed.

    It is of one edition of one catalogue: after items were added, removed or restored another is needed.

    Attributes:
        first: the guess of MAGUS, or the belief of the Bayesian variant.
        edition: the catalogue as it was then; its items and nodes are those of the sessions.
        active: bool [N], the nodes on offer; None for all.
        exclude: ids of the items that are not offered to these people.
        searched: their searched queries.
        left_out: what was left out of them, see `read_searched`.
    """

    first: Guess | Prior
    edition: Edition
    active: Tensor | None
    exclude: tuple[str, ...]
    searched: SearchedWords
    left_out: Mapping[str, int]


def _is_unit(factors: EdgeFactors) -> bool:
    """Whether all weights are 1 (Eq. 3), so that only the refusal and the scale were learned."""
    return all(
        rows_are_equal(side) and bool(torch.isclose(side[:1].square().sum(), side.new_ones(())).all())
        for side in (factors.positive, factors.negative)
    )


def catalogue_options(options: MagusOptions) -> MagusOptions:
    """A copy of the switches, if a whole catalogue can be played by them; ConfigError otherwise."""
    options.check()
    for name, only in (("hops", 1), ("relations", "definition"), ("propagation", "paper")):
        if getattr(options, name) != only:
            raise ConfigError(
                f"magus.{name}={getattr(options, name)!r} is for sessions with few candidates: a whole catalogue takes "
                f"{only!r}"
            )
    return replace(options)

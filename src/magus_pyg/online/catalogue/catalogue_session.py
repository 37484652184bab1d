"""A session with one person over a whole catalogue."""

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor

from magus_pyg.online.catalogue.containment import CatalogueIndex
from magus_pyg.online.contract import OnlineSession
from magus_pyg.online.node_play import NodePlay
from magus_pyg.online.session_state import Beginning

__all__ = ["CatalogueSession"]


class CatalogueSession(OnlineSession):
    """A session with one person over a whole catalogue; made by `Catalogue.session` and `Catalogue.resume`.

    Args:
        index: the catalogue.
        beginning: what the session begins with.
        active: bool [N], the nodes on offer; None for all.
        begin: begins it, with chosen ones of its searched queries (nodes); None: with all.
        left_out: as of `OnlineSession`.
    """

    def __init__(
        self,
        index: CatalogueIndex,
        beginning: Beginning,
        active: Tensor | None,
        begin: Callable[[Sequence[int] | None], NodePlay],
        left_out: Mapping[str, int],
    ) -> None:
        self._index, self._active, self._begun = index, active, begin
        super().__init__(index.graph, beginning, left_out)

    def __repr__(self) -> str:
        return f"CatalogueSession(variant={self.variant!r}, round={self.round} of {self.rounds}, done={self.done})"

    def _begin(self, searched: Sequence[int]) -> NodePlay:
        return self._begun(None if tuple(searched) == self._searched else searched)

    def _nodes(self) -> Tensor:
        return torch.arange(self._index.n_nodes) if self._active is None else torch.nonzero(self._active).flatten()

    def _holds(self, node: int) -> bool:
        return 0 <= node < self._index.n_nodes and (self._active is None or bool(self._active[node]))

    def _items_of(self, node: int) -> Tensor:
        items = self._index.items_of(node)
        return items if self._active is None else items[self._active[items]]

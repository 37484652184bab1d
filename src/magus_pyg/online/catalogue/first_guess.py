"""The first guess over a whole catalogue (Eqs. 2, 4 and 5): one pass over R+, shared by all who have these scores."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property

import torch
from torch import Tensor

from magus_pyg.agents.ranking import scale_to_wholes
from magus_pyg.errors import ModelError, SessionError
from magus_pyg.graph import item_id_of, min_support, whole_units
from magus_pyg.online.catalogue.containment import CatalogueIndex
from magus_pyg.simulation.score_checks import checked_scores

__all__ = [
    "Guess",
    "active_nodes",
    "best_nodes",
    "contenders",
    "first_guess",
    "item_scores",
    "keep_items",
    "lift",
    "order_nodes",
    "query_sums",
    "read_scores",
    "unit_scores",
]

_ENDS = 512
"""How many of the best and of the worst nodes are kept in order."""

_BLOCK = 128
"""Nodes whose best is looked at first when the best of all are chosen."""

_STEP = 64
"""Every so manieth value is in a sample."""


@dataclass(frozen=True)
class Guess:
    """The scores of all nodes before any answer; never changed, so that many people can share one.

    Attributes:
        index: the catalogue.
        base: float64 [I], the base scores by Eq. (2), 0 for items that are not on offer.
        y: float64 [N], the scores after Eqs. (4) and (5), not yet scaled by Eq. (6). With unit weights they are counted
            in whole numbers, so that what is equal by the equations is equal here; then `base` orders the items.
        active: bool [N], the nodes on offer: items, and queries of at least one of them; None for all.
    """

    index: CatalogueIndex
    base: Tensor
    y: Tensor
    active: Tensor | None = None

    def tie(self, nodes: Tensor) -> Tensor:
        """float64: by what equal scores are ordered, the base score; 0 for queries."""
        inside = nodes < self.index.n_items
        return torch.where(inside, self.base[torch.where(inside, nodes, 0)], 0.0)

    @cached_property
    def best(self) -> Tensor:
        """int64: the best nodes in order; it ends before the first node whose equals might be missing."""
        return self._end(largest=True)

    @cached_property
    def best_items(self) -> Tensor:
        """int64: likewise the best items."""
        return self._items.best

    @property
    def _items(self) -> "Guess":
        """The items alone."""
        count = self.index.n_items
        return replace(self, y=self.y[:count], active=None if self.active is None else self.active[:count])

    def next_items(self, n: int, out: Tensor, y: Tensor | None = None) -> Tensor:
        """int64: the n best items in order, but for those in `out`.

        Args:
            n: at least 1.
            out: int64, nodes that are left out.
            y: float64 [I], other scores than those of the guess.
        """
        if y is None:
            best = self.best_items[~torch.isin(self.best_items, out)][:n]
            if best.numel() == n:
                return best
        y = self.y[: self.index.n_items].clone() if y is None else y.clone()
        y[out[out < self.index.n_items]] = -torch.inf
        if self.active is not None:
            y[~self.active[: self.index.n_items]] = -torch.inf
        some = best_nodes(y, n)
        return order_nodes(self, some, y[some])[:n]

    @cached_property
    def extremes(self) -> Tensor:
        """float64 [2]: the lowest and the highest score."""
        return torch.stack(torch.aminmax(self.y if self.active is None else self.y[self.active]))

    @cached_property
    def worst(self) -> Tensor:
        """int64: the worst nodes, worst first."""
        return self._end(largest=False)

    def _end(self, largest: bool) -> Tensor:
        empty = -torch.inf if largest else torch.inf
        y = self.y if self.active is None else torch.where(self.active, self.y, empty)
        places = contenders(y, _ENDS, largest)
        values, best = torch.topk(y[places], min(_ENDS, places.numel()), largest=largest)
        nodes = places[best]
        if nodes.numel() < y.numel():  # equals of the last may have been left out
            kept = values != values[-1]
            values, nodes = values[kept], nodes[kept]
        kept = torch.isfinite(values)
        nodes = nodes[kept]
        return order_nodes(self, nodes, values[kept] if largest else -values[kept])


def contenders(values: Tensor, n: int, largest: bool = True) -> Tensor:
    """int64, ascending: places among which the n largest (smallest) values are, and all that equal the last of these.

    Choosing among these few is several times faster than among all. Where n is small, whole blocks are left out: the n
    best blocks each hold a value as good as the best of the last of them. Else a bound is read from a sample; where
    fewer than n values reach it, all places come back.

    Args:
        values: floating [M], no NaN.
        n: at least 1.
        largest: whether the best are the largest.
    """
    blocks = values.numel() // _BLOCK
    if n > blocks // 2:
        return torch.arange(values.numel(), device=values.device)
    if n > blocks // 16:
        sample = values[::_STEP]
        bound = torch.topk(sample, min(2 * n // _STEP + 8, sample.numel()), largest=largest, sorted=False).values
        reached = values >= bound.min() if largest else values <= bound.max()
        places = torch.nonzero(reached).flatten()
        return places if places.numel() >= n else torch.arange(values.numel(), device=values.device)
    rows = values[: blocks * _BLOCK].view(blocks, _BLOCK)
    best = rows.amax(1) if largest else -rows.amin(1)
    kept = torch.nonzero(best >= torch.topk(best, n, sorted=False).values.min())
    inside = torch.arange(_BLOCK, device=values.device)
    rest = torch.arange(blocks * _BLOCK, values.numel(), device=values.device)
    return torch.cat([(kept * _BLOCK + inside).view(-1), rest])


def best_nodes(values: Tensor, n: int) -> Tensor:
    """int64, ascending: the places of the n highest values and of all that equal the n-th; -inf is none."""
    if values.numel() <= n:
        return torch.nonzero(values > -torch.inf).flatten()
    if not n:
        return torch.zeros(0, dtype=torch.int64, device=values.device)
    places = contenders(values, n)
    inside = values[places]
    last = torch.topk(inside, n, sorted=False).values.min()
    return places[(inside >= last) & (inside > -torch.inf)]


def keep_items(guess: Guess, chosen: Tensor, min_items: int, beyond: Callable[[int], Tensor]) -> Tensor:
    """A list with at least `min_items` items: its lowest queries give way to the best items beyond it.

    Args:
        guess: of the catalogue.
        chosen: int64 [n], the best nodes in order.
        min_items: fewer items only where there are no more.
        beyond: gives the best items, at most so many, that are neither in the list nor were shown.
    """
    queries = torch.nonzero(chosen >= guess.index.n_items).flatten()
    lack = min_items - (chosen.numel() - queries.numel())
    if lack <= 0:
        return chosen
    items = beyond(lack)
    kept = torch.ones_like(chosen, dtype=torch.bool)
    kept[queries[queries.numel() - items.numel() :]] = False
    return torch.cat([chosen[kept], items])


def order_nodes(guess: Guess, nodes: Tensor, values: Tensor) -> Tensor:
    """Nodes by falling value (Eq. 7), equals by base score, then by node."""
    nodes, place = torch.sort(nodes)
    values = values[place]
    by_tie = torch.argsort(guess.tie(nodes), descending=True, stable=True)
    by_value = torch.argsort(values[by_tie], descending=True, stable=True)
    return nodes[by_tie[by_value]]


def read_scores(index: CatalogueIndex, scores: Tensor) -> Tensor:
    """The scores as float64 [I] on the catalogue's device.

    Raises:
        ModelError: of the wrong shape, or as of `checked_scores`.
    """
    if scores.shape != (index.n_items,):
        raise ModelError(f"scores must have one value per item, [{index.n_items}], got {list(scores.shape)}")
    return checked_scores(scores.to(index.device), lambda at: f"the score of item {item_id_of(index.graph, at)!r}")


def first_guess(
    index: CatalogueIndex,
    scores: Tensor,
    minus_scale: float = 1.0,
    excluded: Tensor | None = None,
    searched: Tensor | None = None,
    literal: bool = False,
) -> Guess:
    """Eqs. (2), (4) with unit weights, and (5), for one vector of base scores.

    Args:
        index: the catalogue.
        scores: floating [I].
        minus_scale: β, the factor on the R- weights of Eq. (4).
        excluded: bool [I], items that are not on offer (taken from the catalogue, or known to the person); None: none.
        searched: int64 [S], the person's searched queries; None: none.
        literal: Eq. (5) as printed (the lowest of the other queries), not its reading (the highest).

    Raises:
        ModelError: scores of the wrong shape or not finite.
        SessionError: no item is on offer.
    """
    scores = read_scores(index, scores)
    active = active_nodes(index, excluded)
    y = scores.new_empty(index.n_nodes)
    items, queries = y[: index.n_items], y[index.n_items :]
    offered = None if active is None else active[: index.n_items]
    wholes, one = scale_to_wholes(scores.unsqueeze(0), None if offered is None else offered.unsqueeze(0))
    items.copy_(wholes[0])
    index.total(items, queries)
    # Eq. (4) with unit weights: the items that contain a query send +, all others -β.
    queries.mul_(1.0 + minus_scale).sub_(minus_scale * items.sum())
    y.div_(float(one))
    return Guess(index, unit_scores(scores, offered), lift(index, y, active, searched, literal), active)


def item_scores(index: CatalogueIndex, scores: Tensor, excluded: Tensor | None = None) -> Guess:
    """The base scores of the items alone, for lists without queries; arguments and errors as of `first_guess`."""
    scores = read_scores(index, scores)
    active = active_nodes(index, excluded)
    return Guess(index, scores, scores, None if active is None else active[: index.n_items])


def active_nodes(index: CatalogueIndex, excluded: Tensor | None) -> Tensor | None:
    """bool [N], the nodes on offer; None for all.

    Raises:
        SessionError: no item is left, or a mask of the wrong shape.
    """
    if index.n_items == 0:
        raise SessionError("a session needs at least one candidate")
    if excluded is None:
        return None
    if excluded.shape != (index.n_items,) or excluded.dtype != torch.bool:
        raise SessionError(f"excluded must be bool [{index.n_items}], got {excluded.dtype} {list(excluded.shape)}")
    out = torch.nonzero(excluded.to(index.device)).flatten()
    if not out.numel():
        return None
    if out.numel() == index.n_items:
        raise SessionError("a session needs at least one candidate: all items are excluded")
    # A query is on offer while as many items as it needs are: count what it loses.
    _, queries = index.item_queries.gather(out)
    lost = torch.bincount(queries - index.n_items, minlength=index.n_nodes - index.n_items)
    active = torch.ones(index.n_nodes, dtype=torch.bool, device=index.device)
    active[out] = False
    active[index.n_items :] = lost + min_support(index.graph) <= index.held_by
    return active


def unit_scores(scores: Tensor, active: Tensor | None, out: Tensor | None = None) -> Tensor:
    """Eq. (2): min-max scaling over the items on offer; a constant vector becomes zeros.

    Args:
        scores: float64 [I].
        active: bool [I], the items on offer, the others get 0; None for all.
        out: float64 [I], to write to.
    """
    low, high = torch.aminmax(scores if active is None else scores[active])
    span = high - low
    scaled = torch.sub(scores, low, out=out).div_(torch.where(span > 0, span, 1.0))
    return scaled if active is None else scaled.masked_fill_(~active, 0.0)


def query_sums(index: CatalogueIndex, values: Tensor) -> Tensor:
    """float64 [Q] or [Q, B]: the sum of values (in [0, 1], float64 [I] or [I, B]) of the items that contain each query.

    They are counted in whole units whose sums float64 holds: exact in any order, so equal sets of items have equal
    sums, whether these go along the trees or over the rows.
    """
    units = whole_units(index.n_items)
    return index.total((values * units).round_()).div_(units)


def lift(index: CatalogueIndex, y: Tensor, active: Tensor | None, searched: Tensor | None, literal: bool) -> Tensor:
    """Eq. (5): the person's searched queries rise to the highest (`literal`: the lowest) of the others, capped at 1."""
    if searched is None:
        return y
    chosen = torch.unique(searched.to(y.device))
    others = torch.ones_like(y, dtype=torch.bool) if active is None else active.clone()
    chosen = chosen[others[chosen]]
    others[: index.n_items] = False
    others[chosen] = False
    if not chosen.numel() or not bool(others.any()):
        return y
    level = y[others].min() if literal else y[others].max()
    y[chosen] = torch.maximum(level.clamp(max=1.0), y[chosen])
    return y

"""What a catalogue holds, for a graph that new items were added to: learned factors, and what sessions share."""

import warnings
from functools import cached_property

import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from magus_pyg.agents import EdgeFactors
from magus_pyg.errors import GraphError
from magus_pyg.graph import Extension, item_id_of, n_items, n_nodes, node_words
from magus_pyg.online.catalogue.dense_play import CatalogueWeights
from magus_pyg.ragged import Ragged

__all__ = ["LikeItems", "carry_edges", "check_extension", "extended_factors", "make_alike", "rows_are_equal"]

_EDGES_AT_ONCE = 2**20
_ROWS_AT_ONCE = 2**16


def check_extension(graph: HeteroData, extension: Extension) -> Extension:
    """The extension itself, if it is one of this graph.

    Raises:
        GraphError: otherwise.
    """
    count, nodes, now = n_items(graph), extension.node_map.numel(), n_items(extension.graph)
    same = nodes == n_nodes(graph) and now >= count
    same = same and all(item_id_of(graph, item) == item_id_of(extension.graph, item) for item in {0, count - 1})
    if not same:
        raise GraphError(
            f"the extension is one of another graph (of {nodes} nodes, now {now} items): extend the catalogue's graph "
            f"as it is now ({n_nodes(graph)} nodes, {count} items)"
        )
    return extension


def extended_factors(factors: EdgeFactors, extension: Extension) -> EdgeFactors:
    """Learned factors with rows for new nodes, which nothing was learned of.

    Like is taken from like. A new item gets the mean, over its words that old items have, of the mean row of these
    items; a new query the mean row of the old one-word queries of its words. Where there are none, it is the mean of
    all old items, or queries. Old nodes keep their rows.

    Args:
        factors: of the graph before.
        extension: the graph now.
    """
    positive = _extended(factors.positive, extension)
    same = factors.negative is factors.positive
    negative = positive if same else _extended(factors.negative, extension)
    return EdgeFactors(positive, negative, factors.minus_scale, factors.refusal)


class LikeItems:
    """New items of an extension by the old items that share their words, to give them values that the old ones have:
    the mean, over its words that old items have, of the mean value of these items; where there are none, that of all.

    Args:
        extension: the graph now.

    Attributes:
        before: how many items the graph before has.
    """

    def __init__(self, extension: Extension) -> None:
        graph, count = extension.graph, n_items(extension.graph)
        self.before = int((extension.node_map[extension.node_map >= 0] < count).sum())
        words = node_words(graph)
        of_items = words.select(torch.arange(self.before, count, device=words.ptr.device))
        wanted, place = torch.unique(of_items.index, return_inverse=True)
        number = torch.full((len(graph.vocabulary.words),), -1, dtype=torch.int64, device=place.device)
        number[wanted] = torch.arange(wanted.numel(), device=place.device)
        held = number[words.index[: int(words.ptr[self.before])]]
        entry = torch.nonzero(held >= 0).flatten()
        carrier = torch.searchsorted(words.ptr[: self.before + 1], entry, right=True) - 1
        self._carriers = Ragged.from_pairs(held[entry], carrier, wanted.numel())
        self._words = _only(Ragged(of_items.ptr, place), self._carriers.lengths > 0)

    def of_new(self, values: Tensor) -> Tensor:
        """[n, r]: the values of the n new items; `values`: floating [I, r], those of the old ones."""
        words, carriers = self._words.to(values.device), self._carriers.to(values.device)
        return _means(words, _means(carriers, values), values)


def _extended(side: Tensor, extension: Extension) -> Tensor:
    """[N', r]: one side of the factors."""
    graph, node_map = extension.graph, extension.node_map.to(side.device)
    count, nodes = n_items(graph), n_nodes(graph)
    if rows_are_equal(side):  # Eq. (3): means of equal rows could differ by their rounding
        return side[:1].expand(nodes, -1)
    kept = node_map >= 0
    result = side.new_empty((nodes, side.shape[1]))
    if bool(kept.all()):
        result.index_copy_(0, node_map, side)
    else:  # a searched query is no node any more
        result.index_copy_(0, node_map[kept], side[kept])
    old = torch.zeros(nodes, dtype=torch.bool, device=side.device)
    old[node_map[kept]] = True
    like = LikeItems(extension)
    before = like.before
    result[before:count] = like.of_new(side[:before])

    new = torch.nonzero(~old).flatten()
    queries = new[new >= count]
    of_queries = node_words(graph).to(side.device).select(queries)
    single = slice(count, count + len(graph.vocabulary.words))  # the queries of one word come first, in their order
    result[queries] = _means(_only(of_queries, old[single]), result[single], side[before:])
    return result


def rows_are_equal(side: Tensor) -> bool:
    """Whether all rows of [N, r] are the same; few are looked at where they are not."""
    return all(bool((some == side[:1]).all()) for some in torch.split(side, _ROWS_AT_ONCE))


def _only(rows: Ragged, chosen: Tensor) -> Ragged:
    """The rows without the values that are not chosen, bool [C]."""
    kept = chosen[rows.index]
    return Ragged.from_pairs(rows.row[kept], rows.index[kept], len(rows))


def _means(rows: Ragged, values: Tensor, others: Tensor | None = None) -> Tensor:
    """[R, r]: the mean of the rows of `values` [C, r] that each row names; of all of `others` where it names none."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Sparse CSR tensor support is in beta")
        weight = values.new_ones(rows.index.numel())
        shape = (len(rows), values.shape[0])
        matrix = torch.sparse_csr_tensor(rows.ptr, rows.index, weight, shape, check_invariants=False)
    mean = (matrix @ values) / rows.lengths.clamp(min=1).unsqueeze(1)
    empty = rows.lengths == 0
    if others is not None and others.shape[0] and bool(empty.any()):
        mean[empty] = others.mean(0)
    return mean


def carry_edges(before: CatalogueWeights, now: CatalogueWeights, node_map: Tensor, kept: bool = False) -> bool:
    """Take over the weights of old pairs of an item and a query, and make those of new pairs alone.

    Args:
        before: the weights of the graph before.
        now: those of the graph now, whose `edge` is set.
        node_map: see `Extension`.
        kept: whether old nodes are known to have the factors that they had, as those of `extended_factors` do.

    Returns:
        Whether that was possible: not where old nodes have other factors, another scale, or other pairs; `edge` is then
        made in full when it is first needed.
    """
    if "edge" not in vars(before) or bool((node_map < 0).any()) or before.minus_scale != now.minus_scale:
        return False
    old, index = before.index, now.index
    sides = ((before.positive, now.positive), (before.negative, now.negative))
    if any(side.dtype != other.dtype or side.shape[1] != other.shape[1] for side, other in sides):
        return False
    if not kept and not all(_same_rows(*side, node_map) for side in sides):
        return False
    item = index.trees.grouped[index.places.index]
    query = index.places.row + index.n_items
    is_new = item >= old.n_items
    # Items of a query stand by word set, then by number: new ones stand between old ones, which keep their order.
    if not torch.equal(item[~is_new], old.trees.grouped[old.places.index]) or not torch.equal(
        query[~is_new], node_map[old.places.row + old.n_items]
    ):
        return False
    edge = before.edge.new_empty(item.numel())
    edge[~is_new] = before.edge
    pairs = torch.nonzero(is_new).flatten()
    for some in torch.split(pairs, _EDGES_AT_ONCE):
        positive, negative = (
            (side[item[some]] * side[query[some]]).sum(1, dtype=torch.float64) for side in (now.positive, now.negative)
        )
        edge[some] = (positive + now.minus_scale * negative).to(edge.dtype)  # Eqs. (4), (14): w+ + βw-
    vars(now)["edge"] = edge  # in place of the cached property
    return True


def _same_rows(side: Tensor, other: Tensor, node_map: Tensor) -> bool:
    """Whether the rows of old nodes are the same."""
    parts = zip(torch.split(side, _ROWS_AT_ONCE), torch.split(node_map, _ROWS_AT_ONCE), strict=True)
    return all(torch.equal(rows, other[nodes]) for rows, nodes in parts)


def make_alike(before: object, now: object) -> None:
    """Make what the first of two objects of a kind had made of its cached properties, so that nobody waits for it."""
    for name, value in vars(type(before)).items():
        if isinstance(value, cached_property) and name in vars(before):
            getattr(now, name)

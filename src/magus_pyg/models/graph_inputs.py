"""The graph that graph recommenders run on: the relational graph with the users attached by their training rows."""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from magus_pyg.data import ItemSets
from magus_pyg.errors import ModelError
from magus_pyg.graph import improves_edges, n_items, n_nodes, node_words
from magus_pyg.models.feature_space import FeatureSpace
from magus_pyg.models.interactions import Interactions
from magus_pyg.ragged import Ragged, ragged_arange
from magus_pyg.random import hash_keys, integers

__all__ = ["INHIBITS_TYPE", "RELATIONS", "GraphInputs", "QueryIndex", "sample_neighbours"]

#: The relations in the order of their numbers. Edges go from the first to the second.
RELATIONS = (
    "part to whole",
    "whole to part",
    "user to liked item",
    "liked item to user",
    "user to disliked item",
    "disliked item to user",
    "inhibits",
)
INHIBITS_TYPE = 6

_INHIBITS_DRAW, _WORD_HASH = 11, 12  # what a random number is for


@dataclass(frozen=True)
class GraphInputs:
    """Nodes and edges of the joint graph: N item and query nodes, then U users. E edges, sorted by target.

    Attributes:
        n_nodes: N.
        words: [N] rows of word ids.
        edge_index: int64 [2, E], source and target.
        edge_type: int64 [E], positions in `RELATIONS`; R- is a sample.
        edge_row: int64 [E], user · I + item for edges of a training row, else -1.
    """

    n_nodes: int
    words: Ragged
    edge_index: Tensor
    edge_type: Tensor
    edge_row: Tensor

    @classmethod
    def build(
        cls, graph: HeteroData, rows: Interactions, features: FeatureSpace, inhibits: int, seed: int
    ) -> "GraphInputs":
        """Attach the users to the relational graph.

        Args:
            graph: the relational graph of the whole catalogue.
            rows: the training rows; of several rows of a (user, item) the last one's label counts.
            features: of the same items and words.
            inhibits: items drawn for each node out of those it is R- to; 0 draws none.
            seed: of the draw.

        Raises:
            ModelError: where graph, rows and features are not of the same items and words.
        """
        words, n, items = node_words(graph), n_nodes(graph), features.n_items
        if n_items(graph) != items:
            raise ModelError(
                f"the graph has {n_items(graph)} items, the features have {items}; build both from one table"
            )
        own = words.select(torch.arange(items))
        if not (torch.equal(own.ptr, features.item_words.ptr) and torch.equal(own.index, features.item_words.index)):
            raise ModelError("the items' words differ between graph and features; build both with the same word fields")
        rows.check(features)

        part, whole = improves_edges(graph)
        key = rows.user * items + rows.item
        pairs, place = torch.unique(key, return_inverse=True)
        last = torch.zeros_like(pairs).scatter_reduce_(0, place, torch.arange(len(key)), "amax")
        user, item, liked = pairs // items + n, pairs % items, rows.label[last] == 1
        like, none = torch.where(liked, 0, 2), torch.full_like(part, -1)
        source, target = _draw_inhibited(part, whole, n, items, inhibits, seed)
        ends = [(part, whole), (whole, part), (user, item), (item, user), (source, target)]
        types = [none + 1, none + 2, like + 2, like + 3, torch.full_like(source, INHIBITS_TYPE)]
        edge_row = torch.cat([none, none, pairs, pairs, torch.full_like(source, -1)])
        edge_index = torch.stack([torch.cat(side) for side in zip(*ends, strict=True)])
        order = torch.argsort(edge_index[1], stable=True)
        return cls(n, words, edge_index[:, order], torch.cat(types)[order], edge_row[order])


def _draw_inhibited(part: Tensor, whole: Tensor, n: int, items: int, count: int, seed: int) -> tuple[Tensor, Tensor]:
    """For each node up to `count` distinct items that are R- to it: (item, node) pairs.

    An item is R- to all other items, and a query R- to the items that do not contain it.
    """
    node = torch.arange(n)
    if count == 0:
        return node[:0], node[:0]
    contains = whole < items
    joined = ItemSets.from_pairs(
        torch.cat([part[contains], node[:items]]), torch.cat([whole[contains], node[:items]]), n, items
    )
    free = joined.n_outside.unsqueeze(1).expand(-1, count)
    rank = integers(free.clamp(min=1), seed, _INHIBITS_DRAW, node.unsqueeze(1), torch.arange(count))
    key = torch.unique((node.unsqueeze(1) * items + _within(rank, free))[free > 0])
    target, rank = key // items, key % items
    return joined.outside(target, rank), target


def _within(rank: Tensor, free: Tensor) -> Tensor:
    """Ranks where there are few to choose from: then all of them, one after the other."""
    count = rank.shape[1]
    every = torch.arange(count).expand_as(rank)
    return torch.where(free <= count, every % free.clamp(min=1), rank)


class QueryIndex:
    """Finds the query node of a combination of words, in any order.

    Combinations are compared by the sum of 64-bit hashes of their words, so that rows are looked up all at once; among
    a million nodes a wrong match has odds of about 1 in 10^13 a look-up.

    Args:
        words: [N] rows of word ids of the nodes.
        n_items: the first nodes, which are never found: they are items.
    """

    def __init__(self, words: Ragged, n_items: int) -> None:
        codes, self.node = torch.sort(self._code(words)[n_items:])
        self.codes = codes
        self.node = self.node + n_items

    @staticmethod
    def _code(words: Ragged) -> Tensor:
        code = torch.zeros(len(words), dtype=torch.int64, device=words.ptr.device)
        return code.index_add_(0, words.row, hash_keys(_WORD_HASH, words.index.to(torch.int64)))

    def find(self, words: Ragged) -> Tensor:
        """The node of each row, int64 [n]; -1 where no query node has just these words."""
        code = self._code(words)
        if not self.codes.numel():
            return torch.full_like(code, -1)
        codes, node = self.codes.to(code.device), self.node.to(code.device)
        place = torch.searchsorted(codes, code).clamp(max=len(codes) - 1)
        return torch.where((codes[place] == code) & (words.lengths > 0), node[place], -1)


def sample_neighbours(
    ptr: Tensor, seeds: Tensor, fanouts: list[int], source: Tensor, key: int
) -> tuple[list[Tensor], list[Tensor]]:
    """Edges towards some nodes, hop by hop, at most `fanouts[h]` for each node of hop h.

    Draws are with replacement, and repeated edges count once; nodes of no more edges than the fan-out keep all.

    Args:
        ptr: int64 [N + 1], the edges towards node v are `ptr[v]:ptr[v + 1]`.
        seeds: int64, distinct nodes, ascending.
        fanouts: one a hop.
        source: int64 [E], the source of each edge.
        key: of the random numbers.

    Returns:
        The nodes reached after 0, 1, ... hops, the seeds first; and the edges drawn within 1, 2, ... hops, which lead
        from the nodes of that hop to those of the hop before. Positions in [0, E); all int64, distinct and ascending.
    """
    nodes, frontier, chosen = [seeds], seeds, seeds.new_empty(0)
    edges = []
    for hop, fanout in enumerate(fanouts):
        start = ptr.index_select(0, frontier)
        degree = ptr.index_select(0, frontier + 1) - start
        few = degree <= fanout
        every = start[few].repeat_interleave(degree[few]) + ragged_arange(degree[few])
        many = ~few
        slot = torch.arange(fanout, device=ptr.device)
        drawn = integers(degree[many].unsqueeze(1), key, hop, frontier[many].unsqueeze(1), slot)
        new = torch.cat([every, (start[many].unsqueeze(1) + drawn).view(-1)])
        chosen = torch.unique(torch.cat([chosen, new]))
        edges.append(chosen)
        reached = torch.unique(torch.cat([nodes[-1], source.index_select(0, new)]))
        frontier = reached[~torch.isin(reached, nodes[-1])]
        nodes.append(reached)
    return nodes, edges

"""The graphs of many sessions at once: the candidates, the queries of at least one candidate, and R+ between them.

In a graph whose queries are of at least `min_support` items, those of a session are of as many of its candidates: a
query that one candidate alone contains says no more than the candidate.

B session graphs share one layout [B, M]: the first C columns are the candidates in the order of their nodes, the
others the queries in the order of their nodes. A slot is a column; the flat slot of column s in session b is
`b * M + s`, so the B graphs are one graph of B * M nodes to any layer.
"""

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from magus_pyg.errors import SessionError
from magus_pyg.graph.access import item_queries, min_support, n_items, n_nodes, node_parts
from magus_pyg.graph.relational import node_fields
from magus_pyg.graph.relations import Relations, relation_masks
from magus_pyg.ragged import Ragged

__all__ = ["SessionGraphBuilder", "SessionGraphs"]


@dataclass(frozen=True)
class SessionGraphs:
    """B session graphs in one layout.

    Attributes:
        node: int64 [B, M], the node of each slot, -1 where the slot is empty.
        n_candidates: C; slots below it hold items, the others queries.
        order: int64 [B, C], which candidate of the session (its column there) each item slot holds.
        part, whole: int64 [E] flat slots, R+ from part to whole, sorted by part, then whole.
    """

    node: Tensor
    n_candidates: int
    order: Tensor
    part: Tensor
    whole: Tensor

    @property
    def n_sessions(self) -> int:
        """B."""
        return self.node.shape[0]

    @property
    def n_slots(self) -> int:
        """M, the slots of each session."""
        return self.node.shape[1]

    @cached_property
    def valid(self) -> Tensor:
        """bool [B, M]: whether a slot holds a node."""
        return self.node >= 0

    @cached_property
    def is_item(self) -> Tensor:
        """bool [M]: whether a slot is one of items."""
        return torch.arange(self.n_slots, device=self.node.device) < self.n_candidates

    @cached_property
    def session(self) -> Tensor:
        """int64 [B * M]: the session of every flat slot."""
        return torch.arange(self.n_sessions, device=self.node.device).repeat_interleave(self.n_slots)

    @cached_property
    def wholes(self) -> Ragged:
        """[B * M] rows: the flat slots that each slot is strictly part of."""
        return Ragged.from_pairs(self.part, self.whole, self.node.numel())

    @cached_property
    def parts(self) -> Ragged:
        """[B * M] rows: the flat slots that are strictly part of each slot."""
        return Ragged.from_pairs(self.whole, self.part, self.node.numel())

    @cached_property
    def item_edges(self) -> Tensor:
        """int64 [2, E']: R+ from query (row 0) to item (row 1), as flat slots."""
        to_item = self.whole % self.n_slots < self.n_candidates
        return torch.stack([self.part[to_item], self.whole[to_item]])

    def repeat(self, times: int) -> "SessionGraphs":
        """All sessions `times` over, one after the other: [times * B, M]."""
        shift = torch.arange(times, device=self.node.device).unsqueeze(1) * self.node.numel()
        part, whole = ((flat + shift).flatten() for flat in (self.part, self.whole))
        return SessionGraphs(self.node.repeat(times, 1), self.n_candidates, self.order.repeat(times, 1), part, whole)

    def take(self, rows: Tensor) -> "SessionGraphs":
        """Chosen sessions, int64 [R] ascending, in the layout of all: [R, M]."""
        place = torch.full((self.n_sessions,), -1, dtype=torch.int64, device=self.node.device)
        place[rows] = torch.arange(rows.numel(), device=self.node.device)
        moved = place.repeat_interleave(self.n_slots) * self.n_slots  # negative where a session is left out
        kept = moved[self.part] >= 0
        part, whole = (moved[flat] + flat % self.n_slots for flat in (self.part[kept], self.whole[kept]))
        return SessionGraphs(self.node[rows], self.n_candidates, self.order[rows], part, whole)

    def sort_candidates(self, values: Tensor) -> Tensor:
        """Bring values [B, C] given by candidate into the order of the item slots."""
        return values.gather(1, self.order)

    def count_targets(self, targets: Tensor) -> Tensor:
        """How many of a session's targets contain the node of each slot (a target contains itself).

        Args:
            targets: bool [B, C], by candidate.

        Returns:
            int64 [B, M].
        """
        items = self.sort_candidates(targets).to(torch.int64)
        count = torch.zeros(self.node.shape, dtype=torch.int64, device=self.node.device)
        count[:, : self.n_candidates] = items
        query, item = self.item_edges
        flat = count.view(-1)
        flat.index_add_(0, query, flat[item])
        return count


class SessionGraphBuilder:
    """Makes session graphs of one relational graph; holds what all sessions share.

    Args:
        graph: as made by `build_relational_graph`.
    """

    def __init__(self, graph: HeteroData) -> None:
        self.graph = graph
        self.n_nodes = n_nodes(graph)
        self.n_items = n_items(graph)
        self.min_support = min_support(graph)

    @cached_property
    def item_parts(self) -> Ragged:
        """[I] rows: the queries of each item."""
        return item_queries(self.graph)

    @cached_property
    def query_items(self) -> Ragged:
        """[N] rows: the items of the whole catalogue that contain each node."""
        return self.item_parts.transpose(self.n_nodes)

    @cached_property
    def parts(self) -> Ragged:
        """[N] rows: the nodes strictly part of each node."""
        return node_parts(self.graph)

    def build(self, candidates: Tensor) -> SessionGraphs:
        """The session graphs of B sets of candidates.

        Args:
            candidates: int64 [B, C], item nodes, distinct within a row; -1 pads.

        Raises:
            SessionError: if a candidate is no item of the graph, or stands twice in a session.
        """
        node, order = self._sorted_items(candidates)
        n_sessions, n_candidates = node.shape
        session, slot = torch.nonzero(node < self.n_items, as_tuple=True)
        edge, query = self.item_parts.gather(node[session, slot])
        # The queries of a session once each, ascending: the sorted distinct keys (session, query).
        key, place = torch.unique(session[edge] * self.n_nodes + query, return_inverse=True)
        if self.min_support > 1:
            enough = torch.bincount(place, minlength=key.numel()) >= self.min_support
            kept, number = enough[place], enough.cumsum(0) - 1
            key, edge, place = key[enough], edge[kept], number[place[kept]]
        owner = key // self.n_nodes
        per_session = torch.bincount(owner, minlength=n_sessions)
        n_slots = n_candidates + (int(per_session.max()) if n_sessions else 0)
        rank = torch.arange(key.numel(), device=key.device) - (per_session.cumsum(0) - per_session)[owner]
        query_flat = owner * n_slots + n_candidates + rank
        nodes = node.new_full((n_sessions, n_slots), -1)
        nodes[:, :n_candidates] = torch.where(node < self.n_items, node, -1)
        nodes.view(-1)[query_flat] = key % self.n_nodes

        # R+ among queries: every part of a query of the session is a query of the session too.
        big, small = self.parts.gather(key % self.n_nodes)
        small_place = torch.searchsorted(key, owner[big] * self.n_nodes + small)
        part = torch.cat([query_flat[place], query_flat[small_place]])
        whole = torch.cat([(session * n_slots + slot)[edge], query_flat[big]])
        flat_key, _ = torch.sort(part * (n_sessions * n_slots) + whole)
        total = max(n_sessions * n_slots, 1)
        return SessionGraphs(nodes, n_candidates, order, flat_key // total, flat_key % total)

    def _sorted_items(self, candidates: Tensor) -> tuple[Tensor, Tensor]:
        """Candidates ascending by node with padding (as `n_items`) last, and the permutation."""
        if candidates.dim() != 2:
            raise SessionError(f"candidates must have the shape [sessions, candidates], got {list(candidates.shape)}")
        outside = (candidates < -1) | (candidates >= self.n_items)
        if outside.any():
            row, column = torch.nonzero(outside)[0].tolist()
            raise SessionError(
                f"candidate {int(candidates[row, column])} of session {row} is no item of the graph: items are the "
                f"nodes 0..{self.n_items - 1} (-1 pads)"
            )
        node, order = torch.sort(torch.where(candidates < 0, self.n_items, candidates), dim=1, stable=True)
        twice = (node[:, 1:] == node[:, :-1]) & (node[:, 1:] < self.n_items)
        if twice.any():
            row, column = torch.nonzero(twice)[0].tolist()
            raise SessionError(f"item {int(node[row, column])} is twice a candidate of session {row}")
        return node, order

    def compatible(self, graphs: SessionGraphs, rows: Tensor, catalogue: bool = False) -> Tensor:
        """The slots that some item holds together with a chosen one: R+ in both directions, R⊥, the slot itself.

        All others are R-. Pairs can come more than once.

        Args:
            graphs: the session graphs.
            rows: int64 [K], flat slots.
            catalogue: whether an item of the whole catalogue counts, or only the session's candidates (reading of
                "contains both" within a session).

        Returns:
            int64 [2, ...]: from a chosen slot to the slots compatible with it.
        """
        return torch.cat([self._held_together(graphs, rows, catalogue), self._nested(graphs, rows)], 1)

    def independent(self, graphs: SessionGraphs, rows: Tensor, catalogue: bool = False) -> Tensor:
        """R⊥ from chosen slots: what some item holds together with one, and neither is part of the other.

        Args:
            graphs, rows, catalogue: as of `compatible`; each slot is chosen once.

        Returns:
            int64 [2, ...]: from a chosen slot to those independent of it, each pair once, sorted by source, then
            target.
        """
        total = graphs.node.numel()
        held, nested = (pairs[0] * total + pairs[1] for pairs in (
            self._held_together(graphs, rows, catalogue), self._nested(graphs, rows)))  # fmt: skip
        held = torch.unique(held)
        held = held[~torch.isin(held, nested)]
        return torch.stack([held // max(total, 1), held % max(total, 1)])

    def _nested(self, graphs: SessionGraphs, rows: Tensor) -> Tensor:
        """int64 [2, ...]: from a chosen slot to those that it is part of, to its parts, and to itself."""
        up_place, up = graphs.wholes.gather(rows)
        down_place, down = graphs.parts.gather(rows)
        return torch.stack([torch.cat([rows[up_place], rows[down_place], rows]), torch.cat([up, down, rows])])

    def _held_together(self, graphs: SessionGraphs, rows: Tensor, catalogue: bool) -> Tensor:
        """int64 [2, ...]: from a chosen slot to the queries that some item holds together with it; pairs can repeat."""
        if catalogue:
            return torch.stack(self._through_catalogue(graphs, rows))
        place, up = graphs.wholes.gather(rows)
        is_item = up % graphs.n_slots < graphs.n_candidates
        holder, item = rows[place[is_item]], up[is_item]
        edge, target = graphs.parts.gather(item)  # the queries of the items that contain the chosen slot
        return torch.stack([holder[edge], target])

    def _through_catalogue(self, graphs: SessionGraphs, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Pairs of a chosen slot and a query slot of its session that some item of the catalogue contains."""
        flat = graphs.node.view(-1)
        position, item = self.query_items.gather(flat[rows])
        edge, query = self.item_parts.gather(item)
        source = rows[position[edge]]
        known = torch.nonzero((graphs.valid & ~graphs.is_item).view(-1)).flatten()
        if not known.numel():
            return known, known
        known_key = graphs.session[known] * self.n_nodes + flat[known]  # ascending: slots are in node order
        key = graphs.session[source] * self.n_nodes + query
        place = torch.searchsorted(known_key, key).clamp_(max=known.numel() - 1)
        inside = known_key[place] == key
        return source[inside], known[place[inside]]

    def explicit(
        self, graphs: SessionGraphs, relations: Relations = "definition", catalogue: bool = False
    ) -> tuple[Tensor, Tensor]:
        """R- and R⊥ of all sessions as edges: quadratic in M, for ablations and tests.

        Returns:
            `(inhibits, independent)`, int64 [2, ...] flat slots, both directions.
        """
        n_sessions, n_slots = graphs.node.shape
        improves = torch.zeros((n_sessions, n_slots, n_slots), dtype=torch.bool, device=graphs.node.device)
        improves[graphs.part // n_slots, graphs.part % n_slots, graphs.whole % n_slots] = True
        contained = improves[:, :, : graphs.n_candidates].clone()
        contained.diagonal(dim1=1, dim2=2).fill_(True)
        compatible = contained.to(torch.float32) @ contained.to(torch.float32).transpose(1, 2) > 0
        if catalogue:
            queries = torch.nonzero((graphs.valid & ~graphs.is_item).view(-1)).flatten()
            source, target = self._through_catalogue(graphs, queries)
            compatible[source // n_slots, source % n_slots, target % n_slots] = True
        fields = None
        if relations == "fields":
            fields = node_fields(self.graph).to(graphs.node.device)[graphs.node.clamp(min=0)]
        both = graphs.valid.unsqueeze(1) & graphs.valid.unsqueeze(2)
        masks = relation_masks(improves, compatible, fields, relations)
        inhibits, independent = (self._flat_edges(mask & both) for mask in masks)
        return inhibits, independent

    @staticmethod
    def _flat_edges(mask: Tensor) -> Tensor:
        session, source, target = torch.nonzero(mask, as_tuple=True)
        return torch.stack([session * mask.shape[1] + source, session * mask.shape[1] + target])

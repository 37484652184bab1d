"""MAGUS (Algorithm 1): guess by Eqs. (2), (4) and (5), list by Eqs. (6) and (7), update by Eqs. (8) and (9).

With `propagation: normalised` the formula of App. B.1 and B.3 takes the place of Eq. (9).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Self

import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from magus_pyg.agents.fitted_states import AgentState, require_keys
from magus_pyg.agents.items import mark_shown
from magus_pyg.agents.magus_options import DEFAULT_MIXING, MagusOptions
from magus_pyg.agents.node_rules import NodeRules
from magus_pyg.agents.normalised import NormalisedSpread
from magus_pyg.agents.ranking import rank_list, scale_to_unit, scale_to_wholes
from magus_pyg.errors import ConfigError, GraphError, RunError
from magus_pyg.graph import n_nodes
from magus_pyg.nn import SignedLabelPropagation
from magus_pyg.options import at_least, check_value
from magus_pyg.simulation.answers import Said, said
from magus_pyg.simulation.protocol import Feedback, Play, Scorer, SessionView

__all__ = ["EdgeFactors", "MagusAgent"]

_DECIMALS = 12
"""Digits kept of the normalised propagation's scores, which are of the order of 1."""


@dataclass(frozen=True)
class EdgeFactors:
    """Learned edge weights as dot products of node features (Eq. 14), so that R- needs no edges.

    Attributes:
        positive: [N, r]; the weight of an R+ pair is positive[u]·positive[v].
        negative: [N, r'] likewise for R-.
        minus_scale: factor on the R- weights of the first guess (Eq. 4), beside that of the options.
        refusal: weight of a refused node in Eq. (9): it sends -refusal along R+ where the options let it send nothing,
            and the queries that were not read then say nothing.
    """

    positive: Tensor
    negative: Tensor
    minus_scale: float = 1.0
    refusal: float = 0.0

    def check(self) -> Self:
        """The weights themselves, if all are in range; features are looked through once.

        Raises:
            ConfigError: features that are no matrix of real, finite numbers, or another number that is below 0.
        """
        for name in ("minus_scale", "refusal"):
            check_value(f"{name} of EdgeFactors", getattr(self, name), at_least(0))
        if self._fault is not None:
            raise ConfigError(self._fault)
        return self

    @cached_property
    def _fault(self) -> str | None:
        """What is wrong with the features."""
        for name, side in (("positive", self.positive), ("negative", self.negative)):
            if side.dim() != 2 or not side.is_floating_point():
                return f"{name} of EdgeFactors must be floating [N, r] (got {side.dtype} {list(side.shape)})"
            if not bool(torch.isfinite(side).all()):
                row = int(torch.nonzero(~torch.isfinite(side))[0, 0])
                return f"{name} of EdgeFactors must be finite (node {row} has {side[row].tolist()})"
        return None

    def tensors(self) -> AgentState:
        """The weights as tensors, to be saved: the features in float32, the numbers in float64."""
        numbers = {name: torch.tensor(getattr(self, name), dtype=torch.float64) for name in ("minus_scale", "refusal")}
        return {"positive": self.positive.to(torch.float32), "negative": self.negative.to(torch.float32), **numbers}

    @classmethod
    def of_tensors(cls, tensors: Mapping[str, Tensor], graph: HeteroData) -> "EdgeFactors":
        """What `tensors` gave.

        Raises:
            RunError: something is missing, of another graph, not finite or below 0.
        """
        require_keys(tensors, "positive", "negative", "minus_scale", "refusal", what="the learned weights of the run")
        for name in ("positive", "negative"):
            side = tensors[name]
            if side.dim() != 2 or len(side) != n_nodes(graph):
                raise RunError(
                    f"the learned weights of the run are of another graph: {name} must be [{n_nodes(graph)}, r] (got "
                    f"{list(side.shape)})"
                )
        try:
            numbers = [float(tensors[name]) for name in ("minus_scale", "refusal")]
            return cls(tensors["positive"], tensors["negative"], *numbers).check()
        except (ConfigError, RuntimeError) as error:
            raise RunError(f"the learned weights of the run are damaged: {error}; train again") from error


class MagusAgent:
    """MAGUS on any base recommender, with unit weights (Eq. 3) or learned ones (Eq. 14).

    Args:
        graph: the relational graph.
        scorer: a base recommender, or a matrix of scores [U, I].
        options: the switches; the defaults if None.
        factors: learned weights (MAGUS+); unit weights if None.
        name: how tables call it; "magus" or "magus+" if None.

    Raises:
        ConfigError: an option or a weight out of range.
        GraphError: factors of another graph.
    """

    def __init__(
        self,
        graph: HeteroData,
        scorer: Scorer | Tensor,
        options: MagusOptions | None = None,
        factors: EdgeFactors | None = None,
        name: str | None = None,
    ) -> None:
        self.graph = graph
        self.scorer = scorer
        self.options = (options or MagusOptions()).check()
        self.factors = None if factors is None else factors.check()
        self.name = name or ("magus" if factors is None else "magus+")
        if factors is not None:
            for side in (factors.positive, factors.negative):
                if side.shape[0] != n_nodes(graph):
                    raise GraphError(
                        f"the weights are of a graph with {side.shape[0]} nodes, and this one has {n_nodes(graph)}"
                    )

    def __repr__(self) -> str:
        return f"MagusAgent({self.name}, {self.options})"

    @property
    def node_rules(self) -> NodeRules:
        """See `NodeAgent`."""
        return NodeRules("base" if self.factors is None else "plus", self.options, self.factors)

    def start(self, view: SessionView) -> Play:
        """Begin B sessions: the guess (Algorithm 1, line 6)."""
        return _MagusPlay(self.options, self.factors, view)


class _MagusPlay:
    """The state of B sessions.

    `y` float64 [B, M], the score of every slot; `left` bool [B, M], not yet shown; with the normalised propagation also
    `label` float64 [B, M], the 1 or 0 of the answered slots, -1 for the others.
    """

    def __init__(self, options: MagusOptions, factors: EdgeFactors | None, view: SessionView) -> None:
        self.options, self.view, self.graphs = options, view, view.graphs
        self.propagate = SignedLabelPropagation()
        self.left = self.graphs.valid.clone()
        scores = torch.zeros(self.graphs.node.shape, dtype=torch.float64, device=self.graphs.node.device)
        scores[:, : self.graphs.n_candidates] = view.scores
        is_item = self.graphs.valid & self.graphs.is_item
        # Eq. (2): normalised base scores on the items, 0 on the queries. Ties go by them too, so a constant added to
        # all base scores changes nothing.
        self.base = scale_to_unit(scores, is_item)
        self.wholes, self.one = scale_to_wholes(scores, is_item)
        self.inhibits = self._all_inhibits()
        self.factors, self.rows = self._slot_factors(factors)
        self.refusals = options.refusals(0.0 if factors is None else factors.refusal)
        self.minus_scale = options.minus_scale * (1.0 if factors is None else factors.minus_scale)
        self.y, self.scaled = self._guess(), False
        self.spread: NormalisedSpread | None = None
        if options.propagation == "normalised":
            catalogue = options.scope == "catalogue"
            of_slots = (self.factors, self.rows)
            self.spread = NormalisedSpread(self.graphs, view.builder, self.inhibits, *of_slots, catalogue)
            self.first = scale_to_unit(self.y, self.graphs.valid)  # Y(0) of App. B.3
            self.label = torch.full_like(self.y, -1.0)

    def _all_inhibits(self) -> Tensor | None:
        """R- as edges, [2, E], where its sums need them all; None where they are implied, or found as nodes send."""
        options, graphs, builder = self.options, self.graphs, self.view.builder
        catalogue = options.scope == "catalogue"
        if options.needs_explicit:
            return builder.explicit(graphs, options.relations, catalogue)[0]  # type: ignore[arg-type]
        if options.relations == "swapped" and (options.hops > 1 or options.propagation == "normalised"):
            queries = torch.nonzero((graphs.valid & ~graphs.is_item).view(-1)).flatten()
            return builder.independent(graphs, queries, catalogue)
        return None

    def _slot_factors(self, factors: EdgeFactors | None) -> tuple[tuple[Tensor | None, Tensor | None], Tensor | None]:
        """The features for R+ and R- in float64, and the row that each flat slot has of them; None for its own."""
        if factors is None:
            return (None, None), None
        node, sides = self.graphs.node.view(-1).clamp(min=0), (factors.positive, factors.negative)
        if len(sides[1]) < node.numel() and all(side.dtype == torch.float64 for side in sides):
            return sides, node  # as they stand: the sessions together have more slots than there are nodes
        positive, negative = (side[node].to(torch.float64) for side in sides)
        return (positive, negative), None

    def _guess(self) -> Tensor:
        """The scores before the first round, [B, M]."""
        graphs = self.graphs
        y = self.wholes.view(-1)
        receivers = (graphs.valid & ~graphs.is_item).view(-1)
        # Eq. (4): from the whole to its parts; in the first pass the items alone hold a score.
        edges = graphs.item_edges.flip(0)
        scale, root = self.minus_scale, self.minus_scale**0.5
        positive, learned = self.factors
        # β is a factor on the R- weights, so its root on their features.
        factors = (positive, learned if learned is None or scale == 1.0 else learned * root)
        inhibits = self.inhibits
        if inhibits is None and self.options.relations == "swapped":
            inhibits = edges[:, :0]  # an item and a query are never R⊥
        for hop in range(self.options.hops):
            if hop:
                edges = torch.stack([graphs.whole, graphs.part])
            given = {"factors": factors, "factor_rows": self.rows, "receivers": receivers, "batch": graphs.session}
            both = self.propagate(y, edges, inhibits, **given)
            if learned is None and scale != 1.0:  # of unit weights both sums are whole, and what is equal stays equal
                plus = self.propagate(y, edges, edges[:, :0], **given)
                both = plus - scale * (plus - both)
            y = both
        return self._lift_searched(y.view(graphs.node.shape) / self.one)

    def _lift_searched(self, y: Tensor) -> Tensor:
        """Eq. (5): the user's searched queries rise."""
        searched = self.view.searched
        if searched is None or not searched.numel():
            return y
        row, column = torch.nonzero(searched >= 0, as_tuple=True)
        is_searched = torch.zeros_like(self.graphs.valid)
        is_searched[row, searched[row, column]] = True
        others = self.graphs.valid & ~self.graphs.is_item & ~is_searched
        if self.options.searched == "lift":
            level = torch.where(others, y, -torch.inf).max(1, keepdim=True).values
        else:
            level = torch.where(others, y, torch.inf).min(1, keepdim=True).values
        lifted = torch.maximum(level.clamp(max=1.0), y)
        return torch.where(is_searched & others.any(1, keepdim=True), lifted, y)

    def scale(self) -> None:
        """Eq. (6), over all nodes, shown ones too; once a round."""
        if not self.scaled:
            self.y, self.scaled = scale_to_unit(self.y, self.graphs.valid), True

    def recommend(self) -> Tensor:
        self.scale()
        view, is_item = self.view, self.graphs.is_item
        return rank_list(self.y, self.base, self.left, view.list_length, is_item, view.min_items)  # Eq. (7) and F.2

    def update(self, feedback: Feedback) -> None:
        self.scale()
        self.scaled = False
        shown = feedback.shown
        self.left = mark_shown(self.left, shown)
        answers = said(feedback, self.graphs.n_candidates, self.refusals.all_refused)
        flat = shown + torch.arange(shown.shape[0], device=shown.device).unsqueeze(1) * self.graphs.n_slots
        yes, no = flat[answers == Said.CLICKED], flat[answers == Said.REFUSED]
        if self.spread is not None:
            label = self.label.clone().view(-1)
            label[yes], label[no] = 1.0, 0.0  # Eq. (8)
            self._mix(self.spread, label)
            return
        y = self.y.clone().view(-1)
        y[yes], y[no] = 1.0, 0.0  # Eq. (8)
        receivers = self.graphs.valid.view(-1).clone()
        receivers[yes] = receivers[no] = False
        self.y = self._bounded(self._spread(y, yes, no, receivers))

    def tell(self, slot: Tensor, liked: bool) -> None:
        """Eq. (9) with the weight 1 - 2e of an answer that is wrong with probability e (`MagusOptions.told_error`).

        A wanted word sends it along R+ and R- as a click does, one that is not wanted as a refusal with
        `negative: signed` does (`signed_both`, where the options say so). Its query keeps its own score, which Eq. (8)
        does not set. The normalised propagation holds it at 1 - e or e.
        """
        self.scale()
        self.scaled = False
        self.left = mark_shown(self.left, slot.unsqueeze(1))
        flat = slot + torch.arange(slot.numel(), device=slot.device) * self.graphs.n_slots
        flat = flat[slot >= 0]
        if self.spread is not None:
            label = self.label.clone().view(-1)
            flat, error = flat[label[flat] < 0], self.refusals.told_error  # what was clicked or refused says more
            label[flat] = 1.0 - error if liked else error
            self._mix(self.spread, label)
            return
        y = self.y.view(-1)
        source, receivers = torch.zeros_like(y), self.graphs.valid.view(-1).clone()
        weight, inhibits = self.refusals.told(liked)
        source[flat], receivers[flat] = weight, False
        self.y = self._bounded(self._send(source, y, flat, receivers, only_positive=not inhibits))

    def _bounded(self, y: Tensor) -> Tensor:
        """[B, M], with the bounds of Eq. (9) where it is read as printed."""
        return (y.clamp(0.0, 1.0) if self.options.clamp else y).view(self.graphs.node.shape)

    def _mix(self, spread: NormalisedSpread, label: Tensor) -> None:
        """App. B.3: Y(k+1) = λSY(k) + (1 - λ)Y(0), with Eq. (8) holding before and after for all answers so far.

        Θ of App. B.1 is λ / (1 - λ), since Eq. (6) takes any common factor away; its weights are the factors.
        """
        mixing = DEFAULT_MIXING if self.options.mixing is None else self.options.mixing
        self.label = label.view(self.y.shape)
        held = self.label >= 0
        y = mixing * spread(torch.where(held, self.label, self.y)) + (1.0 - mixing) * self.first
        # Equal values come from sums in different orders: without this the last bits would decide between them.
        y = torch.round(y, decimals=_DECIMALS)
        self.y = torch.where(held, self.label, torch.where(self.graphs.valid, y, 0.0))

    def _spread(self, y: Tensor, yes: Tensor, no: Tensor, receivers: Tensor) -> Tensor:
        """Eq. (9): from the answered nodes towards the items along R+, and to what they inhibit along R-."""
        source = torch.zeros_like(y)
        source[yes] = 1.0
        if self.refusals.inhibits:
            source[no] = -1.0
            return self._send(source, y, torch.cat([yes, no]), receivers)
        y = self._send(source, y, yes, receivers)
        if self.refusals.weight > 0.0:
            source = torch.zeros_like(y)
            source[no] = -self.refusals.weight
            y = self._send(source, y, no, receivers, only_positive=True)
        return y

    def _send(self, source: Tensor, y: Tensor, rows: Tensor, receivers: Tensor, only_positive: bool = False) -> Tensor:
        """One pass from the chosen flat slots; only edges that leave them are looked at."""
        if not rows.numel():
            return y
        graphs, builder = self.graphs, self.view.builder
        place, whole = graphs.wholes.gather(rows)
        up = torch.stack([rows[place], whole])
        inhibits, skip, catalogue = self.inhibits, None, self.options.scope == "catalogue"
        if only_positive:
            inhibits = up[:, :0]
        elif inhibits is not None:
            inhibits = inhibits[:, source[inhibits[0]] != 0]
        elif self.options.relations == "swapped":
            inhibits = builder.independent(graphs, rows, catalogue)
        else:
            skip = builder.compatible(graphs, rows, catalogue)
        result: Tensor = self.propagate(
            (source, y),
            up,
            inhibits,
            skip_edge_index=skip,
            factors=self.factors,
            factor_rows=self.rows,
            receivers=receivers,
            batch=graphs.session,
        )
        return result

    def node_scores(self) -> Tensor:
        return self.y

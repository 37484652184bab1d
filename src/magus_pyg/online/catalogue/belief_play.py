"""`magus=bayes` over a whole catalogue: the belief of all items is exact, lists are planned among the likeliest.

An answer multiplies the belief of the items that contain a query by one number and that of all others by another, so
a session holds its answers alone. A plan needs the items with much belief: those beyond the `width` likeliest have
each at most the belief b of the next one, so what they can add to the value of a list is at most m·b for each of its
answers, m the items that can be shown afterwards; where clicks count, what the items beyond have together adds to
theirs. `BayesPlay.gap` says that bound; the width doubles while it is above
`tolerance` of the plan's value. Up to `width` items the lists are those of the session-sized agent.
"""

from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass
from functools import partial
from math import exp, log, log1p
from typing import Self

import torch
from torch import Tensor

from magus_pyg.agents.bayes import BayesAgent, BayesState, QueryChoices
from magus_pyg.agents.bayes.belief import LEAST_ERROR, place_text, share_of_others, told_evidence
from magus_pyg.agents.bayes.horizon import ClickRates
from magus_pyg.errors import ConfigError
from magus_pyg.graph import SessionGraphs
from magus_pyg.online.catalogue.containment import CatalogueIndex
from magus_pyg.online.catalogue.first_guess import contenders, query_sums
from magus_pyg.online.catalogue.prior import Prior
from magus_pyg.online.node_play import NodePlay
from magus_pyg.options import at_least, check_options
from magus_pyg.random import hash_keys
from magus_pyg.simulation.answers import AnsweredList, Said
from magus_pyg.simulation.protocol import SessionView

__all__ = ["BayesPlay", "Width"]

_FEW = 64
"""Up to so many nodes their beliefs are summed one by one."""


@dataclass(frozen=True)
class Width:
    """Among how many of the likeliest items lists are planned; never among fewer than a list holds.

    Attributes:
        least: to begin with, at least 1.
        most: not beyond.
        tolerance: the width doubles while what the items beyond it could add is above this share of the plan's value.
    """

    least: int = 1024
    most: int = 4096
    tolerance: float = 0.05

    def check(self) -> "Width":
        """The width itself, if it is in range.

        Raises:
            ConfigError: naming the value.
        """
        check_options(self, "width", least=at_least(1), most=at_least(1), tolerance=at_least(0))
        if self.least > self.most:
            raise ConfigError(f"width.most must be at least width.least={self.least} (got {self.most})")
        return self


@dataclass(frozen=True)
class _Evidence:
    """What an answer adds to the log of the belief: `inside` for the items of a node, `outside` for all others."""

    node: int
    inside: float
    outside: float


class BayesPlay(NodePlay):
    """A person's session on a shared belief.

    Args:
        prior: the first belief; not changed.
        state: what was fitted.
        rounds, list_length: K and N.
        width: among how many items lists are planned.
        min_items: the fewest items of a list.
    """

    def __init__(
        self, prior: Prior, state: BayesState, rounds: int, list_length: int, width: Width, min_items: int
    ) -> None:
        self.prior, self.index, self.state = prior, prior.index, state
        self.rounds, self.list_length, self.width, self.min_items = rounds, list_length, width, min_items
        self.agent = BayesAgent(prior.index.graph, prior.logit.unsqueeze(0), state)
        self.evidence: list[_Evidence] = []
        self.drifts: tuple[int, ...] = ()  # after how many entries of the evidence the belief drifted
        self.answered = False  # whether a list was answered since it last drifted
        self.shown: list[int] = []
        self.round = 0
        self._logit: Tensor | None = None  # as far as it was made
        self.gap = 0.0
        """How much the value of the last list could rise at most through the items beyond the width, as a share."""

    @property
    def listens(self) -> bool:
        """Words are taken in."""
        return True

    between: str = "drift"
    """How explanations call what `scale` does."""

    def scale(self) -> None:
        """The drift between rounds; see `drifted`."""
        if self.answered and self.state.forgetting > 0.0:
            self.drifts, self._logit = (*self.drifts, len(self.evidence)), None
        self.answered = False

    def copy(self) -> Self:
        """The session as it is now."""
        return copy(self)

    def logits(self) -> Tensor:
        """float64 [I]: the log of the belief now, up to a constant. Not to be changed."""
        if self._logit is None:
            self._logit = self._drifted() if self.drifts else self._learned()
        return self._logit

    def _learned(self) -> Tensor:
        """The first belief with all evidence."""
        logit, offset = self.prior.logit.clone(), 0.0
        for entry in self.evidence:
            offset += entry.outside
            items = self.index.items_of(entry.node)
            logit.index_add_(0, items, logit.new_tensor(entry.inside - entry.outside).expand(items.shape))
        return logit.add_(offset) if self.evidence else logit

    def _drifted(self) -> Tensor:
        """The belief A · prior + B: A and B of the items that were answered about, and one of each for all others."""
        prior, forgetting = self.prior.belief, self.state.forgetting
        held = [self.index.items_of(entry.node) for entry in self.evidence]
        touched, place = torch.unique(
            torch.cat(held) if held else prior.new_zeros(0, dtype=torch.int64), return_inverse=True
        )
        places = torch.split(place, [len(items) for items in held])
        # The last column stands for all items that no answer is about: with their prior together, and their number.
        count = torch.cat([self.prior.offered[touched].to(prior.dtype), prior.new_zeros(1)])
        count[-1] = self.prior.n_offered - count.sum()
        mass = torch.cat([prior[touched], prior.new_zeros(1)])
        mass[-1] = (1.0 - mass.sum()).clamp(min=0.0)
        kept, fresh = torch.ones_like(mass), torch.zeros_like(mass)
        begin = 0
        for end in self.drifts:
            _multiply((kept, fresh), self.evidence[begin:end], places[begin:end])
            total = (kept * mass + fresh * count).sum()
            kept = kept * ((1.0 - forgetting) / total)
            fresh = fresh * ((1.0 - forgetting) / total) + forgetting / self.prior.n_offered
            begin = end
        _multiply((kept, fresh), self.evidence[begin:], places[begin:])
        logit = (kept[-1] * prior).add_(fresh[-1]).log_()
        logit[touched] = (kept[:-1] * prior[touched] + fresh[:-1]).log()
        return logit if self.prior.active is None else torch.where(self.prior.offered, logit, -torch.inf)

    def recommend(self) -> Tensor:
        """The next list; see `NodePlay`."""
        self.scale()
        logit = self.logits()
        shown = [node for node in self.shown if node < self.index.n_items]
        kept = logit[shown]
        logit[shown] = -torch.inf
        after = max(self.rounds - self.round - 1, 0) * self.list_length
        size, most = (max(width, self.list_length) for width in (self.width.least, self.width.most))  # whole lists
        places = contenders(logit, most + 1)
        ranked = torch.topk(logit[places], min(most + 1, logit.numel()))
        clicks = ClickRates.of(self.state.click_weight, self.round, after // self.list_length).place
        whole = torch.logsumexp(logit, 0) if clicks else None
        logit[shown] = kept
        self.gap = self._gap(ranked.values, size, after, clicks, whole)
        while self.gap > self.width.tolerance and 2 * size <= most:
            size *= 2
            self.gap = self._gap(ranked.values, size, after, clicks, whole)
        if self.prior.n_offered <= size:
            items = torch.nonzero(torch.isfinite(logit)).flatten()
        else:
            best = places[ranked.indices[:size]]
            items = torch.sort(best[ranked.values[:size] > -torch.inf]).values
        return self._plan(items, logit)

    def _gap(self, ranked: Tensor, size: int, after: int, clicks: float, whole: Tensor | None) -> float:
        """A bound of what items beyond the `size` likeliest add to a plan's value, as a share of what showing the
        likeliest items gives, which no plan is below.

        Args:
            ranked: float64, the log of the belief of the likeliest items that were not shown, best first.
            size: among how many of them lists are planned.
            after: m, the items that can be shown afterwards.
            clicks: what a click adds at most.
            whole: the log of the belief in all items that were not shown; None where clicks add nothing.
        """
        if size >= ranked.numel() or not (after or clicks) or not bool(torch.isfinite(ranked[size])):
            return 0.0
        shown = torch.logsumexp(self._worths(ranked), 0)
        gap = (self.list_length + 1) * after * torch.exp(ranked[size] - shown)
        if whole is not None:
            beyond = torch.exp(whole - shown) - torch.exp(torch.logsumexp(ranked[:size], 0) - shown)
            gap = gap + clicks * beyond.clamp(min=0.0)
        return float(gap)

    def _worths(self, ranked: Tensor) -> Tensor:
        """The log of what the likeliest items are worth if they are shown one after the other."""
        rounds = max(self.rounds - self.round, 1)
        worth = ranked[: self.list_length * rounds]
        number = torch.arange(len(worth), device=worth.device) // self.list_length
        return worth + number * log(self.state.discount)

    def _plan(self, items: Tensor, logit: Tensor) -> Tensor:
        """The list of the session-sized agent among some items (ascending), given the belief of each."""
        index = self.index
        graphs = _session_graph(index, items)
        user = torch.zeros(1, dtype=torch.int64, device=items.device)
        view = SessionView(
            graph=index.graph,
            builder=index.builder,
            graphs=graphs,
            user=user,
            scores=self.prior.scores[items].unsqueeze(0),
            searched=None,  # the prior holds what they say
            rounds=self.rounds,
            list_length=self.list_length,
            key=user,
            min_items=self.min_items,
        )
        left = graphs.valid & ~torch.isin(graphs.node, torch.tensor(self.shown, dtype=torch.int64, device=items.device))
        asked = partial(self._asked, items)
        slots = self.agent.list_for(view, logit[items].unsqueeze(0), left, asked, self.round)[0]
        return graphs.node[0, slots[slots >= 0]]

    def _asked(self, items: Tensor, choices: QueryChoices) -> Tensor:
        """bool [1, G]: the choices that hold the same of these items as a query that was shown."""
        codes = hash_keys(torch.arange(items.numel(), device=items.device), 0xA5C)
        of_choice = torch.zeros(choices.slot.shape[1], dtype=torch.int64, device=items.device)
        of_choice.index_add_(0, choices.query, codes[choices.item])
        asked = torch.zeros_like(of_choice, dtype=torch.bool)
        queries = [self.index.items_of(node) for node in self.shown if node >= self.index.n_items]
        with self.index.scratch:
            marks = self.index.marks
            marks[items] = True
            held = [inside[marks[inside]] for inside in queries]
            marks[items] = False
        for inside in held:
            asked |= of_choice == codes[torch.searchsorted(items, inside)].sum()
        return asked.unsqueeze(0)

    def update(self, answer: AnsweredList) -> None:
        """The evidence of `answer_evidence`: items of the list first, then its queries from the top."""
        first_query, wrong = self.index.n_items, max(self.state.error_rate, LEAST_ERROR)
        self.scale()
        answers = list(zip(answer.shown, answer.said(first_query), strict=True))
        same, other = log1p(-LEAST_ERROR), log(LEAST_ERROR)
        new = [
            _Evidence(node, same, other) if said == Said.CLICKED else _Evidence(node, other, same)
            for node, said in answers
            if node < first_query
        ]
        mass = _Mass(self._open(answer.shown), self.index, new) if self.state.others > 0.0 else None
        for node, said in answers:
            if node < first_query or said == Said.UNREAD:
                continue
            yes = said != Said.REFUSED
            # With other targets, a query without the item in mind is clicked for one of them.
            fails = wrong
            if mass is not None:
                share = float(share_of_others(mass.share(node), self.state.others))
                fails = min(max(share, wrong), 1.0 - wrong)
            entry = _Evidence(node, log1p(-wrong), log(fails)) if yes else _Evidence(node, log(wrong), log1p(-fails))
            if mass is not None:
                mass.add(entry)
            new.append(entry)
        self._learn(new, answer.shown)
        self.round, self.answered = self.round + 1, True

    def _open(self, shown: Sequence[int] = ()) -> Tensor:
        """The log of the belief; of one that drifts only in what can still be shown, after a further list."""
        logit = self.logits()
        if self.state.forgetting > 0.0:
            gone = [node for node in (*self.shown, *shown) if node < self.index.n_items]
            logit = logit.index_fill(0, torch.tensor(gone, dtype=torch.int64, device=logit.device), -torch.inf)
        return logit

    def tell(self, node: int, liked: bool) -> None:
        """Bayes' rule with the likelihood of `told_evidence`; see `NodePlay`."""
        self.scale()
        share = torch.tensor(self.prior.share(node), dtype=torch.float64)
        inside, outside = told_evidence(share, liked, self.state.told_error, self.state.error_rate)
        self._learn([_Evidence(node, float(inside), float(outside))], (node,))

    def _learn(self, evidence: list[_Evidence], shown: Sequence[int]) -> None:
        self.evidence, self.shown, self._logit = [*self.evidence, *evidence], [*self.shown, *shown], None

    def values(self, nodes: Tensor) -> Tensor:
        """The belief of items, and the belief that queries hold (Eq. 4 without R-)."""
        belief = torch.nan_to_num(torch.softmax(self._open(), 0), nan=0.0)
        if nodes.numel() > _FEW:
            return torch.cat([belief, query_sums(self.index, belief)])[nodes.to(belief.device)]
        value = belief.new_zeros(nodes.shape)
        for place, node in enumerate(nodes.tolist()):
            value[place] = belief[self.index.items_of(node)].sum()
        return value

    def placed(self, node: int) -> str:
        """See `place_text`."""
        belief = float(self.values(torch.tensor([node]))[0])
        return place_text(node < self.index.n_items, belief, self.state.targets)

    def explained(self, node: int) -> float:
        """The log-odds of the items that contain a node; 0 where that is all, or none on offer."""
        logit = self.logits()
        inside = torch.zeros_like(logit, dtype=torch.bool)
        inside[self.index.items_of(node)] = True
        odds = torch.logsumexp(logit[inside], 0) - torch.logsumexp(logit[~inside], 0)
        return float(odds) if bool(torch.isfinite(odds)) else 0.0


def _multiply(belief: tuple[Tensor, Tensor], evidence: Sequence[_Evidence], places: Sequence[Tensor]) -> None:
    """Multiply both parts of a belief by answers, in place; `places`: where the items of each answer stand."""
    for entry, place in zip(evidence, places, strict=True):
        for part in belief:
            part.mul_(exp(entry.outside))
            part[place] *= exp(entry.inside - entry.outside)


def _session_graph(index: CatalogueIndex, items: Tensor) -> SessionGraphs:
    """The session of chosen items, ascending: its slots, and R+ from queries to items alone, all that plans need."""
    position, query = index.item_queries.gather(items)
    query, by_query = torch.sort(query, stable=True)  # positions ascend, and still do within a query
    found, place = torch.unique_consecutive(query, return_inverse=True)
    node = torch.cat([items, found]).unsqueeze(0)
    order = torch.arange(items.numel(), device=items.device).unsqueeze(0)
    return SessionGraphs(node, items.numel(), order, place + items.numel(), position[by_query])


class _Mass:
    """The share of the belief that queries hold, while the answers of a list are taken in."""

    def __init__(self, logit: Tensor, index: CatalogueIndex, evidence: list[_Evidence]) -> None:
        self.index = index
        self.weight = torch.exp(logit - logit.max())
        self.total = self.weight.sum()
        for entry in evidence:
            self.add(entry)

    def share(self, node: int) -> Tensor:
        """The belief of the items that contain a query."""
        return (self.weight[self.index.items_of(node)].sum() / self.total).clamp(max=1.0)

    def add(self, entry: _Evidence) -> None:
        """Multiply by an answer's likelihood, up to a common factor."""
        items = self.index.items_of(entry.node)
        inside = self.weight[items]
        changed = inside * exp(entry.inside - entry.outside)
        self.weight[items] = changed
        self.total = self.total + (changed - inside).sum()

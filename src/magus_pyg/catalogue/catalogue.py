"""Sessions over a whole catalogue: made once a process, a session a person."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from magus_pyg.agents import BayesState, EdgeFactors, MagusOptions
from magus_pyg.catalogue.answers import Answer, CataloguePlay
from magus_pyg.catalogue.bayes import BayesPlay, Prior, Width, first_belief
from magus_pyg.catalogue.dense import CatalogueWeights, DensePlay, weighted_guess
from magus_pyg.catalogue.guess import Guess, first_guess, item_scores
from magus_pyg.catalogue.index import CatalogueIndex
from magus_pyg.catalogue.items import ItemsPlay
from magus_pyg.catalogue.sparse import SparsePlay, Switches
from magus_pyg.errors import ConfigError, SessionError
from magus_pyg.graph import item_nodes, n_items
from magus_pyg.online import OnlineSession, Round
from magus_pyg.session import MagusSession, check_variant, find_queries

__all__ = ["Catalogue", "CatalogueSession", "Start"]


@dataclass(frozen=True)
class Start:
    """What sessions with the same base scores, exclusions and searched queries begin from; never changed.

    Attributes:
        first: the guess of MAGUS, or the belief of the Bayesian variant.
    """

    first: Guess | Prior


class Catalogue:
    """A whole catalogue as candidates, for many people at once: what they share is made here, once.

    A session costs what its person's answers touch where weights are unit ("base"), one pass over the learned factors
    an answer ("plus"), and a pass over the items a round ("bayes"). Its lists are those that `MagusSession` gives with
    all items as candidates; for "bayes" that holds up to `width.least` items, beyond see `magus_pyg.catalogue.bayes`.

    Args:
        graph: the relational graph of the catalogue; `graph.to("cuda")` makes sessions run there.
        variant: "base" (MAGUS), "plus" (MAGUS+, needs `state`), "bayes", or "none" (items alone).
        state: the `EdgeFactors` that MAGUS+ learned, or the `BayesState` that the Bayesian variant fitted (its defaults
            if None).
        options: the switches of MAGUS; `scope` is the whole catalogue anyway.
        width: among how many items "bayes" plans its lists.
        dtype: of the learned factors; float32 halves their memory and time.

    Raises:
        GraphError: a graph of other relations than Definition 3.1's, or weights of another graph.
        ConfigError: an unknown variant, a state of another variant, "plus" without one, or options that need explicit
            R- (`hops` above 1, `relations`, `propagation`).
    """

    def __init__(
        self,
        graph: HeteroData,
        variant: str = "base",
        state: EdgeFactors | BayesState | None = None,
        options: MagusOptions | None = None,
        width: Width | None = None,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        check_variant(variant, state)
        self.index, self.graph, self.variant = CatalogueIndex(graph), graph, variant
        self.options = _checked(options or MagusOptions())
        self.width = (width or Width()).check()
        self.belief = state.check() if isinstance(state, BayesState) else BayesState()
        self.factors = state if isinstance(state, EdgeFactors) else None
        self.weights: CatalogueWeights | None = None
        if self.factors is not None and not _is_unit(self.factors):
            self.weights = CatalogueWeights.of(self.index, self.factors, self.options.minus_scale, dtype)
        self.removed: Tensor | None = None

    def __repr__(self) -> str:
        out = 0 if self.removed is None else int(self.removed.sum())
        return f"Catalogue({self.index.n_items} items, {self.index.n_nodes} nodes, {self.variant!r}, {out} removed)"

    def remove_items(self, item_ids: Iterable[str]) -> None:
        """Take items from the offer (sold out, withdrawn) for all sessions that begin from now on.

        Queries that no other item contains go with them. Nothing is built again.

        Raises:
            GraphError: an unknown item id; then none is removed.
        """
        nodes = item_nodes(self.graph, list(item_ids))
        if self.removed is None:
            self.removed = torch.zeros(self.index.n_items, dtype=torch.bool, device=self.index.device)
        self.removed[nodes] = True

    def restore_items(self, item_ids: Iterable[str]) -> None:
        """Put removed items on offer again.

        Raises:
            GraphError: an unknown item id; then none is put back.
        """
        nodes = item_nodes(self.graph, list(item_ids))
        if self.removed is not None:
            self.removed[nodes] = False

    def start(
        self,
        scores: Tensor | Sequence[float],
        searched: Sequence[Sequence[str | tuple[str, str]]] | None = None,
        exclude: Iterable[str] = (),
    ) -> Start:
        """What sessions begin from: one pass over R+. People with the same scores can share it.

        Args:
            scores: [I], the base recommender's scores in node order.
            searched: the person's searched queries, as for `MagusSession`.
            exclude: ids of items that are not offered to this person, such as those known to them.

        Raises:
            ModelError: scores of the wrong number or not finite.
            GraphError: an unknown item id or word.
            SessionError: no item is left.
        """
        vector = torch.as_tensor(scores)
        out = item_nodes(self.graph, list(exclude))
        excluded = self.removed
        if out.numel():
            none = torch.zeros(self.index.n_items, dtype=torch.bool, device=self.index.device)
            excluded = none if excluded is None else excluded.clone()
            excluded[out] = True
        nodes = find_queries(self.graph, searched)
        found = None if nodes is None else nodes[0]
        if self.variant == "bayes":
            return Start(first_belief(self.index, vector, self.belief, excluded, found))
        if self.variant == "none":
            return Start(item_scores(self.index, vector, excluded))
        literal = self.options.searched == "literal"
        if self.weights is not None:
            return Start(weighted_guess(self.weights, vector, excluded, found, literal))
        scale = self.options.minus_scale * (1.0 if self.factors is None else self.factors.minus_scale)
        return Start(first_guess(self.index, vector, scale, excluded, found, literal))

    def session(
        self,
        scores: Tensor | Sequence[float] | Mapping[str, float] | Start,
        list_length: int = 3,
        rounds: int = 5,
        searched: Sequence[Sequence[str | tuple[str, str]]] | None = None,
        candidates: Sequence[str] | None = None,
        exclude: Iterable[str] = (),
    ) -> OnlineSession:
        """A session with one person.

        Args:
            scores: what `start` made, or [I] scores in node order; {item id: score} for a retrieval list.
            list_length: N, the length of a list.
            rounds: K, the most rounds.
            searched, exclude: as for `start`.
            candidates: ids of the items to choose from (a retrieval list): the session then is a `MagusSession` over
                them. None: the whole catalogue, or the keys of `scores`.

        Raises:
            SessionError: rounds or list_length below 1, no candidates, or `searched`, `exclude` and `candidates` beside
                a `Start`, which already says them.
            others: as for `start`.
        """
        exclude = list(exclude)
        if isinstance(scores, Start):
            if searched is not None or candidates is not None or exclude:
                raise SessionError("give searched, candidates and exclude to start(), not beside what it made")
            return CatalogueSession(self, scores, list_length, rounds)
        if candidates is None and not isinstance(scores, Mapping):
            return CatalogueSession(self, self.start(scores, searched, exclude), list_length, rounds)
        chosen = list(scores) if candidates is None and isinstance(scores, Mapping) else list(candidates or ())
        left_out = {str(item) for item in exclude}
        if self.removed is not None:
            gone = self.removed[item_nodes(self.graph, chosen).to(self.removed.device)].tolist()
            left_out |= {str(item) for item, is_gone in zip(chosen, gone, strict=True) if is_gone}
        return MagusSession(
            self.graph,
            scores,
            variant=self.variant,
            list_length=list_length,
            rounds=rounds,
            searched=searched,
            candidates=[str(item) for item in chosen if str(item) not in left_out],
            state=self.belief if self.variant == "bayes" else self.factors,
            options=self.options,
            builder=self.index.builder,
        )

    def play(self, start: Start, list_length: int, rounds: int) -> CataloguePlay:
        """A session without its history, for those who keep that themselves."""
        if isinstance(start.first, Prior):
            return BayesPlay(start.first, self.belief, rounds, list_length, self.width)
        if self.variant == "none":
            return ItemsPlay(start.first, list_length)
        options, learned = self.options, 0.0 if self.factors is None else self.factors.refusal
        switches = Switches(
            list_length,
            refusal=1.0 if options.negative != "zero" else learned,
            inhibits=options.negative == "signed_both",
            unknown_below=options.unclicked == "unknown" or (options.negative == "zero" and learned > 0.0),
            clamp=options.clamp,
        )
        if self.weights is not None or options.clamp:
            return DensePlay(start.first, switches, self.weights)
        return SparsePlay(start.first, switches)


def _checked(options: MagusOptions) -> MagusOptions:
    options.check()
    for name, only in (("hops", 1), ("relations", "definition"), ("propagation", "paper")):
        if getattr(options, name) != only:
            raise ConfigError(
                f"magus.{name}={getattr(options, name)!r} is for sessions with few candidates: a whole catalogue takes "
                f"{only!r}"
            )
    return replace(options)


def _is_unit(factors: EdgeFactors) -> bool:
    """Whether all weights are 1 (Eq. 3), so that only the refusal and the scale were learned."""
    return all(
        bool((side == side[:1]).all()) and bool(torch.isclose(side[:1].square().sum(), side.new_ones(())).all())
        for side in (factors.positive, factors.negative)
    )


class CatalogueSession(OnlineSession):
    """A session with one person over a whole catalogue; made by `Catalogue.session`.

    Its state is its answers: `state_dict` is a few numbers, and another process goes on with the same catalogue and
    scores.
    """

    def __init__(self, catalogue: Catalogue, start: Start, list_length: int, rounds: int) -> None:
        super().__init__(catalogue.graph, catalogue.variant, list_length, rounds)
        self._catalogue, self._start = catalogue, start
        self._play = catalogue.play(start, list_length, rounds)

    def __repr__(self) -> str:
        return f"CatalogueSession(variant={self.variant!r}, round={self.round} of {self.rounds}, done={self.done})"

    def _next_list(self) -> list[int]:
        nodes: list[int] = self._play.recommend().tolist()
        return nodes

    def _take(self, answer: Round) -> None:
        self._play.update(Answer(answer.shown, answer.clicked, answer.not_care))

    def _values(self, nodes: Sequence[int]) -> list[float]:
        values: list[float] = self._play.values(torch.tensor(nodes, dtype=torch.int64)).tolist()
        return values

    def node_scores(self, nodes: Sequence[int]) -> dict[int, float]:
        """The scores by which nodes were ranked last."""
        return dict(zip(nodes, self._values(nodes), strict=True))

    def state_dict(self) -> dict[str, Tensor]:
        """The session's state as tensors: the answers so far and the open list."""
        shown = torch.full((self.list_length,), -2, dtype=torch.int64)
        if self._open is not None:
            shown[:] = -1
            shown[: len(self._open)] = torch.tensor(self._open, dtype=torch.int64)
        return {"history": self._history_tensor(), "shown": shown}

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Put back what `state_dict` gave, by taking its answers in again.

        Raises:
            SessionError: a state of another session: another list length, or lists that this catalogue does not give.
        """
        for name, shape in (("history", (3, self.list_length)), ("shown", (self.list_length,))):
            if name not in state or tuple(state[name].shape[-len(shape) :]) != shape:
                got = list(state[name].shape) if name in state else "nothing"
                raise SessionError(f"the state is of another session: {name} has {got}, expected [..., {list(shape)}]")
        play = self._catalogue.play(self._start, self.list_length, self.rounds)
        history = self._read_history(state["history"])
        shown = state["shown"].tolist()
        waits = shown[0] != -2
        lists = [entry.shown for entry in history] + ([tuple(node for node in shown if node >= 0)] if waits else [])
        for number, expected in enumerate(lists):
            given = tuple(play.recommend().tolist())
            if given != expected:
                differs = f"list {number + 1} was {list(expected)}, and is {list(given)} here"
                raise SessionError(f"the state is of another session: {differs}")
            if number < len(history):
                entry = history[number]
                play.update(Answer(entry.shown, entry.clicked, entry.not_care))
        self._play, self.history, self.round = play, history, len(lists)
        self._open = lists[-1] if waits else None
        last = history[-1].clicked if history else None
        self.found = last if last is not None and last < n_items(self.graph) else None

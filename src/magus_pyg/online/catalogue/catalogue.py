"""Sessions over a whole catalogue: made once a process, a session a person."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import pandas as pd
import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from magus_pyg.agents import BayesState, EdgeFactors, MagusOptions
from magus_pyg.errors import ConfigError, SessionError
from magus_pyg.graph import Extension, extend_relational_graph, item_nodes, n_items
from magus_pyg.online.catalogue.belief_play import BayesPlay, Prior, Width, first_belief
from magus_pyg.online.catalogue.carry_over import check_extension
from magus_pyg.online.catalogue.containment import CatalogueIndex
from magus_pyg.online.catalogue.dense_play import CatalogueWeights, DensePlay, weighted_guess
from magus_pyg.online.catalogue.edition import Edition
from magus_pyg.online.catalogue.first_guess import Guess, first_guess, item_scores
from magus_pyg.online.catalogue.items_play import ItemsPlay
from magus_pyg.online.catalogue.play import Answer, CataloguePlay
from magus_pyg.online.catalogue.sparse_play import SparsePlay, Switches
from magus_pyg.online.contract import OnlineSession, Round
from magus_pyg.online.session import MagusSession, check_variant, find_queries

__all__ = ["Catalogue", "CatalogueSession", "Start"]


@dataclass(frozen=True)
class Start:
    """What sessions with the same base scores, exclusions and searched queries begin from; never changed.

    Attributes:
        first: the guess of MAGUS, or the belief of the Bayesian variant.
        edition: the catalogue as it was then; its items and nodes are those of the sessions.
    """

    first: Guess | Prior
    edition: Edition


class Catalogue:
    """A whole catalogue as candidates, for many people at once: what they share is made here, once.

    A session costs what its person's answers touch where weights are unit ("base"), one pass over the learned factors
    an answer ("plus"), and a pass over the items a round ("bayes"). Its lists are those that `MagusSession` gives with
    all items as candidates; for "bayes" that holds up to `width.least` items, beyond see
    `magus_pyg.online.catalogue.belief_play`.

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
        self.variant, self.dtype = variant, dtype
        self.options = _checked(options or MagusOptions())
        self.width = (width or Width()).check()
        self.belief = state.check() if isinstance(state, BayesState) else BayesState()
        factors = state if isinstance(state, EdgeFactors) else None
        self.edition = Edition.of(graph, factors, self.options.minus_scale, dtype)

    @property
    def index(self) -> CatalogueIndex:
        """What sessions that begin now share."""
        return self.edition.index

    @property
    def graph(self) -> HeteroData:
        """The relational graph now."""
        return self.edition.index.graph

    @property
    def factors(self) -> EdgeFactors | None:
        """The weights that MAGUS+ learned, with a row for each node of the graph now."""
        return self.edition.factors

    @property
    def weights(self) -> CatalogueWeights | None:
        """The learned weights, ready for use; None where all are 1."""
        return self.edition.weights

    @property
    def removed(self) -> Tensor | None:
        """bool [I]: the items that are not on offer; None for none."""
        return self.edition.removed

    def __repr__(self) -> str:
        out = 0 if self.removed is None else int(self.removed.sum())
        return f"Catalogue({self.index.n_items} items, {self.index.n_nodes} nodes, {self.variant!r}, {out} removed)"

    def remove_items(self, item_ids: Iterable[str]) -> None:
        """Take items from the offer (sold out, withdrawn) for all sessions that begin from now on.

        Queries that no other item contains go with them. Nothing is built again.

        Raises:
            GraphError: an unknown item id; then none is removed.
        """
        edition = self.edition
        nodes = item_nodes(edition.index.graph, list(item_ids))
        if edition.removed is None:
            edition.removed = torch.zeros(edition.index.n_items, dtype=torch.bool, device=edition.index.device)
        edition.removed[nodes] = True

    def restore_items(self, item_ids: Iterable[str]) -> None:
        """Put removed items on offer again.

        Raises:
            GraphError: an unknown item id; then none is put back.
        """
        edition = self.edition
        nodes = item_nodes(edition.index.graph, list(item_ids))
        if edition.removed is not None:
            edition.removed[nodes] = False

    def add_items(self, items: pd.DataFrame | Extension, factors: EdgeFactors | None = None) -> Extension:
        """Put new items on offer, for all sessions that begin from now on: they are those of a catalogue that was made
        of all items.

        Sessions that have begun, and what `start` gave, keep the catalogue as it was: its items, its numbers of nodes,
        its memory. Scores given from now on have a value for each new item too, behind those of the old ones. Removed
        items stay removed. What sessions share, and were using, is ready when this returns.

        Args:
            items: the rows of the new items, as for `extend_relational_graph`; or what that made of this catalogue's
                graph, for those who need its numbers of nodes or its options.
            factors: for "plus", learned weights of all nodes of the graph with the new items. None: old nodes keep
                theirs, and a new item gets the mean of the items that share its words, a new query that of the queries
                of its words (`magus_pyg.online.catalogue.carry_over.extended_factors`).

        Returns:
            The graph now, and where the nodes of the graph before are in it.

        Raises:
            DataError, GraphError: as of `extend_relational_graph`, or an extension of another graph, weights of
                another graph; then nothing is added.
            ConfigError: factors for another variant than "plus".
        """
        edition = self.edition
        if factors is not None:
            check_variant(self.variant, factors)
        graph = edition.index.graph
        if isinstance(items, Extension):
            extension = check_extension(graph, items)
        else:
            extension = extend_relational_graph(graph, items)
        if extension.graph is graph and factors is None:
            return extension
        # Sessions of other threads see all of it or nothing.
        self.edition = edition.extended(extension, factors, self.options.minus_scale, self.dtype)
        return extension

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
        edition = self.edition
        index, vector = edition.index, torch.as_tensor(scores)
        out = item_nodes(index.graph, list(exclude))
        excluded = edition.removed
        if out.numel():
            none = torch.zeros(index.n_items, dtype=torch.bool, device=index.device)
            excluded = none if excluded is None else excluded.clone()
            excluded[out] = True
        nodes = find_queries(index.graph, searched)
        found = None if nodes is None else nodes[0]
        if self.variant == "bayes":
            return Start(first_belief(index, vector, self.belief, excluded, found), edition)
        if self.variant == "none":
            return Start(item_scores(index, vector, excluded), edition)
        literal = self.options.searched == "literal"
        if edition.weights is not None:
            return Start(weighted_guess(edition.weights, vector, excluded, found, literal), edition)
        scale = self.options.minus_scale * (1.0 if edition.factors is None else edition.factors.minus_scale)
        return Start(first_guess(index, vector, scale, excluded, found, literal), edition)

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
            scores: what `start` made (where items were added since, the session is over the items of then), or [I]
                scores in node order; {item id: score} for a retrieval list.
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
        edition, left_out = self.edition, {str(item) for item in exclude}
        if edition.removed is not None:
            gone = edition.removed[item_nodes(edition.index.graph, chosen).to(edition.removed.device)].tolist()
            left_out |= {str(item) for item, is_gone in zip(chosen, gone, strict=True) if is_gone}
        return MagusSession(
            edition.index.graph,
            scores,
            variant=self.variant,
            list_length=list_length,
            rounds=rounds,
            searched=searched,
            candidates=[str(item) for item in chosen if str(item) not in left_out],
            state=self.belief if self.variant == "bayes" else edition.factors,
            options=self.options,
            builder=edition.index.builder,
        )

    def play(self, start: Start, list_length: int, rounds: int) -> CataloguePlay:
        """A session without its history, for those who keep that themselves."""
        if isinstance(start.first, Prior):
            return BayesPlay(start.first, self.belief, rounds, list_length, self.width)
        if self.variant == "none":
            return ItemsPlay(start.first, list_length)
        options, edition = self.options, start.edition
        learned = 0.0 if edition.factors is None else edition.factors.refusal
        switches = Switches(
            list_length,
            refusal=1.0 if options.negative != "zero" else learned,
            inhibits=options.negative == "signed_both",
            unknown_below=options.unclicked == "unknown" or (options.negative == "zero" and learned > 0.0),
            clamp=options.clamp,
        )
        if edition.weights is not None or options.clamp:
            return DensePlay(start.first, switches, edition.weights)
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


class CatalogueSession(OnlineSession):
    """A session with one person over a whole catalogue; made by `Catalogue.session`.

    Its state is its answers: `state_dict` is a few numbers, and another process goes on with the same catalogue and
    scores.
    """

    def __init__(self, catalogue: Catalogue, start: Start, list_length: int, rounds: int) -> None:
        super().__init__(start.edition.index.graph, catalogue.variant, list_length, rounds)
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

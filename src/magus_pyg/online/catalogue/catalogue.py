"""Sessions over a whole catalogue: made once a process, a session a person."""

import logging
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from copy import copy
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd
import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from magus_pyg.agents import BayesState, EdgeFactors, MagusOptions
from magus_pyg.agents.methods import check_variant
from magus_pyg.errors import ModelError, SessionError
from magus_pyg.graph import Extension, extend_relational_graph, find_query, id_texts, item_nodes
from magus_pyg.online.catalogue.belief_play import Width
from magus_pyg.online.catalogue.carry_over import check_extension
from magus_pyg.online.catalogue.catalogue_session import CatalogueSession
from magus_pyg.online.catalogue.containment import CatalogueIndex
from magus_pyg.online.catalogue.dense_play import CatalogueWeights
from magus_pyg.online.catalogue.edition import Edition, Start, catalogue_options
from magus_pyg.online.catalogue.first_guess import active_nodes
from magus_pyg.online.catalogue.player import Player
from magus_pyg.online.catalogue.prior import Prior
from magus_pyg.online.contract import OnlineSession
from magus_pyg.online.node_play import NodePlay
from magus_pyg.online.resuming import beginning_here
from magus_pyg.online.session import MagusSession
from magus_pyg.online.session_inputs import Scores, Wording, read_searched, scores_by_node
from magus_pyg.online.session_state import Beginning, SessionState

if TYPE_CHECKING:
    from magus_pyg.runs import Run

__all__ = ["Catalogue"]

logger = logging.getLogger(__name__)

Clean = Callable[[pd.DataFrame, HeteroData], tuple[pd.DataFrame, dict[str, int]]]


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
        clean: cleans the rows of new items for a graph (`Run.cleaned_items`); None takes them as they are.

    Attributes:
        left_out: how much of new items was left out, such as numbers outside of all bands.

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
        clean: Clean | None = None,
    ) -> None:
        check_variant(variant, state)
        self.variant, self.dtype, self.clean = variant, dtype, clean
        self.left_out: Counter[str] = Counter()
        self.options = catalogue_options(options or MagusOptions())
        self.width = (width or Width()).check()
        self.belief = state.check() if isinstance(state, BayesState) else BayesState()
        factors = state if isinstance(state, EdgeFactors) else None
        self.edition = Edition.of(CatalogueIndex(graph), factors, self.options.minus_scale, dtype)

    @classmethod
    def from_run(cls, run: "Run | str | Path", variant: str | None = None) -> "Catalogue":
        """The catalogue of a trained run, with what the run has learned.

        Args:
            run: a run, or its folder.
            variant: that of the run if None.

        Raises:
            RunError: a folder that is no run.
            others: as of the class.
        """
        from magus_pyg.runs import load_run  # Training and Hydra take seconds to import: only who asks for them waits.

        loaded = load_run(run) if isinstance(run, str | Path) else run
        chosen = loaded.variant if variant is None else variant
        return cls(loaded.graph, chosen, loaded.state_for(chosen), loaded.magus_options, clean=loaded.cleaned_items)

    def beside(self, variant: str, state: EdgeFactors | BayesState | None = None) -> "Catalogue":
        """The same catalogue with another variant, which shares what is made of the graph; arguments and errors as of
        the class."""
        check_variant(variant, state)
        other = copy(self)
        other.variant, other.left_out = variant, Counter()
        other.belief = state.check() if isinstance(state, BayesState) else BayesState()
        factors = state if isinstance(state, EdgeFactors) else None
        fresh = Edition.of(self.index, factors, self.options.minus_scale, self.dtype)
        other.edition = replace(fresh, removed=self.edition.removed)
        return other

    @property
    def player(self) -> Player:
        """The variant with its settings."""
        return Player(self.variant, self.options, self.belief, self.width)

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

        Queries that no other item contains go with them. Nothing is built again. What `start` gave is refused from now
        on; sessions that have begun go on.

        Raises:
            GraphError: an unknown item id; then none is removed.
        """
        self.edition = self.edition.offering(item_nodes(self.graph, item_ids), removed=True)

    def restore_items(self, item_ids: Iterable[str]) -> None:
        """Put removed items on offer again.

        Raises:
            GraphError: an unknown item id; then none is put back.
        """
        self.edition = self.edition.offering(item_nodes(self.graph, item_ids), removed=False)

    def add_items(self, items: pd.DataFrame | Extension, factors: EdgeFactors | None = None) -> Extension:
        """Put new items on offer, for all sessions that begin from now on: they are those of a catalogue that was made
        of all items.

        Sessions that have begun keep the catalogue as it was: its items, its numbers of nodes, its memory; what `start`
        gave is refused from now on. Scores given from now on have a value for each new item too, behind those of the
        old ones. Removed items stay removed. What sessions share, and were using, is ready when this returns.

        Args:
            items: the rows of the new items, as for `extend_relational_graph`, in a catalogue of a run as in the source
                of its data set, since they are cleaned as that was; or what `extend_relational_graph` made of this
                catalogue's graph, for those who need its numbers of nodes or its options.
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
        notes: dict[str, int] = {}
        if isinstance(items, Extension):
            extension = check_extension(graph, items)
        else:
            items, notes = (items, notes) if self.clean is None else self.clean(items, graph)
            extension = extend_relational_graph(graph, items)
        if extension.graph is graph and factors is None:
            return extension
        # Sessions of other threads see all of it or nothing.
        self.edition = edition.extended(extension, factors, self.options.minus_scale, self.dtype)
        self.left_out.update(notes)
        if notes:
            logger.warning("new items: %s", ", ".join(f"{what}: {count}" for what, count in notes.items()))
        return extension

    def start(
        self, scores: Scores, searched: Sequence[Sequence[Wording]] | None = None, exclude: Iterable[str] = ()
    ) -> Start:
        """What sessions begin from: one pass over R+. People with the same scores can share it.

        Args:
            scores: the base recommender's scores: [I] in node order, or by item id (a mapping, or a Series by its
                labels) of all items on offer.
            searched: the person's searched queries, as for `MagusSession`.
            exclude: ids of items that are not offered to this person, such as those known to them.

        Raises:
            ModelError: scores of the wrong number, not finite, or an item on offer without one.
            GraphError: an unknown item id or word.
            SessionError: no item is left.
        """
        edition = self.edition  # one for all of what follows: another thread may change the offer
        index = edition.index
        vector, given = scores_by_node(index.graph, scores)
        left_out = tuple(dict.fromkeys(id_texts(exclude)))
        excluded = edition.removed_with(item_nodes(index.graph, left_out))
        words, without = read_searched(index.graph, searched)
        if given is not None:
            missing = ~given if excluded is None else ~given & ~excluded.to(given.device)
            if bool(missing.any()):
                item = index.graph.vocabulary.item_ids[int(missing.to(torch.int8).argmax())]
                raise ModelError(
                    f"item {item!r} has no score ({int(missing.sum())} of {index.n_items} items have none): a whole "
                    "catalogue needs all, and candidates=... names a retrieval list"
                )
        nodes = [node for query in words if (node := find_query(index.graph, query)) is not None]
        first = self.player.first(edition, vector, excluded, nodes)
        active = active_nodes(index, excluded) if self.variant == "none" else first.active
        return Start(first, edition, active, left_out, words, without)

    def _restarted(self, start: Start, searched: Sequence[int]) -> Start:
        """What sessions would begin from with the same scores and other searched queries (their nodes)."""
        first, active = start.first, start.active
        excluded = None if active is None else ~active[: start.edition.index.n_items]
        scores = first.scores if isinstance(first, Prior) else first.base
        return replace(start, first=self.player.first(start.edition, scores, excluded, searched))

    def session(
        self,
        scores: Scores | Start,
        list_length: int = 3,
        rounds: int = 5,
        searched: Sequence[Sequence[Wording]] | None = None,
        candidates: Sequence[str] | None = None,
        exclude: Iterable[str] = (),
        min_items: int = 1,
    ) -> OnlineSession:
        """A session with one person: over the whole catalogue, or with `candidates` over a retrieval list.

        Args:
            scores: as for `start`, or what that made of the catalogue as it is now. With `candidates` they alone need a
                score.
            list_length: N, the length of a list.
            rounds: K, the most rounds.
            searched, exclude: as for `start`.
            candidates: ids of the items to choose from (a retrieval list): the session then is a `MagusSession` over
                those of them that are on offer.
            min_items: the fewest items of a list, as long as so many are left.

        Raises:
            SessionError: rounds, list_length or min_items out of range, no candidates, `searched`, `exclude` and
                `candidates` beside a `Start`, which already says them, a `Start` of another catalogue, or one made
                before items were added, removed or restored.
            others: as for `start`.
        """
        exclude = id_texts(exclude)
        if isinstance(scores, Start):
            if searched is not None or candidates is not None or exclude:
                raise SessionError("give searched, candidates and exclude to start(), not beside what it made")
            return self._session(self._checked_start(scores), list_length, rounds, min_items)
        if candidates is None:
            return self._session(self.start(scores, searched, exclude), list_length, rounds, min_items)
        edition, listed = self.edition, list(id_texts(candidates))
        if edition.removed is not None:
            gone = edition.removed[item_nodes(edition.index.graph, listed).to(edition.removed.device)].tolist()
            listed = [item for item, is_gone in zip(listed, gone, strict=True) if not is_gone]
        return MagusSession(
            edition.index.graph,
            scores,
            variant=self.variant,
            list_length=list_length,
            rounds=rounds,
            searched=searched,
            candidates=listed,
            state=self.belief if self.variant == "bayes" else edition.factors,
            options=self.options,
            builder=edition.index.builder,
            exclude=exclude,
            min_items=min_items,
        )

    def _session(self, start: Start, list_length: int, rounds: int, min_items: int) -> CatalogueSession:
        beginning = Beginning(self.variant, list_length, rounds, None, start.exclude, start.searched, min_items)

        def begin(searched: Sequence[int] | None) -> NodePlay:
            chosen = start if searched is None else self._restarted(start, searched)
            return self._play(chosen, beginning.list_length, beginning.rounds, beginning.min_items)

        return CatalogueSession(start.edition.index, beginning, start.active, begin, start.left_out)

    def _checked_start(self, start: Start) -> Start:
        if start.edition.origin is not self.edition.origin:
            raise SessionError("what start() made is of another catalogue: make one of this catalogue")
        if start.edition is not self.edition:
            raise SessionError(
                "what start() made is of the catalogue before items were added, removed or restored: make another"
            )
        return start

    def resume(self, data: object, scores: Scores | Start, list_length: int | None = None) -> OnlineSession:
        """A session that goes on where its `to_dict` was taken, in this or another process.

        Its answers are taken in again, so the catalogue may have gained or lost items, and scores may have changed:
        with the same ones the next list is the same. What has gone is said in `notes` and in the log, once.

        Args:
            data: what `to_dict` gave, perhaps through JSON.
            scores: the base scores now, as for `session`.
            list_length: what the state must have; None for any.

        Raises:
            SessionError: a state of another format, variant, list length or catalogue, or with a value that cannot be;
                no item is left; a `Start` that `session` refuses, or with other exclusions or searched queries.
            others: as for `session`.
        """
        saved = SessionState.read(data)
        if isinstance(scores, Start):
            self._checked_start(scores)
        begun, notes = beginning_here(self.graph, saved, self.variant, list_length)
        if isinstance(scores, Start):
            searched, _ = read_searched(self.graph, begun.searched)
            same = (begun.candidates, begun.exclude, searched) == (None, scores.exclude, scores.searched)
            if not same:
                raise SessionError(
                    "the state has other candidates, exclusions or searched queries than what start() made"
                )
            session = self.session(scores, begun.list_length, begun.rounds, min_items=begun.min_items)
        else:
            given = (begun.searched, begun.candidates, begun.exclude, begun.min_items)
            session = self.session(scores, begun.list_length, begun.rounds, *given)
        session.take_up(saved, notes)
        return session

    def play(self, start: Start, list_length: int, rounds: int, min_items: int = 1) -> NodePlay:
        """A session without its history, for those who keep that themselves.

        Raises:
            SessionError: a start that `session` refuses.
        """
        return self._play(self._checked_start(start), list_length, rounds, min_items)

    def _play(self, start: Start, list_length: int, rounds: int, min_items: int) -> NodePlay:
        return self.player.play(start.edition, start.first, list_length, rounds, min_items)

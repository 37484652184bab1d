"""A run as it is served: the catalogues of its variants, the scores of people, and the sessions that begin there."""

import threading
from collections.abc import Iterable, Mapping, Sequence
from copy import copy
from dataclasses import replace
from functools import cached_property
from hashlib import blake2b
from typing import Any

import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from magus_pyg.agents import BayesState, EdgeFactors
from magus_pyg.agents.methods import VARIANTS
from magus_pyg.data import first_dataset
from magus_pyg.data.dataset import word_columns
from magus_pyg.errors import ConfigError
from magus_pyg.graph import Word, extend_relational_graph, item_node, item_nodes, n_items
from magus_pyg.graph.settings import GraphSettings
from magus_pyg.online import Catalogue, OnlineSession
from magus_pyg.online.catalogue.carry_over import LikeItems, extended_factors
from magus_pyg.online.catalogue.edition import Start
from magus_pyg.online.catalogue.first_guess import active_nodes
from magus_pyg.online.session_inputs import Scores, SearchedWords, Wording, read_searched
from magus_pyg.online.session_state import find_named
from magus_pyg.runs import Run
from magus_pyg.serve.item_rows import item_frame
from magus_pyg.serve.privacy import People
from magus_pyg.serve.problems import inside
from magus_pyg.serve.recently_used import RecentlyUsed
from magus_pyg.serve.session_start import Person, SessionSettings, SessionStart
from magus_pyg.serve.stores import NamedEntry
from magus_pyg.serve.suggestions import Suggestions

__all__ = ["ServedEdition", "run_name"]

_STARTS, _START_BYTES = 256, 2**28


Starts = RecentlyUsed[tuple[object, ...], Start]


class ServedEdition:
    """A run with the items that are on offer between two changes; sessions go on with the one they began with.

    Args:
        name: of the edition.
        run: the run.
        people: the names of people.
        catalogues: by variant, with these items; that of "base", and others, which share what it made of the graph.
        states: what the variants learned, for the graph of the catalogue.
        added: what was added to the run's items, in order.
        off: ids of items that are not on offer, whether or not the graph has them.
        starts: what sessions begin from, of all editions; made if None.
    """

    def __init__(
        self,
        name: str,
        run: Run,
        people: People,
        catalogues: Mapping[str, Catalogue],
        states: Mapping[str, EdgeFactors | BayesState | None],
        added: tuple[LikeItems, ...] = (),
        off: frozenset[str] = frozenset(),
        starts: Starts | None = None,
    ) -> None:
        self.name, self.run, self.people, self.states, self.added, self.off = name, run, people, states, added, off
        self._catalogues = dict(catalogues)
        self._starts: Starts = RecentlyUsed(_STARTS, _START_BYTES, _start_bytes) if starts is None else starts
        self._lock = threading.Lock()

    @classmethod
    def of_run(
        cls, name: str, run: Run, people: People, off: frozenset[str] = frozenset(), discount: float = 1.0
    ) -> "ServedEdition":
        """A run with its own items.

        Args:
            name, people, off: as of the class.
            run: the run.
            discount: what an item that is shown a list later is worth, where lists are planned and the run has not
                fitted a lower one: a run is fitted on people who stay for all rounds.
        """
        states = {variant: _for_people(run.state_for(variant), variant, discount) for variant in VARIANTS}
        catalogue = Catalogue.from_run(run, "base")
        catalogue.remove_items(_known(catalogue.graph, off))
        return cls(name, run, people, {"base": catalogue}, states, (), off)

    def offering(self, name: str, item_ids: Iterable[str], removed: bool) -> "ServedEdition":
        """The edition with items taken from the offer, or put back."""
        off = self.off | frozenset(item_ids) if removed else self.off - frozenset(item_ids)
        known, catalogues = _known(self.graph, item_ids), {}
        for variant, catalogue in self._in_use().items():
            changed = catalogues[variant] = copy(catalogue)
            if removed:
                changed.remove_items(known)
            else:
                changed.restore_items(known)
        return ServedEdition(name, self.run, self.people, catalogues, self.states, self.added, off, self._starts)

    def extended(self, name: str, rows: Sequence[Mapping[str, Any]]) -> tuple["ServedEdition", dict[str, int]]:
        """The edition with new items, and what was left out of their rows.

        The words of old items stay the words of the graph, however common new items make them. Learned weights and
        scores of new items are those of the items that share their words.

        Args:
            name: of the new edition.
            rows: the new items, as in the source of the run's data set.

        Raises:
            DataError, GraphError: rows that cannot be used, or an item that is there already.
        """
        catalogue = copy(self.catalogue("base"))
        cleaned, notes = self.run.cleaned_items(item_frame(rows), catalogue.graph)
        lacking = {column: "" for column in self.word_columns if column not in cleaned.columns}
        extension = extend_relational_graph(catalogue.graph, cleaned.assign(**lacking), "keep")
        catalogue.add_items(extension)
        catalogue.remove_items(_known(catalogue.graph, self.off))
        states = {
            variant: extended_factors(state, extension) if isinstance(state, EdgeFactors) else state
            for variant, state in self.states.items()
        }
        added = (*self.added, LikeItems(extension))
        made = {"base": catalogue}
        edition = ServedEdition(name, self.run, self.people, made, states, added, self.off, self._starts)
        for variant in self._in_use():
            edition.catalogue(variant)
        return edition, notes

    def _in_use(self) -> dict[str, Catalogue]:
        with self._lock:
            return dict(self._catalogues)

    @property
    def graph(self) -> HeteroData:
        """The relational graph."""
        return self.catalogue("base").graph

    @property
    def word_columns(self) -> tuple[str, ...]:
        """The columns of an item's row whose values are words: of a merged field all that it is made of."""
        settings: GraphSettings = self.graph.settings
        return word_columns(settings.word_fields, dict(settings.merge_fields))

    def columns(self, item_id: str, row: Mapping[str, Any]) -> dict[str, Any]:
        """See `Changes.columns`: as the run has them, or of the row that the item was added with."""
        node = self.run.graph.vocabulary.item_ids.find(item_id)
        if node is not None:
            return dict(self.run.item_columns.of(node))
        bands = getattr(first_dataset(self.run.config.dataset), "bands", {})
        told = {*self.word_columns, self.graph.settings.title_field}.difference(bands)
        return {name: cell for name, cell in row.items() if name not in told and cell != item_id}

    def catalogue(self, variant: str) -> Catalogue:
        """The catalogue of a variant.

        Raises:
            ConfigError: one that the run has not learned.
        """
        with self._lock:
            found = self._catalogues.get(variant)
            if found is None:
                if variant == "plus" and self.states.get("plus") is None:
                    raise ConfigError("variant 'plus' is not learned by this run: train one with magus=plus")
                found = self._catalogues[variant] = self._catalogues["base"].beside(variant, self.states.get(variant))
            return found

    def offers(self, name: NamedEntry) -> bool:
        """Whether an item, or items of a query as many as it needs, are on offer."""
        if isinstance(name, str):
            return name not in self.off
        node = find_named(self.graph, tuple(Word(*word) for word in name))
        return node is not None and (self._active is None or bool(self._active[node]))

    @cached_property
    def suggestions(self) -> Suggestions:
        """The words that a search box suggests."""
        return Suggestions(self.graph, None if self._active is None else self._active[: n_items(self.graph)])

    @cached_property
    def _active(self) -> Tensor | None:
        catalogue = self.catalogue("base")
        return active_nodes(catalogue.index, catalogue.removed)

    def known(self, item_ids: Iterable[str]) -> set[str]:
        """Those of some item ids that the edition has, on offer or not."""
        return set(_known(self.graph, item_ids))

    def user_known_as(self, user_id: str | None) -> str | None:
        """The id that the run's log has of a person; None for guests."""
        return None if user_id is None else self.people.known_as(user_id, self.run.population)

    def scores(self, person: Person) -> Scores:
        """Base scores of all items, or of those that `person.scores` names.

        Raises:
            DataError: liked items of a user of the log.
            GraphError: an unknown item.
        """
        if person.scores is not None:
            return person.scores
        known = n_items(self.run.graph)
        liked = [item for item in person.liked if item_node(self.graph, item) < known]
        scores = self.run.scores(self.user_known_as(person.user_id), liked).unsqueeze(1)
        for like in self.added:
            scores = torch.cat([scores, like.of_new(scores)])
        return scores.squeeze(1)

    def begin(
        self,
        person: Person,
        chosen: SessionSettings,
        candidates: Sequence[str] | None = None,
        exclude: Sequence[str] | None = None,
        searched: Sequence[Sequence[Wording]] | None = None,
        locale: str | None = None,
    ) -> tuple[OnlineSession, SessionStart]:
        """Begin a session, and say what it began with; arguments as of `Catalogue.session` and `SessionStart`.

        Raises:
            InputError: from an error of the package, with the place of the request that it is about.
        """
        with inside("/variant"):
            catalogue = self.catalogue(chosen.variant)
        graph = catalogue.graph
        named = {"candidates": candidates, "exclude": exclude, "liked": person.liked, "scores": person.scores}
        for name, ids in named.items():
            with inside(f"/{name}"):
                item_nodes(graph, ids or ())
        with inside("/searched"):
            words, _ = read_searched(graph, searched)
        if person.scores is not None and candidates is None:
            candidates = list(person.scores)
        with inside("/user_id" if person.user_id is not None else "/liked"):
            out = self._excluded(person, candidates, exclude)
            scores = self._scores(catalogue, person, candidates, out, words, searched)
        with inside("/scores" if person.scores is not None else ""):
            length, rounds, least = chosen.list_length, chosen.rounds, chosen.min_items
            if isinstance(scores, Start):
                session = catalogue.session(scores, length, rounds, min_items=least)
            else:
                session = catalogue.session(scores, length, rounds, searched, candidates, out, least)
        state = {**session.to_dict(), "exclude": []}
        return session, SessionStart(person, state, None if exclude is None else tuple(exclude), locale)

    def resume(self, start: SessionStart, said: Sequence[Any], is_open: bool) -> OnlineSession:
        """A session as it was after what was said in it.

        Args:
            start: what it began with.
            said: what was answered and told, as in its state.
            is_open: whether a list waits for an answer.

        Raises:
            SessionError: none of its items is on offer.
            others: as of `scores`.
        """
        catalogue, candidates = self.catalogue(start.state["variant"]), start.state["candidates"]
        out = self._excluded(start.person, candidates, start.exclude)
        state = {**start.state, "said": list(said), "open": is_open, "exclude": list(out)}
        words, _ = read_searched(catalogue.graph, [list(map(tuple, query)) for query in state["searched"]])
        return catalogue.resume(state, self._scores(catalogue, start.person, candidates, out, words, words))

    def _excluded(
        self, person: Person, candidates: Sequence[str] | None, exclude: Sequence[str] | None
    ) -> tuple[str, ...]:
        if exclude is not None:
            return tuple(dict.fromkeys(exclude))
        known = None if candidates is not None else self.user_known_as(person.user_id)
        return () if known is None else tuple(self.run.known_items(known))

    def _scores(
        self,
        catalogue: Catalogue,
        person: Person,
        candidates: Sequence[str] | None,
        exclude: tuple[str, ...],
        words: SearchedWords,
        searched: Sequence[Sequence[Wording]] | None,
    ) -> Scores | Start:
        """Scores of a session over a retrieval list; over the whole catalogue what people like this one begin from."""
        if candidates is not None:
            return self.scores(person)
        key = (self.name, catalogue.variant, person.user_id, person.liked, exclude, words)
        found = self._starts.get(key)
        if found is None:
            found = catalogue.start(self.scores(person), searched, exclude)
            self._starts.put(key, found)
        return found


def _for_people(
    state: EdgeFactors | BayesState | None, variant: str, discount: float
) -> EdgeFactors | BayesState | None:
    """What a variant learned, for lists of people to whom a list later is worth less; see `ServedEdition.of_run`."""
    if variant != "bayes" or not (state is None or isinstance(state, BayesState)):
        return state
    fitted = BayesState() if state is None else state
    return replace(fitted, discount=min(fitted.discount, discount))


def run_name(run: Run) -> str:
    """The name of a run in editions: that of its folder, and what tells it from others of this name."""
    digest = blake2b(repr(sorted(run.info.items())).encode(), digest_size=4).hexdigest()
    return f"{run.path.resolve().name}-{digest}"


def _known(graph: HeteroData, item_ids: Iterable[str]) -> list[str]:
    """The ids that a graph has."""
    ids = list(item_ids)
    here = graph.vocabulary.item_ids.positions(ids) >= 0
    return [item for item, known in zip(ids, here.tolist(), strict=True) if known]


def _start_bytes(start: Start) -> int:
    held: list[Tensor] = [value for value in vars(start.first).values() if isinstance(value, Tensor)]
    return sum(tensor.nbytes for tensor in {id(tensor): tensor for tensor in held}.values())

"""A run as it is served: the catalogues of its variants, the scores of people, and the sessions that begin there."""

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

from torch import Tensor
from torch_geometric.data import HeteroData

from magus_pyg.agents import BayesState, EdgeFactors
from magus_pyg.agents.methods import VARIANTS
from magus_pyg.errors import ConfigError
from magus_pyg.graph import item_nodes
from magus_pyg.online import Catalogue, OnlineSession
from magus_pyg.online.catalogue.edition import Start
from magus_pyg.online.session_inputs import Scores, SearchedWords, Wording, read_searched
from magus_pyg.runs import Run
from magus_pyg.serve.problems import inside
from magus_pyg.serve.recently_used import RecentlyUsed

__all__ = ["Person", "ServedEdition", "SessionStart", "run_name"]

_STARTS, _START_BYTES = 256, 2**28


@dataclass(frozen=True)
class Person:
    """Who a session is with, as far as scores go.

    Attributes:
        user_id: a person; None for one of whom nothing is known. Those that are not in the run's log are guests.
        liked: ids of items that a guest likes.
        scores: scores by item id of whoever asks; None for those of the run.
    """

    user_id: str | None = None
    liked: tuple[str, ...] = ()
    scores: Mapping[str, float] | None = None


@dataclass(frozen=True)
class SessionStart:
    """What a session of the service began with, as the store keeps it.

    Attributes:
        person: whose it is.
        state: a session's state without answers (`OnlineSession.to_dict`).
        exclude: ids of items that are not shown; None: those that the log has of the user.
        locale: a language tag, or None.
    """

    person: Person
    state: Mapping[str, Any]
    exclude: tuple[str, ...] | None
    locale: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """As JSON can hold it."""
        person = self.person
        return {
            "user_id": person.user_id,
            "liked": list(person.liked),
            "scores": None if person.scores is None else dict(person.scores),
            "state": dict(self.state),
            "exclude": None if self.exclude is None else list(self.exclude),
            "locale": self.locale,
        }

    @classmethod
    def of_dict(cls, data: Mapping[str, Any]) -> "SessionStart":
        """What `to_dict` gave."""
        exclude = data["exclude"]
        person = Person(data["user_id"], tuple(data["liked"]), data["scores"])
        return cls(person, data["state"], None if exclude is None else tuple(exclude), data["locale"])


class ServedEdition:
    """A run with the items that are on offer between two changes; sessions go on with the one they began with.

    Args:
        name: of the edition.
        run: the run.
        catalogue: of any variant, with these items; others share what it made of the graph.
        states: what the variants learned, for the graph of the catalogue.
    """

    def __init__(
        self, name: str, run: Run, catalogue: Catalogue, states: Mapping[str, EdgeFactors | BayesState | None]
    ) -> None:
        self.name, self.run, self.states = name, run, states
        self._catalogues = {catalogue.variant: catalogue}
        self._starts: RecentlyUsed[tuple[object, ...], Start] = RecentlyUsed(_STARTS, _START_BYTES, _start_bytes)
        self._lock = threading.Lock()

    @classmethod
    def of_run(cls, run: Run) -> "ServedEdition":
        """The first edition of a run."""
        states = {variant: run.state_for(variant) for variant in VARIANTS}
        return cls(f"{run_name(run)}.0", run, Catalogue.from_run(run, "base"), states)

    @property
    def graph(self) -> HeteroData:
        """The relational graph."""
        return next(iter(self._catalogues.values())).graph

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
                other = next(iter(self._catalogues.values()))
                found = self._catalogues[variant] = other.beside(variant, self.states.get(variant))
            return found

    def scores(self, person: Person) -> Scores:
        """Base scores of all items, or of those that `person.scores` names.

        Raises:
            DataError: liked items of a user of the log.
            GraphError: an unknown item.
        """
        if person.scores is not None:
            return person.scores
        return self.run.scores(person.user_id if self.knows(person.user_id) else None, person.liked)

    def knows(self, user_id: str | None) -> bool:
        """Whether the run's log has a person."""
        return user_id is not None and self.run.population.has(user_id)

    def begin(
        self,
        person: Person,
        variant: str,
        list_length: int,
        rounds: int,
        min_items: int,
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
            catalogue = self.catalogue(variant)
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
            if isinstance(scores, Start):
                session = catalogue.session(scores, list_length, rounds, min_items=min_items)
            else:
                session = catalogue.session(scores, list_length, rounds, searched, candidates, out, min_items)
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
        if candidates is not None or person.user_id is None or not self.knows(person.user_id):
            return ()
        return tuple(self.run.known_items(person.user_id))

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
        key = (catalogue.variant, person.user_id, person.liked, exclude, words)
        found = self._starts.get(key)
        if found is None:
            found = catalogue.start(self.scores(person), searched, exclude)
            self._starts.put(key, found)
        return found


def run_name(run: Run) -> str:
    """The name of a run in editions: that of its folder, and what tells it from others of this name."""
    digest = blake2b(repr(sorted(run.info.items())).encode(), digest_size=4).hexdigest()
    return f"{run.path.resolve().name}-{digest}"


def _start_bytes(start: Start) -> int:
    held: list[Tensor] = [value for value in vars(start.first).values() if isinstance(value, Tensor)]
    return sum(tensor.nbytes for tensor in {id(tensor): tensor for tensor in held}.values())

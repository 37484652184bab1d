"""A session that is computed and kept for the next request of the same record."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from magus_pyg.graph import item_id_of, n_items, n_nodes
from magus_pyg.language import Phrasing
from magus_pyg.online import CatalogueSession, OnlineSession
from magus_pyg.serve.editions import ServedEdition
from magus_pyg.serve.languages import Languages
from magus_pyg.serve.measurements import LIST_SECONDS
from magus_pyg.serve.shown_lists import NamedList
from magus_pyg.serve.stores import LogRow, RowKind, StoredSession

__all__ = ["LiveSession"]

_QUICK_VARIANTS = ("none", "base")
_FEW_CANDIDATES = 100
_OWN = 4096  # bytes of a session whose scores are shared


@dataclass
class LiveSession:
    """A session, computed as far as its record says.

    Attributes:
        record: as it is in the store.
        session: the same, computed.
        edition: that it plays on.
        languages: puts its lists into words.
        sound: False while the record is ahead of the session.
    """

    record: StoredSession
    session: OnlineSession
    edition: ServedEdition
    languages: Languages
    sound: bool = True
    _shown: NamedList | None = None
    _texts: dict[int, Phrasing] = field(default_factory=dict)

    @property
    def shown(self) -> NamedList | None:
        """The open list, which is made if there is none; None where the session is done."""
        if self._shown is None and not self.session.done:
            self._shown = NamedList.of(self.record.session_id, self.session, len(self.record.answers), self.say)
        return self._shown

    def row(self, kind: RowKind, time: float, list_number: int = 0, **said: Any) -> LogRow:
        """A row of the answer log about this session.

        Args:
            kind: what happened.
            time: when, in seconds.
            list_number: of the list it is about, from 1; 0 for none.
            said: further columns.
        """
        record, session = self.record, self.session
        return LogRow(
            kind,
            record.session_id,
            time,
            list_number,
            user_hash=record.user_hash,
            experiment=record.experiment,
            arm=record.arm,
            edition=self.edition.name,
            run=self.edition.run.path.name,
            variant=session.variant,
            list_length=session.list_length,
            rounds=session.rounds,
            **said,
        )

    def say(self, nodes: Sequence[int]) -> list[Phrasing | None]:
        """What nodes are called: a text that was shown stays, but not over a change of the edition's nodes."""
        return self.languages.texts(self.session.graph, nodes, self.locale, self._texts)

    @property
    def locale(self) -> str | None:
        """The language tag of the person, if it was given."""
        found: str | None = self.record.start["locale"]
        return found

    def changed_edition(self, edition: ServedEdition) -> None:
        """The session goes on with another edition."""
        self.edition, self._texts = edition, {}

    def went_on(self) -> None:
        """The open list was answered or withdrawn."""
        self._shown = None

    @property
    def answered(self) -> int:
        """How many lists were answered."""
        return sum("shown" in said for said in self.record.answers)

    @property
    def found(self) -> str | None:
        """Id of the item that was clicked."""
        node = self.session.found
        return None if node is None else item_id_of(self.session.graph, node)

    @property
    def is_quick(self) -> bool:
        """Whether a round takes less than a few milliseconds."""
        if self.languages.waits or self.session.variant not in _QUICK_VARIANTS:
            return False
        candidates = self.session.beginning.candidates
        return isinstance(self.session, CatalogueSession) or len(candidates or ()) <= _FEW_CANDIDATES

    @property
    def nbytes(self) -> int:
        """Memory that only this session holds, about."""
        variant, graph = self.session.variant, self.session.graph
        if not isinstance(self.session, CatalogueSession):
            return _OWN + 64 * len(self.session.beginning.candidates or ()) + 8 * n_items(graph)
        return _OWN + {"plus": 8 * n_nodes(graph), "bayes": 8 * n_items(graph)}.get(variant, 0)

    def list_json(self, began: float) -> dict[str, Any]:
        """The session as it goes out; see `ListOut`. `began`: when the work on it did, by `time.perf_counter`."""
        record, session, shown = self.record, self.session, self.shown
        took = time.perf_counter() - began  # the list is made now
        LIST_SECONDS.labels(session.variant).observe(took)
        experiment: Mapping[str, str | None] | None = None
        if record.experiment is not None:
            experiment = {"name": record.experiment, "arm": record.arm}
        return {
            "session_id": record.session_id,
            "edition": self.edition.name,
            "round": session.round,
            "rounds": session.rounds,
            "done": session.done,
            "found": self.found,
            "recommendation_id": None if shown is None else shown.recommendation_id,
            "experiment": experiment,
            "took_ms": round(1000 * took, 3),
            "entries": [] if shown is None else shown.json,
        }

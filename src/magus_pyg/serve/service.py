"""What the service does with sessions: begin, answer, tell, undo, explain, forget.

A session is its record in the store: what it began with and what was said. Whoever answers reads the record, computes
the list from it, and writes with compare and set, so two answers at once have one effect. A live session is a computed
one that is kept for the next request of the same record; whoever uses it takes it out, so nobody else does.

All of it blocks; `magus_pyg.serve.lanes` says where it runs. `quick` asks for SlowError in place of what takes long.
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from secrets import token_urlsafe
from typing import Any

from magus_pyg.errors import BusyError, ConflictError, GoneError, InputError, NotThereError, SessionError
from magus_pyg.language import LanguageOptions
from magus_pyg.online.session_state import find_named, told_parts
from magus_pyg.runs import Run
from magus_pyg.serve.api_schemas import AnswerIn, SessionIn, WordsIn
from magus_pyg.serve.arms import arm_of
from magus_pyg.serve.asked import answered_before, answered_places, check_limits, chosen_settings, wordings
from magus_pyg.serve.changes import Changes
from magus_pyg.serve.lanes import SlowError
from magus_pyg.serve.languages import Languages, read_text, told_of, told_rows, understood, understood_json
from magus_pyg.serve.live_sessions import LiveSession
from magus_pyg.serve.measurements import LIVE_SESSIONS
from magus_pyg.serve.privacy import People
from magus_pyg.serve.problems import inside
from magus_pyg.serve.recently_used import RecentlyUsed
from magus_pyg.serve.replies import Replies, Resend
from magus_pyg.serve.serve_options import ServeOptions
from magus_pyg.serve.session_start import Person, SessionStart
from magus_pyg.serve.shown_lists import entry_id, history_json, word_pairs
from magus_pyg.serve.stores import Gone, LogRow, Outcome, Store, StoredSession

__all__ = ["Service"]

_LIVE_BYTES = 2**30
_TRIES = 5
_RETRY = "another request changed the session again and again: ask again soon"


class Service:
    """The sessions of a run.

    Args:
        run: the run.
        options: settings.
        store: what keeps the sessions.
        language: how queries are put into words and texts are read; the rule if None.
    """

    def __init__(self, run: Run, options: ServeOptions, store: Store, language: LanguageOptions | None = None) -> None:
        self.options, self.store = options, store
        self.replies = Replies(store)
        self.people = People(options.folder_of(run.path))
        self.changes = Changes(run, self.people, store, discount=options.discount)
        self.live: RecentlyUsed[str, LiveSession] = RecentlyUsed(
            options.live_sessions, _LIVE_BYTES, lambda live: live.nbytes
        )
        self.changes.on_forget = self.live.clear
        self.changes.begin()
        self.languages = Languages(language, options.folder_of(run.path), options.limits.text_length)
        self.languages.of(self.changes.newest.graph)

    @property
    def default_variant(self) -> str:
        """Of sessions whose request names none."""
        return self.changes.newest.run.variant if self.options.variant is None else self.options.variant

    def is_quick(self, session_id: str) -> bool:
        """Whether a round of a session seems to take less than a few milliseconds."""
        live = self.live.get(session_id)
        return live is not None and live.is_quick

    # What is asked for

    def begin(self, asked: SessionIn, resend: Resend | None = None) -> dict[str, Any]:
        """A new session with its first list (`ListOut`)."""
        began = time.perf_counter()
        again = self.replies.find(resend)
        if again is not None:
            return self._list_after(again["session_id"], again.get("events", 0), began)
        check_limits(asked, self.options.limits)
        session_id, edition = token_urlsafe(16), self.changes.newest
        user_hash = None if asked.user_id is None else self.people.name(asked.user_id)
        arm = self._arm(asked.experiment, user_hash or session_id)
        wish = {name: getattr(asked, name) for name in ("variant", "list_length", "rounds", "min_items")}
        chosen = chosen_settings(wish, arm, self.options, self.default_variant)
        person = Person(asked.user_id, tuple(asked.liked or ()), asked.scores)
        searched = None if asked.searched is None else [wordings(query) for query in asked.searched]
        session, start = edition.begin(person, chosen, asked.candidates, asked.exclude, searched, asked.locale)
        now = self.store.now()
        record = StoredSession(
            session_id=session_id,
            start=start.to_dict(),
            answers=[],
            version=0,
            edition=edition.name,
            created=now,
            touched=now,
            expires=now + self.options.expiry_hours * 3600,
            user_hash=user_hash,
            experiment=None if arm is None else self.options.experiment.name,
            arm=arm,
        )
        live = LiveSession(record, session, edition, self.languages)
        rows = [live.row("start", now)]
        if asked.text is not None and session.listens:
            parts, _ = read_text(self.languages, session, asked.text, asked.locale)
            if parts:
                live.record = record = replace(record, answers=[told_of(parts).to_dict()])
                rows += told_rows(live.row("words", now, 1), told_of(parts))
                session.tell_all((part.words, part.liked) for part in parts)
        found = live.list_json(began)
        body = {"session_id": record.session_id, "events": len(record.answers)}
        outcome = self.store.create(record, rows, self.replies.reply(resend, 201, body, session_id))
        if outcome is Outcome.REPLIED:
            return self.begin(asked, resend)
        self.live.put(record.session_id, live)
        return found

    def show(self, session_id: str, quick: bool = False) -> dict[str, Any]:
        """The open list and all that came before (`SessionOut`)."""
        began = time.perf_counter()
        with self.taken(session_id, quick) as live:
            self.only_offers(live)
            session = live.session
            return {
                **live.list_json(began),
                "variant": session.variant,
                "history": history_json(session.graph, session_id, live.record.answers),
                "searched": [word_pairs(query) for query in session.beginning.searched],
                "notes": [*session.notes, *(f"{what}: {count}" for what, count in session.left_out.items())],
            }

    def answer(
        self, session_id: str, asked: AnswerIn, resend: Resend | None = None, quick: bool = False
    ) -> dict[str, Any]:
        """Take the answer to the open list; the next list (`ListOut`).

        The same answer again gives the same list again. Another answer to a list that was answered, or one to a list
        that is not open any more, is a ConflictError.
        """
        began = time.perf_counter()
        for tried in range(_TRIES):
            with self.taken(session_id, quick, known=not tried) as live:
                again = self.replies.find(resend)
                if again is not None:
                    given = int(again["events"])
                elif self._is_open(live, asked.recommendation_id):
                    if self._take_answer(live, asked, resend):
                        return self._next(live, began)
                    continue
                elif not tried and self.store.shared:  # another process may have gone on with it
                    continue
                else:
                    given = answered_before(session_id, live.record.answers, asked, live.shown)
                if given == len(live.record.answers):
                    return live.list_json(began)
            return self._list_after(session_id, given, began)
        raise BusyError(_RETRY)

    def _is_open(self, live: LiveSession, recommendation_id: str) -> bool:
        """Whether the open list has a name: as it was made first, or without what is not on offer any more."""
        named = live.shown is not None and live.shown.recommendation_id == recommendation_id
        return named or (self.only_offers(live) and self._is_open(live, recommendation_id))

    def _take_answer(self, live: LiveSession, asked: AnswerIn, resend: Resend | None) -> bool:
        """Write the answer to the open list and take it in; False if another request was first."""
        shown = live.shown
        assert shown is not None, "it is open"
        clicked, not_care = answered_places(shown, asked)
        said = {"shown": list(shown.names), "clicked": clicked, "not_care": not_care}
        row = live.row(
            "answer",
            self.store.now(),
            live.session.round,
            recommendation_id=shown.recommendation_id,
            shown=shown.names,
            clicked=clicked,
            not_care=not_care,
        )
        if not self._written(live, [*live.record.answers, said], [row], resend):
            return False
        click = None if clicked is None else shown.entries[clicked]
        live.session.feedback(click, [shown.entries[place] for place in not_care])
        return True

    def tell(
        self, session_id: str, asked: WordsIn, resend: Resend | None = None, quick: bool = False
    ) -> dict[str, Any]:
        """Take in what a person says outside a list; what was understood, and the next list (`WordsOut`)."""
        began = time.perf_counter()
        for _ in range(_TRIES):
            with self.taken(session_id, quick) as live:
                again = self.replies.find(resend)
                if again is not None:
                    found = self._list_after(session_id, int(again["events"]), began)
                    said = ("understood", "left_out", "not_understood")
                    return {**found, **{name: again[name] for name in said if name in again}}
                if live.session.done:
                    raise ConflictError(
                        f"the session is over after {live.session.round} round(s): take the answer back"
                    )
                if not live.session.listens:
                    with inside(""):
                        raise SessionError("a list of the best-scored items (variant 'none') takes no words")
                parts, left_out = understood(self.languages, live.session, asked, live.locale)
                removes = asked.text is None and asked.liked is None
                body = {"understood": understood_json(parts, removes), **left_out}
                if not parts:
                    return {**live.list_json(began), **body}
                retracted = live.session.at(len(live.session.history)) if removes else None
                if retracted is not None:
                    with inside("/words"):
                        retracted.retract(parts[0].words)
                    answers = retracted.to_dict()["said"]
                else:
                    answers = [*live.record.answers, told_of(parts).to_dict()]
                rows = told_rows(live.row("words", self.store.now(), live.answered + 1), told_of(parts), removes)
                if not self._written(live, answers, rows, resend, body):
                    continue
                if retracted is not None:
                    live.session = retracted
                else:
                    live.session.tell_all((part.words, part.liked) for part in parts)
                return {**self._next(live, began), **body}
        raise BusyError(_RETRY)

    def undo(self, session_id: str, resend: Resend | None = None, quick: bool = False) -> dict[str, Any]:
        """Take the last answer, or what was said last, back; the list before (`ListOut`)."""
        began = time.perf_counter()
        for _ in range(_TRIES):
            with self.taken(session_id, quick) as live:
                again = self.replies.find(resend)
                if again is not None:
                    return self._list_after(session_id, int(again["events"]), began)
                if not live.record.answers:
                    raise ConflictError("there is no answer to take back: nothing was answered or said yet")
                last = live.record.answers[-1]
                row = live.row("undo", self.store.now(), live.answered + ("told" in last))
                if self._written(live, live.record.answers[:-1], [row] * len(told_parts(last) or [row]), resend):
                    if len(live.session.history) == len(live.record.answers) + 1:
                        live.session.undo()
                    else:  # what was said of things that are gone is in the record alone
                        self._recomputed(live)
                    return self._next(live, began)
        raise BusyError(_RETRY)

    def explain(self, session_id: str, entry: str) -> list[dict[str, Any]]:
        """Which answers moved an entry that was shown, in words (`ReasonOut`)."""
        with self.taken(session_id, False) as live:
            shown = [] if live.shown is None else live.shown.names
            listed = [name for said in live.record.answers for name in said.get("shown", ())]
            name = next((name for name in [*shown, *listed] if entry_id(session_id, name) == entry), None)
            if name is None:
                raise NotThereError(f"no list of the session has the entry {entry!r}")
            node = find_named(live.session.graph, name if isinstance(name, str) else _words(name))
            if node is None:
                raise NotThereError(f"the entry {entry!r} is not in the catalogue any more")
            reasons = live.session.explain(node)
            return [{"round": one.round, "answer": one.answer, "change": one.change} for one in reasons]

    def _arm(self, asked: str | None, who: str) -> str | None:
        """The arm of the experiment that runs; None where none runs.

        Raises:
            InputError: another experiment was asked for.
        """
        experiment = self.options.experiment
        if asked is not None and asked != experiment.name:
            runs = f"it is {experiment.name!r}" if experiment.name else "none runs"
            fault = f"there is no experiment {asked!r}: {runs}"
            raise InputError(fault, [("/experiment", fault)])
        if not experiment.name:
            return None
        return arm_of(who, experiment.name, {name: arm.share for name, arm in experiment.arms.items()})

    def forget(self, session_id: str) -> None:
        """Forget a session, with its rows in the log."""
        self.live.take(session_id)
        if not self.store.delete(session_id):
            self._load(session_id)  # raises

    def tidy(self) -> None:
        """Let go of sessions, rows and editions whose time is over."""
        now, options = self.store.now(), self.options
        self.store.expire()
        if options.retention_days is not None:
            self.store.purge(now - options.retention_days * 86400)
        self.changes.tidy(now - options.expiry_hours * 3600)
        for live in self.live:
            if live.record.expires <= now:
                self.live.take(live.record.session_id)

    # The record, and what is computed of it

    @contextmanager
    def taken(self, session_id: str, quick: bool, known: bool = False) -> Iterator[LiveSession]:
        """The computed session, which nobody else uses meanwhile; kept for the next request unless it was spoiled.

        Args:
            session_id: of the session.
            quick: whether SlowError is raised where it has to be computed.
            known: whether one that is live is taken as this process has it: the store may have it further on, or gone,
                which a write will tell.
        """
        live = self._live(session_id, quick, known)
        try:
            yield live
        finally:
            if live.sound:
                self.live.put(session_id, live)
            LIVE_SESSIONS.set(len(self.live))

    def _live(self, session_id: str, quick: bool, known: bool) -> LiveSession:
        live = self.live.take(session_id)
        if live is not None and (known or not self.store.shared) and live.record.expires > self.store.now():
            return live
        record = self._load(session_id)
        if live is not None and live.record.version == record.version:
            return live
        if quick:
            raise SlowError
        return self._computed(record)

    def _load(self, session_id: str) -> StoredSession:
        record = self.store.load(session_id)
        if record is None:
            raise NotThereError(f"there is no session {session_id!r}")
        if isinstance(record, Gone):
            raise GoneError(f"the session {session_id!r} {'has expired' if record.why == 'expired' else 'was deleted'}")
        return record

    def _computed(self, record: StoredSession) -> LiveSession:
        edition = self.changes.find(record.edition)
        session = edition.resume(SessionStart.of_dict(record.start), record.answers, is_open=False)
        return LiveSession(record, session, edition, self.languages)

    def _recomputed(self, live: LiveSession) -> None:
        live.session = live.edition.resume(SessionStart.of_dict(live.record.start), live.record.answers, is_open=False)

    def _list_after(self, session_id: str, events: int, began: float) -> dict[str, Any]:
        """The list that was given after the first so many answers and words, computed again."""
        record = self._load(session_id)
        live = self._computed(replace(record, answers=record.answers[:events]))
        return live.list_json(began)

    def _written(
        self,
        live: LiveSession,
        answers: Sequence[Any],
        rows: Sequence[LogRow],
        resend: Resend | None,
        body: Mapping[str, Any] | None = None,
    ) -> bool:
        """Write a session's answers; False if another request was first. From then on its list is not the open one."""
        now = self.store.now()
        expires, version = now + self.options.expiry_hours * 3600, live.record.version
        record = replace(live.record, answers=answers, touched=now, expires=expires, version=version + 1)
        reply = self.replies.reply(resend, 200, {"events": len(answers), **(body or {})}, record.session_id)
        live.sound = False
        outcome = self.store.replace(record, version, rows, reply)
        if outcome is Outcome.GONE:
            self._load(record.session_id)  # raises
        if outcome is Outcome.DONE:
            live.record = record
            live.went_on()
        return outcome is Outcome.DONE

    def _next(self, live: LiveSession, began: float) -> dict[str, Any]:
        self.only_offers(live)
        found = live.list_json(began)
        live.sound = True
        return found

    def only_offers(self, live: LiveSession) -> bool:
        """Let a session go on with the newest edition if its open list has what is not on offer any more; whether it
        had to."""
        newest, shown = self.changes.newest, live.shown
        if live.edition.off == newest.off or shown is None or all(map(newest.offers, shown.names)):
            return False
        live.changed_edition(newest)
        self._recomputed(live)
        live.went_on()
        return True


def _words(pairs: Sequence[Sequence[str]]) -> tuple[Any, ...]:
    return tuple(map(tuple, pairs))

"""What the page asks of the service: sessions by step, where whoever answers an older list undoes to it first.

Step n of a session is the list after n - 1 answers and tellings, so a browser's back button shows what was shown, and
two windows of one session cannot get in each other's way: who answers last is heard.
"""

import json
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from magus_pyg.errors import ConflictError, InputError
from magus_pyg.graph import Word, item_id_of
from magus_pyg.online import OnlineSession
from magus_pyg.serve.api_schemas import AnswerIn, SessionIn, WordsIn
from magus_pyg.serve.editions import ServedEdition
from magus_pyg.serve.live_sessions import LiveSession
from magus_pyg.serve.pages.page_views import chips_of, words_of_key
from magus_pyg.serve.service import Service
from magus_pyg.serve.session_start import Person, SessionSettings
from magus_pyg.serve.shown_lists import Say, entry_id, list_id, name_of
from magus_pyg.serve.stores import NamedEntry

__all__ = ["NEW", "PageSessions", "Standing", "name_of_key", "words_in"]

NEW = "new"
"""In the place of a session's id: one that begins with the first answer."""

_Found = TypeVar("_Found")


@dataclass(frozen=True)
class Standing:
    """Where a session stands after something was said.

    Attributes:
        session_id: the session.
        step: its open list.
        unread: what was not understood of a text; "" for nothing.
        stale: whether the list that was answered is not there any more, so that nothing was taken in.
    """

    session_id: str
    step: int
    unread: str = ""
    stale: bool = False


class PageSessions:
    """The sessions of one service as the page uses them. All of it blocks, as the service does.

    Args:
        service: the service.
    """

    def __init__(self, service: Service) -> None:
        self.service = service
        self._first: tuple[ServedEdition, OnlineSession] | None = None
        self._lock = threading.Lock()

    def first(self) -> OnlineSession:
        """What the start page shows: the first list of a guest, which is no session of the store yet.

        It is the same for all until the offer changes, so it is made once; nothing may be said in it.
        """
        newest, options = self.service.changes.newest, self.service.options
        with self._lock:
            if self._first is None or self._first[0] is not newest:
                chosen = SessionSettings(
                    variant=self.service.default_variant,
                    list_length=options.list_length,
                    rounds=options.rounds,
                    min_items=options.min_items,
                )
                session, _ = newest.begin(Person(), chosen)
                session.recommend()
                self._first = (newest, session)
            return self._first[1]

    def past(self, session_id: str, step: int, use: Callable[[OnlineSession, int, Say], _Found], quick: bool) -> _Found:
        """What is made of a session as it was at a step.

        Args:
            session_id: of the session.
            step: from 1; beyond the open list the open one.
            use: called with the session, the step of its open list, and what puts its lists into words.
            quick: as of `Service`.
        """

        with self.service.taken(session_id, quick) as live:
            self.service.only_offers(live)
            now = len(live.session.history)
            return use(live.session.at(min(step - 1, now)), now + 1, live.say)

    def answer(
        self, session_id: str, step: int, visitor: str, language: str, click: str, not_care: Sequence[str], quick: bool
    ) -> Standing:
        """Answer the list of a step.

        Args:
            session_id: of the session, or `NEW`.
            step: of the list.
            visitor: who answers.
            language: that they read.
            click: the entry that is clicked, as `item_key` or `words_key` gives it; "" for none.
            not_care: queries that do not matter, likewise.
            quick: as of `Service`.

        Raises:
            InputError: what is not in the list.
        """
        session_id = self._begun(session_id, visitor, language)
        clicked = name_of_key(click) if click else None
        careless = [name for name in map(name_of_key, not_care) if name != clicked]
        with self.service.taken(session_id, quick) as live:
            self.service.only_offers(live)
            listed = _names_at(live, step - 1)
        if listed is None:
            return self._now(session_id, quick, stale=True)
        for name in [*([] if clicked is None else [clicked]), *careless]:
            if name not in listed:
                raise InputError(f"the list does not have {name!r} (any more)")
        asked = AnswerIn(
            recommendation_id=list_id(session_id, step - 1, listed),
            clicked=None if clicked is None else entry_id(session_id, clicked),
            not_care=[entry_id(session_id, name) for name in careless],
        )
        try:
            self.service.answer(session_id, asked, quick=quick)
        except ConflictError:  # another answer was given to it before
            self._go_back(session_id, step - 1, quick)
            self.service.answer(session_id, asked, quick=quick)
        return Standing(session_id, step + 1)

    def write(self, session_id: str, step: int, visitor: str, language: str, text: str, quick: bool) -> Standing:
        """Take in what somebody wrote, at the list of a step."""
        session_id = self._begun(session_id, visitor, language)
        self._go_back(session_id, step - 1, quick)
        found = self.service.tell(session_id, WordsIn.model_validate({"text": text}), quick=quick)
        unread = ", ".join(found["not_understood"]) if found["understood"] else text
        return self._now(session_id, quick, unread)

    def tell(
        self, session_id: str, step: int, visitor: str, language: str, words: dict[bool, list[Word]], quick: bool
    ) -> Standing:
        """Take in words that are wanted (True) and not wanted (False), at the list of a step."""
        session_id = self._begun(session_id, visitor, language)
        self._go_back(session_id, step - 1, quick)
        for liked, listed in words.items():
            if listed:
                self.service.tell(session_id, words_in(listed, liked), quick=quick)
        return self._now(session_id, quick)

    def retract(self, session_id: str, step: int, key: str, quick: bool) -> Standing:
        """Take back what was said of the words of a chip (`words_key`)."""
        asked = words_in(words_of_key(key), liked=None)
        self._go_back(session_id, step - 1, quick)
        with self.service.taken(session_id, quick) as live:
            is_said = any(chip.key == key for chip in chips_of(live.session.graph, live.session.history))
        if is_said:  # else it was sent twice
            self.service.tell(session_id, asked, quick=quick)
        return self._now(session_id, quick)

    def undo(self, session_id: str, step: int, quick: bool) -> Standing:
        """Back to the list before that of a step."""
        self._go_back(session_id, max(0, step - 2), quick)
        return self._now(session_id, quick)

    def go_on(self, session_id: str, step: int, visitor: str, language: str, quick: bool) -> Standing:
        """A new session that knows what was said in another one, without the items that were found so far."""

        def said(session: OnlineSession, _: int, say: Say) -> tuple[list[str], dict[bool, list[Word]]]:
            out = [*session.beginning.exclude]
            if session.found is not None:
                out.append(item_id_of(session.graph, session.found))
            words: dict[bool, dict[Word, None]] = {True: {}, False: {}}
            for chip in chips_of(session.graph, session.history):
                listed = words_of_key(chip.key)
                if chip.kind == "wanted" or (chip.kind == "unwanted" and len(listed) == 1):
                    words[chip.kind == "wanted"] |= dict.fromkeys(listed)
            return out, {liked: list(listed) for liked, listed in words.items()}

        exclude, words = self.past(session_id, step, said, quick)
        new = self._begun(NEW, visitor, language, exclude)
        for liked, listed in words.items():
            if listed:
                self.service.tell(new, words_in(listed, liked))
        return self._now(new, quick)

    def _begun(self, session_id: str, visitor: str, language: str, exclude: Sequence[str] = ()) -> str:
        if session_id != NEW:
            return session_id
        asked = SessionIn.model_validate({"user_id": visitor, "locale": language, "exclude": list(exclude)})
        return str(self.service.begin(asked)["session_id"])

    def _now(self, session_id: str, quick: bool, unread: str = "", stale: bool = False) -> Standing:
        return Standing(session_id, self._said(session_id, quick) + 1, unread, stale)

    def _said(self, session_id: str, quick: bool) -> int:
        """How much was answered and told."""
        with self.service.taken(session_id, quick) as live:
            return len(live.record.answers)

    def _go_back(self, session_id: str, said: int, quick: bool) -> None:
        """Undo until so much is left of what was said."""
        while self._said(session_id, quick) > said:
            try:
                self.service.undo(session_id, quick=quick)
            except ConflictError:  # another window was faster
                return


def words_in(words: Sequence[Word], liked: bool | None) -> WordsIn:
    """Words as the service takes them; `liked` as of `WordsIn`."""
    return WordsIn.model_validate({"words": [word._asdict() for word in words], "liked": liked})


def _names_at(live: LiveSession, said: int) -> list[NamedEntry] | None:
    """The list after so much was said, as it was shown; None where less was said."""
    answers = live.record.answers
    if said > len(answers):
        return None
    if said < len(answers) and "shown" in answers[said]:
        return list(answers[said]["shown"])
    session = live.session.at(min(said, len(live.session.history)))
    return [] if session.done else [name_of(entry) for entry in session.recommend()]


def name_of_key(key: str) -> NamedEntry:
    """What `item_key` or `words_key` gave, as the store names it."""
    try:
        name = json.loads(key)
    except (ValueError, RecursionError):
        name = None
    if isinstance(name, str):
        return name
    return [list(word) for word in words_of_key(key)]

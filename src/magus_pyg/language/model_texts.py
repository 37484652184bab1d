"""A model's texts in time for a round: from the cache, or asked for and waited for no longer than the budget.

Whatever goes wrong, the rule's text stands: the model is asked by threads of its own, and what comes too late is kept
for another time. Each kind of failure is counted always and logged once.
"""

import contextlib
import logging
import queue
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import Future, wait
from functools import partial
from typing import Any, TypeVar

from magus_pyg.errors import LanguageError
from magus_pyg.language.answer_checks import check_keywords, check_question
from magus_pyg.language.phrasing import Phrasing, Rewriter, Source
from magus_pyg.language.rule import Rule, plain_word
from magus_pyg.language.text_cache import TextCache, text_key

__all__ = ["Breaker", "ModelTexts"]

logger = logging.getLogger(__name__)

_T = TypeVar("_T")
_WORKERS = 8  # requests at once
_WAITING = 256  # that may wait for one of these
_KEPT = 1 << 16  # texts in memory


class Breaker:
    """Says whether an endpoint is to be asked: not for a while after failures in a row, then by one request first.

    Args:
        failures: in a row, at least 1.
        pause_s: how long nothing is asked.
        clock: gives seconds.
    """

    def __init__(self, failures: int, pause_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self.failures, self.pause_s, self.clock = failures, pause_s, clock
        self._lock, self._failed, self._until = threading.Lock(), 0, 0.0

    def allows(self) -> bool:
        """Whether a request may be made now."""
        with self._lock:
            if self._failed < self.failures:
                return True
            now = self.clock()
            if now < self._until:
                return False
            self._until = now + self.pause_s  # this one is the trial; others wait for what comes of it
            return True

    def note(self, failed: bool) -> None:
        """Take in how a request went."""
        with self._lock:
            self._failed = self._failed + 1 if failed else 0
            if self._failed >= self.failures:
                self._until = self.clock() + self.pause_s


class ModelTexts:
    """Texts by a model, checked: keywords select the same items as their query, questions ask in the right language.

    Args:
        rewriter: asks the model.
        rule: what stands otherwise.
        cache: of accepted texts.
        budget_s: the longest wait of a call; None for as long as it takes.
        breaker: stops asking where nothing comes.
    """

    def __init__(
        self, rewriter: Rewriter, rule: Rule, cache: TextCache, budget_s: float | None, breaker: Breaker
    ) -> None:
        self.rewriter, self.rule, self.cache, self.budget_s, self.breaker = rewriter, rule, cache, budget_s, breaker
        self.counts: Counter[tuple[str, str]] = Counter()
        """What happened: ("accepted" or "refused" or "failed", why) of answers."""
        self._lock = threading.Lock()
        self._made: dict[tuple[tuple[int, ...], str], Phrasing | None] = {}  # None: refused, so the rule's
        self._asked: dict[object, Future[Any]] = {}
        self._jobs: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._workers: list[threading.Thread] = []

    def phrase(self, queries: Sequence[tuple[int, ...]], locale: str, budget_s: float | None = None) -> list[Phrasing]:
        """A text for each query, the model's where it is there in time.

        Args:
            queries: word ids, ascending.
            locale: the language's name.
            budget_s: the longest wait; the usual one if None.
        """
        budget_s = self.budget_s if budget_s is None else budget_s
        until = None if budget_s is None else time.monotonic() + budget_s
        found: dict[tuple[int, ...], Phrasing | None] = {}
        waiting: dict[tuple[int, ...], Future[Phrasing | None]] = {}
        for ids in dict.fromkeys(queries):
            known, found[ids] = self._known(ids, locale)
            if not known:
                future = self.submit((ids, locale), partial(self._ask, ids, locale))
                if future is not None:
                    waiting[ids] = future
        if waiting:
            wait(waiting.values(), None if until is None else max(0.0, until - time.monotonic()))
        for ids, future in waiting.items():
            if not future.done():
                self.count("late", "the rule's text was shown")
            elif future.exception() is None:
                found[ids] = future.result()
        return [found[ids] or self.rule.phrase(ids, locale) for ids in queries]

    def submit(self, key: object, job: Callable[[], _T]) -> "Future[_T] | None":
        """Let a worker do what asks the model, once for one key at a time; None where nothing is asked just now."""
        with self._lock:
            if key in self._asked:
                return self._asked[key]
            if self._jobs.qsize() >= _WAITING or not self.breaker.allows():
                why = "too many wait" if self._jobs.qsize() >= _WAITING else "a pause after failures"
                self.counts["not asked", why] += 1
                return None
            future: Future[_T] = Future()
            self._asked[key] = future
            if len(self._workers) < _WORKERS:
                self._workers.append(threading.Thread(target=self._work, name="magus language", daemon=True))
                self._workers[-1].start()
        self._jobs.put(partial(self._finish, key, future, job))
        return future

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            job()

    def _finish(self, key: object, future: "Future[_T]", job: Callable[[], _T]) -> None:
        try:
            future.set_result(job())
            self.breaker.note(failed=False)
        except LanguageError as error:
            self.count("failed" if error.failed else "refused", str(error))
            self.breaker.note(failed=error.failed)
            future.set_exception(error)
        except Exception as error:  # noqa: BLE001 (of another rewriter: it must not end the worker, nor the session)
            self.count("failed", type(error).__name__)
            self.breaker.note(failed=True)
            future.set_exception(error)
        finally:
            with self._lock:
                self._asked.pop(key, None)

    def count(self, what: str, why: str) -> None:
        """Count something that went wrong; the first of its kind is logged."""
        with self._lock:
            self.counts[what, why] += 1
            first = self.counts[what, why] == 1
        if first and what != "accepted":
            logger.warning("a model's text was not used (%s: %s); the rule's is shown; counted from now on", what, why)

    def _known(self, ids: tuple[int, ...], locale: str) -> tuple[bool, Phrasing | None]:
        """Whether a text was made before, and that text."""
        key = (ids, locale)
        if key in self._made:
            return True, self._made[key]
        kept = self.cache.get(self._key(ids, locale))
        if kept is None:
            return False, None
        try:
            phrasing = self._checked(ids, locale, kept.get("keywords"), kept.get("question"), "cache")
        except LanguageError:  # the catalogue has other items now
            return False, None
        self._keep(key, phrasing)
        return True, phrasing

    def _key(self, ids: tuple[int, ...], locale: str) -> str:
        return text_key([self.rule.word(word) for word in ids], locale, self.rewriter.version)

    def _ask(self, ids: tuple[int, ...], locale: str) -> Phrasing | None:
        try:
            keywords, question = self.rewriter.rewrite([self.rule.word(word) for word in ids], locale)
            phrasing = self._checked(ids, locale, keywords, question, "model")
        except LanguageError as error:
            if not error.failed:
                self._keep((ids, locale), None)  # it would answer the same again
            raise
        self.count("accepted", "")
        self.cache.put(self._key(ids, locale), {"keywords": keywords, "question": question})
        self._keep((ids, locale), self._checked(ids, locale, keywords, question, "cache"))
        return phrasing

    def _keep(self, key: tuple[tuple[int, ...], str], phrasing: Phrasing | None) -> None:
        with self._lock:
            if len(self._made) >= _KEPT:
                self._made.pop(next(iter(self._made)))
            self._made[key] = phrasing

    def _checked(
        self, ids: tuple[int, ...], locale: str, keywords: object, question: object, source: Source
    ) -> Phrasing:
        """The phrasing, if all that the model said can be used; LanguageError otherwise."""
        values = [plain_word(self.rule.word(word).value) for word in ids]
        places = check_keywords(keywords, values)
        if not self.rule.items.select_the_same([ids[place] for place in places], ids):
            raise LanguageError("other items")
        template = check_question(question, self.rule.lexicons, self.rule.lexicons.of(locale))
        text = " ".join(values[place] for place in places)
        words = tuple(self.rule.word(ids[place]) for place in places)
        return Phrasing(words, text, template.replace("{query}", text), source)

    def close(self) -> None:
        """Drop what waits, and let the workers end when what they wait for does."""
        with contextlib.suppress(queue.Empty):
            while True:
                self._jobs.get_nowait()
        for _ in self._workers:
            self._jobs.put(None)

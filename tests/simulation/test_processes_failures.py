"""Which of several failures is told, whatever the order in which they are heard."""

import queue
import time
from types import SimpleNamespace
from typing import Any

import pytest

from magus_pyg.errors import DataError, ProcessError
from magus_pyg.simulation.processes import _Failure, _received


class Messages:
    """A queue whose messages are all there already."""

    def __init__(self, *messages: tuple[int, str, Any]) -> None:
        self.messages = list(messages)

    def get(self, timeout: float) -> tuple[int, str, Any]:
        if not self.messages:
            time.sleep(timeout / 100)
            raise queue.Empty
        return self.messages.pop(0)


def workers(*codes: int | None) -> list[Any]:
    return [SimpleNamespace(exitcode=code) for code in codes]


def lost(rank: int, when: float) -> tuple[int, str, _Failure]:
    return rank, "failed", _Failure(when, None, "Connection reset by peer")


def test_the_first_failure_is_told_though_heard_last() -> None:
    heard = Messages(lost(0, 2.0), (1, "failed", _Failure(1.0, None, "KeyError: 'lost'")))
    with pytest.raises(RuntimeError, match=r"process 1 of 2 failed:\nKeyError: 'lost'"):
        list(_received(heard, workers(0, 0)))


def test_an_error_of_ours_keeps_its_type() -> None:
    heard = Messages((0, "message", "begun"), lost(0, 2.0), (1, "failed", _Failure(1.0, DataError, "no rows")))
    found = _received(heard, workers(0, 0))
    assert next(found) == "begun"
    with pytest.raises(DataError, match="no rows"):
        next(found)


def test_one_that_is_gone_without_a_word_is_the_cause() -> None:
    class Late(Messages):
        """The end of a process is seen after the failure of the one that lost it was heard."""

        def get(self, timeout: float) -> tuple[int, str, Any]:
            if not self.messages:
                group[1].exitcode = 9
            return super().get(timeout)

    group = workers(None, None)
    with pytest.raises(ProcessError, match="process 1 of 2 ended with exit code 9"):
        list(_received(Late(lost(0, 1.0)), group))


def test_those_that_go_on_are_not_waited_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("magus_pyg.simulation.processes._GRACE", 0.05)
    with pytest.raises(RuntimeError, match="process 0 of 2 failed"):
        list(_received(Messages(lost(0, 1.0)), workers(None, None)))

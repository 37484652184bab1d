"""A spy on targets: it fails where an agent at work reads the targets of the sessions that it plays."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, ClassVar

import pandas as pd
import pytest
from torch import Tensor, strided
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_leaves

from magus_pyg.data import Sessions
from magus_pyg.graph import SessionGraphs
from magus_pyg.simulation import Agent, Feedback, Learner, Play, Scorer, SessionView


class TargetSpy:
    """Watches the targets of sessions while an agent works; see `watch`."""

    def __init__(self) -> None:
        self.working = False
        self.kept: list[Tensor] = []  # alive, so that their memory is nobody else's

    def sessions(self, sessions: Sessions) -> Sessions:
        """The same sessions; reading their targets while an agent works is an AssertionError."""
        return _SpiedSessions.of(self, sessions)

    def agent(self, agent: Agent) -> Any:
        """The same agent, watched; a `Learner` where it is one."""
        return _SpiedLearner(self, agent) if isinstance(agent, Learner) else _SpiedAgent(self, agent)

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """While an agent works."""
        self.working = True
        try:
            with _Reads(self):
                yield
        finally:
            self.working = False

    @contextmanager
    def watch(self, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
        """Watch what the loop makes of the targets, too."""
        count = SessionGraphs.count_targets

        def counted(graphs: SessionGraphs, targets: Tensor) -> Tensor:
            result = count(graphs, targets)
            self.kept.append(result)
            return result

        with monkeypatch.context() as patch:
            patch.setattr(SessionGraphs, "count_targets", counted)
            yield


class _SpiedSessions(Sessions):
    _spy: ClassVar[TargetSpy]

    @classmethod
    def of(cls, spy: TargetSpy, sessions: Sessions) -> Sessions:
        kind = type("SpiedSessions", (cls,), {"_spy": spy})
        targets = sessions.targets.clone()
        spy.kept.append(targets)
        spied: Sessions = kind(sessions.user, sessions.candidates, targets, sessions.searched, sessions.id)
        return spied

    def __getattribute__(self, name: str) -> Any:
        if name == "targets" and type(self)._spy.working:
            raise AssertionError("the agent reads the sessions' targets")
        return super().__getattribute__(name)

    def take(self, index: Tensor) -> Sessions:
        return self.of(type(self)._spy, super().take(index))


class _Reads(TorchFunctionMode):
    """Fails where torch is given a tensor that the spy keeps, or a view of one."""

    def __init__(self, spy: TargetSpy) -> None:
        super().__init__()
        self.memory = {tensor.untyped_storage().data_ptr() for tensor in spy.kept} - {0}

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        for value in tree_leaves((args, kwargs)):
            dense = isinstance(value, Tensor) and value.layout is strided
            if dense and value.untyped_storage().data_ptr() in self.memory:
                raise AssertionError(f"the agent reads the targets with {getattr(func, '__name__', func)}")
        return func(*args, **(kwargs or {}))


class _SpiedAgent:
    def __init__(self, spy: TargetSpy, agent: Agent) -> None:
        self.spy, self.agent = spy, agent
        self.name, self.graph = agent.name, agent.graph

    @property
    def scorer(self) -> Scorer | Tensor:
        return self.agent.scorer

    def start(self, view: SessionView) -> "_SpiedPlay":
        assert not _holds_sessions(view), "what agents are given holds the sessions"
        with self.spy.at_work():
            return _SpiedPlay(self.spy, self.agent.start(view))


class _SpiedLearner(_SpiedAgent):
    agent: Learner

    def restart(self) -> None:
        self.agent.restart()

    def learn(self, answers: pd.DataFrame) -> None:
        with self.spy.at_work():
            self.agent.learn(answers)


class _SpiedPlay:
    def __init__(self, spy: TargetSpy, play: Play) -> None:
        self.spy, self.play = spy, play

    def recommend(self) -> Tensor:
        with self.spy.at_work():
            return self.play.recommend()

    def update(self, feedback: Feedback) -> None:
        with self.spy.at_work():
            self.play.update(feedback)

    def node_scores(self) -> Tensor:
        with self.spy.at_work():
            return self.play.node_scores()


def _holds_sessions(value: object, depth: int = 4) -> bool:
    """Whether sessions can be reached by attributes and containers."""
    if isinstance(value, Sessions):
        return True
    if depth == 0 or isinstance(value, Tensor | str | int | float):
        return False
    inner = list(value.values()) if isinstance(value, Mapping) else []
    if isinstance(value, list | tuple | set):
        inner += list(value)
    inner += list(getattr(value, "__dict__", {}).values())
    return any(_holds_sessions(entry, depth - 1) for entry in inner)

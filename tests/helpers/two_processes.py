"""What two processes do in the tests of `test_distributed.py`; a module of its own, so that new processes find it."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import torch
import torch.distributed as dist
from torch import Tensor

from magus_pyg.agents import BayesAgent, ItemsAgent, MagusAgent
from magus_pyg.data import Sessions
from magus_pyg.errors import MagusError, ModelError
from magus_pyg.simulation import (
    Agent,
    NoisyUser,
    Play,
    SessionView,
    prepare_sharded,
    session_share,
    simulate_sharded,
)
from magus_pyg.testing import small_graph, small_model, small_scores, small_sessions

PLAY = {"user": NoisyUser(0.2), "rounds": 4, "list_length": 2, "seed": 5}
BATCH = 4


class Remembers:
    """Learns from all users' clicks: the scores of every user go up by what any user clicked."""

    name = "remembers"

    def __init__(self) -> None:
        self.graph = small_graph()
        self.restart()

    def restart(self) -> None:
        self.scorer: Tensor = small_scores().clone()

    def learn(self, answers: pd.DataFrame) -> None:
        for clicked in answers["clicked"]:
            if 0 <= clicked < self.scorer.shape[1]:
                self.scorer[:, clicked] *= 0.7

    def start(self, view: SessionView) -> Play:
        return ItemsAgent(self.graph, self.scorer).start(view)


class Fails(ItemsAgent):
    """Raises in the process of one rank alone."""

    def __init__(self, error: Exception) -> None:
        super().__init__(small_graph(), small_scores())
        self.error = error

    def start(self, view: SessionView) -> Play:
        if dist.get_rank() == 1:
            raise self.error
        return super().start(view)


class FailsToLearn(Remembers):
    """Raises in the process of one rank alone, between turns."""

    def learn(self, answers: pd.DataFrame) -> None:
        if dist.get_rank() == 0:
            raise ModelError("cannot learn")
        super().learn(answers)


def many(times: int = 3) -> Sessions:
    """The small sessions several times over, ids not in order."""
    small = small_sessions()
    index = torch.arange(len(small)).repeat(times)
    number = 7 * torch.arange(len(index)).flip(0)
    return Sessions(small.user[index], small.candidates[index], small.targets[index], None, number)


def agents() -> dict[str, Agent]:
    """What plays: fixed scores, a model's, and a state that is learned between turns."""
    graph = small_graph()
    return {
        "magus": MagusAgent(graph, small_scores(ties=True)),
        "bayes": BayesAgent(graph, small_model(graph)),
        "learner": Remembers(),
    }


def job(folder: Path, send: Callable[[Any], None]) -> None:
    """All cases; every process keeps what it got."""
    rank = dist.get_rank()
    for name, agent in agents().items():
        log = simulate_sharded(agent, many(), **PLAY, batch_size=BATCH)  # type: ignore[arg-type]
        assert (log is None) == (rank != 0)
        prepared = prepare_sharded(agent.graph, many(), agent.scorer, BATCH)
        again = simulate_sharded(agent, prepared, **PLAY, dst=None)  # type: ignore[arg-type]
        assert again is not None
        again.to_pickle(folder / f"{name}-{rank}.pkl")
        if log is not None:
            pd.testing.assert_frame_equal(log, again)
    few = small_sessions().take(torch.tensor([2]))
    one = simulate_sharded(agents()["magus"], few, **PLAY, dst=1)  # type: ignore[arg-type]
    assert (one is None) == (rank != 1)
    if one is not None:
        one.to_pickle(folder / "one.pkl")
    none = simulate_sharded(Remembers(), few.take(torch.arange(0)), **PLAY, dst=None)  # type: ignore[arg-type]
    assert none is not None
    assert len(none) == 0
    torch.save([session_share(many(), 4).id, session_share(few, 4).id], folder / f"shares-{rank}.pt")

    for case, agent in {
        "own error": Fails(ModelError("broken weights")),
        "foreign error": Fails(KeyError("lost")),
        "learning": FailsToLearn(),
    }.items():
        try:
            simulate_sharded(agent, many(), **PLAY, batch_size=BATCH)  # type: ignore[arg-type]
        except (MagusError, RuntimeError, KeyError) as error:
            (folder / f"{case}-{rank}.txt").write_text(f"{type(error).__name__}: {error}")
    send("all played")


def ends_early(rank: int, send: Callable[[Any], None]) -> None:
    """The process of one rank is gone without a word; the other waits for it."""
    send("begun")
    if dist.get_rank() == rank:
        os._exit(9)
    dist.barrier()


def raises(error: Exception, send: Callable[[Any], None]) -> None:
    """The process of rank 1 raises outside of what is done together; the other waits for it."""
    if dist.get_rank() == 1:
        raise error
    dist.barrier()

"""Sessions shared out over workers: the records of one process, bit for bit."""

from pathlib import Path

import pandas as pd
import pytest
import shared_work as work
import torch

from magus_pyg.agents import BayesAgent, MagusAgent
from magus_pyg.data import Sessions
from magus_pyg.engines import RayEngine, RayOptions
from magus_pyg.simulation import Agent, NoisyUser, prepare_sessions, simulate
from magus_pyg.testing import small_graph, small_model, small_scores, small_sessions

PLAY = {"rounds": 4, "list_length": 2, "seed": 5, "batch_size": 4}


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
        "learner": work.Remembers(),
    }


@pytest.mark.parametrize("name", ["magus", "bayes", "learner"])
def test_records_are_those_of_one_process(name: str, workers: RayEngine) -> None:
    agent = agents()[name]
    expected = simulate(agent, many(), NoisyUser(0.2), **PLAY)  # type: ignore[arg-type]
    found = simulate(agent, many(), NoisyUser(0.2), **PLAY, engine=workers)  # type: ignore[arg-type]
    pd.testing.assert_frame_equal(found, expected)
    if name == "learner":  # it has learned something
        fixed = simulate(MagusAgent(small_graph(), small_scores()), many(), NoisyUser(0.2), **PLAY)  # type: ignore[arg-type]
        assert not expected["shown"].equals(fixed["shown"])
    prepared = prepare_sessions(agent.graph, many(), agent.scorer, 4)
    again = simulate(agent, prepared, NoisyUser(0.2), **PLAY, engine=workers)  # type: ignore[arg-type]
    pd.testing.assert_frame_equal(again, expected)
    none = many().take(torch.arange(0))
    assert len(simulate(agent, none, **PLAY, engine=workers)) == 0  # type: ignore[arg-type]


def test_a_worker_that_is_killed_while_it_plays(workers: RayEngine, tmp_path: Path) -> None:
    engine = RayEngine(RayOptions(workers=2))
    agent = agents()["magus"]
    expected = simulate(agent, many(), NoisyUser(0.2), **PLAY)  # type: ignore[arg-type]
    found = simulate(agent, many(), work.KillingUser(0.2, tmp_path), **PLAY, engine=engine)  # type: ignore[arg-type]
    pd.testing.assert_frame_equal(found, expected)
    assert engine.lost == 1

"""The service is the same system: simulated users play over HTTP exactly as in the simulation."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from fastapi.testclient import TestClient
from http_play import play_over_http
from online_cases import state_of
from served import served

import magus_pyg as mp
from magus_pyg.agents.methods import session_agent
from magus_pyg.data import Sessions
from magus_pyg.runs import Run, load_run
from magus_pyg.runs.run_inputs import playable_sessions

PLUS = "magus+"


@pytest.fixture(scope="module")
def run(tiny_run: Path) -> Run:
    """The tiny run, with weights for MAGUS+ as if it had learned them."""
    found = load_run(tiny_run)
    state = state_of("plus", found.graph)
    assert state is not None
    return replace(found, agent_states={**found.agent_states, PLUS: state.tensors()})


@pytest.fixture(scope="module")
def sessions(run: Run) -> Sessions:
    searches = run.config.simulation.searches
    made = playable_sessions(run.dataset(), run.graph, "test", run.config.session_options, run.config.seed, searches)
    return Sessions(*(None if part is None else part[::7] for part in (
        made.user, made.candidates, made.targets, made.searched, made.id
    )))  # fmt: skip


@pytest.fixture(scope="module")
def client(run: Run) -> Iterator[TestClient]:
    with served(run, discount=1.0) as client:  # as simulations are played
        yield client


@pytest.mark.parametrize("variant", ["none", "base", "plus", "bayes"])
@pytest.mark.parametrize("user", [mp.TruthfulUser(), mp.NoisyUser(0.3)], ids=["truthful", "noisy"])
def test_users_over_http_give_the_records_of_the_simulation(
    client: TestClient, run: Run, sessions: Sessions, variant: str, user: mp.User
) -> None:
    agent = session_agent(variant, run.graph, run.model, run.magus_options, run.state_for(variant))
    log = mp.simulate(agent, sessions, user, rounds=5, list_length=3, seed=11)
    settings = {"variant": variant, "rounds": 5, "list_length": 3, "min_items": 0}
    played = play_over_http(client, run, sessions, user, agent.name, 11, **settings)
    assert len(played) > len(sessions) > 5
    pd.testing.assert_frame_equal(played, log)

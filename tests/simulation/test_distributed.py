"""Sessions and scores shared out over processes: the same rows as in one."""

from pathlib import Path

import pandas as pd
import pytest
import torch
import two_processes as two
from hypothesis import given
from hypothesis import strategies as st

from magus_pyg.agents import MagusAgent
from magus_pyg.data import Sessions
from magus_pyg.errors import ConfigError, SessionError
from magus_pyg.simulation import (
    NoisyUser,
    distributed,
    session_share,
    simulate,
    simulate_sharded,
)
from magus_pyg.simulation.processes import Launch, in_processes, joined_launch, read_launch
from magus_pyg.testing import small_graph, small_scores, small_sessions


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What two processes left behind."""
    folder = tmp_path_factory.mktemp("two")
    assert list(in_processes(two.job, folder, 2)) == ["all played"]
    return folder


@pytest.mark.parametrize("name", ["magus", "bayes", "learner"])
def test_records_are_those_of_one_process(played: Path, name: str) -> None:
    expected = simulate(two.agents()[name], two.many(), **two.PLAY, batch_size=two.BATCH)  # type: ignore[arg-type]
    for rank in range(2):
        pd.testing.assert_frame_equal(pd.read_pickle(played / f"{name}-{rank}.pkl"), expected)
    if name == "learner":  # it has learned something, and from both processes
        fixed = simulate(MagusAgent(small_graph(), small_scores()), two.many(), **two.PLAY)  # type: ignore[arg-type]
        assert not expected["shown"].equals(fixed["shown"])


def test_a_process_may_have_no_session(played: Path) -> None:
    few = small_sessions().take(torch.tensor([2]))
    expected = simulate(two.agents()["magus"], few, **two.PLAY)  # type: ignore[arg-type]
    pd.testing.assert_frame_equal(pd.read_pickle(played / "one.pkl"), expected)


def test_shares_are_whole_batches_in_order(played: Path) -> None:
    first, second = (torch.load(played / f"shares-{rank}.pt") for rank in range(2))
    assert [len(first[0]), len(second[0])] == [12, 15]  # seven batches of at most four
    assert torch.equal(torch.cat([first[0], second[0]]), two.many().id)
    assert [len(first[1]), len(second[1])] == [0, 1]


def test_what_fails_in_one_process_is_raised_in_all(played: Path) -> None:
    texts = {
        name: [(played / f"{name}-{rank}.txt").read_text() for rank in range(2)]
        for name in ("own error", "foreign error", "learning")
    }
    assert texts["own error"] == ["ModelError: broken weights (in process 1 of 2)", "ModelError: broken weights"]
    assert texts["learning"] == ["ModelError: cannot learn", "ModelError: cannot learn (in process 0 of 2)"]
    assert texts["foreign error"][0].startswith("RuntimeError: process 1 of 2 failed:\nTraceback")
    assert texts["foreign error"][0].endswith("KeyError: 'lost'")
    assert texts["foreign error"][1] == "KeyError: 'lost'"


@pytest.mark.parametrize(
    ("job", "payload", "error", "message"),
    [
        (two.ends_early, 1, RuntimeError, "process 1 of 2 ended with exit code 9"),
        (two.raises, KeyError("lost"), RuntimeError, r"process 1 of 2 failed:\n.*KeyError: 'lost'"),
    ],
)
def test_a_process_that_is_gone_keeps_none_waiting(job, payload, error, message) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(error, match=f"(?s){message}"):
        list(in_processes(job, payload, 2))


def test_alone_it_is_simulate() -> None:
    agent = MagusAgent(small_graph(), small_scores())
    log = simulate_sharded(agent, small_sessions(), NoisyUser(0.3), seed=3)
    assert log is not None
    pd.testing.assert_frame_equal(log, simulate(agent, small_sessions(), NoisyUser(0.3), seed=3))


def test_what_cannot_be_started() -> None:
    with pytest.raises(ConfigError, match=r"at least 1 \(got 0\)"):
        list(in_processes(two.raises, KeyError("lost"), 0))
    with pytest.raises(ConfigError, match=r"cannot be handed to other processes.*lambda"):
        list(in_processes(two.raises, lambda users: users, 2))
    with pytest.raises(SessionError, match="batch_size must be at least 1, got 0"):
        session_share(small_sessions(), 0)


@given(n=st.integers(0, 40), batch=st.integers(1, 9), size=st.integers(1, 12))
def test_shares_make_up_the_whole(n: int, batch: int, size: int) -> None:
    table = torch.arange(n).unsqueeze(1)
    sessions = Sessions(torch.zeros(n, dtype=torch.int64), table, table < 0)
    with pytest.MonkeyPatch.context() as patch:
        shares = []
        for rank in range(size):
            patch.setattr(distributed, "_place", lambda group, rank=rank: (rank, size))
            shares.append(session_share(sessions, batch))
    assert torch.cat([share.candidates for share in shares])[:, 0].tolist() == list(range(n))
    starts = [int(share.candidates[0]) for share in shares if len(share)]
    assert all(start % batch == 0 for start in starts)
    counts = [-(-len(share) // batch) for share in shares]
    assert max(counts) - min(counts) <= 1


TORCHRUN = {"RANK": "1", "WORLD_SIZE": "4", "MASTER_ADDR": "node7", "MASTER_PORT": "29500"}
SRUN = {
    "SLURM_PROCID": "3",
    "SLURM_STEP_NUM_TASKS": "8",
    "SLURM_STEP_NODELIST": "gpu[03-05,9],b1",
    "SLURM_JOB_ID": "7123456",
}


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, None),
        ({"WORLD_SIZE": "4"}, None),
        (TORCHRUN, Launch(1, 4, "node7", 29500, "torchrun")),
        (TORCHRUN | SRUN, Launch(1, 4, "node7", 29500, "torchrun")),
        (SRUN, Launch(3, 8, "gpu03", 18456, "srun")),
        (SRUN | {"SLURM_STEP_NODELIST": "login1"}, Launch(3, 8, "login1", 18456, "srun")),
        (SRUN | {"SLURM_STEP_NODELIST": "n[1-2]-ib"}, Launch(3, 8, "n1-ib", 18456, "srun")),
        (SRUN | {"MASTER_ADDR": "b9", "MASTER_PORT": "77"}, Launch(3, 8, "b9", 77, "srun")),
        (SRUN | {"SLURM_STEP_NUM_TASKS": "1", "SLURM_PROCID": "0"}, None),
        # The script of a batch job, not started by srun.
        ({"SLURM_PROCID": "0", "SLURM_NTASKS": "8"}, None),
    ],
)
def test_launchers_are_read(environment: dict[str, str], expected: Launch | None) -> None:
    assert read_launch(environment) == expected


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"MASTER_PORT": ""}, "MASTER_PORT not"),
        ({"WORLD_SIZE": "four"}, "WORLD_SIZE must be a whole number.*'four'"),
        ({"RANK": "4"}, "rank 4 of 4"),
    ],
)
def test_launchers_that_say_too_little(change: dict[str, str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        read_launch(TORCHRUN | change)


def test_a_launch_is_joined_and_left(monkeypatch: pytest.MonkeyPatch) -> None:
    with joined_launch() as launch:
        assert launch is None
    import socket

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    for name, value in {"RANK": "0", "WORLD_SIZE": "1", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}.items():
        monkeypatch.setenv(name, value)
    agent = MagusAgent(small_graph(), small_scores())
    with joined_launch() as launch:
        assert torch.distributed.is_initialized()
        log = simulate_sharded(agent, small_sessions())
    assert not torch.distributed.is_initialized()
    assert log is not None
    pd.testing.assert_frame_equal(log, simulate(agent, small_sessions()))

"""Sessions shared out over the processes of a torch.distributed group, on one machine or on several.

Every process calls the same function with the same arguments, does its own share, and the results come together in the
order of one process. A share is a run of whole batches: each batch is computed as one process would compute it, to the
last bit, so records are equal whatever the number of processes (for equal numbers of threads). Where there are fewer
batches than processes, lower `batch_size`.

Without a group, a process is alone and does everything.
"""

import traceback
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import pandas as pd
import torch
import torch.distributed as dist
from torch import Tensor
from torch.distributed import ProcessGroup
from torch_geometric.data import HeteroData

from magus_pyg.data import Sessions
from magus_pyg.errors import MagusError, SessionError
from magus_pyg.graph import SessionGraphBuilder
from magus_pyg.simulation.loop import check_lengths, join_records, play_batches, play_in_turns, simulate
from magus_pyg.simulation.prepare import PreparedSessions, prepare_batches, prepare_sessions
from magus_pyg.simulation.protocol import Agent, Learner, Scorer
from magus_pyg.simulation.users import TruthfulUser, User

__all__ = [
    "SessionShare",
    "after_first",
    "from_first",
    "prepare_sharded",
    "run_together",
    "session_share",
    "simulate_sharded",
]

_T = TypeVar("_T")


@dataclass(frozen=True)
class SessionShare:
    """The sessions of all processes, and what `prepare_sharded` made of this process's share of them.

    Attributes:
        sessions: B sessions, of all processes.
        prepared: those of this process.
        batch_size: sessions played at once.
    """

    sessions: Sessions
    prepared: PreparedSessions
    batch_size: int


def session_share(sessions: Sessions, batch_size: int = 256, group: ProcessGroup | None = None) -> Sessions:
    """This process's share: consecutive whole batches, in number as even as can be; none where batches are too few.

    Args:
        sessions: B sessions, the same in every process.
        batch_size: sessions played at once, at least 1.
        group: the processes; the default group, or this process alone, if None.

    Raises:
        SessionError: a batch size below 1.
    """
    if batch_size < 1:
        raise SessionError(f"batch_size must be at least 1, got {batch_size}")
    rank, size = _place(group)
    batches = -(-len(sessions) // batch_size)
    start, stop = (min(number * batches // size * batch_size, len(sessions)) for number in (rank, rank + 1))
    return sessions.take(torch.arange(start, stop, device=sessions.user.device))


def prepare_sharded(
    graph: HeteroData,
    sessions: Sessions,
    scorer: Scorer | Tensor,
    batch_size: int = 256,
    group: ProcessGroup | None = None,
) -> SessionShare:
    """Session graphs and base scores of this process's share, to be played by several agents.

    Args:
        graph, sessions, scorer, batch_size: as of `prepare_sessions`, the same in every process.
        group: the processes; the default group, or this process alone, if None.

    Raises:
        MagusError: as `prepare_sessions`, in every process where it happens in one.
    """

    def prepare() -> PreparedSessions:
        return prepare_sessions(graph, session_share(sessions, batch_size, group), scorer, batch_size)

    return SessionShare(sessions, run_together(prepare, group), batch_size)


def simulate_sharded(
    agent: Agent,
    sessions: Sessions | SessionShare,
    user: User | None = None,
    rounds: int = 5,
    list_length: int = 3,
    seed: int = 0,
    batch_size: int = 256,
    min_items: int = 0,
    *,
    group: ProcessGroup | None = None,
    dst: int | None = 0,
) -> pd.DataFrame | None:
    """`simulate` with the sessions shared out over processes; call it in all of them.

    What is random is a function of (seed, session id), and shares are whole batches, so the record table equals that of
    `simulate` with the same `batch_size`. A `Learner` takes in the answers of all processes between turns, in every
    process alike.

    Args:
        agent: recommends; made alike in every process.
        sessions: B sessions, the same in every process, or what `prepare_sharded` made of them.
        user, rounds, list_length, seed, min_items: as of `simulate`.
        batch_size: sessions played at once, where `sessions` is not prepared.
        group: the processes; the default group, or this process alone, if None.
        dst: the rank in the group that gets the record table; None for all.

    Returns:
        The record table of all sessions in the order given; None in a process that does not get it.

    Raises:
        MagusError: as `simulate`. What is raised in one process is raised in all, so none waits for ever.
        RuntimeError: another error in one process, in the others; its trace is in the message.
    """
    user = TruthfulUser() if user is None else user
    if isinstance(sessions, SessionShare):
        prepared, batch_size, everything = sessions.prepared, sessions.batch_size, sessions.sessions
    else:
        prepared, everything = None, sessions
    if isinstance(agent, Learner):
        settings = (user, rounds, list_length, seed, min_items)
        log = _simulate_learner(agent, everything, prepared, settings, batch_size, group)
        return log if dst is None or _place(group)[0] == dst else None

    def play() -> pd.DataFrame:
        own = session_share(everything, batch_size, group) if prepared is None else prepared
        return simulate(agent, own, user, rounds, list_length, seed, batch_size, min_items)

    return _joined(run_together(play, group), group, dst)


def _simulate_learner(
    agent: Learner,
    sessions: Sessions,
    prepared: PreparedSessions | None,
    settings: tuple[User, int, int, int, int],
    batch_size: int,
    group: ProcessGroup | None,
) -> pd.DataFrame:
    """Every turn is shared out anew, since a user's later sessions need what all users' earlier ones have taught.

    `settings`: user, rounds, list_length, seed and min_items, as of `simulate`.
    """
    run_together(lambda: check_lengths(settings[1], settings[2], settings[4]), group)
    builder = SessionGraphBuilder(agent.graph) if prepared is None else prepared.builder

    def play(chosen: Sessions) -> pd.DataFrame:
        def own() -> pd.DataFrame:
            share = session_share(chosen, batch_size, group)
            batches = prepare_batches(builder, share, agent.scorer, batch_size)
            return play_batches(agent, builder, batches, *settings)

        log = _joined(run_together(own, group), group, None)
        assert log is not None, "all processes get the answers"
        return log

    return play_in_turns(
        lambda: run_together(agent.restart, group),
        lambda answers: run_together(lambda: agent.learn(answers), group),
        sessions,
        play,
    )


def run_together(work: Callable[[], _T], group: ProcessGroup | None = None) -> _T:
    """This process's part of some work, once all processes of the group are done with theirs; all must call it.

    Raises:
        MagusError: of this process's part; or one of the same class, if another process's part raised it.
        RuntimeError: another error of another process's part, with its trace.
    """
    if not dist.is_initialized():
        return work()
    failure: Exception | None = None
    try:
        result = work()
    except Exception as error:  # noqa: BLE001 (whatever it is, the others wait to be told)
        failure = error
    told: list[tuple[type[MagusError] | None, str] | None] = [None] * dist.get_world_size(group)
    dist.all_gather_object(told, None if failure is None else _describe(failure), group=group)
    if failure is not None:
        raise failure
    for rank, other in enumerate(told):
        if other is not None:
            kind, message = other
            if kind is not None:
                raise kind(f"{message} (in process {rank} of {len(told)})")
            raise RuntimeError(f"process {rank} of {len(told)} failed:\n{message}")
    return result


def from_first(work: Callable[[], _T], group: ProcessGroup | None = None) -> _T:
    """What `work` gives in the process of rank 0, which alone does it, handed to all; errors as of `run_together`."""
    first = _place(group)[0] == 0
    given: list[_T | None] = [run_together(work, group) if first else run_together(lambda: None, group)]
    if dist.is_initialized():
        dist.broadcast_object_list(given, group=group, group_src=0)
    return given[0]  # type: ignore[return-value]


def after_first(work: Callable[[], _T], group: ProcessGroup | None = None) -> _T:
    """What `work` gives in each process, where the others find done what that of rank 0 leaves behind (files)."""
    first = _place(group)[0] == 0
    own = run_together(work, group) if first else run_together(lambda: None, group)
    other = run_together(lambda: None, group) if first else run_together(work, group)
    return own if first else other  # type: ignore[return-value]


def _describe(error: Exception) -> tuple[type[MagusError] | None, str]:
    """What another process is told: the class of our own errors, the trace of all others."""
    if isinstance(error, MagusError):
        return type(error), str(error)
    return None, "".join(traceback.format_exception(error)).rstrip()


def _joined(own: pd.DataFrame, group: ProcessGroup | None, dst: int | None) -> pd.DataFrame | None:
    """The record tables of all processes, one below the other in order of rank; None where `dst` is another rank."""
    rank, size = _place(group)
    if not dist.is_initialized():
        return own
    tables: list[pd.DataFrame] = [own] * size
    if dst is None:
        dist.all_gather_object(tables, own, group=group)
        return join_records(tables)
    dist.gather_object(own, tables if rank == dst else None, group=group, group_dst=dst)
    return join_records(tables) if rank == dst else None


def _place(group: ProcessGroup | None) -> tuple[int, int]:
    """(rank, number of processes)."""
    if not dist.is_initialized():
        return 0, 1
    return dist.get_rank(group), dist.get_world_size(group)

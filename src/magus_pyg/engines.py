"""Where work that falls into parts is done: in this process, or by Ray on the cores of one machine or of many.

Results do not depend on where: each part is computed as one process would compute it, and comes back in the order given
(to the last bit for equal numbers of threads, which OMP_NUM_THREADS sets).
"""

import importlib.util
import logging
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, Protocol, TypeVar

import torch

from magus_pyg.errors import ConfigError, ProcessError
from magus_pyg.files import scratch_folder
from magus_pyg.options import at_least, at_most, check_options, one_of
from magus_pyg.ray_parts import PartDone, do_part, log_level, say_records, write_shared
from magus_pyg.ray_reaper import MARK, SCRIPT, end_marked

__all__ = ["ENGINES", "Engine", "OneProcess", "RayEngine", "RayOptions", "opened_engine"]

logger = logging.getLogger(__name__)

_S = TypeVar("_S")
_P = TypeVar("_P")
_R = TypeVar("_R")

ENGINES = ("process", "ray")
"""This process alone, or the workers of Ray."""

_TRIES = 4
"""How often a part is done whose workers are lost."""

_AHEAD = 4
"""Parts of a worker of our own that are asked for before the first of them is taken: bounds the memory. Of a cluster,
whose cores are not ours, no more are asked for than are to be worked on at once."""

_STORE = 1 << 28
"""Bytes of the store of objects of a local Ray: large parts and results alone go through it."""

_LOOKED_AFTER = 10.0
"""Seconds of waiting for a part after which it is seen whether there is still a node that can do it."""

_SETTINGS = {
    "RAY_USAGE_STATS_ENABLED": "0",  # nothing is reported to anybody
    "RAY_DISABLE_FAILURE_SIGNAL_HANDLER": "1",  # SIGTERM is heard here, and is no failure
    "SPT_NOENV": "1",  # its processes keep their environment when they take another name
}
"""Of Ray, read when it is loaded and started."""


@dataclass
class RayOptions:
    """How Ray is reached.

    Attributes:
        address: "local": processes of this machine, started for this command and ended with it; "auto": the cluster
            that this machine is part of (`ray start`).
        workers: parts that are worked on at once, a core each; None: as many as there are cores.
    """

    address: str = "local"
    workers: int | None = None

    def check(self) -> None:
        """Raise ConfigError, naming the key and its value, unless all values are in range."""
        check_options(self, "ray", address=one_of(("local", "auto")), workers=at_least(1))
        check_options(self, "ray", workers=at_most(100_000))


_Mapped = Callable[[Iterable[_P]], Iterator[_R]]


class Engine(Protocol):
    """Does work that falls into parts."""

    @property
    def workers(self) -> int:
        """Parts that are worked on at once."""
        ...

    @property
    def lost(self) -> int:
        """How often a part was done again because its worker or node was lost."""
        ...

    def map(self, work: Callable[[_S, _P], _R], shared: _S, parts: Iterable[_P]) -> Iterator[_R]:
        """What `work(shared, part)` gives for each part, in their order; errors are those of `work`."""
        ...

    def handed(self, work: Callable[[_S, _P], _R], shared: _S) -> "AbstractContextManager[_Mapped[_P, _R]]":
        """`map` for several calls in a block, in which their results are taken too: what all parts share is handed over
        once, as it is at its beginning."""
        ...


class OneProcess:
    """Does one part after the other, here."""

    workers, lost = 1, 0

    def map(self, work: Callable[[_S, _P], _R], shared: _S, parts: Iterable[_P]) -> Iterator[_R]:
        """See `Engine.map`; a part is done when its result is asked for."""
        return (work(shared, part) for part in parts)

    @contextmanager
    def handed(self, work: Callable[[_S, _P], _R], shared: _S) -> Iterator["_Mapped[_P, _R]"]:
        """See `Engine.handed`."""
        yield lambda parts: self.map(work, shared, parts)


class RayEngine:
    """Shares parts out over the workers of Ray; reached with the first part, or at once where a cluster is to be there.

    What all parts share goes through a file that the workers of a machine map into memory, so its tensors are held once
    on each machine; a machine that does not see the file is sent a copy of it. A part whose worker or node is lost is
    done again by another one.

    Args:
        options: how Ray is reached.
        say: is told of each loss.

    Raises:
        ConfigError: Ray is not installed, or cannot be reached.
    """

    def __init__(self, options: RayOptions | None = None, say: Callable[[str], None] = lambda text: None) -> None:
        if importlib.util.find_spec("ray") is None:
            raise ConfigError("engine=ray needs Ray: pip install 'magus-pyg[ray]'")
        self.options, self._say, self.lost = options or RayOptions(), say, 0
        self.options.check()
        self._left = ExitStack()
        self._ray: ModuleType | None = None
        self._own = False  # whether Ray was started here, with as many cores as there are to be workers
        if self.options.address == "auto":
            self.reach()

    @property
    def workers(self) -> int:
        """Parts that are worked on at once."""
        if self.options.workers is not None:
            return self.options.workers
        return max(1, int(self.reach().cluster_resources().get("CPU", 1)))

    def close(self) -> None:
        """Leave Ray; what this engine has started ends."""
        self._ray, self._own = None, False
        self._left.close()

    def reach(self) -> ModuleType:
        """The module of Ray, connected. One that this process is connected with already is used, and stays."""
        if self._ray is None:
            with _environment(_SETTINGS):
                import ray

                if not ray.is_initialized():
                    with _own_signals():
                        self._connect(ray)
            self._ray = ray
        return self._ray

    def _connect(self, ray: ModuleType) -> None:
        if self.options.address == "auto":
            self._left.callback(ray.shutdown)
            try:
                ray.init(address="auto", log_to_driver=False, logging_level="ERROR")
            except (ConnectionError, RuntimeError, TimeoutError) as error:
                # What Ray says where it finds none names options of its own commands.
                why = "" if isinstance(error, ConnectionError) else f" ({str(error).splitlines()[0]})"
                raise ConfigError(
                    f"no Ray cluster is reached from here (ray.address=auto){why}: start one with `ray start --head`, "
                    "or take ray.address=local"
                ) from error
            return
        # Ray's sockets lie in its folder, and their paths must be short.
        place = self._left.enter_context(scratch_folder(Path("/tmp") if os.name == "posix" else None))
        self._left.enter_context(_reaped(place))  # before its folder goes
        self._left.callback(ray.shutdown)
        try:
            with _environment({MARK: str(place)}):
                ray.init(
                    address="local",
                    num_cpus=self.options.workers,
                    object_store_memory=_STORE,
                    include_dashboard=False,
                    log_to_driver=False,
                    logging_level="ERROR",
                    _temp_dir=str(place),
                )
        except (RuntimeError, ValueError, TimeoutError, OSError) as error:
            raise ConfigError(f"Ray does not start here (ray.address=local): {str(error).splitlines()[0]}") from error
        self._own = True

    def map(self, work: Callable[[_S, _P], _R], shared: _S, parts: Iterable[_P]) -> Iterator[_R]:
        """See `Engine.map`.

        Raises:
            ConfigError: what cannot be handed to other processes.
            MagusError: as `work`; ProcessError, where the workers of a part are lost again and again.
            RuntimeError: another error of `work`, with its trace.
        """
        with self.handed(work, shared) as mapped:
            yield from mapped(parts)

    @contextmanager
    def handed(self, work: Callable[[_S, _P], _R], shared: _S) -> Iterator[_Mapped[_P, _R]]:
        """See `Engine.handed`; errors as of `map`."""
        ray = self.reach()
        with scratch_folder() as folder:
            path = folder / "shared.pt"
            write_shared(ray, path, (work, shared))
            copy = [] if self._own else [ray.put(path.read_bytes())]  # machines may join while this runs
            task = ray.remote(num_cpus=1, max_retries=0)(do_part)

            def mapped(parts: Iterable[_P]) -> Iterator[_R]:
                workers = self.workers
                threads = max(1, torch.get_num_threads() // workers)
                ahead = workers * (_AHEAD if self._own else 1)
                given = (str(path), copy, list(sys.path), threads, log_level())

                def ask(part: _P) -> Any:
                    return task.remote(*given, part)

                return self._ordered(ray, ask, iter(parts), ahead)

            yield mapped

    def _ordered(self, ray: ModuleType, ask: Callable[[_P], Any], parts: Iterator[_P], ahead: int) -> Iterator[Any]:
        """The results in the order of the parts, of which so many are asked for ahead."""
        asked: list[tuple[_P, Any]] = []
        try:
            while True:
                while len(asked) < ahead and (found := next(parts, _END)) is not _END:
                    asked.append((found, ask(found)))
                if not asked:
                    return
                part, waited = asked.pop(0)
                yield self._result(ray, lambda part=part: ask(part), waited)  # type: ignore[misc]
        finally:
            # Where nobody wants the others. A worker that is broken off, as in an import, is of no use any more.
            for _, waited in asked if ray.is_initialized() else ():
                ray.cancel(waited, force=True)

    def _result(self, ray: ModuleType, ask_again: Callable[[], Any], waited: Any) -> Any:
        for tried in range(1, _TRIES + 1):
            try:
                while not ray.wait([waited], timeout=_LOOKED_AFTER)[0]:
                    if ray.cluster_resources().get("CPU", 0) < 1:
                        raise ProcessError("no node of the Ray cluster is left that could do the work")
                done: PartDone = ray.get(waited)
            except ray.exceptions.RayTaskError as error:
                raise RuntimeError(f"a worker of Ray failed:\n{str(error).rstrip()}") from None
            except ray.exceptions.RayError as error:
                self.lost += 1
                what = "node" if isinstance(error, ray.exceptions.NodeDiedError) else "worker"
                if tried == _TRIES:
                    raise ProcessError(
                        f"{_TRIES} workers of Ray were lost at one part of the work: mostly a lack of memory; take "
                        f"fewer workers (ray.workers, now {self.workers}) or a smaller simulation.batch_size"
                    ) from error
                self._say(f"a {what} of Ray was lost: what it did is done again ({self.lost} so far)")
                waited = ask_again()
            else:
                break
        say_records(done.records)
        if done.error is not None:
            raise done.error
        if done.trace:
            raise RuntimeError(f"a worker of Ray failed:\n{done.trace.rstrip()}")
        return done.result


_END: Any = object()


@contextmanager
def opened_engine(name: str, options: RayOptions, say: Callable[[str], None]) -> Iterator[Engine]:
    """The engine of a name of `ENGINES`, closed at the end; arguments and errors as of `RayEngine`."""
    if name != "ray":
        yield OneProcess()
        return
    engine = RayEngine(options, say)
    try:
        yield engine
    finally:
        engine.close()


@contextmanager
def _own_signals() -> Iterator[None]:
    """Ray hears SIGTERM from where it is started, by an exit of its own; here it is heard as before."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    except SystemExit as stop:
        signal.signal(signal.SIGTERM, before)
        if stop.code == signal.SIGTERM:
            signal.raise_signal(signal.SIGTERM)
        raise
    finally:
        signal.signal(signal.SIGTERM, before)


@contextmanager
def _reaped(place: Path) -> Iterator[None]:
    """Let what is started with the mark of a folder end with the block, or with this process."""
    words = [sys.executable, "-I", "-S", SCRIPT, str(place)]
    with subprocess.Popen(words, stdin=subprocess.PIPE, start_new_session=True):  # its input ends with the block
        try:
            yield
        finally:
            if left := end_marked(str(place)):
                logger.warning("processes of Ray did not end: %s", ", ".join(map(str, left)))


@contextmanager
def _environment(values: Mapping[str, str]) -> Iterator[None]:
    """Set variables for what is loaded and started meanwhile; after it they are what they were before."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value

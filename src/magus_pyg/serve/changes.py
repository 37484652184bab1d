"""Changes that every worker plays in one order: items added, removed and restored, and new runs.

A change is written to the store's ordered log and then played by each worker, the one that took it among them, so all
of them have the same editions. An edition is named by its run and the number of the change that made it, and what it
holds is a function of the changes up to there.

Adding items builds the graph anew, so additions are coalesced: they wait until one of the workers writes "edition" into
the log, and those before it are then added as one. Who writes it does not matter, nor that two may. What is removed is
off at once, in that order or not. What failed is noted as "failed", and is not tried again by a worker that begins.
"""

import logging
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from secrets import token_urlsafe
from typing import Any

from magus_pyg.errors import MagusError
from magus_pyg.runs import Run, load_run
from magus_pyg.serve.editions import ServedEdition, run_name
from magus_pyg.serve.privacy import People
from magus_pyg.serve.stores import Job, LoggedChange, Reply, Store

__all__ = ["Changes"]

_KEPT, _KEPT_GRAPHS = 16, 2
"""Editions, and graphs of them, that sessions can go on with which are not live in this worker."""
_READ = 100

logger = logging.getLogger(__name__)


class Changes:
    """The editions of one worker.

    Args:
        run: the run that the service was started with.
        people: the names of people.
        store: holds the log of changes.
        load: reads a run folder.
        discount: as of `ServedEdition.of_run`.

    Attributes:
        newest: the edition of sessions that begin now.
        number: of the last change that was played.
        first: the folder of the run that the service was started with.
    """

    def __init__(
        self, run: Run, people: People, store: Store, load: Callable[[Path], Run] = load_run, discount: float = 1.0
    ) -> None:
        self.store, self.people, self.discount = store, people, discount
        self.number = 0
        self.newest = ServedEdition.of_run(f"{run_name(run)}.0", run, people, discount=discount)
        self.rows: dict[str, Mapping[str, Any]] = {}
        """The rows of items that were added, by id."""
        self._load, self.first = load, run.path
        self._kept: OrderedDict[str, ServedEdition] = OrderedDict({self.newest.name: self.newest})
        self._replaced: dict[str, float] = {}  # the time in which an edition was followed by another
        self._waiting: list[Mapping[str, Any]] = []
        self._lock = threading.Lock()
        self.on_forget: Callable[[], None] = lambda: None
        self.on_edition: Callable[[], None] = lambda: None

    def columns(self, item_id: str) -> dict[str, Any]:
        """What an item came with beside its id, title and words, by name; the numbers behind bands are among it."""
        return self.newest.columns(item_id, self.rows.get(item_id, {}))

    def write(self, change: Mapping[str, Any], job: Job, reply: Reply | None = None) -> int:
        """Write a change and its job; see `Store.append_change`."""
        return self.store.append_change({**change, "job": job.job_id}, job, reply)

    def reload(self, run: str | None = None) -> Job:
        """Let all workers take up a run: its folder, or that of the service again if None."""
        job = self.new_job("runs:reload", 1)
        self.write({"kind": "run", "run": str(self.first) if run is None else run}, job)
        return job

    def forget(self) -> None:
        """Let all workers drop the sessions that they keep ready."""
        self.store.append_change({"kind": "forget"})
        self.catch_up()

    def new_job(self, kind: str, total: int) -> Job:
        """A job that waits, of so many steps."""
        return Job(token_urlsafe(12), kind, "waiting", 0, total, {}, self.store.now())

    def find(self, name: str) -> ServedEdition:
        """An edition by its name; the newest one where it is not kept any more."""
        found = self._kept.get(name)
        if found is None and int(name.rpartition(".")[2]) > self.number:
            self.catch_up()
            found = self._kept.get(name)
        return self.newest if found is None else found

    def catch_up(self, close: bool = False) -> None:
        """Play what was written since; one thread at a time.

        Args:
            close: whether additions that wait are to wait no more.
        """
        with self._lock:
            self._play_all()
            if close and self._waiting:
                self.store.append_change({"kind": "edition"})
                self._play_all()

    @property
    def waits(self) -> bool:
        """Whether additions wait."""
        return bool(self._waiting)

    def begin(self) -> None:
        """Play all that was written before this process began: what was added one after the other is added as one."""
        with self._lock:
            logged: list[LoggedChange] = []
            while more := self.store.changes_since(logged[-1].number if logged else 0, _READ):
                logged += more
            if not logged:
                return
            self.number = logged[-1].number
            failed: set[str] = set()
            for entry in logged:
                if entry.change["kind"] in ("failed", "worked"):
                    (failed.add if entry.change["kind"] == "failed" else failed.discard)(entry.change["job"])
            off: set[str] = set()
            runs: list[Mapping[str, Any]] = []
            added: list[Mapping[str, Any]] = []
            for change in (entry.change for entry in logged if entry.change.get("job") not in failed):
                if change["kind"] == "add":
                    self._waiting.append(change)
                elif change["kind"] == "edition":
                    added, self._waiting = [*added, *self._waiting], []
                elif change["kind"] == "run":
                    runs.append(change)
                elif change["kind"] in ("remove", "restore"):
                    (off.update if change["kind"] == "remove" else off.difference_update)(change["item_ids"])
            self._begin(off, runs, added)

    def _begin(self, off: set[str], runs: Sequence[Mapping[str, Any]], added: Sequence[Mapping[str, Any]]) -> None:
        for change in reversed(runs):
            try:
                self._take_up(self.number, Path(change["run"]))
            except MagusError as error:
                logger.warning("the run %s cannot be taken up again: %s", change["run"], error)
            else:
                break
        name = f"{run_name(self.newest.run)}.{self.number}"
        self._set(self.newest.offering(name, off, removed=True))
        known = self.newest.known([row[change["key"]] for change in added for row in change["rows"]])
        fresh = [
            {**change, "rows": [row for row in change["rows"] if row[change["key"]] not in known]} for change in added
        ]
        self._add(name, [change for change in fresh if change["rows"]])

    def tidy(self, before: float) -> None:
        """Let go of editions whose last session began before a time."""
        with self._lock:
            for name, since in list(self._replaced.items()):
                if since < before:
                    self._kept.pop(name, None)
                    del self._replaced[name]

    def _play_all(self) -> None:
        while True:
            changes = self.store.changes_since(self.number, _READ)
            for change in changes:
                self._play(change)
                self.number = change.number
            if len(changes) < _READ:
                return

    def _play(self, logged: LoggedChange) -> None:
        change = logged.change
        name = f"{run_name(self.newest.run)}.{logged.number}"
        if change["kind"] == "add":
            self._waiting.append(change)
        elif change["kind"] == "edition":
            waiting, self._waiting = self._waiting, []
            self._add(name, waiting)
        elif change["kind"] == "forget":
            self.on_forget()
        elif change["kind"] not in ("failed", "worked"):
            self._tell(change, "running")
            try:
                if change["kind"] == "run":
                    self._take_up(logged.number, Path(change["run"]))
                else:
                    self._set(self.newest.offering(name, change["item_ids"], change["kind"] == "remove"))
            except MagusError as error:
                self._tell(change, "failed", error=str(error))
            else:
                self._tell(change, "done", edition=self.newest.name)

    def _add(self, name: str, waiting: Sequence[Mapping[str, Any]]) -> None:
        """Add what waits as one; where that fails, each for itself, so that none suffers from another."""
        if not waiting:
            return
        for change in waiting:
            self._tell(change, "running")
        groups = [list(waiting)] if len(waiting) == 1 else [list(waiting), *([change] for change in waiting)]
        edition, told = self.newest, []
        for place, group in enumerate(groups):
            rows = [row for change in group for row in change["rows"]]
            try:
                edition, notes = edition.extended(name, rows)
            except MagusError as error:
                if place or len(groups) == 1:
                    self._tell(group[0], "failed", error=str(error))
                continue
            told += [(change, notes) for change in group]
            if not place:
                break
        if told:
            self._set(edition)
        for change, notes in told:
            self.rows.update({row[change["key"]]: row for row in change["rows"]})
            self._tell(change, "done", edition=name, left_out=notes)

    def _take_up(self, number: int, path: Path) -> None:
        """A new run, with the items that were added and that it does not have."""
        run = self._load(path)
        name = f"{run_name(run)}.{number}"
        edition = ServedEdition.of_run(name, run, self.people, self.newest.off, discount=self.discount)
        here = edition.known(self.rows)
        rows = [row for item, row in self.rows.items() if item not in here]
        if rows:
            edition, _ = edition.extended(name, rows)
        self._set(edition)

    def _set(self, edition: ServedEdition) -> None:
        self._replaced[self.newest.name] = self.store.now()
        self._replaced.pop(edition.name, None)
        self._kept[edition.name] = edition
        self._kept.move_to_end(edition.name)
        self.newest = edition
        graphs: list[int] = []
        for place, name in enumerate(reversed(list(self._kept))):
            graph = id(self._kept[name].graph)
            graphs += [graph] if graph not in graphs else []
            if place >= _KEPT or len(graphs) > _KEPT_GRAPHS:
                del self._kept[name]
                self._replaced.pop(name, None)
        logger.info("edition %s", edition.name)
        self.on_edition()

    def _tell(self, change: Mapping[str, Any], state: Any, **detail: Any) -> None:
        """Write how far the job of a change is; the first worker that is done has the last word.

        Workers that start later leave out what failed in one and worked in none.
        """
        job = self.store.load_job(change.get("job", ""))
        if job is None or job.state == "done" or (job.state == "failed" and state != "done"):
            return
        if job.state == "failed":
            logger.warning("job %s failed in another worker, and worked in this one", job.job_id)
            self.store.append_change({"kind": "worked", "job": job.job_id})
        done = job.total if state == "done" else 0
        if state == "failed":
            logger.warning("job %s failed: %s", job.job_id, detail.get("error"))
            self.store.append_change({"kind": "failed", "job": job.job_id})
        self.store.put_job(Job(job.job_id, job.kind, state, done, job.total, detail, self.store.now()))

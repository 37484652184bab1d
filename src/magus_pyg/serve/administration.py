"""What the service does beside sessions: items, runs, suggestions, events, and the erasure of people."""

from collections.abc import Mapping, Sequence
from typing import Any

from magus_pyg.errors import InputError, NotThereError
from magus_pyg.files import home_expanded
from magus_pyg.graph import item_node, title_of, words_of
from magus_pyg.serve.api_schemas import EventsIn
from magus_pyg.serve.item_rows import check_rows
from magus_pyg.serve.replies import Resend
from magus_pyg.serve.service import Service
from magus_pyg.serve.shown_lists import word_pairs
from magus_pyg.serve.stores import Event, Job

__all__ = ["Administration"]

_SUGGESTED = 10


class Administration:
    """What the service does beside sessions.

    Args:
        service: the service.
    """

    def __init__(self, service: Service) -> None:
        self.service, self.store, self.changes = service, service.store, service.changes

    def suggest(self, prefix: str) -> list[dict[str, Any]]:
        """Words that a search box suggests (`SuggestionOut`)."""
        return self.changes.newest.suggestions.find(prefix, _SUGGESTED)

    def item(self, item_id: str) -> dict[str, Any]:
        """An item (`ItemOut`).

        Raises:
            NotThereError: none of this id.
        """
        newest = self.changes.newest
        if not newest.known([item_id]):
            raise NotThereError(f"there is no item {item_id!r}")
        node = item_node(newest.graph, item_id)
        return {
            "item_id": item_id,
            "title": title_of(newest.graph, node),
            "words": word_pairs(words_of(newest.graph, node)),
            "on_offer": item_id not in newest.off,
            "columns": self.changes.columns(item_id),
        }

    def add_items(self, rows: Sequence[Mapping[str, Any]], resend: Resend | None) -> dict[str, Any]:
        """Let all workers add items; the job that tells how far it is (`JobOut`).

        Raises:
            InputError: rows that cannot be used, or items that are there already.
        """
        again = self._again(resend)
        if again is not None:
            return again
        _check_count("items", rows, self.service.options.limits.new_items)
        key = self._item_key(rows)
        ids = check_rows(rows, key)
        there = sorted(self.changes.newest.known(ids))
        if there:
            faults = [(f"/items/{ids.index(item)}/{key}", f"there is an item {item!r} already") for item in there]
            raise InputError(f"{len(there)} of {len(ids)} items are there already, such as {there[0]!r}", faults)
        job = self.changes.new_job("items:batch", len(rows))
        change = {"kind": "add", "key": key, "rows": [{**row, key: str(row[key])} for row in rows]}
        return self._written(change, job, resend)

    def offer(self, item_ids: Sequence[str], removed: bool, resend: Resend | None) -> dict[str, Any]:
        """Take items from the offer, or put them back: at once in this worker, in the others soon (`JobOut`).

        Raises:
            InputError: an unknown item.
        """
        again = self._again(resend)
        if again is not None:
            return again
        _check_count("item_ids", item_ids, self.service.options.limits.candidates)
        if len(self.changes.newest.known(item_ids)) < len(set(item_ids)):
            self.changes.catch_up(close=True)  # items that wait to be added are known then
        known = self.changes.newest.known(item_ids)
        faults = [
            (f"/item_ids/{place}", f"there is no item {item!r}")
            for place, item in enumerate(item_ids)
            if item not in known
        ]
        if faults:
            raise InputError(f"{len(faults)} of {len(item_ids)} items are unknown: {faults[0][1]}", faults)
        verb = "remove" if removed else "restore"
        job = self.changes.new_job(f"items:{verb}", len(item_ids))
        written = self._written({"kind": verb, "item_ids": list(dict.fromkeys(item_ids))}, job, resend)
        self.changes.catch_up()
        return self.job(written["job_id"])

    def reload(self, run: str | None, resend: Resend | None) -> dict[str, Any]:
        """Let all workers take up a run (`JobOut`).

        Raises:
            InputError: no run folder.
        """
        again = self._again(resend)
        if again is not None:
            return again
        path = self.changes.first if run is None else home_expanded(run)
        if not (path / "run.json").is_file():
            fault = f"{str(path)!r} is no run folder"
            raise InputError(fault, [("/run", fault)])
        job = self.changes.new_job("runs:reload", 1)
        return self._written({"kind": "run", "run": str(path.absolute())}, job, resend)

    def job(self, job_id: str) -> dict[str, Any]:
        """How far a job is (`JobOut`).

        Raises:
            NotThereError: none of this id, or one that was done long ago.
        """
        job = self.store.load_job(job_id)
        if job is None:
            raise NotThereError(f"there is no job {job_id!r}, or not any more")
        return _job_json(job)

    def take_events(self, asked: EventsIn, resend: Resend | None) -> dict[str, int]:
        """Keep what happened outside the lists, each event once (`EventsOut`)."""
        _check_count("events", asked.events, self.service.options.limits.events)
        now, people = self.store.now(), self.service.people
        events = [
            Event(
                one.event_id,
                one.kind,
                one.item_id,
                now if one.time is None else one.time,
                one.recommendation_id or "",
                one.session_id,
                None if one.user_id is None else people.name(one.user_id),
            )
            for one in asked.events
        ]
        replies = self.service.replies
        again = replies.find(resend)
        if again is None:
            new = self.store.append_events(events, replies.reply(resend, 200, ()))
            again = new if resend is None else replies.find(resend)  # of the request that was first
        assert again is not None, "it is kept with the events"
        if isinstance(again, dict):  # as it was kept before the events and their reply were one
            return again
        return {"new": sum(again), "known": len(again) - sum(again)}

    def erase(self, user_id: str) -> None:
        """Erase a person: from the log, from the store, and from what the workers keep ready."""
        self.store.erase_user(self.service.people.name(user_id))
        self.changes.forget()

    def _again(self, resend: Resend | None) -> dict[str, Any] | None:
        """The job of the same request."""
        found = self.service.replies.find(resend)
        return None if found is None else self.job(found["job_id"])

    def _written(self, change: Mapping[str, Any], job: Job, resend: Resend | None) -> dict[str, Any]:
        reply = self.service.replies.reply(resend, 202, {"job_id": job.job_id})
        if not self.changes.write(change, job, reply):
            again = self._again(resend)
            assert again is not None, "its reply is there"
            return again
        return _job_json(job)

    def _item_key(self, rows: Sequence[Mapping[str, Any]]) -> str:
        """The column of the ids of new items: "item_id", or what the run's data set calls it."""
        options = self.changes.newest.run.config.dataset
        names = ["item_id", *sorted({getattr(options, name, "") for name in ("item_key", "item_id")} - {""})]
        return next((name for name in names if name in rows[0]), "item_id")


def _check_count(name: str, rows: Sequence[object], most: int) -> None:
    if len(rows) > most:
        fault = f"must have at most {most} entries (got {len(rows)})"
        raise InputError(f"/{name} {fault}", [(f"/{name}", fault)])


def _job_json(job: Job) -> dict[str, Any]:
    return {
        "job_id": job.job_id,
        "kind": job.kind,
        "state": job.state,
        "done": job.done,
        "total": job.total,
        "detail": dict(job.detail),
    }

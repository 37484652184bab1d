"""Ten hours of use in compressed time: rounds of many people at once, items added and removed, the run taken up anew.

Run by hand as `soak_service.py RUN FOLDER [ROUNDS [SEED]]`, in this process, with a store in SQLite and a clock that
runs through ten hours meanwhile. No session may be shown anything twice, nor an item that was removed, nor a score that
is no number; memory is told at each tenth of the way, and must stay as it is.
"""

import gc
import math
import os
import random
import sys
import time
from pathlib import Path
from typing import Any

from magus_pyg.data.dataset import word_columns
from magus_pyg.errors import ConflictError, GoneError
from magus_pyg.runs import load_run
from magus_pyg.serve.administration import Administration
from magus_pyg.serve.api_schemas import AnswerIn, SessionIn
from magus_pyg.serve.app import create_app
from magus_pyg.serve.serve_options import ServeOptions
from magus_pyg.serve.stores import open_store

HOURS, PEOPLE = 10.0, 300


class Soak:
    """A service, the people in front of it, and what may not be shown."""

    def __init__(self, run: Path, folder: Path, rounds: int, seed: int) -> None:
        self.loaded = load_run(run)
        self.now, self.step = 1_800_000_000.0, HOURS * 3600 / rounds
        self.store = open_store(folder / "store.sqlite", lambda: self.now)
        options = ServeOptions(folder=str(folder), expiry_hours=0.5, retention_days=0.1)
        self.service = create_app(self.loaded, options, self.store).state.service
        self.administration = Administration(self.service)
        self.random = random.Random(seed)
        self.items = list(self.loaded.graph.vocabulary.item_ids)
        data = self.loaded.config.dataset
        self.columns = word_columns(data.word_fields, {name: tuple(of) for name, of in data.merge_fields.items()})
        self.column = {name: members[0] for name, members in data.merge_fields.items()}
        self.off: set[str] = set()
        self.open: dict[str, dict[str, Any]] = {}
        self.shown: dict[str, list[set[str]]] = {}
        self.counts = dict.fromkeys(("rounds", "sessions", "undone", "added", "removed", "reloads", "gone", "left"), 0)

    def check(self, found: dict[str, Any]) -> None:
        """Look at a list as its person sees it, and remember it."""
        before = set().union(*self.shown[found["session_id"]])
        for entry in found["entries"]:
            assert math.isfinite(entry["score"]), found
            assert entry["entry_id"] not in before, ("shown twice", found)
            assert entry["item_id"] not in self.off, ("not on offer", found)
        if found["done"]:
            self.open.pop(found["session_id"], None)
            self.shown.pop(found["session_id"])
        else:
            self.open[found["session_id"]] = found

    def round(self) -> None:
        """Something that a person does."""
        r = self.random
        if (len(self.open) < PEOPLE and r.random() < 0.5) or not self.open:
            user = r.choice([None, r.choice(self.loaded.user_ids)])
            found = self.service.begin(SessionIn(user_id=user, variant=r.choices(["base", "bayes"], [50, 1])[0]))
            self.shown[found["session_id"]] = []
            self.counts["sessions"] += 1
            self.check(found)
            return
        name = r.choice(list(self.open))
        if r.random() < 0.01:  # leaves, and never comes back
            del self.open[name], self.shown[name]
            self.counts["left"] += 1
            return
        opened, lists = self.open[name], self.shown[name]
        try:
            if lists and r.random() < 0.03:
                lists.pop()
                found = self.service.undo(name)
                self.counts["undone"] += 1
                self.check(found)
                return
            fitting = [e["entry_id"] for e in opened["entries"] if e["kind"] == "query" or r.random() < 0.03]
            click = r.choice([None, *fitting])
            asked = AnswerIn(recommendation_id=opened["recommendation_id"], clicked=click)
            found = self.service.answer(name, asked)
        except ConflictError:  # what was removed left its list meanwhile, or a list of it is not to be had any more
            self.open[name] = self.service.show(name)
            return
        except GoneError:
            del self.open[name], self.shown[name]
            self.counts["gone"] += 1
            return
        lists.append({entry["entry_id"] for entry in opened["entries"]})
        self.counts["rounds"] += 1
        self.check(found)

    def change(self) -> None:
        """Add, remove and restore items."""
        r, number = self.random, self.counts["added"]
        like = self.administration.item(r.choice(self.items[:100]))["words"]
        rows = []
        for new in range(number, number + 3):
            row = {"item_id": f"new {new}", **dict.fromkeys(self.columns, "")}
            rows.append(row | {self.column.get(word["field"], word["field"]): word["value"] for word in like})
        self.administration.add_items(rows, None)
        self.counts["added"] += 3
        self.service.changes.catch_up(close=True)
        self.items += [row["item_id"] for row in rows]
        gone = r.sample([item for item in self.items if item not in self.off], 4)
        self.administration.offer(gone, True, None)
        self.off.update(gone)
        self.counts["removed"] += 4
        back = r.sample(sorted(self.off), len(self.off) // 2)
        self.administration.offer(back, False, None)
        self.off.difference_update(back)

    def run(self, rounds: int) -> None:
        began, memory, tidied = time.process_time(), [], self.now
        while self.counts["rounds"] < rounds:
            done = self.counts["rounds"]
            self.round()
            if self.counts["rounds"] == done:
                continue
            done += 1
            self.now += self.step
            if done % 2000 == 0:
                self.change()
            if done % (rounds // 5) == 0:
                self.administration.reload(None, None)
                self.service.changes.catch_up()
                self.counts["reloads"] += 1
            if self.now - tidied >= 60:
                self.service.tidy()
                tidied = self.now
            if done % (rounds // 10) == 0:
                gc.collect()
                memory.append(resident())
                spent = time.process_time() - began
                print(
                    f"{done:,} rounds, {spent:.0f} s, {memory[-1]:.0f} MB, open {self.store.open_sessions()}",
                    flush=True,
                )
        print(self.counts, "memory in MB:", [round(value) for value in memory])


def resident() -> float:
    """Memory of this process, MB."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


if __name__ == "__main__":
    place = Path(sys.argv[2])
    place.mkdir(parents=True)
    count = int(sys.argv[3]) if len(sys.argv) > 3 else 200_000
    Soak(Path(sys.argv[1]), place, count, int(sys.argv[4]) if len(sys.argv) > 4 else 0).run(count)

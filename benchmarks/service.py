"""What the service costs: processor time beside a round in process, many people at once, memory of a worker, growth.

    python benchmarks/service.py [--parts added base bayes beside growth] [--items 1090390] [--write]

People are played by this process, which sends their requests and waits as they think; the service runs in processes of
its own, on the same machine. Its run is a stand-in: the catalogue of `catalogue.py`, and an FM of dim 64 with random
weights for 2,000 users with 30 items each (which takes the same time as a trained one). People are guests, who share
their scores: to score a million items for one user takes an fm 190 ms, which is not the service's. Every second list is
answered by its first query, the others by none of these; a session has 10 rounds of 6.

* added: processor seconds of a request with live sessions (`serve.store=memory:`) and through SQLite, and beside them
  of a round in process (`CatalogueSession`, 200,000 items, base), in turns.
* base, bayes: `--workers` workers; 200 people at once with base, and with bayes more and more people, until the p99 of
  later lists is above 500 ms. Think time 1 s.
* beside: the rounds of 50 people with base, alone and beside 10 people with bayes.
* growth: processor seconds of an answer over the number of open sessions and the number of items.

`--write` puts the figures into RESULTS.md. Times of requests are wall times, as people see them; other work on the
machine makes them longer.
"""

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from _common import machine
from catalogue import shop
from service_people import LENGTH, Service, answers, people

from magus_pyg.graph import n_items
from magus_pyg.online.catalogue import Catalogue
from magus_pyg.ragged import Ragged
from magus_pyg.runs import Run
from magus_pyg.runs.overrides import compose_config
from magus_pyg.runs.population import Population
from magus_pyg.runs.schemas import typed
from online import DIM, HISTORY, USERS, base_model

RESULTS = Path(__file__).parent / "RESULTS.md"
HEAD, NEXT = "## The service (`benchmarks/service.py`)\n", "\n## "
P99_MS = 500.0


# The service


def stand_in(items: int, folder: Path) -> Run:
    """A run over a catalogue of so many items, without training."""
    graph = shop(items)
    model = base_model("fm", graph)
    generator = torch.Generator().manual_seed(0)
    nobody = Ragged(torch.zeros(USERS + 1, dtype=torch.int64), torch.zeros(0, dtype=torch.int64))
    rows = USERS * HISTORY
    population = Population(
        user_ids=tuple(f"u{number}" for number in range(USERS)),
        user_ptr=torch.arange(0, rows + 1, HISTORY),
        item=torch.randint(0, items, (rows,), generator=generator).to(torch.int32),
        label=torch.ones(rows, dtype=torch.int8),
        part=torch.zeros(rows, dtype=torch.int8),
        action=torch.zeros(0, dtype=torch.int8),
        actions=(),
        ordered=True,
        profiles=nobody,
        n_profiles=0,
        searched=nobody,
    )
    empty = pd.DataFrame()
    config = typed(compose_config(["magus=base", f"model.dim={DIM}"]))
    return Run(folder, config, {}, graph, model, population, {}, empty, empty, empty)


def serve(items: int, workers: int, store: str, words: list[str]) -> None:
    """Be the service, until told to stop."""
    from magus_pyg.commands.serve import service_config
    from magus_pyg.serve.measurement_folder import share_measurements

    given = [f"serve.workers={workers}", f"serve.store={store}", "serve.port=0", "serve.log_level=warning"]
    limits = ["serve.limits.requests=0", "serve.limits.new_sessions=0"]
    options = service_config([*given, *limits, *words]).serve
    with share_measurements(workers), tempfile.TemporaryDirectory() as folder:
        from magus_pyg.serve.app import create_app
        from magus_pyg.serve.request_log import log_as_json
        from magus_pyg.serve.upkeep import warm
        from magus_pyg.serve.workers import listen, serve_app, set_threads

        taken = listen(options)
        set_threads(options)
        app = create_app(stand_in(items, Path(folder)), options)
        warm(app.state.service)
        app.state.screens.warm()  # before the fork, as the command does
        log_as_json(options.log_level)
        serve_app(app, options, taken, lambda address: print(address, flush=True), lambda: None)


@contextmanager
def service(items: int, workers: int, store: str, *words: str) -> Iterator[Service]:
    """Start the service in a process of its own, and stop it at the end."""
    command = [sys.executable, __file__, "--serve", str(items), "--workers", str(workers), "--store", store, *words]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        try:
            assert process.stdout is not None
            address = process.stdout.readline().strip()
            if not address:
                raise SystemExit("the service did not start")
            host, _, port = address.removeprefix("http://").rpartition(":")
            yield Service(process, host, int(port))
        finally:
            process.send_signal(signal.SIGTERM)


class InProcess:
    """Sessions of 100 rounds in this process, without the service.

    Args:
        items: of the catalogue.
        opened: sessions.
    """

    def __init__(self, items: int, opened: int) -> None:
        graph = shop(items)
        scores = base_model("fm", graph).score(torch.tensor([0]), torch.arange(n_items(graph)))[0].double()
        catalogue = Catalogue(graph, "base")
        start = catalogue.start(scores)
        self.sessions = [catalogue.session(start, LENGTH, 100) for _ in range(opened)]
        for session in self.sessions:
            session.recommend()

    def answers(self, count: int) -> float:
        """Processor ms of an answer and the next list."""
        used = 0.0
        for number in range(count):
            session = self.sessions[number % len(self.sessions)]
            queries = [entry for entry in session.recommend() if entry.kind == "query"]
            begin = time.process_time()
            session.feedback(queries[0] if queries and session.round % 2 else None)
            session.recommend()
            used += time.process_time() - begin
        return 1e3 * used / count


# The parts


def added(items: int, workers: int) -> list[str]:
    """What the service adds to a round in process."""
    size, opened, count, turns = 200_000, 50, 250, 10
    found: dict[str, list[float]] = {"in process": [], "live": [], "sqlite": []}
    here = InProcess(size, opened)
    with service(size, 1, "memory:") as live, service(size, 1, "sqlite") as through:
        for _ in range(turns):
            found["in process"].append(here.answers(count))
            found["live"].append(answers(live, opened, count)[0])
            found["sqlite"].append(answers(through, opened, count)[0])
            print({name: round(values[-1], 2) for name, values in found.items()}, flush=True)
    least = {name: min(values) for name, values in found.items()}
    lines = [
        f"What the service adds to a round, {size:,} items, base, lists of {LENGTH}, processor ms a request "
        f"(least of {turns} turns of {count:,}):",
        "",
        "| | in all | added | goal |",
        "|---|---|---|---|",
        f"| in process | {least['in process']:.2f} | | |",
    ]
    for name, told, goal in (("live", "live sessions, `memory:`", 0.5), ("sqlite", "through SQLite", 1.5)):
        lines.append(f"| {told} | {least[name]:.2f} | {least[name] - least['in process']:.2f} | {goal} |")
    return lines


def crowd(items: int, workers: int, variant: str, counts: Sequence[int], seconds: float) -> list[str]:
    """So many people at once, more of them as long as their p99 allows it."""
    lines = [
        f"{variant}, {items:,} items, {workers} workers, SQLite, think time 1 s; ms of first lists and of later ones:",
        "",
        "| people | first p50, p99 | later p50, p99 | requests/s | errors | private MB a worker |",
        "|---|---|---|---|---|---|",
    ]
    with service(items, workers, "sqlite") as at:
        people(at, {variant: 10}, 4.0)
        for count in counts:
            heard = people(at, {variant: count}, seconds)[variant]
            memory = ", ".join(f"{value:.0f}" for value in at.private_mb())
            told = (f"{count}", heard.told(heard.first), heard.told(heard.later), f"{heard.rate:.0f}")
            lines.append(f"| {' | '.join(told)} | {len(heard.errors)} | {memory} |")
            print(lines[-1], *heard.errors[:2], flush=True)
            if not heard.later or np.quantile(heard.later, 0.99) > P99_MS:
                break
    return lines


def base(items: int, workers: int) -> list[str]:
    """200 people with base."""
    return crowd(items, workers, "base", (200,), 30.0)


def bayes(items: int, workers: int) -> list[str]:
    """As many people with bayes as there can be."""
    return crowd(items, workers, "bayes", (5, 10, 15, 20, 30, 40), 12.0)


def beside(items: int, workers: int) -> list[str]:
    """Rounds of base beside those of bayes."""
    lines = [
        f"50 people with base beside people with bayes, {items:,} items, one worker, SQLite; ms of later lists:",
        "",
        "| beside | base p50, p99 | bayes p50, p99 |",
        "|---|---|---|",
    ]
    with service(items, 1, "sqlite") as at:
        people(at, {"base": 5, "bayes": 2}, 5.0)
        for count in (0, 5, 10):
            heard = people(at, {"base": 50, "bayes": count}, 12.0)
            told = [heard[variant].told(heard[variant].later) for variant in ("base", "bayes")]
            lines.append(f"| {count} with bayes | {told[0]} | {told[1]} |")
            print(lines[-1], flush=True)
    return lines


def growth(items: int, workers: int) -> list[str]:
    """Over open sessions and items."""
    lines = ["An answer over what is there, base, live sessions; processor ms of the service, and median wall ms:", ""]
    lines += ["| items | open sessions | processor ms | wall ms |", "|---|---|---|---|"]

    def row(at: Service, size: int, opened: int) -> None:
        used, wall = answers(at, opened, 500)
        lines.append(f"| {size:,} | {opened:,} | {used:.2f} | {wall:.2f} |")
        print(lines[-1], flush=True)

    with service(200_000, 1, "sqlite", "serve.live_sessions=20000") as at:
        for opened in (10, 100, 1_000, 10_000):
            row(at, 200_000, opened)
    for size in (1_000, 10_000, 100_000, 1_000_000):
        with service(size, 1, "sqlite") as at:
            row(at, size, 100)
    return lines


PARTS: dict[str, Callable[[int, int], list[str]]] = {
    "added": added,
    "base": base,
    "bayes": bayes,
    "beside": beside,
    "growth": growth,
}


def write(part: str, lines: list[str]) -> None:
    """Put a part's figures into RESULTS.md, in the place of what it had there."""
    text = RESULTS.read_text()
    if HEAD not in text:
        text = f"{text.rstrip()}\n\n{HEAD}"
    before, _, rest = text.partition(HEAD)
    own, mark, after = rest.partition(NEXT)
    start, end = f"<!-- {part} -->", f"<!-- end of {part} -->"
    block = "\n".join([start, f"{machine()}; other work beside it.", "", *lines, "", end])
    if start in own:
        own = own[: own.index(start)] + block + own[own.index(end) + len(end) :]
    else:
        own = f"{own.rstrip()}\n\n{block}\n"
    RESULTS.write_text(f"{before}{HEAD}{own}{mark}{after}")


def main() -> None:
    """Print the figures, or be the service."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--parts", nargs="+", default=list(PARTS), choices=list(PARTS))
    parser.add_argument("--items", type=int, default=1_090_390)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--write", action="store_true", help="put the figures into RESULTS.md")
    parser.add_argument("--serve", type=int, metavar="ITEMS", help="be the service of so many items")
    parser.add_argument("--store", default="sqlite")
    arguments, words = parser.parse_known_args()
    torch.set_num_threads(1)
    if arguments.serve is not None:
        serve(arguments.serve, arguments.workers, arguments.store, words)
        return
    print(machine(), flush=True)
    for part in arguments.parts:
        lines = PARTS[part](arguments.items, arguments.workers)
        print("\n".join(lines), flush=True)
        if arguments.write:
            write(part, lines)


if __name__ == "__main__":
    main()

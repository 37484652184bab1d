"""An index of the items of runs: build, memory, Recall@k against exact scores, first list, and what it costs sessions.

    python benchmarks/retrieval.py RUN ... [--k 100 1000] [--users 200]
    python benchmarks/retrieval.py RUN --items 10000000      # as many, each near an item of the run
    python benchmarks/retrieval.py --write                   # what retrieval.json holds, into docs/scale.md

Sessions are those of the run's part with all items as candidates, played for five rounds by the run's agents; beside
them the same with the k items that the index names for each user. A target that is not among these is not found, which
counts. The index searches on the CPU.

With --items the run's items stand for more: each is there many times, its vector moved in every coordinate by a normal
number of 0.3 standard deviations of that coordinate over all items, so that vectors lie in clusters as trained ones do.
Users are those of the run; lists are made on a graph of as many items in the shape of Tmall's. An index is built by all
cores, whatever OMP_NUM_THREADS says; first lists are timed by the processor.
"""

import argparse
import json
import multiprocessing
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from _common import machine, machines_of, peak_resident_mb, put_between, row
from torch import Tensor
from torch_geometric.data import HeteroData
from usearch.index import Index

import magus_pyg as mp
from magus_pyg.data import SessionOptions, Sessions, build_sessions
from magus_pyg.data.synthetic.shapes import SHAPES, ScaleOptions, catalogue_frame, make_catalogue
from magus_pyg.experiment.agents_by_name import agent_context, agent_names, build_agent
from magus_pyg.graph import SessionGraphBuilder, n_items
from magus_pyg.models.dot_product import DotProductRecommender
from magus_pyg.online.catalogue.simulated import (
    CataloguePlays,
    play_catalogue_batch,
    plays_catalogues,
    split_for_catalogue,
)
from magus_pyg.runs.retrieval import Retriever
from magus_pyg.simulation import TruthfulUser, summarize
from magus_pyg.simulation.loop import Plays
from magus_pyg.simulation.record_table import join_records

ROUNDS = 5
KEPT = Path(__file__).with_name("retrieval.json")
PAGE = Path(__file__).resolve().parents[1] / "docs" / "scale.md"
PART = "retrieval: written by benchmarks/retrieval.py"
SPREAD = 0.3
_BLOCK = 1 << 18
_CANDIDATES = 1 << 24
"""Candidates of sessions made at once."""


@dataclass
class Searched:
    """What lists are made of: an index, the catalogue's graph, people and the scores of what is found for them.

    Attributes:
        score: (users [U], item numbers [k]) -> scores [U, k].
        best: the exact best items of each user, int64 [U, most k].
        builder: of session graphs, which all sessions share as those of a `Catalogue` do.
    """

    retriever: Retriever
    graph: HeteroData
    users: Tensor
    vectors: Tensor
    score: Callable[[Tensor, Tensor], Tensor]
    best: Tensor
    builder: SessionGraphBuilder = field(init=False)

    def __post_init__(self) -> None:
        self.builder = SessionGraphBuilder(self.graph)


def main() -> None:
    """See the file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="*", type=Path)
    parser.add_argument("--k", type=int, nargs="+", default=[100, 1000])
    parser.add_argument("--users", type=int, default=200)
    parser.add_argument("--items", type=int, help="a larger catalogue of items near those of the run")
    parser.add_argument("--write", action="store_true")
    arguments = parser.parse_args()
    for path in arguments.runs:
        run = mp.load_run(path)
        model = run.model
        if not isinstance(model, DotProductRecommender):
            raise SystemExit(f"{path}: the scores of {model.options.name} are no dot products")
        users = torch.nonzero(model.user_known > 0).flatten()[: arguments.users]
        measure = measure_run if arguments.items is None else measure_made
        count = n_items(run.graph) if arguments.items is None else arguments.items
        with tempfile.TemporaryDirectory() as folder:
            entry = measure(run, model, users, count, sorted(arguments.k), Path(folder))
        named = {"data": run.config.dataset.name, "model": model.options.name, "items": count}
        entry = {**named, "of": n_items(run.graph), **entry, "peak GB": peak_resident_mb() / 1024, "machine": machine()}
        print(json.dumps(entry, indent=1))
        kept = json.loads(KEPT.read_text()) if KEPT.exists() else []
        kept = [other for other in kept if any(other[key] != named[key] for key in named)]
        KEPT.write_text(json.dumps([*kept, entry], indent=1) + "\n")
    if arguments.write:
        write(json.loads(KEPT.read_text()))


def measure_run(
    run: mp.Run, model: DotProductRecommender, users: Tensor, count: int, lengths: list[int], folder: Path
) -> dict[str, Any]:
    """The index of a run's own items, and the run's sessions with it."""
    took = _Clock()
    retriever = run.retriever(lengths[-1])
    found = {**took.since("build"), "index MiB": retriever.bytes / 2**20}
    retriever.save(folder / "index")
    took = _Clock()
    mapped = Retriever.load(folder / "index", model, lengths[-1])
    found |= took.since("load")
    best = [model.score(user.view(1), torch.arange(count))[0].topk(min(lengths[-1], count)).indices for user in users]
    vectors = model.user_embedding(users)
    searched = Searched(mapped, run.graph, users, vectors, model.score, torch.stack(best))
    return {**found, "users": len(users), "lists": _lists(searched, lengths), **_sessions(run, mapped, users, lengths)}


def measure_made(
    run: mp.Run, model: DotProductRecommender, users: Tensor, count: int, lengths: list[int], folder: Path
) -> dict[str, Any]:
    """The index of a larger catalogue."""
    with multiprocessing.get_context("spawn").Pool(1) as process:
        graph_seconds, graph_peak = process.apply(_save_graph, (count, folder / "graph.safetensors"))
    graph = mp.load_graph(folder / "graph.safetensors")
    count = n_items(graph)
    own = model.item_embedding(torch.arange(model.features.n_items))
    if count < len(own):
        raise SystemExit(f"--items: the run has {len(own):,} items already")
    spread, generator = SPREAD * own.std(dim=0), torch.Generator().manual_seed(0)
    made = np.lib.format.open_memmap(folder / "vectors.npy", "w+", np.float16, (count, own.shape[1]))
    took = _Clock()
    retriever = run.retriever(lengths[-1])
    spent = took.since("build")
    for items in torch.split(torch.arange(count), _BLOCK):
        vectors = own[items % len(own)]
        moved = items >= len(own)  # the first ones are the run's own
        vectors[moved] += spread * torch.randn((int(moved.sum()), own.shape[1]), generator=generator)
        made[items[0] : items[-1] + 1] = vectors.numpy()
        if bool(moved.any()):
            took = _Clock()
            retriever.add(items[moved], vectors[moved])
            spent = {key: spent[key] + value for key, value in took.since("build").items()}
    built = peak_resident_mb() / 1024
    took = _Clock()
    retriever.save(folder / "index")
    spent |= took.since("save")
    found = {**spent, "index MiB": retriever.bytes / 2**20, "build peak GB": built}
    about = json.loads((folder / "index" / "about.json").read_text())
    del retriever
    took = _Clock()
    index = Index.restore(str(folder / "index" / "items.usearch"), view=True)
    mapped = Retriever(index, about["length"], about["built_from"], lengths[-1])
    found |= {**took.since("load"), "graph seconds": graph_seconds, "graph peak GB": graph_peak}
    wanted = model.user_embedding(users)
    at = {int(user): place for place, user in enumerate(users)}

    def score(user: Tensor, items: Tensor) -> Tensor:
        vectors = torch.from_numpy(made[items.flatten().numpy()].astype(np.float32))
        return wanted[[at[int(one)] for one in user]] @ vectors.T

    best = _best(wanted, made, lengths[-1])
    return {**found, "users": len(users), "lists": _lists(Searched(mapped, graph, users, wanted, score, best), lengths)}


class _Clock:
    """Seconds of wall and of the processor from now on."""

    def __init__(self) -> None:
        self._wall, self._processor = time.perf_counter(), time.process_time()

    def since(self, what: str) -> dict[str, float]:
        """Both, by name."""
        wall, processor = time.perf_counter() - self._wall, time.process_time() - self._processor
        return {f"{what} seconds": wall, f"{what} processor seconds": processor}


def _save_graph(count: int, path: Path) -> tuple[float, float]:
    """Make and save the graph of about `count` items like Tmall's; seconds of building, and peak GB."""
    shape = ScaleOptions(shape="tmall", scale=count / SHAPES["tmall"].items).sized()
    items = catalogue_frame(make_catalogue(shape, 0))
    began = time.perf_counter()
    graph = mp.build_relational_graph(items, list(shape.fields), max_words=3)
    took = time.perf_counter() - began
    mp.save_graph(graph, path)
    return took, peak_resident_mb() / 1024


def _best(wanted: Tensor, made: np.ndarray, k: int) -> Tensor:
    """The k items with the highest dot products, int64 [U, k]."""
    value, item = torch.zeros((len(wanted), 0)), torch.zeros((len(wanted), 0), dtype=torch.int64)
    for begin in range(0, len(made), _BLOCK):
        scores = wanted @ torch.from_numpy(made[begin : begin + _BLOCK].astype(np.float32)).T
        top = scores.topk(min(k, scores.shape[1]))
        value, item = torch.cat([value, top.values], 1), torch.cat([item, top.indices + begin], 1)
        top = value.topk(min(k, value.shape[1]))
        value, item = top.values, item.gather(1, top.indices)
    return item


def _lists(searched: Searched, lengths: list[int]) -> list[dict[str, float]]:
    """Recall and milliseconds of first lists of MAGUS over k items: search, scores, session."""
    rows = []
    for k in lengths:
        took = [_first_list(searched, place, k) for place in range(len(searched.users))]
        low, high = np.percentile([seconds * 1e3 for seconds, _ in took], [50, 99])
        recall = float(np.mean([recall for _, recall in took]))
        rows.append({"k": k, "recall": recall, "p50": float(low), "p99": float(high)})
    return rows


def _first_list(searched: Searched, place: int, k: int) -> tuple[float, float]:
    """Seconds of processor to a user's first list of MAGUS, and the share of the k best items among the candidates."""
    ids, user = searched.graph.vocabulary.item_ids, searched.users[place].view(1)
    began = time.process_time()
    found = searched.retriever.items(searched.vectors[place].view(1, -1), k)[0]
    found = found[found >= 0]
    scores = searched.score(user, found.view(1, -1))[0].tolist()
    candidates = [ids[item] for item in found.tolist()]
    given = dict(zip(candidates, scores, strict=True))
    mp.MagusSession(searched.graph, given, candidates=candidates, builder=searched.builder).recommend()
    seconds = time.process_time() - began
    return seconds, float(torch.isin(searched.best[place, :k], found).double().mean())


def _sessions(run: mp.Run, retriever: Retriever, users: Tensor, lengths: list[int]) -> dict[str, Any]:
    """SA@K of items and MAGUS with all items, and with the k that the index names."""
    data = run.dataset()
    options = SessionOptions(candidates="all", min_interactions=0)
    context = agent_context(run.config, run.graph, run.model)
    built = [build_agent(name, context, run.agent_states.get(name, {}), run.config) for name in agent_names(run.config)]
    agents = [(agent, ROUNDS) for agent in built if plays_catalogues(agent)]
    plays = Plays(agents, SessionGraphBuilder(run.graph), run.model, TruthfulUser(), 3, run.config.seed)
    shared, played = CataloguePlays(plays), 0
    tables: dict[int | None, list[Any]] = {k: [] for k in (None, *lengths)}
    for some in torch.split(users, max(1, _CANDIDATES // data.n_items)):
        sessions = build_sessions(data, run.config.simulation.part, options, run.config.seed, some)
        played += len(sessions)
        for k, records in tables.items():
            for batch in split_for_catalogue(plays, sessions, 256):
                found = None if k is None else retriever.items(run.model.user_embedding(batch.user), k)
                asked = batch if found is None else _named(batch, found)
                records.append(play_catalogue_batch(shared, asked).records)
    rows = []
    for k, records in tables.items():
        for place, (agent, _) in enumerate(agents):
            means = summarize(join_records([table[place] for table in records]), (ROUNDS,)).iloc[0]
            rows.append({"k": k, "agent": agent.name, "SA": float(means[f"SA@{ROUNDS}"])})
    return {"sessions": played, "success": rows}


def _named(sessions: Sessions, found: Tensor) -> Sessions:
    """The sessions with those of their candidates that were found for their users."""
    kept = torch.where(sessions.candidates >= 0, sessions.candidates, -2)
    among = torch.stack([torch.isin(row, named) for row, named in zip(kept, found, strict=True)])
    candidates = torch.where(among, sessions.candidates, -1)
    return Sessions(sessions.user, candidates, sessions.targets & among, sessions.searched, sessions.id)


def write(entries: list[dict[str, Any]]) -> None:
    """The tables of docs/scale.md."""
    entries = sorted(entries, key=lambda entry: (entry["items"], entry["data"], entry["model"]))
    head = ("run", "items", "build", "index", "load", "k", "Recall@k", "first list p50, p99 (processor)")
    lines = [f"{machines_of(entries)}; other work beside it.", "", row(*head), row(*["---"] * len(head))]
    for entry in entries:
        for place, one in enumerate(entry["lists"]):
            whole = [f"{entry['data']}, {entry['model']}", f"{entry['items']:,}", _build(entry)]
            whole += [f"{entry['index MiB']:,.0f} MiB", f"{entry['load seconds'] * 1e3:,.0f} ms"]
            measured = [f"{one['k']:,}", f"{one['recall']:.3f}", f"{one['p50']:.1f}, {one['p99']:.1f} ms"]
            lines.append(row(*(whole if not place else [""] * len(whole)), *measured))
    for entry in entries:
        if entry["items"] != entry["of"]:
            made = (
                f"The catalogue of {entry['items']:,} items is made from the {entry['of']:,} of the run, see the script"
            )
            held = (
                f"building held {entry['build peak GB']:.1f} GB at the most, the graph {entry['graph peak GB']:.1f} GB"
            )
            lines += ["", f"{made}; {held} and {entry['graph seconds']:.0f} s."]
    lines += ["", *_costs([entry for entry in entries if "success" in entry])]
    put_between(PAGE, PART, lines)


def _costs(entries: list[dict[str, Any]]) -> list[str]:
    """SA@K with all items, and with those found, an agent a column."""
    agents = list(dict.fromkeys(one["agent"] for entry in entries for one in entry["success"]))
    head = ("run", "sessions", "candidates", *(f"{agent}, SA@{ROUNDS}" for agent in agents))
    lines = [row(*head), row(*["---"] * len(head))]
    for entry in entries:
        reached = {(one["k"], one["agent"]): one["SA"] for one in entry["success"]}
        for place, k in enumerate(dict.fromkeys(k for k, _ in reached)):
            named = [f"{entry['data']}, {entry['model']}", f"{entry['sessions']:,}"] if not place else ["", ""]
            cells = [f"{reached[k, agent]:.3f}" if (k, agent) in reached else "-" for agent in agents]
            lines.append(row(*named, "all" if k is None else f"{k:,} found", *cells))
    return lines


def _build(entry: dict[str, Any]) -> str:
    return f"{entry['build seconds']:,.0f} s ({entry['build processor seconds']:,.0f} s of processor)"


if __name__ == "__main__":
    main()

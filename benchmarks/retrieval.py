"""An index of the items of a run: build, memory, Recall@k against exact scores, first list, and what it costs sessions.

    python benchmarks/retrieval.py RUN [--k 100 1000] [--users 200]

Sessions are those of the run's part with all items as candidates; beside them the same with the k items that the index
names for each user. A target that is not among these is not found, which counts. The index searches on the CPU.
"""

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

import magus_pyg as mp
from magus_pyg.agents import ItemsAgent, MagusAgent
from magus_pyg.data import SessionOptions, Sessions, build_sessions
from magus_pyg.graph import SessionGraphBuilder, n_items
from magus_pyg.models.retrieval import Retriever
from magus_pyg.online.catalogue.simulated import CataloguePlays, play_catalogue_batch, split_for_catalogue
from magus_pyg.simulation import Agent, TruthfulUser, summarize
from magus_pyg.simulation.loop import Plays
from magus_pyg.simulation.record_table import join_records

ROUNDS = (3, 5)


def main() -> None:
    """See the file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("--k", type=int, nargs="+", default=[100, 1000])
    parser.add_argument("--users", type=int, default=200)
    arguments = parser.parse_args()
    run = mp.load_run(arguments.run)
    count = n_items(run.graph)
    began = time.perf_counter()
    retriever = run.retriever(max(arguments.k))
    build = time.perf_counter() - began
    with tempfile.TemporaryDirectory() as folder:
        retriever.save(Path(folder) / "index")
        began = time.perf_counter()
        mapped = Retriever.load(Path(folder) / "index", run.model, max(arguments.k))
        load = time.perf_counter() - began
        print(f"{count:,} items: build {build:.1f} s, {retriever.bytes / 2**20:,.0f} MiB, load {load * 1e3:.1f} ms")
        users = torch.nonzero(run.model.user_known > 0).flatten()[: arguments.users]
        print(f"{'k':>6} {'recall':>7} {'p50 ms':>7} {'p99 ms':>7}   of a first list: search, scores, session")
        for k in arguments.k:
            took = [_first_list(run, mapped, user, k) for user in users]
            low, high = np.percentile([seconds * 1e3 for seconds, _ in took], [50, 99])
            print(f"{k:>6} {np.mean([recall for _, recall in took]):>7.4f} {low:>7.1f} {high:>7.1f}")
        _sessions(run, mapped, users, arguments.k)


def _first_list(run: mp.Run, retriever: Retriever, user: Tensor, k: int) -> tuple[float, float]:
    """Seconds to a user's first list of MAGUS, and the share of the k best items among the candidates."""
    ids = run.graph.vocabulary.item_ids
    began = time.perf_counter()
    found = retriever.items(run.model.user_embedding(user.view(1)), k)[0]
    found = found[found >= 0]
    scores = run.model.score(user.view(1), found.view(1, -1))[0].tolist()
    candidates = [ids[item] for item in found.tolist()]
    mp.MagusSession(run.graph, dict(zip(candidates, scores, strict=True)), candidates=candidates).recommend()
    seconds = time.perf_counter() - began
    exact = run.model.score(user.view(1), torch.arange(len(ids)))[0].topk(min(k, len(ids))).indices
    return seconds, float(torch.isin(exact, found).double().mean())


def _sessions(run: mp.Run, retriever: Retriever, users: Tensor, lengths: list[int]) -> None:
    """SA@K and RA@K of items and MAGUS with all items, and with the k that the index names."""
    data = run.dataset()
    options = SessionOptions(candidates="all", min_interactions=0)
    sessions = build_sessions(data, run.config.simulation.part, options, run.config.seed)
    sessions = sessions.take(torch.nonzero(torch.isin(sessions.user, users)).flatten())
    agents: list[tuple[Agent, int]] = [
        (ItemsAgent(run.graph, run.model), max(ROUNDS)),
        (MagusAgent(run.graph, run.model), max(ROUNDS)),
    ]
    plays = Plays(agents, SessionGraphBuilder(run.graph), run.model, TruthfulUser(), 3, run.config.seed)
    print(f"{len(sessions)} sessions" + "".join(f"{f'SA@{k}':>16}" for k in ROUNDS))
    for k in (None, *lengths):
        shared, tables = CataloguePlays(plays), []
        for batch in split_for_catalogue(plays, sessions, 256):
            found = None if k is None else retriever.items(run.model.user_embedding(batch.user), k)
            tables.append(play_catalogue_batch(shared, batch if found is None else _named(batch, found)).records)
        for place, (agent, _) in enumerate(agents):
            row = summarize(join_records([records[place] for records in tables]), ROUNDS).iloc[0]
            cells = "".join(f"{row[f'SA@{n}']:>16.4f}" for n in ROUNDS)
            print(f"{agent.name:>8}, {'all' if k is None else k:>5}{cells}")


def _named(sessions: Sessions, found: Tensor) -> Sessions:
    """The sessions with those of their candidates that were found for their users."""
    kept = torch.where(sessions.candidates >= 0, sessions.candidates, -2)
    among = torch.stack([torch.isin(row, named) for row, named in zip(kept, found, strict=True)])
    candidates = torch.where(among, sessions.candidates, -1)
    return Sessions(sessions.user, candidates, sessions.targets & among, sessions.searched, sessions.id)


if __name__ == "__main__":
    main()

"""Sessions a second of each agent, beside the literal one-session reference of the tests.

ml-100k where it is found (MAGUS_DATA or the data folder beside the repository), else the synthetic catalogue; random
base scores lifted on the targets, since the time does not depend on who made the scores.

With --explicit also MAGUS with `relations: swapped` beside its form with all of R- as edges, which is quadratic.

    python benchmarks/simulation.py [--sessions 2000] [--rounds 5] [--reference 100] [--explicit] [--write]
                                    [--device auto]
"""

import argparse
import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from _common import add_device, machine, moved, put, row, seconds, use_device
from torch_geometric.data import HeteroData

import magus_pyg as mp
from magus_pyg.data import MovieLens100kOptions, RecDataset, SyntheticOptions, load_dataset
from magus_pyg.simulation import Agent

SECTION = "Simulation (`benchmarks/simulation.py`)"
ROOT = Path(__file__).resolve().parents[1]


@dataclass
class _Explicit(mp.MagusOptions):
    """Options with all of R- as edges, whatever the relations."""

    @property
    def needs_explicit(self) -> bool:
        return True


def main() -> None:
    """Run the benchmark and print one line a measurement."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sessions", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--reference", type=int, default=100, help="sessions that the literal reference plays")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--explicit", action="store_true", help="swapped relations, without and with their edges")
    parser.add_argument("--write", action="store_true", help="put what is found into RESULTS.md")
    add_device(parser)
    arguments = parser.parse_args()
    use_device(arguments.device)

    data = _dataset()
    graph = mp.build_relational_graph(
        data.items, data.word_fields, max_share=data.max_share, max_words=data.max_words, merge_fields=data.merge_fields
    )
    graph = moved(graph)
    sessions, scores = _sessions(data, arguments.sessions)
    print(
        f"{data.name}: {len(sessions)} sessions of 30 candidates, {arguments.rounds} rounds; graph of "
        f"{graph['node'].num_nodes} nodes; torch {torch.__version__}, {torch.get_num_threads()} thread(s)"
    )
    taken = _best(lambda: mp.prepare_sessions(graph, sessions, scores), arguments.repeats)
    print(f"session graphs and scores: {taken:.3f} s, {len(sessions) / taken:,.0f} sessions/s")
    prepared = mp.prepare_sessions(graph, sessions, scores)
    speed = {"session graphs and scores": len(sessions) / taken}
    agents: list[Agent] = [
        mp.ItemsAgent(graph, scores),
        mp.MagusAgent(graph, scores),
        mp.MagusAgent(graph, scores, mp.MagusOptions(negative="signed", unclicked="unknown"), name="magus signed"),
        mp.MagusAgent(graph, scores, factors=_weights(graph)),
    ]
    if arguments.explicit:
        for name, kind in (("magus swapped", mp.MagusOptions), ("magus swapped, explicit", _Explicit)):
            agents.append(mp.MagusAgent(graph, scores, kind(relations="swapped"), name=name))
    for agent in agents:
        taken = _best(partial(mp.simulate, agent, prepared, rounds=arguments.rounds), arguments.repeats)
        speed[agent.name] = len(sessions) / taken
        print(f"{agent.name}: {taken:.3f} s, {speed[agent.name]:,.0f} sessions/s")
    if arguments.explicit:
        ratio = speed["magus swapped"] / speed["magus swapped, explicit"]
        said = f"`relations: swapped` is {ratio:.1f} times as fast as with its edges"
        print(said)
        if arguments.write:
            plain = speed["magus"] / speed["magus swapped"]
            where = f"{data.name}, {len(sessions):,} sessions, {torch.get_num_threads()} thread(s)"
            found = f"{where}: {said}; `magus` is {plain:.2f} times as fast as it."
            put(SECTION, "swapped", [found])
    if arguments.reference:
        literal = arguments.reference / _reference(data, sessions, scores, arguments.reference, arguments.rounds)
        said = f"{literal:,.1f} sessions a second: `magus` is {speed['magus'] / literal:,.0f} times as fast"
        print(f"literal reference: {said}")
        if arguments.write:
            where = f"{data.name}, {len(sessions):,} sessions of 30 candidates, {arguments.rounds} rounds, lists of 3"
            head = f"{where}; {machine()}, {torch.get_num_threads()} thread(s), sessions a second of processor time:"
            table = [row(name, f"{found:,.0f}") for name, found in speed.items()]
            literally = f"The tests' literal player (exact fractions, one session at a time) plays {said}."
            lines = [head, "", row("", "sessions/s"), row("---", "---"), *table, "", literally]
            put(SECTION, "speed: written by benchmarks/simulation.py", lines)


def _dataset() -> RecDataset:
    folder = Path(os.environ.get("MAGUS_DATA", ROOT.parent / "shared" / "data"))
    if (folder / "ml-100k").is_dir():
        return load_dataset(MovieLens100kOptions(), folder)
    return load_dataset(SyntheticOptions())


def _sessions(data: RecDataset, count: int) -> tuple[mp.Sessions, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    candidates = torch.rand((count, data.n_items), generator=generator).topk(30, dim=1).indices
    targets = torch.zeros((count, 30), dtype=torch.bool)
    targets[:, :2] = True
    scores = torch.rand((count, data.n_items), generator=generator)
    scores.scatter_add_(1, candidates, 0.3 * targets)
    columns = (torch.arange(count), candidates, targets)
    return mp.Sessions(*map(moved, columns)), moved(scores)


def _weights(graph: HeteroData) -> mp.EdgeFactors:
    """Learned weights of 64 numbers a node, and the constant, as MAGUS+ has them."""
    positive, negative = moved(torch.rand((2, int(graph["node"].num_nodes), 65), dtype=torch.float64))
    return mp.EdgeFactors(positive, negative, minus_scale=0.5, refusal=0.1)


def _best(run: Callable[[], object], repeats: int) -> float:
    times = []
    for _ in range(repeats + 1):  # the first one warms up
        start = seconds()
        run()
        times.append(seconds() - start)
    return min(times[1:])


def _reference(data: RecDataset, sessions: mp.Sessions, scores: torch.Tensor, count: int, rounds: int) -> float:
    """Seconds of processor in which the tests' literal player plays `count` sessions, one at a time."""
    sys.path.insert(0, str(ROOT / "tests"))
    import reference

    rows = data.items.to_dict("records")
    fields = list(data.word_fields)
    words = reference.words_of_rows(rows, fields, dict(data.merge_fields), data.max_share)
    groups = list(reference.field_groups(fields, dict(data.merge_fields)))
    nodes = reference.catalogue_nodes(words, groups, data.max_words)
    start = time.process_time()
    for number in range(count):
        candidates = sessions.candidates[number].tolist()
        chosen = sessions.candidates[number][sessions.targets[number]].tolist()
        reference.play(nodes, candidates, scores[number, candidates].tolist(), chosen, rounds, 3)
    return time.process_time() - start


if __name__ == "__main__":
    main()

"""Sessions over a whole catalogue: time of a round for one person, and many people at once.

    python benchmarks/catalogue.py [--items 1090390] [--variants base plus bayes] [--people 1000] [--sessions 40]

The catalogue has a category, a seller and a brand an item, with skewed sizes like Tmall's. Each person has base scores
of their own and an item in mind, and answers truthfully. A round is its list and its answer; the first guess counts to
the first round. Beside it: one pass over R+ (the sums of Eq. 4), and reading the learned factors once.
"""

import argparse
import resource
import time

import numpy as np
import pandas as pd
import torch
from torch_geometric.data import HeteroData

import magus_pyg as mp
from magus_pyg.agents import EdgeFactors
from magus_pyg.graph import n_nodes
from magus_pyg.online.catalogue import Catalogue
from magus_pyg.online.catalogue.first_guess import query_sums, unit_scores
from magus_pyg.simulation import AnsweredList


def skewed(random: np.random.Generator, n: int, values: int) -> np.ndarray:
    """int64 [n]: value k with a frequency of about 1 / (k + 10)."""
    weight = 1.0 / (np.arange(values) + 10.0)
    return random.choice(values, n, p=weight / weight.sum())


def shop(n: int, seed: int = 0) -> HeteroData:
    """A graph of n items; sellers and brands keep to few categories."""
    random = np.random.default_rng(seed)
    category = skewed(random, n, 1658)
    seller = (category * 7 + skewed(random, n, 60) * 31) % 4995
    brand = (category * 13 + skewed(random, n, 80) * 57) % 8399
    table = pd.DataFrame(
        {
            "item_id": np.arange(n).astype(str),
            "category": np.char.add("c", category.astype(str)),
            "seller": np.char.add("s", seller.astype(str)),
            "brand": np.char.add("b", brand.astype(str)),
        }
    )
    return mp.build_relational_graph(table, ["category", "seller", "brand"], materialize=False)


def scores_of(n: int, seed: int) -> torch.Tensor:
    """float32 [I]: logits of a person."""
    return 2.0 * torch.randn(n, generator=torch.Generator().manual_seed(seed))


def rounds_of(catalogue: Catalogue, seed: int, rounds: int) -> tuple[list[float], bool]:
    """Seconds of each round of a person's session, and whether their item was found."""
    index = catalogue.index
    scores = scores_of(index.n_items, seed)
    target = int(torch.multinomial(torch.softmax(scores, 0), 1, generator=torch.Generator().manual_seed(seed)))
    wanted = {
        target,
        *index.item_queries.index[index.item_queries.ptr[target] : index.item_queries.ptr[target + 1]].tolist(),
    }
    times = []
    begin = time.perf_counter()
    play = catalogue.play(catalogue.start(scores), 3, rounds, min_items=0)
    for _ in range(rounds):
        shown = play.recommend().tolist()
        clicked = target if target in shown else next((node for node in shown if node in wanted), None)
        play.update(AnsweredList(tuple(shown), clicked))
        times.append(time.perf_counter() - begin)
        if clicked == target:
            return times, True
        begin = time.perf_counter()
    return times, False


def milliseconds(values: list[float]) -> str:
    """p50 and p99."""
    return f"p50 {1e3 * np.quantile(values, 0.5):.1f} ms, p99 {1e3 * np.quantile(values, 0.99):.1f} ms"


def many(catalogue: Catalogue, people: int, rounds: int) -> None:
    """People at once who share their base scores, as those without a history do."""
    start = catalogue.start(scores_of(catalogue.index.n_items, 0))
    plays = [catalogue.play(start, 3, rounds, min_items=0) for _ in range(people)]
    random = np.random.default_rng(0)
    begin = time.perf_counter()
    for _ in range(rounds):
        for play in plays:
            shown = play.recommend().tolist()
            queries = [node for node in shown if node >= catalogue.index.n_items]
            play.update(
                AnsweredList(tuple(shown), int(random.choice(queries)) if queries and random.random() < 0.5 else None)
            )
    seconds = time.perf_counter() - begin
    print(f"{people} people, {rounds} rounds each: {people * rounds / seconds:,.0f} rounds/s")


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--items", type=int, default=1_090_390)
    parser.add_argument("--variants", nargs="+", default=["none", "base", "plus", "bayes"])
    parser.add_argument("--people", type=int, default=1000)
    parser.add_argument("--sessions", type=int, default=40)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--rank", type=int, default=65)
    arguments = parser.parse_args()
    begin = time.perf_counter()
    graph = shop(arguments.items)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    edges = graph["node", "improves", "node"].edge_index.shape[1]
    print(f"{arguments.items:,} items, {n_nodes(graph):,} nodes, {edges:,} R+ edges: built in "
          f"{time.perf_counter() - begin:.1f} s, peak {peak:.2f} GB; {torch.get_num_threads()} threads")  # fmt: skip
    for variant in arguments.variants:
        state: EdgeFactors | mp.BayesState | None = None
        if variant == "plus":
            side = torch.rand((n_nodes(graph), arguments.rank))
            state = EdgeFactors(side, side, 0.5, 0.5)
        if variant == "bayes":
            state = mp.BayesState(temperature=1.0)
        catalogue = Catalogue(graph, variant, state)
        rounds_of(catalogue, 0, 2)  # what all share is made
        if variant == "base":
            base = unit_scores(scores_of(arguments.items, 0).double(), None)
            passes = []
            for _ in range(5):
                begin = time.perf_counter()
                query_sums(catalogue.index, base)
                passes.append(time.perf_counter() - begin)
            print(f"one pass over R+: {1e3 * min(passes):.1f} ms")
        if catalogue.weights is not None:
            begin = time.perf_counter()
            catalogue.weights.negative.sum()
            print(f"reading the factors once: {1e3 * (time.perf_counter() - begin):.1f} ms")
        played = [rounds_of(catalogue, 1 + number, arguments.rounds) for number in range(arguments.sessions)]
        first = [times[0] for times, _ in played]
        later = [value for times, _ in played for value in times[1:]]
        found = sum(success for _, success in played)
        print(f"{variant}: first round {milliseconds(first)}; later rounds {milliseconds(later)}; found {found} of "
              f"{len(played)} in {arguments.rounds} rounds")  # fmt: skip
        if variant == "base":
            many(catalogue, arguments.people, arguments.rounds)
    print(f"peak {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20:.2f} GB")


if __name__ == "__main__":
    main()

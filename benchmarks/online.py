"""What the online work of MAGUS costs beside the base recommender's inference (the paper's Fig. 6, inference).

    python benchmarks/online.py [--items 1090390] [--models fm gru din rgcn] [--people 20]

A catalogue of the size of Tmall's, as in `catalogue.py`; base recommenders of dim 64 with random weights (which take
the same time as trained ones) and a history of 30 items a person. "inference" is the scoring of the whole catalogue
for one person; for `rgcn` the embeddings of all nodes are made once beforehand, as after training. Online work is the
first guess and its list, and every later round; for MAGUS+ its weights, too, are made beforehand, once for all people.
`--retrieved` items of the best scores are the candidates of the last two columns, as in a system that retrieves first.
Wall times, median over the people.
"""

import argparse
import statistics
import time
from dataclasses import fields
from typing import Any

import torch
from _common import machine
from catalogue import shop
from torch import Tensor
from torch_geometric.data import HeteroData

import magus_pyg as mp
from magus_pyg.agents import EdgeFactors
from magus_pyg.graph import item_id_of, n_items, n_nodes, node_words
from magus_pyg.models import MODELS, BaseRecommender, FeatureSpace, Interactions, build_model
from magus_pyg.online.catalogue import Catalogue
from magus_pyg.ragged import Ragged
from magus_pyg.simulation import AnsweredList

USERS, HISTORY, DIM, RANK, ROUNDS, LENGTH = 2_000, 30, 64, 65, 5, 3


def base_model(name: str, graph: HeteroData) -> BaseRecommender:
    """A base recommender with random weights over the catalogue."""
    items = n_items(graph)
    words = node_words(graph).select(torch.arange(items))
    nobody = Ragged(torch.zeros(USERS + 1, dtype=torch.int64), torch.zeros(0, dtype=torch.int64))
    features = FeatureSpace(USERS, items, int(words.index.max()) + 1, 0, words, nobody)
    generator = torch.Generator().manual_seed(0)
    user = torch.arange(USERS).repeat_interleave(HISTORY)
    item = torch.randint(0, items, user.shape, generator=generator)
    rows = Interactions(user, item, torch.ones_like(user))
    known: dict[str, Any] = {"name": name, "dim": DIM}
    names = {field.name for field in fields(MODELS[name].options)}
    options = MODELS[name].options(**{key: value for key, value in known.items() if key in names})
    model = build_model(options, features, graph if MODELS[name].needs_graph else None, rows)
    model.observe(rows)
    return model.eval()


def infer(model: BaseRecommender, person: int) -> tuple[float, Tensor]:
    """Seconds of scoring the whole catalogue for one person, and the scores [I]."""
    everything = torch.arange(model.features.n_items)
    begin = time.perf_counter()
    scores = model.score(torch.tensor([person]), everything)[0]
    return time.perf_counter() - begin, scores


def rounds_of(catalogue: Catalogue, scores: Tensor, person: int) -> tuple[float, list[float]]:
    """Seconds of the first list, and of each later round (an answer and the next list)."""
    begin = time.perf_counter()
    play = catalogue.play(catalogue.start(scores), LENGTH, ROUNDS, min_items=0)
    shown = play.recommend().tolist()
    first = time.perf_counter() - begin
    later = []
    for number in range(ROUNDS - 1):
        queries = [node for node in shown if node >= catalogue.index.n_items]
        clicked = queries[0] if queries and (person + number) % 2 else None
        begin = time.perf_counter()
        play.update(AnsweredList(tuple(shown), clicked))
        shown = play.recommend().tolist()
        later.append(time.perf_counter() - begin)
    return first, later


def retrieved_rounds(catalogue: Catalogue, scores: Tensor, size: int) -> tuple[float, list[float]]:
    """As `rounds_of`, over the items of the best scores alone."""
    best = torch.topk(scores, size).indices.tolist()
    named = {item_id_of(catalogue.graph, node): float(scores[node]) for node in best}
    begin = time.perf_counter()
    session = catalogue.session(named, candidates=list(named), list_length=LENGTH, rounds=ROUNDS, min_items=0)
    session.recommend()
    first = time.perf_counter() - begin
    later = []
    for _ in range(ROUNDS - 1):
        begin = time.perf_counter()
        session.feedback(clicked=None)
        session.recommend()
        later.append(time.perf_counter() - begin)
    return first, later


def ms(values: list[float]) -> str:
    return f"{1e3 * statistics.median(values):,.2f}"


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--items", type=int, default=1_090_390)
    parser.add_argument("--models", nargs="+", default=["fm", "gru", "din", "rgcn"], choices=list(MODELS))
    parser.add_argument("--people", type=int, default=20)
    parser.add_argument("--retrieved", type=int, default=1_000)
    arguments = parser.parse_args()
    graph = shop(arguments.items)
    print(f"{machine()}, {torch.get_num_threads()} thread(s); {n_items(graph):,} items, {n_nodes(graph):,} nodes")
    scores: list[Tensor] = []
    for name in arguments.models:
        model = base_model(name, graph)
        infer(model, 0)  # what all people share is made
        inferred = [infer(model, person) for person in range(arguments.people)]
        scores = [vector for _, vector in inferred]
        print(f"{name}: inference {ms([taken for taken, _ in inferred])} ms", flush=True)
    for variant in ("none", "base", "plus", "bayes"):
        state: EdgeFactors | mp.BayesState | None = None
        if variant == "plus":
            side = torch.rand((n_nodes(graph), RANK), generator=torch.Generator().manual_seed(0))
            state = EdgeFactors(side, side, 0.5, 0.5)
        catalogue = Catalogue(graph, variant, state)
        rounds_of(catalogue, scores[0], 0)  # what all people share is made
        retrieved_rounds(catalogue, scores[0], arguments.retrieved)
        whole = [rounds_of(catalogue, vector, person) for person, vector in enumerate(scores)]
        some = [retrieved_rounds(catalogue, vector, arguments.retrieved) for vector in scores]
        cells = [
            ms([first for first, _ in played]) + ", " + ms([value for _, later in played for value in later])
            for played in (whole, some)
        ]
        print(f"{variant}: whole catalogue, first and later rounds {cells[0]} ms; "
              f"{arguments.retrieved:,} retrieved {cells[1]} ms", flush=True)  # fmt: skip


if __name__ == "__main__":
    main()

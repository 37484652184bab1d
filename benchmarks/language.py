"""How long queries in words take, and what is read of sentences, as typed, with typing errors, at 100,000 words.

A catalogue of the given numbers of items and words is drawn; no data set is needed. `--graph FILE` measures a saved
graph beside it: all of its queries, the share that the rule shortens, and whether every text selects the same items.
"""

import argparse
import json
import random
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
from _common import machine
from torch_geometric.data import HeteroData

from magus_pyg.graph import build_relational_graph, load_graph, n_items, n_nodes
from magus_pyg.language import Phraser, Reader
from magus_pyg.language.word_items import WordItems

_SYLLABLES = (
    "ba",
    "co",
    "di",
    "fe",
    "gu",
    "ka",
    "lo",
    "mi",
    "nu",
    "po",
    "ra",
    "se",
    "ti",
    "vo",
    "zu",
    "len",
    "mar",
    "tos",
)


def drawn_graph(items: int, words: int, seed: int) -> HeteroData:
    """A catalogue with brands, kinds and colours of distinct invented names, each kind in one department."""
    draw = np.random.default_rng(seed)
    names = [
        "".join(_SYLLABLES[(number // len(_SYLLABLES) ** place) % len(_SYLLABLES)] for place in range(5))
        for number in range(7, 7 + words)
    ]
    brands, kinds = names[: words // 2], names[words // 2 : words - 1000]
    colours, departments = names[words - 1000 : words - 500], names[words - 500 :]
    kind = draw.integers(len(kinds), size=items)
    table = pd.DataFrame(
        {
            "item_id": np.arange(items).astype(str),
            "brand": np.array(brands)[draw.integers(len(brands), size=items)],
            "colour": np.array(colours)[draw.integers(len(colours), size=items)],
            "department": np.array(departments)[kind % len(departments)],
            "kind": np.array(kinds)[kind],
        }
    )
    return build_relational_graph(table, ["brand", "colour", "department", "kind"], item_id="item_id", max_words=2)


def each(work: Callable[[], object], repeats: int = 5) -> float:
    """Seconds of the fastest of some repeats."""
    times = []
    for _ in range(repeats):
        began = time.perf_counter()
        work()
        times.append(time.perf_counter() - began)
    return min(times)


def measure_texts(graph: HeteroData, most: int, seed: int) -> dict[str, float]:
    """Queries that were never asked for before, in lists of six."""
    began = time.perf_counter()
    phraser = Phraser(graph)
    made = time.perf_counter() - began
    chosen = random.Random(seed).sample(
        range(n_items(graph), n_nodes(graph)), min(most, n_nodes(graph) - n_items(graph))
    )
    lists = [chosen[place : place + 6] for place in range(0, len(chosen), 6)]
    began = time.perf_counter()
    for listed in lists:
        phraser.phrase(listed)
    first = (time.perf_counter() - began) / len(chosen)
    again = each(lambda: [phraser.phrase(listed) for listed in lists[:200]]) / sum(map(len, lists[:200]))
    return {"made_s": made, "first_us": 1e6 * first, "again_us": 1e6 * again}


def measure_reading(graph: HeteroData, seed: int) -> dict[str, float]:
    """Sentences of three words, as they are and with a typing error in each."""
    began = time.perf_counter()
    reader = Reader(graph)
    made = time.perf_counter() - began
    draw, values = random.Random(seed), graph.vocabulary.words.values
    exact, typed = [], []
    for _ in range(50):
        words = [values[draw.randrange(len(values))] for _ in range(3)]
        exact.append(f"hello, I am looking for {words[0]} with {words[1]}, but not {words[2]}, please")
        wrong = [word[: (at := draw.randrange(1, len(word) - 1))] + word[at + 1 :] for word in words]
        typed.append(f"hello, I am looking for {wrong[0]} with {wrong[1]}, but not {wrong[2]}, please")
    found = {"reader_made_s": made}
    for name, texts in (("exact_ms", exact), ("typos_ms", typed)):
        found[name] = 1e3 * max(each(lambda text=text: reader.read(text), 3) for text in texts)  # type: ignore[misc]
    return found


def check_texts(graph: HeteroData) -> dict[str, float]:
    """All queries of a graph by the rule: the share that is shorter, and whether each selects the same items."""
    phraser, items = Phraser(graph), WordItems(graph)
    ids = phraser.word_ids(range(n_items(graph), n_nodes(graph)))
    kept = [phraser.rule.keywords(query) for query in ids]
    same = sum(items.select_the_same(some, query) for some, query in zip(kept, ids, strict=True))
    shorter = sum(len(some) < len(query) for some, query in zip(kept, ids, strict=True))
    return {"queries": len(ids), "shortened": shorter / len(ids), "same_items": same / len(ids)}


def main() -> None:
    """Measure and print, a line of JSON each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--items", type=int, default=200_000)
    parser.add_argument("--words", type=int, default=100_000)
    parser.add_argument("--queries", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--graph", type=Path, nargs="*", default=[], help="saved graphs to check all queries of")
    asked = parser.parse_args()
    print(machine())
    for path in asked.graph:
        print(json.dumps({"graph": path.name, **check_texts(load_graph(path))}))
    if asked.words:
        graph = drawn_graph(asked.items, asked.words, asked.seed)
        drawn = {"items": asked.items, "words": len(graph.vocabulary.words)}
        texts = measure_texts(graph, asked.queries, asked.seed)
        print(json.dumps({**drawn, **texts, **measure_reading(graph, asked.seed)}))


if __name__ == "__main__":
    main()

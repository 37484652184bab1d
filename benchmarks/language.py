"""How long queries in words take, and what is read of sentences, as typed, with typing errors, at 100,000 words.

    python benchmarks/language.py --graph FILE ... --out benchmarks/language.json    # measures
    python benchmarks/language.py --out benchmarks/language.json --write              # into docs/language.md

A catalogue of the given numbers of items and words is drawn; no data set is needed. `--graph FILE` measures a saved
graph beside it: all of its queries, the share that the rule shortens, and whether every text selects the same items.
What a model made of queries (`language_model.json`, of tests/language/test_openai_rewriter_endpoint.py) is written with
it.
"""

import argparse
import json
import random
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from _common import machine
from torch_geometric.data import HeteroData

from magus_pyg.graph import build_relational_graph, load_graph, n_items, n_nodes
from magus_pyg.language import Phraser, Reader
from magus_pyg.language.word_items import WordItems

PAGE = Path(__file__).resolve().parents[1] / "docs" / "language.md"
MARKS = ("<!-- speed -->", "<!-- end of speed -->")

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
    kind = _drawn(draw, len(kinds), items)
    table = pd.DataFrame(
        {
            "item_id": np.arange(items).astype(str),
            "brand": np.array(brands)[_drawn(draw, len(brands), items)],
            "colour": np.array(colours)[_drawn(draw, len(colours), items)],
            "department": np.array(departments)[kind % len(departments)],
            "kind": np.array(kinds)[kind],
        }
    )
    return build_relational_graph(table, ["brand", "colour", "department", "kind"], item_id="item_id", max_words=2)


def _drawn(draw: np.random.Generator, values: int, items: int) -> np.ndarray:
    """A value for each item; every value occurs, as long as the items suffice."""
    first = np.arange(min(values, items))
    return draw.permutation(np.concatenate([first, draw.integers(values, size=items - len(first))]))


def each(work: Callable[[], object], repeats: int = 5) -> float:
    """Processor seconds of the fastest of some repeats."""
    times = []
    for _ in range(repeats):
        began = time.process_time()
        work()
        times.append(time.process_time() - began)
    return min(times)


def measure_texts(graph: HeteroData, most: int, seed: int) -> dict[str, float]:
    """Queries that were never asked for before, in lists of six."""
    began = time.process_time()
    phraser = Phraser(graph)
    made = time.process_time() - began
    chosen = random.Random(seed).sample(
        range(n_items(graph), n_nodes(graph)), min(most, n_nodes(graph) - n_items(graph))
    )
    lists = [chosen[place : place + 6] for place in range(0, len(chosen), 6)]
    began = time.process_time()
    for listed in lists:
        phraser.phrase(listed)
    first = (time.process_time() - began) / len(chosen)
    again = each(lambda: [phraser.phrase(listed) for listed in lists[:200]]) / sum(map(len, lists[:200]))
    return {"made_s": made, "first_us": 1e6 * first, "again_us": 1e6 * again}


def measure_reading(graph: HeteroData, seed: int) -> dict[str, float]:
    """Sentences of three words, as they are and with a typing error in each."""
    began = time.process_time()
    reader = Reader(graph)
    made = time.process_time() - began
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


def section(found: Mapping[str, Any], model: Mapping[str, Any]) -> str:
    """What was measured, as Markdown."""
    drawn = found["drawn"]
    lines = [
        f"A catalogue of {drawn['items']:,} items and {drawn['words']:,} words ({found['machine']}, processor "
        "time, beside other work); queries in lists of six, and the slowest of 50 sentences of three words:",
        "",
        "| | |",
        "|---|---|",
        f"| a query put into words by the rule | {drawn['first_us']:.0f} µs, again {drawn['again_us']:.1f} µs |",
        f"| a typed sentence, as it is | {drawn['exact_ms']:.2f} ms |",
        f"| with a typing error in each word | {drawn['typos_ms']:.1f} ms |",
        f"| made once for a graph | {drawn['made_s']:.1f} s for the texts, {drawn['reader_made_s']:.1f} s to read |",
        "",
        "All queries by the rule:",
        "",
        "| data set | queries | shortened | select the same items |",
        "|---|---|---|---|",
    ]
    lines += [
        f"| {row['graph']} | {row['queries']:,} | {row['shortened']:.0%} | {row['same_items']:.0%} |"
        for row in found["graphs"]
    ]
    refused = sum(model["refused"].values())
    why = ", ".join(f"{what} {count}" for what, count in model["refused"].items())
    lines += [
        "",
        f"A small model ({model['model']}) on {model['queries']} queries of the synthetic shop: of its answers "
        f"{model['accepted']} were accepted, {refused} refused ({why}), {sum(model['failed'].values())} failed, in "
        f"{model['seconds']:,} s on one core beside other work; everybody else read the rule's text.",
    ]
    return "\n".join(lines)


def main() -> None:
    """Measure and print, a line of JSON each; or write what was measured."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, help="where what is measured is kept")
    parser.add_argument("--write", action="store_true", help="write what was kept into docs/language.md")
    parser.add_argument("--items", type=int, default=200_000)
    parser.add_argument("--words", type=int, default=100_000)
    parser.add_argument("--queries", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--graph", type=Path, nargs="*", default=[], help="saved graphs to check all queries of")
    asked = parser.parse_args()
    if asked.write:
        found = json.loads(asked.out.read_text(encoding="utf-8"))
        model = json.loads((Path(__file__).parent / "language_model.json").read_text(encoding="utf-8"))
        before, rest = PAGE.read_text(encoding="utf-8").split(MARKS[0])
        PAGE.write_text(f"{before}{MARKS[0]}\n{section(found, model)}\n{MARKS[1]}{rest.split(MARKS[1])[1]}", "utf-8")
        return
    found = {"machine": machine(), "graphs": [], "drawn": {}}
    for path in asked.graph:
        found["graphs"].append({"graph": path.stem, **check_texts(load_graph(path))})
        print(json.dumps(found["graphs"][-1]))
    if asked.words:
        graph = drawn_graph(asked.items, asked.words, asked.seed)
        drawn = {"items": asked.items, "words": len(graph.vocabulary.words)}
        texts = measure_texts(graph, asked.queries, asked.seed)
        found["drawn"] = {**drawn, **texts, **measure_reading(graph, asked.seed)}
        print(json.dumps(found["drawn"]))
    if asked.out:
        asked.out.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

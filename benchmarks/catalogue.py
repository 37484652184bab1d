"""Sessions over a whole catalogue: time of a round for one person, and many people at once.

    python benchmarks/catalogue.py [--items 1090390] [--variants base plus bayes] [--people 1000] [--sessions 40]
    python benchmarks/catalogue.py --variants none --keep    # into catalogue.json, part by part
    python benchmarks/catalogue.py --write                   # what that holds, into RESULTS.md and docs/scale.md

The catalogue has a category, a seller and a brand an item, with skewed sizes like Tmall's. Each person has base scores
of their own and an item in mind, and answers truthfully. A round is its list and its answer; the first guess counts to
the first round. Beside it: one pass over R+ (the sums of Eq. 4), reading the learned factors once, and with variant
"base" what catalogue and guesses hold, many people on one guess, and sessions over retrieval lists. Times are processor
time of one thread, on a GPU wall time; memory is that of the process (Linux).
"""

import argparse
import json
import multiprocessing
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from _common import (
    RESULTS,
    add_device,
    device,
    held_mb,
    machine,
    moved,
    peak_resident_mb,
    put_between,
    row,
    seconds,
    use_device,
)
from torch_geometric.data import HeteroData

import magus_pyg as mp
from magus_pyg.agents import EdgeFactors
from magus_pyg.graph import IMPROVES, n_nodes
from magus_pyg.online.catalogue import Catalogue
from magus_pyg.online.catalogue.first_guess import query_sums, unit_scores
from magus_pyg.simulation import AnsweredList

KEPT = Path(__file__).with_name("catalogue.json")
PAGE = Path(__file__).resolve().parents[1] / "docs" / "scale.md"
PART = "catalogue: written by benchmarks/catalogue.py"
RECKONED = "reckoned: written by benchmarks/catalogue.py"
VARIANTS = ("none", "base", "plus", "bayes")
LISTS = (100, 1_000, 10_000)
GUESSES = 10


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
    begin = seconds()
    play = catalogue.play(catalogue.start(scores), 3, rounds, min_items=0)
    for _ in range(rounds):
        shown = play.recommend().tolist()
        clicked = target if target in shown else next((node for node in shown if node in wanted), None)
        play.update(AnsweredList(tuple(shown), clicked))
        times.append(seconds() - begin)
        if clicked == target:
            return times, True
        begin = seconds()
    return times, False


def milliseconds(values: list[float]) -> list[float]:
    """p50 and p99."""
    return [float(1e3 * np.quantile(values, share)) for share in (0.5, 0.99)]


def least(step: Any) -> float:
    """Milliseconds of the shortest of five runs."""
    taken = []
    for _ in range(5):
        begin = seconds()
        step()
        taken.append(1e3 * (seconds() - begin))
    return min(taken)


def many(catalogue: Catalogue, people: int, rounds: int) -> float:
    """Rounds a second of people at once who share their base scores, as those without a history do."""
    start = catalogue.start(scores_of(catalogue.index.n_items, 0))
    plays = [catalogue.play(start, 3, rounds, min_items=0) for _ in range(people)]
    random = np.random.default_rng(0)
    begin = seconds()
    for _ in range(rounds):
        for play in plays:
            shown = play.recommend().tolist()
            queries = [node for node in shown if node >= catalogue.index.n_items]
            play.update(
                AnsweredList(tuple(shown), int(random.choice(queries)) if queries and random.random() < 0.5 else None)
            )
    return people * rounds / (seconds() - begin)


def listed(catalogue: Catalogue, length: int, sessions: int, rounds: int) -> dict[str, float]:
    """Milliseconds of first and of later rounds over a retrieval list; nothing is clicked. Medians."""
    ids = catalogue.index.graph.vocabulary.item_ids
    first: list[float] = []
    later: list[float] = []
    for seed in range(sessions):
        scores = scores_of(catalogue.index.n_items, seed)
        candidates = [ids[item] for item in scores.topk(length).indices.tolist()]
        for number in range(rounds):
            begin = seconds()
            if not number:
                session = catalogue.session(scores, rounds=rounds, candidates=candidates)
            session.recommend()
            session.feedback(None)
            (later if number else first).append(1e3 * (seconds() - begin))
    return {"first": float(np.median(first)), "later": float(np.median(later))}


def of_variant(graph: HeteroData, variant: str, arguments: argparse.Namespace) -> dict[str, Any]:
    """Figures of sessions of a variant."""
    state: EdgeFactors | mp.BayesState | None = None
    if variant == "plus":
        side = moved(torch.rand((n_nodes(graph), arguments.rank)))
        state = EdgeFactors(side, side, 0.5, 0.5)
    if variant == "bayes":
        state = mp.BayesState(temperature=1.0)
    found: dict[str, Any] = {}
    before = held_mb()
    catalogue = Catalogue(graph, variant, state)
    rounds_of(catalogue, 0, 2)  # what all share is made
    if variant == "base":
        guess = catalogue.start(scores_of(arguments.items, 0))
        found["with a guess MB"] = held_mb() - before
        before = held_mb()
        guesses = [catalogue.start(scores_of(arguments.items, 1 + number)) for number in range(GUESSES)]
        found["a guess MB"] = (held_mb() - before) / GUESSES
        del guess, guesses
        base = unit_scores(moved(scores_of(arguments.items, 0)).double(), None)
        found["pass ms"] = least(lambda: query_sums(catalogue.index, base))
    if catalogue.weights is not None:
        weights = catalogue.weights.negative
        found["factors ms"], found["factors MB"] = least(weights.sum), weights.nbytes / 2**20
    played = [rounds_of(catalogue, 1 + number, arguments.rounds) for number in range(arguments.sessions)]
    found["first"] = milliseconds([times[0] for times, _ in played])
    found["later"] = milliseconds([value for times, _ in played for value in times[1:]])
    found |= {"sessions": len(played), "found": sum(success for _, success in played)}
    if variant == "base":
        found["people"], found["rounds/s"] = arguments.people, many(catalogue, arguments.people, arguments.rounds)
        lists = [length for length in LISTS if length <= arguments.items]
        found["lists"] = {length: listed(catalogue, length, 10, arguments.rounds) for length in lists}
    return {**found, "peak GB": peak_resident_mb() / 1024}


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--items", type=int, default=1_090_390)
    parser.add_argument("--variants", nargs="+", default=VARIANTS, choices=VARIANTS)
    parser.add_argument("--people", type=int, default=1000)
    parser.add_argument("--sessions", type=int, default=40)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--rank", type=int, default=65)
    parser.add_argument("--keep", action="store_true", help="put what is measured into catalogue.json")
    parser.add_argument("--write", action="store_true", help="only put what catalogue.json holds into the pages")
    add_device(parser)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    use_device(arguments.device)
    if arguments.write:
        write(json.loads(KEPT.read_text()))
        return
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "graph.safetensors"
        with multiprocessing.get_context("spawn").Pool(1) as process:  # so that none of its memory is used again
            sizes, cost = process.apply(build, (arguments.items, path))
        print(f"{machine()}: {json.dumps({**sizes, **cost})}", flush=True)
        play(moved(mp.load_graph(path)), sizes, cost, arguments)


def build(items: int, path: Path) -> tuple[dict[str, int], dict[str, float]]:
    """Save a graph of so many items; its sizes, and what building it took."""
    begin = seconds()
    graph = shop(items)
    cost = {"build seconds": seconds() - begin, "build peak GB": peak_resident_mb() / 1024}
    mp.save_graph(graph, path)
    sizes = {"items": items, "nodes": n_nodes(graph), "edges": graph[IMPROVES].edge_index.shape[1]}
    return sizes, {**cost, "file MB": path.stat().st_size / 2**20}


def play(graph: HeteroData, sizes: dict[str, int], cost: dict[str, float], arguments: argparse.Namespace) -> None:
    """Print the figures of the variants, and keep them."""
    kept = json.loads(KEPT.read_text()) if KEPT.exists() else {}
    if any(kept.get(key) != value for key, value in sizes.items()):
        kept = {"variants": {}}
    kept |= {**sizes, **cost, "machine": machine(), "rank": arguments.rank}
    for variant in arguments.variants:
        kept["variants"][variant] = of_variant(graph, variant, arguments)
        print(f"{variant}: {json.dumps(kept['variants'][variant])}", flush=True)
        if arguments.keep:
            if device().type != "cpu":
                raise SystemExit("--keep: the pages hold figures of the CPU")
            KEPT.write_text(json.dumps(kept, indent=1) + "\n")


def write(kept: dict[str, Any]) -> None:
    """The tables of RESULTS.md and docs/scale.md."""
    variants, base = kept["variants"], kept["variants"]["base"]
    sizes = f"{kept['items']:,} items of a category, a seller and a brand with skewed sizes"
    graph = f"{kept['nodes']:,} nodes, {kept['edges']:,} R+ edges"
    made = f"built in {kept['build seconds']:.1f} s with {kept['build peak GB']:.1f} GB at the most"
    measured = f"{kept['machine']}, one thread; times are processor time."
    later = variants["bayes"]["later"][0] if "bayes" in variants else 0.0
    of_bayes = f", a later round of `bayes` {later / base['pass ms']:.1f} of that" if later else ""
    ahead = [
        f"{sizes}: {graph}, {made}. {measured} People have scores of their own and are truthful; {base['sessions']} "
        "sessions, 5 rounds, lists of 3.",
        f"One pass over R+ (the sums of Eq. 4) takes {base['pass ms']:.1f} ms{of_bayes}.",
    ]
    lines = [*ahead, "", row("variant", "first round (with the guess) p50, p99", "later rounds p50, p99", "peak GB")]
    lines.append(row(*["---"] * 4))
    for name, one in sorted(variants.items(), key=lambda entry: VARIANTS.index(entry[0])):
        times = (", ".join(_ms(value) for value in one[part]) for part in ("first", "later"))
        lines.append(row(name, *times, f"{one['peak GB']:.1f}"))
    if "plus" in variants:
        learned = variants["plus"]
        lines += ["", f"Reading the learned factors of `plus` (rank {kept['rank']}) once takes "
                  f"{learned['factors ms']:.0f} ms."]  # fmt: skip
    lines += ["", f"{base['people']:,} people at once on one guess of `base`: {base['rounds/s']:,.0f} rounds a second."]
    put_between(RESULTS, PART, lines)
    put_between(PAGE, PART, _of_page(kept, f"{sizes}: {graph}. {measured}"))
    put_between(PAGE, RECKONED, [_reckoned(kept)])


def _ms(value: float) -> str:
    return f"{value:.1f} ms" if value >= 1.0 else f"{value:.2f} ms"


def _reckoned(kept: dict[str, Any]) -> str:
    """What 100 million items would take if memory grew with the items."""
    base = kept["variants"]["base"]
    sizes = {"graph": kept["file MB"], "engine": base["with a guess MB"], "guess": base["a guess MB"]}
    gigabytes = {name: 1e8 / kept["items"] * size * 2**20 / 1e9 for name, size in sizes.items()}
    return (
        f"By the figures above the graph would take about {gigabytes['graph']:,.0f} GB, the engine about "
        f"{gigabytes['engine']:,.0f} GB with one guess, and each further guess {gigabytes['guess']:.1f} GB."
    )


def _of_page(kept: dict[str, Any], ahead: str) -> list[str]:
    base, items = kept["variants"]["base"], kept["items"]

    def each(megabytes: float) -> str:
        return f"{megabytes * 2**20 / items:,.0f} B"

    build = f"{kept['build seconds']:.1f} s, {kept['build peak GB']:.1f} GB at the most"
    an_item = f"{kept['build seconds'] / items * 1e6:.1f} µs, {each(1024 * kept['build peak GB'])}"
    first, later = base["first"], base["later"]
    lines = [
        ahead, "", row("what", "measured", "an item"), row(*["---"] * 3),
        row("building the graph", build, an_item),
        row("its file, mapped into memory and shared by all processes of a machine", f"{kept['file MB']:,.0f} MB",
            each(kept["file MB"])),
        row('`mp.Catalogue` with variant "base" and one first guess, beyond the graph',
            f"{base['with a guess MB']:,.0f} MB", each(base["with a guess MB"])),
        row("a further first guess (people with scores of their own)", f"{base['a guess MB']:,.0f} MB",
            each(base["a guess MB"])),
        row('a first round of "base", with its guess; a later round', f"{_ms(first[0])}; {_ms(later[0])}", ""),
        row(f"rounds a second for {base['people']:,} people on one guess", f"{base['rounds/s']:,.0f}", ""),
    ]  # fmt: skip
    if "plus" in kept["variants"]:
        factors = 2 * kept["variants"]["plus"]["factors MB"]
        held = f'the learned factors of "plus", both sides, rank {kept["rank"]}, float32'
        lines.append(row(held, f"{factors:,.0f} MB", each(factors)))
    lists = base["lists"]
    counts = ", ".join(f"{int(length):,}" for length in lists)
    times = ("first", "later")
    took = "; ".join(f"{', '.join(_ms(one[part]) for one in lists.values())}" for part in times)
    lines.append(row(f"a retrieval list of {counts} candidates: first round; later rounds", took, ""))
    return lines


if __name__ == "__main__":
    main()

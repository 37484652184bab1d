"""How fast `magus=bayes` plays, how that grows, and what it reaches (bayes_optimal.py: beside the optimal policy).

Speed: random sessions on ml-100k (MAGUS_DATA, or the data folder beside the repository) or the synthetic set, with
random scores lifted on the targets; CPU seconds, without the making of session graphs. Figures go to bayes.json.

    python benchmarks/bayes.py speed [--before FOLDER]   sessions a CPU second, in turn with another release (its src)
    python benchmarks/bayes.py lists --before FOLDER     lists with the knobs off, beside those of another release
    python benchmarks/bayes.py dense                     near-linear beside dense planning: lists and CPU seconds
    python benchmarks/bayes.py growth                    over candidates and query nodes (printed, not kept)
    python benchmarks/bayes.py fit [--sets NAME ...]     seconds of the fit beside those of training fm, in one run
    python benchmarks/bayes.py quality                   success with a trained FM (minutes)
    python benchmarks/bayes.py write                     docs/bayes.md

--device auto plays on a GPU where there is one: wall seconds then.
"""

import argparse
import json
import math
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from _bayes_page import exponent, write_page
from _common import accelerator, add_device, device, machine, moved, seconds, use_device

import magus_pyg as mp
from magus_pyg.agents.bayes import BayesAgent, BayesState, distinct_queries, fit_temperature
from magus_pyg.data import RecDataset, SessionOptions, build_sessions
from magus_pyg.graph import build_word_table
from magus_pyg.simulation import Agent, PreparedSessions
from simulation import _dataset

RESULTS = Path(__file__).with_name("bayes.json")
SIZES = (30, 64, 100, 300, 1000)
KNOBS: dict[str, Any] = {"targets": 2.0, "click_weight": 0.25, "discount": 0.8, "forgetting": 0.2}
STATES = {
    "certain": BayesState(temperature=0.1),
    "others = 1": BayesState(temperature=0.1, others=1.0),
    "e = 0.05": BayesState(temperature=0.1, error_rate=0.05),
    "both": BayesState(temperature=0.1, error_rate=0.05, others=1.0),
}
SPEED = {"certain": BayesState(temperature=0.1), "off": BayesState(temperature=0.1, error_rate=0.05, others=0.5)}
if "discount" in {entry.name for entry in fields(BayesState)}:  # not where releases before the knobs are measured
    STATES["all knobs"] = replace(STATES["both"], **KNOBS)
    SPEED["on"] = replace(SPEED["off"], **KNOBS)
SPEED_SIZES = {30: 512, 300: 128, 1000: 64}
"""Candidates -> sessions."""
OFF = ((0.0, 0.0, 0.1), (0.05, 0.0, 0.1), (0.0, 0.7, 0.2), (0.05, 0.5, 0.1), (0.2, 1.0, 0.4))
"""Error rate, others and temperature of the lists that are compared."""
LIST_SIZES = {30: 512, 100: 128, 300: 64, 1000: 24}
DENSE_SIZES = {30: 512, 64: 256, 100: 160, 300: 64}
"""Candidates -> sessions, played twice."""
QUALITY = {30: (3, 5), 300: (10,), 1000: (10,)}
"""Candidates -> rounds, each in a run of its own."""
PARTS = ("speed", "lists", "dense", "growth", "fit", "quality", "write", "case")


def main() -> None:
    """Run the chosen part."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=PARTS)
    parser.add_argument("name", nargs="?", help="of a case that another process asks for")
    parser.add_argument("--sessions", type=int, default=512, help="at 30 candidates; fewer where there are more")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--before", type=Path, help="source folder of another release")
    parser.add_argument("--called", default="before", help="how that release is called")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--sets", nargs="+", default=["ml-100k", "synthetic", "amazon-hin", "amazon-beauty"])
    add_device(parser)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    use_device(arguments.device)
    if arguments.what == "case":
        print(json.dumps(lists_played() if arguments.name == "lists" else speed_of(int(arguments.name))))
        return
    if arguments.what == "write":
        write_page(json.loads(RESULTS.read_text()))
        return
    print(machine())
    if arguments.what == "speed":
        keep("speed", speed(arguments.before, arguments.called, arguments.repeats))
    elif arguments.what == "lists":
        keep("lists", compare_lists(arguments.before, arguments.called))
    elif arguments.what == "fit":
        keep("fit", fit_seconds(arguments.sets))
    elif arguments.what == "dense":
        keep("dense", linear_against_dense(_dataset()))
    elif arguments.what == "quality":
        keep("quality", quality())
    else:
        data = _dataset()
        growth(data, arguments.sessions)
        nodes(data, arguments.sessions)


def keep(part: str, found: Any) -> None:
    """Put the figures of a part into bayes.json, with what they were measured on."""
    kept = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    kept[part] = {"machine": machine(), "found": found}
    RESULTS.write_text(json.dumps(kept, indent=1) + "\n")


def in_process(name: str, source: Path | None) -> Any:
    """A case in a process of its own, played by the package in a source folder (None: this one)."""
    environment = dict(os.environ)
    if source is not None:
        environment["PYTHONPATH"] = str(source)
    done = subprocess.run(
        [sys.executable, __file__, "case", name, "--device", str(device())],
        env=environment,
        check=True,
        capture_output=True,
        text=True,
    )
    return json.loads(done.stdout)


# ---------------------------------------------------------------- speed


def _prepared(
    data: RecDataset, n_sessions: int, size: int, max_words: int = 3
) -> tuple[PreparedSessions, torch.Tensor]:
    graph = mp.build_relational_graph(
        data.items, data.word_fields, max_share=data.max_share, max_words=max_words, merge_fields=data.merge_fields
    )
    generator = torch.Generator().manual_seed(0)
    candidates = torch.rand((n_sessions, data.n_items), generator=generator).topk(size, dim=1).indices
    targets = torch.zeros((n_sessions, size), dtype=torch.bool)
    targets[:, :2] = True
    scores = torch.rand((n_sessions, data.n_items), generator=generator)
    scores.scatter_add_(1, candidates, 0.3 * targets)
    sessions, scores = mp.Sessions(*map(moved, (torch.arange(n_sessions), candidates, targets))), moved(scores)
    return mp.prepare_sessions(moved(graph), sessions, scores, batch_size=256), scores


def _play(agent: BayesAgent, prepared: PreparedSessions, rounds: int) -> tuple[float, float]:
    """CPU seconds, and SA at the last round."""
    start = seconds()
    log = mp.simulate(agent, prepared, rounds=rounds)
    taken = seconds() - start
    return taken, float(log.groupby("session")["target_clicked"].max().mean())


def _rounds(size: int) -> int:
    return 5 if size < 1000 else 10


def speed_of(size: int) -> dict[str, float]:
    """CPU seconds a session of every state at a number of candidates, 5 rounds, N = 3; the best of three."""
    prepared, scores = _prepared(_dataset(), SPEED_SIZES[size], size)
    found = {}
    for name, state in SPEED.items():
        agent = BayesAgent(prepared.graph, scores, state)
        _play(agent, prepared, 2)  # warm up
        found[name] = min(_play(agent, prepared, 5)[0] for _ in range(3)) / SPEED_SIZES[size]
    return found


def speed(before: Path | None, called: str, repeats: int) -> list[dict[str, Any]]:
    """Sessions a CPU second of every state, a row a number of candidates; releases in turn, the best of the repeats."""
    rows = []
    for size in SPEED_SIZES:
        best: dict[str, float] = {}
        for _ in range(repeats):
            for source in (before, None) if before else (None,):
                for name, each in in_process(str(size), source).items():
                    key = name if source is None else f"{name}, {called}"
                    best[key] = min(best.get(key, math.inf), each)
        rows.append({"candidates": size, **{name: round(1.0 / each) for name, each in best.items()}})
        print(rows[-1], flush=True)
    return rows


def lists_played() -> list[list[list[int]]]:
    """The lists of 40 plays with the knobs off: settings of e, others and temperature, truthful and noisy users."""
    from magus_pyg.simulation.users import NoisyUser

    data = _dataset()
    played = []
    for size, count in LIST_SIZES.items():
        prepared, scores = _prepared(data, count, size)
        for e, others, temperature in OFF:
            state = BayesState(temperature=temperature, error_rate=e, others=others)
            for user in (mp.TruthfulUser(), NoisyUser(0.1)):
                log = mp.simulate(BayesAgent(prepared.graph, scores, state), prepared, user, rounds=5)
                played.append([[int(node) for node in shown] for shown in log["shown"]])
    return played


def compare_lists(before: Path, called: str) -> dict[str, Any]:
    """How many lists differ from those of another release."""
    theirs, ours = in_process("lists", before), in_process("lists", None)
    differ = sum(
        sum(a != b for a, b in zip(first, second, strict=False)) + abs(len(first) - len(second))
        for first, second in zip(theirs, ours, strict=True)
    )
    found = {"release": called, "plays": len(ours), "lists": sum(map(len, theirs)), "differ": differ}
    print(found)
    return found


def growth(data: RecDataset, n_sessions: int) -> None:
    """Sessions a CPU second over the number of candidates, and the exponent of the growth of a round."""
    print(f"\n{data.name}: sessions a CPU second, N = 3")
    rows = []
    for size in SIZES:
        count = max(64, n_sessions * 30 // size)
        prepared, scores = _prepared(data, count, size)
        choices = [distinct_queries(batch.graphs) for batch in prepared.batches]
        pairs = sum(choice.query.numel() for choice in choices) / count
        row: dict[str, float] = {"candidates": size, "rounds": _rounds(size), "pairs": round(pairs)}
        for name, state in STATES.items():
            agent = BayesAgent(prepared.graph, scores, state)
            _play(agent, prepared, 1)  # warm up
            seconds, _ = _play(agent, prepared, _rounds(size))
            row[name] = round(count / seconds, 1)
        rows.append(row)
    table = pd.DataFrame(rows)
    print(table.to_string(index=False))
    for name in STATES:
        cost = 1.0 / (table[name] * table["rounds"])
        print(
            f"{name}: the cost of a session's round grows as candidates ** {exponent(table['candidates'], cost):.2f}, "
            f"as pairs ** {exponent(table['pairs'], cost):.2f}"
        )


def nodes(data: RecDataset, n_sessions: int) -> None:
    """The same over the number of query nodes, at 100 candidates."""
    print("\n100 candidates, queries of up to so many words")
    rows = []
    count = max(64, n_sessions // 3)
    for max_words in (1, 2, 3, 4):
        prepared, scores = _prepared(data, count, 100, max_words)
        slots = sum(int(batch.graphs.valid.sum()) for batch in prepared.batches) / count
        row: dict[str, float] = {"max_words": max_words, "nodes": round(slots)}
        for name, state in STATES.items():
            seconds, _ = _play(BayesAgent(prepared.graph, scores, state), prepared, 5)
            row[name] = round(count / seconds, 1)
        rows.append(row)
    table = pd.DataFrame(rows)
    print(table.to_string(index=False))
    for name in STATES:
        print(f"{name}: cost grows as nodes ** {exponent(table['nodes'], 1.0 / table[name]):.2f}")


def linear_against_dense(data: RecDataset) -> list[dict[str, Any]]:
    """Lists in which near-linear and dense planning differ, and CPU seconds of each, a row a size and state."""
    rows = []
    for size, count in DENSE_SIZES.items():
        prepared, scores = _prepared(data, count, size)
        for name, state in STATES.items():
            logs, taken = [], []
            for exact in (False, True):
                start = seconds()
                logs.append(mp.simulate(BayesAgent(prepared.graph, scores, state, exact=exact, beam=1), prepared))
                taken.append(seconds() - start)
            ours, theirs = (list(log["shown"]) for log in logs)
            differ = sum(a != b for a, b in zip(ours, theirs, strict=False)) + abs(len(ours) - len(theirs))
            found = {"lists": len(theirs), "differ": differ, "near-linear": taken[0], "dense": taken[1]}
            rows.append({"candidates": size, "state": name, **found})
            print(rows[-1], flush=True)
    return rows


# ---------------------------------------------------------------- the fit


def fit_seconds(sets: Sequence[str]) -> list[dict[str, Any]]:
    """Wall seconds of training fm and of both fits, truthful users, one thread, a row a data set; kept rows stay."""
    kept = json.loads(RESULTS.read_text()).get("fit", {"found": []}) if RESULTS.exists() else {"found": []}
    rows = {row["set"]: row for row in kept["found"]}
    script = Path(__file__).resolve().parents[1] / "scripts" / "train.py"
    for name in sets:
        with tempfile.TemporaryDirectory() as folder:
            words = [
                f"dataset={name}",
                "model=fm",
                "magus=bayes",
                "agents=[bayes,bayes-balanced]",
                f"paths.runs={folder}",
                f"train.accelerator={accelerator()}",
            ]
            subprocess.run([sys.executable, script, *words], check=True, capture_output=True)
            seconds = json.loads(next(Path(folder).glob("*/run.json")).read_text())["seconds"]
        rows[name] = {"set": name, **{what: seconds[what] for what in ("training", "fit bayes", "fit bayes-balanced")}}
        print(rows[name], flush=True)
    return list(rows.values())


# ---------------------------------------------------------------- success


def quality() -> list[dict[str, Any]]:
    """SA@K on test sessions with an FM, a row a number of candidates and K; the temperature is that of validation."""
    from magus_pyg.models import FMOptions, build_model, feature_space
    from magus_pyg.training import TrainOptions, fit, training_data

    data = _dataset()
    words = build_word_table(data.items, data.word_fields, data.merge_fields, data.max_share)
    model = build_model(FMOptions(), feature_space(data, words.item_words, len(words.words)), seed=0)
    fit(model, training_data(data), TrainOptions(negatives=1, epochs=12), seed=0, progress=False)
    model.eval()
    graph = mp.build_relational_graph(
        data.items, data.word_fields, max_share=data.max_share, max_words=data.max_words, merge_fields=data.merge_fields
    )
    rows = []
    for size, horizons in QUALITY.items():
        options = SessionOptions(candidates=size)
        validation, test = (
            mp.prepare_sessions(graph, build_sessions(data, part, options, seed=0), model, batch_size=128)
            for part in ("validation", "test")
        )
        state = BayesState(temperature=fit_temperature(validation))
        agents: dict[str, Agent] = {
            "items": mp.ItemsAgent(graph, model),
            "magus": mp.MagusAgent(graph, model),
            "bayes, λ = 0": BayesAgent(graph, model, state),
            "bayes, λ = 0.5": BayesAgent(graph, model, replace(state, others=0.5)),
        }
        for rounds in horizons:
            row: dict[str, Any] = {"candidates": size, "sessions": len(test), "metric": f"SA@{rounds}"}
            for name, agent in agents.items():
                log = mp.simulate(agent, test, rounds=rounds)
                row[name] = float(mp.summarize(log, rounds=(rounds,)).iloc[0][row["metric"]])
            rows.append(row)
            print(row, flush=True)
    return rows


if __name__ == "__main__":
    main()

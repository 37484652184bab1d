"""How fast `magus=bayes` plays, how that grows, what it reaches, and how far it is from the optimal policy.

Speed and growth: random sessions on ml-100k (MAGUS_DATA, or the data folder beside the repository) or the synthetic
set, with random scores lifted on the targets; CPU seconds, without the making of session graphs.

    python benchmarks/bayes.py [--sessions 512] [--threads 1]          speed, growth, linear against dense planning
                                                                        (PYTHONPATH=OTHER/src: of another release)
    python benchmarks/bayes.py --optimal [--cases 1000] [--figures DIR] the agent beside the optimal policy
    python benchmarks/bayes.py --quality 300 1000                       success with a trained FM (minutes)
"""

import argparse
import math
import random
import time
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from _common import machine

import magus_pyg as mp
from magus_pyg.agents.bayes import BayesAgent, BayesState, distinct_queries, fit_temperature, optimal_success
from magus_pyg.data import RecDataset, SessionOptions, build_sessions
from magus_pyg.graph import build_word_table, item_queries
from magus_pyg.simulation import Agent, PreparedSessions
from simulation import _dataset

SIZES = (30, 64, 100, 300, 1000)
STATES = {
    "certain": BayesState(temperature=0.1),
    "others = 1": BayesState(temperature=0.1, others=1.0),
    "e = 0.05": BayesState(temperature=0.1, error_rate=0.05),
    "both": BayesState(temperature=0.1, error_rate=0.05, others=1.0),
}
if "discount" in {entry.name for entry in fields(BayesState)}:  # not where releases before the knobs are measured
    STATES["all knobs"] = replace(STATES["both"], targets=2.0, click_weight=0.25, discount=0.8, forgetting=0.2)
SHARPNESS = (0.0, 0.3, 1.0, 2.0, 3.0)


def main() -> None:
    """Run the chosen part."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sessions", type=int, default=512, help="at 30 candidates; fewer where there are more")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--optimal", action="store_true")
    parser.add_argument("--cases", type=int, default=1000, help="for each sharpness of the belief")
    parser.add_argument("--figures", type=Path, help="folder for the figure of --optimal")
    parser.add_argument("--quality", type=int, nargs="+", metavar="CANDIDATES")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    print(machine())
    if arguments.optimal:
        against_optimal(arguments.cases, arguments.figures)
    elif arguments.quality:
        quality(arguments.quality)
    else:
        data = _dataset()
        speed(data, arguments.sessions)
        nodes(data, arguments.sessions)
        linear_against_dense(data, arguments.sessions)


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
    sessions = mp.Sessions(torch.arange(n_sessions), candidates, targets)
    return mp.prepare_sessions(graph, sessions, scores, batch_size=256), scores


def _play(agent: BayesAgent, prepared: PreparedSessions, rounds: int) -> tuple[float, float]:
    """CPU seconds, and SA at the last round."""
    start = time.process_time()
    log = mp.simulate(agent, prepared, rounds=rounds)
    seconds = time.process_time() - start
    return seconds, float(log.groupby("session")["target_clicked"].max().mean())


def _rounds(size: int) -> int:
    return 5 if size < 1000 else 10


def speed(data: RecDataset, n_sessions: int) -> None:
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
            f"{name}: the cost of a session's round grows as candidates ** {_exponent(table['candidates'], cost):.2f}, "
            f"as pairs ** {_exponent(table['pairs'], cost):.2f}"
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
        print(f"{name}: cost grows as nodes ** {_exponent(table['nodes'], 1.0 / table[name]):.2f}")


def _exponent(size: "pd.Series[float]", cost: "pd.Series[float]") -> float:
    slope: float = np.polyfit(np.log(size), np.log(cost), 1)[0]
    return slope


def linear_against_dense(data: RecDataset, n_sessions: int) -> None:
    """What the near-linear planner loses against the dense one: nothing, since its values are the same."""
    print("\nlinear against dense planning: SA@5 of each, lists that differ, CPU seconds of each")
    for size in (30, 64, 100, 300):
        count = max(16, n_sessions * 10 // size)
        prepared, scores = _prepared(data, count, size)
        for name, state in STATES.items():
            logs, seconds = [], []
            for exact in (False, True):
                start = time.process_time()
                logs.append(mp.simulate(BayesAgent(prepared.graph, scores, state, exact=exact, beam=1), prepared))
                seconds.append(time.process_time() - start)
            success = [float(log.groupby("session")["target_clicked"].max().mean()) for log in logs]
            same = len(logs[0]) == len(logs[1])
            differ = sum(a != b for a, b in zip(logs[0]["shown"], logs[1]["shown"], strict=True)) if same else -1
            print(
                f"{size:4d} {name:10s} {success[0]:.4f} {success[1]:.4f}  {differ} of {len(logs[0])}  "
                f"{seconds[0]:.2f} {seconds[1]:.2f}"
            )


# ---------------------------------------------------------------- the optimal policy


def _tiny_catalogue(count: int, rng: random.Random) -> tuple[pd.DataFrame, list[range]]:
    """Cases of 4 to 8 items with 1 to 3 words each; no word is in two cases, so each is a graph of its own."""
    rows: list[list[str]] = []
    cases = []
    for case in range(count):
        size, n_fields = rng.randint(4, 8), rng.randint(1, 3)
        values = [rng.randint(2, 4) for _ in range(n_fields)]
        cases.append(range(len(rows), len(rows) + size))
        for _ in range(size):
            words = [f"{case}.{field}.{rng.randrange(values[field])}" for field in range(n_fields)]
            rows.append(words + [""] * (3 - n_fields))
    table = pd.DataFrame(rows, columns=["a", "b", "c"])
    table.insert(0, "item_id", [str(number) for number in range(len(rows))])
    return table, cases


def against_optimal(count: int, figures: Path | None) -> None:
    """Success of the optimal policy, of the agent and of `items`, every target weighed by its probability."""
    rng = random.Random(0)
    table, cases = _tiny_catalogue(count, rng)
    graph = mp.build_relational_graph(table, ["a", "b", "c"], item_id="item_id", max_words=2, materialize=False)
    settings = [(rng.choice([2, 3]), rng.choice([1, 2])) for _ in cases]
    queries = item_queries(graph).tolist()
    rows = []
    for sharpness in SHARPNESS:
        scores = torch.zeros((count, len(table)), dtype=torch.float64)
        belief, best = [], []
        for number, items in enumerate(cases):
            own = torch.tensor([sharpness * rng.gauss(0.0, 1.0) for _ in items], dtype=torch.float64)
            scores[number, list(items)] = own
            belief.append(torch.softmax(own, 0).tolist())
            held: dict[int, set[int]] = {}
            for place, item in enumerate(items):
                for query in queries[item]:
                    held.setdefault(query, set()).add(place)
            best.append(optimal_success(belief[-1], [frozenset(one) for one in held.values()], *settings[number]))
        optimal = np.array(best)
        row: dict[str, float] = {"sharpness": sharpness, "optimal": optimal.mean()}
        for name, agent in (
            ("bayes", BayesAgent(graph, scores)),
            ("bayes, beam 1", BayesAgent(graph, scores, beam=1)),
            ("items", mp.ItemsAgent(graph, scores)),
        ):
            reached = _reached(agent, cases, settings, belief)
            row[name] = reached.mean()
            row[f"{name}: within 3 %"] = (reached >= 0.97 * optimal).mean()
            row[f"{name}: worst"] = (reached / optimal).min()
        rows.append(row)
    result = pd.DataFrame(rows)
    print(f"\n{count} cases of 4-8 items, 2-3 rounds, lists of 1-2; standard deviation of the log-belief = sharpness")
    print(result.round(4).to_string(index=False))
    if figures is not None:
        _draw(result, figures)


def _reached(
    agent: Agent, cases: list[range], settings: list[tuple[int, int]], belief: list[list[float]]
) -> np.ndarray:
    """The agent's success in each case: played for every target."""
    reached = np.zeros(len(cases))
    for rounds, length in sorted(set(settings)):
        owner, candidates, targets, weight = [], [], [], []
        for number, items in enumerate(cases):
            if settings[number] != (rounds, length):
                continue
            for place in range(len(items)):
                owner.append(number)
                candidates.append([*items, *[-1] * (8 - len(items))])
                targets.append([place == other for other in range(8)])
                weight.append(belief[number][place])
        sessions = mp.Sessions(torch.tensor(owner), torch.tensor(candidates), torch.tensor(targets))
        log = mp.simulate(agent, sessions, rounds=rounds, list_length=length, batch_size=4096)
        hit = log.groupby("session")["target_clicked"].max().to_numpy(dtype=np.float64)
        np.add.at(reached, np.array(owner), np.array(weight) * hit)
    return reached


def _draw(result: pd.DataFrame, folder: Path) -> None:
    try:
        from matplotlib.figure import Figure
    except ImportError:
        print("no figure: matplotlib is not installed")
        return
    figure = Figure(figsize=(5, 3.5), layout="constrained")
    axes = figure.subplots()
    for name, style in (("optimal", "k-"), ("bayes", "o--"), ("items", "s:")):
        axes.plot(result["sharpness"], result[name], style, label=name)
    axes.set_xlabel("sharpness of the belief (standard deviation of its logarithm)")
    axes.set_ylabel("probability of success")
    axes.legend()
    folder.mkdir(parents=True, exist_ok=True)
    for kind in ("png", "svg"):
        figure.savefig(folder / f"bayes_optimal.{kind}", dpi=150)
    print(f"figure: {folder / 'bayes_optimal.png'}")


# ---------------------------------------------------------------- success


def quality(sizes: list[int]) -> None:
    """SA@10 on test sessions with an FM; the temperature fitted on validation sessions."""
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
    for size in sizes:
        options = SessionOptions(candidates=size)
        validation, test = (
            mp.prepare_sessions(graph, build_sessions(data, part, options, seed=0), model, batch_size=128)
            for part in ("validation", "test")
        )
        state = BayesState(temperature=fit_temperature(validation))
        for agent in (
            mp.ItemsAgent(graph, model),
            mp.MagusAgent(graph, model),
            BayesAgent(graph, model, state, name="bayes, one target"),
            BayesAgent(graph, model, replace(state, others=0.5)),
        ):
            row = mp.summarize(mp.simulate(agent, test, rounds=10), rounds=(10,)).iloc[0]
            margin = 1.96 * math.sqrt(row["SA@10"] * (1 - row["SA@10"]) / len(test))
            print(f"{size:5d} {agent.name:18s} SA@10 {row['SA@10']:.3f} ± {margin:.3f}  RA@10 {row['RA@10']:.3f}")


if __name__ == "__main__":
    main()

"""How far `magus=bayes` is from the optimal policy with noise, two targets, leaving users, and clicks that count.

    python benchmarks/bayes_optimal.py [--cases 1000] [--figures FOLDER] [--settings NAME ...]

Random cases of 4 or 5 items of one or two words, 2 or 3 rounds of lists of one, or 2 rounds of lists of two. The value
is expected success plus α / K times what clicks are worth; both policies are played through all answers, so there is no
chance in it. The agent knows the error rate and the chance to leave (γ = 1 - chance), not the optimal value.
"""

import argparse
import random
from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd
import torch

import magus_pyg as mp
from magus_pyg.agents.bayes import BayesAgent, BayesState
from magus_pyg.agents.bayes.optimal import TinyCase, optimal_value
from magus_pyg.graph import item_queries
from magus_pyg.simulation import Feedback, prepare_sessions
from magus_pyg.simulation.protocol import SessionView

ALPHA = 0.25
#: Setting -> (error of the user, chance to leave, targets, others of the agent's state).
SETTINGS = {
    "truthful": (0.0, 0.0, 1, 0.0),
    "noise 0.1": (0.1, 0.0, 1, 0.0),
    "noise 0.2": (0.2, 0.0, 1, 0.0),
    "two targets": (0.0, 0.0, 2, 1.0),
    "leaving 0.2": (0.0, 0.2, 1, 0.0),
    "all": (0.1, 0.2, 2, 1.0),
}


def main() -> None:
    """Print the table of all settings, and draw it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, default=1000)
    parser.add_argument("--figures", type=Path)
    parser.add_argument("--settings", nargs="+", default=list(SETTINGS))
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    rows = []
    for name in arguments.settings:
        for objective, alpha in (("success", 0.0), ("balanced", ALPHA)):
            ratio = ratios(arguments.cases, *SETTINGS[name], alpha)
            rows.append(
                {"setting": name, "objective": objective, "mean": ratio.mean(), "within 3 %": (ratio >= 0.97).mean(),
                 "worst": ratio.min()}
            )  # fmt: skip
            print(
                {key: value if isinstance(value, str) else round(float(value), 4) for key, value in rows[-1].items()},
                flush=True,
            )
    table = pd.DataFrame(rows)
    print(table.round(4).to_string(index=False))
    if arguments.figures is not None:
        draw(table, arguments.figures, arguments.cases)


def ratios(count: int, error: float, leaves: float, n_targets: int, others: float, alpha: float) -> np.ndarray:
    """The agent's value as a share of the optimal one, for every case."""
    rng = random.Random(0)
    found = []
    for _ in range(count):
        size, n_fields = rng.choice([4, 5]), rng.choice([1, 2])
        rounds, length = rng.choice([(2, 1), (3, 1), (2, 2)])
        fields = ["a", "b"][:n_fields]
        table = pd.DataFrame([[rng.choice("xyz") for _ in fields] for _ in range(size)], columns=fields, dtype=object)
        table.insert(0, "item_id", [str(number) for number in range(size)])
        graph = mp.build_relational_graph(
            table, fields, item_id="item_id", max_words=2, max_share=1.0, materialize=False
        )
        scores = rng.choice([0.0, 0.3, 1.0, 2.0]) * torch.tensor([[rng.gauss(0.0, 1.0) for _ in range(size)]]).double()
        state = BayesState(
            error_rate=error, others=others, targets=float(n_targets), discount=1.0 - leaves, click_weight=alpha
        )
        belief = torch.softmax(scores[0], 0).tolist()
        sets = [frozenset(one) for one in combinations(range(size), n_targets)]
        weight = np.array([np.prod([belief[item] for item in one]) for one in sets])
        held: dict[int, set[int]] = {}
        for item, parts in enumerate(item_queries(graph).tolist()):
            for query in parts:
                held.setdefault(query, set()).add(item)
        queries = [frozenset(held[query]) for query in sorted(held)]
        wanted = list(zip(weight / weight.sum(), sets, strict=True))
        case = TinyCase(wanted, size, queries, length, error, leaves, alpha / rounds)
        nodes = [*range(size), *sorted(held)]
        agent = BayesAgent(graph, scores, state)
        found.append(reached(agent, scores, case, nodes, rounds) / optimal_value(case, rounds))
    return np.array(found)


def reached(agent: BayesAgent, scores: torch.Tensor, case: TinyCase, nodes: list[int], rounds: int) -> float:
    """The expected value of the agent's lists, through every sequence of answers."""
    number = {node: place for place, node in enumerate(nodes)}
    candidates = torch.arange(case.n_items).unsqueeze(0)
    sessions = mp.Sessions(
        torch.zeros(1, dtype=torch.int64), candidates, torch.zeros_like(candidates, dtype=torch.bool)
    )
    batch = prepare_sessions(agent.graph, sessions, scores).batches[0]
    user = torch.zeros(1, dtype=torch.int64)
    builder = prepare_sessions(agent.graph, sessions, scores).builder

    def value(history: tuple[tuple[torch.Tensor, int], ...], weight: np.ndarray) -> float:
        if weight.sum() < 1e-15:
            return 0.0
        view = SessionView(agent.graph, builder, batch.graphs, user, batch.scores, None, rounds, case.length, user)
        play = agent.start(view)
        for shown, clicked in history:
            none = torch.zeros_like(shown, dtype=torch.bool)
            play.recommend()
            play.update(Feedback(shown, torch.tensor([clicked]), none, torch.ones(1, dtype=torch.bool)))
        slots = play.recommend()
        listed = [number[int(batch.graphs.node[0, slot])] for slot in slots[0].tolist() if slot >= 0]
        gain, goes_on = case.answered(listed)
        total = float(gain @ weight)
        if len(history) + 1 == rounds:
            return total
        return total + case.stays * sum(value((*history, (slots, place)), weight * chance) for place, chance in goes_on)

    return value((), case.prior)


def draw(table: pd.DataFrame, folder: Path, count: int) -> None:
    """Shares of the optimal value, a bar a setting and objective."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.5, 3.2), layout="constrained")
    left, right = figure.subplots(1, 2, sharey=True)
    names = list(dict.fromkeys(table["setting"]))
    for axes, column, label in (
        (left, "mean", "mean share of the optimal value"),
        (right, "within 3 %", "share of cases within 3 % of it"),
    ):
        for shift, (objective, group) in enumerate(table.groupby("objective", sort=False)):
            place = [names.index(name) + 0.4 * shift - 0.2 for name in group["setting"]]
            axes.barh(place, group[column], height=0.38, label=objective)
        axes.set_yticks(range(len(names)), names)
        axes.set_xlim(0.8 if column == "mean" else 0.0, 1.0)
        axes.set_xlabel(label)
    left.legend(loc="lower left")
    figure.suptitle(f"{count} random cases a bar")
    folder.mkdir(parents=True, exist_ok=True)
    for kind in ("png", "svg"):
        figure.savefig(folder / f"bayes_optimal.{kind}", dpi=150)
    print(f"figure: {folder / 'bayes_optimal.png'}")


if __name__ == "__main__":
    main()

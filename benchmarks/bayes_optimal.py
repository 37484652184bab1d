"""How far `magus=bayes` is from the optimal policy with noise, two targets, leaving users, and clicks that count.

    python benchmarks/bayes_optimal.py run [--cases 1000] [--settings NAME ...]     bayes_optimal.csv
    python benchmarks/bayes_optimal.py sharpness [--cases 1000]                     bayes_sharpness.csv
    python benchmarks/bayes_optimal.py write [--figures FOLDER]                     docs/bayes.md and the figure

Random cases of 4 or 5 items of one or two words, 2 or 3 rounds of lists of one, or 2 rounds of lists of two. The value
is expected success plus α times expected RA; both policies are played through all answers, so there is no chance in it.
The agent knows the error rate and the chance to leave (γ = 1 - chance), not the optimal value. `sharpness` has larger
cases of truthful users and one target, over the standard deviation of the log of the belief.
"""

import argparse
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations, product
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from _common import BAYES_PAGE, put_between, row
from torch_geometric.data import HeteroData

import magus_pyg as mp
from magus_pyg.agents.bayes import BayesAgent, BayesState, optimal_success
from magus_pyg.agents.bayes.optimal import TinyCase, optimal_value
from magus_pyg.agents.variants import OBJECTIVES
from magus_pyg.graph import item_queries
from magus_pyg.simulation import Agent, Answer, ShownList, User

#: Setting -> (error of the user, chance to leave, targets, others of the agent's state).
SETTINGS = {
    "truthful": (0.0, 0.0, 1, 0.0),
    "noise 0.1": (0.1, 0.0, 1, 0.0),
    "noise 0.2": (0.2, 0.0, 1, 0.0),
    "leaving 0.2": (0.0, 0.2, 1, 0.0),
    "noise 0.1, leaving 0.2": (0.1, 0.2, 1, 0.0),
    "two targets": (0.0, 0.0, 2, 1.0),
    "two targets, noise 0.1": (0.1, 0.0, 2, 1.0),
    "two targets, noise 0.2": (0.2, 0.0, 2, 1.0),
    "two targets, leaving 0.2": (0.0, 0.2, 2, 1.0),
    "two targets, noise 0.1, leaving 0.2": (0.1, 0.2, 2, 1.0),
}
SHARPNESS = (0.0, 0.3, 1.0, 2.0, 3.0)
RESULTS = Path(__file__).with_name("bayes_optimal.csv")
SHARP = Path(__file__).with_name("bayes_sharpness.csv")


def main() -> None:
    """Play settings, or write what was played."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("run", "sharpness", "write"))
    parser.add_argument("--cases", type=int, default=1000)
    parser.add_argument("--settings", nargs="+", default=list(SETTINGS))
    parser.add_argument("--results", type=Path, default=RESULTS, help="what is written, or read")
    parser.add_argument("--figures", type=Path, help="folder for the figure")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    if arguments.what == "run":
        deck = deal(arguments.cases)
        for name in arguments.settings:
            began = time.process_time()
            tables = [summary(values(deck, name, objective, alpha)) for objective, alpha in OBJECTIVES.items()]
            if arguments.results.exists():
                others = pd.read_csv(arguments.results)
                tables.insert(0, others[others["setting"] != name])
            table = pd.concat(tables, ignore_index=True)
            table = table.sort_values("setting", kind="stable", key=lambda column: column.map(list(SETTINGS).index))
            table.to_csv(arguments.results, index=False, float_format="%.6g")
            print(f"{name}: {time.process_time() - began:.0f} CPU seconds", flush=True)
    if arguments.what == "sharpness":
        table = by_sharpness(arguments.cases)
        table.to_csv(SHARP, index=False, float_format="%.6g")
        print(table.round(4).to_string(index=False))
        return
    table = pd.read_csv(arguments.results)
    print(table.round(4).to_string(index=False))
    if arguments.what == "write":
        write_page(table)
        if arguments.figures is not None:
            draw(table, arguments.figures)


# ---------------------------------------------------------------- cases


@dataclass(frozen=True)
class Deck:
    """Random cases, together one catalogue: no word is in two of them.

    Attributes:
        graph: their relational graph.
        items: the item nodes of each case.
        queries: {query node: places of the items of the case that contain it} of each case.
        scores: float64 [cases, items], those of each case's own items.
        plays: the rounds and the list length of each case.
    """

    graph: HeteroData
    items: list[range]
    queries: list[dict[int, frozenset[int]]]
    scores: torch.Tensor
    plays: list[tuple[int, int]]


def deal(count: int) -> Deck:
    """The cases; the same for every setting."""
    rng = random.Random(0)
    rows: list[list[str]] = []
    items, plays, scores = [], [], []
    for case in range(count):
        size, fields = rng.choice([4, 5]), rng.choice([1, 2])
        plays.append(rng.choice([(2, 1), (3, 1), (2, 2)]))
        items.append(range(len(rows), len(rows) + size))
        for _ in range(size):
            words = [f"{case}.{field}.{rng.choice('xyz')}" for field in range(fields)]
            rows.append(words + [""] * (2 - fields))
        sharpness = rng.choice([0.0, 0.3, 1.0, 2.0])
        scores.append([sharpness * rng.gauss(0.0, 1.0) for _ in range(size)])
    table = pd.DataFrame(rows, columns=["a", "b"])
    table.insert(0, "item_id", [str(number) for number in range(len(rows))])
    graph = mp.build_relational_graph(table, ["a", "b"], "item_id", max_words=2, max_share=1.0, materialize=False)
    parts = item_queries(graph).tolist()
    matrix = torch.zeros((count, len(rows)), dtype=torch.float64)
    queries = []
    for case, own in enumerate(items):
        matrix[case, list(own)] = torch.tensor(scores[case], dtype=torch.float64)
        held: dict[int, set[int]] = {}
        for place, item in enumerate(own):
            for query in parts[item]:
                held.setdefault(query, set()).add(place)
        queries.append({query: frozenset(held[query]) for query in sorted(held)})
    return Deck(graph, items, queries, matrix, plays)


def tiny_case(deck: Deck, number: int, setting: str, alpha: float) -> TinyCase:
    """A case with the users of a setting; targets are drawn from the softmax of the scores, without repeats."""
    error, leaves, n_targets, _ = SETTINGS[setting]
    own = deck.items[number]
    belief = torch.softmax(deck.scores[number, list(own)], 0).tolist()
    sets = [frozenset(one) for one in combinations(range(len(own)), n_targets)]
    weight = np.array([np.prod([belief[item] for item in one]) for one in sets])
    wanted = list(zip((weight / weight.sum()).tolist(), sets, strict=True))
    queries = list(deck.queries[number].values())
    return TinyCase(wanted, len(own), queries, deck.plays[number][1], error, leaves, alpha)


# ---------------------------------------------------------------- values


class Scripted(User):
    """Clicks the query at a place that is set for each round, whatever it is, and never an item."""

    def __init__(self, places: Sequence[int]) -> None:
        self.places = tuple(places)

    def answer(self, shown: ShownList) -> Answer:
        """The click of the round; none where there is no query, or where the place is -1."""
        place = self.places[shown.round - 1]
        asked = shown.present[:, place] & ~shown.is_item[:, place]
        clicked = torch.where(asked & torch.tensor(place >= 0), place, -1)
        return Answer(clicked, torch.zeros_like(shown.present))


def values(deck: Deck, setting: str, objective: str, alpha: float) -> pd.DataFrame:
    """A row a case: the agent's value and the optimal one."""
    error, leaves, n_targets, others = SETTINGS[setting]
    state = BayesState(
        error_rate=error, others=others, targets=float(n_targets), discount=1.0 - leaves, click_weight=alpha
    )
    agent = BayesAgent(deck.graph, deck.scores, state)
    found = np.zeros((len(deck.items), 2))
    for rounds, length in sorted(set(deck.plays)):
        chosen = [number for number, play in enumerate(deck.plays) if play == (rounds, length)]
        lists = all_lists(agent, deck, chosen, rounds, length)
        for place, number in enumerate(chosen):
            case = tiny_case(deck, number, setting, alpha)
            nodes = [*deck.items[number], *deck.queries[number]]
            found[number] = (
                reached(case, {said: shown[place] for said, shown in lists.items()}, nodes, rounds),
                (optimal_value(case, rounds)),
            )
    return pd.DataFrame(
        {"setting": setting, "objective": objective, "case": range(len(found)), "value": found[:, 0],
         "optimal": found[:, 1]}
    )  # fmt: skip


def all_lists(
    agent: BayesAgent, deck: Deck, chosen: list[int], rounds: int, length: int
) -> dict[tuple[int, ...], list[list[int]]]:
    """The list [nodes] of every chosen case after every sequence of answers: places of clicks, -1 for none."""
    most = max(len(own) for own in deck.items)
    candidates = torch.tensor([[*deck.items[number], *[-1] * (most - len(deck.items[number]))] for number in chosen])
    sessions = mp.Sessions(torch.tensor(chosen), candidates, torch.zeros_like(candidates, dtype=torch.bool))
    prepared = mp.prepare_sessions(deck.graph, sessions, deck.scores, batch_size=512)
    lists: dict[tuple[int, ...], list[list[int]]] = {}
    for said in product(range(-1, length), repeat=rounds - 1):
        log = mp.simulate(agent, prepared, Scripted([*said, -1]), rounds, length)
        shown = log["shown"].map(list).to_numpy().reshape(len(chosen), rounds)
        for turn in range(rounds):
            lists.setdefault(said[:turn], shown[:, turn].tolist())
    return lists


def reached(case: TinyCase, lists: dict[tuple[int, ...], list[int]], nodes: list[int], rounds: int) -> float:
    """The expected value of lists, through every sequence of answers."""
    number = {node: place for place, node in enumerate(nodes)}

    def value(said: tuple[int, ...], weight: np.ndarray, before: float) -> float:
        shown = np.array([[number[node] for node in lists[said]]])
        answers, turn = case.answers(shown), len(said) + 1
        total = float(case.round_value(answers, weight[None], np.array([before]), turn, rounds)[0])
        if turn == rounds:
            return total
        for place, chance in enumerate(answers.chance[0]):
            if (weight * chance).sum() > 0.0:
                answer = place if place < shown.shape[1] else -1
                later = value((*said, answer), weight * chance, before + float(answers.gain[place]))
                total += (1.0 - case.leaves) * later
        return total

    return value((), case.prior, 0.0)


# ---------------------------------------------------------------- truthful users, larger cases


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


def by_sharpness(count: int) -> pd.DataFrame:
    """A row a sharpness: success of the optimal policy, the agent and `items`; targets weigh by their probability."""
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
    return pd.DataFrame(rows)


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


# ---------------------------------------------------------------- the table, the page and the figure


def summary(table: pd.DataFrame) -> pd.DataFrame:
    """A row a setting and objective."""
    table = table.assign(share=table["value"] / table["optimal"])
    groups = table.groupby(["setting", "objective"], sort=False)["share"]
    return groups.agg(cases="size", mean="mean", near=lambda share: (share >= 0.97).mean(), worst="min").reset_index()


def write_page(table: pd.DataFrame) -> None:
    """Write the table into docs/bayes.md."""
    head = ["users", *(f"{name}: {what}" for name in OBJECTIVES for what in ("mean", "within 3 %", "worst"))]
    goal = (
        f"The goal, within 3 % of the optimal value, is met by {(table['mean'] >= 0.97).sum()} of {len(table)} means "
        f"(the lowest {table['mean'].min():.4f}) and by {table['near'].min():.1%} of the cases where they are fewest."
    )
    lines = [goal, "", row(*head), row(*["---"] * len(head))]
    for setting, group in table.groupby("setting", sort=False):
        rows = group.set_index("objective")
        cells = [
            cell
            for one in (rows.loc[name] for name in OBJECTIVES)
            for cell in (f"{one['mean']:.4f}", f"{one['near']:.1%}", f"{one['worst']:.3f}")
        ]
        lines.append(row(setting, *cells))
    put_between(BAYES_PAGE, "optimal values: written by benchmarks/bayes_optimal.py", lines)
    sharp = pd.read_csv(SHARP)
    head = ["sharpness", "optimal", "bayes", "bayes: within 3 %", "bayes: worst", "bayes, beam 1", "items"]
    lines = [row(*head), row(*["---"] * len(head))]
    for one in sharp.to_dict("records"):
        lines.append(row(*(f"{one[name]:.1%}" if "within" in name else f"{one[name]:.4g}" for name in head)))
    put_between(BAYES_PAGE, "optimal success: written by benchmarks/bayes_optimal.py", lines)


def draw(table: pd.DataFrame, folder: Path) -> None:
    """Shares of the optimal value, a bar a setting and objective."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.5, 4.2), layout="constrained")
    left, right = figure.subplots(1, 2, sharey=True)
    names = list(dict.fromkeys(table["setting"]))
    for axes, column, label in (
        (left, "mean", "mean share of the optimal value"),
        (right, "near", "share of cases within 3 % of it"),
    ):
        for shift, (objective, group) in enumerate(table.groupby("objective", sort=False)):
            place = [names.index(name) + 0.4 * shift - 0.2 for name in group["setting"]]
            axes.barh(place, group[column], height=0.38, label=objective)
        axes.set_yticks(range(len(names)), names)
        axes.set_xlim(0.8 if column == "mean" else 0.0, 1.0)
        axes.set_xlabel(label)
    left.legend(loc="lower left")
    figure.suptitle(f"{int(table['cases'].max()):,} random cases a bar")
    folder.mkdir(parents=True, exist_ok=True)
    for kind in ("png", "svg"):
        figure.savefig(folder / f"bayes_optimal.{kind}", dpi=150)


if __name__ == "__main__":
    main()

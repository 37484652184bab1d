"""The table of base recommenders with ranking metrics, beside popularity, implicit ALS and item-kNN on the same split.

    python benchmarks/ranking.py --data ml-100k amazon-hin amazon-beauty synthetic
    python benchmarks/ranking.py --data amazon-hin --methods gru "fm train.softmax=0"   # these rows alone, stored too
    python benchmarks/ranking.py --data ml-100k --methods fm --seed 1       # another seed: the table shows the mean
    python benchmarks/ranking.py --data ml-100k --methods "fm train.softmax=2" --tried      # on validation alone
    python benchmarks/ranking.py --write                                # docs/results.md from the stored rows

Each row is computed from the training part alone, chosen on the validation part and judged once on the test part: full
ranking of all items that the user has not touched before (`full_ranking`), AUC and calibration error of the test rows
with one sampled item a positive row, and the success of listing items (SAC, SA@3, SA@5) in the sessions of a run of
that seed. ALS (16 factors) and BM25 item-kNN are those of `implicit` (the extra [bench]); their settings are the best
of the grids below by NDCG@20 on validation. Item-kNN reads the same histories as gru, lstm and din: what a user liked
before the part that is scored, the validation part included where the test is. All scores are calibrated on validation.
Base recommenders train with the default recipe, `train.py dataset=D model=M`. Rows are stored by data set, method and
seed in benchmarks/ranking.json.
"""

import argparse
import json
import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import scipy.sparse as sp
import torch
from _common import accelerator, add_device, use_device
from torch import Tensor

import magus_pyg as mp
from magus_pyg.data import RecDataset
from magus_pyg.experiment.preparing import TrainingInputs, prepare_model, prepare_training
from magus_pyg.files import write_json, write_text
from magus_pyg.models import BaseRecommender, Interactions
from magus_pyg.models.adapters import part_interactions
from magus_pyg.models.binary_metrics import auc
from magus_pyg.models.calibration import Calibration, calibration_error
from magus_pyg.runs.config import Config
from magus_pyg.runs.overrides import compose_config
from magus_pyg.runs.run_inputs import playable_sessions
from magus_pyg.runs.schemas import typed
from magus_pyg.terminal import Terminal
from magus_pyg.training import fit, full_ranking
from magus_pyg.training.base_quality import labelled_scores

ROOT = Path(__file__).resolve().parents[1]
STORE, PAGE = ROOT / "benchmarks" / "ranking.json", ROOT / "docs" / "results.md"
DATA = ("ml-100k", "amazon-hin", "amazon-beauty", "synthetic")
METHODS = ("popularity", "item-knn", "item-knn-training", "als", "fm", "gru", "lstm", "din")
#: Settings that are tried, the best by NDCG@20 on validation.
NEIGHBOURS = (20, 100, 200)
ALS = ((1.0, 3.0), (3.0, 10.0), (10.0, 10.0), (10.0, 30.0), (30.0, 30.0))  # regularization, alpha
FACTORS, SWEEPS = 16, 15
START, END = "<!-- {}: written by benchmarks/ranking.py -->", "<!-- end of {} -->"


class Rows:
    """Scores of users against all items, computed for the users that are asked for.

    Args:
        of_users: floats [B, I] of users int64 [B].
    """

    def __init__(self, of_users: Callable[[Tensor], Tensor]) -> None:
        self.of_users = of_users

    def score(self, users: Tensor, items: Tensor) -> Tensor:
        """Floats [B, C] of items int64 [C] or [B, C]."""
        scores = self.of_users(users).to(torch.float32)
        return scores[:, items] if items.dim() == 1 else scores.gather(1, items.clamp(min=0))

    def with_history(self, rows: Interactions) -> "Rows":
        """As `BaseRecommender.with_history`; itself where a user is what training made of it."""
        return self


class Neighbours(Rows):
    """Sums of likenesses to the items that a user liked.

    Args:
        liked: [U, I], see `liked_matrix`.
        near: [I, I], the likenesses to keep.
    """

    def __init__(self, liked: sp.csr_matrix, near: sp.csr_matrix) -> None:
        super().__init__(lambda users: torch.from_numpy((liked[users.numpy()] @ near).toarray()))
        self.near, self.shape = near, liked.shape

    def with_history(self, rows: Interactions) -> "Neighbours":
        """With the likenesses of training, and what users liked in these rows."""
        return Neighbours(liked_matrix(rows, self.shape), self.near)


def liked_matrix(rows: Interactions, shape: tuple[int, int]) -> sp.csr_matrix:
    """float32 [U, I], 1 where a user has a positive row with an item."""
    liked = rows.label == 1
    pairs = torch.unique(torch.stack([rows.user[liked], rows.item[liked]]), dim=1).numpy()
    return sp.csr_matrix((np.ones(pairs.shape[1], np.float32), tuple(pairs)), shape)


def liked_in_training(data: RecDataset) -> sp.csr_matrix:
    """`liked_matrix` of the training part."""
    return liked_matrix(part_interactions(data, "train"), (data.n_users, data.n_items))


def popularity(data: RecDataset) -> Iterator[tuple[str, Rows]]:
    """Items by the number of their positive training rows."""
    count = torch.from_numpy(np.asarray(liked_in_training(data).sum(0)).ravel())
    yield "", Rows(lambda users: count.log1p().repeat(len(users), 1))


def item_knn(data: RecDataset) -> Iterator[tuple[str, Rows]]:
    """The sum of BM25-weighted likenesses to what a user liked before the part, over the nearest of each."""
    from implicit.nearest_neighbours import BM25Recommender

    liked = liked_in_training(data)
    for neighbours in NEIGHBOURS:
        model = BM25Recommender(K=neighbours, num_threads=1)
        model.fit(liked, show_progress=False)
        yield f"K={neighbours}", Neighbours(liked, model.similarity.tocsr())


def item_knn_training(data: RecDataset) -> Iterator[tuple[str, Rows]]:
    """`item_knn` that knows of a user the training part alone, as ALS and fm do."""
    return ((told, Rows(model.of_users)) for told, model in item_knn(data))


def als(data: RecDataset) -> Iterator[tuple[str, Rows]]:
    """Alternating least squares over all pairs."""
    from implicit.cpu.als import AlternatingLeastSquares

    liked = liked_in_training(data)
    for regularization, alpha in ALS:
        model = AlternatingLeastSquares(
            FACTORS, regularization, alpha, iterations=SWEEPS, num_threads=1, random_state=0
        )
        model.fit(liked, show_progress=False)
        factors = torch.from_numpy(model.user_factors), torch.from_numpy(model.item_factors)
        yield f"regularization={regularization:g}, alpha={alpha:g}", Rows(partial(_by_factors, *factors))


def _by_factors(user: Tensor, item: Tensor, users: Tensor) -> Tensor:
    return user[users] @ item.T


OTHERS: dict[str, Callable[[RecDataset], Iterator[tuple[str, Rows]]]] = {
    "popularity": popularity, "item-knn": item_knn, "item-knn-training": item_knn_training, "als": als,
}  # fmt: skip


def chosen(data: RecDataset, tried: Iterable[tuple[str, Rows]]) -> tuple[str, Rows]:
    """The best by NDCG@20 on validation."""
    found = [(float(full_ranking(model, data, "validation").ndcg.mean()), told, model) for told, model in tried]
    _, told, model = max(found, key=lambda row: row[0])
    return told, model


def row_of(inputs: TrainingInputs, config: Config, name: str, tried: bool, folder: Path | None) -> dict[str, Any]:
    """The figures of one method on one data set; those of validation alone where it is only tried."""
    data, start = inputs.data, time.process_time()
    if name in OTHERS:
        model: Rows | BaseRecommender
        told, model = chosen(data, OTHERS[name](data))
    else:
        base = prepare_model(inputs, config)
        trained = fit(base, inputs.rows, config.train, config.seed, folder, folder is not None, progress=False)
        told, model = f"{len(trained.history)} epochs", base
    seconds = time.process_time() - start
    held_out = labelled_scores(model, data, "validation", config.train.negatives, config.seed)
    row = {
        "setting": told,
        "validation NDCG@20": float(full_ranking(model, data, "validation", most=None).ndcg.mean()),
        "validation AUC": auc(*held_out),
        "CPU seconds": seconds,
    }
    return row if tried else row | tested(inputs, config, model, Calibration.fit(*held_out))


def tested(inputs: TrainingInputs, config: Config, model: Rows | BaseRecommender, platt: Calibration) -> dict[str, Any]:
    """The figures of the test part, with the histories that users have when it begins."""
    data, model = inputs.data, model.with_history(inputs.rows.before("test"))
    ranked = full_ranking(model, data, "test", most=None)
    test = labelled_scores(model, data, "test", config.train.negatives, config.seed)
    probability = (platt.scale * test[0].double() + platt.shift).sigmoid()
    options = config.session_options
    sessions = playable_sessions(data, inputs.graph, "test", options, config.seed, config.simulation.searches)
    prepared = mp.prepare_sessions(inputs.graph, sessions, model)
    metrics = mp.session_metrics(mp.simulate(mp.ItemsAgent(inputs.graph, model), prepared))
    return {
        "users": len(ranked.ndcg),
        "NDCG@20": float(ranked.ndcg.mean()),
        "Recall@20": float(ranked.recall.mean()),
        "MRR": float(ranked.reciprocal_rank.mean()),
        "AUC": auc(*test),
        "calibration error": calibration_error(probability, test[1]),
        "sessions": len(metrics),
        **{metric: float(metrics[metric].mean()) for metric in ("SAC", "SA@3", "SA@5")},
    }


def later_rows(data: RecDataset) -> float | None:
    """Of all pairs of a training and a test row, the share in which the training row is the later one."""
    train, test = (np.sort(data.time[data.part == part]) for part in (0, 2))
    if not data.ordered or len(np.unique(data.time)) <= np.bincount(data.user).max():  # an order within users alone
        return None
    return 1 - float(np.searchsorted(train, test, side="right").mean()) / len(train)


def written(page: str, name: str, text: str) -> str:
    """The page with the text between the marks of a name."""
    start, end = START.format(name), END.format(name)
    head, _, rest = page.partition(start)
    _, found, tail = rest.partition(end)
    if not found:
        raise SystemExit(f"{PAGE} has no place for {name}: it lacks {start} or {end}")
    return f"{head}{start}\n{text}\n{end}{tail}"


def table(store: Mapping[str, Any]) -> str:
    """The rows of all data sets as one table each."""
    columns = ("NDCG@20", "Recall@20", "MRR", "AUC", "calibration error", "SAC", "SA@3", "SA@5")
    lines = []
    for name, of_set in store.items():
        lines += [f"| {name} | seeds | setting | {' | '.join(columns)} |", "|---" * (len(columns) + 3) + "|"]
        rows = {method: list(of_seeds.values()) for method, of_seeds in of_set["rows"].items()}
        means = {method: {column: mean(some, column) for column in columns} for method, some in rows.items()}
        for method in sorted(rows, key=lambda method: -means[method]["NDCG@20"]):
            digits = [f"{means[method][column]:.{4 if column in columns[:5] else 3}f}" for column in columns]
            told = " / ".join(dict.fromkeys(row["setting"] for row in rows[method]))
            lines.append(f"| {method} | {len(rows[method])} | {told} | {' | '.join(digits)} |")
        some = next(iter(rows.values()))[0]
        lines += ["", f"{some['users']:,} users whose rankings are judged, {some['sessions']:,} sessions.", ""]
    return "\n".join(lines).strip()


def tried(store: Mapping[str, Any]) -> str:
    """What was tried, by its validation figures: a column a data set, those of the best known methods beside them."""
    held_out = {
        name: {method: of_seeds["0"] for method, of_seeds in [*of_set["rows"].items(), *of_set["tried"].items()]}
        for name, of_set in store.items()
        if of_set.get("tried")
    }
    methods = dict.fromkeys(method for of_set in held_out.values() for method in of_set)
    lines = [f"| validation NDCG@20 / AUC | {' | '.join(held_out)} |", "|---" * (len(held_out) + 1) + "|"]
    for method in methods:
        cells = [
            f"{row['validation NDCG@20']:.4f} / {row['validation AUC']:.4f}" if row else ""
            for row in (of_set.get(method) for of_set in held_out.values())
        ]
        lines.append(f"| {method} | {' | '.join(cells)} |")
    return "\n".join(lines)


def mean(rows: list[dict[str, Any]], column: str) -> float:
    """Of a column over the seeds of a method."""
    return float(np.mean([row[column] for row in rows]))


def caveats(store: Mapping[str, Any]) -> str:
    """What the tables do not say by themselves."""
    alone = ", ".join(
        f"{mean(list(of_set['rows']['popularity'].values()), 'SA@3'):.3f} on {name}"
        for name, of_set in store.items()
        if "popularity" in of_set["rows"]
    )
    later = ", ".join(
        f"{of_set['later']:.0%} on {name}" for name, of_set in store.items() if of_set.get("later") is not None
    )
    told = (
        f"**Popularity alone goes far.** Listing items by their number of positive training rows has SA@3 {alone}: "
        "candidates that are drawn uniformly are mostly little known. What a base recommender and a way to ask add is "
        "the distance from there.",
        "**Time between users is not kept.** Each user's own log is split by time, so a model may learn from rows that "
        f"others gave later: of all pairs of a training and a test row the training row is the later one in {later}. "
        "`dataset.split_by=global` cuts all logs at the same times.",
        "**K = 3 and K = 5 of a planner are two plays.** What plans for the rounds left plays a run for each K, so its "
        "RA@3 may be above its RA@5, and its SA@3 is not a part of the play behind its SA@5.",
        "**MAGUS+ here is not Eq. (14) as printed.** `magus+` is what was chosen on validation among forms that have "
        "the unit weights as a special case, with a weight of refusals and a factor on R-; the printed form is "
        "`weights=raw`.",
    )
    return "\n".join(f"* {line}" for line in told)


def main() -> None:
    """Compute rows, or write the page from the stored ones."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", nargs="+", default=list(DATA))
    parser.add_argument(
        "--methods", nargs="+", default=list(METHODS), help="popularity, item-knn, als, or a model with changes"
    )
    parser.add_argument("--root", default=None, help="the folder of the real data (paths.data)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--tried", action="store_true", help="judge on validation alone, for the table of what was tried"
    )
    parser.add_argument("--work", type=Path, help="keep checkpoints here: what was stopped goes on, to the same row")
    parser.add_argument("--write", action="store_true", help="write docs/results.md from the stored rows")
    add_device(parser)
    arguments = parser.parse_args()
    use_device(arguments.device)
    if arguments.write:
        page, store = PAGE.read_text(encoding="utf-8"), stored()
        for name, text in (("ranking", table(store)), ("tried", tried(store)), ("caveats", caveats(store))):
            page = written(page, name, text)
        write_text(PAGE, page)
        return
    warnings.filterwarnings("ignore", module="implicit")
    given = [f"train.accelerator={accelerator()}"]
    given += [] if arguments.root is None else [f"paths.data={arguments.root}"]
    for name in arguments.data:
        inputs = None
        for method in arguments.methods:
            model, *changes = ["fm"] if method in OTHERS else method.split()
            words = [f"dataset={name}", f"seed={arguments.seed}", f"model={model}", *given, *changes]
            config = typed(compose_config(words))
            inputs = prepare_training(config, Terminal(quiet=True)) if inputs is None else inputs
            work = arguments.work and arguments.work / name / f"{method} seed={arguments.seed}".replace(" ", ",")
            row = row_of(inputs, config, method, arguments.tried, work)
            store = stored()  # again, as other rows may be computed beside these
            of_set = store.setdefault(name, {"later": later_rows(inputs.data), "rows": {}})
            of_methods = of_set.setdefault("tried" if arguments.tried else "rows", {})
            of_methods.setdefault(method, {})[str(arguments.seed)] = row
            write_json(STORE, store)
            print(name, method, pd.Series(row).to_dict(), flush=True)


def stored() -> dict[str, Any]:
    """The rows that are stored, by data set and method."""
    return json.loads(STORE.read_text(encoding="utf-8")) if STORE.is_file() else {}


if __name__ == "__main__":
    main()

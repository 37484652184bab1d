"""The table of base recommenders from run folders: test AUC, SAC, epochs and wall time of training.

    python benchmarks/bases.py RUNS_FOLDER [--out rows.csv]

Test AUC is over the rows of the test part with as many sampled negatives a positive row as in validation, items that
the user touched in no part; the models were chosen on the validation part alone.
"""

import argparse
import sys
from pathlib import Path

import pandas as pd
import torch

from magus_pyg.data.itemsets import ItemSets
from magus_pyg.errors import MagusError
from magus_pyg.models.adapters import part_interactions
from magus_pyg.models.binary_metrics import auc
from magus_pyg.runs import load_run
from magus_pyg.runs.data_loading import load_data
from magus_pyg.training.loader import ValidationLoader, resolve_negatives

_ROWS = 4096


def test_auc(path: Path) -> dict[str, object]:
    """The row of one run."""
    run = load_run(path)
    data = load_data(run.config)
    parts = {part: part_interactions(data, part) for part in ("train", "validation", "test")}
    user, item = (torch.cat([getattr(part, name) for part in parts.values()]) for name in ("user", "item"))
    known = ItemSets.from_pairs(user, item, data.n_users, data.n_items)
    negatives = resolve_negatives(run.config.train.negatives, parts["train"])
    rows = ValidationLoader(parts["test"], known, negatives, run.config.seed)
    scores = [
        run.model.score(users, items.unsqueeze(1)).squeeze(1)
        for users, items in zip(torch.split(rows.shard.user, _ROWS), torch.split(rows.shard.item, _ROWS), strict=True)
    ]
    floor = run.results[run.results["method"] == "items"].iloc[0]
    return {
        "dataset": data.name,
        "model": run.config.model.name,
        "seed": run.config.seed,
        "test AUC": auc(torch.cat(scores), rows.label),
        "validation AUC": float(run.history["val_auc"].max()),
        "SAC": float(floor["SAC"]),
        "epochs": len(run.history),
        "seconds": float(run.info["seconds"]["training"]),
    }


def main() -> None:
    """Print the rows of all runs, and their means over the seeds."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", type=Path)
    parser.add_argument("--out", type=Path, help="a CSV file for the rows")
    arguments = parser.parse_args()
    rows = []
    for path in sorted(arguments.runs.glob("*/results.csv")):
        try:
            rows.append(test_auc(path.parent))
        except MagusError as error:
            print(f"{path.parent.name}: {error}", file=sys.stderr)
    if not rows:
        sys.exit(f"{arguments.runs} holds no finished runs")
    table = pd.DataFrame(rows)
    if arguments.out is not None:
        table.to_csv(arguments.out, index=False)
    for dataset, of_set in table.groupby("dataset"):
        print(
            f"| {dataset} | seeds | test AUC | validation AUC | SAC | epochs | seconds |\n|---|---|---|---|---|---|---|"
        )
        for name in of_set.groupby("model")["test AUC"].mean().sort_values(ascending=False).index:
            runs = of_set[of_set["model"] == name]
            spread = f" ± {runs['test AUC'].std():.4f}" if len(runs) > 1 else ""
            mean = runs.drop(columns=["dataset", "model", "seed"]).mean()
            print(
                f"| {name} | {len(runs)} | {mean['test AUC']:.4f}{spread} | {mean['validation AUC']:.4f} | "
                f"{mean['SAC']:.3f} | {mean['epochs']:.0f} | {mean['seconds']:.0f} |"
            )


if __name__ == "__main__":
    main()

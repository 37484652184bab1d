"""The table of base recommenders from run folders: full ranking, AUC and calibration on test, SAC, epochs, wall time.

    python benchmarks/bases.py RUNS_FOLDER [--out rows.csv]

Ranking is of all items that a user touched in no earlier part; AUC is over the rows of the test part with as many
sampled negatives a positive row as in validation, items that the user touched in no part (`judge`). The models were
chosen on the validation part alone.
"""

import argparse
import sys
from pathlib import Path

import pandas as pd

from magus_pyg.errors import MagusError
from magus_pyg.runs import load_run
from magus_pyg.runs.data_loading import load_data
from magus_pyg.training import judge

_COLUMNS = {"NDCG@20": 4, "Recall@20": 4, "MRR": 4, "test AUC": 4, "validation AUC": 4, "calibration error": 4,
            "SAC": 3, "epochs": 0, "seconds": 0}  # fmt: skip


def figures_of(path: Path) -> dict[str, object]:
    """The row of one run."""
    run = load_run(path)
    data = load_data(run.config)
    found = judge(run.model, data, "test", run.config.train, run.config.seed)
    floor = run.results[run.results["method"] == "items"].iloc[0]
    return {
        "dataset": data.name,
        "model": run.config.model.name,
        "seed": run.config.seed,
        "NDCG@20": found.ndcg,
        "Recall@20": found.recall,
        "MRR": found.mrr,
        "test AUC": found.auc,
        "validation AUC": float(run.history["val_auc"].max()),
        "calibration error": found.calibration_error,
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
            rows.append(figures_of(path.parent))
        except MagusError as error:
            print(f"{path.parent.name}: {error}", file=sys.stderr)
    if not rows:
        sys.exit(f"{arguments.runs} holds no finished runs")
    table = pd.DataFrame(rows)
    if arguments.out is not None:
        table.to_csv(arguments.out, index=False)
    for dataset, of_set in table.groupby("dataset"):
        print(f"| {dataset} | seeds | {' | '.join(_COLUMNS)} |\n" + "|---" * (len(_COLUMNS) + 2) + "|")
        for name in of_set.groupby("model")["NDCG@20"].mean().sort_values(ascending=False).index:
            runs = of_set[of_set["model"] == name]
            cells = [_cell(runs[column], digits) for column, digits in _COLUMNS.items()]
            print(f"| {name} | {len(runs)} | {' | '.join(cells)} |")


def _cell(values: pd.Series, digits: int) -> str:
    """The mean over seeds, with their standard deviation where it is a metric of the test part."""
    spread = f" ± {values.std():.{digits}f}" if len(values) > 1 and values.name in ("NDCG@20", "test AUC") else ""
    return f"{values.mean():.{digits}f}{spread}"


if __name__ == "__main__":
    main()

"""Trains on two CPU processes and on one, and compares. Run by `test_training.py` as `two_devices.py FOLDER`."""

import os
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch
from planted_training import OPTIONS, new_model, planted_data, train

from magus_pyg.models import DIN, FM, GRU, BaseRecommender, DINOptions, FMOptions, GRUOptions
from magus_pyg.training import TrainOptions

SETTINGS = replace(OPTIONS, epochs=3, negatives=0)


def run(name: str, model: Callable[[], BaseRecommender], settings: TrainOptions, folder: Path) -> None:
    """Without dropout, whose masks differ from device to device."""
    # Lightning starts this script a second time for the second process.
    shared = replace(settings, devices=2, strategy="ddp", batch_size=settings.batch_size // 2)
    two, result = train(shared, folder / name, model=model())
    if os.environ.get("LOCAL_RANK", "0") == "0":
        one, expected = train(settings, model=model())
        for key, value in one.state_dict().items():
            torch.testing.assert_close(
                two.state_dict()[key], value, rtol=1e-4, atol=1e-5, msg=lambda text: f"{name}: {text}"
            )
        assert abs(result.history["val_auc"].iloc[-1] - expected.history["val_auc"].iloc[-1]) < 1e-4
        print(name, "equal")


def main(folder: Path) -> None:
    torch.set_num_threads(1)
    features, rows = new_model().features, planted_data().train
    by_row = replace(SETTINGS, epochs=2, sparse="always")
    gru = GRUOptions(dim=4, hidden=3, history=5, dropout=0.0, init_std=0.1)
    din = DINOptions(dim=4, history=5, attention=[4], layers=[6], dropout=0.0)
    run("fm", lambda: FM(FMOptions(dim=4, dropout=0.0, init_std=0.1), features), SETTINGS, folder)
    run("gru", lambda: GRU(gru, features, rows), by_row, folder)
    run("din", lambda: DIN(din, features, rows), by_row, folder)
    print("all equal")


if __name__ == "__main__":
    main(Path(sys.argv[1]))

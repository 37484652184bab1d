"""Trains on two CPU processes and on one, and compares. Run by `test_training.py` as `two_devices.py FOLDER`."""

import os
import sys
from dataclasses import replace
from pathlib import Path

import torch
from test_training import OPTIONS, new_model, train

from magus_pyg.models import FM, FMOptions

SETTINGS = replace(OPTIONS, epochs=3, negatives=0)


def model() -> FM:
    """Without dropout, whose masks differ from device to device."""
    return FM(FMOptions(dim=4, dropout=0.0, init_std=0.1), new_model().features)


def main(folder: Path) -> None:
    torch.set_num_threads(1)
    # Lightning starts this script a second time for the second process.
    two, result = train(replace(SETTINGS, devices=2, strategy="ddp", batch_size=20), folder, model=model())
    if os.environ.get("LOCAL_RANK", "0") == "0":
        one, expected = train(SETTINGS, model=model())
        for key, value in one.state_dict().items():
            torch.testing.assert_close(two.state_dict()[key], value, rtol=1e-4, atol=1e-5)
        assert abs(result.history["val_auc"].iloc[-1] - expected.history["val_auc"].iloc[-1]) < 1e-4
        print("equal")


if __name__ == "__main__":
    main(Path(sys.argv[1]))

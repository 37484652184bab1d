"""Trains in child processes that are killed at random moments, and compares with a training left in peace.

Run by `test_training.py` as `kill_training.py FOLDER KILLS`. The children are forked, so that they need not import
everything again; one thread each, since a fork and a pool of threads do not go together.
"""

import os
import random
import signal
import sys
import time
from dataclasses import replace
from pathlib import Path

import torch
from planted_training import OPTIONS, assert_same, new_model, planted_data, train

from magus_pyg.training import fit
from magus_pyg.training.checkpoint import has_checkpoint, read_checkpoint, write_checkpoint

EPOCHS = 40
SETTINGS = replace(OPTIONS, epochs=EPOCHS, patience=EPOCHS, lr_patience=3, batch_size=100)


def peaceful(folder: Path) -> tuple[object, list[dict[str, torch.Tensor]]]:
    """The result of a training without a kill, and the weights after each of its epochs."""
    import magus_pyg.training.fitting as training

    snapshots = []

    def keep(where: Path, state: dict[str, object]) -> None:
        snapshots.append(state["weights"])
        write_checkpoint(where, state)

    training.write_checkpoint = keep
    result = train(SETTINGS, folder)
    training.write_checkpoint = write_checkpoint
    return result, snapshots


def check(folder: Path, snapshots: list[dict[str, torch.Tensor]]) -> int:
    """The number of whole epochs in the checkpoint, whose weights must be those of the peaceful training."""
    if not has_checkpoint(folder):
        return 0
    state = read_checkpoint(folder)
    epochs = len(state["history"])
    for key, value in snapshots[epochs - 1].items():
        assert torch.equal(state["weights"][key], value), (epochs, key)
    return epochs


def main(folder: Path, kills: int) -> None:
    torch.set_num_threads(1)
    train(replace(SETTINGS, epochs=1))  # imports and first calls
    began = time.perf_counter()
    reference, snapshots = peaceful(folder / "peaceful")
    whole = time.perf_counter() - began
    moments = random.Random(0)
    before = killed = worlds = 0
    while killed < kills:
        place = folder / f"killed{worlds}"
        child = os.fork()
        if child == 0:
            fit(new_model(), planted_data(), SETTINGS, 5, place, resume=True, progress=False)
            os._exit(0)
        # From before the first step to some epochs later.
        time.sleep(moments.uniform(0, 3 * whole / kills))
        os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        epochs = check(place, snapshots)
        assert epochs >= before, (epochs, before)
        before = epochs
        if os.WIFSIGNALED(status):
            killed += 1
            print(f"killed {killed} after {epochs} epochs")
        else:  # it came through before the kill: begin anew, so that every kill hits a training
            assert os.waitstatus_to_exitcode(status) == 0
            worlds, before = worlds + 1, 0
    assert_same(train(SETTINGS, place, resume=True), reference)
    print("equal")


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))

import logging
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from planted_training import OPTIONS, assert_same, new_model, planted_data, train
from repository import HELPERS

from magus_pyg.errors import ConfigError, ModelError, RunError
from magus_pyg.models import FM, FMOptions, TrainingData
from magus_pyg.terminal import Stage, Terminal
from magus_pyg.testing import small_data, small_features
from magus_pyg.testing.small_log import ITEM_WORDS, USER_PROFILES, interactions
from magus_pyg.training import TrainOptions, fit
from magus_pyg.training.checkpoint import CHECKPOINT, read_checkpoint, write_checkpoint
from magus_pyg.training.epochs import RecommenderTraining
from magus_pyg.training.stopping import EarlyStopping


def assert_same_checkpoint(first: Path, second: Path):
    one, two = read_checkpoint(first), read_checkpoint(second)
    for key in ("weights", "best_weights"):
        assert all(torch.equal(one[key][name], two[key][name]) for name in two[key]), key
    for slot, moments in two["optimizer"]["state"].items():
        assert all(torch.equal(one["optimizer"]["state"][slot][name], moments[name]) for name in moments)
    assert one["scheduler"] == two["scheduler"]
    assert one["stopping"] == two["stopping"]


def test_it_learns_and_reports():
    model, result = train(replace(OPTIONS, epochs=40, lr_patience=2, patience=10, negatives=0))
    assert list(result.history) == ["epoch", "train_loss", "val_loss", "val_auc", "lr", "seconds"]
    assert result.history["epoch"].tolist() == list(range(len(result.history)))
    assert result.history["val_auc"].max() > 0.75
    assert result.best_epoch == int(result.history["val_auc"].argmax())
    assert result.seconds > 0
    assert result.peak_memory > 2**20
    assert not model.training
    # The model has the best epoch's weights, not the last one's.
    data = planted_data().validation
    with torch.no_grad():
        logits = model(data.user, data.item)
    loss = torch.nn.functional.binary_cross_entropy_with_logits(logits, data.label)
    assert float(loss) == pytest.approx(result.history["val_loss"][result.best_epoch], rel=1e-5)


def test_two_trainings_are_equal():
    assert_same(train(OPTIONS), train(OPTIONS))
    other = train(OPTIONS, seed=6)
    assert not torch.equal(other[0].user, train(OPTIONS)[0].user)


@pytest.mark.parametrize("cut", [1, 2, 3, 4, 5])
def test_a_resumed_training_equals_one_without_a_stop(tmp_path, cut):
    whole = train(OPTIONS, tmp_path / "whole")
    train(replace(OPTIONS, epochs=cut), tmp_path / "cut")
    assert_same(train(OPTIONS, tmp_path / "cut", resume=True), whole)
    assert_same_checkpoint(tmp_path / "cut", tmp_path / "whole")


def test_cuts_at_every_epoch_around_a_drop_of_the_learning_rate_and_within_the_patience(tmp_path):
    # A learning rate that is far too high: the validation loss rises soon, the rate drops, the patience runs out.
    options = replace(OPTIONS, epochs=30, lr=0.3, lr_patience=1, patience=4, stop_on="loss", softmax=0.0)
    whole = train(options, tmp_path / "whole")
    history = whole[1].history
    assert history["lr"].nunique() > 1
    assert whole[1].stopped_early
    assert len(history) < 30
    drops = set(np.flatnonzero(np.diff(history["lr"])) + 1)
    assert any(cut > whole[1].best_epoch + 1 for cut in drops)
    assert any(cut < len(history) for cut in drops)
    # One folder, stopped after every single epoch.
    for epochs in range(1, len(history) + 1):
        train(replace(options, epochs=epochs), tmp_path / "cut", resume=True)
    assert_same(train(options, tmp_path / "cut", resume=True), whole)
    assert_same_checkpoint(tmp_path / "cut", tmp_path / "whole")


def test_a_training_that_stopped_early_stays_stopped(tmp_path):
    options = replace(OPTIONS, epochs=30, lr=0.3, patience=1, stop_on="loss")
    first = train(options, tmp_path)
    assert first[1].stopped_early
    assert_same(train(replace(options, epochs=60), tmp_path, resume=True), first)


def test_resuming_a_finished_training_gives_its_best_weights(tmp_path):
    first = train(OPTIONS, tmp_path)
    assert_same(train(OPTIONS, tmp_path, resume=True), first)


def test_resume_without_a_checkpoint_starts_anew(tmp_path):
    assert_same(train(OPTIONS, tmp_path, resume=True), train(OPTIONS))
    with pytest.raises(RunError, match="needs the folder"):
        train(OPTIONS, None, resume=True)


def test_a_checkpoint_is_not_overwritten(tmp_path):
    train(replace(OPTIONS, epochs=1), tmp_path)
    with pytest.raises(RunError, match="already holds a training"):
        train(OPTIONS, tmp_path)


def test_a_checkpoint_of_something_else_is_refused(tmp_path):
    train(replace(OPTIONS, epochs=1), tmp_path)
    with pytest.raises(RunError, match=r"train.lr is 0.02 there, 0.01 here"):
        train(replace(OPTIONS, lr=1e-2), tmp_path, resume=True)
    with pytest.raises(RunError, match=r"model.dim is 4 there, 5 here"):
        train(OPTIONS, tmp_path, resume=True, model=new_model(dim=5))
    with pytest.raises(RunError, match=r"seed is 5 there, 6 here"):
        train(OPTIONS, tmp_path, resume=True, seed=6)
    with pytest.raises(RunError, match=r"data is 'planted' there, 'other' here"):
        train(OPTIONS, tmp_path, resume=True, data=replace(planted_data(), fingerprint="other"))


def test_damaged_checkpoints_are_named(tmp_path):
    train(replace(OPTIONS, epochs=1), tmp_path)
    path = tmp_path / CHECKPOINT
    content = path.read_bytes()
    flipped = bytearray(content)
    flipped[len(content) // 2] ^= 1
    for damaged in (content[: len(content) // 2], content[:-1], bytes(flipped)):
        path.write_bytes(damaged)
        with pytest.raises(RunError, match=r"last\.pt is damaged"):
            train(OPTIONS, tmp_path, resume=True)
    for foreign in (b"", b"text, not a checkpoint", content[100:]):
        path.write_bytes(foreign)
        with pytest.raises(RunError, match=r"last\.pt starts with .* no checkpoint"):
            train(OPTIONS, tmp_path, resume=True)
    path.unlink()
    with pytest.raises(RunError, match="no checkpoint"):
        read_checkpoint(tmp_path)


def test_an_interrupted_write_leaves_the_old_checkpoint(tmp_path, monkeypatch):
    write_checkpoint(tmp_path, {"value": 1})

    def fail(*_):
        raise OSError("disk full")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(RunError, match=r"last\.pt could not be written: disk full"):
        write_checkpoint(tmp_path, {"value": 2})
    assert [path.name for path in tmp_path.iterdir()] == [CHECKPOINT]
    assert read_checkpoint(tmp_path)["value"] == 1


class Breaking(FM):
    """Breaks in the third epoch's second batch."""

    steps = 0

    def training_terms(self, batch):
        terms = super().training_terms(batch)
        self.steps += 1
        return terms._replace(logits=terms.logits * (float("nan") if self.steps == 2 * 10 + 2 else 1))


def test_a_broken_loss_is_named_and_the_last_good_epoch_kept(tmp_path):
    model = Breaking(FMOptions(dim=4), new_model().features)
    with pytest.raises(ModelError, match=r"training loss became nan in epoch 2, batch 1.*0\.02"):
        train(OPTIONS, tmp_path, model=model)
    state = read_checkpoint(tmp_path)
    assert len(state["history"]) == 2
    assert all(bool(torch.isfinite(weight).all()) for weight in state["weights"].values())


def test_rows_that_cannot_be_trained_on():
    data, none = small_data(), interactions([])
    model = FM(FMOptions(dim=2), small_features())
    with pytest.raises(ModelError, match="training part holds no rows"):
        fit(model, replace(data, train=none), OPTIONS, progress=False)
    with pytest.raises(ModelError, match="0 positive and 0 negative"):
        fit(model, replace(data, validation=none), OPTIONS, progress=False)
    positives = interactions([(0, 6, 1), (1, 7, 1)])
    with pytest.raises(ModelError, match="2 positive and 0 negative"):
        fit(model, replace(data, validation=positives), replace(OPTIONS, negatives=0), progress=False)
    with pytest.raises(ModelError, match=f"user index {len(USER_PROFILES)}"):
        fit(model, replace(data, train=interactions([(len(USER_PROFILES), 0, 1)])), OPTIONS, progress=False)
    with pytest.raises(ModelError, match=f"item index {len(ITEM_WORDS)}"):
        fit(model, replace(data, validation=interactions([(0, len(ITEM_WORDS), 1)])), OPTIONS, progress=False)


def test_positives_alone_get_negatives():
    rows = [(user, item, 1) for user in range(8) for item in range(5) if (user + item) % 3]
    data = TrainingData(interactions(rows), interactions([(0, 6, 1), (3, 7, 1)]))
    model, result = train(replace(OPTIONS, negatives="auto"), model=FM(FMOptions(dim=2), small_features()), data=data)
    assert 0 <= result.history["val_auc"].iloc[-1] <= 1
    assert model.item_known.tolist() == [1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0]


def test_one_row_and_one_epoch():
    data = TrainingData(interactions([(0, 0, 1)]), interactions([(0, 1, 1)]))
    result = train(replace(OPTIONS, epochs=1), model=FM(FMOptions(dim=2), small_features()), data=data)[1]
    assert len(result.history) == 1


def test_progress_is_shown(capsys, monkeypatch):
    fit(new_model(), planted_data(), replace(OPTIONS, epochs=1), progress=True)
    assert not capsys.readouterr().out  # who trains in a script of his own reads what he prints himself
    shown = []
    leave = Stage.__exit__
    monkeypatch.setattr(Stage, "__exit__", lambda stage, *error: (shown.append(stage), leave(stage, *error))[1])
    for stop_on, column, word in (("auc", "val_auc", "AUC"), ("loss", "val_loss", "loss")):
        options = replace(OPTIONS, epochs=2, stop_on=stop_on)
        history = fit(new_model(), planted_data(), options, progress=Terminal()).history
        stage = shown.pop()
        assert (stage.done, stage.total, stage.per, stage.bound) == (20, 20, 10, "at most")
        best = history[column].max() if stop_on == "auc" else history[column].min()
        epoch = 1 + int(history[column].eq(best).to_numpy().argmax())
        assert stage.note == f"validation {word} {history[column].iloc[-1]:.4f}, best {best:.4f} ({epoch})"
        assert not Stage._running
    assert capsys.readouterr().out == "training\ntraining\n"


def test_bounded_epochs_are_said_and_resumed(tmp_path, caplog, monkeypatch):
    options = replace(OPTIONS, epochs=4, epoch_steps=3, patience=9)
    with caplog.at_level(logging.INFO, "magus_pyg"):
        result = train(options, folder=tmp_path / "whole")[1]
    assert caplog.messages == ["an epoch ends after 3 of the 10 steps that all rows take (train.epoch_steps)"]
    assert len(result.history) == 4
    train(replace(options, epochs=2), folder=tmp_path / "cut")
    train(options, folder=tmp_path / "cut", resume=True)
    assert_same_checkpoint(tmp_path / "whole", tmp_path / "cut")
    # Without a bound nothing is said, unless an epoch takes more than half an hour: then what would bound it, once.
    caplog.clear()
    monkeypatch.setattr("magus_pyg.training.epochs._PACED", 5)
    tell = RecommenderTraining._tell_pace
    for seconds in (900.0, 2000.0):  # of the first 5 of 10 steps
        monkeypatch.setattr(RecommenderTraining, "_tell_pace", lambda self, _, taken=seconds: tell(self, taken))
        with caplog.at_level(logging.INFO, "magus_pyg"):
            train(replace(options, epochs=2, epoch_steps=None))
        assert seconds == 2000.0 or not caplog.messages
    assert caplog.messages == [
        "an epoch of 10 steps takes about 67 minutes at this pace; train.epoch_steps=4 ends each after half an hour"
    ]


def test_options_are_checked():
    for wrong in (
        {"epochs": 0},
        {"epoch_steps": 0},
        {"lr": 0.0},
        {"min_lr": 1.0},
        {"stop_on": "acu"},
        {"negatives": "atuo"},
        {"negatives": -1},
    ):
        with pytest.raises(ConfigError, match=next(iter(wrong)).replace("min_", "")):
            TrainOptions(**wrong)


def test_early_stopping_counts_and_resumes():
    stopping = EarlyStopping(patience=2, maximise=True)
    assert [stopping.update(epoch, value) for epoch, value in enumerate([0.5, 0.5, 0.6])] == [True, False, True]
    again = EarlyStopping(patience=2, maximise=True)
    again.load_state_dict(stopping.state_dict())
    assert not again.update(3, 0.1)
    assert not again.stopped
    assert not again.update(4, 0.6)
    assert again.stopped
    assert (again.best, again.best_epoch) == (0.6, 2)


def test_two_devices_train_as_one(tmp_path):
    """Two processes with half the batch each give the weights of one, up to rounding."""
    script = HELPERS.joinpath("two_devices.py")
    path = os.pathsep.join([str(script.parents[1]), os.environ.get("PYTHONPATH", "")])
    env = {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"}
    run = [sys.executable, str(script), str(tmp_path)]
    result = subprocess.run(run, env=env, capture_output=True, text=True, timeout=600, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
    assert "all equal" in result.stdout


def test_killed_at_any_moment_the_last_whole_epoch_survives(tmp_path):
    script = HELPERS.joinpath("kill_training.py")
    path = os.pathsep.join([str(script.parents[1]), os.environ.get("PYTHONPATH", "")])
    run = subprocess.run(
        [sys.executable, str(script), str(tmp_path), "20"],
        env={**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    kills = [line for line in run.stdout.splitlines() if line.startswith("killed")]
    assert len(kills) >= 20
    assert "equal" in run.stdout.splitlines()[-1]
    assert signal.SIGKILL == 9


def test_small_gains_do_not_renew_the_patience():
    stopping = EarlyStopping(2, True, min_delta=0.1)
    taken = [stopping.update(epoch, value) for epoch, value in enumerate([0.5, 0.55, 0.65, 0.7])]
    assert taken == [True, True, True, True]  # the best weights are kept all the same
    assert (stopping.best_epoch, stopping.waited, stopping.stopped) == (3, 1, False)
    assert not stopping.update(4, 0.69)
    assert stopping.stopped
    stopping = EarlyStopping(1, False, min_delta=0.1)
    assert [stopping.update(epoch, value) for epoch, value in enumerate([0.5, 0.3, 0.45])] == [True, True, False]
    assert stopping.stopped

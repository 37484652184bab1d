import sys
from types import ModuleType
from typing import ClassVar

import pandas as pd
import pytest
import yaml
from planted_training import OPTIONS, new_model, planted_data

from magus_pyg.errors import ConfigError
from magus_pyg.training import TrainOptions, fit
from magus_pyg.training.epoch_log import LOGGERS, check_logger, epoch_log

SETTINGS = {"seed": 5, "train": {"lr": 0.02}}


def logged(name, folder, checkpoints=None, epochs=3, resume=False):
    options = TrainOptions(**{**vars(OPTIONS), "epochs": epochs})
    with epoch_log(name, folder, SETTINGS) as log:
        return fit(new_model(), planted_data(), options, 5, checkpoints, resume, progress=False, log=log)


def test_nothing_is_logged_by_default(tmp_path):
    assert TrainOptions().logger == "none"
    with epoch_log("none", tmp_path / "logs", SETTINGS) as log:
        assert log is None
    assert not list(tmp_path.iterdir())


def test_csv_holds_the_history_and_the_settings(tmp_path):
    result = logged("csv", tmp_path / "logs")
    found = pd.read_csv(tmp_path / "logs" / "csv" / "version_0" / "metrics.csv")
    expected = result.history.rename(columns={"epoch": "step"})
    pd.testing.assert_frame_equal(found[expected.columns], expected)
    settings = yaml.safe_load((tmp_path / "logs" / "csv" / "version_0" / "hparams.yaml").read_text())
    assert settings == SETTINGS


def test_a_resumed_training_has_a_log_of_all_its_epochs(tmp_path):
    logged("csv", tmp_path / "logs", tmp_path / "checkpoints", epochs=2)
    result = logged("csv", tmp_path / "logs", tmp_path / "checkpoints", epochs=4, resume=True)
    first, second = (
        pd.read_csv(tmp_path / "logs" / "csv" / f"version_{number}" / "metrics.csv") for number in range(2)
    )
    assert first["step"].tolist() == [0, 1]
    assert second["step"].tolist() == [0, 1, 2, 3]
    assert second["val_auc"].tolist() == pytest.approx(result.history["val_auc"].tolist(), abs=0)


def test_tensorboard_holds_the_history(tmp_path):
    pytest.importorskip("tensorboard", reason="tensorboard is optional: train.logger=tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    result = logged("tensorboard", tmp_path / "logs")
    (place,) = (tmp_path / "logs" / "tensorboard").iterdir()
    events = EventAccumulator(str(place))
    events.Reload()
    for column in ("train_loss", "val_loss", "val_auc", "lr", "seconds"):
        assert [event.step for event in events.Scalars(column)] == [0, 1, 2]
        assert [event.value for event in events.Scalars(column)] == pytest.approx(result.history[column].tolist())


def test_a_logger_without_its_package_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("magus_pyg.training.epoch_log.find_spec", lambda name: None)
    for name in ("tensorboard", "mlflow", "wandb"):
        with pytest.raises(ConfigError, match=f"train.logger={name} needs {name}: pip install {name}"):
            check_logger(name)
        with pytest.raises(ConfigError, match="pip install"), epoch_log(name, tmp_path / "logs", SETTINGS):
            pass
    check_logger("csv")
    assert not list(tmp_path.iterdir())


def test_an_unknown_logger_is_refused():
    with pytest.raises(ConfigError, match=r"logger must be one of none, csv, .*did you mean .csv.*got .cvs."):
        TrainOptions(logger="cvs")
    assert set(LOGGERS) == {"none", "csv", "tensorboard", "mlflow", "wandb"}


class StandIn:
    """Takes what a Lightning logger takes."""

    made: ClassVar[list] = []

    def __init__(self, *words, **options):
        self.options, self.settings, self.rows, self.status, self.exit_code = options, None, [], None, None
        self.experiment = self
        StandIn.made.append(self)

    def log_hyperparams(self, settings):
        self.settings = settings

    def log_metrics(self, row, step):
        self.rows.append((step, row))

    def finalize(self, status):
        self.status = status

    def finish(self, exit_code):
        self.exit_code = exit_code


@pytest.fixture
def stand_ins(monkeypatch):
    """In place of the loggers of packages that are not installed."""
    monkeypatch.setattr(StandIn, "made", [])
    monkeypatch.setattr("magus_pyg.training.epoch_log.find_spec", lambda name: True)
    loggers = ModuleType("lightning.pytorch.loggers")
    loggers.WandbLogger = loggers.MLFlowLogger = StandIn
    monkeypatch.setitem(sys.modules, "lightning.pytorch.loggers", loggers)
    for key in ("WANDB_MODE", "MLFLOW_TRACKING_URI", "MLFLOW_DISABLE_TELEMETRY"):
        monkeypatch.delenv(key, raising=False)
    return StandIn.made


@pytest.mark.parametrize("name", ["wandb", "mlflow"])
def test_every_epoch_is_logged_and_the_log_closed(name, stand_ins, tmp_path):
    result = logged(name, tmp_path / "run" / "logs")
    (logger,) = stand_ins
    assert logger.settings == SETTINGS
    assert [step for step, _ in logger.rows] == [0, 1, 2]
    assert [row["val_auc"] for _, row in logger.rows] == result.history["val_auc"].tolist()
    assert set(logger.rows[0][1]) == {"train_loss", "val_loss", "val_auc", "lr", "seconds"}
    assert (logger.status, logger.exit_code) == ("success", 0 if name == "wandb" else None)


def test_a_training_that_breaks_is_logged_as_failed(stand_ins, tmp_path):
    with pytest.raises(ZeroDivisionError), epoch_log("wandb", tmp_path / "run" / "logs", SETTINGS):
        raise ZeroDivisionError
    assert (stand_ins[0].status, stand_ins[0].exit_code) == ("failed", 1)


def test_nothing_leaves_the_machine_unless_the_environment_says_so(stand_ins, tmp_path, monkeypatch):
    place = tmp_path / "run" / "logs"
    for name in ("wandb", "mlflow"):
        with epoch_log(name, place, SETTINGS):
            pass
    assert stand_ins[0].options["offline"] is True
    assert stand_ins[1].options["tracking_uri"] == f"sqlite:///{place.resolve()}/mlflow/mlflow.db"
    monkeypatch.setenv("WANDB_MODE", "online")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://localhost:5000")
    for name in ("wandb", "mlflow"):
        with epoch_log(name, place, SETTINGS):
            pass
    assert stand_ins[2].options["offline"] is False
    assert stand_ins[3].options["tracking_uri"] == "http://localhost:5000"


def test_the_command_refuses_before_anything_is_written(trainer, tmp_path, monkeypatch):
    monkeypatch.setattr("magus_pyg.training.epoch_log.find_spec", lambda name: None)
    monkeypatch.setattr("magus_pyg.experiment.preparing.load_data", lambda config: pytest.fail("data are loaded"))
    with pytest.raises(ConfigError, match=r"train\.logger=wandb needs wandb: pip install wandb"):
        trainer(tmp_path, "train.logger=wandb")
    assert not list(tmp_path.iterdir())


def test_a_run_holds_its_logs(trainer, tmp_path):
    run = trainer(tmp_path, "train.logger=csv", "magus=none")
    place = run / "logs" / "csv" / "version_0"
    history, found = pd.read_csv(run / "history.csv"), pd.read_csv(place / "metrics.csv")
    assert found["val_auc"].tolist() == history["val_auc"].tolist()
    settings = yaml.safe_load((place / "hparams.yaml").read_text())
    assert settings["train"]["logger"] == "csv"
    assert settings["dataset"]["name"] == "synthetic"

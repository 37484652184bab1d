import json
import math
from dataclasses import replace

import planted_training
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors import safe_open
from safetensors.torch import save_file
from torch.nn import functional as F

from magus_pyg.errors import ModelError
from magus_pyg.models import FM, Calibration, FMOptions, load_model, save_model
from magus_pyg.models.binary_metrics import log_loss
from magus_pyg.models.calibration import calibration_error, fit_platt
from magus_pyg.random import uniform
from magus_pyg.testing import small_data, small_features
from magus_pyg.training import TrainOptions, fit

OPTIONS = TrainOptions(epochs=3, batch_size=5, accelerator="cpu")
USERS, ITEMS = torch.arange(8), torch.arange(10)


def planted(n, scale, shift, seed=0):
    """Logits z whose labels are drawn with probability sigmoid(scale z + shift)."""
    row = torch.arange(n)
    logits = (uniform(row, seed) - 0.5) * 6
    return logits, (uniform(row, seed, 1) < (scale * logits + shift).sigmoid()).to(torch.int8)


def test_it_finds_what_was_planted():
    logits, labels = planted(200_000, 0.5, -1.0)
    assert fit_platt(logits, labels) == pytest.approx((0.5, -1.0), abs=0.02)
    found = Calibration.fit(logits, labels)
    assert found.rows == 200_000
    assert found.loss_after < found.loss_before
    assert found.error_before > 0.1
    assert found.error_after < 0.01
    assert found.loss_before == pytest.approx(log_loss(logits, labels))


@given(st.integers(0, 10_000), st.integers(2, 40), st.floats(0.01, 100), st.floats(-50, 50))
def test_nothing_near_is_better(seed, n, spread, centre):
    logits, labels = planted(n, 1.0, 0.0, seed)
    z = logits.double() * spread + centre
    a, b = fit_platt(z, labels)
    positives = int(labels.sum())
    target = torch.where(labels == 1, (positives + 1) / (positives + 2), 1 / (n - positives + 2)).double()

    def loss(scale, shift):
        return float(F.binary_cross_entropy_with_logits(scale * z + shift, target))

    assert a >= 0
    best = loss(a, b)
    unit = 1e-3 / spread
    for scale, shift in ((a + unit, b), (max(0.0, a - unit), b), (a, b + 1e-3), (a, b - 1e-3)):
        assert loss(scale, shift) >= best - 1e-12
    assert loss(a + unit, b - unit * centre) >= best - 1e-12
    assert best <= loss(0.0, math.log(target.mean() / (1 - target.mean()))) + 1e-12


def test_by_hand():
    # Of two logits, each gets the mean target of its rows as probability: 3/4 and 1/4, so sigmoid(a) = 3/4.
    logits, labels = torch.tensor([1.0, 1.0, -1.0, -1.0]), torch.tensor([1, 1, 0, 0])
    assert fit_platt(logits, labels) == pytest.approx((math.log(3), 0.0), abs=1e-6)
    # Here both mean targets are 1/2: no slope and no shift.
    assert fit_platt(logits, torch.tensor([1, 0, 1, 0])) == pytest.approx((0.0, 0.0), abs=1e-6)


def test_an_order_worse_than_chance_is_not_turned_round():
    logits, labels = torch.tensor([1.0, 2.0, -1.0, -3.0, 0.5]), torch.tensor([0, 0, 1, 1, 1])
    # Targets 4/5 and 1/4: their mean is 2.9 / 5.
    assert fit_platt(logits, labels) == (0.0, pytest.approx(math.log(2.9 / 2.1)))


@pytest.mark.parametrize(("logits", "labels"), [([3.0], [1]), ([2.0, 2.0], [1, 0]), ([1.0, -4.0], [1, 1])])
def test_little_to_go_by(logits, labels):
    scale, shift = fit_platt(torch.tensor(logits), torch.tensor(labels))
    assert scale >= 0
    assert math.isfinite(scale)
    assert math.isfinite(shift)


def test_bad_rows():
    with pytest.raises(ModelError, match=r"got \[0\] and \[0\]"):
        fit_platt(torch.tensor([]), torch.tensor([]))
    with pytest.raises(ModelError, match=r"got \[2\] and \[1\]"):
        fit_platt(torch.tensor([1.0, 2.0]), torch.tensor([1]))
    with pytest.raises(ModelError, match=r"finite logits \(got nan\)"):
        fit_platt(torch.tensor([1.0, float("nan")]), torch.tensor([1, 0]))


def test_calibration_error_by_hand():
    # Two bins: 0.2, 0.4 with shares 1/2; 0.9, 1.0, 0.5 with 2/3.
    probability, labels = torch.tensor([0.2, 0.9, 0.4, 1.0, 0.5]), torch.tensor([1, 1, 0, 1, 0])
    expected = (2 * abs(0.3 - 0.5) + 3 * abs(0.8 - 2 / 3)) / 5
    assert calibration_error(probability, labels, bins=2) == pytest.approx(expected, abs=1e-6)
    assert calibration_error(torch.tensor([]), torch.tensor([])) == 0.0


def test_training_calibrates_and_leaves_the_scores(tmp_path):
    model = FM(FMOptions(dim=3, init_std=0.5), small_features())
    assert model.calibration.tolist() == [1.0, 0.0]
    result = fit(model, small_data(), OPTIONS, folder=tmp_path, progress=False)
    found = result.calibration
    assert found is not None
    assert model.calibration.tolist() == pytest.approx([found.scale, found.shift])
    assert found.rows > 6
    assert found.loss_before == pytest.approx(result.history["val_loss"][result.best_epoch])
    scores = model.score(USERS, ITEMS)
    torch.testing.assert_close(model.probability(USERS, ITEMS), (found.scale * scores + found.shift).sigmoid())
    again = FM(FMOptions(dim=3, init_std=0.5), small_features())
    assert fit(again, small_data(), OPTIONS, folder=tmp_path, resume=True, progress=False).calibration == found
    assert torch.equal(again.calibration, model.calibration)
    cut = tmp_path / "cut"
    for epochs in (1, 2, 3):
        part = FM(FMOptions(dim=3, init_std=0.5), small_features())
        options = replace(OPTIONS, epochs=epochs)
        result = fit(part, small_data(), options, folder=cut, resume=epochs > 1, progress=False)
    assert result.calibration == found


def test_the_calibration_is_that_of_the_best_epoch():
    model, result = planted_training.train(planted_training.OPTIONS)
    found = result.calibration
    assert found is not None
    assert result.best_epoch > 0  # else it could be that of the first
    assert found.loss_before == pytest.approx(result.history["val_loss"][result.best_epoch])
    assert model.calibration.tolist() == pytest.approx([found.scale, found.shift])


def test_calibrating_again_by_hand():
    model = FM(FMOptions(dim=3), small_features())
    logits, labels = planted(500, 2.0, 0.5)
    found = model.calibrate(logits, labels)
    assert model.calibration.tolist() == pytest.approx([found.scale, found.shift])
    pads = torch.tensor([[0, -1], [3, 2]])
    probability = model.probability(torch.tensor([1, 2]), pads)
    assert probability[0, 1] == 0
    assert bool((probability[pads >= 0] > 0).all())
    model.calibrate(torch.tensor([1.0, -1.0]), torch.tensor([0, 1]))
    assert model.probability(torch.tensor([1, 2]), pads)[0].tolist() == [0.5, 0]


def test_saved_and_loaded(tmp_path):
    model = FM(FMOptions(dim=3), small_features())
    model.calibrate(*planted(500, 2.0, 0.5))
    path = tmp_path / "model.safetensors"
    save_model(model, path)
    assert torch.equal(load_model(path, small_features()).calibration, model.calibration)
    # A file of a version that had no calibration.
    with safe_open(path, framework="pt") as file:
        header = file.metadata()
        tensors = {key: file.get_tensor(key) for key in file.keys() if key != "calibration"}  # noqa: SIM118
    assert json.loads(header["model"])["name"] == "fm"
    save_file(tensors, path, header)
    old = load_model(path, small_features())
    assert old.calibration.tolist() == [1.0, 0.0]
    assert torch.equal(old.score(USERS, ITEMS), model.score(USERS, ITEMS))

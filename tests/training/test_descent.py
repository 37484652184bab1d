import pytest
import torch

from magus_pyg.errors import ModelError
from magus_pyg.training.averaging import RunningAverage
from magus_pyg.training.descent import Descent, seeded_generator, train_epochs
from magus_pyg.training.stopping import EarlyStopping


def weight_and_descent(**options):
    weight = torch.nn.Parameter(torch.tensor(4.0))
    return weight, Descent("the loss of a test", torch.optim.SGD([weight], lr=0.25), "lower its lr", **options)


def test_each_loss_is_computed_with_the_weights_of_its_step():
    weight, descent = weight_and_descent()
    mean = descent.epoch(0, (weight.square() for _ in range(3)))
    # w <- w - 0.25 * 2w halves the weight.
    assert float(weight.detach()) == 0.5
    assert mean == (16 + 4 + 1) / 3


def test_what_follows_a_step_is_called_in_order_and_gradients_are_clipped():
    seen = []
    weight = torch.nn.Parameter(torch.tensor(4.0))
    after = (lambda: seen.append(float(weight.detach())), lambda: seen.append("then"))
    optimizer = torch.optim.SGD([weight], lr=0.25)
    Descent("a loss", optimizer, "lower it", clip=1.0, after=after).epoch(0, (weight.square() for _ in range(2)))
    assert seen == pytest.approx([3.75, "then", 3.5, "then"], abs=1e-5)


@pytest.mark.parametrize("check_every", [1, 2, 4, 100])
def test_a_loss_that_is_not_finite_is_named(check_every):
    weight, descent = weight_and_descent(check_every=check_every)
    scale = [1.0, 1.0, 1.0, float("inf"), float("nan"), 1.0, 1.0]
    with pytest.raises(ModelError, match=r"loss of a test became inf in epoch 7, batch 3; lower its lr \(now 0.25\)"):
        descent.epoch(7, (weight.square() * factor for factor in scale))


def test_the_best_epoch_is_kept_until_the_patience_is_used_up():
    weight, descent = weight_and_descent()
    values, finished, judged = iter([0.5, 0.3, 0.4, 0.4, 0.1]), [], []

    def judge(epoch, loss):
        judged.append((epoch, loss))
        return next(values)

    best = train_epochs(
        descent,
        lambda epoch: [weight.square()],
        range(10, 20),
        judge,
        EarlyStopping(patience=2, maximise=False),
        lambda: float(weight.detach()),
        None,
        finished.append,
    )
    assert best == 1.0  # after the second step
    assert finished == [10, 11, 12, 13]
    assert judged == [(10, 16.0), (11, 4.0), (12, 1.0), (13, 0.25)]


def test_without_an_epoch_what_was_kept_before_is_returned():
    _, descent = weight_and_descent()
    stopping = EarlyStopping(patience=1, maximise=True)
    assert (
        train_epochs(descent, lambda epoch: [], range(0), lambda epoch, loss: loss, stopping, list, "before")
        == "before"
    )


def test_a_further_phase_has_the_best_of_the_first_to_beat():
    stopping = EarlyStopping(patience=2, maximise=True)
    assert [stopping.update(epoch, value) for epoch, value in enumerate([0.6, 0.5, 0.5])] == [True, False, False]
    assert stopping.stopped
    stopping.renew()
    assert not stopping.stopped
    assert [stopping.update(epoch, value) for epoch, value in enumerate([0.4, 0.5, 0.7, 0.7])] == [
        False, False, True, False,
    ]  # fmt: skip
    assert (stopping.best, stopping.waited) == (0.7, 1)


def test_nan_is_never_the_best_and_uses_up_the_patience():
    stopping = EarlyStopping(patience=2, maximise=False)
    assert not stopping.update(0, float("nan"))
    assert (stopping.best_epoch, stopping.stopped) == (-1, False)
    assert not stopping.update(1, float("nan"))
    assert stopping.stopped
    assert stopping.update(2, 3.0)


def test_a_generator_depends_on_its_keys():
    first, again, other = (torch.rand(4, generator=seeded_generator(*keys)) for keys in ((1, 2), (1, 2), (2, 1)))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_a_running_average_moves_by_its_weight():
    network = torch.nn.Linear(1, 1, bias=False)
    torch.nn.init.constant_(network.weight, 1.0)
    average = RunningAverage(network, 0.25)
    torch.nn.init.constant_(network.weight, 5.0)
    average.update()
    frozen = average.frozen()
    assert float(frozen.weight) == 2.0
    assert frozen.weight.dtype == torch.float64
    assert not frozen.weight.requires_grad
    average.update()
    assert float(frozen.weight) == 2.0

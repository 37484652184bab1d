import pytest
import torch

from magus_pyg.models.kernels.dropout import dropout


def test_the_share_and_the_mean_are_kept():
    torch.manual_seed(0)
    x = torch.ones(1000, 333)
    y = dropout(x, 0.3, True)
    assert abs(float((y == 0).float().mean()) - 0.3) < 0.005
    assert abs(float(y.mean()) - 1) < 0.01
    assert len(torch.unique(y)) == 2
    # No column, row or lane of the random words is dropped more than others.
    assert float(((y == 0).float().mean(0) - 0.3).abs().max()) < 0.08
    lanes = (y.flatten()[: 4 * 83_000].view(-1, 4) == 0).float().mean(0)
    assert float((lanes - 0.3).abs().max()) < 0.01


def test_spared_columns_and_gradients():
    torch.manual_seed(1)
    x = torch.randn(50, 7, requires_grad=True)
    y = dropout(x, 0.5, True, spare=2)
    assert torch.equal(y[:, -2:], x[:, -2:])
    y.sum().backward()
    scale = torch.where(y == 0, 0.0, y / x).detach()
    torch.testing.assert_close(x.grad, scale)


def test_it_follows_the_generator():
    x = torch.ones(13, 5)
    draws = []
    for seed in (3, 3, 4):
        torch.manual_seed(seed)
        draws.append(dropout(x, 0.4, True))
    assert torch.equal(draws[0], draws[1])
    assert not torch.equal(draws[0], draws[2])


@pytest.mark.parametrize(("share", "training"), [(0.0, True), (0.5, False)])
def test_nothing_is_dropped(share, training):
    x = torch.ones(3, 2)
    assert dropout(x, share, training) is x
    assert dropout(x[:0], 0.5, True).shape == (0, 2)

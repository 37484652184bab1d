import itertools

import pytest
import torch

from magus_pyg.models.kernels.second_order import second_order


def features(n, count=3):
    """Weighted vectors v_i x_i with w_i x_i in the last column, [n, count, dim + 1]."""
    return torch.randn(n, count, 5, generator=torch.Generator().manual_seed(n), dtype=torch.float64)


@pytest.mark.parametrize("n", [0, 1, 4])
@pytest.mark.parametrize("grad", [False, True])
def test_it_is_the_sum_over_pairs(n, grad):
    x = features(n)
    with torch.set_grad_enabled(grad):
        found = second_order(x.sum(1).requires_grad_(grad), x[..., :-1].square().sum((1, 2)))
    pairs = sum((x[:, i, :-1] * x[:, j, :-1]).sum(1) for i, j in itertools.combinations(range(3), 2))
    torch.testing.assert_close(found.detach(), x[..., -1].sum(1) + pairs)


def test_its_gradient():
    x = features(4)
    given = x.sum(1).requires_grad_(), x[..., :-1].square().sum((1, 2)).requires_grad_()
    assert torch.autograd.gradcheck(second_order, given)

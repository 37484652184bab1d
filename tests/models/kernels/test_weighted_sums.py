import pytest
import torch

from magus_pyg.models.kernels.weighted_sums import weighted_sums


@pytest.mark.parametrize("k", [1, 2])
@pytest.mark.parametrize("n", [0, 1, 3])
def test_they_are_the_product_of_matrices(n, k):
    weight = torch.randn(n, 2, k, 4, dtype=torch.float64, requires_grad=True)
    x = torch.randn(n, 2, 4, 5, dtype=torch.float64, requires_grad=True)
    torch.testing.assert_close(weighted_sums(weight, x), torch.einsum("nmke,nmew->nmkw", weight, x))
    assert torch.autograd.gradcheck(weighted_sums, (weight, x))

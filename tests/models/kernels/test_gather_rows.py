import pytest
import torch

from magus_pyg.models.kernels.gather_rows import gather_rows


@pytest.mark.parametrize(("m", "places"), [(4, [2, 0, 2, 2]), (3, []), (1, [0])])
def test_rows_and_their_gradient(m, places):
    x, place = torch.randn(m, 3, dtype=torch.float64, requires_grad=True), torch.tensor(places, dtype=torch.int64)
    assert torch.equal(gather_rows(x, place), x[place])
    if places:
        assert torch.autograd.gradcheck(lambda x: gather_rows(x, place), (x,))


def test_it_compiles_whole():
    x, place = torch.randn(4, 3, requires_grad=True), torch.tensor([1, 1, 3])
    compiled = torch.compile(gather_rows, fullgraph=True, backend="aot_eager")
    compiled(x, place).sum().backward()
    assert x.grad[:, 0].tolist() == [0, 2, 0, 1]

import pytest
import torch

from magus_pyg.models.kernels.field_vectors import FieldVectors, linear_of_fields


def side(n, seed, dim=3):
    generator = torch.Generator().manual_seed(seed)
    vectors = torch.randn(n, 2, dim, generator=generator, dtype=torch.float64, requires_grad=True)
    return FieldVectors(vectors, torch.randn(n, generator=generator, dtype=torch.float64), torch.zeros(()))


def test_a_term_is_computed_once_for_all_rows():
    whole, calls = side(5, 0), []

    def total(given):
        calls.append(len(given.vectors))
        return given.vectors.sum(1)

    some, block = whole.rows(torch.tensor([3, 0])), whole.rows(slice(1, 3), axis=1)
    expected = whole.vectors.sum(1)
    assert torch.equal(some.once("total", total), expected[[3, 0]])
    assert torch.equal(block.once("total", total), expected[1:3].unsqueeze(1))
    assert torch.equal(whole.rows(slice(2), axis=0).once("total", total), expected[:2].unsqueeze(0))
    assert calls == [5]
    assert torch.equal(some.linear, whole.linear[[3, 0]])
    assert torch.equal(block.vectors, whole.vectors[1:3].unsqueeze(1))
    assert (whole.meets_all, some.meets_all, block.meets_all) == (False, False, True)


@pytest.mark.parametrize(("n", "m"), [(0, 3), (1, 1), (4, 0), (4, 3)])
@pytest.mark.parametrize("with_bias", [False, True])
def test_a_linear_layer_over_the_fields(n, m, with_bias):
    weight = torch.randn(5, 12, dtype=torch.float64, requires_grad=True)
    bias = torch.randn(5, dtype=torch.float64, requires_grad=True) if with_bias else None
    user, item = side(n, 1), side(m, 2)
    literal = torch.stack([
        torch.stack([torch.cat([u.flatten(), v.flatten()]) for v in item.vectors]) if m else torch.empty(0, 12)
        for u in user.vectors
    ]) if n else torch.empty(0, m, 12)  # fmt: skip
    literal = torch.nn.functional.linear(literal.to(torch.float64).view(n, m, 12), weight, bias)
    every = linear_of_fields(user.rows(slice(n), axis=1), item.rows(slice(m), axis=0), weight, bias)
    torch.testing.assert_close(every, literal)
    few = min(n, m)
    rows = linear_of_fields(user.rows(slice(few)), item.rows(slice(few)), weight, bias)
    torch.testing.assert_close(rows, literal[torch.arange(few), torch.arange(few)])
    if few:
        leaves = [weight, user.vectors, item.vectors]
        found = torch.autograd.grad(every.square().sum(), leaves, retain_graph=True)
        torch.testing.assert_close(found, torch.autograd.grad(literal.square().sum(), leaves))

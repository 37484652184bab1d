import itertools

import pytest
import torch

from magus_pyg.models.kernels.field_products import (
    add_inner_products,
    add_outer_product,
    add_weighted,
    factorization_machine,
    inner_products,
    pair_products,
)
from magus_pyg.models.kernels.field_vectors import FieldVectors

# The pairs in the order of the weights; fields 0 user, 1 profile, 2 item, 3 words.
PAIRS = [(0, 1), (2, 3), (0, 2), (0, 3), (1, 2), (1, 3)]
SIZES = [(0, 3), (1, 1), (4, 0), (4, 3)]


def draw(*shape, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(shape, generator=generator, dtype=torch.float64).requires_grad_()


def sides(n, m):
    return tuple(FieldVectors(draw(size, 2, 3, seed=size), draw(size, seed=9), torch.zeros(())) for size in (n, m))


def every_pair(user, item):
    """The four vectors of each user with each candidate, [n, m, 4, dim], and the sums of their linear terms [n, m]."""
    n, m = len(user.vectors), len(item.vectors)
    left = user.vectors.unsqueeze(1).expand(n, m, 2, 3)
    return torch.cat([left, item.vectors.expand(n, m, 2, 3)], 2), user.linear.unsqueeze(1) + item.linear


def each_with_each(user, item):
    return user.rows(slice(None), axis=1), item.rows(slice(None), axis=0)


def check(compute, literal, user, item, weights):
    """`compute` of each with each, and of rows with rows, is the literal one, [n, m, ...], with its gradients."""
    few = min(len(user.vectors), len(item.vectors))
    rows = torch.arange(few)
    leaves = [user.vectors, item.vectors, *weights]
    forms = [(compute(*each_with_each(user, item)), literal)]
    forms += [(compute(user.rows(rows), item.rows(rows)), literal[rows, rows])]
    for found, expected in forms:
        torch.testing.assert_close(found, expected)
        given = [torch.autograd.grad(x.square().sum(), leaves, retain_graph=True) for x in (found, expected)]
        torch.testing.assert_close(*given)
    with torch.no_grad():
        torch.testing.assert_close(compute(user.rows(rows), item.rows(rows)), literal[rows, rows].detach())


@pytest.mark.parametrize(("n", "m"), SIZES)
def test_the_factorization_machine(n, m):
    (user, item), bias = sides(n, m), draw()
    vectors, linear = every_pair(user, item)
    pairs = sum((vectors[..., f, :] * vectors[..., g, :]).sum(-1) for f, g in itertools.combinations(range(4), 2))
    check(lambda u, v: factorization_machine(u, v, bias), bias + linear + pairs, user, item, [bias])


@pytest.mark.parametrize(("n", "m"), SIZES)
def test_weighted_inner_products(n, m):
    (user, item), weight = sides(n, m), draw(5, 6)
    vectors, linear = every_pair(user, item)
    products = torch.stack([(vectors[..., f, :] * vectors[..., g, :]).sum(-1) for f, g in PAIRS], -1)
    units = torch.arange(5, dtype=torch.float64)
    literal = linear.unsqueeze(-1) * units + products @ weight.T

    def compute(u, v):
        return add_inner_products((u.linear + v.linear).unsqueeze(-1) * units, u, v, weight)

    check(compute, literal, user, item, [weight])


@pytest.mark.parametrize(("n", "m"), SIZES)
def test_a_weighted_outer_product(n, m):
    (user, item), weight = sides(n, m), draw(5, 3, 3)
    vectors, _ = every_pair(user, item)
    total = vectors.sum(2)
    two = torch.tensor(2.0, dtype=torch.float64)
    literal = two + torch.einsum("nmd,nme,hde->nmh", total, total, weight)
    check(lambda u, v: add_outer_product(two, u, v, weight), literal, user, item, [weight])


def test_gradients():
    left, right = draw(4, 2, 3, seed=1), draw(4, 2, 3, seed=2)
    vectors = torch.cat([left, right], 1).unbind(1)
    literal = sum((one * other).sum(1) for one, other in itertools.combinations(vectors, 2))
    torch.testing.assert_close(pair_products(left, right), literal)
    assert torch.autograd.gradcheck(pair_products, (left, right))
    assert torch.autograd.gradcheck(inner_products, (left, right))
    assert torch.autograd.gradcheck(add_weighted, (draw(4, 5), draw(4, 2), draw(5, 2)))
    assert inner_products(draw(0, 2, 3), draw(0, 2, 3)).shape == (0, 6)

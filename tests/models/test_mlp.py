import pytest
import torch
from torch import nn

from magus_pyg.errors import ConfigError
from magus_pyg.models.mlp import MLP


def generator():
    return torch.Generator().manual_seed(0)


def test_by_hand():
    mlp = MLP(2, [2], 1)
    with torch.no_grad():
        mlp.layers[0].weight.copy_(torch.tensor([[1.0, 2.0], [-1.0, 1.0]]))
        mlp.layers[0].bias.copy_(torch.tensor([0.5, 0.0]))
        mlp.layers[1].weight.copy_(torch.tensor([[2.0, 5.0]]))
        mlp.layers[1].bias.fill_(-1.0)
    # [3, 1]: hidden 5.5 and relu(-2) = 0; [0, 1]: 2.5 and 1.
    assert mlp(torch.tensor([[3.0, 1.0], [0.0, 1.0]])).tolist() == [[10.0], [9.0]]


def test_halves_of_the_input_can_be_added_in_the_first_layer():
    mlp = MLP(5, [4, 3], 2, generator=generator())
    left, right = torch.randn(6, 2, generator=generator()), torch.randn(7, 3, generator=generator())
    weight, bias = mlp.first.weight, mlp.first.bias
    start = (left @ weight[:, :2].T)[:, None] + (right @ weight[:, 2:].T + bias)[None]
    pairs = torch.cat([left[:, None].expand(6, 7, 2), right[None].expand(6, 7, 3)], 2)
    torch.testing.assert_close(mlp.rest(start), mlp(pairs))


def test_ends_with_an_activation_or_without():
    x = torch.randn(50, 3, generator=generator())
    assert bool((MLP(3, [4], generator=generator())(x) >= 0).all())
    out = MLP(3, [4], 4, generator=generator())(x)
    assert bool((out < 0).any())
    assert MLP(3, [], 2)(x).shape == (50, 2)
    assert MLP(3, [4])(x[:0]).shape == (0, 4)


def test_weights_come_from_the_generator_alone():
    state = torch.random.get_rng_state()
    first, second = (MLP(3, [8], 1, generator=generator()) for _ in range(2))
    assert torch.equal(torch.random.get_rng_state(), state)
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True))
    assert bool((first.first.weight.abs() <= (6 / 3) ** 0.5).all())
    assert not bool(first.first.bias.any())


def test_dropout_only_in_training():
    mlp = MLP(3, [64], 1, dropout=0.5, generator=generator())
    x = torch.ones(2, 3)
    mlp.train()
    assert not torch.equal(mlp(x), mlp(x))
    mlp.eval()
    assert torch.equal(mlp(x), mlp(x))


def test_other_activations_and_bad_sizes():
    mlp = MLP(3, [4, 2], activation=lambda units: nn.PReLU(units))
    assert [activation.weight.numel() for activation in mlp.activations] == [4, 2]
    with pytest.raises(ConfigError, match="got neither"):
        MLP(3, [])

"""Stacks of linear layers, the deep part of the neural recommenders."""

from collections.abc import Callable, Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from magus_pyg.errors import ConfigError
from magus_pyg.models.kernels.dropout import dropout
from magus_pyg.models.kernels.field_vectors import FieldVectors, linear_of_fields

__all__ = ["MLP"]


class MLP(nn.Module):
    r"""Linear layers, each but the last followed by an activation and dropout.

    .. math::
        h_{l+1} = \text{dropout}(\sigma(W_l h_l + b_l)), \qquad y = W_L h_L + b_L

    The first layer is linear in its input, so where the input is [a, b] with few distinct a and b, as in scoring many
    pairs, W a and W b can be computed once each and added: `first.weight` holds W, and `rest` goes on from W h + b.

    Args:
        n_in: length of the input.
        hidden: units of the hidden layers, in turn; may be empty if `n_out` is given.
        n_out: length of the output, which has no activation; None ends with the activation of the last hidden layer.
        dropout: share of the hidden units set to 0 in a training step.
        generator: of the weights before training (uniform, after He et al. 2015 for hidden layers and after Glorot and
            Bengio 2010 for the output; biases are 0). None takes torch's own.
        activation: makes the activation of a hidden layer from its units; ReLU where None.
    """

    def __init__(
        self,
        n_in: int,
        hidden: Sequence[int],
        n_out: int | None = None,
        dropout: float = 0.0,
        generator: torch.Generator | None = None,
        activation: Callable[[int], nn.Module] | None = None,
    ) -> None:
        super().__init__()
        ends = [] if n_out is None else [n_out]
        sizes = [n_in, *hidden, *ends]
        if len(sizes) < 2:
            raise ConfigError("an MLP needs a hidden layer or a length of its output (got neither)")
        self.n_out = sizes[-1]
        self.dropout = dropout
        self.n_hidden = len(hidden)
        # Without torch's own filling, which would draw from its global generator.
        self.layers = nn.ModuleList(
            nn.utils.skip_init(nn.Linear, before, after)  # type: ignore[no-untyped-call]
            for before, after in pairwise(sizes)
        )
        self.activations = nn.ModuleList(activation(size) if activation else nn.ReLU() for size in hidden)
        self.reset_parameters(generator)

    @property
    def first(self) -> nn.Linear:
        """The first layer."""
        layer = self.layers[0]
        assert isinstance(layer, nn.Linear)
        return layer

    def reset_parameters(self, generator: torch.Generator | None = None) -> None:
        """Uniform weights, zero biases."""
        for number, layer in enumerate(self.layers):
            assert isinstance(layer, nn.Linear)
            if number < self.n_hidden:
                nn.init.kaiming_uniform_(layer.weight, nonlinearity="relu", generator=generator)
            else:
                nn.init.xavier_uniform_(layer.weight, generator=generator)
            nn.init.zeros_(layer.bias)

    def forward(self, x: Tensor) -> Tensor:
        """[..., n_in] to [..., n_out]."""
        return self.rest(self.first(x))

    def of_fields(self, user: FieldVectors, item: FieldVectors) -> Tensor:
        """The output for the four fields' vectors side by side, [n] or [n, m] if `n_out` is 1."""
        return self.rest(linear_of_fields(user, item, self.first.weight, self.first.bias)).squeeze(-1)

    def of_parts(self, *parts: Tensor) -> Tensor:
        """The output for parts side by side, [..., size] each, which broadcast: each has columns of the first layer."""
        weights = torch.split(self.first.weight, [part.shape[-1] for part in parts], 1)
        hidden = F.linear(parts[0], weights[0], self.first.bias)
        for part, weight in zip(parts[:0:-1], weights[:0:-1], strict=True):
            hidden = hidden + F.linear(part, weight)
        return self.rest(hidden)

    def rest(self, x: Tensor) -> Tensor:
        """All after the first layer: from its output before the activation, [..., units], to [..., n_out]."""
        for number, layer in enumerate(self.layers):
            if number:
                x = layer(x)
            if number < self.n_hidden:
                x = dropout(self.activations[number](x), self.dropout, self.training)
        return x

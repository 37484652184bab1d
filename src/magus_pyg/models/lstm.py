"""The long short-term memory over a user's liked items."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from magus_pyg.models.recurrent_model import RecurrentOptions, RecurrentRecommender

__all__ = ["LSTM", "LSTMOptions"]


@dataclass
class LSTMOptions(RecurrentOptions):
    """Options of the long short-term memory; see `RecurrentOptions`."""

    name: str = "lstm"


class LSTM(RecurrentRecommender):
    r"""Long short-term memory over the history (Hochreiter and Schmidhuber 1997), with the output of
    `RecurrentRecommender`.

    .. math::
        i_t, f_t, o_t &= \sigma(W x_t + U h_{t-1}) \\
        g_t &= \tanh(W_g x_t + U_g h_{t-1}) \\
        c_t &= f_t \odot c_{t-1} + i_t \odot g_t \\
        h_t &= o_t \odot \tanh(c_t)

    The paper of 1997 has no forget gate f (its memory is never cleared) and its own squashing functions; this is the
    form with one (Gers et al. 2000) that all libraries use, `torch.nn.LSTMCell`'s weights and biases included.

    Args:
        options: see `RecurrentOptions`.
        features: what is known of users, items and words.
        interactions: the training rows, in the order of time.
        seed: of the weights before training.
    """

    def make_cell(self) -> nn.LSTMCell:
        """The gates' weights, in the order i, f, g, o."""
        return nn.LSTMCell(self.options.dim, self.options.hidden)

    def step(self, x: Tensor, state: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """h_t and c_t from those of the step before."""
        h, c = state
        i, f, g, o = (x + torch.addmm(self.cell.bias_hh, h, self.cell.weight_hh.T)).chunk(4, 1)
        c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
        return torch.sigmoid(o) * torch.tanh(c), c

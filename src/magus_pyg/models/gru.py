"""The gated recurrent unit over a user's liked items."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from magus_pyg.models.recurrent_model import RecurrentOptions, RecurrentRecommender

__all__ = ["GRU", "GRUOptions"]


@dataclass
class GRUOptions(RecurrentOptions):
    """Options of the gated recurrent unit; see `RecurrentOptions`."""

    name: str = "gru"


class GRU(RecurrentRecommender):
    r"""Gated recurrent unit over the history (Hidasi et al. 2016, "Session-based Recommendations with Recurrent Neural
    Networks", Eqs. 2-5), with the output of `RecurrentRecommender`.

    .. math::
        r_t &= \sigma(W_r x_t + U_r h_{t-1}) \\
        z_t &= \sigma(W_z x_t + U_z h_{t-1}) \\
        \hat h_t &= \tanh(W x_t + r_t \odot U h_{t-1}) \\
        h_t &= (1 - z_t) \odot \hat h_t + z_t \odot h_{t-1}

    Where the paper and code differ: the paper's Eq. 4 resets the state before U is applied, the authors' PyTorch code
    (by `torch.nn.GRUCell`) after it, which is done here, and takes 1 - z for the paper's z; both have biases left out
    above. The paper ranks the next item with BPR or TOP1 over session-parallel batches; here a row of the log is
    predicted with the base models' common loss, and the input is an embedding instead of a one-hot vector, as in the
    paper's variant that the authors' code prefers, shared with the output.

    Args:
        options: see `RecurrentOptions`.
        features: what is known of users, items and words.
        interactions: the training rows, in the order of time.
        seed: of the weights before training.
    """

    def make_cell(self) -> nn.GRUCell:
        """The gates' weights, in the order r, z, candidate."""
        return nn.GRUCell(self.options.dim, self.options.hidden)

    def step(self, x: Tensor, state: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """h_t from h_{t-1}."""
        h, size = state[0], self.options.hidden
        own = torch.addmm(self.cell.bias_hh, h, self.cell.weight_hh.T)
        r, z = torch.sigmoid(x[:, : 2 * size] + own[:, : 2 * size]).chunk(2, 1)  # Eqs. 5 and 3
        fresh = torch.tanh(x[:, 2 * size :] + r * own[:, 2 * size :])  # Eq. 4
        return (fresh + z * (h - fresh),)  # Eq. 2

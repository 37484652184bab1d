"""A running average of a network's weights, which is steadier than the weights of any one step."""

import copy
from typing import Generic, TypeVar

import torch
from torch import nn

__all__ = ["RunningAverage"]

_Network = TypeVar("_Network", bound=nn.Module)


class RunningAverage(Generic[_Network]):
    """Follows a network in training.

    Args:
        network: the network; its weights are the start.
        weight: how far each step moves the average towards the network, in (0, 1]; 1 copies it.
    """

    def __init__(self, network: _Network, weight: float) -> None:
        self.network = network
        self.weight = weight
        self.average = copy.deepcopy(network)

    def update(self) -> None:
        """Take in the network as it is now."""
        with torch.no_grad():
            for mean, present in zip(self.average.parameters(), self.network.parameters(), strict=True):
                mean.lerp_(present, self.weight)

    def frozen(self) -> _Network:
        """A copy of the average in double precision, for play."""
        return copy.deepcopy(self.average).double().eval().requires_grad_(False)

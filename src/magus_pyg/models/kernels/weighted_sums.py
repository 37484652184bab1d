"""Sums of a few vectors with weights of their own in each row."""

from torch import Tensor

__all__ = ["weighted_sums"]


def weighted_sums(weight: Tensor, x: Tensor) -> Tensor:
    """weight [..., k, e] times x [..., e, width], [..., k, width].

    One sum a row is no product of matrices: many small products of a single row cost more than their arithmetic.
    """
    if weight.shape[-2] == 1:
        return (weight.transpose(-1, -2) * x).sum(-2, keepdim=True)
    return weight @ x

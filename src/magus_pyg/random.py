"""Counter-based random numbers: every number is a function of its keys, not of what was drawn before it.

A number for (seed, session, round, slot) is the same whether sessions are played one by one, in batches, in another
order, on CPU or on CUDA. The mixing function is SplitMix64's finaliser (Steele, Lea and Flood 2014, "Fast splittable
pseudorandom number generators"), applied once for every key.
"""

import torch
from torch import Tensor

__all__ = ["derive_seed", "hash_keys", "integers", "uniform"]

# SplitMix64's constants as signed 64-bit integers, since torch has no unsigned arithmetic on all devices.
_GOLDEN = 0x9E3779B97F4A7C15 - (1 << 64)
_MIX_1 = 0xBF58476D1CE4E5B9 - (1 << 64)
_MIX_2 = 0x94D049BB133111EB - (1 << 64)


def _shift_right(x: Tensor, bits: int) -> Tensor:
    """Logical shift: torch's own shift on int64 copies the sign bit."""
    return (x >> bits) & ((1 << (64 - bits)) - 1)


def _mix(x: Tensor) -> Tensor:
    x = (x ^ _shift_right(x, 30)) * _MIX_1
    x = (x ^ _shift_right(x, 27)) * _MIX_2
    return x ^ _shift_right(x, 31)


def hash_keys(*keys: Tensor | int) -> Tensor:
    """Hash integer keys into 64 random bits.

    Args:
        *keys: at least one key; integers or int64 tensors that broadcast against each other.

    Returns:
        int64 tensor of the broadcast shape; every bit pattern is equally likely.
    """
    device = next((key.device for key in keys if isinstance(key, Tensor)), torch.device("cpu"))
    state = torch.zeros((), dtype=torch.int64, device=device)
    for key in keys:
        if not isinstance(key, Tensor):
            key = torch.tensor(_signed(key), dtype=torch.int64, device=device)
        state = _mix(state + _GOLDEN + _mix(key.to(torch.int64) + _GOLDEN))
    return state


def uniform(*keys: Tensor | int) -> Tensor:
    """Uniform numbers in [0, 1), float64, one per broadcast element of `keys` (53 random bits each)."""
    return _shift_right(hash_keys(*keys), 11).to(torch.float64) * 2.0**-53


def integers(high: Tensor | int, *keys: Tensor | int) -> Tensor:
    """Uniform integers in [0, high), int64; `high` broadcasts against the keys and must be at least 1."""
    return (uniform(*keys) * high).to(torch.int64)


def derive_seed(*keys: int) -> int:
    """Derive a seed in [0, 2**63) from integer keys, for generators that take one integer."""
    return int(_shift_right(hash_keys(*keys), 1).item())


def _signed(key: int) -> int:
    key &= (1 << 64) - 1
    return key - (1 << 64) if key >= 1 << 63 else key

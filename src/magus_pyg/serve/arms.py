"""Which arm of an experiment (A/B) a person is in."""

from collections.abc import Mapping
from hashlib import blake2b

from magus_pyg.errors import ConfigError

__all__ = ["arm_of"]

_BITS = 53
"""All of them fit into a float."""


def arm_of(user: str, experiment: str, shares: Mapping[str, float]) -> str:
    """The arm of a person: the same one in every session, process and release, and in two experiments independent ones.

    Args:
        user: the person's name in the log; of a guest, that of the session.
        experiment: its name.
        shares: arm -> share of the people, in relation to the others; more than 0 for one at least.

    Raises:
        ConfigError: no arms, or shares that are negative, no numbers, or all 0.
    """
    total = sum(shares.values())
    if not shares or not 0 < total < float("inf") or min(shares.values()) < 0:
        raise ConfigError(f"experiment {experiment!r} deals people out to arms by shares above 0 (got {dict(shares)})")
    whose, of = (text.encode("utf-8", "surrogatepass") for text in (user, experiment))
    digest = blake2b(whose, digest_size=8, key=blake2b(of).digest()).digest()
    place = total * ((int.from_bytes(digest, "big") >> (64 - _BITS)) / 2**_BITS)
    last = ""
    for arm, share in shares.items():
        if share > 0:
            last = arm
            if place < share:
                return arm
            place -= share
    return last  # where the subtractions have rounded

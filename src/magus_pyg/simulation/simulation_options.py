"""How sessions are played and summarized."""

from dataclasses import dataclass, field
from typing import ClassVar

from magus_pyg.data import PARTS
from magus_pyg.errors import ConfigError
from magus_pyg.options import at_least, at_most, check_options, one_of

__all__ = ["SimulationOptions"]


@dataclass
class SimulationOptions:
    """How sessions are played and summarized.

    Attributes:
        rounds: K, the most rounds of a session.
        list_length: N, the length of a list.
        min_items: the fewest items of a list, as long as so many are left; 0 for the lists of the paper.
        candidates: items of a session, or "all" for the whole catalogue; None: as `sessions.candidates` says.
        at: the K of RA@K and SA@K; those beyond `rounds` are left out, and `rounds` itself is one of them.
        part: the part of the log that sessions are made from.
        batch_size: sessions played at once; bounds the memory, changes no result.
        searches: most searched queries of a user that a session starts with; 0 for none.
        resamples: bootstrap samples of the intervals.
        gone: options of earlier releases, passed over where a run of one is read.
    """

    gone: ClassVar[frozenset[str]] = frozenset({"processes"})

    rounds: int = 5
    list_length: int = 3
    min_items: int = 0
    candidates: int | str | None = None
    at: list[int] = field(default_factory=lambda: [3, 5])
    part: str = "test"
    batch_size: int = 256
    searches: int = 5
    resamples: int = 2000

    def check(self) -> None:
        """Raise ConfigError, naming the key and its value, unless all values are in range."""
        counts = ("rounds", "list_length", "at", "batch_size", "resamples")
        rules = {"searches": at_least(0), "candidates": at_least(1, "all"), "part": one_of(PARTS)}
        check_options(self, "simulation", **dict.fromkeys(counts, at_least(1)), **rules)
        limits = {"rounds": 1000, "list_length": 1000, "resamples": 1_000_000}
        check_options(self, "simulation", **{name: at_most(high) for name, high in limits.items()})
        if not 0 <= self.min_items <= self.list_length:
            length = f"simulation.list_length={self.list_length}"
            raise ConfigError(f"simulation.min_items must be from 0 to {length} (got {self.min_items})")

    @property
    def judged_at(self) -> list[int]:
        """The K of RA@K and SA@K, ascending: those of `at` that `rounds` allows, and `rounds`."""
        return sorted({k for k in self.at if k <= self.rounds} | {self.rounds})

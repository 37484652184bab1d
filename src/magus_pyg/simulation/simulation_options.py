"""How sessions are played and summarized."""

from dataclasses import dataclass, field

from magus_pyg.data import PARTS, SessionOptions
from magus_pyg.errors import ConfigError

__all__ = ["SimulationOptions"]


@dataclass
class SimulationOptions:
    """How sessions are played and summarized.

    Attributes:
        rounds: K, the most rounds of a session.
        list_length: N, the length of a list.
        candidates: items of a session, or "all" for the whole catalogue; None: as `sessions.candidates` says.
        at: the K of RA@K and SA@K; those beyond `rounds` are left out, and if none is left, `rounds` itself is taken.
        part: the part of the log that sessions are made from.
        batch_size: sessions played at once; bounds the memory, changes no result.
        searches: most searched queries of a user that a session starts with; 0 for none.
        resamples: bootstrap samples of the intervals.
        processes: processes of this machine that sessions are shared out over, with the same records for any number; a
            share is whole batches. None: one, or those that torchrun or srun has started `simulate.py` in.
    """

    rounds: int = 5
    list_length: int = 3
    candidates: int | str | None = None
    at: list[int] = field(default_factory=lambda: [3, 5])
    part: str = "test"
    batch_size: int = 256
    searches: int = 5
    resamples: int = 2000
    processes: int | None = None

    def check(self) -> None:
        """Raise ConfigError, naming the key and its value, unless all values are in range."""
        for name, low in (("rounds", 1), ("list_length", 1), ("batch_size", 1), ("searches", 0), ("resamples", 1)):
            if getattr(self, name) < low:
                raise ConfigError(f"simulation.{name} must be at least {low} (got {getattr(self, name)})")
        if self.processes is not None and self.processes < 1:
            raise ConfigError(f"simulation.processes must be at least 1 (got {self.processes})")
        if any(k < 1 for k in self.at):
            raise ConfigError(f"simulation.at must hold numbers of rounds from 1 (got {self.at})")
        if self.candidates is not None:
            SessionOptions(candidates=self.candidates, min_targets=1, max_targets=1).check()
        if self.part not in PARTS:
            raise ConfigError(f"simulation.part must be one of {', '.join(PARTS)} (got {self.part!r})")

    @property
    def judged_at(self) -> list[int]:
        """The K of RA@K and SA@K that `rounds` allows, ascending."""
        return sorted({k for k in self.at if k <= self.rounds} or {self.rounds})

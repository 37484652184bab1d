"""The typed configuration of a run: what every command reads, and what a run folder keeps."""

from dataclasses import dataclass, field, fields, replace

from magus_pyg.agents import MagusOptions
from magus_pyg.agents.rivals import RivalOptions
from magus_pyg.data import PARTS, DatasetOptions, SessionOptions
from magus_pyg.errors import ConfigError
from magus_pyg.experiment.learn_options import LearnOptions
from magus_pyg.models import ModelOptions, TrainOptions

__all__ = [
    "BaseVariant",
    "Config",
    "NoisyOptions",
    "NoneVariant",
    "PathOptions",
    "SimulationOptions",
    "UserOptions",
    "VariantOptions",
]


@dataclass
class VariantOptions:
    """Which variant of MAGUS is prepared.

    Attributes:
        name: the variant; it decides which agents play (`agents.VARIANTS`).
    """

    name: str = "none"


@dataclass
class NoneVariant(VariantOptions):
    """No MAGUS: the items agent alone."""

    name: str = "none"


@dataclass
class BaseVariant(MagusOptions, VariantOptions):
    """MAGUS with unit weights; its switches are those of `MagusOptions`."""

    name: str = "base"


@dataclass
class UserOptions:
    """Who answers.

    Attributes:
        name: key in `users.USERS`.
    """

    name: str = "truthful"


@dataclass
class NoisyOptions(UserOptions):
    """A user who errs.

    Attributes:
        name: "noisy".
        p: share of shown queries that are misjudged, in [0, 0.5).
        p_item: share of shown items that are misjudged, in [0, 1].
    """

    name: str = "noisy"
    p: float = 0.1
    p_item: float = 0.0


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


@dataclass
class PathOptions:
    """Where things lie.

    Attributes:
        data: the folder of the data sets; None where none is known.
        runs: where run folders are made.
    """

    data: str | None = None
    runs: str = "runs"


@dataclass
class Config:
    """The configuration of a run.

    Attributes:
        dataset: the log and the item table; an instance of the loader's own options class.
        model: the base recommender; an instance of its own options class.
        magus: the variant of MAGUS.
        user: who answers.
        train: how the base recommender is trained.
        simulation: how sessions are played.
        sessions: how sessions are made.
        rivals: how the rival agents learn.
        learning: how the base recommender learns between sessions, with `magus.learn=per_session`.
        paths: where things lie.
        agents: the agents to play; those of the variant if None.
        seed: of all that is random.
        resume: a run folder to go on with.
        refit: in a simulation of a trained run, let all agents that learn something learn it again, on validation
            sessions and users like those to be played. What a run never fitted is fitted in any case.
    """

    dataset: DatasetOptions = field(default_factory=DatasetOptions)
    model: ModelOptions = field(default_factory=ModelOptions)
    magus: VariantOptions = field(default_factory=VariantOptions)
    user: UserOptions = field(default_factory=UserOptions)
    train: TrainOptions = field(default_factory=TrainOptions)
    simulation: SimulationOptions = field(default_factory=SimulationOptions)
    sessions: SessionOptions = field(default_factory=SessionOptions)
    rivals: RivalOptions = field(default_factory=RivalOptions)
    learning: LearnOptions = field(default_factory=LearnOptions)
    paths: PathOptions = field(default_factory=PathOptions)
    agents: list[str] | None = None
    seed: int = 0
    resume: str | None = None
    refit: bool = False

    @property
    def session_options(self) -> SessionOptions:
        """How sessions are made, with the number of candidates that `simulation` asks for."""
        if self.simulation.candidates is None:
            return self.sessions
        return replace(self.sessions, candidates=self.simulation.candidates)

    @property
    def magus_options(self) -> MagusOptions:
        """The switches of MAGUS; the defaults where the variant has none."""
        if not isinstance(self.magus, MagusOptions):
            return MagusOptions()
        return MagusOptions(**{entry.name: getattr(self.magus, entry.name) for entry in fields(MagusOptions)})

"""The typed configuration of a run: what every command reads, and what a run folder keeps."""

from dataclasses import dataclass, field, replace

from magus_pyg.agents import MagusOptions
from magus_pyg.agents.rivals import RivalOptions
from magus_pyg.agents.variants import VariantOptions
from magus_pyg.data import DatasetOptions, SessionOptions
from magus_pyg.engines import RayOptions
from magus_pyg.models import ModelOptions
from magus_pyg.simulation.simulation_options import SimulationOptions
from magus_pyg.simulation.users_by_name import UserOptions
from magus_pyg.training import TrainOptions
from magus_pyg.training.learn_options import LearnOptions

__all__ = [
    "Config",
    "PathOptions",
]


@dataclass
class PathOptions:
    """Where things lie.

    Attributes:
        data: the folder of the data sets; None where none is known.
        runs: where run folders are made.
        conf: a folder of one's own option files, in folders named as the groups; read where a command names it.
    """

    data: str | None = None
    runs: str = "runs"
    conf: str | None = None


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
        engine: what sessions, scores and trials are worked on by: "process", this one alone, or "ray", with the same
            results.
        ray: how Ray is reached, with `engine=ray`.
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
    engine: str = "process"
    ray: RayOptions = field(default_factory=RayOptions)
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
        return self.magus.switches

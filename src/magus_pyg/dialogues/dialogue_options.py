"""The options of EAR's protocol (`simulation=ear`)."""

from dataclasses import dataclass, field

from magus_pyg.errors import ConfigError
from magus_pyg.options import at_least, check_options, one_of
from magus_pyg.simulation.simulation_options import SimulationOptions

__all__ = ["EarSimulation"]


@dataclass
class EarSimulation(SimulationOptions):
    """EAR's protocol (reading 30; Lei et al. 2020): each turn asks one attribute or shows items of the whole catalogue.

    The user group gives the share of wrong answers: `user=truthful`, or `user=noisy user.p=0.1`.

    Attributes:
        rounds: the most turns.
        list_length: items shown in a turn.
        at: the t of SR@t.
        refusals: whether the agents use a refused attribute to rule items out.
        dialogues: test dialogues, at equal distances through all; 0 for all.
        fit_dialogues: validation dialogues that choices are made on, at most.
    """

    rounds: int = 15
    list_length: int = 10
    at: list[int] = field(default_factory=lambda: [5, 10, 15])
    refusals: bool = True
    dialogues: int = 0
    fit_dialogues: int = 1500

    def check(self) -> None:
        """As the base class; also the numbers of dialogues."""
        super().check()
        part = one_of(("validation", "test"))
        check_options(self, "simulation", dialogues=at_least(0), fit_dialogues=at_least(0), part=part)
        if self.min_items:
            raise ConfigError(
                f"simulation.min_items={self.min_items}: a turn of EAR's protocol is either a question or items; leave "
                "it out, or take simulation=default"
            )
        if self.candidates is not None:
            raise ConfigError(
                f"simulation.candidates={self.candidates!r}: dialogues of EAR's protocol are on the whole catalogue; "
                "leave it out, or take simulation=default"
            )

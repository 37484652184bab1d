"""Play the sessions of a trained run again, without training."""

from collections.abc import Sequence

from magus_pyg.commands.command_line import changed_config, end_by, needed, take_words, wants_help, with_own_conf
from magus_pyg.experiment.pipeline import simulate_run
from magus_pyg.invocation import command_name
from magus_pyg.report import make_console
from magus_pyg.runs.run import load_run

__all__ = ["command", "main_simulate"]


_SIMULATE_HELP = """Play the sessions of a trained run again, without training.

  simulate.py run=RUN [key=value ...]

May change: simulation.* (rounds, list_length, at, part, ...), sessions.* and sessions=..., user=..., magus=... and its
switches, agents=[...], seed, refit=true, engine, ray.*, paths.data. Writes simulations/<number>/ inside the run folder.
"""


#: What may differ from the run that is played again, and from one that is gone on with.
_PLAYED = ("simulation", "sessions", "user", "magus", "agents", "seed", "refit", "engine", "ray", "paths")


def main_simulate(words: Sequence[str]) -> None:
    """Play again; `words` as in the help of the command.

    Raises:
        MagusError: see `load_run` and `pipeline.simulate_run`.
    """

    words = with_own_conf(words)
    if wants_help(words, _SIMULATE_HELP):
        return
    own, others = take_words(words, ("run",))
    run = load_run(needed(own, "run", f"the run folder that {command_name('train')} printed"))
    simulate_run(run, changed_config(run.config, others, _PLAYED), make_console())


def command() -> None:
    """Console command `magus-simulate`, `scripts/simulate.py`."""
    end_by(main_simulate)

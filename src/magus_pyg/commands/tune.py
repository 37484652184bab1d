"""Search settings of a base recommender on the validation part."""

import math
from collections.abc import Sequence

from magus_pyg.commands.command_line import end_by, with_own_conf
from magus_pyg.errors import ConfigError
from magus_pyg.escaping import plain_frame
from magus_pyg.experiment.tuning import TuneOptions, tune, write_experiment
from magus_pyg.files import home_expanded
from magus_pyg.interrupts import told_if_stopped
from magus_pyg.invocation import as_called, command_name, shell_words
from magus_pyg.report.console import make_console
from magus_pyg.runs.overrides import compose_config
from magus_pyg.terminal import say

__all__ = ["HELP", "command", "main_tune"]

_OWN = ("trials", "minutes", "vary", "study", "out")

HELP = """Search settings of a base recommender by the AUC of its validation rows; writes them as an experiment file.

  tune.py model=deepfm dataset=ml-100k [trials=20] [minutes=30] [vary=[train.lr,model.dropout]] [study=FILE.db]
          [out=conf/experiment/deepfm-ml-100k.yaml] [key=value ...]

The first trial has the configuration as it is. study= keeps the trials in a file, to go on with them later.
"""


def main_tune(words: Sequence[str]) -> None:
    """The command `tune.py`: search, show the best trials, and write the experiment file.

    Args:
        words: trials=, minutes=, vary=, study= and out= as in `HELP`; all others are of the configuration.

    Raises:
        ConfigError: a word that is no number where one is needed, or as `tune`.
    """
    if any(word in ("-h", "--help") for word in words):
        say(as_called(HELP))
        return
    words = with_own_conf(words)
    own = dict(word.split("=", 1) for word in words if word.partition("=")[0] in _OWN and "=" in word)
    others = [word for word in words if word.partition("=")[0] not in _OWN]
    for name in ("trials", "minutes"):
        if name in own and not _is_number(own[name]):
            raise ConfigError(f"{name}={own[name]!r} is no number")
    vary = tuple(key for key in own["vary"].strip("[]").split(",") if key) if "vary" in own else None
    options = TuneOptions(
        trials=int(float(own.get("trials", 20))),
        minutes=float(own["minutes"]) if "minutes" in own else None,
        vary=vary,
        study=home_expanded(own["study"]) if "study" in own else None,
    )
    console = make_console()
    again = f"go on with {command_name('tune')} {shell_words(*words)}"
    with told_if_stopped(again if options.study else "its trials are lost: study=FILE.db keeps those of a search"):
        tuned = tune(others, options, console)
    config = compose_config(others)
    path = home_expanded(own.get("out", f"{config.model.name}-{config.dataset.name}.yaml"))
    write_experiment(path, others, tuned)
    console.say(plain_frame(tuned.trials.head(10), 60).to_string(index=False))
    console.print(f"best: {tuned.values or 'the configuration as it is'}, AUC {tuned.auc:.4f} ({tuned.default:.4f})")
    told = f"put it into conf/experiment/ and add experiment={path.stem} to {command_name('train')}"
    console.say(f"wrote {path}: {told}")


def _is_number(text: str) -> bool:
    try:
        return math.isfinite(float(text)) and float(text) >= 0
    except ValueError:
        return False


def command() -> None:
    """Console command `magus-tune`, `scripts/tune.py`."""
    end_by(main_tune)

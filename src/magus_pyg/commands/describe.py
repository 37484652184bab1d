"""Describe a data set, and check its files."""

from collections.abc import Sequence

from magus_pyg.commands.command_line import end_by, with_own_conf
from magus_pyg.data import collecting
from magus_pyg.errors import ConfigError, DataError
from magus_pyg.experiment.description import describe, print_description, print_problems, told_problems
from magus_pyg.invocation import as_called
from magus_pyg.report.console import make_console
from magus_pyg.runs.data_loading import load_data
from magus_pyg.runs.overrides import compose_config
from magus_pyg.runs.schemas import typed
from magus_pyg.terminal import say

__all__ = ["command", "main_describe"]


_HELP = """Describe a data set, and check its files.

  describe.py [dataset=...] [dataset.key=value ...] [sessions.key=value ...] [paths.data=FOLDER]
              [--config-dir FOLDER]

Prints users, items, rows, fields and words, the relational graph, the sessions of each part, and every problem of the
files with its count and first lines. The code is 2 if there are any.
"""


def main_describe(words: Sequence[str]) -> None:
    """Describe a data set; `words` as in the help of the command.

    Raises:
        MagusError: as `load_data`; DataError if the files have problems, after all that can be told is printed.
    """
    words = with_own_conf(words)
    flags = [word for word in words if word.startswith("-")]
    if any(flag in ("-h", "--help") for flag in flags):
        say(as_called(_HELP))
        return
    if flags:
        raise ConfigError(f"unknown flag {flags[0]!r}; this command takes key=value and --help")
    config, console = typed(compose_config(words)), make_console()
    with collecting() as findings:
        try:
            with console.stage("reading the data"):
                data = load_data(config)
        except DataError as error:
            findings.problems.append(str(error))
            print_problems(findings.problems, console)
            raise DataError(told_problems(config.dataset.name, findings.problems)) from error
    with console.stage("counting"):
        description = describe(data, config, findings)
    print_description(description, console)
    if description.problems:
        raise DataError(told_problems(data.name, description.problems))


def command() -> None:
    """Console command `magus-describe`, `scripts/describe.py`."""
    end_by(main_describe)

"""Write a table or a figure from run folders."""

from collections.abc import Sequence

from omegaconf import DictConfig, OmegaConf

from magus_pyg.commands.command_line import end_by, take_words, wants_help
from magus_pyg.errors import ConfigError, did_you_mean
from magus_pyg.report.report_files import ReportOptions, write_report
from magus_pyg.runs.overrides import apply_values, parse
from magus_pyg.runs.schemas import conf_folder
from magus_pyg.terminal import Terminal

__all__ = ["command", "main_report"]


_REPORT_HELP = """Write a table or a figure from run folders.

  report.py runs=RUNS [table=1|3] [out=reports] [key=value ...]
  report.py runs=RUNS figure=3|4|6|7|candidates|noise [out=reports] [key=value ...]
  report.py runs=RUN/serve/log [out=reports]       what was served, by arm

RUNS are paths or patterns parted by commas, or a folder of run folders; what does not fit into the table or figure is
left out and listed with the reason. Without table and figure all tables are written that there are runs for. Choose
among their plays by methods=[...], models=[...], datasets=[...], user, rounds, list_length, candidates, min_targets,
part; conf/report.yaml explains all keys. Tables are text, CSV, Markdown and LaTeX; figures PNG and SVG, and their
points CSV.
"""


def main_report(words: Sequence[str]) -> None:
    """Write a table or a figure; `words` as in the help of the command.

    Raises:
        MagusError: see `report.command.write_report`.
    """

    if wants_help(words, _REPORT_HELP):
        return
    write_report(_report_options(words), width=Terminal().width)


def _report_options(words: Sequence[str]) -> "ReportOptions":
    """conf/report.yaml with the words of a command over it.

    Raises:
        ConfigError: a misspelt or ill-typed key, or several values.
    """
    from magus_pyg.report.report_files import ReportOptions

    own, others = take_words(words, ("runs", "out"))
    config = OmegaConf.merge(OmegaConf.structured(ReportOptions), OmegaConf.load(conf_folder() / "report.yaml"), own)
    assert isinstance(config, DictConfig)
    names = [str(name) for name in config]
    overrides = parse(others)
    for override in overrides:
        if override.key_or_group not in names:
            hint = did_you_mean(override.key_or_group, names)
            raise ConfigError(f"there is no key {override.key_or_group!r}{hint}; the keys are {', '.join(names)}")
        if override.is_sweep_override():
            raise ConfigError(f"{override.input_line} has several values: report them one after the other")
    apply_values(config, overrides)
    options = OmegaConf.to_object(config)
    assert isinstance(options, ReportOptions)
    return options


def command() -> None:
    """Console command `magus-report`, `scripts/report.py`."""
    end_by(main_report)

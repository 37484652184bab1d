"""The options of a log of what was served."""

from dataclasses import dataclass, field, fields
from pathlib import Path

from magus_pyg.data.dataset_options import DatasetOptions
from magus_pyg.errors import ConfigError
from magus_pyg.files import home_expanded
from magus_pyg.options import check_options

__all__ = ["ServedOptions", "check_served"]


@dataclass
class ServedOptions(DatasetOptions):
    """Options of a run's first data set together with what the service logged since.

    Words, split and all other rules are those of the first data set, which the log names; the options of every data set
    that say them stay as they are here.

    Attributes:
        path: the folder of the log, as `magus-serve` or `export_served` wrote it.
        key: the file with the key to the names of people; "" takes that which the log names.
        positive_events: kinds of events that are positive rows, as a click on an item is; others are left out.
        searched: whether clicked queries, and words that somebody asked for, count as searched queries of the person.
        guests: whether what guests answered counts; each of their sessions is a user then.
    """

    name: str = "served"
    path: str = ""
    key: str = ""
    positive_events: list[str] = field(default_factory=lambda: ["purchase"])
    searched: bool = True
    guests: bool = True

    @property
    def folder(self) -> Path:
        """The folder of the log."""
        return home_expanded(self.path)


def check_served(options: ServedOptions) -> None:
    """Raise ConfigError, naming the option and its value, for options that no log can be read by."""
    check_options(options, "dataset")
    if not options.path:
        raise ConfigError("dataset=served needs the folder of the log: add dataset.path=... to the command")
    for entry in fields(DatasetOptions):
        own = getattr(options, entry.name)
        if entry.name != "name" and own != getattr(ServedOptions(), entry.name):
            raise ConfigError(
                f"dataset.{entry.name} is that of the data set that the log goes on from (got {own!r}): leave it out"
            )

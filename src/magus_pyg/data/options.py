"""What every data set is configured by."""

from dataclasses import dataclass, field

from magus_pyg.errors import ConfigError

__all__ = ["DatasetOptions", "check_options"]


@dataclass
class DatasetOptions:
    """Options that all data sets share; each loader adds its own in a subclass.

    Attributes:
        name: the name written into results and run folders.
        word_fields: item fields whose values become words (reading 1). A field may be a column of the item table or
            the name of a merged field.
        merge_fields: merged field -> item fields of which equal values are one word, for example the levels of a
            category tree.
        profile_fields: user fields that the base recommenders read.
        max_words: most words of a query node, at least 1 (reading 3).
        max_share: words carried by more than this share of the items are left out, in (0, 1] (reading 1).
    """

    name: str = "dataset"
    word_fields: list[str] = field(default_factory=list)
    merge_fields: dict[str, list[str]] = field(default_factory=dict)
    profile_fields: list[str] = field(default_factory=list)
    max_words: int = 3
    max_share: float = 0.95


def check_options(options: DatasetOptions) -> None:
    """Check the values that all data sets share.

    Raises:
        ConfigError: naming the option and its value.
    """
    if options.max_words < 1:
        raise ConfigError(f"max_words must be at least 1 (got {options.max_words})")
    if not 0 < options.max_share <= 1:
        raise ConfigError(f"max_share must be above 0 and at most 1 (got {options.max_share})")
    if not options.word_fields:
        raise ConfigError(f"dataset {options.name!r} has no word_fields: name at least one field of the item table")

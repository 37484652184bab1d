"""What every data set is configured by."""

from dataclasses import dataclass, field

from magus_pyg.data.split import SPLITS
from magus_pyg.errors import ConfigError
from magus_pyg.options import at_least, between, check_options, one_of

__all__ = ["DatasetOptions", "LogOptions", "check_dataset_options", "check_log_options"]

_LONGEST_NAME = 100
SPELLINGS: tuple[str, ...] = ("fold", "keep", "lower")


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
        min_support: how many items contain a query node at the least; "auto": 1, or 2 where more than `max_queries`
            would be nodes then (reading 36).
        max_queries: see there.
        title_field: column of the item table with the titles that people see; "" for none, then they see an item's
            words. It makes no words, and is no part of the fingerprint.
        split_by: how the log is split 6:2:2 (reading 37): "user", each user's rows by time; "global", all rows by one
            cut in time; "hash", each user's rows at random by a hash of user and item; "auto", "hash" where the rows
            have no order, else "user". A log that brings its own parts keeps them.
    """

    name: str = "dataset"
    word_fields: list[str] = field(default_factory=list)
    merge_fields: dict[str, list[str]] = field(default_factory=dict)
    profile_fields: list[str] = field(default_factory=list)
    max_words: int = 3
    max_share: float = 0.95
    min_support: int | str = "auto"
    max_queries: int = 1_000_000
    title_field: str = ""
    split_by: str = "auto"


@dataclass
class LogOptions(DatasetOptions):
    """Options of the data sets that are read from files.

    Attributes:
        empty_values: field -> values that mean "no value"; the field "*" stands for all fields. Spellings that differ
            in case alone are one value here, unless `spelling` is "keep".
        bands: field -> number of bands. The field holds numbers, and its words are bands that hold about equally many
            items each, such as "price 10 to 25".
        spelling: "fold" makes values that differ in case or in the form of their characters alone one word, written as
            most items have it; "lower" writes all words in lower case; "keep" tells any two spellings apart.
        max_length: longer values, in characters, are no words but texts that got into the field; counted and left out.
        repeats: "drop" or "keep" exact copies of a row of the log (same user, item, time and rating or action).
        min_user_rows: users with fewer rows are left out, of rows and tables.
        min_item_rows: likewise for items. Both rules are applied in turn until they leave out no more.
        need_positive: users without a positive row are left out.
    """

    empty_values: dict[str, list[str]] = field(default_factory=dict)
    bands: dict[str, int] = field(default_factory=dict)
    spelling: str = "fold"
    max_length: int = 100
    repeats: str = "drop"
    min_user_rows: int = 0
    min_item_rows: int = 0
    need_positive: bool = False


def check_dataset_options(options: DatasetOptions) -> None:
    """Check the values that all data sets share.

    Raises:
        ConfigError: naming the option and its value.
    """
    counts = {"max_words": at_least(1), "min_support": at_least(1, "auto"), "max_queries": at_least(1)}
    check_options(options, "dataset", max_share=between(0, 1, "(]"), split_by=one_of(SPLITS), **counts)
    if len(options.name.encode()) > _LONGEST_NAME or any(not letter.isprintable() for letter in options.name):
        raise ConfigError(
            f"dataset.name must be at most {_LONGEST_NAME} bytes without control characters, as it names folders (got "
            f"{options.name[:_LONGEST_NAME]!r})"
        )
    if not options.word_fields:
        raise ConfigError(f"dataset {options.name!r} has no word_fields: name at least one field of the item table")


def check_log_options(options: LogOptions) -> None:
    """Check the values that data sets from files share.

    Raises:
        ConfigError: naming the option and its value.
    """
    check_dataset_options(options)
    check_options(
        options,
        "dataset",
        spelling=one_of(SPELLINGS),
        repeats=one_of(("drop", "keep")),
        max_length=at_least(1),
        min_user_rows=at_least(0),
        min_item_rows=at_least(0),
        bands=at_least(2),
    )

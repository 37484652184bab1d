"""The options of a folder of one's own."""

from dataclasses import dataclass, field

from magus_pyg.data.dataset_options import LogOptions

__all__ = ["TabularOptions"]


@dataclass
class TabularOptions(LogOptions):
    """Options of a folder with `interactions`, `items`, and perhaps `users` and `queries`.

    Each is one file `<name>.csv.gz`, `<name>.csv` or `<name>.parquet`, or a folder `<name>` of such files that are one
    table. Ids are texts: leading zeros are kept.

    Attributes:
        path: the folder, inside the data root; an absolute path stands for itself. "" means the data root.
        interactions: the log: its name without suffix, or a file or folder inside `path`, or an absolute path.
        items: the item table, likewise.
        users: the user table, likewise; none is needed.
        queries: the searched queries, likewise; none are needed.
        user_id: column of the user ids (interactions, users, queries).
        item_id: column of the item ids (interactions, items).
        item_key: column of the item ids in the item table, where it has another name there than in the log; else "".
        user_key: column of the user ids in the user table, likewise.
        rating: column of ratings or actions; "" where there is none.
        timestamp: column of times; "" where the order of the file is the order of time.
        ordered: whether the order of a user's rows is that of events. Say false where there are neither times nor such
            an order, so that no model reads a sequence into it.
        timestamp_format: "number" (seconds, or a position), "iso", or a pattern such as "%Y%m%d".
        positive: what makes a row positive: "rating" (above `positive_above`), "action" (one of `positive_actions`)
            or "all".
        positive_above: ratings greater than this are positive, for `positive: rating`.
        positive_actions: values of the rating column that are positive, for `positive: action`.
        split: column that says to which part a row belongs; "" for the split 6:2:2 of `split_by`.
        split_values: the values of that column for train, validation and test, in this order.
        unknown_items: what becomes of rows whose item is not in the item table: "error", "drop" (counted), or "keep"
            (the item is added without words; counted).
        separator: what stands between several values of an item or profile field.
        words: column of the searched words in queries.
        query_separator: what stands between the words of a searched query.
        delimiter: what separates the columns of CSV files: one character, or "comma", "semicolon", "tab" or "bar".
        encoding: of CSV files, such as "utf-8" or "latin-1".
        encodings: "items", "interactions", "users", "queries", or the name of a file -> its own encoding.
        decimal: what stands before the fraction of a number that is written as a text, "." or ",".
    """

    name: str = "tabular"
    path: str = ""
    interactions: str = "interactions"
    items: str = "items"
    users: str = "users"
    queries: str = "queries"
    user_id: str = "user_id"
    item_id: str = "item_id"
    item_key: str = ""
    user_key: str = ""
    rating: str = "rating"
    timestamp: str = "timestamp"
    ordered: bool = True
    timestamp_format: str = "number"
    positive: str = "rating"
    positive_above: float = 3.0
    positive_actions: list[str] = field(default_factory=list)
    split: str = ""
    split_values: list[str] = field(default_factory=lambda: ["train", "valid", "test"])
    unknown_items: str = "error"
    separator: str = "|"
    words: str = "words"
    query_separator: str = "|"
    delimiter: str = ","
    encoding: str = "utf-8"
    encodings: dict[str, str] = field(default_factory=dict)
    decimal: str = "."

"""What a data set holds: its sizes, words and graph, the sessions it gives, and what is wrong with its files."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
import torch
from rich.table import Table
from scipy import sparse
from torch_geometric.data import HeteroData

from magus_pyg.data import PARTS, Findings, RecDataset, build_sessions
from magus_pyg.data.part_checks import later_share, rare_share, unlearnable_test
from magus_pyg.errors import GraphError
from magus_pyg.escaping import cut, shown
from magus_pyg.graph import n_items, n_nodes
from magus_pyg.graph.access import improves_edges, item_queries, node_words
from magus_pyg.graph.words import build_word_table
from magus_pyg.ragged import Ragged
from magus_pyg.runs.config import Config
from magus_pyg.runs.run_inputs import build_graph
from magus_pyg.terminal import Terminal

__all__ = ["Description", "describe", "independent_pairs", "print_description"]

# Pairs of queries that are looked at, and those at once. Beyond, R⊥ is not counted.
_MOST_PAIRS, _CHUNK = 4_000_000_000, 50_000_000
_LONG = 60  # signs of a word that are shown
_OTHERS = 50  # columns that are no words that are listed


@dataclass
class Description:
    """The figures of a data set.

    Attributes:
        sizes: what -> number or text, in the order to print.
        fields: a row a word field: field, words, share of the items with one, the most common words.
        dropped: words on more than `max_share` of the items, with their share.
        columns: other columns of the item table -> distinct values.
        graph: what -> number; None where it was not counted.
        sessions: part -> (sessions, users).
        notes: what the loader counted.
        warning: what the parts of the log say against them; None for nothing.
        problems: what is wrong with the files.
    """

    name: str
    sizes: dict[str, str] = field(default_factory=dict)
    fields: pd.DataFrame = field(default_factory=pd.DataFrame)
    dropped: dict[str, float] = field(default_factory=dict)
    columns: dict[str, int] = field(default_factory=dict)
    graph: dict[str, int | None] = field(default_factory=dict)
    sessions: dict[str, tuple[int, int]] = field(default_factory=dict)
    notes: dict[str, int] = field(default_factory=dict)
    warning: str | None = None
    problems: list[str] = field(default_factory=list)


def describe(data: RecDataset, config: Config, findings: Findings | None = None) -> Description:
    """Count what a data set holds.

    Args:
        data: the data set.
        config: for how sessions are made, and the seed.
        findings: the problems of its files.
    """
    result = Description(data.name, _sizes(data), notes=dict(data.notes), warning=unlearnable_test(data))
    result.problems = list(findings.problems) if findings is not None else []
    result.fields, result.dropped = _words(data)
    plain = [name for name in data.items.columns if name != "item_id" and name not in data.word_columns]
    result.columns = {name: len(set(data.items[name]) - {""}) for name in plain}
    try:
        result.graph = _graph(build_graph(data), len(data.searched) > 0)
    except GraphError as error:
        result.notes[f"no graph: {error}"] = 1
    for part in PARTS:
        sessions = build_sessions(data, part, config.sessions, config.seed)
        result.sessions[part] = (len(sessions), int(torch.unique(sessions.user).numel()))
    return result


def independent_pairs(queries: Ragged, nested: int) -> int | None:
    """The number of unordered pairs in R⊥ (Definition 3.1), counted without making them.

    Two queries are in R⊥ if some item contains both and neither is part of the other; no other pair is.

    Args:
        queries: [I] rows, the queries that each item contains.
        nested: the number of pairs of queries in R+, all of which share an item.

    Returns:
        The number, or None where the items have too many queries to look at all their pairs.
    """
    lengths = queries.lengths.double()
    if float((lengths * lengths).sum()) > _MOST_PAIRS:
        return None
    if not queries.index.numel():
        return 0
    count = int(queries.index.max()) + 1
    rows = sparse.csr_matrix(
        (np.ones(queries.index.numel(), np.int32), queries.index.numpy(), queries.ptr.numpy()),
        shape=(len(queries), count),
    )
    by_query = rows.T.tocsr()
    # What a query costs: the queries of all items that contain it.
    cost = np.asarray(by_query @ np.diff(rows.indptr)).ravel()
    block = np.cumsum(cost) // _CHUNK
    shared = 0
    for start, end in zip(*_ranges(block), strict=True):
        shared += int((by_query[start:end] @ rows).nnz)
    # Each pair was met from both ends, and each query met itself.
    return (shared - int((cost > 0).sum())) // 2 - nested


def _ranges(block: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    starts = np.flatnonzero(np.diff(block, prepend=-1))
    return starts, np.append(starts[1:], block.size)


def _sizes(data: RecDataset) -> dict[str, str]:
    lengths = np.diff(data.user_ptr)
    lengths = lengths[lengths > 0]
    labels = np.bincount(data.user[data.label == 1], minlength=data.n_users)
    long = np.diff(data.user_ptr) >= 30
    sizes = {
        "users": f"{data.n_users:,}",
        "items": f"{data.n_items:,} ({np.unique(data.item).size:,} in the log)",
        "interactions": f"{data.user.size:,}",
        "rows a user": f"{lengths.mean():.2f} on average, from {lengths.min():,} to {lengths.max():,}",
        "users with 30 rows or more": f"{int(long.sum()):,} ({int((long & (labels > 0)).sum()):,} with a positive one)",
        "positive": f"{data.label.mean():.1%}",
        "training, validation, test": ", ".join(f"{count:,}" for count in np.bincount(data.part, minlength=3)),
        "profile fields": ", ".join(data.profile_fields) or "none",
    }
    if data.action is not None:
        shares = np.bincount(data.action, minlength=len(data.actions)) / data.user.size
        sizes["actions"] = ", ".join(f"{name} {share:.1%}" for name, share in zip(data.actions, shares, strict=True))
    if not data.ordered:
        sizes["times"] = "none, nor an order"
    else:
        tied = (data.user[1:] == data.user[:-1]) & (data.time[1:] == data.time[:-1])
        low, high = int(data.time.min()), int(data.time.max())
        span = f"{_moment(low)} to {_moment(high)}" if low > 10**8 else f"positions {low:,} to {high:,}"
        sizes["times"] = f"{span}; {tied.mean() if tied.size else 0:.1%} of the rows share the one before them"
    rare, later = rare_share(data), later_share(data)
    if not np.isnan(rare):
        sizes["test rows of items with at most one training row"] = f"{rare:.1%}"
    if not np.isnan(later):
        sizes["training rows of others later than a user's test"] = f"{later:.1%}"
    if len(data.searched):
        sizes["searched queries"] = f"{len(data.searched):,}"
    return sizes


def _moment(seconds: int) -> str:
    try:
        return str(pd.Timestamp(seconds, unit="s").date())
    except (ValueError, OverflowError):
        return f"{seconds:,}"


def _words(data: RecDataset) -> tuple[pd.DataFrame, dict[str, float]]:
    """A row a field, and the words that too many items carry."""
    table = build_word_table(data.items, list(data.word_fields), data.merge_fields)
    entry, row = table.item_words.index.numpy(), table.item_words.row.numpy()
    items = np.bincount(entry, minlength=len(table.words))
    common = items > data.max_share * data.n_items
    dropped = {
        f"{table.words[word].field}={cut(shown(table.words[word].value), _LONG)}": float(items[word]) / data.n_items
        for word in np.flatnonzero(common).tolist()
    }
    names = np.array([word.field for word in table.words], dtype=object)
    rows = []
    for name in dict.fromkeys(names):
        own = np.flatnonzero(names == name)
        covered = np.unique(row[names[entry] == name]).size
        # Words of a field ascend by value, so equally common ones stay in that order.
        first = own[np.argsort(-items[own], kind="stable")][:3].tolist()
        told = ", ".join(f"{cut(shown(table.words[word].value), _LONG)} ({items[word]:,})" for word in first)
        rows.append((name, int((~common[own]).sum()), covered / data.n_items, told))
    return pd.DataFrame(rows, columns=["field", "words", "share", "common"]), dropped


def _graph(graph: HeteroData, searched: bool) -> dict[str, int | None]:
    items, nodes = n_items(graph), n_nodes(graph)
    sizes = node_words(graph).lengths[items:]
    whole = improves_edges(graph)[1]
    nested = int((whole >= items).sum())
    independent = independent_pairs(item_queries(graph), nested)
    return {
        "nodes": nodes,
        "query nodes": nodes - items,
        **{
            f"of {size} word{'s' if size > 1 else ''}": int((sizes == size).sum())
            for size in torch.unique(sizes).tolist()
        },
        "R+ pairs": int(whole.numel()),
        "R⊥ pairs": independent,
        "R- pairs": None if independent is None else nodes * (nodes - 1) // 2 - int(whole.numel()) - independent,
        **{what: count for what, count in graph.counts.items() if what.startswith("searched") and searched},
    }


def print_description(description: Description, console: Terminal) -> None:
    """Print all tables and problems."""
    console.print(_pairs(f"dataset {description.name}", description.sizes))
    table = Table(title="words", title_justify="left")
    for name, justify in (("field", "left"), ("words", "right"), ("items with one", "right"), ("most common", "left")):
        table.add_column(name, justify=justify)  # type: ignore[arg-type]
    for row in description.fields.to_dict("records"):
        table.add_row(str(row["field"]), f"{row['words']:,}", f"{row['share']:.1%}", str(row["common"]))
    console.print(table)
    if description.dropped:
        left_out = ", ".join(f"{word} ({share:.0%})" for word, share in description.dropped.items())
        console.print(f"words left out because more items carry them than max_share allows: {left_out}")
    if description.columns:
        others = ", ".join(f"{shown(name)} ({count:,})" for name, count in list(description.columns.items())[:_OTHERS])
        more = len(description.columns) - _OTHERS
        others += f" and {more:,} more" if more > 0 else ""
        console.print(f"other columns of items (distinct values): {others}")
    graph = {
        what: "not counted: too many" if count is None else f"{count:,}" for what, count in description.graph.items()
    }
    console.print(_pairs("relational graph", graph))
    sessions = {part: f"{count:,} sessions of {users:,} users" for part, (count, users) in description.sessions.items()}
    console.print(_pairs("sessions possible", sessions))
    if description.notes:
        console.print(_pairs("counted and carried on with", {what: f"{n:,}" for what, n in description.notes.items()}))
    if description.warning:
        console.say(description.warning)
    print_problems(description.problems, console)


def print_problems(problems: Sequence[str], console: Terminal) -> None:
    if not problems:
        console.print("no problem found in the files")
        return
    console.print(
        f"{len(problems)} problem{'s' if len(problems) > 1 else ''} in the files; rows with one were left out:"
    )
    for number, problem in enumerate(problems, 1):
        console.say(f"{number}. {problem}")


def told_problems(name: str, problems: Sequence[str]) -> str:
    count = f"{len(problems)} problem{'s' if len(problems) > 1 else ''}"
    return f"{count} in the files of dataset {name!r}, listed above; mend them, or see the options of the data set"


def _pairs(title: str, values: dict[str, str]) -> Table:
    table = Table(title=title, title_justify="left", show_header=False)
    table.add_column("what")
    table.add_column("figure", overflow="fold")
    for what, value in values.items():
        table.add_row(what, value)
    return table

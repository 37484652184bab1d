"""One session told round by round, for Fig. 7: scores on the graph, what was shown, what a popularity agent would show.

Records do not keep scores, so the session is played again: this needs the run whole, and its data set.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd
import torch
from torch import Tensor

from magus_pyg.agents.methods import METHODS
from magus_pyg.agents.popular import node_counts
from magus_pyg.errors import ConfigError, RunError, did_you_mean
from magus_pyg.graph import given_title, improves_edges, item_id_of, n_items, n_nodes, title_of, words_of
from magus_pyg.simulation import first_click

if TYPE_CHECKING:
    from magus_pyg.data import Sessions
    from magus_pyg.runs import Run

__all__ = ["Story", "StoryNode", "StoryRound", "tell_story"]

_TRIED = 300
"""Sessions looked at for one that shows what the method does."""


@dataclass(frozen=True)
class StoryNode:
    """A node of the session.

    Attributes:
        node: its number in the graph.
        label: an item's title, its id where it was given none, or the words of a query.
        words: number of its words.
        is_item: whether it is an item.
        is_target: whether it is a target item.
        popularity: training positives of all users whose item is the node or contains it (reading 31).
    """

    node: int
    label: str
    words: int
    is_item: bool
    is_target: bool
    popularity: int


@dataclass(frozen=True)
class StoryRound:
    """A round.

    Attributes:
        scores: node -> the value by which the method ranked it.
        shown: its list.
        clicked: the node that was clicked, or None.
        popular: the list of an agent that shows the most popular nodes not shown yet, as `PopularAgent` does.
        popular_clicked: what would be clicked there, or None; the agent does not learn from it.
    """

    scores: dict[int, float]
    shown: tuple[int, ...]
    clicked: int | None
    popular: tuple[int, ...]
    popular_clicked: int | None


@dataclass(frozen=True)
class Story:
    """A session.

    Attributes:
        dataset, model, method: which.
        user_id: the user.
        session: its id.
        nodes: node -> what it is, all nodes of the session.
        edges: (part, whole) pairs of nodes, R+.
        rounds: as they were played.
    """

    dataset: str
    model: str
    method: str
    user_id: str
    session: int
    nodes: dict[int, StoryNode]
    edges: tuple[tuple[int, int], ...]
    rounds: tuple[StoryRound, ...]

    @property
    def found(self) -> bool:
        """Whether the method found a target."""
        last = self.rounds[-1].clicked
        return last is not None and self.nodes[last].is_target

    @property
    def popular_found(self) -> bool:
        """Whether the popularity agent did, within the same rounds."""
        clicks = [turn.popular_clicked for turn in self.rounds]
        return any(node is not None and self.nodes[node].is_target for node in clicks)


def tell_story(
    path: Path | str, method: str = "magus", session: int | None = None, data_root: Path | str | None = None
) -> Story:
    """Play a session of a run again.

    Args:
        path: the run folder.
        method: one that a session plays (`Method.variant`).
        session: its id in the records; None looks for one in which a click on a query leads to a target in the second
            or third round while the most popular nodes do not.
        data_root: the folder of the data sets; that of the run, else the variable MAGUS_DATA, if None.

    Raises:
        ConfigError: a method that cannot be told, a user that is not truthful, an unknown session.
        RunError: a folder that is no whole run, or a method that it has not played.
        DataError: the data set is not there.
    """
    from magus_pyg.runs import load_run
    from magus_pyg.runs.run_inputs import playable_sessions

    variant = METHODS[method].variant if method in METHODS else None
    if variant is None:
        told = [name for name, entry in METHODS.items() if entry.variant is not None]
        hint = did_you_mean(method, told)
        raise ConfigError(f"a session of {method!r} cannot be told{hint}; there are {', '.join(told)}")
    run = load_run(path)
    if run.config.user.name != "truthful":
        raise ConfigError(f"{run.path} was played with the user {run.config.user.name!r}: only truthful ones are told")
    records = run.records[run.records["agent"] == method]
    if records.empty:
        raise RunError(f"{run.path} has no records of {method}; it has {', '.join(sorted(set(run.records['agent'])))}")
    data, options = run.dataset(data_root), run.config.simulation
    sessions = playable_sessions(
        data, run.graph, options.part, run.config.session_options, run.config.seed, options.searches
    )
    if session is not None:
        return _told(run, method, variant, sessions, session)
    best: Story | None = None
    for candidate in _instructive(records)[:_TRIED]:
        story = _told(run, method, variant, sessions, candidate)
        best = best or story
        if story.found and not story.popular_found:
            return story
    assert best is not None, "records have a session"
    return best


def _instructive(records: pd.DataFrame) -> list[int]:
    """Ids of sessions, first those that end with a target in round 2 or 3 after a click on a query."""
    longest = records[records["horizon"] == records["horizon"].max()]
    by_session = longest.assign(clicks=longest["clicked"] >= 0).groupby("session").agg(
        rounds=("round", "max"), found=("target_clicked", "max"), clicks=("clicks", "sum"))  # fmt: skip
    good = by_session["found"] & by_session["rounds"].isin([2, 3]) & (by_session["clicks"] >= 2)
    return [int(session) for session in [*by_session.index[good], *by_session.index[~good]]]


def _told(run: "Run", method: str, variant: str, sessions: "Sessions", session: int) -> Story:
    from magus_pyg.online.session import MagusSession

    assert sessions.id is not None
    row = torch.nonzero(sessions.id == session).flatten()
    if not row.numel():
        raise ConfigError(f"there is no session {session}; ids are {sessions.id.min()} to {sessions.id.max()}, not all")
    one = sessions.take(row)
    real = one.candidates[0] >= 0
    items, targets = one.candidates[0][real].tolist(), set(one.candidates[0][one.targets[0]].tolist())
    graph, options = run.graph, run.config.simulation
    user_id = run.user_ids[int(one.user)]
    searched = [] if one.searched is None else [words_of(graph, node) for node in one.searched[0].tolist() if node >= 0]
    played = MagusSession(
        graph,
        run.scores(user_id),
        variant=variant,
        list_length=options.list_length,
        rounds=options.rounds,
        searched=searched,
        candidates=[item_id_of(graph, item) for item in items],
        state=run.state_for(variant),
        options=run.magus_options,
        min_items=options.min_items,
    )
    rounds: list[tuple[dict[int, float], tuple[int, ...], int | None]] = []
    while not played.done:
        shown = tuple(entry.node for entry in played.recommend())
        scores = played.node_scores()
        clicked = _truthful(run, shown, targets)
        played.feedback(clicked=clicked)
        rounds.append((scores, shown, clicked))
    popularity = _popularity(run)
    nodes = {node: _node(run, node, targets, popularity) for node in rounds[0][0]}
    lists = _popular_lists(nodes.values(), options.list_length, len(rounds))
    popular_clicks = [_truthful(run, shown, targets) for shown in lists]
    return Story(
        dataset=run.config.dataset.name,
        model=run.config.model.name,
        method=method,
        user_id=user_id,
        session=session,
        nodes=nodes,
        edges=_edges(run, nodes),
        rounds=tuple(
            StoryRound(*turn, popular=popular, popular_clicked=click)
            for turn, popular, click in zip(rounds, lists, popular_clicks, strict=True)
        ),
    )


def _truthful(run: "Run", shown: Sequence[int], targets: set[int]) -> int | None:
    """What a truthful user clicks."""
    wanted = [set(words_of(run.graph, target)) for target in targets]
    is_item = [node < n_items(run.graph) for node in shown]
    liked = [
        node in targets if item else any(set(words_of(run.graph, node)) <= words for words in wanted)
        for node, item in zip(shown, is_item, strict=True)
    ]
    place = int(first_click(torch.tensor([is_item]), torch.tensor([liked])))
    return None if place < 0 else shown[place]


def _node(run: "Run", node: int, targets: set[int], popularity: Tensor) -> StoryNode:
    is_item = node < n_items(run.graph)
    label = title_of(run.graph, node)
    if is_item and not given_title(run.graph, node):
        label = f"item {item_id_of(run.graph, node)}"  # many items have the same words
    return StoryNode(node, label, len(words_of(run.graph, node)), is_item, node in targets, int(popularity[node]))


def _popularity(run: "Run") -> Tensor:
    """float64 [N]: the counts of `node_counts` over the rows that the run was trained on."""
    rows = run.population.training_data(run.config.train).train
    return node_counts(run.graph, torch.bincount(rows.item[rows.label == 1], minlength=n_items(run.graph)))


def _popular_lists(nodes: Iterable[StoryNode], length: int, rounds: int) -> list[tuple[int, ...]]:
    """The most popular nodes, list by list; of equals the lower node."""
    order = sorted(nodes, key=lambda node: (-node.popularity, node.node))
    return [tuple(node.node for node in order[turn * length : (turn + 1) * length]) for turn in range(rounds)]


def _edges(run: "Run", nodes: Iterable[int]) -> tuple[tuple[int, int], ...]:
    """R+ among the nodes of the session."""
    inside = torch.zeros(n_nodes(run.graph), dtype=torch.bool)
    inside[list(nodes)] = True
    edges = improves_edges(run.graph)
    kept = edges[:, inside[edges[0]] & inside[edges[1]]]
    return tuple((int(part), int(whole)) for part, whole in kept.T.tolist())

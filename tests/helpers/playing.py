"""Playing sessions in tests: what an agent thought in every round, and the same by the slow reference."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import pandas as pd
import torch
from catalogues import Catalogue, catalogues
from hypothesis import strategies as st
from torch import Tensor
from torch_geometric.data import HeteroData

from magus_pyg.agents import MagusOptions
from magus_pyg.data import Sessions
from magus_pyg.graph import build_relational_graph
from magus_pyg.simulation import Agent, Answer, Feedback, Play, SessionView, ShownList, User, first_click, simulate
from reference import Node, Options, Round, play


class NotCareUser(User):
    """A truthful user who does not care about queries that are part of several targets (App. D.1)."""

    def answer(self, shown: ShownList) -> Answer:
        not_care = shown.present & ~shown.is_item & (shown.matches >= 2)
        return Answer(first_click(shown.is_item, (shown.matches > 0) & shown.present & ~not_care), not_care)


class Watched:
    """An agent that plays like another and keeps the scores of every node in every round.

    `scores[round][session]` is {node: score}; sessions are numbered in the order in which they are played.
    """

    def __init__(self, agent: Agent) -> None:
        self.agent, self.name, self.graph, self.scorer = agent, agent.name, agent.graph, agent.scorer
        self.scores: list[list[dict[int, float]]] = []
        self.first = 0

    def start(self, view: SessionView) -> "_WatchedPlay":
        played = _WatchedPlay(self, view, self.agent.start(view), self.first)
        self.first += view.graphs.n_sessions
        return played


class _WatchedPlay:
    def __init__(self, watched: Watched, view: SessionView, inner: Play, first: int) -> None:
        self.watched, self.nodes, self.inner, self.first, self.round = watched, view.graphs.node, inner, first, 0

    def recommend(self) -> Tensor:
        shown = self.inner.recommend()
        while len(self.watched.scores) <= self.round:
            self.watched.scores.append([])
        rows = self.watched.scores[self.round]
        rows.extend({} for _ in range(self.first - len(rows)))  # a batch before this one ended earlier
        for nodes, values in zip(self.nodes.tolist(), self.inner.node_scores().tolist(), strict=True):
            rows.append({node: value for node, value in zip(nodes, values, strict=True) if node >= 0})
        self.round += 1
        return shown

    def update(self, feedback: Feedback) -> None:
        self.inner.update(feedback)

    def node_scores(self) -> Tensor:
        return self.inner.node_scores()


@dataclass
class Case:
    """A catalogue, its graph, sessions on it and base scores [U, I]; user b plays session b."""

    catalogue: Catalogue
    sessions: Sessions
    matrix: Tensor
    rounds: int
    list_length: int
    graph: HeteroData = field(init=False)
    nodes: list[Node] = field(init=False)

    def __post_init__(self) -> None:
        self.graph = build_relational_graph(self.catalogue.table, **self.catalogue.build_arguments, materialize=False)
        self.nodes = self.catalogue.nodes

    def reference(self, session: int, options: Options | None, not_care: bool = False) -> list[Round]:
        """The session played by the slow reference."""
        sessions = self.sessions
        candidates = [item for item in sessions.candidates[session].tolist() if item >= 0]
        searched = [] if sessions.searched is None else [q for q in sessions.searched[session].tolist() if q >= 0]
        return play(
            self.nodes,
            candidates,
            [self.matrix[session, item].item() for item in candidates],
            self.targets(session),
            self.rounds,
            self.list_length,
            options,
            searched,
            not_care,
        )

    def targets(self, session: int) -> list[int]:
        return self.sessions.candidates[session][self.sessions.targets[session]].tolist()


# Few distinct scores make ties; many make none but those of equal item sets. Differences stay above what the exact
# fractions of the reference keep and float64 rounds away in Eq. (2).
_SCORE = st.one_of(st.integers(0, 4).map(float), st.floats(-10, 10, width=16, allow_subnormal=False))


@st.composite
def cases(draw: st.DrawFn, max_sessions: int = 3, max_items: int = 5) -> Case:
    """Random catalogues, sessions (padded, any order, none to all candidates targets), scores and searched queries."""
    catalogue = draw(catalogues(max_items, max_words=2))
    count, n_nodes = len(catalogue.table), len(catalogue.nodes)
    n_sessions = draw(st.integers(0, max_sessions))
    width = draw(st.integers(max(1, count - 1), count + 1))
    candidates, targets = [], []
    for _ in range(n_sessions):
        chosen = draw(
            st.lists(
                st.integers(0, count - 1),
                unique=True,
                min_size=max(1, min(width, count) - 2),
                max_size=min(width, count),
            )
        )
        row = draw(st.permutations(chosen + [-1] * (width - len(chosen))))
        number = draw(st.sampled_from([1, 1, 1, 0, 2, 3]))
        wanted = chosen[:number]
        candidates.append(row)
        targets.append([item in wanted for item in row])
    searched = None
    if draw(st.booleans()):
        query = st.integers(count, n_nodes - 1) if n_nodes > count else st.just(-1)
        rows = [draw(st.lists(st.one_of(query, st.just(-1)), min_size=2, max_size=2)) for _ in range(n_sessions)]
        searched = torch.tensor(rows, dtype=torch.int64).reshape(n_sessions, 2)
    scores = draw(st.lists(st.lists(_SCORE, min_size=count, max_size=count), min_size=n_sessions, max_size=n_sessions))
    sessions = Sessions(
        torch.arange(n_sessions),
        torch.tensor(candidates, dtype=torch.int64).reshape(n_sessions, width),
        torch.tensor(targets, dtype=torch.bool).reshape(n_sessions, width),
        searched,
    )
    matrix = torch.tensor(scores, dtype=torch.float64).reshape(n_sessions, count)
    return Case(catalogue, sessions, matrix, draw(st.integers(1, 4)), draw(st.sampled_from([1, 2, 1, 3, 4])))


def any_options() -> st.SearchStrategy[MagusOptions]:
    """Every switch in every combination that is allowed."""
    paper = st.fixed_dictionaries(
        {"clamp": st.booleans(), "negative": st.sampled_from(["zero", "signed", "signed_both"])}
    )
    normalised = st.fixed_dictionaries(
        {"propagation": st.just("normalised"), "mixing": st.sampled_from([None, 0.0, 0.25, 0.9])}
    )
    return st.one_of(paper, paper, normalised).flatmap(_with_shared_switches)


def _with_shared_switches(own: dict[str, Any]) -> st.SearchStrategy[MagusOptions]:
    return st.builds(
        MagusOptions,
        relations=st.sampled_from(["definition", "definition", "swapped", "fields"]),
        scope=st.sampled_from(["session", "catalogue"]),
        hops=st.sampled_from([1, 1, 2, 3]),
        searched=st.sampled_from(["lift", "literal"]),
        unclicked=st.sampled_from(["zero", "unknown"]),
        minus_scale=st.sampled_from([1.0, 0.0, 0.3, 0.1, 2.0]),
        **{name: st.just(value) for name, value in own.items()},
    )


def literal(options: MagusOptions) -> Options:
    """The same switches for the reference, which nothing is told."""
    switches = {name: value for name, value in vars(options).items() if name not in ("learn", "told_error")}
    if options.mixing is None:
        switches["mixing"] = Fraction(1, 2)
    return Options(**switches)


def assert_plays_like(
    expected: Sequence[Round], rows: pd.DataFrame, scores: Sequence[Mapping[int, float]], targets: Sequence[int]
) -> None:
    """A session's rows and scores equal the reference's.

    The reference counts in fractions. Where two nodes differ by less than rounding, floats may put them in another
    order: from there on the two sessions are no longer the same, and the comparison ends.
    """
    for number, (turn, row) in enumerate(zip(expected, rows.to_dict("records"), strict=False)):
        wanted = {node: float(value) for node, value in turn.scores.items()}
        assert scores[number].keys() == wanted.keys()
        for node, value in wanted.items():
            assert abs(scores[number][node] - value) < 1e-9, f"round {number + 1}, node {node}"
        if row["shown"] != turn.shown:
            assert len(row["shown"]) == len(turn.shown)
            for mine, other in zip(row["shown"], turn.shown, strict=True):
                gap = abs(turn.scores[mine] - turn.scores[other])
                assert 0 < gap < Fraction(1, 10**9) or mine == other, f"round {number + 1}: {row['shown']} {turn.shown}"
            return
        assert row["round"] == number + 1
        assert row["clicked"] == (-1 if turn.clicked is None else turn.clicked)
        assert row["position"] == (0 if turn.clicked is None else turn.shown.index(turn.clicked) + 1)
        assert bool(row["target_clicked"]) == (turn.clicked in targets)
        assert bool(row["done"]) == (number + 1 == len(expected))
    assert len(rows) == len(expected)


def assert_agent_is_reference(
    case: Case, agent: Agent, options: Options | None, batch_size: int = 1024, not_care: bool = False
) -> pd.DataFrame:
    """Play all sessions of a case with an agent and compare each with the reference."""
    watched = Watched(agent)
    user = NotCareUser() if not_care else None
    log = simulate(watched, case.sessions, user, case.rounds, case.list_length, batch_size=batch_size)
    assert sorted(set(log["session"])) == list(range(len(case.sessions)))
    for session in range(len(case.sessions)):
        expected = case.reference(session, options, not_care)
        rows = log[log["session"] == session]
        scores = [turn[session] for turn in watched.scores if session < len(turn)]
        assert_plays_like(expected, rows, scores, case.targets(session))
    return log

"""What an answered list says, and that all who are given one take it so: the rows of `answer_table`, by hand."""

from collections.abc import Iterator
from dataclasses import replace
from types import SimpleNamespace

import pandas as pd
import pytest
import torch
from answer_table import (
    GRAPH,
    ITEMS_OF,
    LENGTH,
    LETTERS,
    NODE,
    ROWS,
    SCORES,
    Row,
    nodes,
    table_feedback,
    table_sessions,
    view_of,
)
from torch import Tensor

import magus_pyg as mp
from magus_pyg.agents import EdgeFactors, ItemsAgent, MagusAgent, MagusOptions, StaticAgent
from magus_pyg.agents.rivals.rollout import play_batch
from magus_pyg.experiment.learning import answered_items
from magus_pyg.graph import n_nodes
from magus_pyg.online import Catalogue, OnlineSession
from magus_pyg.report import story
from magus_pyg.simulation import (
    Answer,
    Feedback,
    Play,
    Said,
    SessionView,
    ShownList,
    TruthfulUser,
    User,
    prepare_sessions,
    said,
    simulate,
)

ERROR = 0.1
KINDS = {"C": "clicked", "N": "not care", "R": "refused", "U": "below"}
UNIT = torch.ones((n_nodes(GRAPH), 1), dtype=torch.float64)

# The options and the refusal that was learned; and by hand: whether F.2 is read, what a refused node sends along R+,
# and whether along R- as well.
SWITCHES = {
    "as printed": (MagusOptions(), 0.0, True, 0.0, False),
    "clamped": (MagusOptions(clamp=True), 0.0, True, 0.0, False),
    "unknown": (MagusOptions(unclicked="unknown"), 0.0, False, 0.0, False),
    "signed": (MagusOptions(negative="signed"), 0.0, True, 1.0, False),
    "signed both": (MagusOptions(negative="signed_both"), 0.0, True, 1.0, True),
    "signed both, unknown": (MagusOptions(negative="signed_both", unclicked="unknown"), 0.0, False, 1.0, True),
    "clamped, signed, unknown": (
        MagusOptions(clamp=True, negative="signed", unclicked="unknown"),
        0,
        False,
        1.0,
        False,
    ),
    "learned": (MagusOptions(), 0.5, False, 0.5, False),
    "learned, signed": (MagusOptions(negative="signed"), 0.5, True, 1.0, False),
}

each_row = pytest.mark.parametrize("row", ROWS, ids=str)
each_switch = pytest.mark.parametrize("switch", SWITCHES)


def took(play: Play, view: SessionView, rows: list[Row]) -> tuple[list[dict[str, float]], list[dict[str, float]]]:
    """The scores of the named nodes before and after the rows' answers, a session a row."""
    play.recommend()
    found = []
    for _ in range(2):
        values = [
            dict(zip(*pair, strict=True))
            for pair in zip(view.graphs.node.tolist(), play.node_scores().tolist(), strict=True)
        ]
        found.append([{name: one[node] for name, node in NODE.items()} for one in values])
        if len(found) == 1:
            play.update(table_feedback(rows, view.graphs.node))
    return found[0], found[1]


def part_of(u: str, v: str) -> bool:
    """Whether a node is part of another: items contain their words, and no two of the queries here each other."""
    return u != v and v in "abcd" and v in ITEMS_OF[u]


def by_equation_9(y: dict[str, float], row: Row, switch: str) -> dict[str, float]:
    """Eqs. (8) and (9) with unit weights, node by node."""
    options, _, all_refused, weight, both = SWITCHES[switch]
    yes, no = row.those("C", all_refused), row.those("R", all_refused)
    new = {}
    for v, value in y.items():
        for u, size in [(u, 1.0) for u in yes] + [(u, -weight) for u in no]:
            if part_of(u, v):
                value += size
            elif (size > 0 or both) and not part_of(v, u) and not ITEMS_OF[u] & ITEMS_OF[v]:
                value -= size
        new[v] = min(1.0, max(0.0, value)) if options.clamp else value
    return new | dict.fromkeys(yes, 1.0) | dict.fromkeys(no, 0.0)


# ---------------------------------------------------------------- the reading


@pytest.mark.parametrize("all_refused", [False, True])
def test_one_reading_for_one_list_and_for_many(all_refused: bool) -> None:
    expected = [[LETTERS[letter] for letter in (row.refused if all_refused else row.read)] for row in ROWS]
    assert [row.answer.said(4, all_refused) for row in ROWS] == expected
    view = view_of(ROWS)
    feedback = table_feedback(ROWS, view.graphs.node)
    padded = [codes + [Said.ABSENT] * (LENGTH - len(codes)) for codes in expected]
    assert said(feedback, 4, all_refused).tolist() == padded
    over = replace(feedback, active=torch.zeros_like(feedback.active))
    assert bool((said(over, 4, all_refused) == Said.ABSENT).all())
    for number, row in enumerate(ROWS):
        one = row.answer.feedback(feedback.shown[number : number + 1])
        assert said(one, 4, all_refused).tolist() == [padded[number]]
        assert row.answer.split(4, all_refused) == (
            list(nodes(row.those("C", all_refused))),
            list(nodes(row.those("R", all_refused))),
        )


@pytest.mark.parametrize(
    ("shown", "targets", "clicked"),
    [
        ("x a y", "a", "a"), ("x a y", "b", "x"), ("x a y", "c", "y"), ("a x c y", "c", "c"), ("a x c y", "ca", "a"),
        ("x y red", "d", "y"), ("y x", "bd", "y"), ("red x", "b", "x"), ("a c", "b", None), ("y", "a", None),
        ("x y a c", "dc", "c"), ("y", "d", "y"), ("a", "a", "a"),
    ],
)  # fmt: skip
def test_what_a_truthful_user_clicks(shown: str, targets: str, clicked: str | None) -> None:
    names = shown.split()
    place = -1 if clicked is None else names.index(clicked)
    matches = torch.tensor([[len(ITEMS_OF[name] & set(targets)) for name in names]])
    is_item = torch.tensor([[name in "abcd" for name in names]])
    count = torch.tensor([len(targets)])
    listed = ShownList(torch.ones_like(is_item), is_item, matches, count, 1, count)
    assert TruthfulUser().answer(listed).clicked.tolist() == [place]
    run = SimpleNamespace(graph=GRAPH)
    told = story._truthful(run, nodes(names), set(nodes(list(targets))))  # type: ignore[arg-type]
    assert told == (None if clicked is None else NODE[clicked])


# ---------------------------------------------------------------- MAGUS


def magus(switch: str, options: MagusOptions | None = None) -> MagusAgent:
    chosen, learned, *_ = SWITCHES[switch]
    factors = EdgeFactors(UNIT, UNIT, refusal=learned) if learned else None
    return MagusAgent(GRAPH, SCORES, options or chosen, factors)


@each_switch
def test_magus_many_sessions(switch: str) -> None:
    view = view_of(ROWS)
    before, after = took(magus(switch).start(view), view, ROWS)
    for number, row in enumerate(ROWS):
        assert after[number] == pytest.approx(by_equation_9(before[number], row, switch), abs=1e-12), row


@each_switch
def test_magus_one_session(switch: str) -> None:
    for row in ROWS:
        view = view_of([row])
        before, after = took(magus(switch).start(view), view, [row])
        assert after[0] == pytest.approx(by_equation_9(before[0], row, switch), abs=1e-12), row


@each_switch
def test_magus_over_a_catalogue(switch: str) -> None:
    options, learned, *_ = SWITCHES[switch]
    state = EdgeFactors(UNIT, UNIT, refusal=learned) if learned else None
    catalogue = Catalogue(GRAPH, "plus" if learned else "base", state, options)
    names, chosen = list(NODE), torch.tensor(list(NODE.values()))
    for row in ROWS:
        play = catalogue.play(catalogue.start(SCORES[0]), LENGTH, 3)
        play.scale()
        before = dict(zip(names, play.values(chosen).tolist(), strict=True))
        play.update(row.answer)
        after = dict(zip(names, play.values(chosen).tolist(), strict=True))
        assert after == pytest.approx(by_equation_9(before, row, switch), abs=1e-12), row


@pytest.mark.parametrize("unclicked", ["zero", "unknown"])
@pytest.mark.parametrize("learned", [0.0, 0.5])
def test_labels_of_the_normalised_propagation(unclicked: str, learned: float) -> None:
    """A learned refusal is one of Eq. (9) and means nothing here."""
    options = MagusOptions(propagation="normalised", unclicked=unclicked)
    factors = EdgeFactors(UNIT, UNIT, refusal=learned)
    view = view_of(ROWS)
    play = MagusAgent(GRAPH, SCORES, options, factors).start(view)
    play.recommend()
    play.update(table_feedback(ROWS, view.graphs.node))
    for number, row in enumerate(ROWS):
        labels = dict(zip(view.graphs.node[number].tolist(), play.label[number].tolist(), strict=True))  # type: ignore[attr-defined]
        expected = {
            name: {"C": 1.0, "R": 0.0}.get(letter, -1.0)
            for name, letter in zip(row.shown, row.refused if unclicked == "zero" else row.read, strict=True)
        }
        assert {name: labels[NODE[name]] for name in NODE} == dict.fromkeys(NODE, -1.0) | expected, row


def test_items_and_static_learn_only_what_was_shown() -> None:
    view = view_of(ROWS)
    for agent in (ItemsAgent(GRAPH, SCORES), StaticAgent(GRAPH, SCORES)):
        play = agent.start(view)
        before, after = took(play, view, ROWS)
        assert before == after
        left = [{int(view.graphs.node[number, slot]) for slot in slots if slot >= 0}
                for number, slots in enumerate(play.recommend().tolist())]  # fmt: skip
        assert not any(set(nodes(row.shown)) & listed for row, listed in zip(ROWS, left, strict=True))
        assert all(left)


# ---------------------------------------------------------------- when a session ends, and what is kept of it


class Scripted(User):
    """Shows the lists of rows in the first round and answers them as they say; later nothing."""

    name, graph, scorer = "scripted", GRAPH, SCORES

    def start(self, view: SessionView) -> "Scripted":
        self.feedback, self.asked = table_feedback(ROWS, view.graphs.node), 0
        self.nothing = torch.zeros_like(self.feedback.shown, dtype=torch.float64)
        return self

    def recommend(self) -> Tensor:
        self.asked += 1
        return self.feedback.shown if self.asked == 1 else torch.full_like(self.feedback.shown, -1)

    def update(self, feedback: Feedback) -> None:
        pass

    def node_scores(self) -> Tensor:
        return self.nothing

    def answer(self, shown: ShownList) -> Answer:
        first = shown.round == 1
        not_care = self.feedback.not_care if first else torch.zeros_like(self.feedback.not_care)
        return Answer(self.feedback.clicked if first else torch.full_like(self.feedback.clicked, -1), not_care)


def test_only_a_clicked_target_item_ends_a_simulated_session() -> None:
    sessions, scripted = table_sessions(ROWS), Scripted()
    log = simulate(scripted, sessions, scripted, rounds=2, list_length=LENGTH)  # type: ignore[arg-type]
    first = log[log["round"] == 1].reset_index(drop=True)
    hits = [row.clicked == "a" for row in ROWS]
    assert first["target_clicked"].tolist() == hits
    assert first["done"].tolist() == hits
    assert len(log) == 2 * len(ROWS) - sum(hits)
    (batch,) = prepare_sessions(GRAPH, sessions, SCORES).batches
    view = view_of(ROWS)
    outcome = play_batch(scripted.start(view), view, batch, scripted)  # type: ignore[arg-type]
    assert outcome.found[0].tolist() == hits
    assert outcome.clicked[0].tolist() == [row.clicked is not None and row.clicked not in "abcd" for row in ROWS]


@each_row
def test_what_is_learned_between_sessions(row: Row) -> None:
    kinds = ["item" if kind == "i" else "query" for kind in row.kinds]
    records = pd.DataFrame(
        {
            "user": [7],
            "shown": [list(nodes(row.shown))],
            "kinds": [kinds],
            "clicked": [-1 if row.clicked is None else NODE[row.clicked]],
        }
    )
    user, item, label = answered_items(records)
    items = [name for name in row.shown if name in "abcd"]
    assert user.tolist() == [7] * len(items)
    assert item.tolist() == list(nodes(items))
    assert label.tolist() == [int(name in row.those("C")) for name in items]
    assert [name for name, one in zip(items, label.tolist(), strict=True) if not one] == [
        name for name in row.those("R") if name in "abcd"
    ]


# ---------------------------------------------------------------- online


def online_sessions(variant: str) -> Iterator[OnlineSession]:
    state = EdgeFactors(UNIT, UNIT, refusal=0.5) if variant == "plus" else None
    yield mp.MagusSession(GRAPH, SCORES[0], variant, list_length=LENGTH, rounds=3, state=state)
    yield Catalogue(GRAPH, variant, state).session(SCORES[0], list_length=LENGTH, rounds=3)


@pytest.mark.parametrize("variant", ["none", "base", "plus", "bayes"])
@each_row
def test_explanations_and_the_end_of_a_session(row: Row, variant: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for session in online_sessions(variant):
        monkeypatch.setattr(session._play, "recommend", lambda: torch.tensor(nodes(row.shown)))
        session.recommend()
        clicked = None if row.clicked is None else NODE[row.clicked]
        session.feedback(clicked, nodes(row.not_care))
        assert session.found == (clicked if row.clicked in ("a", "b", "c", "d") else None)
        assert session.done == (session.found is not None)
        assert session.history == (row.answer,)
        for name in ("b", "red", row.shown[0]):
            reasons = [one for one in session.explain(NODE[name]) if one.kind != "scaled"]
            assert [one.node for one in reasons] == list(nodes(row.shown))
            assert [one.kind for one in reasons] == [KINDS[letter] for letter in row.read]

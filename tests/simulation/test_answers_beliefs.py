"""Beliefs take the rows of `answer_table` as worked out by hand: bayes, rivals with a belief, and recurrent."""

from collections.abc import Iterator
from math import log

import pytest
import torch
from answer_table import (
    GRAPH,
    ITEMS_OF,
    LENGTH,
    NODE,
    ROWS,
    SCORES,
    Row,
    table_feedback,
    view_of,
)
from rival_cases import model_of, randomised
from torch import Tensor

import magus_pyg as mp
from magus_pyg.agents import BayesAgent
from magus_pyg.agents.rivals import (
    BaseFeatures,
    BeliefCalibration,
    EarAgent,
    EstimationNetwork,
    RecurrentAgent,
    RecurrentNetwork,
    ear,
)
from magus_pyg.agents.rivals.belief_lists import BeliefTracker
from magus_pyg.agents.rivals.policy import PolicyNetwork
from magus_pyg.online import Catalogue
from magus_pyg.simulation import (
    Play,
    SessionView,
)

ERROR = 0.1


each_row = pytest.mark.parametrize("row", ROWS, ids=str)


def likelihood(row: Row) -> dict[str, float]:
    """How much likelier the answers are for each item, as a log; what only the item in mind allows is left as ±inf."""
    found = dict.fromkeys("abcd", 0.0)
    for item in found:
        for name in row.those("CN"):
            inside = item in ITEMS_OF[name]
            found[item] += (0.0 if inside else -torch.inf) if name in "abcd" else log(1 - ERROR if inside else ERROR)
        for name in row.those("R"):
            inside = item in ITEMS_OF[name]
            found[item] += (-torch.inf if inside else 0.0) if name in "abcd" else log(ERROR if inside else 1 - ERROR)
    return found


def assert_evidence(before: Tensor, after: Tensor, row: Row) -> None:
    """The change of the log of a belief [4] is what the row says of each item, up to what rules an item out."""
    for item, expected in likelihood(row).items():
        change = float((after - before)["abcd".index(item)])
        if expected == -torch.inf:
            assert change < -15.0, item
        else:
            assert change == pytest.approx(expected, abs=1e-6), item


def trackers(view: SessionView) -> Iterator[tuple[Play | BeliefTracker, str]]:
    calibration = BeliefCalibration(error_rate=ERROR)
    yield BayesAgent(GRAPH, SCORES, mp.BayesState(error_rate=ERROR)).start(view), "bayes"
    yield BeliefTracker(view, calibration), "max_entropy, crm"
    yield ear_agent(0.0).track(view), "ear"


def ear_agent(rate: float) -> EarAgent:
    features = BaseFeatures(GRAPH, model_of(GRAPH, 1))
    estimation = randomised(EstimationNetwork(features.size, 3), 2)
    network = randomised(PolicyNetwork(ear.N_NODE, ear.N_SESSION, 4))
    return EarAgent(GRAPH, features.model, network, features, estimation, BeliefCalibration(error_rate=ERROR), rate)


def test_evidence_of_many_sessions() -> None:
    view = view_of(ROWS)
    for play, name in trackers(view):
        before = play.logit.clone()  # type: ignore[union-attr]
        play.update(table_feedback(ROWS, view.graphs.node))
        for number, row in enumerate(ROWS):
            assert_evidence(before[number], play.logit[number], row)  # type: ignore[union-attr]
        over = [row.clicked is not None and row.clicked in "abcd" for row in ROWS]
        assert name != "bayes" or play.over.tolist() == over  # type: ignore[union-attr]
        clicks = [int(row.clicked is not None and row.clicked not in "abcd") for row in ROWS]
        assert name == "bayes" or play.clicks.tolist() == clicks  # type: ignore[union-attr]


@each_row
def test_evidence_of_one_session(row: Row) -> None:
    view = view_of([row])
    for play, _ in trackers(view):
        before = play.logit.clone()  # type: ignore[union-attr]
        play.update(table_feedback([row], view.graphs.node))
        assert_evidence(before[0], play.logit[0], row)  # type: ignore[union-attr]
    catalogue = Catalogue(GRAPH, "bayes", mp.BayesState(error_rate=ERROR))
    play = catalogue.play(catalogue.start(SCORES[0]), LENGTH, 3)
    before = play.logits().clone()  # type: ignore[attr-defined]
    play.update(row.answer)
    assert_evidence(before, play.logits(), row)  # type: ignore[attr-defined]


def test_ear_accepts_clicked_queries_and_reflects_on_refused_items(monkeypatch: pytest.MonkeyPatch) -> None:
    refused: list[Tensor] = []

    def spy(session: Tensor, vectors: Tensor, before: Tensor, belief: Tensor, items: Tensor, *rest: object) -> Tensor:
        refused.append(items)
        return session

    monkeypatch.setattr(ear, "reflect", spy)
    view, agent = view_of(ROWS), ear_agent(0.5)
    tracker = agent.track(view)
    tracker.update(table_feedback(ROWS, view.graphs.node))
    for number, row in enumerate(ROWS):
        items = [name for name, held in zip("abcd", refused[0][number].tolist(), strict=True) if held]
        assert items == sorted(name for name in row.those("R") if name in "abcd"), row
        queries = [(name, letter) for name, letter in zip(row.shown, row.read, strict=True) if name not in "abcd"]
        accepted = [NODE[name] for name, letter in queries if letter == "C"]
        given = agent.features(torch.tensor(accepted, dtype=torch.int64))
        expected = agent.estimation.accepted(given).sum(0).tolist() if accepted else [0.0, 0.0, 0.0]
        assert tracker.accepted[number].tolist() == pytest.approx(expected), row
        code = ear.CLICKED if accepted else ear.REFUSED if {letter for _, letter in queries} - {"N"} else ear.ONLY_ITEMS
        assert tracker.history[number].tolist() == [code, 0.0, 0.0, 0.0, 0.0], row


def test_recurrent_takes_f2(monkeypatch: pytest.MonkeyPatch) -> None:
    features = BaseFeatures(GRAPH, model_of(GRAPH, 1))
    network = randomised(RecurrentNetwork(features.size, 4, 2, 3))
    steps: list[tuple[Tensor, Tensor]] = []

    def spy(state: Tensor, node: Tensor, answer: Tensor, prior: Tensor, taken: Tensor) -> Tensor:
        steps.append((answer, taken))
        return state

    monkeypatch.setattr(network, "step", spy)
    view = view_of(ROWS)
    play = RecurrentAgent(GRAPH, SCORES, features, network).start(view)
    play.update(table_feedback(ROWS, view.graphs.node))
    for number, row in enumerate(ROWS):
        found = ["-" if not bool(taken[number]) else "RC"[int(answer[number])] for answer, taken in steps]
        assert "".join(found) == row.refused.replace("N", "-").ljust(LENGTH, "-"), row

"""Words told outside a list, worked by hand, and how they and `min_items` rank."""

from math import exp, log
from typing import Any

import pandas as pd
import pytest
import torch
from catalogues import APPLE_FIELDS

import magus_pyg as mp
from magus_pyg.agents import BayesState, EdgeFactors, MagusOptions
from magus_pyg.agents.ranking import rank_list
from magus_pyg.errors import GraphError
from magus_pyg.graph import build_relational_graph, n_nodes
from magus_pyg.online import OnlineSession

# Items A 0 (macbook, pro, grey), B 1 (airpods), C 2 (iphone, pro); airpods 3, iphone 4, macbook 5, pro 6, grey 7.
BASE = [7.0, 4.0, 8.0]
BELIEF = [log(0.5), log(0.25), log(0.25)]
# After Eqs. (2), (4) and (6): 2S - T of the queries is -7/4, 1/4, -1/4, 7/4 and -1/4.
GUESS = {0: 5 / 7, 1: 1 / 2, 2: 11 / 14, 3: 0.0, 4: 4 / 7, 5: 3 / 7, 6: 1.0, 7: 3 / 7}


def session(kind: str, table: pd.DataFrame, variant: str, **options: Any) -> OnlineSession:
    graph = build_relational_graph(table, APPLE_FIELDS, max_words=1)
    scores = BELIEF if variant == "bayes" else BASE
    switches = MagusOptions(**options)
    if kind == "catalogue":
        return mp.Catalogue(graph, variant, options=switches).session(scores, list_length=2)
    return mp.MagusSession(graph, scores, variant, list_length=2, options=switches)


both = pytest.mark.parametrize("kind", ["session", "catalogue"])


@both
def test_a_wanted_word_by_hand(apple: pd.DataFrame, kind: str) -> None:
    """Eq. (9) with 1 - 2e = 0.6: A and C contain pro; B and airpods have no item with it."""
    told = session(kind, apple, "base")
    told.tell("pro")
    expected = GUESS | {0: 5 / 7 + 0.6, 2: 11 / 14 + 0.6, 1: -0.1, 3: -0.6}
    assert told.node_scores() == pytest.approx(expected)
    assert [entry.node for entry in told.recommend()] == [2, 0]  # pro, at 1, was told
    reasons = {entry.kind: entry for entry in told.explain(0)}
    assert reasons["told"].change == pytest.approx(0.6)
    assert str(reasons["told"]) == "+0.600  told pro in round 1"


@both
@pytest.mark.parametrize(("negative", "raised"), [("zero", 0.0), ("signed", 0.0), ("signed_both", 0.6)])
def test_an_unwanted_word_by_hand(apple: pd.DataFrame, kind: str, negative: str, raised: float) -> None:
    told = session(kind, apple, "base", negative=negative)
    told.tell("pro", liked=False)
    expected = GUESS | {0: 5 / 7 - 0.6, 2: 11 / 14 - 0.6, 1: 0.5 + raised, 3: raised}
    assert told.node_scores() == pytest.approx(expected)
    assert str(told.explain(2)[-1]) == "-0.600  told not pro in round 1"


@both
@pytest.mark.parametrize(
    ("liked", "masses", "odds"),
    [(True, [0.5 * 0.8, 0.25 * 0.4 / 3, 0.25 * 0.8], -log(6)), (False, [0.5 * 0.2 / 3, 0.2, 0.25 * 0.2 / 3], log(12))],
)
def test_a_belief_by_hand(apple: pd.DataFrame, kind: str, liked: bool, masses: list[float], odds: float) -> None:
    """Bayes' rule: 0.8 where the word fits; 0.2 times the share of items that it fits, 2/3 or 1/3, where not."""
    told = session(kind, apple, "bayes")
    told.tell("pro", liked=liked)
    belief = [mass / sum(masses) for mass in masses]
    assert [told.node_scores()[item] for item in range(3)] == pytest.approx(belief)
    assert told.node_scores()[6] == pytest.approx(belief[0] + belief[2])
    (reason,) = told.explain(1)
    assert (reason.kind, reason.liked, reason.node, reason.round) == ("told", liked, 6, 1)
    assert reason.change == pytest.approx(odds)


@both
def test_a_belief_with_a_measured_error_by_hand(apple: pd.DataFrame, kind: str) -> None:
    """Bayes' rule with 0.9 and 0.1 · 2/3; an error rate of answers above 0.1 counts in its place."""
    graph = build_relational_graph(apple, APPLE_FIELDS, max_words=1)
    rates = [({}, 0.9, 0.2 / 3), ({"error_rate": 0.08}, 0.9, 0.2 / 3), ({"error_rate": 0.3}, 0.7, 0.6 / 3)]
    for others, fits, differs in rates:
        state = BayesState(told_error=0.1, **others)
        if kind == "catalogue":
            told = mp.Catalogue(graph, "bayes", state=state).session(BELIEF, list_length=2)
        else:
            told = mp.MagusSession(graph, BELIEF, "bayes", list_length=2, state=state)
        told.tell("pro")
        masses = [0.5 * fits, 0.25 * differs, 0.25 * fits]
        belief = [mass / sum(masses) for mass in masses]
        assert [told.node_scores()[item] for item in range(3)] == pytest.approx(belief)


@both
def test_only_items_on_offer_count_in_the_share_of_a_word(apple: pd.DataFrame, kind: str) -> None:
    """Without A, pro fits 1 of 2 items."""
    graph = build_relational_graph(apple, APPLE_FIELDS, max_words=1)
    if kind == "catalogue":
        told = mp.Catalogue(graph, "bayes").session(BELIEF, list_length=2, exclude=["A"])
    else:
        told = mp.MagusSession(graph, BELIEF, "bayes", list_length=2, exclude=["A"])
    told.tell("pro")
    assert told.node_scores([1, 2]) == pytest.approx({1: 0.1 / 0.9, 2: 0.8 / 0.9})


def shop_of(n_items: int, odd: int) -> pd.DataFrame:
    """Items of which the last `odd` are teas and all others milks."""
    kinds = ["milk"] * (n_items - odd) + ["tea"] * odd
    return pd.DataFrame({"item_id": [f"i{item}" for item in range(n_items)], "kind": kinds})


@both
@pytest.mark.parametrize("variant", ["base", "plus", "bayes"])
def test_what_has_a_rare_word_comes_first_however_many_items_there_are(kind: str, variant: str) -> None:
    """2 teas of 400 items, the last by their scores: of each a belief e^2 below that of a milk.

    By Bayes' rule the word is worth 0.8 / (0.2 · 2/400) = 800 to 1. By Eq. (9) the teas get 0.6 and the milks -0.6.
    """
    graph = build_relational_graph(shop_of(400, 2), ["kind"])
    scores = [2.0] * 398 + [0.0] * 2
    one = torch.ones((n_nodes(graph), 1), dtype=torch.float64)
    state = EdgeFactors(one, one) if variant == "plus" else None
    if kind == "catalogue":
        told = mp.Catalogue(graph, variant, state=state).session(scores, list_length=2)
    else:
        told = mp.MagusSession(graph, scores, variant, list_length=2, state=state)
    told.recommend()  # by Eq. (6) all nodes together span 1
    before = told.node_scores([0, 398])
    told.tell("tea")
    after = told.node_scores([0, 398])
    assert before[0] > before[398]
    assert after[398] > after[0]
    if variant == "bayes":
        assert after[398] / after[0] == pytest.approx(800 * before[398] / before[0])
        assert before[398] / before[0] == pytest.approx(exp(-2))
    else:
        assert after == pytest.approx({0: before[0] - 0.6, 398: before[398] + 0.6})


@both
def test_words_that_were_told_together_are_taken_back_together_or_alone(apple: pd.DataFrame, kind: str) -> None:
    told = session(kind, apple, "base")
    before = told.node_scores()
    words = told.tell(["pro", "grey"])
    alone = session(kind, apple, "base")
    alone.tell("grey")
    told.retract([words[0]])
    assert told.node_scores() == pytest.approx(alone.node_scores())
    told.undo()
    told.tell(["pro", "grey"])
    told.retract(words)
    assert told.node_scores() == pytest.approx(before)
    assert told.history == ()


@both
def test_the_normalised_propagation_holds_a_word_at_its_probability(apple: pd.DataFrame, kind: str) -> None:
    if kind == "catalogue":
        return
    for liked, label in ((True, 0.8), (False, 0.2)):
        told = session(kind, apple, "base", propagation="normalised")
        told.tell("pro", liked=liked)
        assert told.node_scores()[6] == pytest.approx(label)


def test_a_word_of_no_candidate_says_nothing(apple: pd.DataFrame) -> None:
    graph = build_relational_graph(apple, APPLE_FIELDS, max_words=1)
    one = mp.MagusSession(graph, {"A": 7.0, "C": 8.0}, candidates=["A", "C"])
    before = one.node_scores()
    assert one.tell("airpods") == (("line", "airpods"),)
    assert one.node_scores() == before
    assert one.to_dict()["said"] == [{"told": [["line", "airpods"]], "liked": True}]


def test_the_lowest_queries_give_way_to_the_best_items() -> None:
    is_item = torch.tensor([True, True, True, False, False, False])
    value = torch.tensor([[0.1, 0.3, 0.2, 0.9, 0.8, 0.7], [0.1, 0.95, 0.2, 0.9, 0.8, 0.7]], dtype=torch.float64)
    allowed = torch.ones_like(value, dtype=torch.bool)
    tie = torch.zeros_like(value)
    expected = {0: [[3, 4, 5], [1, 3, 4]], 1: [[3, 4, 1], [1, 3, 4]], 2: [[3, 1, 2], [1, 3, 2]], 3: [[1, 2, 0]] * 2}
    for least, lists in expected.items():
        assert rank_list(value, tie, allowed, 3, is_item, least).tolist() == lists
    allowed[:, 1:3] = False
    assert rank_list(value, tie, allowed, 3, is_item, 2).tolist() == [[3, 4, 0], [3, 4, 0]]
    allowed[:, 4:] = False
    assert rank_list(value, tie, allowed, 3, is_item, 2).tolist() == [[3, 0, -1], [3, 0, -1]]


@both
def test_a_pair_of_texts(kind: str) -> None:
    """A field and a value is one word; where the field is a word itself, it may be two."""
    table = pd.DataFrame({"item_id": ["a", "b"], "brand": ["Oatly", "Alpro"], "kind": ["brand", "milk"]})
    graph = build_relational_graph(table, ["kind"])
    graph_of_both = build_relational_graph(table, ["brand", "kind"])
    make = mp.MagusSession if kind == "session" else lambda graph, scores: mp.Catalogue(graph).session(scores)
    assert make(graph, [1.0, 2.0]).tell(("brand", "milk")) == (("kind", "brand"), ("kind", "milk"))  # no field here
    assert make(graph, [1.0, 2.0]).tell(("kind", "milk")) == (("kind", "milk"),)
    told = make(graph_of_both, [1.0, 2.0])
    with pytest.raises(GraphError, match=r"\('brand', 'Oatly'\) may be one word, of the field 'brand', or two"):
        told.tell(("brand", "Oatly"))
    assert told.tell([("brand", "Oatly")]) == (("brand", "Oatly"),)
    assert told.tell(["brand", "Oatly"]) == (("kind", "brand"), ("brand", "Oatly"))

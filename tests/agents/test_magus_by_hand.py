"""Two rounds of MAGUS written out: every score as a fraction, for the defaults and for each switch.

The apple catalogue, one word a query: items A (macbook, pro, grey), B (airpods), C (iphone, pro); queries airpods,
iphone, macbook, pro, grey. Base scores 7, 4, 8 are 3/4, 0, 1 after Eq. (2), and T = 7/4 in all.
"""

from fractions import Fraction

import pandas as pd
import pytest
import torch
from catalogues import APPLE_FIELDS
from playing import NotCareUser, Watched

from magus_pyg.agents import EdgeFactors, MagusAgent, MagusOptions
from magus_pyg.data import Sessions
from magus_pyg.graph import build_relational_graph, n_items, words_of
from magus_pyg.simulation import User, simulate

F = Fraction
NAMES = ("A", "B", "C", "airpods", "iphone", "macbook", "pro", "grey")
# Eq. (4): 2S - T for a query whose items hold S. airpods 0 - 7/4, iphone 2 - 7/4 = 1/4, macbook and grey
# 3/2 - 7/4 = -1/4, pro 7/2 - 7/4 = 7/4. Eq. (6): the lowest is -7/4, the highest 7/4, so (y + 7/4) / (7/2).
FIRST = dict(zip(NAMES, [F(5, 7), F(1, 2), F(11, 14), F(0), F(4, 7), F(3, 7), F(1), F(3, 7)], strict=True))


def watch(
    items: pd.DataFrame,
    fields: list[str],
    scores: list[float],
    target: list[str],
    options: MagusOptions | None = None,
    list_length: int = 2,
    candidates: list[str] | None = None,
    searched: list[str] | None = None,
    user: User | None = None,
) -> tuple[list[dict[str, float]], list[list[str]], list[str | None]]:
    """Play one session; the scores, lists and clicks of its rounds by name. Queries have one word."""
    graph = build_relational_graph(items, fields, max_words=1)
    ids = list(graph.vocabulary.item_ids)
    chosen = [ids.index(item) for item in candidates or ids]
    names = [ids[n] if n < n_items(graph) else str(words_of(graph, n)[0]) for n in range(graph["node"].num_nodes)]
    sessions = Sessions(
        torch.tensor([0]),
        torch.tensor([chosen]),
        torch.tensor([[ids[item] in target for item in chosen]]),
        None if searched is None else torch.tensor([[names.index(word) for word in searched]]),
    )
    watched = Watched(MagusAgent(graph, torch.tensor([scores], dtype=torch.float64), options))
    log = simulate(watched, sessions, user, rounds=2, list_length=list_length)
    values = [{names[node]: value for node, value in turn[0].items()} for turn in watched.scores]
    lists = [[names[node] for node in shown] for shown in log["shown"]]
    return values, lists, [None if node < 0 else names[node] for node in log["clicked"]]


def watch_apple(
    apple: pd.DataFrame, target: str, options: MagusOptions | None = None, **arguments: object
) -> tuple[list[dict[str, float]], list[list[str]], list[str | None]]:
    return watch(apple, APPLE_FIELDS, [7, 4, 8], list(target), options, **arguments)  # type: ignore[arg-type]


def exactly(expected: dict[str, F] | list[F]) -> object:
    """Fractions, to the last bits of a float64."""
    named = expected if isinstance(expected, dict) else dict(zip(NAMES, expected, strict=True))
    return pytest.approx({name: float(value) for name, value in named.items()}, abs=1e-14, rel=0)


def test_defaults_with_a_clicked_query(apple: pd.DataFrame) -> None:
    scores, shown, clicked = watch_apple(apple, "A")
    assert scores[0] == exactly(FIRST)
    # pro (1) and C (11/14); C is no target, pro is part of A.
    # Eq. (8): pro 1, C 0. Eq. (9) from pro: A +1 = 12/7 (C was answered and receives nothing); R- of pro are B
    # (1/2 - 1) and airpods (0 - 1). Eq. (6): (y + 1) / (19/7).
    assert scores[1] == exactly([F(1), F(7, 38), F(7, 19), F(0), F(11, 19), F(10, 19), F(14, 19), F(10, 19)])
    assert shown == [["pro", "C"], ["A", "iphone"]]
    assert clicked == ["pro", "A"]


def test_first_scores_with_learned_weights(apple: pd.DataFrame) -> None:
    """Eq. (4) with weights p_q p_i on R+ and n_q n_i on R-, the latter times both factors on R-."""
    graph = build_relational_graph(apple, APPLE_FIELDS, max_words=1)
    p, n = (torch.rand((8, 2), dtype=torch.float64, generator=torch.Generator().manual_seed(seed)) for seed in (1, 2))
    options, factors = MagusOptions(minus_scale=0.5), EdgeFactors(p, n, minus_scale=0.4)
    watched = Watched(MagusAgent(graph, torch.tensor([[7, 4, 8]], dtype=torch.float64), options, factors))
    target = torch.tensor([[True, False, False]])
    simulate(watched, Sessions(torch.tensor([0]), torch.tensor([[0, 1, 2]]), target), rounds=1, list_length=2)
    y = [0.75, 0.0, 1.0]
    expected = list(y)
    for node in range(3, 8):
        holds = [set(words_of(graph, node)) <= set(words_of(graph, item)) for item in range(3)]
        plus = sum(float(p[node] @ p[item]) * y[item] for item in range(3) if holds[item])
        minus = sum(float(n[node] @ n[item]) * y[item] for item in range(3) if not holds[item])
        expected.append(plus - 0.5 * 0.4 * minus)
    low, high = min(expected), max(expected)
    scaled = {node: (value - low) / (high - low) for node, value in enumerate(expected)}
    assert watched.scores[0][0] == pytest.approx(scaled, abs=1e-12)


def test_defaults_with_everything_refused(apple: pd.DataFrame) -> None:
    scores, shown, clicked = watch_apple(apple, "B")
    assert scores[0] == exactly(FIRST)
    # Eq. (8): pro and C are 0 and send nothing. The highest is now A's 5/7, the lowest 0.
    assert scores[1] == exactly([F(1), F(7, 10), F(0), F(0), F(4, 5), F(3, 5), F(0), F(3, 5)])
    assert shown == [["pro", "C"], ["A", "iphone"]]
    assert clicked == [None, None]


def test_clamp_keeps_scores_within_bounds(apple: pd.DataFrame) -> None:
    scores, shown, _ = watch_apple(apple, "A", MagusOptions(clamp=True))
    # A min(1, 12/7), B max(0, -1/2), airpods max(0, -1): the others stay, and Eq. (6) changes nothing.
    assert scores[1] == exactly([F(1), F(0), F(0), F(0), F(4, 7), F(3, 7), F(1), F(3, 7)])
    assert shown[1] == ["A", "iphone"]


def test_clamp_ties_all_items_of_a_clicked_query() -> None:
    # Items a, b (x) and c (y); base 1/2, 3/4 and 0 after Eq. (2) with d (x) at 1. T = 9/4; x 9/4, y -9/4.
    items = pd.DataFrame({"item_id": ["a", "b", "c", "d"], "w": ["x", "x", "y", "x"]})
    for clamp in (True, False):
        scores, shown, clicked = watch(items, ["w"], [2, 3, 0, 4], ["a"], MagusOptions(clamp=clamp), list_length=1)
        assert shown[0] == ["x"]
        assert clicked[0] == "x"
        ties = {scores[1][item] for item in "abd"}
        assert len(ties) == (1 if clamp else 3)
        assert shown[1] == ["d"]  # equal scores are in the order of the base scores


def test_signed_negatives_lower_what_contains_a_refused_query(apple: pd.DataFrame) -> None:
    scores, shown, clicked = watch_apple(apple, "B", MagusOptions(negative="signed"))
    # pro is refused and sends -1 to A: 5/7 - 1 = -2/7. Eq. (6): (y + 2/7) / (6/7).
    assert scores[1] == exactly([F(0), F(11, 12), F(1, 3), F(1, 3), F(1), F(5, 6), F(1, 3), F(5, 6)])
    assert shown == [["pro", "C"], ["iphone", "B"]]
    assert clicked == [None, "B"]


def test_signed_both_raises_what_refused_nodes_inhibit(apple: pd.DataFrame) -> None:
    scores, shown, clicked = watch_apple(apple, "B", MagusOptions(negative="signed_both"))
    # pro: A -1; B, airpods +1. C: A, B, airpods, macbook, grey +1 (no item holds them and C). Together A 5/7, B 5/2,
    # airpods 2, iphone 4/7 (part of C, R⊥ to pro), macbook and grey 10/7. Eq. (6): y / (5/2).
    assert scores[1] == exactly([F(2, 7), F(1), F(0), F(4, 5), F(8, 35), F(4, 7), F(0), F(4, 7)])
    assert shown[1] == ["B", "airpods"]
    assert clicked == [None, "B"]


def test_relations_swapped(apple: pd.DataFrame) -> None:
    scores, shown, _ = watch_apple(apple, "A", MagusOptions(relations="swapped"))
    # No R- between items and queries: a query gets S. airpods 0, iphone 1, macbook and grey 3/4, pro 7/4.
    assert scores[0] == exactly([F(3, 7), F(0), F(4, 7), F(0), F(4, 7), F(3, 7), F(1), F(3, 7)])
    # pro is clicked: A 3/7 + 1; those that share an item with it, iphone, macbook and grey, fall by 1; C 0.
    # The lowest is 3/7 - 1 = -4/7, the highest 10/7: (y + 4/7) / 2.
    assert scores[1] == exactly([F(1), F(2, 7), F(2, 7), F(2, 7), F(1, 14), F(0), F(11, 14), F(0)])
    assert shown == [["pro", "C"], ["A", "B"]]


def test_relations_by_fields(apple: pd.DataFrame) -> None:
    scores, shown, _ = watch_apple(apple, "A", MagusOptions(relations="fields"))
    # B has no level and no colour, C no colour: pro 3/4 + 1, grey 3/4. The other three are all lines, as before.
    assert scores[0] == exactly([F(5, 7), F(1, 2), F(11, 14), F(0), F(4, 7), F(3, 7), F(1), F(5, 7)])
    # pro is clicked: A 12/7, C 0, and no other node has a level. Eq. (6): y / (12/7).
    assert scores[1] == exactly([F(1), F(7, 24), F(0), F(0), F(1, 3), F(1, 4), F(7, 12), F(5, 12)])
    assert shown == [["pro", "C"], ["A", "grey"]]


def test_two_hops(apple: pd.DataFrame) -> None:
    scores, shown, _ = watch_apple(apple, "A", MagusOptions(hops=2))
    # After one hop: A 3/4, B 0, C 1, airpods -7/4, iphone 1/4, macbook -1/4, pro 7/4, grey -1/4. In the second,
    # airpods:  B                 - (A + C + iphone + macbook + pro + grey = 13/4)    -> -7/4 + 0 - 13/4   = -5
    # iphone:   C                 - (A + B + airpods + macbook + grey = -3/2)         -> 1/4 + 1 + 3/2     = 11/4
    # macbook:  A                 - (B + C + airpods + iphone = -1/2)                 -> -1/4 + 3/4 + 1/2  = 1
    # pro:      A + C             - (B + airpods = -7/4)                              -> 7/4 + 7/4 + 7/4   = 21/4
    # grey:     A                 - (B + C + airpods + iphone = -1/2)                 -> 1
    # Eq. (6): (y + 5) / (41/4).
    assert scores[0] == exactly([F(23, 41), F(20, 41), F(24, 41), F(0), F(31, 41), F(24, 41), F(1), F(24, 41)])
    assert shown[0] == ["pro", "iphone"]


def test_minus_scale(apple: pd.DataFrame) -> None:
    scores, _, clicked = watch_apple(apple, "A", MagusOptions(minus_scale=0.25))
    # S - (T - S) / 4: airpods -7/16, iphone 13/16, macbook and grey 1/2, pro 7/4. Eq. (6): (y + 7/16) / (35/16).
    first = [F(19, 35), F(1, 5), F(23, 35), F(0), F(4, 7), F(3, 7), F(1), F(3, 7)]
    assert scores[0] == exactly(first)
    # Eq. (9) keeps its unit weights: A 54/35, B 1/5 - 1, C 0, airpods -1. Eq. (6): (y + 1) / (89/35).
    assert clicked[0] == "pro"
    assert scores[1] == exactly(
        [F(1), F(7, 89), F(35, 89), F(0), F(55, 89), F(50, 89), F(70, 89), F(50, 89)],
    )


@pytest.mark.parametrize(
    ("word", "searched", "expected"),
    [
        # The other queries reach 7/4, capped at 1: grey becomes 1, so (1 + 7/4) / (7/2).
        ("grey", "lift", FIRST | {"grey": F(11, 14)}),
        # Their lowest is -7/4, below grey's own score.
        ("grey", "literal", FIRST),
        # airpods rises to the lowest of the others, -1/4, which is now the lowest of all: (y + 1/4) / 2.
        ("airpods", "literal", [F(1, 2), F(1, 8), F(5, 8), F(0), F(1, 4), F(0), F(1), F(0)]),
        # pro is the highest already; the highest of the others is 1/4.
        ("pro", "lift", FIRST),
    ],
)
def test_searched_queries(apple: pd.DataFrame, word: str, searched: str, expected: dict[str, F] | list[F]) -> None:
    scores, _, _ = watch_apple(apple, "A", MagusOptions(searched=searched), searched=[word])
    assert scores[0] == exactly(expected)


@pytest.mark.parametrize("searched", ["lift", "literal"])
def test_where_every_query_is_searched_nothing_changes(apple: pd.DataFrame, searched: str) -> None:
    scores, _, _ = watch_apple(apple, "A", MagusOptions(searched=searched), searched=list(NAMES[3:]))
    assert scores[0] == exactly(FIRST)


def test_equal_scores_by_base_score_then_node(apple: pd.DataFrame) -> None:
    scores, shown, _ = watch_apple(apple, "A", searched=["grey"], list_length=3)
    assert scores[0]["grey"] == scores[0]["C"]
    assert shown[0] == ["pro", "C", "grey"]
    _, shown, _ = watch(apple, APPLE_FIELDS, [5, 5, 5], ["B"], list_length=5)
    assert shown[0] == ["A", "B", "C", "airpods", "iphone"]  # a constant becomes zeros


# ---------------------------------------------------------------- what a click says of the rest of the list


@pytest.mark.parametrize("unclicked", ["zero", "unknown"])
def test_queries_below_the_clicked_one(milk: pd.DataFrame, unclicked: str) -> None:
    # Items A (Milk, On Sale), B (Milk), D (Milk), F (Beef, On Sale); base 1/8, 0, 1/2, 1 after Eq. (2), T = 13/8.
    # Eq. (4): Beef 2 - 13/8 = 3/8, Milk 5/4 - 13/8 = -3/8, On Sale 9/4 - 13/8 = 5/8. Eq. (6): (y + 3/8) / (11/8).
    scores, shown, clicked = watch(
        milk, ["kind", "offer"], [1, 0, 4, 8], ["A"], MagusOptions(unclicked=unclicked), list_length=4
    )
    assert scores[0] == exactly(
        {"A": F(4, 11), "B": F(3, 11), "D": F(7, 11), "F": F(1), "Beef": F(6, 11), "Milk": F(0), "On Sale": F(8, 11)}
    )
    # On Sale is clicked. F above and the item D below are refused. Eq. (9): A +1 = 15/11, B -1 = -8/11; Milk and
    # Beef share an item with On Sale. Eq. (6): (y + 8/11) / (23/11). Beef is 0 or keeps its 6/11.
    beef = F(8, 23) if unclicked == "zero" else F(14, 23)
    rest = {"A": F(1), "B": F(0), "D": F(8, 23), "F": F(8, 23), "Milk": F(8, 23), "On Sale": F(19, 23)}
    assert scores[1] == exactly(rest | {"Beef": beef})
    assert shown == [["F", "On Sale", "D", "Beef"], ["A", "Milk", "B"]]  # three nodes are left
    assert clicked == ["On Sale", "A"]


def test_not_care_neither_zeroes_nor_sends(apple: pd.DataFrame) -> None:
    scores, shown, clicked = watch_apple(
        apple, "AC", MagusOptions(negative="signed"), user=NotCareUser(), list_length=1
    )
    # pro is part of both targets: it keeps its 1, nothing else changes, and it is not shown again.
    assert scores[0] == exactly(FIRST)
    assert scores[1] == exactly(FIRST)
    assert shown == [["pro"], ["C"]]
    assert clicked == [None, "C"]


@pytest.mark.parametrize("scope", ["session", "catalogue"])
def test_scope(scope: str) -> None:
    # x and y stand together in item e alone, which is no candidate. Candidates a, d (x), b (y); base 1/2, 1, 0,
    # T = 3/2. Eq. (4): x 3/2, y -3/2. Eq. (6): (y + 3/2) / 3.
    items = pd.DataFrame({"item_id": ["a", "d", "b", "e"], "w": ["x", "x", "y", "x|y"]})
    scores, shown, clicked = watch(
        items, ["w"], [1, 2, 0, 9], ["a"], MagusOptions(scope=scope), list_length=1, candidates=["b", "a", "d"]
    )
    assert scores[0] == exactly({"a": F(2, 3), "d": F(5, 6), "b": F(1, 2), "x": F(1), "y": F(0)})
    assert shown == [["x"], ["d"]]
    assert clicked == ["x", None]
    # x is clicked: a 5/3, d 11/6, b -1/2. Within the session y falls to -1, else it stays 0.
    if scope == "session":  # (y + 1) / (17/6)
        assert scores[1] == exactly({"a": F(16, 17), "d": F(1), "b": F(3, 17), "x": F(12, 17), "y": F(0)})
    else:  # (y + 1/2) / (7/3)
        assert scores[1] == exactly({"a": F(13, 14), "d": F(1), "b": F(0), "x": F(9, 14), "y": F(3, 14)})

"""The normalised propagation of App. B.1 and B.3: by hand, with weights, in its limits; the case of B.3."""

import math

import pandas as pd
import pytest
import torch
from catalogues import APPLE_FIELDS
from hypothesis import given, settings
from hypothesis import strategies as st
from playing import Case, Watched, assert_agent_is_reference, cases, literal
from torch import Tensor
from torch_geometric.data import HeteroData

from magus_pyg.agents import BayesAgent, BayesState, EdgeFactors, MagusAgent, MagusOptions, StaticAgent
from magus_pyg.agents.normalised import NormalisedSpread
from magus_pyg.data import Sessions
from magus_pyg.errors import ConfigError
from magus_pyg.graph import SessionGraphBuilder, build_relational_graph, find_query
from magus_pyg.simulation import Agent, Feedback, Scorer, simulate
from magus_pyg.testing import AgentContract, small_graph, small_scores, small_sessions
from magus_pyg.testing.agent_contract import view_of

NORMALISED = MagusOptions(propagation="normalised", mixing=0.5)


class TestNormalised(AgentContract):
    @classmethod
    def make(cls, graph: HeteroData, scorer: Scorer | Tensor) -> Agent:
        return MagusAgent(graph, scorer, NORMALISED)


class TestNormalisedWithWeights(AgentContract):
    @classmethod
    def make(cls, graph: HeteroData, scorer: Scorer | Tensor) -> Agent:
        weights = torch.rand((graph["node"].num_nodes, 3), generator=torch.Generator().manual_seed(1))
        options = MagusOptions(propagation="normalised", mixing=0.8, scope="catalogue", unclicked="unknown")
        return MagusAgent(graph, scorer, options, factors=EdgeFactors(weights, weights.flip(1), 0.7, 0.4))


@settings(max_examples=60)
@given(cases(), st.sampled_from(["definition", "swapped", "fields"]), st.sampled_from(["session", "catalogue"]),
       st.sampled_from([None, 0.0, 0.3, 0.99]), st.booleans())  # fmt: skip
def test_equals_the_literal_reference(
    case: Case, relations: str, scope: str, mixing: float | None, not_care: bool
) -> None:
    options = MagusOptions(relations=relations, scope=scope, propagation="normalised", mixing=mixing)
    agent = MagusAgent(case.graph, case.matrix, options)
    assert_agent_is_reference(case, agent, literal(options), not_care=not_care)


def test_equal_nodes_stay_equal() -> None:
    """Pairs of words whose scores are equal by way of different sums: before the third round the last bits would put
    12, 13 and 14 before 9, 10 and 11."""
    words = ["x|y", "", "", "", ""]
    table = pd.DataFrame({"item_id": [f"i{number}" for number in range(5)], "b": words, "c": words})
    graph = build_relational_graph(table, ["b", "c"], max_words=2)
    sessions = Sessions(torch.tensor([0]), torch.tensor([[0, 1, 2]]), torch.zeros((1, 3), dtype=torch.bool))
    watched = Watched(MagusAgent(graph, torch.tensor([[1.0, -1.0, 0.0]]), NORMALISED))
    log = simulate(watched, sessions, rounds=4, list_length=3)
    assert log["shown"].tolist() == [[0, 2, 5], [6, 7, 8], [9, 10, 11], [12, 13, 14]]
    assert {watched.scores[2][0][node] for node in range(9, 15)} == {1.0}


def test_one_round_by_hand(apple: pd.DataFrame) -> None:
    # Items A (macbook, pro, grey), B (airpods), C (iphone, pro); scores and first list as in test_magus_by_hand:
    # A 5/7, B 1/2, C 11/14, airpods 0, iphone 4/7, macbook 3/7, pro 1, grey 3/7. Shown are pro and C, and pro is
    # clicked: pro 1, C 0 (Eq. 8). R⊥: iphone-pro, macbook-pro, macbook-grey, pro-grey; all other pairs are R+ or R-.
    # So the degrees are 7 less the R⊥ of a node: items and airpods 7, iphone 6, macbook and grey 5, pro 4.
    graph = build_relational_graph(apple, APPLE_FIELDS, max_words=1)
    sessions = Sessions(torch.tensor([0]), torch.tensor([[0, 1, 2]]), torch.tensor([[True, False, False]]))
    watched = Watched(MagusAgent(graph, torch.tensor([[7.0, 4.0, 8.0]]), NORMALISED))
    log = simulate(watched, sessions, rounds=2, list_length=2)
    assert log["shown"].iloc[0] == [6, 2]
    a, b, airpods, iphone, macbook, pro, grey = 5 / 7, 1 / 2, 0.0, 4 / 7, 3 / 7, 1.0, 3 / 7

    def over(x: int, y: int) -> float:
        return 1 / math.sqrt(x * y)

    spread = {
        0: macbook * over(7, 5) + pro * over(7, 4) + grey * over(7, 5) - b / 7 - airpods / 7 - iphone * over(7, 6),
        1: airpods / 7 - a / 7 - iphone * over(7, 6) - (macbook + grey) * over(7, 5) - pro * over(7, 4),
        3: b / 7 - a / 7 - iphone * over(7, 6) - (macbook + grey) * over(7, 5) - pro * over(7, 4),
        4: -(a + b + airpods) * over(6, 7) - (macbook + grey) * over(6, 5),  # C is 0, pro is R⊥
        5: a * over(5, 7) - (b + airpods) * over(5, 7) - iphone * over(5, 6),
        7: a * over(5, 7) - (b + airpods) * over(5, 7) - iphone * over(5, 6),
    }
    first = {0: a, 1: b, 3: airpods, 4: iphone, 5: macbook, 7: grey}
    y = {node: 0.5 * value + 0.5 * first[node] for node, value in spread.items()} | {6: 1.0, 2: 0.0}
    low, high = min(y.values()), max(y.values())
    expected = {node: (value - low) / (high - low) for node, value in y.items()}  # Eq. (6)
    assert watched.scores[1][0] == pytest.approx(expected, abs=1e-11)
    assert log["shown"].iloc[1] == sorted(set(expected) - {6, 2}, key=lambda node: -expected[node])[:2]


def test_answers_of_all_rounds_are_held() -> None:
    graph, sessions = small_graph(), small_sessions(searched=False)
    view = view_of(MagusAgent(graph, small_scores()), sessions, 4, 2)
    play = MagusAgent(graph, small_scores(), NORMALISED).start(view)
    answered = torch.full_like(view.graphs.node, -1)
    for number in range(4):
        shown = play.recommend()
        clicked = torch.where(shown[:, 0] >= 0, number % 2, -1)
        nobody = torch.zeros_like(shown, dtype=torch.bool)
        play.update(Feedback(shown, clicked, nobody, torch.ones_like(clicked, dtype=torch.bool)))
        row, place = torch.nonzero(shown >= 0, as_tuple=True)
        answered[row, shown[row, place]] = (clicked[row] == place).long()
        y = play.node_scores()
        assert torch.equal(y[answered >= 0], answered[answered >= 0].double())


def dense_spread(weights: Tensor) -> Tensor:
    """D^-1/2 A D^-1/2 from a signed matrix."""
    degree = weights.abs().sum(1)
    root = torch.where(degree > 0, degree.clamp(min=1e-30).rsqrt(), 0.0)
    return root.unsqueeze(1) * weights * root


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("explicit", [False, True])
def test_s_is_the_dense_matrix_and_has_eigenvalues_up_to_one(weighted: bool, explicit: bool) -> None:
    graph = small_graph()
    builder = SessionGraphBuilder(graph)
    graphs = builder.build(small_sessions().candidates)
    n_sessions, slots = graphs.node.shape
    inhibits, _ = builder.explicit(graphs)
    generator = torch.Generator().manual_seed(2)
    factors: tuple[Tensor | None, Tensor | None] = (None, None)
    plus = minus = torch.ones((n_sessions * slots, 1), dtype=torch.float64)
    if weighted:
        plus, minus = (torch.rand((n_sessions * slots, 3), generator=generator, dtype=torch.float64) for _ in "+-")
        factors = (plus, minus)
    spread = NormalisedSpread(graphs, builder, inhibits if explicit else None, factors)
    matrix = torch.zeros((n_sessions * slots, n_sessions * slots), dtype=torch.float64)
    matrix[graphs.part, graphs.whole] = (plus[graphs.part] * plus[graphs.whole]).sum(1)
    matrix = matrix + matrix.T
    matrix[inhibits[0], inhibits[1]] = -(minus[inhibits[0]] * minus[inhibits[1]]).sum(1)
    expected = dense_spread(matrix)
    y = torch.where(graphs.valid, torch.rand(graphs.node.shape, generator=generator, dtype=torch.float64), 0.0)
    torch.testing.assert_close(spread(y).view(-1), expected @ y.view(-1), rtol=1e-9, atol=1e-12)
    assert float(torch.linalg.eigvalsh(expected).abs().max()) < 1 + 1e-12


def test_without_mixing_only_what_was_answered_moves() -> None:
    graph, scores, sessions = small_graph(), small_scores(), small_sessions(targets=False)
    options = MagusOptions(propagation="normalised", mixing=0.0)
    mixed, static = (
        simulate(agent, sessions, rounds=4, list_length=2)["shown"].tolist()
        for agent in (MagusAgent(graph, scores, options), StaticAgent(graph, scores))
    )
    assert mixed == static


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"propagation": "symmetric"}, r"magus\.propagation must be one of paper, normalised \(got 'symmetric'\)"),
        ({"learn": "always"}, r"magus\.learn must be one of none, per_session \(got 'always'\)"),
        ({"mixing": 1.0}, r"magus\.mixing must be in \[0, 1\) \(got 1\.0\)"),
        ({"mixing": -0.1}, r"magus\.mixing must be in \[0, 1\) \(got -0\.1\)"),
        ({"mixing": float("nan")}, r"magus\.mixing must be a finite number or none \(got nan\)"),
        ({"propagation": "normalised", "clamp": True}, r"magus\.clamp is a switch of Eq\. \(9\).*got True"),
        ({"propagation": "normalised", "negative": "signed"}, r"magus\.negative is a switch of Eq\. \(9\).*'signed'"),
    ],
)
def test_options_out_of_range(values: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        MagusOptions(**values).check()  # type: ignore[arg-type]


# ---------------------------------------------------------------- App. B.3: iPhone and MacBook

SHOP = [
    ("iphone pro grey", "iphone", "pro", "grey"), ("iphone pro gold", "iphone", "pro", "gold"),
    ("iphone mini gold", "iphone", "mini", "gold"), ("iphone air grey", "iphone", "air", "grey"),
    ("macbook pro grey", "macbook", "pro", "grey"), ("macbook air grey", "macbook", "air", "grey"),
    ("macbook air gold", "macbook", "air", "gold"), ("airpods", "airpods", "", ""),
]  # fmt: skip
# The history is all for iPhones.
HISTORY = torch.tensor([[0.95, 0.9, 0.85, 0.8, 0.2, 0.15, 0.1, 0.0]])
IPHONES, MACBOOKS = {0, 1, 2, 3}, {4, 5, 6}


def after_macbook(
    options: MagusOptions | None = None,
    factors: EdgeFactors | None = None,
    bayes: BayesState | None = None,
    cares: bool = True,
) -> dict[int, float]:
    """The items' scores after the user clicked the query "macbook", or was asked and did not care."""
    table = pd.DataFrame(SHOP, columns=["item_id", "line", "level", "colour"])
    graph = build_relational_graph(table, ["line", "level", "colour"], max_words=2)
    agent: Agent = MagusAgent(graph, HISTORY, options, factors)
    if bayes is not None:
        agent = BayesAgent(graph, HISTORY, bayes)
    iphone, macbook = (find_query(graph, [("line", word)]) for word in ("iphone", "macbook"))
    assert iphone is not None
    assert macbook is not None
    nothing = torch.zeros((1, 8), dtype=torch.bool)
    sessions = Sessions(torch.tensor([0]), torch.arange(8).unsqueeze(0), nothing, torch.tensor([[iphone]]))
    view = view_of(agent, sessions, rounds=5, list_length=1)
    play = agent.start(view)
    play.recommend()
    before = play.node_scores()[0]
    assert sorted(range(8), key=lambda item: -float(before[item]))[:4] == sorted(IPHONES), "the history is for iPhones"
    slot = (view.graphs.node[0] == macbook).nonzero()[0]
    not_care = torch.tensor([[not cares]])
    play.update(Feedback(slot.unsqueeze(0), torch.tensor([0 if cares else -1]), not_care, torch.tensor([True])))
    play.recommend()
    return dict(enumerate(play.node_scores()[0, :8].tolist()))


def macbooks_lead(scores: dict[int, float]) -> bool:
    """Whether every MacBook stands before every iPhone."""
    return min(scores[item] for item in MACBOOKS) > max(scores[item] for item in IPHONES)


def test_b3_by_eqs_8_and_9() -> None:
    assert macbooks_lead(after_macbook())
    for options in (
        MagusOptions(clamp=True), MagusOptions(negative="signed"), MagusOptions(negative="signed_both"),
        MagusOptions(hops=2), MagusOptions(minus_scale=0.3), MagusOptions(scope="catalogue"),
        MagusOptions(unclicked="unknown"), MagusOptions(searched="literal"), MagusOptions(relations="fields"),
    ):  # fmt: skip
        assert macbooks_lead(after_macbook(options)), options


def test_b3_where_r_minus_and_r_independent_change_places() -> None:
    """The numbered list after Def. 3.1: iPhones keep their scores, MacBooks gain 1, which is all there is to gain."""
    assert macbooks_lead(after_macbook(MagusOptions(relations="swapped")))


@pytest.mark.parametrize("seed", range(5))
def test_b3_with_learned_weights(seed: int) -> None:
    """Weights around 1, as MAGUS+ has them; B.3 argues with weights of 1."""
    generator = torch.Generator().manual_seed(seed)
    table = pd.DataFrame(SHOP, columns=["item_id", "line", "level", "colour"])
    nodes = build_relational_graph(table, ["line", "level", "colour"], max_words=2)["node"].num_nodes
    plus, minus = (torch.rand((nodes, 4), generator=generator, dtype=torch.float64) * 0.6 + 0.2 for _ in range(2))
    assert macbooks_lead(after_macbook(factors=EdgeFactors(plus, minus, 0.7, 0.3)))


def test_b3_by_belief() -> None:
    assert macbooks_lead(after_macbook(bayes=BayesState(temperature=0.3)))
    assert macbooks_lead(after_macbook(bayes=BayesState(temperature=0.3, error_rate=0.05)))


@pytest.mark.parametrize("mixing", [0.05, 0.3, 0.5, 0.9, 0.99])
@pytest.mark.parametrize("searched", ["lift", "literal"])
def test_b3_does_not_hold_for_the_formula_of_b3(mixing: float, searched: str) -> None:
    """What the text argues holds for Eqs. (8) and (9), not for its own formula: there a click reaches a neighbour
    divided by the root of both degrees, and R- makes every degree almost the number of nodes. MacBooks gain on iPhones,
    but one click is not enough where a history is all for iPhones, whatever λ is."""
    options = MagusOptions(propagation="normalised", mixing=mixing, searched=searched)
    clicked, asked = after_macbook(options), after_macbook(options, cares=False)
    assert not macbooks_lead(clicked)

    def lead(scores: dict[int, float]) -> float:
        return sum(scores[item] for item in MACBOOKS) / 3 - sum(scores[item] for item in IPHONES) / 4

    assert lead(clicked) > lead(asked)

"""Beliefs by hand and by Bayes' rule, over every kind of answer; states out of range."""

import logging
import math
from itertools import product

import pytest
import torch
from bayes_cases import apple_view
from catalogues import APPLE_FIELDS, apple_table
from hypothesis import given
from hypothesis import strategies as st

from magus_pyg.agents import BayesAgent, BayesState
from magus_pyg.agents.bayes import answer_evidence, initial_logit, searched_evidence
from magus_pyg.agents.bayes.belief import drifted, log_odds, membership, normalised, share_of_others
from magus_pyg.data import Sessions
from magus_pyg.errors import ConfigError, ModelError
from magus_pyg.graph import SessionGraphBuilder, SessionGraphs, build_relational_graph, find_query
from magus_pyg.simulation import Answer, Feedback, ShownList, User, simulate

A, B, C = 0, 1, 2  # macbook pro grey, airpods, iphone pro


@pytest.fixture
def apple_session() -> tuple[SessionGraphs, dict[str, int]]:
    graph = build_relational_graph(apple_table(), word_fields=APPLE_FIELDS, item_id="item_id")
    graphs = SessionGraphBuilder(graph).build(torch.tensor([[A, B, C]]))
    node = {word: find_query(graph, [word]) for word in ("pro", "grey", "airpods", "iphone")}
    return graphs, {word: graphs.node[0].tolist().index(found) for word, found in node.items()}


def answers(shown: list[int], clicked: int = -1, not_care: list[int] | None = None, active: bool = True) -> Feedback:
    mask = torch.tensor([[place in (not_care or []) for place in range(len(shown))]])
    return Feedback(torch.tensor([shown]), torch.tensor([clicked]), mask, torch.tensor([active]))


def belief_after(graphs: SessionGraphs, prior: list[float], *feedback: Feedback, error: float, others: float = 0.0):  # type: ignore[no-untyped-def]
    logit = torch.tensor([prior], dtype=torch.float64).log()
    for one in feedback:
        logit = logit + answer_evidence(graphs, one, error, others, logit).sum(1)
    return normalised(logit)[0].tolist()


def test_softmax_of_the_scores() -> None:
    present = torch.tensor([[True, True, False], [False, False, False]])
    logit = initial_logit(torch.tensor([[0.0, 2.0, 9.0], [1.0, 1.0, 1.0]]), present, temperature=2.0)
    expected = [1 / (1 + math.e), math.e / (1 + math.e), 0.0]
    assert normalised(logit)[0].tolist() == pytest.approx(expected)
    assert normalised(logit)[1].tolist() == [0.0, 0.0, 0.0]


def test_temperatures_at_which_numbers_do_not_reach_are_refused() -> None:
    present = torch.tensor([[True, True, False]])
    scores = torch.tensor([[0.0, 2.0, 9.0]], dtype=torch.float64)
    with pytest.raises(ModelError, match="the score of candidate 1 over temperature=1e-310 is inf"):
        initial_logit(scores, present, temperature=1e-310)
    with pytest.raises(ModelError, match="further apart"):
        initial_logit(torch.tensor([[-1e300, 1e300, 9.0]], dtype=torch.float64), present, temperature=1e-8)
    assert initial_logit(scores, torch.tensor([[True, False, False]]), 1e-310).tolist() == [[0.0, -math.inf, -math.inf]]


def test_a_click_and_a_refusal(apple_session: tuple[SessionGraphs, dict[str, int]]) -> None:
    graphs, slot = apple_session
    # pro: in A and C. Clicked with e = 0.1: 0.5·0.9, 0.3·0.1, 0.2·0.9 over 0.66.
    clicked = answers([slot["pro"]], 0)
    assert belief_after(graphs, [0.5, 0.3, 0.2], clicked, error=0.1) == pytest.approx(
        [0.45 / 0.66, 0.03 / 0.66, 0.18 / 0.66]
    )
    refused = answers([slot["pro"]])
    assert belief_after(graphs, [0.5, 0.3, 0.2], refused, error=0.1) == pytest.approx(
        [0.05 / 0.34, 0.27 / 0.34, 0.02 / 0.34]
    )


def test_several_answers(apple_session: tuple[SessionGraphs, dict[str, int]]) -> None:
    graphs, slot = apple_session
    # grey above is refused, pro is clicked, airpods below says nothing: 0.5·0.1·0.9, 0.3·0.9·0.1, 0.2·0.9·0.9.
    mixed = answers([slot["grey"], slot["pro"], slot["airpods"]], 1)
    total = 0.045 + 0.027 + 0.162
    expected = [0.045 / total, 0.027 / total, 0.162 / total]
    assert belief_after(graphs, [0.5, 0.3, 0.2], mixed, error=0.1) == pytest.approx(expected)
    # Then nothing is clicked in [A, iphone]: A is not it; C·0.1, B·0.9.
    nothing = answers([A, slot["iphone"]])
    rest = 0.027 * 0.9 + 0.162 * 0.1
    after = belief_after(graphs, [0.5, 0.3, 0.2], mixed, nothing, error=0.1)
    assert after == pytest.approx([0.0, 0.0243 / rest, 0.0162 / rest], abs=1e-8)


def test_items_are_clicked_before_queries(apple_session: tuple[SessionGraphs, dict[str, int]]) -> None:
    graphs, slot = apple_session
    # A query was clicked, so the item below it is no target.
    after = belief_after(graphs, [0.5, 0.3, 0.2], answers([slot["pro"], A], 0), error=0.0)
    assert after == pytest.approx([0.0, 0.0, 1.0], abs=1e-7)
    # An item was clicked: the query above it says nothing.
    evidence = answer_evidence(graphs, answers([slot["iphone"], A], 1), 0.1)[0]
    assert evidence[0].tolist() == [0.0, 0.0, 0.0]
    assert evidence[1].exp().tolist() == pytest.approx([1.0, 1e-9, 1e-9])


def test_not_care_is_a_yes(apple_session: tuple[SessionGraphs, dict[str, int]]) -> None:
    graphs, slot = apple_session
    # pro: Not Care; grey: clicked.
    both = answers([slot["pro"], slot["grey"]], 1, not_care=[0])
    total = 0.5 * 0.81 + 0.3 * 0.01 + 0.2 * 0.09
    expected = [0.405 / total, 0.003 / total, 0.018 / total]
    assert belief_after(graphs, [0.5, 0.3, 0.2], both, error=0.1) == pytest.approx(expected)


def test_what_is_not_answered_says_nothing(apple_session: tuple[SessionGraphs, dict[str, int]]) -> None:
    graphs, slot = apple_session
    over = answers([slot["pro"], A], 0, active=False)
    assert not answer_evidence(graphs, over, 0.1).any()
    assert not answer_evidence(graphs, answers([-1, -1]), 0.1).any()


def test_a_click_for_another_target(apple_session: tuple[SessionGraphs, dict[str, int]]) -> None:
    graphs, slot = apple_session
    # One other target on average: pro holds 0.7 of the belief, so B stays with 0.7 of its mass after a click.
    after = belief_after(graphs, [0.5, 0.3, 0.2], answers([slot["pro"]], 0), error=0.0, others=1.0)
    assert after == pytest.approx([0.5 / 0.91, 0.21 / 0.91, 0.2 / 0.91])
    # A refusal says that no target has it.
    after = belief_after(graphs, [0.5, 0.3, 0.2], answers([slot["pro"]]), error=0.0, others=1.0)
    assert after == pytest.approx([0.0, 1.0, 0.0], abs=1e-7)
    # grey (0.5) is refused first, then pro: 0.2 / 0.5 of what is left.
    logit = torch.tensor([[0.5, 0.3, 0.2]], dtype=torch.float64).log()
    evidence = answer_evidence(graphs, answers([slot["grey"], slot["pro"]], 1), 0.0, 1.0, logit)[0]
    assert evidence[0].exp().tolist() == pytest.approx([1e-9, 0.5, 0.5])
    assert evidence[1].exp().tolist() == pytest.approx([1.0, 0.4, 1.0])
    assert share_of_others(torch.tensor([0.0, 0.5, 1.0]), 2.0).tolist() == pytest.approx([0.0, 0.75, 1.0])


def test_searched_queries(apple_session: tuple[SessionGraphs, dict[str, int]]) -> None:
    graphs, slot = apple_session
    searched = torch.tensor([[slot["pro"], -1]])
    evidence = searched_evidence(graphs, searched, 0.2)
    assert evidence.exp()[0].tolist() == [pytest.approx([0.8, 0.2, 0.8]), [1.0, 1.0, 1.0]]
    assert searched_evidence(graphs, searched, 0.5).shape == (1, 0, 3)
    assert searched_evidence(graphs, None, 0.2).shape == (1, 0, 3)


def test_membership(apple_session: tuple[SessionGraphs, dict[str, int]]) -> None:
    graphs, slot = apple_session
    inside = membership(graphs, torch.tensor([[slot["pro"], A, -1]]))[0]
    assert inside.tolist() == [[True, False, True], [True, False, False], [False, False, False]]


@given(st.data(), st.sampled_from([0.0, 0.05, 0.3]), st.sampled_from([0.0, 0.7]))
def test_beliefs_sum_to_one_and_answers_commute(data: st.DataObject, error: float, others: float) -> None:
    graph = build_relational_graph(apple_table(), word_fields=APPLE_FIELDS, item_id="item_id")
    graphs = SessionGraphBuilder(graph).build(torch.tensor([[A, B, C]]))
    slots = data.draw(st.permutations(range(graphs.n_slots)))
    given_answers = [
        answers([slot], data.draw(st.sampled_from([-1, 0]))) for slot in slots[: data.draw(st.integers(1, 6))]
    ]
    prior = data.draw(st.lists(st.floats(0.01, 1.0), min_size=3, max_size=3))
    after = belief_after(graphs, prior, *given_answers, error=error, others=others)
    assert sum(after) == pytest.approx(1.0)
    assert all(0.0 <= value <= 1.0 for value in after)
    if others == 0.0:
        shuffled = data.draw(st.permutations(given_answers))
        assert belief_after(graphs, prior, *shuffled, error=error) == pytest.approx(after, rel=1e-6, abs=1e-12)


def test_contradictory_answers_go_by_the_error_rate(
    apple_session: tuple[SessionGraphs, dict[str, int]], caplog: pytest.LogCaptureFixture
) -> None:
    graphs, slot = apple_session
    # airpods and iphone exclude each other: B and C are equally wrong, A twice.
    after = belief_after(
        graphs, [0.5, 0.3, 0.2], answers([slot["airpods"]], 0), answers([slot["iphone"]], 0), error=0.0
    )
    assert after == pytest.approx([0.0, 0.6, 0.4], abs=1e-6)

    class Liar(User):
        def answer(self, shown: ShownList) -> Answer:
            query = shown.present & ~shown.is_item
            first = torch.where(query.any(1), query.to(torch.int64).argmax(1), -1)
            return Answer(first, torch.zeros_like(query))

    graph = build_relational_graph(apple_table(), word_fields=APPLE_FIELDS, item_id="item_id")
    sessions = Sessions(
        torch.zeros(1, dtype=torch.int64), torch.tensor([[A, B, C]]), torch.zeros((1, 3), dtype=torch.bool)
    )
    agent = BayesAgent(graph, torch.zeros((1, 3), dtype=torch.float64))
    with caplog.at_level(logging.INFO):
        for _ in range(2):
            simulate(agent, sessions, Liar(), rounds=4, list_length=1)  # type: ignore[arg-type]
    assert sum("contradict" in record.message for record in caplog.records) <= 1


@pytest.mark.parametrize(
    "values",
    [
        {"error_rate": 0.5}, {"error_rate": -0.1}, {"error_rate": float("nan")}, {"temperature": 0.0},
        {"temperature": float("inf")}, {"searched_error": 0.0}, {"searched_error": 0.6}, {"discount": 0.0},
        {"discount": 1.1}, {"discount": float("nan")}, {"forgetting": 1.0}, {"forgetting": -0.1},
        {"click_weight": -1.0},
        {"targets": 0.5},
        {"others": -1.0},
    ],
)  # fmt: skip
def test_states_out_of_range(values: dict[str, float]) -> None:
    name = next(iter(values))
    with pytest.raises(ConfigError, match=f"bayes.{name}"):
        BayesState(**values).check()  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match=f"bayes.{name}"):
        BayesAgent(
            build_relational_graph(apple_table(), word_fields=APPLE_FIELDS, item_id="item_id"),
            torch.zeros((1, 3)),
            BayesState(**values),
        )  # type: ignore[arg-type]


def test_log_odds_by_hand() -> None:
    agent, view = apple_view(length=2, scores=[0.0, 0.0, 0.0])
    agent.state.error_rate = 0.1
    pro = next(
        slot for slot in range(3, view.graphs.n_slots)
        if set(view.graphs.wholes.gather(torch.tensor([slot]))[1].tolist()) >= {0, 2}
    )  # fmt: skip

    def after(shown: list[int], clicked: int) -> float:
        play, one = agent.start(view), torch.tensor([shown])
        nobody = torch.zeros_like(one, dtype=torch.bool)
        play.update(Feedback(one, torch.tensor([clicked]), nobody, torch.ones(1, dtype=torch.bool)))
        return log_odds(play, 0)

    assert log_odds(agent.start(view), 0) == pytest.approx(math.log(1 / 2))
    # pro is refused: A has 1/3 against 2/3 before, 0.1 against 1.0 after.
    assert after([pro, -1], -1) == pytest.approx(math.log(0.1 / 1.0))
    # B is shown and not clicked beside a click on pro: A against C alone.
    assert after([1, pro], 1) == pytest.approx(math.log(1 / 1), abs=1e-6)


def test_drift_is_bayes_rule_over_all_that_people_may_have_wanted(
    apple_session: tuple[SessionGraphs, dict[str, int]],
) -> None:
    """After every round the item in mind becomes any of the three with probability δ: all sequences, weighed."""
    graphs, slot = apple_session
    prior, error, forgetting = [0.5, 0.3, 0.2], 0.1, 0.4
    asked = [slot["pro"], slot["grey"], slot["airpods"]]
    clicks = [0, -1, -1]
    agent, view = apple_view(rounds=5, length=1, scores=[math.log(value) for value in prior])
    agent.state = BayesState(error_rate=error, discount=0.9, forgetting=forgetting).check()
    play = agent.start(view)
    found = []
    for query, click in zip(asked, clicks, strict=True):
        play.update(answers([query], click))
        play.scale()
        play.scale()  # once a round
        found.append(play.node_scores()[0, :3].tolist())
    held = membership(graphs, torch.tensor([asked]))[0].tolist()
    for number in range(1, 4):
        weight = [0.0, 0.0, 0.0]
        for wanted in product(range(3), repeat=number + 1):  # in every round, and after it
            chance = prior[wanted[0]]
            for place in range(number):
                fits = held[place][wanted[place]] == (clicks[place] == 0)
                stays = (1.0 - forgetting) * (wanted[place] == wanted[place + 1])
                chance *= (1.0 - error if fits else error) * (stays + forgetting / 3)
            weight[wanted[-1]] += chance
        assert found[number - 1] == pytest.approx([value / sum(weight) for value in weight])


def test_drift_keeps_shown_items_out_of_queries(apple_session: tuple[SessionGraphs, dict[str, int]]) -> None:
    """A shown item may be wanted again and cannot be shown: no query holds its belief."""
    _, slot = apple_session
    agent, view = apple_view(rounds=5, length=1, scores=[math.log(value) for value in (0.5, 0.3, 0.2)])
    agent.state = BayesState(discount=0.9, forgetting=0.3).check()
    play = agent.start(view)
    play.update(answers([A]))
    play.recommend()
    # After the refusal 0, 0.6, 0.4; drifted 0.1, 0.52, 0.38; of B and C alone 0.52 / 0.9 and 0.38 / 0.9.
    assert torch.softmax(play.logit, 1)[0].tolist() == pytest.approx([0.1, 0.52, 0.38], abs=1e-8)
    scores = play.node_scores()[0]
    assert scores[:3].tolist() == pytest.approx([0.0, 0.52 / 0.9, 0.38 / 0.9], abs=1e-8)
    assert scores[slot["pro"]].item() == pytest.approx(0.38 / 0.9, abs=1e-8)


def test_forgetting_needs_a_discount() -> None:
    with pytest.raises(ConfigError, match=r"bayes\.forgetting=0\.3 needs a discount below 1"):
        BayesState(forgetting=0.3).check()
    with pytest.raises(ConfigError, match="forgetting"):
        BayesAgent(apple_view()[0].graph, torch.ones((1, 3)), BayesState(forgetting=0.3))
    assert BayesState(forgetting=0.3, discount=0.9).check()


def test_drift_of_empty_slots_and_one_item() -> None:
    logit = torch.tensor([[0.0, 1.0, -torch.inf], [3.0, -torch.inf, -torch.inf]], dtype=torch.float64)
    found = drifted(logit, 0.5)
    share = 1 / (1 + math.e)
    assert found.exp()[0].tolist() == pytest.approx([0.5 * share + 0.25, 0.5 * (1 - share) + 0.25, 0.0])
    assert found.exp()[1].tolist() == pytest.approx([1.0, 0.0, 0.0])

"""Fitting on validation sessions: the temperature by likelihood, all else by a race of plays."""

import logging

import numpy as np
import pandas as pd
import pytest
import torch
from catalogues import APPLE_FIELDS, apple_table
from told_progress import ToldProgress

from magus_pyg.agents import BayesAgent, BayesState, Judge, fit_bayes
from magus_pyg.agents.bayes import belief_fitting, fit_temperature, target_log_likelihood
from magus_pyg.agents.bayes.belief_fitting import DISCOUNTS, ERROR_RATES, FEW_OTHERS, FORGETTINGS, OTHERS
from magus_pyg.agents.judging import RANKING
from magus_pyg.data import Sessions
from magus_pyg.graph import build_relational_graph
from magus_pyg.simulation import PreparedSessions, prepare_sessions
from magus_pyg.simulation.users import DriftingUser, TruthfulUser


def apples(count: int, targets: int = 1) -> tuple[object, Sessions, torch.Tensor]:
    """Sessions of three apples whose targets are drawn from the softmax of the scores over 0.5."""
    graph = build_relational_graph(apple_table(), word_fields=APPLE_FIELDS, item_id="item_id")
    generator = torch.Generator().manual_seed(0)
    scores = 2.0 * torch.randn((count, 3), generator=generator, dtype=torch.float64)
    target = torch.multinomial(torch.softmax(scores / 0.5, 1), targets, generator=generator)
    wanted = torch.zeros((count, 3), dtype=torch.bool).scatter_(1, target, True)
    candidates = torch.tensor([[0, 1, 2]]).expand(count, 3).contiguous()
    return graph, Sessions(torch.arange(count), candidates, wanted), scores


def test_fitting_finds_the_temperature_and_says_what_it_falls_back_to(caplog: pytest.LogCaptureFixture) -> None:
    graph, sessions, scores = apples(300)
    prepared = prepare_sessions(graph, sessions, scores, batch_size=128)
    found = fit_temperature(prepared)
    assert 0.35 < found < 0.7
    assert target_log_likelihood(prepared, found) >= max(target_log_likelihood(prepared, t) for t in (0.3, 0.5, 1.0))
    progress = ToldProgress()
    judge = Judge(prepared, (1, 2), 1, plans=True)
    state = fit_bayes(graph, scores, prepared, judge, user="truthful user", progress=progress)
    phases = progress.phases()
    assert len(phases) == 1
    assert phases[0][0] == phases[0][1]
    assert state.temperature == pytest.approx(found)
    for batch_size in (1, 7, 300):  # the last bits too
        assert fit_temperature(prepare_sessions(graph, sessions, scores, batch_size)) == found
    assert (state.others, state.targets, state.rounds, state.user) == (0.0, 1.0, (1, 2), "truthful user")
    empty = prepare_sessions(graph, sessions.take(torch.zeros(0, dtype=torch.int64)), scores)
    with caplog.at_level(logging.WARNING):
        assert fit_bayes(graph, scores, empty, Judge(empty, (1,), 1)) == BayesState()
        assert fit_bayes(graph, scores, empty, Judge(empty, (1,), 1), {"discount": 0.9}) == BayesState(discount=0.9)
    assert "no validation sessions" in caplog.text


def test_what_is_fixed_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    graph, sessions, scores = apples(40, targets=2)
    prepared = prepare_sessions(graph, sessions, scores)
    judge = Judge(prepared, (2,), 1, plans=True)
    tried: list[BayesState] = []
    beams: list[int | None] = []

    class Noted(BayesAgent):
        def __init__(self, graph: object, scorer: object, state: BayesState, beam: int | None) -> None:
            tried.append(state)
            beams.append(beam)
            super().__init__(graph, scorer, state, beam=beam)  # type: ignore[arg-type]

    monkeypatch.setattr(belief_fitting, "BayesAgent", Noted)
    fixed = {"temperature": 0.4, "error_rate": 0.07, "others": 0.3, "discount": 0.6, "click_weight": 0.15}
    state = fit_bayes(graph, scores, prepared, judge, fixed)
    assert {name: getattr(state, name) for name in fixed} == fixed
    assert state.targets == 2.0
    assert {one.forgetting for one in tried} == set(FORGETTINGS)
    assert {(one.discount, one.error_rate, one.others) for one in tried} == {(0.6, 0.07, 0.3)}
    tried.clear()
    free = fit_bayes(graph, scores, prepared, judge)
    assert beams.pop() == 1
    # Along lines, while it gets better.
    assert {0.01, 0.03, 0.1} <= {one.error_rate for one in tried} <= set(ERROR_RATES)
    assert set(OTHERS[:2]) <= {one.others for one in tried} <= set(OTHERS)
    assert set(DISCOUNTS[:2]) <= {one.discount for one in tried} <= set(DISCOUNTS)
    assert not [one for one in tried if one.forgetting and one.discount == 1.0]
    assert free.check() is free
    # Where clicks count, few others are where it begins.
    tried.clear()
    fit_bayes(graph, scores, prepared, judge, {"click_weight": 0.2})
    assert tried[0].others == FEW_OTHERS
    assert beams.pop() is None
    assert {0.0, FEW_OTHERS, 0.25} <= {one.others for one in tried} <= {FEW_OTHERS, *OTHERS}
    # A forgetting that is set is tried beside discounts below 1 alone.
    tried.clear()
    assert fit_bayes(graph, scores, prepared, judge, {"forgetting": 0.4}).discount < 1.0
    assert {one.discount for one in tried} == {0.5}
    both = {"discount": 0.7, "forgetting": 0.4}
    state = fit_bayes(graph, scores, prepared, judge, both)
    assert {name: getattr(state, name) for name in both} == both


class Told(Judge):
    """Says what a state gains by its discount, `mean` ± `spread` from session to session, and notes who is asked."""

    asked: list[tuple[float, int]]
    gains: dict[float, tuple[float, float]]

    def on(self, sessions: PreparedSessions) -> "Told":
        judge = Told(sessions, self.rounds)
        judge.asked, judge.gains = self.asked, self.gains
        return judge

    def by_session(self, agent: BayesAgent) -> np.ndarray:  # type: ignore[override]
        count = len(self.sessions)
        self.asked.append((agent.state.discount, count))
        mean, spread = self.gains[agent.state.discount]
        return mean + spread * np.where(np.arange(count) % 2 == 0, 1.0, -1.0)


@pytest.mark.parametrize(("spread", "chosen"), [(0.91, 1.0), (0.83, 0.9)])  # 1.90 and 2.08 standard errors
def test_a_discount_is_chosen_for_more_than_chance(spread: float, chosen: float) -> None:
    graph, sessions, scores = apples(300)
    prepared = prepare_sessions(graph, sessions, scores)
    judge = Told(prepared, (1,))
    judge.asked, judge.gains = [], {1.0: (0.0, 0.0), 0.9: (0.1, spread), 0.8: (-0.2, 0.0), 0.5: (-1.0, 0.3)}
    fixed = {"error_rate": 0.03, "others": 0.0, "temperature": 1.0}
    assert fit_bayes(graph, scores, prepared, judge, fixed).discount == chosen
    # The line ends at 0.8, worse than 0.9; beside 0.5 a forgetting is tried. Those that are clearly behind on a third
    # of the sessions are not played on the rest.
    assert judge.asked == [(1.0, 100), (0.9, 100), (0.8, 100), (0.5, 100), (1.0, 200), (0.9, 200)]


@pytest.mark.parametrize(("gain", "chosen"), [(0.1, 0.1), (-0.1, 0.03)])
def test_of_error_rates_that_chance_does_not_tell_apart_the_one_of_the_highest_mean_is_chosen(
    gain: float, chosen: float
) -> None:
    graph, sessions, scores = apples(300)
    prepared = prepare_sessions(graph, sessions, scores)

    class ByErrors(Told):
        def on(self, sessions: PreparedSessions) -> "ByErrors":
            judge = ByErrors(sessions, self.rounds)
            judge.asked, judge.gains = self.asked, self.gains
            return judge

        def by_session(self, agent: BayesAgent) -> np.ndarray:  # type: ignore[override]
            mean, spread = self.gains[agent.state.error_rate]
            self.asked.append((agent.state.error_rate, len(self.sessions)))
            return mean + spread * np.where(np.arange(len(self.sessions)) % 2 == 0, 1.0, -1.0)

    judge = ByErrors(prepared, (1,))
    judge.asked, judge.gains = [], {0.01: (-9.0, 0.0), 0.03: (0.0, 0.0), 0.1: (gain, 3.0), 0.2: (-9.0, 0.0)}
    fixed = {"discount": 1.0, "forgetting": 0.0, "others": 0.0, "temperature": 1.0}
    assert fit_bayes(graph, scores, prepared, judge, fixed).error_rate == chosen
    assert {(0.03, 200), (0.1, 200)} <= set(judge.asked)  # 0.6 standard errors apart: both are played on all


def test_the_objective_by_session() -> None:
    graph, sessions, scores = apples(50)
    prepared = prepare_sessions(graph, sessions, scores)
    judge = Judge(prepared, (2, 1), 1, plans=True)
    values = judge.by_session(BayesAgent(graph, scores))
    assert values.shape == (50,)
    assert set(values.round(9)) <= {0.0, 0.5, 0.75, 1.0, 1.25}
    assert values.mean() == pytest.approx(judge(BayesAgent(graph, scores))["objective"])


def test_sessions_of_one_target_have_no_others(monkeypatch: pytest.MonkeyPatch) -> None:
    graph, sessions, scores = apples(40)
    prepared = prepare_sessions(graph, sessions, scores)
    tried: list[float] = []

    class Noted(BayesAgent):
        def __init__(self, graph: object, scorer: object, state: BayesState, beam: int) -> None:
            tried.append(state.others)
            super().__init__(graph, scorer, state, beam=beam)  # type: ignore[arg-type]

    monkeypatch.setattr(belief_fitting, "BayesAgent", Noted)
    monkeypatch.setattr(belief_fitting, "OTHERS", (0.7,))
    assert fit_bayes(graph, scores, prepared, Judge(prepared, (1,), 1, plans=True)).others == 0.0
    assert set(tried) == {0.0}


def test_the_objective_of_the_judge() -> None:
    graph, sessions, scores = apples(50)
    prepared = prepare_sessions(graph, sessions, scores)
    values = Judge(prepared, (2, 1), 1, plans=True)(BayesAgent(graph, scores))
    assert RANKING == 0.25
    assert values["objective"] == pytest.approx((values["SA@1"] + values["SA@2"]) / 2 + 0.25 * values["RA@1"])
    judge = Judge(prepared, (2, 1), 1, plans=True, ranking=0.1)
    for one in (judge, judge.on(prepared)):
        objective = one(BayesAgent(graph, scores))["objective"]
        assert objective == pytest.approx((values["SA@1"] + values["SA@2"]) / 2 + 0.1 * values["RA@1"])


def shop_sessions() -> tuple[object, torch.Tensor, PreparedSessions]:
    """Eighty sessions of twelve goods of two words each, three targets; scores say nothing."""
    rows = [[f"g{number}", f"a{number % 4}", f"b{number // 4}"] for number in range(12)]
    graph = build_relational_graph(pd.DataFrame(rows, columns=["item_id", "a", "b"]), ["a", "b"], "item_id")
    generator = torch.Generator().manual_seed(3)
    count = 80
    target = torch.rand((count, 12), generator=generator).topk(2, dim=1).indices
    wanted = torch.zeros((count, 12), dtype=torch.bool).scatter_(1, target, True)
    scores = torch.rand((count, 12), generator=generator, dtype=torch.float64)
    sessions = Sessions(torch.arange(count), torch.arange(12).expand(count, 12).contiguous(), wanted)
    return graph, scores, prepare_sessions(graph, sessions, scores)


def test_the_fit_is_for_the_user() -> None:
    graph, scores, prepared = shop_sessions()
    found = {}
    for name, user in (("truthful", TruthfulUser()), ("drifting", DriftingUser(2, 2))):
        found[name] = fit_bayes(graph, scores, prepared, Judge(prepared, (3, 5), 1, user, plans=True))
    assert (found["truthful"].discount, found["truthful"].forgetting) == (1.0, 0.0)
    assert found["drifting"].discount < 1.0

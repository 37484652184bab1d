"""Contributions sum to the whole change, for every variant; single answers by hand."""

import math

import pytest
import torch
from bayes_cases import apple_view
from hypothesis import given
from hypothesis import strategies as st
from playing import Case, cases

from magus_pyg.agents import BayesAgent, BayesState, ItemsAgent, MagusAgent, MagusOptions
from magus_pyg.agents.bayes.explain import explain_items, explain_node, log_odds
from magus_pyg.errors import SessionError
from magus_pyg.simulation import Agent, Feedback, Play, SessionView, simulate


class Recorder:
    """Plays like another agent and keeps what it saw."""

    def __init__(self, agent: Agent) -> None:
        self.agent, self.name, self.graph, self.scorer = agent, agent.name, agent.graph, agent.scorer
        self.history: list[Feedback] = []

    def start(self, view: SessionView) -> Play:
        self.view, self.play = view, self.agent.start(view)
        update = self.play.update

        def record(feedback: Feedback) -> None:
            self.history.append(feedback)
            update(feedback)

        self.play.update = record  # type: ignore[method-assign]
        return self.play


@given(cases(max_sessions=2), st.sampled_from(["bayes", "others", "magus", "signed", "items"]))
def test_contributions_sum_to_the_change(case: Case, variant: str) -> None:
    agent: Agent = {
        "bayes": BayesAgent(case.graph, case.matrix, BayesState(error_rate=0.1, searched_error=0.2)),
        "others": BayesAgent(case.graph, case.matrix, BayesState(others=1.0, error_rate=0.05)),
        "magus": MagusAgent(case.graph, case.matrix),
        "signed": MagusAgent(case.graph, case.matrix, MagusOptions(negative="signed_both", clamp=True)),
        "items": ItemsAgent(case.graph, case.matrix),
    }[variant]
    recorder = Recorder(agent)
    simulate(recorder, case.sessions, None, case.rounds, case.list_length)
    if not len(case.sessions):
        return
    view, history = recorder.view, recorder.history
    bare = type(view)(**{**vars(view), "searched": None})
    for session in range(len(case.sessions)):
        slots = torch.nonzero(view.graphs.valid[session]).flatten().tolist()
        for slot in {slots[0], slots[len(slots) // 2], slots[-1]}:
            found = explain_node(agent, view, history, slot, session)
            change = log_odds(recorder.play, slot, session) - log_odds(agent.start(bare), slot, session)
            assert math.fsum(one.change for one in found) == pytest.approx(change, abs=1e-7)
            answered = [one for one in found if one.kind not in ("scaled", "searched")]
            said = sum(int((one.shown[session] >= 0).sum()) for one in history if bool(one.active[session]))
            assert len(answered) == said


def answer(shown: list[int], clicked: int) -> Feedback:
    one = torch.tensor([shown])
    return Feedback(
        one, torch.tensor([clicked]), torch.zeros_like(one, dtype=torch.bool), torch.ones(1, dtype=torch.bool)
    )


def test_one_answer_by_hand() -> None:
    agent, view = apple_view(length=2, scores=[0.0, 0.0, 0.0])
    agent.state.error_rate = 0.1
    slots = {int(view.graphs.node[0, slot]): slot for slot in range(view.graphs.n_slots)}
    pro = next(
        slot for slot in slots.values()
        if slot >= 3 and set(view.graphs.wholes.gather(torch.tensor([slot]))[1].tolist()) >= {0, 2}
    )  # fmt: skip
    # pro is refused: A has 1/3 against 2/3 before, 0.1 against 1.0 after.
    found = explain_node(agent, view, [answer([pro, -1], -1)], slot=0)
    assert [(one.round, one.slot, one.kind) for one in found] == [(1, pro, "refused")]
    assert found[0].change == pytest.approx(math.log(0.1 / 1.0) - math.log(1 / 2))
    # B is shown and not clicked beside a click on pro: both raise A against the rest, B no further.
    found = explain_node(agent, view, [answer([1, pro], 1)], slot=0)
    assert [one.kind for one in found] == ["refused", "clicked"]
    assert sum(one.change for one in found) == pytest.approx(math.log(1 / 1) - math.log(1 / 2), abs=1e-6)
    # The items of pro: their changes sum to pro's.
    before, after = agent.start(view), agent.start(view)
    after.recommend()
    after.update(answer([pro, -1], 0))
    moved = explain_items(view, before, after, pro)
    assert sorted(item for item, _ in moved) == [0, 2]
    assert sum(change for _, change in moved) == pytest.approx(0.18 / 0.19 - 2 / 3)


def test_bad_input() -> None:
    agent, view = apple_view()
    with pytest.raises(SessionError, match="no slot 99"):
        explain_node(agent, view, [], 99)
    items = ItemsAgent(agent.graph, agent.scorer).start(view)
    with pytest.raises(SessionError, match="holds no belief"):
        explain_items(view, items, items, 0)

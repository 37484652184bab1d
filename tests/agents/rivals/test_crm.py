"""Policies: rewards and advantages by hand, what CRM sees, training, and what was learned read back."""

from dataclasses import replace

import pytest
import torch
from rival_cases import beliefs, lesson_scores, lessons, one_session, randomised, shapes_graph, view_of_scores
from told_progress import ToldProgress

from magus_pyg.agents import Judge
from magus_pyg.agents.rivals import (
    BeliefCalibration,
    CRMAgent,
    MaxEntropyAgent,
    MaxEntropyState,
    PolicyOptions,
    TrainingSessions,
    fit_crm,
)
from magus_pyg.agents.rivals.belief_lists import make_lists
from magus_pyg.agents.rivals.crm import N_NODE, N_SESSION, belief_state
from magus_pyg.agents.rivals.max_entropy import EntropyRule
from magus_pyg.agents.rivals.policy import Learning, PolicyNetwork
from magus_pyg.agents.rivals.policy_training import _gradient_loss, advantages, returns
from magus_pyg.agents.rivals.rollout import Outcome, play_batch
from magus_pyg.data import Sessions
from magus_pyg.errors import ConfigError, DataError, RunError
from magus_pyg.simulation import Agent, ImpatientUser, TruthfulUser, prepare_sessions, simulate

SHORT = PolicyOptions(hidden=8, imitation_epochs=2, epochs=1, batch_size=16, steps=4, rollouts=2)


def test_returns_by_hand() -> None:
    """Three sessions of three rounds: found in the second, never, and left after the first."""
    outcome = Outcome(
        active=torch.tensor([[True, True, True], [True, True, False], [False, True, False]]),
        found=torch.tensor([[False, False, False], [True, False, False], [False, False, False]]),
        clicked=torch.tensor([[True, False, False], [False, True, False], [False, False, False]]),
    )
    options = PolicyOptions(success=1.0, clicked=0.1, turn=-0.2, quit=-0.5, discount=0.5)
    # Session 1: -.2 + .1, then 1. Session 2: -.2, -.2 + .1, -.2 - .5. Session 3: -.2 - .5.
    expected = [
        [-0.1 + 0.5, -0.2 + 0.5 * (-0.1 + 0.5 * -0.7), -0.7],
        [1.0, -0.1 + 0.5 * -0.7, 0.0],
        [0.0, -0.7, 0.0],
    ]
    torch.testing.assert_close(returns(outcome, options), torch.tensor(expected))


def test_advantages_are_over_the_other_plays() -> None:
    value = torch.tensor([[1.0, 0.0], [0.0, 0.0], [0.5, 3.0]])
    # 1 - (0 + .5) / 2, 0 - (1 + .5) / 2, .5 - (1 + 0) / 2
    torch.testing.assert_close(advantages(value), torch.tensor([[0.75, -1.5], [-0.75, -1.5], [0.0, 3.0]]))


def test_the_policy_gradient_by_hand() -> None:
    """Two sessions, each played twice side by side: the first is found once of twice, the second never."""
    note = Learning(torch.Generator())
    note.log_prob = [torch.tensor([-1.0, -2.0, -3.0, -4.0]), torch.tensor([-9.0, -5.0, -6.0, -7.0])]
    note.entropy = [torch.ones(4), torch.tensor([8.0, 2.0, 3.0, 4.0])]
    outcome = Outcome(
        active=torch.tensor([[True, True, True, True], [False, True, True, True]]),
        found=torch.tensor([[True, False, False, False], [False, False, False, False]]),
        clicked=torch.zeros((2, 4), dtype=torch.bool),
    )
    options = PolicyOptions(success=1.0, turn=-0.1, quit=0.0, entropy=0.5, rollouts=2)
    # Returns 1, -.2 | -.2, -.2: the first session's plays are 1.2 above and below each other, the second's level.
    surrogate = (1.2 * -1.0 - 1.2 * (-3.0 - 6.0)) / 7
    entropy = (4 * 1.0 + 2.0 + 3.0 + 4.0) / 7
    assert float(_gradient_loss(note, outcome, options)) == pytest.approx(-surrogate - 0.5 * entropy)


def test_repeated_batches_hold_the_same_sessions() -> None:
    graph, sessions, scores, _ = lessons(5)
    (batch,) = TrainingSessions.of(graph, sessions, scores, 5).prepared.batches
    twice = batch.repeat(2)
    assert twice.sessions.id is not None
    assert twice.sessions.id.tolist() == [*range(5), *range(5)]
    for half in (slice(0, 5), slice(5, 10)):
        assert torch.equal(twice.scores[half], batch.scores)
        assert torch.equal(twice.sessions.targets[half], batch.sessions.targets)
        assert torch.equal(twice.graphs.node[half], batch.graphs.node)


def test_what_the_policy_sees_by_hand() -> None:
    """Belief a .4, b .3, c .2, d .1; the second node of a list of two, after y {c, d} in the first of three rounds."""
    graph, scores = shapes_graph(), beliefs(0.4, 0.3, 0.2, 0.1)
    agent = CRMAgent(graph, scores, PolicyNetwork(N_NODE, N_SESSION))
    tracker = agent.track(view_of_scores(graph, scores, 3, 2))
    masses = tracker.nodes.mass(tracker.belief())[0]
    y = int((masses[4:] - 0.3).abs().argsort(stable=True)[0]) + 4  # y {c, d}, or blue {b}: told apart below
    if int(tracker.nodes.covers(torch.tensor([y])).sum()) == 1:
        y = int((masses[4:] - 0.3).abs().argsort(stable=True)[1]) + 4
    seen = []

    def choose(making):  # type: ignore[no-untyped-def]
        seen.append(belief_state(making, tracker))
        return torch.tensor([y]) if making.step == 0 else torch.tensor([0])

    make_lists(tracker, choose)
    node, session = seen[1][0][0], seen[1][1][0]
    # Left are a .4 and b .3: a has .5714 of it.
    share = 0.4 / 0.7
    uncertain = -(share * torch.log2(torch.tensor(share)) + (1 - share) * torch.log2(torch.tensor(1 - share)))
    expected = [
        1.0,
        0.4,
        share,
        float(uncertain),
        0.4,
        share,
        float(uncertain),
        1 + torch.log(torch.tensor(0.4)) / 9.2103404,
    ]
    torch.testing.assert_close(node[0], torch.tensor([float(value) for value in expected], dtype=torch.float64))
    assert node[2, 1:4].tolist() == pytest.approx([0.2, 0.0, 0.0])  # c is covered by y
    assert node[y, :4].tolist() == pytest.approx([0.0, 0.3, 0.0, 0.0])
    entropy = -sum(p * torch.log(torch.tensor(p)) for p in (0.4, 0.3, 0.2, 0.1)) / torch.log(torch.tensor(4.0))
    assert session.tolist() == pytest.approx([0.4, 0.0, 1 / 3, 0.7, float(entropy), 0.4, 0.7, 0.0])


def test_draws_follow_the_policy_and_their_probabilities_are_noted() -> None:
    graph, scores = shapes_graph(), beliefs(0.4, 0.3, 0.2, 0.1)
    agent = CRMAgent(graph, scores, randomised(PolicyNetwork(N_NODE, N_SESSION, 4)))
    view = view_of_scores(graph, scores.expand(4000, 4), 2, 1, many(4000))
    note = Learning(torch.Generator().manual_seed(0))
    shown = agent.start(view, note).recommend()
    drawn = torch.bincount(shown[:, 0], minlength=view.graphs.n_slots) / 4000
    for slot in torch.nonzero(drawn).flatten().tolist():
        probability = note.log_prob[0][shown[:, 0] == slot].detach().exp()
        assert float(probability.max() - probability.min()) < 1e-9
        assert float(drawn[slot]) == pytest.approx(float(probability[0]), abs=0.03)
    taught = Learning(torch.Generator().manual_seed(0), EntropyRule(0, False))
    lists = agent.start(view, taught).recommend()
    rule = MaxEntropyAgent(graph, scores, MaxEntropyState(ending=False)).start(view).recommend()
    assert torch.equal(lists, rule)


def many(count: int) -> Sessions:
    row = torch.arange(4).repeat(count, 1)
    return Sessions(torch.arange(count), row, row == 3)


def test_training_plays_as_the_loop_does() -> None:
    """The same agent, sessions and user: the same rounds, clicks and successes as `simulate`."""
    graph, sessions, scores, _ = lessons(60)
    for user in (TruthfulUser(), ImpatientUser(0.3)):
        training = TrainingSessions.of(graph, sessions, scores, 60, user, (4,), 2, seed=3)
        (batch,) = training.prepared.batches
        view = training.view(batch, 4)
        matrix = torch.zeros((60, int(sessions.candidates.max()) + 1), dtype=torch.float64)
        matrix.scatter_(1, sessions.candidates, scores)
        agent = MaxEntropyAgent(graph, matrix)
        outcome = play_batch(agent.start(view), view, batch, user)
        log = simulate(agent, sessions, user, rounds=4, list_length=2, seed=3)
        assert int(outcome.active.sum()) == len(log)
        assert outcome.success.tolist() == log.groupby("session")["target_clicked"].any().tolist()
        queries = (log["clicked"] >= graph.n_items).groupby(log["session"]).sum()
        assert outcome.clicked.sum(0).tolist() == queries.tolist()


def test_training_is_a_function_of_its_seed_and_learns_the_rule() -> None:
    graph, sessions, scores, judge = lessons(120)
    rule = MaxEntropyState(ending=False)
    training = TrainingSessions.of(graph, sessions, scores, 16, None, (2, 3), 2, seed=3)
    progress = ToldProgress()
    first, rows = fit_crm(graph, lesson_scores(), training, judge, rule, 0.5, SHORT, 1, progress)
    assert progress.phases() == [(2, 2), (1, 1)]  # of imitation, and of the policy gradient
    again, _ = fit_crm(graph, lesson_scores(), training, judge, rule, 0.5, SHORT, seed=1)
    other, _ = fit_crm(graph, lesson_scores(), training, judge, rule, 0.5, SHORT, seed=2)
    assert all(torch.equal(value, again.tensors()[name]) for name, value in first.tensors().items())
    assert not all(torch.equal(value, other.tensors()[name]) for name, value in first.tensors().items())
    assert [row["imitation"] for row in rows] == [1.0, 1.0, 0.0]
    assert rows[1]["loss"] < rows[0]["loss"]
    best = max(row["objective"] for row in rows)
    assert judge(first)["objective"] == pytest.approx(best)
    read = CRMAgent.of_tensors(graph, lesson_scores(), first.tensors())
    assert judge(read) == judge(first)
    assert read.calibration == first.calibration


def test_without_validation_sessions_the_last_policy_is_kept() -> None:
    graph, sessions, scores, _ = lessons(40)
    none = prepare_sessions(graph, sessions.take(torch.zeros(0, dtype=torch.int64)), lesson_scores())
    training = TrainingSessions.of(graph, sessions, scores, 16, None, (2,), 2)
    agent, rows = fit_crm(graph, lesson_scores(), training, Judge(none, (2,), 2), MaxEntropyState(), 0.5, SHORT)
    assert len(rows) == 3
    assert isinstance(agent, CRMAgent)


def test_the_policy_gradient_begins_with_the_whole_patience() -> None:
    class Falling(Judge):
        told = 0.0

        def __call__(self, agent: Agent) -> dict[str, float]:
            Falling.told -= 1.0
            return {"objective": Falling.told}

    graph, sessions, scores, judge = lessons(40)
    training = TrainingSessions.of(graph, sessions, scores, 16, None, (2,), 2)
    options = replace(SHORT, imitation_epochs=5, epochs=5, patience=2)
    falling = Falling(judge.sessions, (2,), 2)
    _, rows = fit_crm(graph, lesson_scores(), training, falling, MaxEntropyState(), 0.5, options)
    assert [row["imitation"] for row in rows] == [1.0] * 3 + [0.0] * 3


def test_no_training_sessions_is_a_clear_error() -> None:
    graph = shapes_graph()
    none = one_session().take(torch.zeros(0, dtype=torch.int64))
    with pytest.raises(DataError, match=r"no training sessions to learn from.*lower sessions\.min_interactions"):
        TrainingSessions.of(graph, none, torch.zeros(0, 4))


def test_a_broken_state_is_named() -> None:
    graph, scores = shapes_graph(), beliefs(0.4, 0.3, 0.2, 0.1)
    state = CRMAgent(graph, scores, PolicyNetwork(N_NODE, N_SESSION), BeliefCalibration(0.5)).tensors()
    short = {name: value for name, value in state.items() if name != "policy.out.bias"}
    with pytest.raises(RunError, match="the policy of the run cannot be used"):
        CRMAgent.of_tensors(graph, scores, short)
    with pytest.raises(RunError, match="lacks temperature"):
        CRMAgent.of_tensors(graph, scores, {name: value for name, value in state.items() if name != "temperature"})


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("rollouts", 1, "rollouts must be at least 2"),
        ("discount", 0.0, r"discount must be in \(0, 1\]"),
        ("lr", 0.0, "lr must be above 0"),
        ("hidden", 0, "hidden must be at least 1"),
    ],
)
def test_options_out_of_range_are_named(name: str, value: float, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        PolicyOptions(**{name: value})  # type: ignore[arg-type]

"""EAR: the estimation and the reflection by hand, its state, that the base is left alone, training."""

import math
from typing import Any

import pytest
import torch
from rival_cases import A, B, answer, lessons, model_of, one_session, randomised, shapes_graph, view_of_scores
from rival_cases import beliefs as scores_of
from told_progress import ToldProgress
from torch import Tensor

from magus_pyg.agents.rivals import (
    BaseFeatures,
    BeliefCalibration,
    EarAgent,
    EarOptions,
    EstimationNetwork,
    MaxEntropyState,
    TrainingSessions,
    fit_ear,
)
from magus_pyg.agents.rivals.belief_lists import ListInMaking, make_lists
from magus_pyg.agents.rivals.ear import N_NODE, N_SESSION, EarTracker, ear_state
from magus_pyg.agents.rivals.estimation import estimation_loss, fit_estimation, reflect
from magus_pyg.agents.rivals.policy import PolicyNetwork
from magus_pyg.errors import ConfigError, RunError
from magus_pyg.simulation import prepare_sessions, simulate

SHORT = EarOptions(
    hidden=8, imitation_epochs=1, epochs=1, batch_size=16, steps=4, rollouts=2, rank=4, estimation_epochs=3,
    reflection_rates=[0.5],
)  # fmt: skip


def agent_of_shapes(rate: float = 0.0) -> EarAgent:
    graph = shapes_graph()
    features = BaseFeatures(graph, model_of(graph, 1))
    estimation = randomised(EstimationNetwork(features.size, 3), 2)
    network = randomised(PolicyNetwork(N_NODE, N_SESSION, 4))
    return EarAgent(graph, features.model, network, features, estimation, BeliefCalibration(), rate)


def test_reflection_by_hand() -> None:
    """Item a (vector 1) is refused, b (vector 0) is left. Step 1: the gap is 0, its pull 1/2, so g falls by rate / 2.
    Step 2: a now scores -.25, the gap is .25, its pull 1 / (1 + e^.25)."""
    vectors = torch.tensor([[[1.0], [0.0]]], dtype=torch.float64)
    nothing = torch.zeros(1, 2, dtype=torch.float64)
    belief, refused = torch.tensor([[0.0, 1.0]], dtype=torch.float64), torch.tensor([[True, False]])
    start = torch.zeros(1, 1, dtype=torch.float64)
    once = reflect(start, vectors, nothing, belief, refused, 0.5, 1)
    assert float(once) == pytest.approx(-0.25)
    twice = reflect(start, vectors, nothing, belief, refused, 0.5, 2)
    assert float(twice) == pytest.approx(-0.25 - 0.5 / (1 + math.exp(0.25)))
    # Base scores count: a is 2 ahead of b, so the pull is 1 / (1 + e^-2).
    ahead = reflect(start, vectors, torch.tensor([[2.0, 0.0]]), belief, refused, 0.5, 1)
    assert float(ahead) == pytest.approx(-0.5 / (1 + math.exp(-2.0)))


def test_reflection_on_the_mean_of_several_and_on_nothing() -> None:
    vectors = torch.tensor([[[1.0], [3.0], [0.5]]], dtype=torch.float64)
    nothing = torch.zeros(1, 3, dtype=torch.float64)
    belief = torch.tensor([[0.0, 0.0, 1.0]], dtype=torch.float64)
    start = torch.zeros(1, 1, dtype=torch.float64)
    both = reflect(start, vectors, nothing, belief, torch.tensor([[True, True, False]]), 1.0, 1)
    assert float(both) == pytest.approx(0.5 * ((0.5 - 1.0) + (0.5 - 3.0)) / 2)
    assert torch.equal(reflect(start, vectors, nothing, belief, torch.zeros(1, 3, dtype=torch.bool), 1.0, 3), start)
    assert torch.equal(
        reflect(start, vectors, nothing, 0 * belief, torch.tensor([[True, False, False]]), 1.0, 3), start
    )


def test_estimation_by_hand() -> None:
    """One feature: W = 2, P = -1, K = 3; a clicked query with x = .5 makes g = 1.5."""
    network = EstimationNetwork(1, 1).double()
    with torch.no_grad():
        for layer, weight in ((network.item, 2.0), (network.query, -1.0), (network.known, 3.0)):
            layer.weight.fill_(weight)
        network.prior.copy_(torch.tensor([0.5, 0.1]))
        g = network.accepted(torch.tensor([[0.5]]))
        assert float(g) == pytest.approx(1.5)
        items = network.items(torch.tensor([[[1.0], [-2.0]]]))
        assert torch.einsum("bcr,br->bc", items, g).tolist() == [[3.0, -6.0]]
        preference = network.preference(torch.tensor([[[0.4]]]), torch.tensor([[0.8]]), g)
        assert float(preference) == pytest.approx(0.5 * math.log(0.8 / 0.2) + 0.1 - 0.4 * 1.5)


def test_the_loss_of_the_estimation_by_hand() -> None:
    # The target is d, y and red. Before training clicks change no score and, with prior 0, queries are all alike. What
    # is drawn as clicked decides which of a, b, c are put below the target again: all, those that are red, or c; after
    # both clicks no query of the target is left to be put above others.
    graph = shapes_graph()
    features = BaseFeatures(graph, model_of(graph))
    (batch,) = prepare_sessions(graph, one_session(), scores_of(0.4, 0.3, 0.2, 0.1), 1).batches
    network = EstimationNetwork(features.size, rank=4)
    torch.nn.init.zeros_(network.prior)
    found = set()
    for seed in range(60):
        loss = estimation_loss(network, features, batch, 1.0, torch.Generator().manual_seed(seed))
        found.add(round(float(loss.detach()), 5))
    every = (math.log(5) + math.log(4) + math.log(3)) / 3  # -log sigmoid(log 0.1 - log 0.4) = log 5
    beside = (every, (math.log(5) + math.log(3)) / 2, math.log(3))
    expected = [every + math.log(3), *(every + mean + math.log(2) for mean in beside)]
    assert sorted(found) == pytest.approx(sorted(expected), abs=2e-5)


def test_what_answers_do_to_the_state() -> None:
    """A refused list of an item, a clicked query, a refused query, in this order."""
    agent = agent_of_shapes(rate=0.4)
    view = view_of_scores(agent.graph, scores_of(0.3, 0.25, 0.25, 0.2), 6, 1)
    tracker = agent.track(view)
    nodes, estimation = tracker.nodes, agent.estimation
    x = next(place for place in range(4, nodes.slot.shape[1])
             if nodes.covers(torch.tensor([place]))[0].tolist() == [True, True, False, False])  # fmt: skip
    red = next(place for place in range(4, nodes.slot.shape[1])
               if nodes.covers(torch.tensor([place]))[0].tolist() == [True, False, True, True])  # fmt: skip
    before = tracker.logit.clone()
    tracker.update(answer(torch.tensor([[A]])))
    assert tracker.history[0].tolist() == [-0.1, 0, 0, 0, 0]
    belief = torch.tensor([[0.0, 0.25, 0.25, 0.2]], dtype=torch.float64) / 0.7
    refused = torch.tensor([[True, False, False, False]])
    expected = reflect(torch.zeros(1, 3, dtype=torch.float64), tracker.vectors, before, belief, refused, 0.4, 2)
    torch.testing.assert_close(tracker.reflected, expected, atol=1e-6, rtol=0)
    assert float(tracker.accepted.abs().sum()) == 0

    reflected = tracker.reflected.clone()
    tracker.update(answer(nodes.slot[:, [x]], clicked=0))
    assert tracker.history[0].tolist() == [1.0, -0.1, 0, 0, 0]
    with torch.no_grad():
        clicked = estimation.accepted(agent.features(nodes.node[:, x]))
    torch.testing.assert_close(tracker.accepted, clicked)
    torch.testing.assert_close(tracker.reflected, reflected)  # no item was refused
    # a is shown, c and d do not fit: b is left.
    assert tracker.belief()[0].tolist() == pytest.approx([0, 1, 0, 0], abs=1e-6)
    tracker.update(answer(nodes.slot[:, [red]], clicked=-1))
    assert tracker.history[0].tolist() == [-1.0, 1.0, -0.1, 0, 0]


def test_the_belief_follows_the_estimation() -> None:
    agent = agent_of_shapes()
    view = view_of_scores(agent.graph, scores_of(0.3, 0.25, 0.25, 0.2), 6, 1)
    tracker = agent.track(view)
    tracker.accepted = torch.tensor([[1.0, -0.5, 2.0]], dtype=torch.float64)
    with torch.no_grad():
        added = (agent.estimation.items(agent.features(torch.arange(4)).unsqueeze(0)) * tracker.accepted).sum(2)
    expected = torch.softmax(view.scores + added, 1)
    torch.testing.assert_close(tracker.belief(), expected, atol=1e-6, rtol=0)


def test_what_the_policy_sees() -> None:
    agent = agent_of_shapes()
    view = view_of_scores(agent.graph, scores_of(0.4, 0.3, 0.2, 0.1), 3, 1)
    tracker = agent.track(view)
    tracker.history = torch.tensor([[1.0, -1.0, -0.1, 0.0, 0.0]], dtype=torch.float64)
    seen: list[tuple[Tensor, Tensor]] = []
    preference = torch.zeros(1, tracker.nodes.slot.shape[1] - 4, dtype=torch.float64)

    def choose(making: ListInMaking) -> Tensor:
        seen.append(ear_state(making, tracker, preference))
        return torch.tensor([0])

    make_lists(tracker, choose)
    node, session = seen[0][0][0], seen[0][1][0]
    assert node.shape == (tracker.nodes.slot.shape[1], N_NODE)
    assert session.shape == (N_SESSION,)
    h = -(0.4 * math.log2(0.4) + 0.6 * math.log2(0.6))
    assert node[A].tolist() == pytest.approx([1, h, h, h, 0.4, 0.4, 0.4, 1 + math.log(0.4) / 9.2], abs=1e-6)
    assert node[4:, 4].tolist() == pytest.approx([0.5] * (len(node) - 4))  # s_pre: sigmoid(0)
    assert session[8:13].tolist() == [1.0, -1.0, -0.1, 0.0, 0.0]
    assert session[13:].tolist() == [0, 0, 1, 0, 0]  # four candidates: more than 3, at most 6


def test_a_session_leaves_the_base_and_the_next_session_alone() -> None:
    agent = agent_of_shapes(rate=1.0)
    model = agent.features.model
    before = {name: value.clone() for name, value in model.state_dict().items()}
    view = view_of_scores(agent.graph, scores_of(0.3, 0.25, 0.25, 0.2), 6, 2)
    first = agent.start(view)
    shown = first.recommend()
    first.update(answer(shown, clicked=0))
    first.recommend()
    tracker = agent.start(view).tracker
    assert isinstance(tracker, EarTracker)
    assert float(tracker.session.abs().sum()) == 0
    assert torch.equal(agent.start(view).recommend(), shown)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert B in range(4)


def test_training_learns_and_is_a_function_of_its_seed() -> None:
    graph, sessions, scores, judge = lessons(96)
    model = model_of(graph)
    features = BaseFeatures(graph, model)
    training = TrainingSessions.of(graph, sessions, scores, 16, None, (2, 3), 2, seed=3)
    long = EarOptions(rank=4, estimation_epochs=12, patience=12)
    network, rows = fit_estimation(features, training, judge.sessions, (0.5, 0.5), long, seed=1)
    assert rows[-1]["loss"] < rows[0]["loss"]
    assert float(network.known.weight.detach().abs().sum()) > 0
    rule = MaxEntropyState(ending=False)
    progress = ToldProgress()
    first, rows = fit_ear(graph, model, features, training, judge, rule, 0.5, SHORT, 1, progress)
    epochs = (SHORT.estimation_epochs, SHORT.imitation_epochs, SHORT.epochs)
    assert progress.phases() == [(count, count) for count in epochs]
    again, _ = fit_ear(graph, model, features, training, judge, rule, 0.5, SHORT, seed=1)
    assert all(torch.equal(value, again.tensors()[name]) for name, value in first.tensors().items())
    assert [row["rate"] for row in rows if "rate" in row] == [0.0, 0.5]
    assert max(row["objective"] for row in rows if "imitation" in row) == pytest.approx(judge(first)["objective"])
    read = EarAgent.of_tensors(graph, model, features, first.tensors())
    kept = sessions.take(torch.arange(20))
    assert simulate(read, kept, rounds=3).equals(simulate(first, kept, rounds=3))


def test_the_estimation_of_the_best_epoch_on_validation_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    graph, sessions, scores, judge = lessons(48)
    features = BaseFeatures(graph, model_of(graph))
    training = TrainingSessions.of(graph, sessions, scores, 16, None, (2, 3), 2, seed=3)
    calls = 0

    def rising(*arguments: Any) -> Tensor:
        nonlocal calls
        calls += not torch.is_grad_enabled()
        found = estimation_loss(*arguments)
        return found if torch.is_grad_enabled() else torch.tensor(float(calls))

    monkeypatch.setattr("magus_pyg.agents.rivals.estimation.estimation_loss", rising)
    long = EarOptions(rank=4, estimation_epochs=12, patience=2)
    network, rows = fit_estimation(features, training, judge.sessions, (0.5, 0.5), long, seed=1)
    assert len(rows) == 3  # the best, and two without an improvement
    assert rows[2]["validation_loss"] > rows[1]["validation_loss"] > rows[0]["validation_loss"]
    assert min(row["loss"] for row in rows[1:]) < rows[0]["loss"]
    once = EarOptions(rank=4, estimation_epochs=1, patience=2)
    first, _ = fit_estimation(features, training, judge.sessions, (0.5, 0.5), once, seed=1)
    assert all(torch.equal(value, first.state_dict()[name]) for name, value in network.state_dict().items())


def test_broken_states_and_options_are_named() -> None:
    agent = agent_of_shapes()
    state = agent.tensors()
    for missing, message in (
        ("rate", "lacks rate: train again"),
        ("estimation.item.weight", "the estimation of the run cannot be used"),
    ):
        short = {name: value for name, value in state.items() if name != missing}
        with pytest.raises(RunError, match=message):
            EarAgent.of_tensors(agent.graph, agent.scorer, agent.features, short)
    other = BaseFeatures(agent.graph, model_of(agent.graph, 1, dim=9))
    with pytest.raises(RunError, match=r"takes \d+ features a node, and the base model has"):
        EarAgent.of_tensors(agent.graph, agent.scorer, other, state)
    with pytest.raises(ConfigError, match="reflection_rates must be above 0"):
        EarOptions(reflection_rates=[0.0])

"""`recurrent`: its update and its scores by hand, its loss, features of nodes, training."""

import math

import pytest
import torch
from rival_cases import A, answer, beliefs, lesson_scores, lessons, model_of, randomised, shapes_graph, view_of_scores
from told_progress import ToldProgress

from magus_pyg.agents import ItemsAgent, Judge
from magus_pyg.agents.rivals import (
    BaseFeatures,
    RecurrentAgent,
    RecurrentAgentOptions,
    RecurrentNetwork,
    TrainingSessions,
    fit_recurrent,
)
from magus_pyg.agents.rivals import base_features as features
from magus_pyg.agents.rivals.recurrent_agent import CLICKED, REFUSED
from magus_pyg.agents.rivals.recurrent_training import round_loss
from magus_pyg.errors import ModelError, RunError
from magus_pyg.models import MODELS, BaseRecommender, Interactions, build_model
from magus_pyg.simulation import Feedback, simulate


def small_network() -> RecurrentNetwork:
    """One feature, one unit, all weights chosen."""
    network = RecurrentNetwork(1, hidden=1, feedback=1, rank=1).double()
    with torch.no_grad():
        network.taken_in.weight.copy_(torch.tensor([[2.0], [3.0]]))  # V of items, of queries
        network.met.weight.copy_(torch.tensor([[1.5], [-1.0]]))  # W
        network.sign.copy_(torch.tensor([[-0.5], [1.0]]))
        network.feedback.weight.copy_(torch.tensor([[-1.0], [0.5]]))
        # rows: reset, update, new; columns: node, answer, prior
        network.cell.weight_ih.copy_(torch.tensor([[0.1, 0.2, 0.3], [0.4, -0.5, 0.1], [1.0, 0.7, -0.2]]))
        network.cell.weight_hh.copy_(torch.tensor([[0.3], [0.6], [-0.4]]))
        network.cell.bias_ih.copy_(torch.tensor([0.0, 0.1, 0.2]))
        network.cell.bias_hh.copy_(torch.tensor([0.05, 0.0, -0.1]))
        network.meet.weight.copy_(torch.tensor([[0.8], [1.2]]))
        network.level.weight.fill_(0.5)
        network.level.bias.fill_(-0.25)
        network.prior.copy_(torch.tensor([0.9, 0.6]))
    return network.eval().requires_grad_(False)


def by_hand(x: list[float], h: float) -> float:
    """The recurrent unit's formula, number by number."""

    def sigmoid(value: float) -> float:
        return 1 / (1 + math.exp(-value))

    reset = sigmoid(0.1 * x[0] + 0.2 * x[1] + 0.3 * x[2] + 0.0 + 0.3 * h + 0.05)
    keep = sigmoid(0.4 * x[0] - 0.5 * x[1] + 0.1 * x[2] + 0.1 + 0.6 * h + 0.0)
    new = math.tanh(1.0 * x[0] + 0.7 * x[1] - 0.2 * x[2] + 0.2 + reset * (-0.4 * h - 0.1))
    return (1 - keep) * new + keep * h


def test_the_update_by_hand() -> None:
    """A refused item with e = .5 and prior -1, then a clicked query with e = -.3 and prior .4."""
    network = small_network()
    given, met = network.project(torch.tensor([[[0.5], [-0.3]]]), torch.tensor([True, False]))
    assert given[0, :, 0].tolist() == pytest.approx([1.0, -0.9])
    assert met[0, :, 0].tolist() == pytest.approx([0.75, 0.3])
    yes = torch.tensor([True])
    with torch.no_grad():
        first = network.step(torch.zeros(1, 1, dtype=torch.float64), given[:, 0], torch.tensor([REFUSED]),
                             torch.tensor([-1.0]), yes)  # fmt: skip
        second = network.step(first, given[:, 1], torch.tensor([CLICKED]), torch.tensor([0.4]), yes)
        left = network.step(second, given[:, 1], torch.tensor([CLICKED]), torch.tensor([0.4]), ~yes)
    h = by_hand([1.0 * -0.5, -1.0, -1.0], 0.0)
    assert float(first) == pytest.approx(h)
    assert float(second) == pytest.approx(by_hand([-0.9 * 1.0, 0.5, 0.4], h))
    assert torch.equal(left, second)


def test_the_scores_by_hand() -> None:
    """h = .5: an item has .9 p + (.8 h) (1.5 e), a query .6 p + (1.2 h) (-e) + .5 h - .25."""
    network = small_network()
    is_item = torch.tensor([True, False])
    _, met = network.project(torch.tensor([[[0.5], [-0.3]]]), is_item)
    prior = torch.tensor([[-1.0, 0.4]])
    with torch.no_grad():
        logit = network.logits(torch.tensor([[0.5]], dtype=torch.float64), met, prior, is_item)
    expected = [0.9 * -1.0 + 0.8 * 0.5 * 0.75, 0.6 * 0.4 + 1.2 * 0.5 * 0.3 + 0.5 * 0.5 - 0.25]
    assert logit[0].tolist() == pytest.approx(expected)


def agent_of_shapes(offset: float = 0.0) -> RecurrentAgent:
    graph = shapes_graph()
    known = BaseFeatures(graph, model_of(graph, 1))
    network = randomised(RecurrentNetwork(known.size, 5, 3, 4))
    return RecurrentAgent(graph, known.model, known, network, temperature=2.0, offset=offset)


def test_priors_start_from_the_base_scores() -> None:
    """At temperature 2 the belief is that of the roots: .4, .3, .2, .1 give .3294, .2853, .2329, .1647 or so."""
    agent = agent_of_shapes()
    play = agent.start(view_of_scores(agent.graph, beliefs(0.4, 0.3, 0.2, 0.1), 3, 1))
    roots = [math.sqrt(p) for p in (0.4, 0.3, 0.2, 0.1)]
    shares = [root / sum(roots) for root in roots]
    assert play.prior[0, :4].tolist() == pytest.approx([math.log(share) for share in shares])
    for place in range(4, play.nodes.slot.shape[1]):
        inside = play.nodes.covers(torch.tensor([place]))[0].tolist()
        mass = sum(share for share, has in zip(shares, inside, strict=True) if has)
        assert float(play.prior[0, place]) == pytest.approx(math.log(mass / (1 - mass)))


def test_projections_of_one_session_are_those_of_many() -> None:
    """One session holds fewer nodes than the graph, many hold more and project each node of the graph once."""
    graph, sessions, _, _ = lessons(30)
    known = BaseFeatures(graph, model_of(graph))
    agent = RecurrentAgent(graph, lesson_scores(), known, randomised(RecurrentNetwork(known.size)))
    one, many = (sessions.take(torch.arange(count)) for count in (1, 30))
    alone = agent.start(view_of_scores(graph, lesson_scores(), 3, 2, one))
    together = agent.start(view_of_scores(graph, lesson_scores(), 3, 2, many))
    assert alone.nodes.node.numel() < known.n_nodes < together.nodes.node.numel()
    for few, all_of_them in ((alone.given, together.given), (alone.met, together.met)):
        present = alone.nodes.valid[0]
        torch.testing.assert_close(few[0][present], all_of_them[0, : len(present)][present])


def test_a_round_takes_the_nodes_in_their_order() -> None:
    agent = agent_of_shapes()
    view = view_of_scores(agent.graph, beliefs(0.4, 0.3, 0.2, 0.1), 3, 3)
    play = agent.start(view)
    shown = play.recommend()
    places = [int(torch.nonzero(play.nodes.slot[0] == slot)[0]) for slot in shown[0].tolist()]
    state = play.state
    play.update(answer(shown, clicked=1))
    for position, place in enumerate(places):
        given = torch.tensor([CLICKED if position == 1 else REFUSED])
        state = agent.network.step(state, play.given[:, place], given, play.prior[:, place], torch.tensor([True]))
    torch.testing.assert_close(play.state, state)


def test_not_care_and_ended_sessions_say_nothing() -> None:
    agent = agent_of_shapes(offset=5.0)
    view = view_of_scores(agent.graph, beliefs(0.4, 0.3, 0.2, 0.1), 3, 1)
    for not_care, active in ((True, True), (False, False)):
        play = agent.start(view)
        shown = play.recommend()
        assert int(shown[0, 0]) >= 4  # a query
        play.update(Feedback(shown, torch.tensor([-1]), torch.tensor([[not_care]]), torch.tensor([active])))
        assert float(play.state.abs().sum()) == 0


def test_an_untrained_unit_ranks_items_as_the_base_does() -> None:
    graph, sessions, _, _ = lessons(30)
    scores, known = lesson_scores(), BaseFeatures(graph, model_of(graph))
    agent = RecurrentAgent(graph, scores, known, RecurrentNetwork(known.size).double(), offset=-30.0)
    mine, base = (simulate(one, sessions, rounds=3)["shown"].tolist() for one in (agent, ItemsAgent(graph, scores)))
    assert mine == base


def test_without_trust_answers_change_nothing() -> None:
    agent = agent_of_shapes()
    agent.trust = 0.0
    play = agent.start(view_of_scores(agent.graph, beliefs(0.4, 0.3, 0.2, 0.1), 3, 1))
    before = play.logits()
    play.update(answer(play.recommend()))
    assert float(play.state.abs().sum()) > 0
    assert torch.equal(play.logits(), before)


def test_the_loss_by_hand() -> None:
    """Untrained: items by their belief, queries by theirs. The target is a, so x and red are part of it."""
    graph = shapes_graph()
    known = BaseFeatures(graph, model_of(graph, 1))
    agent = RecurrentAgent(graph, known.model, known, RecurrentNetwork(known.size).double())
    view = view_of_scores(graph, beliefs(0.4, 0.3, 0.2, 0.1), 3, 1)
    play = agent.start(view)
    share = play.nodes.mass(torch.tensor([[1.0, 0, 0, 0]], dtype=torch.float64)).to(torch.int64)
    total, count = round_loss(play, share, torch.tensor([True]), 0.5)
    queries = 0.0
    for place in range(4, play.nodes.slot.shape[1]):
        inside = play.nodes.covers(torch.tensor([place]))[0].tolist()
        mass = sum(p for p, has in zip((0.4, 0.3, 0.2, 0.1), inside, strict=True) if has)
        queries -= math.log(mass if inside[A] else 1 - mass)
    assert int(count) == 1
    assert float(total.detach()) == pytest.approx(-math.log(0.4) + 0.5 * queries / (play.nodes.slot.shape[1] - 4))
    assert int(round_loss(play, share, torch.tensor([False]), 0.5)[1]) == 0
    play.update(answer(torch.tensor([[A]])))
    assert int(round_loss(play, share, torch.tensor([True]), 0.5)[1]) == 0  # its target was shown


# ---------------------------------------------------------------- features


def test_features_have_one_scale_for_each_kind(monkeypatch: pytest.MonkeyPatch) -> None:
    graph, _, _, _ = lessons(1)
    known = BaseFeatures(graph, model_of(graph))
    every = torch.arange(known.n_nodes)
    table = known(every)
    for part in (table[: known.n_items], table[known.n_items :]):
        torch.testing.assert_close(part.mean(0), torch.zeros(known.size), atol=1e-5, rtol=0)
        spread = part.std(0, correction=0)
        assert bool(((spread - 1).abs().lt(1e-4) | spread.lt(1e-4)).all())
    monkeypatch.setattr(features, "_KEPT", 0)
    in_parts = BaseFeatures(graph, known.model)
    node = torch.tensor([[3, 40, 3], [0, 25, 30]])
    torch.testing.assert_close(in_parts(node), table[node])


@pytest.mark.parametrize("name", sorted(MODELS))
def test_every_base_has_features_or_is_refused(name: str) -> None:
    graph, _, _, _ = lessons(1)
    space = model_of(graph).features
    generator = torch.Generator().manual_seed(0)
    user, item = torch.arange(400) % 200, torch.randint(24, (400,), generator=generator)
    rows = Interactions(user, item, torch.randint(2, (400,), generator=generator))
    model = build_model(MODELS[name].options(), space, graph, rows)
    model.observe(rows)
    model.eval()
    if name in ("mps", "hybrid"):
        with pytest.raises(ModelError, match=f"the model '{name}' has no candidate features; choose a model that has"):
            BaseFeatures(graph, model)
        return
    known = BaseFeatures(graph, model)
    every = known(torch.arange(known.n_nodes))
    assert every.shape == (known.n_nodes, known.size)
    assert bool(torch.isfinite(every).all())
    assert bool((every != 0).any())
    assert torch.equal(known(torch.tensor([5, 30])), every[torch.tensor([5, 30])])


class Featureless(BaseRecommender):
    """Knows users and items, and has no features."""

    def logits(self, user, candidates):  # type: ignore[no-untyped-def]
        return torch.zeros(len(user))


def test_a_base_without_features_is_refused() -> None:
    graph = shapes_graph()
    fm = model_of(graph, 1)
    with pytest.raises(ModelError, match=r"has no candidate features"):
        BaseFeatures(graph, Featureless(fm.options, fm.features))
    with pytest.raises(ModelError, match="Tensor is none"):
        BaseFeatures(graph, torch.zeros(2, 4))  # type: ignore[arg-type]
    other, _, _, _ = lessons(1)
    with pytest.raises(ModelError, match="the model has 4 items, and the graph has 24"):
        BaseFeatures(other, fm)


# ---------------------------------------------------------------- training

SHORT = RecurrentAgentOptions(hidden=8, feedback=3, rank=4, epochs=2, batch_size=16, steps=4)


def test_training_is_a_function_of_its_seed() -> None:
    graph, sessions, scores, judge = lessons(96)
    model = model_of(graph)
    known = BaseFeatures(graph, model)
    training = TrainingSessions.of(graph, sessions, scores, 16, None, (2, 3), 2, seed=3)
    progress = ToldProgress()
    first, rows = fit_recurrent(
        graph, model, known, training, judge, (0.5, 0.6), SHORT, 1, offsets=(-30.0, -1.0), progress=progress
    )
    (epochs, choices) = progress.phases()
    assert epochs == (2, 2)
    assert choices[1] == sum("offset" in row for row in rows)
    again, _ = fit_recurrent(graph, model, known, training, judge, (0.5, 0.6), SHORT, 1, offsets=(-30.0, -1.0))
    assert all(torch.equal(value, again.tensors()[name]) for name, value in first.tensors().items())
    assert [row["epoch"] for row in rows if "epoch" in row] == [1, 2]
    tried = {(row["offset"], row["trust"]): row["objective"] for row in rows if "offset" in row}
    assert (first.offset, first.trust) == max(tried, key=lambda choice: tried[choice])
    assert first.temperature == 0.6
    read = RecurrentAgent.of_tensors(graph, model, known, first.tensors())
    kept = sessions.take(torch.arange(20))
    assert simulate(read, kept, rounds=3).equals(simulate(first, kept, rounds=3))


def test_it_learns_what_a_click_says() -> None:
    """The loss after clicks falls below that of the untrained unit."""
    graph, sessions, scores, judge = lessons(200)
    known = BaseFeatures(graph, model_of(graph, dim=16))
    training = TrainingSessions.of(graph, sessions, scores, 20, None, (4,), 1, seed=3)
    options = RecurrentAgentOptions(hidden=16, rank=8, epochs=12, batch_size=20, lr=1e-2, patience=12)
    _, rows = fit_recurrent(graph, known.model, known, training, judge, (0.5, 0.5), options, 1, offsets=(0.0,))
    losses = [row["loss"] for row in rows if "loss" in row]
    assert losses[-1] < losses[0] - 0.1


def test_without_validation_sessions_all_epochs_are_played() -> None:
    graph, sessions, scores, judge = lessons(40)
    known = BaseFeatures(graph, model_of(graph))
    training = TrainingSessions.of(graph, sessions, scores, 16, None, (2,), 2)
    judge.sessions.batches.clear()
    agent, rows = fit_recurrent(graph, known.model, known, training, Judge(judge.sessions), (0.5, 0.5), SHORT)
    assert agent.offset == 0.0
    assert len(rows) == 2


def test_a_broken_state_is_named() -> None:
    agent = agent_of_shapes()
    state = agent.tensors()
    for missing in ("network.met.weight", "offset", "trust"):
        with pytest.raises(RunError, match="what recurrent learned"):
            RecurrentAgent.of_tensors(agent.graph, agent.scorer, agent.features,
                                    {name: value for name, value in state.items() if name != missing})  # fmt: skip
    other = BaseFeatures(agent.graph, model_of(agent.graph, 1, dim=9))
    with pytest.raises(RunError, match=r"takes \d+ features a node, and the base model has"):
        RecurrentAgent.of_tensors(agent.graph, agent.scorer, other, state)

from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from literal_fields import filled, literal_fields

from magus_pyg.errors import ConfigError, ModelError
from magus_pyg.models import Candidates, FeatureSpace, Interactions, MMoE, MMoEOptions
from magus_pyg.models.batches import Batch
from magus_pyg.ragged import Ragged
from magus_pyg.testing import ModelContract, small_data, small_features
from magus_pyg.testing.small_log import ITEM_WORDS, TRAIN, interactions
from magus_pyg.training import TrainOptions, fit
from magus_pyg.training.loader import whole_batch

USERS, ITEMS = torch.arange(8), torch.arange(10)
OPTIONS = MMoEOptions(dim=5, hidden=[7, 3], tower=[4], experts=3, init_std=1.0)


class TestMMoE(ModelContract):
    options = MMoEOptions(dim=6, hidden=[8], tower=[4], experts=2)


class TestDeepMMoE(ModelContract):
    options = MMoEOptions(dim=6, hidden=[8, 5], tower=[4, 3], experts=3, task_weight=1.0)


def with_actions(rows, actions, names=("buy", "click", "view")):
    return replace(interactions(rows), action=torch.tensor(actions), actions=names)


def new(options=OPTIONS, rows=None):
    return MMoE(options, small_features(), interactions(TRAIN) if rows is None else rows)


@torch.no_grad()
def literal_mmoe(model, task, user, item, words):
    x = torch.cat([vector[:-1] for vector in literal_fields(model.fields, model, user, item, words)])
    count, units = model.options.experts, model.options.hidden[0]
    scores = [float(model.gates[task * count + expert] @ x) for expert in range(count)]
    total, mixed = sum(torch.tensor(score).exp() for score in scores), 0
    for expert, score in enumerate(scores):
        own = slice(expert * units, (expert + 1) * units)
        f = torch.relu(model.first.weight[own] @ x + model.first.bias[own])
        for weight, bias in zip(model.weights, model.biases, strict=True):
            f = torch.relu(f @ weight[expert] + bias[expert])
        mixed = mixed + torch.tensor(score).exp() / total * f
    for layer in model.towers[task].layers[:-1]:
        mixed = torch.relu(layer.weight @ mixed + layer.bias)
    last = model.towers[task].layers[-1]
    return float(last.weight[0] @ mixed + last.bias)


def test_scores_are_the_literal_model():
    model = filled(new())
    literal = torch.tensor([[literal_mmoe(model, 0, u, v, ITEM_WORDS[v]) for v in range(10)] for u in range(8)])
    torch.testing.assert_close(model.score(USERS, ITEMS), literal, rtol=1e-3, atol=1e-3)
    own = torch.stack([ITEMS.roll(user) for user in range(8)])
    torch.testing.assert_close(model.score(USERS, own), literal.gather(1, own), rtol=1e-3, atol=1e-3)
    combinations = [[0], [1, 4], [], [2, 3, 0]]
    literal = torch.tensor([[literal_mmoe(model, 0, u, None, words) for words in combinations] for u in range(8)])
    scored = model.score_words(USERS, Ragged.from_lists(combinations))
    torch.testing.assert_close(scored, literal, rtol=1e-3, atol=1e-3)


def test_every_task_has_its_own_gate_and_tower():
    model = filled(new())
    sides = model.pair_fields(USERS, Candidates.of_items(USERS, model.item_words))
    logits = model.task_logits(*sides)
    literal = [[literal_mmoe(model, task, u, u, ITEM_WORDS[u]) for task in range(2)] for u in range(8)]
    torch.testing.assert_close(logits, torch.tensor(literal), rtol=1e-3, atol=1e-3)


def test_gates_by_hand():
    # One-dimensional fields, all words, profiles and items 0 but the user: x = (1, 0, 0, 0).
    space = FeatureSpace(1, 1, 1, 0, Ragged.from_lists([[0]]), Ragged.from_lists([[]]))
    model = MMoE(MMoEOptions(dim=1, hidden=[1], tower=[1], experts=2), space, interactions([(0, 0, 1)]))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.zero_()
        model.fields.user[0, 0] = 1
        model.first.weight[:, 0] = torch.tensor([2.0, 5.0])  # the experts say 2 and 5
        # The gate of the first task: softmax(0, log 3) = (1/4, 3/4); of the second: (1/2, 1/2).
        model.gates[1, 0] = torch.tensor(3.0).log()
        for tower, scale in zip(model.towers, (1.0, 10.0), strict=True):
            tower.layers[0].weight.fill_(1)
            tower.layers[1].weight.fill_(scale)
    zero = torch.tensor([0])
    assert model.score(zero, zero).item() == pytest.approx(0.25 * 2 + 0.75 * 5)
    model.eval()
    logits = model.task_logits(*model.pair_fields(zero, Candidates.of_items(zero, model.item_words)))
    assert logits[0].tolist() == pytest.approx([4.25, 35.0])


def test_the_second_task_by_hand():
    # Words: items 0 [0], 1 [0, 1], 2 [1, 2], 3 [2], 4 none.
    rows = interactions([(0, 0, 1), (0, 3, 0), (0, 1, 1), (0, 2, 1), (0, 4, 1), (0, 3, 1), (1, 0, 0), (1, 0, 1)])
    model = new(rows=rows)
    # 0: nothing before. 3 [2]: only [0] before. 1: 0 before. 2: 1 before. 4: no words. 3: 2 before. User 1: refused.
    expected = [False, False, True, True, False, True, False, False]
    assert model.targets(whole_batch(rows))[:, 0].tolist() == expected
    # A negative drawn for user 0's second positive row, whose past is one item: 0 has a word of it, 2 has none.
    batch = Batch(
        torch.tensor([0, 0]), torch.tensor([0, 2]), torch.zeros(2), torch.tensor([1, 1]), torch.tensor([-1] * 2)
    )
    assert model.targets(batch)[:, 0].tolist() == [True, False]
    # Without an order: in another positive row of the user, be it where it may.
    model.observe(replace(rows, ordered=False))
    assert model.targets(whole_batch(rows))[:, 0].tolist() == [True, True, True, True, False, True, True, False]


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 9), st.integers(0, 1)), max_size=20), st.booleans())
def test_the_second_task_is_that_of_a_loop(rows, ordered):
    log = replace(interactions(rows), ordered=ordered)
    expected = []
    for number, (user, item, _) in enumerate(rows):
        others = [row for place, row in enumerate(rows) if (place < number if ordered else place != number)]
        seen = {word for who, what, label in others if who == user and label for word in ITEM_WORDS[what]}
        expected.append(bool(seen & set(ITEM_WORDS[item])))
    assert new(rows=log).targets(whole_batch(log))[:, 0].tolist() == expected


def test_no_row_is_told_of_later_ones():
    early = [(0, 0, 1), (1, 2, 1), (0, 1, 1), (0, 3, 0), (1, 3, 1)]
    targets = []
    for late in ([(0, 5, 1), (1, 6, 1)], [(0, 2, 1), (1, 1, 0), (0, 7, 1), (1, 8, 1)]):
        rows = interactions(early + late)
        targets.append(new(rows=rows).targets(whole_batch(rows))[: len(early)])
    assert torch.equal(targets[0], targets[1])


def test_kinds_of_action_are_tasks():
    rows = with_actions(TRAIN[:5], [0, 0, 1, 0, 2])
    model = new(rows=rows)
    assert model.tasks == ("positive", "buy", "click", "view")
    batch = whole_batch(rows)._replace(action=torch.tensor([0, 2, 1, -1, 2]))  # -1: a sampled negative
    expected = [[1, 0, 0], [0, 0, 1], [0, 1, 0], [0, 0, 0], [0, 0, 1]]
    assert model.targets(batch).to(torch.int64).tolist() == expected
    words = "some word of the item was positive before"
    assert new(replace(OPTIONS, tasks="words"), rows).tasks == ("positive", words)
    # The tasks do not depend on which kinds some rows are of.
    assert new(rows=rows.take(torch.tensor([0]))).tasks == model.tasks
    assert new(rows=with_actions(TRAIN[:2], [0, 0], ("buy",))).tasks == ("positive", words)
    with pytest.raises(ModelError, match=r"built for the tasks \['positive', 'buy', 'click', 'view'\]"):
        model.observe(interactions(TRAIN))


def test_further_loss_by_hand():
    rows = with_actions(TRAIN, [0, 1] * 7, ("click", "view"))
    model = filled(new(replace(OPTIONS, task_weight=0.5), rows), rows)
    batch = whole_batch(rows)
    terms = model.training_terms(batch)
    logits = model.task_logits(*model.pair_fields(batch.user, Candidates.of_items(batch.item, model.item_words)))
    torch.testing.assert_close(terms.logits, logits[:, 0])
    p = torch.sigmoid(logits[:, 1:].double())
    t = torch.stack([batch.action == 0, batch.action == 1], 1)
    expected = -0.5 * torch.where(t, p.log(), (1 - p).log()).mean()
    torch.testing.assert_close(terms.further.double(), expected, rtol=1e-4, atol=1e-4)


def test_training_on_kinds_of_action():
    data = small_data()
    action = torch.tensor([0, 1, 1, 0, 0, 1, 0, 1, 0, 0, 1, 1, 0, 0])
    train = replace(data.train, action=action, actions=("fav", "see"))
    model = new(rows=train)
    result = fit(model, replace(data, train=train), TrainOptions(epochs=2, batch_size=5), progress=False)
    assert len(result.history) == 2


@pytest.mark.parametrize("tasks", ["1", "clicks"])
def test_one_task_is_refused_by_the_options(tasks):
    with pytest.raises(ConfigError, match=rf"tasks must be .* \(got '{tasks}'\); with one task"):
        MMoEOptions(tasks=tasks)


def test_other_bad_options():
    with pytest.raises(ConfigError, match=r"MMoEOptions.experts must be at least 1 \(got 0\)"):
        MMoEOptions(experts=0)
    with pytest.raises(ConfigError, match=r"MMoEOptions.tower must be one or more"):
        MMoEOptions(tower=[])
    with pytest.raises(ConfigError, match=r"MMoEOptions.task_weight must be at least 0"):
        MMoEOptions(task_weight=-1)


def test_one_task_is_refused_by_the_model():
    bare = FeatureSpace(2, 3, 0, 0, Ragged.from_lists([[], [], []]), Ragged.from_lists([[], []]))
    rows = interactions([(0, 1, 1), (1, 2, 0)])
    with pytest.raises(ModelError, match="one kind of action and the items have no words"):
        MMoE(OPTIONS, bare, rows)
    with pytest.raises(ModelError, match="since the items have no words"):
        MMoE(replace(OPTIONS, tasks="words"), bare, rows)
    with pytest.raises(ModelError, match="since the log has one kind of action"):
        new(replace(OPTIONS, tasks="actions"), rows)
    # Kinds of action alone will do.
    seen = Interactions(rows.user, rows.item, torch.ones(2), action=torch.tensor([0, 1]), actions=("buy", "see"))
    assert MMoE(OPTIONS, bare, seen).tasks == ("positive", "buy", "see")


def test_compiles_whole():
    model = filled(new(replace(OPTIONS, dropout=0.0, hidden_dropout=0.0))).train()
    batch = whole_batch(interactions(TRAIN))

    def loss(user, item, label, past, action):
        terms = model.training_terms(Batch(user, item, label, past, action))
        return terms.logits, terms.penalty + terms.further

    with torch._dynamo.config.patch(capture_scalar_outputs=True, capture_dynamic_output_shape_ops=True):
        compiled = torch.compile(loss, fullgraph=True, backend="aot_eager")
        logits, further = compiled(*batch)
        (logits.sum() + further).backward()
    torch.testing.assert_close(logits, loss(*batch)[0])
    torch.testing.assert_close(further, loss(*batch)[1])
    assert model.gates.grad is not None

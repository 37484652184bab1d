import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from magus_pyg.errors import ConfigError
from magus_pyg.models import DIN, DINOptions
from magus_pyg.models.activation_unit import ActivationUnit, Dice
from magus_pyg.ragged import Ragged
from magus_pyg.testing import ModelContract, small_features
from magus_pyg.testing.small_log import ITEM_WORDS, USER_PROFILES, interactions
from magus_pyg.training.loader import whole_batch


class TestDIN(ModelContract):
    options = DINOptions(dim=4, history=2, attention=[5], layers=[6, 3], init_std=0.5)


class TestDINSoftmax(ModelContract):
    options = DINOptions(dim=4, history=2, attention=[5, 3], layers=[6], softmax=True, init_std=0.5)


#: User 0 likes 1, 2, 4, 5, 0; user 1 likes 3; user 2 has a row and likes nothing.
ROWS = [(0, 1, 1), (1, 3, 1), (0, 2, 1), (0, 3, 0), (2, 5, 0), (0, 4, 1), (0, 5, 1), (0, 0, 1)]


def small_model(**chosen):
    rows = interactions(ROWS)
    options = DINOptions(**{"dim": 3, "history": 3, "attention": [4], "layers": [5, 2], "init_std": 1.0, **chosen})
    model = DIN(options, small_features(), rows, 0)
    model.observe(rows)
    generator = torch.Generator().manual_seed(7)
    with torch.no_grad():
        for table in (model.fields.user, model.fields.profile, model.fields.item, model.fields.word):
            table[:, -1] = torch.randn(len(table), generator=generator)
        model.bias.fill_(0.25)
        for module in model.modules():
            if isinstance(module, Dice):
                for tensor in (module.alpha, module.mean, module.var):
                    tensor.copy_(torch.rand(tensor.shape, generator=generator) + 0.1)
    return model.eval()


def literal_dice(dice, s):
    p = 1 / (1 + torch.exp(-(s - dice.mean) / (dice.var + dice.eps).sqrt()))
    return p * s + (1 - p) * dice.alpha * s


def literal_mlp(mlp, x):
    for number, layer in enumerate(mlp.layers):
        x = layer.weight @ x + layer.bias
        if number < len(mlp.layers) - 1:
            x = literal_dice(mlp.activations[number], x)
    return x


@torch.no_grad()
def literal_logit(model, user, past, item, words):
    """One pair: the unit is asked about each item of the history in turn."""
    fields, dim = model.fields, model.options.dim

    def mean(table, ids):
        return sum((table[k] for k in ids), torch.zeros(dim + 1)) / max(1, len(ids))

    def candidate(item, words):
        own = fields.item[item] * model.item_known[item] if item is not None else torch.zeros(dim + 1)
        of_words = mean(fields.word, words)
        return own[:-1], of_words[:-1], own[-1] + of_words[-1]

    own = fields.user[user] * model.user_known[user]
    profile = mean(fields.profile, USER_PROFILES[user])
    of_id, of_words, linear = candidate(item, words)
    v = of_id + of_words
    liked = [i for u, i, label in ROWS if u == user and label][:past][-model.options.history :]
    history = [sum(candidate(i, ITEM_WORDS[i])[:2]) for i in liked]
    weights = [literal_mlp(model.unit.mlp, torch.cat([v, e, v * e])) for e in history]
    if model.options.softmax and history:
        weights = (torch.stack(weights) / dim**0.5).softmax(0)
    interest = sum((w * e for w, e in zip(weights, history, strict=True)), torch.zeros(dim))
    top = literal_mlp(model.top, torch.cat([own[:-1], profile[:-1], interest, of_id, of_words]))
    return model.bias + own[-1] + profile[-1] + linear + top[0]


@pytest.mark.parametrize("chosen", [{}, {"softmax": True}, {"attention": [4, 3], "history": 9}, {"history": 1}])
def test_logits_are_those_of_the_literal_network(chosen):
    model = small_model(**chosen)
    users, items = torch.arange(8), torch.arange(10)
    literal = torch.tensor([[literal_logit(model, u, 9, i, ITEM_WORDS[i]) for i in range(10)] for u in range(8)])
    torch.testing.assert_close(model.score(users, items), literal)
    torch.testing.assert_close(model.score(users, items.expand(8, 10)), literal)
    combinations = [[0], [1, 2], [], [4, 3, 0]]
    of_words = [[literal_logit(model, u, 9, None, words) for words in combinations] for u in range(8)]
    torch.testing.assert_close(model.score_words(users, Ragged.from_lists(combinations)), torch.tensor(of_words))
    rows = interactions(ROWS)
    past = rows.earlier_positives().tolist()
    before = [literal_logit(model, u, p, i, ITEM_WORDS[i]) for (u, i, _), p in zip(ROWS, past, strict=True)]
    torch.testing.assert_close(model.training_terms(whole_batch(rows)).logits, torch.stack(before))


def test_blocks_do_not_change_the_scores(monkeypatch):
    model = small_model()
    users, items = torch.arange(8), torch.arange(10)
    whole = model.score(users, items)
    with torch.no_grad():
        pairs = model(users.repeat_interleave(10), items.repeat(8)).view(8, 10)
    torch.testing.assert_close(pairs, whole)
    for name, value in (("_ROWS", 60), ("_BLOCK", 30), ("_CANDIDATES", 3)):
        monkeypatch.setattr(f"magus_pyg.models.din.{name}", value)
    torch.testing.assert_close(model.score(users, items), whole)
    torch.testing.assert_close(model.score(users, items.expand(8, 10)), whole)
    with torch.no_grad():
        torch.testing.assert_close(model(users.repeat_interleave(10), items.repeat(8)).view(8, 10), whole)


def test_attention_by_hand():
    # Vectors of length 1, one hidden unit: h = 1·v + 2·e + 3·ve + 0.5, weight = 2 Dice(h) + 1.
    unit = ActivationUnit(1, [1])
    with torch.no_grad():
        unit.mlp.first.weight.copy_(torch.tensor([[1.0, 2.0, 3.0]]))
        unit.mlp.first.bias.fill_(0.5)
        unit.mlp.layers[1].weight.fill_(2.0)
        unit.mlp.layers[1].bias.fill_(1.0)
        unit.mlp.activations[0].mean.fill_(7.5)
        unit.mlp.activations[0].alpha.fill_(0.5)
    unit.eval()
    query, key = torch.tensor([[1.0], [-1.0]]), torch.tensor([[-2.0], [1.0]])
    # h(1, 1) = 6.5: p = s(-1); h(-1, -2) = 1.5: p = s(-6); h(1, -2) = -8.5: p = s(-16); h(-1, 1) = -1.5: p = s(-9).
    p = torch.tensor([-1.0, -6.0, -16.0, -9.0]).sigmoid()
    h = torch.tensor([6.5, 1.5, -8.5, -1.5])
    expected = 2 * (p * h + (1 - p) * 0.5 * h) + 1
    found = unit(query, key, torch.tensor([0, 1, 0, 1]), torch.tensor([1, 0, 0, 1]))
    torch.testing.assert_close(found, expected)
    torch.testing.assert_close(
        unit.grid(query.unsqueeze(0), key.unsqueeze(0)), expected[torch.tensor([[[2, 0], [1, 3]]])]
    )


def test_dice_by_hand():
    dice = Dice(1, momentum=0.5)
    with torch.no_grad():
        dice.alpha.fill_(0.25)
    # Mean 2, variance 1: p = s(-1), s(1).
    low, high = torch.tensor(-1.0).sigmoid(), torch.tensor(1.0).sigmoid()
    expected = torch.stack([1 * (low + (1 - low) * 0.25), 3 * (high + (1 - high) * 0.25)]).view(2, 1)
    torch.testing.assert_close(dice(torch.tensor([[1.0], [3.0]])), expected)
    # Moving averages half way from (0, 1) to (2, 1); in evaluation they are what counts: at the mean p is 1/2.
    assert (dice.mean.tolist(), dice.var.tolist()) == ([1.0], [1.0])
    assert dice.eval()(torch.tensor([1.0])).tolist() == [0.5 + 0.5 * 0.25]
    assert dice.mean.tolist() == [1.0]


def test_dice_of_no_row_and_of_one():
    dice = Dice(3)
    assert dice(torch.zeros(0, 3)).shape == (0, 3)
    assert (dice.mean.tolist(), dice.var.tolist()) == ([0, 0, 0], [1, 1, 1])
    # Without a variance p is 1/2 and α is 0.
    torch.testing.assert_close(dice(torch.tensor([[1.0, -2.0, 0.0]])), torch.tensor([[0.5, -1.0, 0.0]]))


@given(st.integers(0, 2**31), st.sampled_from([(5, 3), (2, 4, 3), (1, 3)]))
def test_dice_has_the_statistics_and_gradients_of_batch_normalisation(seed, shape):
    generator = torch.Generator().manual_seed(seed)
    s = (torch.randn(shape, generator=generator, dtype=torch.float64) * 3 + 100).requires_grad_()
    dice = Dice(3).to(torch.float64)
    with torch.no_grad():
        dice.alpha.copy_(torch.randn(3, generator=generator))
    flat = s.reshape(-1, 3)
    p = ((flat - flat.mean(0)) / (flat.var(0, unbiased=False) + dice.eps).sqrt()).sigmoid()
    literal = (p * flat + (1 - p) * dice.alpha * flat).view(shape)
    found = dice(s)
    torch.testing.assert_close(found, literal)
    weight = torch.randn(shape, generator=generator, dtype=torch.float64)
    if flat.shape[0] > 1:  # one row has no variance to differentiate
        inputs = (s, dice.alpha)
        expected = torch.autograd.grad((literal * weight).sum(), inputs)
        torch.testing.assert_close(torch.autograd.grad((found * weight).sum(), inputs), expected)


def test_padding_is_not_looked_at():
    # So that it cannot enter the batch's mean and variance: the unit is asked about as many items as there are.
    model, rows, asked = small_model(history=9, dropout=0.0).train(), whole_batch(interactions(ROWS)), []
    model.unit.register_forward_hook(lambda _, given, __: asked.extend(given[2].bincount(minlength=len(ROWS)).tolist()))
    model.training_terms(rows)
    assert asked == rows.past.tolist()


def test_penalty_is_the_mean_squared_length_in_use():
    model, rows = small_model(dropout=0.5), interactions(ROWS)
    fields = model.fields

    def length(table, ids):
        return sum(float(table[k].detach().square().sum()) for k in ids) / max(1, len(ids))

    expected = 0.0
    for (user, item, _), past in zip(ROWS, rows.earlier_positives().tolist(), strict=True):
        liked = [i for u, i, label in ROWS if u == user and label][:past][-3:]
        expected += length(fields.user, [user]) + length(fields.profile, USER_PROFILES[user])
        lengths = [length(fields.item, [i]) + length(fields.word, ITEM_WORDS[i]) for i in liked]
        expected += length(fields.item, [item]) + length(fields.word, ITEM_WORDS[item])
        expected += sum(lengths) / max(1, len(lengths))
    penalty = model.train().training_terms(whole_batch(rows)).penalty
    assert float(penalty.detach()) == pytest.approx(expected / len(ROWS), rel=1e-5)


def test_the_unit_compiles_without_a_break():
    torch._dynamo.reset()
    unit = ActivationUnit(4, [5, 3], torch.Generator().manual_seed(0))
    compiled = torch.compile(unit, fullgraph=True, backend="aot_eager")
    query, key = torch.randn(3, 4), torch.randn(6, 4)
    row, place = torch.tensor([0, 0, 1, 2, 2]), torch.tensor([5, 1, 1, 0, 3])
    for mode in (False, True):
        unit.train(mode)
        twin = ActivationUnit(4, [5, 3])
        twin.load_state_dict(unit.state_dict())
        twin.train(mode)
        torch.testing.assert_close(compiled(query, key, row, place), twin(query, key, row, place))
    top = nn.Sequential(Dice(4), nn.Linear(4, 1))
    torch.testing.assert_close(torch.compile(top.eval(), fullgraph=True, backend="aot_eager")(query), top(query))


def test_options_are_checked():
    for wrong in ({"dim": 0}, {"history": 0}, {"attention": []}, {"layers": [0]}, {"dropout": 1.0}):
        with pytest.raises(ConfigError, match=f"DINOptions.{next(iter(wrong))}"):
            DINOptions(**wrong)

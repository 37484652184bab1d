import pytest
import torch
from torch import nn

from magus_pyg.errors import ConfigError
from magus_pyg.models import GRU, LSTM, Batch, FeatureSpace, GRUOptions, History, LSTMOptions
from magus_pyg.ragged import Ragged
from magus_pyg.testing import ModelContract, small_features
from magus_pyg.testing.small_log import ITEM_WORDS, USER_PROFILES, interactions
from magus_pyg.training.loader import whole_batch


class TestGRU(ModelContract):
    options = GRUOptions(dim=6, hidden=5, history=2, init_std=0.5)


class TestLSTM(ModelContract):
    options = LSTMOptions(dim=6, hidden=5, history=2, init_std=0.5)


#: User 0 likes 1, 2, 4, 5, 0; user 1 likes 3; user 2 has a row and likes nothing.
ROWS = [(0, 1, 1), (1, 3, 1), (0, 2, 1), (0, 3, 0), (2, 5, 0), (0, 4, 1), (0, 5, 1), (0, 0, 1)]
KINDS = [(GRU, GRUOptions, nn.GRU), (LSTM, LSTMOptions, nn.LSTM)]


def small_model(kind, options, seed=0, **chosen):
    rows = interactions(ROWS)
    model = kind(
        options(**{"dim": 4, "hidden": 3, "history": 3, "init_std": 1.0, **chosen}), small_features(), rows, seed
    )
    model.observe(rows)
    generator = torch.Generator().manual_seed(7)
    with torch.no_grad():
        for table in (model.fields.user, model.fields.profile, model.fields.item, model.fields.word):
            table[:, -1] = torch.randn(len(table), generator=generator)
        model.bias.fill_(0.25)
    return model.eval()


@torch.no_grad()
def literal_logit(model, library, user, past, item, words):
    """One pair, its history run alone and without padding through torch's own recurrent net."""
    fields, dim = model.fields, model.options.dim
    liked = [i for u, i, label in ROWS if u == user and label][:past][-model.options.history :]

    def mean(table, ids):
        return sum((table[k] for k in ids), torch.zeros(dim + 1)) / max(1, len(ids))

    def candidate(item, words):
        own = fields.item[item] * model.item_known[item] if item is not None else 0
        return own + mean(fields.word, words)

    left = fields.user[user] * model.user_known[user] + mean(fields.profile, USER_PROFILES[user])
    right = candidate(item, words)
    net = library(dim, model.options.hidden)
    for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"):
        getattr(net, f"{name}_l0").copy_(getattr(model.cell, name))
    state = torch.zeros(model.options.hidden)
    if liked:
        steps = torch.stack([candidate(i, ITEM_WORDS[i])[:-1] for i in liked])
        state = net(steps.unsqueeze(1))[0][-1, 0]
    vector = left[:-1] + model.project.weight @ state
    return model.bias + left[-1] + right[-1] + vector @ right[:-1]


@pytest.mark.parametrize(("kind", "options", "library"), KINDS)
def test_scores_are_those_of_single_unpadded_histories(kind, options, library):
    model = small_model(kind, options)
    users, items = torch.arange(8), torch.arange(10)
    literal = [[literal_logit(model, library, u, 9, i, ITEM_WORDS[i]) for i in range(10)] for u in range(8)]
    torch.testing.assert_close(model.score(users, items), torch.tensor(literal))
    combinations = [[0], [1, 2], [], [4, 3, 0]]
    literal = [[literal_logit(model, library, u, 9, None, words) for words in combinations] for u in range(8)]
    torch.testing.assert_close(model.score_words(users, Ragged.from_lists(combinations)), torch.tensor(literal))


@pytest.mark.parametrize(("kind", "options", "library"), KINDS)
@pytest.mark.parametrize("history", [1, 2, 10])
def test_training_logits_read_the_history_before_the_row(kind, options, library, history):
    model = small_model(kind, options, history=history)
    rows = interactions(ROWS)
    logits = model.training_terms(whole_batch(rows)).logits
    past = rows.earlier_positives().tolist()
    literal = [
        literal_logit(model, library, user, before, item, ITEM_WORDS[item])
        for (user, item, _), before in zip(ROWS, past, strict=True)
    ]
    torch.testing.assert_close(logits, torch.stack(literal))
    # A negative drawn for a positive row reads the same history, in whatever order rows come.
    order = torch.tensor([5, 2, 7, 2, 0])
    batch = Batch(*(column[order] for column in whole_batch(rows)))._replace(item=torch.tensor([4, 9, 0, 2, 1]))
    expected = [literal_logit(model, library, 0, past[2], 9, ITEM_WORDS[9]), *(logits[k] for k in (7, 2, 0))]
    torch.testing.assert_close(model.training_terms(batch).logits[1:], torch.stack(expected))


def test_rows_of_one_user_and_past_share_a_window():
    history = History(interactions(ROWS), 3, length=2)
    window, place = history.shared_windows(torch.tensor([1, 0, 0, 1, 0]), torch.tensor([1, 4, 1, 1, 4]))
    assert [row[mask].tolist() for row, mask in zip(window.item, window.mask, strict=True)] == [[1], [4, 5], [3]]
    assert place.tolist() == [2, 1, 0, 2, 1]
    window, place = history.shared_windows(torch.tensor([2, 0, 2]))
    assert [row[mask].tolist() for row, mask in zip(window.item, window.mask, strict=True)] == [[5, 0], []]
    assert place.tolist() == [1, 0, 1]


@pytest.mark.parametrize(("kind", "options", "library"), KINDS)
def test_many_users_are_encoded_in_blocks(kind, options, library, monkeypatch):
    model = small_model(kind, options)
    whole = model.user_embedding(torch.arange(8).repeat(3))
    monkeypatch.setattr("magus_pyg.models.recurrent_model._USERS", 5)
    torch.testing.assert_close(model.user_embedding(torch.arange(8).repeat(3)), whole)


def test_a_gru_by_hand():
    # One number everywhere: x = 2 (id 1.5, word 0.5) read once from state 0.
    space = FeatureSpace(1, 1, 1, 0, Ragged.from_lists([[0]]), Ragged.from_lists([[]]))
    rows = interactions([(0, 0, 1)])
    model = GRU(GRUOptions(dim=1, hidden=1, history=5), space, rows)
    with torch.no_grad():
        model.fields.user.copy_(torch.tensor([[0.5, 3.0]]))
        model.fields.item.copy_(torch.tensor([[1.5, 10.0]]))
        model.fields.word.copy_(torch.tensor([[0.5, 20.0]]))
        model.bias.fill_(100.0)
        model.project.weight.fill_(4.0)
        model.cell.weight_ih.copy_(torch.tensor([[0.0], [1.0], [0.25]]))  # reset, keep, fresh
        model.cell.weight_hh.fill_(7.0)
        model.cell.bias_ih.zero_()
        model.cell.bias_hh.copy_(torch.tensor([0.0, 0.0, 1.0]))
    # z = s(2), reset = 1/2: h = (1 - s(2)) tanh(2/4 + 1/2).
    state = (1 - torch.tensor(2.0).sigmoid()) * torch.tensor(1.0).tanh()
    score = model.score(torch.tensor([0]), torch.tensor([0]))
    torch.testing.assert_close(score, (133 + 2 * (0.5 + 4 * state)).view(1, 1))


@pytest.mark.parametrize(("kind", "options", "library"), KINDS)
def test_penalty_is_the_mean_squared_length_in_use(kind, options, library):
    model = small_model(kind, options, dropout=0.5)
    rows, fields = interactions(ROWS), model.fields

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


def test_options_are_checked():
    for wrong in ({"dim": 0}, {"hidden": 0}, {"history": 0}, {"dropout": 1.0}, {"init_std": -1.0}):
        with pytest.raises(ConfigError, match=f"GRUOptions.{next(iter(wrong))}"):
            GRUOptions(**wrong)

import itertools
from dataclasses import replace

import pytest
import torch
from literal_fields import filled, literal_fields
from torch.nn import functional as F

from magus_pyg.errors import ConfigError
from magus_pyg.models import FM, Candidates, DeepFM, DeepFMOptions, FeatureSpace, FMOptions
from magus_pyg.models import interaction_model as module
from magus_pyg.ragged import Ragged
from magus_pyg.testing import ModelContract, small_features
from magus_pyg.testing.small_log import ITEM_WORDS, TRAIN, interactions
from magus_pyg.training.loader import whole_batch

USERS, ITEMS = torch.arange(8), torch.arange(10)
OPTIONS = DeepFMOptions(dim=5, hidden=[7, 3], init_std=1.0)


class TestDeepFM(ModelContract):
    options = DeepFMOptions(dim=6, hidden=[8, 4])


@torch.no_grad()
def literal_deepfm(model, user, item, words):
    vectors = literal_fields(model.fields, model, user, item, words)
    y = model.bias + sum(vector[-1] for vector in vectors)
    y = y + sum(left[:-1] @ right[:-1] for left, right in itertools.combinations(vectors, 2))
    hidden = torch.cat([vector[:-1] for vector in vectors])
    for layer in model.deep.layers[:-1]:
        hidden = torch.relu(layer.weight @ hidden + layer.bias)
    return float(y + model.deep.layers[-1].weight[0] @ hidden + model.deep.layers[-1].bias)


@pytest.mark.parametrize("floats", [1 << 21, 1])
def test_scores_are_the_literal_model(floats, monkeypatch):
    monkeypatch.setattr(module, "_FLOATS", floats)
    monkeypatch.setattr(module, "_CANDIDATES", 512 if floats > 1 else 3)
    monkeypatch.setattr(module, "_EMBEDDED", 1 << 15 if floats > 1 else 3)
    monkeypatch.setattr(module, "_OWN", 1 << 20 if floats > 1 else 25)
    model = filled(DeepFM(OPTIONS, small_features()))
    literal = torch.tensor([[literal_deepfm(model, u, v, ITEM_WORDS[v]) for v in range(10)] for u in range(8)])
    torch.testing.assert_close(model.score(USERS, ITEMS), literal, rtol=1e-4, atol=1e-4)
    own = torch.stack([ITEMS.roll(user) for user in range(8)])
    torch.testing.assert_close(model.score(USERS, own), literal.gather(1, own), rtol=1e-4, atol=1e-4)
    combinations = [[0], [1, 4], [], [2, 3, 0]]
    literal = torch.tensor([[literal_deepfm(model, u, None, words) for words in combinations] for u in range(8)])
    scored = model.score_words(USERS, Ragged.from_lists(combinations))
    torch.testing.assert_close(scored, literal, rtol=1e-4, atol=1e-4)


def test_without_its_deep_part_it_is_the_factorization_machine():
    # One value a field, so that a field's mean is a feature's vector.
    words, profiles = Ragged.from_lists([[0], [2], [1]]), Ragged.from_lists([[1], [0]])
    space = FeatureSpace(2, 3, 3, 2, words, profiles)
    model, machine = DeepFM(replace(OPTIONS, dim=4), space), FM(FMOptions(dim=4), space)
    with torch.no_grad():
        for name in ("user", "profile", "item", "word"):
            table = getattr(model.fields, name).normal_(generator=torch.Generator().manual_seed(len(name)))
            getattr(machine, name).copy_(table)
        model.bias.fill_(0.7)
        machine.bias.fill_(0.7)
        model.deep.layers[-1].weight.zero_()
    users, items = torch.arange(2), torch.arange(3)
    torch.testing.assert_close(model.score(users, items), machine.score(users, items))
    combinations = Ragged.from_lists([[2], []])
    torch.testing.assert_close(model.score_words(users, combinations), machine.score_words(users, combinations))


def test_both_parts_share_the_embeddings():
    # 4 tables, a bias and the deep layers: no second set of embeddings.
    model = DeepFM(OPTIONS, small_features())
    names = {name for name, _ in model.named_parameters()}
    tables = {"fields.user", "fields.profile", "fields.item", "fields.word"}
    assert names == tables | {"bias"} | {f"deep.layers.{n}.{kind}" for n in range(3) for kind in ("weight", "bias")}
    batch = whole_batch(interactions(TRAIN))

    def gradient(part):
        model.zero_grad()
        user, item = model.pair_fields(batch.user, Candidates.of_items(batch.item, model.item_words))
        deep, whole = model.deep.of_fields(user, item).sum(), model.interact(user, item).sum()
        (deep if part == "deep" else whole - deep).backward()
        return model.fields.item.grad.clone()

    model.eval()
    deep, machine = gradient("deep"), gradient("machine")
    assert bool((deep[:7, :-1].abs().sum(1) > 0).all())
    assert bool((machine[:7, :-1].abs().sum(1) > 0).all())
    assert not bool(deep[:, -1].any())  # the linear terms are the machine's alone


def test_penalty_and_dropout():
    model = DeepFM(replace(OPTIONS, dropout=0.5), small_features()).train()
    batch = whole_batch(interactions([(0, 0, 1), (1, 4, 0)]))
    first, second = model.training_terms(batch), model.training_terms(batch)
    assert not torch.equal(first.logits, second.logits)
    fields = model.fields
    rows = [fields.user[0], fields.user[1], fields.item[0], fields.item[4], fields.profile[0], fields.profile[1]]
    expected = sum(float(row.detach().square().sum()) for row in [*rows, fields.word[0]]) / 2
    assert float(first.penalty.detach()) == pytest.approx(expected, rel=1e-5)
    assert float(first.further) == 0
    model.eval()
    assert torch.equal(model(USERS, USERS), model(USERS, USERS))


def test_compiles_whole():
    model = filled(DeepFM(OPTIONS, small_features()))
    item = torch.cat([ITEMS, torch.tensor([10])])
    words = Ragged.from_lists([*ITEM_WORDS, [0, 3]])
    user = torch.arange(11) % 8
    with torch._dynamo.config.patch(capture_scalar_outputs=True, capture_dynamic_output_shape_ops=True):
        compiled = torch.compile(
            lambda user, item, ptr, index: model.logits(user, Candidates(item, Ragged(ptr, index))),
            fullgraph=True,
            backend="aot_eager",
        )
        found = compiled(user, item, words.ptr, words.index)
        F.binary_cross_entropy_with_logits(found, torch.ones(11)).backward()
    torch.testing.assert_close(found, model.logits(user, Candidates(item, words)))
    assert model.fields.user.grad is not None


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("dim", 0, r"DeepFMOptions.dim must be at least 1 \(got 0\)"),
        ("hidden", [], r"DeepFMOptions.hidden must be one or more, each at least 1 \(got \[\]\)"),
        ("hidden", [4, 0], r"got \[4, 0\]"),
        ("dropout", 1.0, r"DeepFMOptions.dropout must be in \[0, 1\)"),
        ("hidden_dropout", -0.1, r"DeepFMOptions.hidden_dropout must be in \[0, 1\)"),
        ("init_std", -1, r"init_std must be at least 0"),
    ],
)
def test_options_are_checked(name, value, message):
    with pytest.raises(ConfigError, match=message):
        DeepFMOptions(**{name: value})


def test_features_are_the_vectors_of_the_fields():
    model = filled(DeepFM(OPTIONS, small_features()))
    vectors = literal_fields(model.fields, model, 2, 5, ITEM_WORDS[5])
    expected = torch.stack([vector[:-1] for vector in vectors])
    torch.testing.assert_close(model.user_features(torch.tensor([2]))[0], expected[:2].flatten())
    candidates = Candidates.of_items(torch.tensor([5]), model.item_words)
    torch.testing.assert_close(model.candidate_features(candidates)[0], expected[2:].flatten())

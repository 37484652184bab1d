import itertools
from dataclasses import replace

import pytest
import torch
from literal_fields import filled, literal_fields

from magus_pyg.errors import ConfigError
from magus_pyg.models import PNN, Candidates, FeatureSpace, PNNOptions
from magus_pyg.ragged import Ragged
from magus_pyg.testing import ModelContract, small_features
from magus_pyg.testing.small_log import ITEM_WORDS

USERS, ITEMS = torch.arange(8), torch.arange(10)
OPTIONS = PNNOptions(dim=5, hidden=[7, 3], init_std=1.0)


class TestPNN(ModelContract):
    options = PNNOptions(dim=6, hidden=[8, 4])


class TestOuterPNN(ModelContract):
    options = PNNOptions(dim=6, hidden=[8, 4], product="outer")


# The pairs in the order of the weights; fields 0 user, 1 profile, 2 item, 3 words.
PAIRS = [(0, 1), (2, 3), (0, 2), (0, 3), (1, 2), (1, 3)]


@torch.no_grad()
def literal_pnn(model, user, item, words):
    vectors = [vector[:-1] for vector in literal_fields(model.fields, model, user, item, words)]
    hidden = model.layers.first.weight @ torch.cat(vectors) + model.layers.first.bias
    if model.options.product == "inner":
        assert sorted(PAIRS) == list(itertools.combinations(range(4), 2))
        hidden = hidden + model.products.weight @ torch.stack([vectors[a] @ vectors[b] for a, b in PAIRS])
    else:
        # Every product of two fields, a field with itself included, in both orders.
        product = sum(torch.outer(a, b) for a, b in itertools.product(vectors, vectors))
        hidden = hidden + torch.stack([(weight * product).sum() for weight in model.products.weight])
    hidden = torch.relu(hidden)
    for layer in model.layers.layers[1:-1]:
        hidden = torch.relu(layer.weight @ hidden + layer.bias)
    last = model.layers.layers[-1]
    return float(last.weight[0] @ hidden + last.bias)


@pytest.mark.parametrize("product", ["inner", "outer"])
def test_scores_are_the_literal_model(product):
    model = filled(PNN(replace(OPTIONS, product=product), small_features()))
    literal = torch.tensor([[literal_pnn(model, u, v, ITEM_WORDS[v]) for v in range(10)] for u in range(8)])
    torch.testing.assert_close(model.score(USERS, ITEMS), literal, rtol=1e-3, atol=1e-3)
    own = torch.stack([ITEMS.roll(user) for user in range(8)])
    torch.testing.assert_close(model.score(USERS, own), literal.gather(1, own), rtol=1e-3, atol=1e-3)
    combinations = [[0], [1, 4], [], [2, 3, 0]]
    literal = torch.tensor([[literal_pnn(model, u, None, words) for words in combinations] for u in range(8)])
    scored = model.score_words(USERS, Ragged.from_lists(combinations))
    torch.testing.assert_close(scored, literal, rtol=1e-3, atol=1e-3)


def by_hand(product):
    """One user with one profile value, one item with one word; one hidden unit."""
    one = Ragged.from_lists([[0]])
    model = PNN(PNNOptions(dim=2, hidden=[1], product=product), FeatureSpace(1, 1, 1, 1, one, one))
    with torch.no_grad():
        for name, row in (("user", [1, 2]), ("profile", [3, 0]), ("item", [-1, 1]), ("word", [2, 2])):
            getattr(model.fields, name).copy_(torch.tensor([[*row, 9.0]]))  # 9: a linear term, which is not read
        model.layers.first.weight.copy_(torch.tensor([[1.0, 1, 1, 1, 1, 1, 1, 1]]))
        model.layers.first.bias.fill_(0.5)
        model.layers.layers[1].weight.fill_(2.0)
        model.layers.layers[1].bias.fill_(-1.0)
    return model


def test_inner_products_by_hand():
    model = by_hand("inner")
    with torch.no_grad():
        model.products.weight.copy_(torch.tensor([[1.0, 10.0, 100.0, 1000.0, 1e4, 1e5]]))
    # z: 1 + 2 + 3 + 0 - 1 + 1 + 2 + 2 = 10, bias 0.5. Products: user·profile 3, item·word 0, user·item 1, user·word 6,
    # profile·item -3, profile·word 6.
    hidden = 10.5 + 3 + 0 + 100 + 6000 - 30000 + 600000
    zero = torch.tensor([0])
    assert model.score(zero, zero).item() == 2 * hidden - 1
    # Without the item: z 10, user·profile 3, user·word 6, profile·word 6.
    assert model.score_words(zero, Ragged.from_lists([[0]])).item() == 2 * (10.5 + 3 + 6000 + 600000) - 1


def test_outer_product_by_hand():
    model = by_hand("outer")
    with torch.no_grad():
        model.products.weight.copy_(torch.tensor([[[1.0, 10.0], [100.0, 1000.0]]]))
    # The sum of the fields is (5, 5), its outer product 25 everywhere; without the item (6, 4): 36, 24, 24, 16.
    zero = torch.tensor([0])
    assert model.score(zero, zero).item() == 2 * (10.5 + 25 * 1111) - 1
    assert model.score_words(zero, Ragged.from_lists([[0]])).item() == 2 * (10.5 + 36 + 240 + 2400 + 16000) - 1


@pytest.mark.parametrize("product", ["inner", "outer"])
def test_compiles_whole(product):
    model = filled(PNN(replace(OPTIONS, product=product), small_features())).train()
    model.options.dropout = model.layers.dropout = 0.0
    words, user = Ragged.from_lists(ITEM_WORDS), ITEMS % 8
    with torch._dynamo.config.patch(capture_scalar_outputs=True, capture_dynamic_output_shape_ops=True):
        compiled = torch.compile(
            lambda user, item, ptr, index: model.logits(user, Candidates(item, Ragged(ptr, index))),
            fullgraph=True,
            backend="aot_eager",
        )
        found = compiled(user, ITEMS, words.ptr, words.index)
        found.sum().backward()
    torch.testing.assert_close(found, model.logits(user, Candidates(ITEMS, words)))
    assert model.products.weight.grad is not None


def test_options_are_checked():
    with pytest.raises(ConfigError, match=r"PNNOptions.product must be one of inner, outer \(got 'cross'\)"):
        PNNOptions(product="cross")
    with pytest.raises(ConfigError, match=r"PNNOptions.hidden must be one or more"):
        PNNOptions(hidden=[])

import math
from dataclasses import replace

import pytest
import torch
from planted_training import N_ITEMS, OPTIONS, new_model, planted_data
from torch.nn import functional as F

from magus_pyg.errors import ModelError
from magus_pyg.models import FM, GRU, LSTM, FMOptions, GRUOptions, LSTMOptions
from magus_pyg.models.deepfm import DeepFM, DeepFMOptions
from magus_pyg.testing import small_data, small_features
from magus_pyg.training import TrainOptions, fit
from magus_pyg.training.epochs import RecommenderTraining
from magus_pyg.training.loader import Loaders, whole_batch
from magus_pyg.training.ranking_loss import drawn_items, softmax_loss


def test_all_items_are_the_softmax_over_the_catalogue():
    beside = torch.randn(4, 6, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    item = torch.tensor([2, 0, 5, 2])
    liked = beside[torch.arange(4), item]
    found = softmax_loss(liked, beside, item, torch.arange(6), 6)
    torch.testing.assert_close(found, F.cross_entropy(beside, item, reduction="sum"))


def test_a_sample_worked_by_hand():
    # Two of the four items drawn, one of them the liked one: the other stands for all, twice.
    found = softmax_loss(torch.tensor([1.0]), torch.tensor([[5.0, 0.5]]), torch.tensor([3]), torch.tensor([3, 1]), 4)
    assert float(found) == pytest.approx(-math.log(math.e / (math.e + 2 * math.exp(0.5))))
    # Nothing but the liked item was drawn: nothing is learned, and no gradient is broken.
    liked, beside = torch.tensor([0.5], requires_grad=True), torch.tensor([[1.0, 2.0]], requires_grad=True)
    alone = softmax_loss(liked, beside, torch.tensor([3]), torch.tensor([3, 3]), 5)
    alone.backward()
    assert (alone.item(), liked.grad.item(), beside.grad.tolist()) == (0, 0, [[0, 0]])
    empty = torch.zeros(0)
    assert float(softmax_loss(empty, empty.view(0, 2), empty.long(), torch.tensor([3, 1]), 4)) == 0


def test_its_gradient_leaves_the_liked_items_out():
    generator = torch.Generator().manual_seed(1)
    beside = torch.randn(5, 7, generator=generator, dtype=torch.float64, requires_grad=True)
    liked = torch.randn(5, generator=generator, dtype=torch.float64, requires_grad=True)
    item, items = (
        torch.tensor([4, 9, 4, 0, 2]),
        torch.tensor([4, 1, 4, 0, 3, 0, 8]),
    )  # twice, never, twice, twice, never
    assert torch.autograd.gradcheck(lambda *logits: softmax_loss(*logits, item, items, 12), (liked, beside))
    softmax_loss(liked, beside, item, items, 12).backward()
    assert torch.equal(beside.grad == 0, items == item.unsqueeze(1))
    far = softmax_loss(liked, 1e4 * beside, item, items, 12)  # no overflow
    assert bool(torch.isfinite(far))


def test_items_are_uniform_and_functions_of_their_keys():
    assert drawn_items(5, 5, 1).tolist() == drawn_items(5, 9, 2).tolist() == [0, 1, 2, 3, 4]
    drawn = drawn_items(10, 9, 7, 0, 3)
    assert torch.equal(drawn, drawn_items(10, 9, 7, 0, 3))
    assert not torch.equal(drawn, drawn_items(10, 9, 7, 0, 4))
    counts = torch.bincount(torch.cat([drawn_items(10, 9, 7, 0, step) for step in range(2000)]), minlength=10)
    assert bool(((counts - 1800).abs() < 202).all())  # five standard deviations of 40


def models():
    yield FM(FMOptions(dim=3, dropout=0.0, init_std=0.5), small_features(), 1)
    for kind, options in ((GRU, GRUOptions), (LSTM, LSTMOptions)):
        yield kind(options(dim=3, hidden=4, dropout=0.0, init_std=0.5), small_features(), small_data().train, 1)


@pytest.mark.parametrize("model", list(models()), ids=lambda model: model.options.name)
def test_logits_beside_the_rows_are_those_of_rows(model):
    rows = whole_batch(small_data().train)
    model.observe(small_data().train)
    model.train()
    items = torch.tensor([3, 0, 3, 9])
    terms, beside = model.terms_beside(rows, items)
    torch.testing.assert_close(terms.logits, model.training_terms(rows).logits)
    liked = (rows.label == 1).nonzero().squeeze(1)
    assert beside.shape == (len(liked), 4)
    for column, item in enumerate(items.tolist()):
        other = type(rows)(*(part[liked] for part in rows))._replace(item=torch.full_like(liked, item))
        torch.testing.assert_close(beside[:, column], model.training_terms(other).logits)


def test_what_scores_pairs_alone_trains_without_it():
    model = DeepFM(DeepFMOptions(dim=3), small_features(), 1)
    assert not model.ranks_beside
    with pytest.raises(ModelError, match="'deepfm' scores no items beside"):
        model.terms_beside(whole_batch(small_data().train), torch.arange(2))
    weights = []
    for softmax, decay in ((0.0, 0.0), (1.0, 0.5)):
        model = DeepFM(DeepFMOptions(dim=3), small_features(), 1)
        options = TrainOptions(epochs=1, softmax=softmax, softmax_decay=decay, accelerator="cpu")
        fit(model, small_data(), options, progress=False)
        weights.append(model.state_dict())
    assert all(torch.equal(value, weights[1][name]) for name, value in weights[0].items())


def test_steps_of_its_own_are_not_passed_over():
    class Own(FM):
        def training_terms(self, batch):
            return super().training_terms(batch)

    assert FM.ranks_beside
    assert not Own.ranks_beside


def test_its_weight_changes_what_is_learned():
    found = []
    for softmax, items in ((0.0, 512), (1.0, 512), (1.0, 2)):
        model = new_model()
        options = TrainOptions(**{**vars(OPTIONS), "epochs": 1, "softmax": softmax, "softmax_items": items})
        fit(model, planted_data(), options, progress=False)
        found.append(model.item.detach())
    assert not torch.equal(found[0], found[1])
    assert not torch.equal(found[1], found[2])


@pytest.mark.parametrize("n_drawn", [7, 512])
def test_the_loss_of_a_step_row_by_row(n_drawn):
    options = replace(OPTIONS, weight_decay=0.1, softmax=2.0, softmax_items=n_drawn, softmax_decay=0.3)
    model, data, seed, step = new_model(), planted_data(), 5, 3
    model.options.dropout = 0.0
    model.observe(data.train)
    training = RecommenderTraining(model, Loaders(data, model, options, seed), options, seed)
    training._set_up()
    model.train()
    batch = next(iter(training._rows))
    loss, entropy = training._loss(batch, 0, step)
    items = drawn_items(N_ITEMS, n_drawn, seed, 0, step).tolist()

    def rows(user, item):
        return [table[row].detach() for table, row in ((model.user, user), (model.item, item), (model.word, item % 4))]

    def logit(user, item):
        parts = rows(user, item)
        vectors = [part[:-1] for part in parts]
        pairs = vectors[0] @ vectors[1] + vectors[0] @ vectors[2] + vectors[1] @ vectors[2]
        return float(pairs + sum(part[-1] for part in parts) + model.bias.detach())

    cross, ranking, lengths = 0.0, 0.0, 0.0
    for user, item, label in zip(*(column.tolist() for column in batch[:3]), strict=True):
        y = logit(user, item)
        cross += math.log1p(math.exp(-y if label else y))
        lengths += sum(float(part.square().sum()) for part in rows(user, item))
        if label:
            others = sum(math.exp(logit(user, other)) for other in items if other != item)
            ranking += math.log(math.exp(y) + N_ITEMS / len(items) * others) - y
    n = len(batch.label)
    assert float(entropy) == pytest.approx(cross / n, rel=1e-5)
    whole = cross + 0.1 * lengths + 2.0 * (ranking + 0.3 * lengths)
    assert float(loss.detach()) == pytest.approx(whole / n, rel=1e-5)


def test_validation_rows_teach_nothing():
    data = planted_data()
    held_out = data.validation
    other = replace(held_out, item=(held_out.item + 1) % N_ITEMS, label=1 - held_out.label)
    found = []
    for part in (held_out, other):
        model = new_model()
        fit(model, replace(data, validation=part), replace(OPTIONS, epochs=1), progress=False)
        found.append({name: value for name, value in model.state_dict().items() if name != "calibration"})
    assert all(torch.equal(value, found[1][name]) for name, value in found[0].items())


def test_it_brings_a_penalty_of_its_own_times_its_weight():
    # 0.1 + 2 · 0.1 of the squared lengths, by the one option or the other.
    found = []
    for decay, beside in ((0.1, 0.1), (0.3, 0.0), (0.1, 0.0)):
        model = new_model()
        options = replace(OPTIONS, epochs=1, softmax=2.0, weight_decay=decay, softmax_decay=beside)
        fit(model, planted_data(), options, progress=False)
        found.append(model.item.detach())
    torch.testing.assert_close(found[0], found[1], rtol=1e-3, atol=1e-4)
    assert float((found[0] - found[2]).abs().max()) > 1e-2


@pytest.mark.parametrize("key", ["softmax", "softmax_items", "softmax_decay"])
def test_options_out_of_range(key):
    with pytest.raises(Exception, match=f"TrainOptions.{key} must be at least"):
        TrainOptions(**{key: -1})

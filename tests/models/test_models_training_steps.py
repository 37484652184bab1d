"""A training step, which reads its rows by kernels, beside the same step by plain operations."""

import pytest
import torch

from magus_pyg.models import (
    DIN,
    FM,
    GRU,
    LSTM,
    PNN,
    DeepFM,
    DeepFMOptions,
    DINOptions,
    FMOptions,
    GRUOptions,
    LSTMOptions,
    MMoE,
    MMoEOptions,
    PNNOptions,
)
from magus_pyg.models.fields import FieldRecommender
from magus_pyg.models.kernels.embedding_tables import choose_sparse
from magus_pyg.testing import small_features
from magus_pyg.testing.small_log import TRAIN, interactions
from magus_pyg.training.loader import whole_batch

MODELS = [
    FMOptions(dim=4, dropout=0.0),
    FMOptions(dim=4, dropout=0.4),
    DeepFMOptions(dim=4, hidden=[5]),
    PNNOptions(dim=4, hidden=[5, 3]),
    PNNOptions(dim=4, hidden=[5, 3], product="outer"),
    MMoEOptions(dim=4),
    DINOptions(dim=4, history=3, attention=[3], layers=[4]),
    GRUOptions(dim=4, hidden=3, history=3),
    LSTMOptions(dim=4, hidden=3, history=3),
]


@pytest.mark.parametrize("options", MODELS, ids=lambda options: options.name)
@pytest.mark.parametrize("sparse", [-1, 1 << 40])
@pytest.mark.parametrize("repeat", [1, 3])
def test_a_step_is_that_of_plain_operations(options, sparse, repeat, monkeypatch):
    """Loss, penalty and gradients, dropout included: the same random numbers go to the same entries."""
    classes = {"fm": FM, "deepfm": DeepFM, "pnn": PNN, "mmoe": MMoE, "din": DIN, "gru": GRU, "lstm": LSTM}
    rows = interactions(TRAIN)
    kind, features = classes[options.name], small_features()
    model = kind(options, features) if options.name in ("fm", "deepfm", "pnn") else kind(options, features, rows)
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator))
    model.observe(rows)
    model.item_known[2] = 0
    choose_sparse(model, sparse)
    batch = whole_batch(rows)
    batch = type(batch)(*(column.repeat(repeat) for column in batch))
    found = []
    for plain in (False, True):
        monkeypatch.setattr(FieldRecommender, "_in_step", property(lambda self, plain=plain: not plain))
        model.train().zero_grad()
        torch.manual_seed(7)
        logits, penalty, further = model.training_terms(batch)
        (logits.square().sum() + 0.3 * penalty + further).backward()
        found.append([logits, penalty, further, *(parameter.grad.to_dense() for parameter in model.parameters())])
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-4)

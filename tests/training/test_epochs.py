import pytest
import torch

from magus_pyg.models import TrainingTerms
from magus_pyg.training.epochs import training_loss


def test_the_loss_of_a_step_holds_a_models_own_and_the_weighted_penalty():
    terms = TrainingTerms(torch.tensor([0.0, 2.0]), torch.tensor(4.0), torch.tensor(0.7))
    loss, entropy = training_loss(terms, torch.tensor([1.0, 0.0]), 0.25)
    cross = (torch.tensor(0.5).log().neg() + torch.tensor(2.0).exp().log1p()) / 2
    assert float(entropy) == pytest.approx(float(cross))
    assert float(loss) == pytest.approx(float(cross) + 0.7 + 0.25 * 4.0)

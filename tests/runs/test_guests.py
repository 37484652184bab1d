"""Scores of guests: a mixture of the users, moved by what a guest likes."""

from pathlib import Path

import pytest
import torch
from torch import Tensor

import magus_pyg as mp
from magus_pyg.runs.guests import Guests


class Table:
    """A recommender of three users and three items, one of whom no training row knows."""

    def __init__(self, logits: list[list[float]], scale: float = 1.0, shift: float = 0.0) -> None:
        self.logits = torch.tensor(logits)
        self.user_known = torch.tensor([1.0, 1.0, 0.0])
        self.calibration = torch.tensor([scale, shift])

    def score(self, users: Tensor, items: Tensor) -> Tensor:
        return self.logits[users][:, items]


def probability(value: float, scale: float, shift: float) -> float:
    return float(torch.sigmoid(torch.tensor(scale * value + shift, dtype=torch.float64)))


@pytest.mark.parametrize(("scale", "shift"), [(1.0, 0.0), (0.5, -1.0)])
def test_by_hand(scale: float, shift: float) -> None:
    logits = [[2.0, -1.0, 0.5], [-2.0, 1.0, 0.5], [9.0, 9.0, 9.0]]
    guests = Guests(Table(logits, scale, shift), 3)  # type: ignore[arg-type]
    p = [[probability(value, scale, shift) for value in row] for row in logits[:2]]
    nothing = torch.zeros(0, dtype=torch.int64)
    for liked, weight in ((nothing, [0.5, 0.5]), (torch.tensor([0]), [p[0][0], p[1][0]])):
        mean = [(weight[0] * p[0][v] + weight[1] * p[1][v]) / sum(weight) for v in range(3)]
        expected = [(float(torch.logit(torch.tensor(m, dtype=torch.float64))) - shift) / scale for m in mean]
        assert guests.scores(liked).tolist() == pytest.approx(expected, rel=1e-5, abs=1e-6)
        assert guests.varied_scores(torch.cat([liked, liked])).tolist() == guests.varied_scores(liked).tolist()
    assert guests.scores(nothing)[2].item() == pytest.approx(0.5, rel=1e-5)  # where users agree, their score


def test_scores_that_say_nothing() -> None:
    guests = Guests(Table([[2.0, -1.0, 0.5], [-2.0, 1.0, 0.5], [9.0, 9.0, 9.0]], 0.0, 0.3), 3)  # type: ignore[arg-type]
    assert guests.scores(torch.tensor([0])).tolist() == [0.0, 0.0, 0.5]


def test_the_best_items_are_varied() -> None:
    """Two users like items 0 and 1, a third items 2 and 3 a little less: the first list holds both kinds."""
    crowd, other = [2.0, 1.9, -3.0, -3.0, -9.0], [-3.0, -3.0, 1.8, 1.7, -9.0]
    table = Table([crowd, crowd, [9.0] * 5])
    table.user_known = torch.tensor([1.0, 1.0, 1.0])
    table.logits = torch.tensor([crowd, crowd, other])
    guests = Guests(table, 5)  # type: ignore[arg-type]
    nothing = torch.zeros(0, dtype=torch.int64)
    plain, varied = guests.scores(nothing), guests.varied_scores(nothing)
    assert plain.argsort(descending=True).tolist() == [0, 1, 2, 3, 4]
    assert varied.argsort(descending=True).tolist() == [0, 2, 1, 3, 4]
    assert varied.sort().values.tolist() == plain.sort().values.tolist()
    # After two refusals by hand: the weights 1/3 become (1 - p_u0)(1 - p_u2).
    p = [[probability(value, 1.0, 0.0) for value in row] for row in (crowd, crowd, other)]
    weight = [(1 - row[0]) * (1 - row[2]) for row in p]
    fit = [sum(w * row[v] for w, row in zip(weight, p, strict=True)) for v in (1, 3)]
    assert fit[0] > fit[1]
    moved = guests.varied_scores(torch.tensor([3]))
    assert moved.argsort(descending=True).tolist()[:2] == [2, 3]
    assert Guests(Table([[1.0], [2.0], [0.0]]), 1).varied_scores(nothing).numel() == 1  # type: ignore[arg-type]


def test_guests_of_a_run(tiny_run: Path) -> None:
    run = mp.load_run(tiny_run)
    plain = run.scores()
    assert plain.shape == (run.graph.n_items,)
    assert plain.dtype == torch.float64
    assert bool(torch.isfinite(plain).all())
    item = run.graph.vocabulary.item_ids[3]
    moved = run.scores(liked=[item])
    assert moved[3] > plain[3]
    session = mp.MagusSession.from_run(run, None, liked=[item], variant="bayes", rounds=2, list_length=4)
    assert (session.variant, session.rounds, len(session.recommend())) == ("bayes", 2, 4)
    catalogue = mp.Catalogue.from_run(tiny_run, variant="bayes")
    same = catalogue.session(moved, rounds=2, list_length=4)
    assert [entry.node for entry in same.recommend()] == [entry.node for entry in session.recommend()]
    assert mp.Catalogue.from_run(run).variant == run.variant

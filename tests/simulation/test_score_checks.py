"""The one check of base scores, alone and wherever scores are given."""

import pytest
import torch
from catalogues import APPLE_FIELDS, apple_table

import magus_pyg as mp
from magus_pyg.errors import ModelError
from magus_pyg.simulation.prepare import score_candidates
from magus_pyg.simulation.score_checks import checked_scores

WRONG = [
    (torch.tensor([1.0, float("nan"), 0.0], dtype=torch.float64), "is nan: scores must be finite"),
    (torch.tensor([1.0, -float("inf"), 0.0]), "is -inf: scores must be finite"),
    (torch.tensor([1.0, 2.0, 3.0], dtype=torch.complex64), "scores must be real numbers, got torch.complex64"),
    (torch.tensor([1e308, -1e308, 0.0], dtype=torch.float64), "scores from -1e\\+308 to 1e\\+308 are further apart"),
]


@pytest.mark.parametrize(("scores", "message"), WRONG)
def test_every_door_has_the_check(scores: torch.Tensor, message: str) -> None:
    graph = mp.build_relational_graph(apple_table(), APPLE_FIELDS)
    user, items = torch.zeros(1, dtype=torch.int64), torch.tensor([[0, 1, 2]])
    doors = [
        lambda: checked_scores(scores, lambda at: f"score {at}"),
        lambda: score_candidates(scores.unsqueeze(0), user, items),
        lambda: mp.MagusSession(graph, scores),
        lambda: mp.Catalogue(graph).start(scores),
        lambda: mp.Catalogue(graph, "bayes").session(scores, candidates=["A", "B", "C"]),
    ]
    for door in doors:
        with pytest.raises(ModelError, match=message):
            door()


def test_what_is_good_is_in_double_precision() -> None:
    for given in (torch.tensor([1, 2]), torch.tensor([True, False]), torch.tensor([0.5, -2.0], requires_grad=True)):
        found = checked_scores(given, str)
        assert (found.dtype, found.requires_grad) == (torch.float64, False)
        assert found.tolist() == given.tolist()
    assert checked_scores(torch.zeros(2, 0), str).shape == (2, 0)


def test_sessions_are_looked_at_apart_and_pads_not_at_all() -> None:
    """Two sessions may lie further apart than numbers go; each for itself does not."""
    scores = torch.tensor([[1e308, 9e307], [-1e308, float("nan")]], dtype=torch.float64)
    present = torch.tensor([[True, True], [True, False]])
    assert checked_scores(scores, str, present).tolist() == [[1e308, 9e307], [-1e308, 0.0]]
    with pytest.raises(ModelError, match="place 1, 1 is nan"):
        checked_scores(scores, lambda row, column: f"place {row}, {column}")

import itertools
import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torchmetrics.functional.retrieval import retrieval_normalized_dcg, retrieval_recall, retrieval_reciprocal_rank

from magus_pyg.errors import ModelError
from magus_pyg.models import ranking_metrics as module
from magus_pyg.models.ranking_metrics import ranking_metrics

NONE = float("-inf")


def judged(scores, relevant, k):
    """(recall, NDCG, reciprocal rank) of one ranking."""
    found = ranking_metrics(torch.tensor([scores]), torch.zeros(len(relevant), dtype=torch.int64), relevant, k)
    return [float(metric) for metric in found]


def test_worked_by_hand():
    # Ranks: item 2 first, item 0 second, item 3 third, item 1 fourth; item 4 is no candidate.
    scores, relevant = [0.5, 0.1, 0.9, 0.2, NONE], torch.tensor([1, 0])
    ideal = 1 + 1 / math.log2(3)
    assert judged(scores, relevant, 3) == pytest.approx([0.5, (1 / math.log2(3)) / ideal, 0.5])
    assert judged(scores, relevant, 4) == pytest.approx([1, (1 / math.log2(3) + 1 / math.log2(5)) / ideal, 0.5])
    assert judged(scores, relevant, 1) == pytest.approx([0, 0, 0.5])  # an ideal head of 1 holds one of the two
    assert judged(scores, torch.tensor([2]), 1) == pytest.approx([1, 1, 1])
    assert judged(scores, relevant, 100) == judged(scores, relevant, 5)  # a head longer than the catalogue


def test_ties_worked_by_hand():
    # One relevant item among three of equal score below one item: ranks 2, 3, 4, each with 1/3.
    scores, relevant = [0.9, 0.5, 0.5, 0.5], torch.tensor([2])
    assert judged(scores, relevant, 2) == pytest.approx([1 / 3, (1 / math.log2(3)) / 3, (1 / 2 + 1 / 3 + 1 / 4) / 3])
    # All scores are equal: two of three are relevant, the first of them stands at rank 1 with 2/3, else at rank 2.
    assert judged([0.0] * 3, torch.tensor([0, 1]), 1) == pytest.approx([1 / 3, 2 / 3, 2 / 3 + 1 / 3 / 2])


@given(st.lists(st.integers(0, 3), min_size=1, max_size=6), st.data())
def test_ties_are_the_mean_over_all_orders(levels, data):
    relevant = torch.tensor(sorted(data.draw(st.sets(st.sampled_from(range(len(levels))), min_size=1))))
    k = data.draw(st.integers(1, len(levels) + 1))
    target = torch.zeros(len(levels), dtype=torch.bool).index_fill_(0, relevant, True)
    values = []
    for order in itertools.permutations(range(len(levels))):
        # A small part of its own for each item breaks the ties in one of the orders.
        scores = 1 + torch.tensor(levels, dtype=torch.float64) + torch.tensor(order) / 100
        values.append(
            [
                float(retrieval_recall(scores, target, min(k, len(levels)))),
                float(retrieval_normalized_dcg(scores, target, min(k, len(levels)))),
                float(retrieval_reciprocal_rank(scores, target)),
            ]
        )
    assert judged([float(level) for level in levels], relevant, k) == pytest.approx(
        torch.tensor(values, dtype=torch.float64).mean(0).tolist(), abs=1e-6
    )


def test_rankings_side_by_side_and_in_blocks(monkeypatch):
    scores = torch.randint(0, 5, (7, 30), generator=torch.Generator().manual_seed(0)).to(torch.float32)
    scores[2, ::3] = NONE
    row, item = ((scores > 1) & (torch.arange(30) % 4 == 1)).nonzero().T
    found = ranking_metrics(scores, row, item, 5)
    for number in range(7):
        own = judged(scores[number].tolist(), item[row == number], 5)
        assert [float(metric[number]) for metric in found] == pytest.approx(own, abs=1e-12)
    mixed = torch.randperm(len(row), generator=torch.Generator().manual_seed(1))
    monkeypatch.setattr(module, "_COMPARISONS", 60)
    for metric, again in zip(found, ranking_metrics(scores, row[mixed], item[mixed], 5), strict=True):
        assert torch.allclose(metric, again, atol=1e-12)


def test_no_ranking():
    empty = torch.zeros(0, dtype=torch.int64)
    assert [metric.tolist() for metric in ranking_metrics(torch.zeros(0, 3), empty, empty)] == [[], [], []]


def test_what_cannot_be_judged():
    with pytest.raises(ModelError, match="a score above -inf"):
        judged([0.5, NONE], torch.tensor([1]), 2)
    with pytest.raises(ModelError, match="needs a relevant item"):
        ranking_metrics(torch.zeros(2, 3), torch.tensor([1]), torch.tensor([0]))
    with pytest.raises(ModelError, match="a score above -inf"):
        judged([0.5, float("nan")], torch.tensor([1]), 2)

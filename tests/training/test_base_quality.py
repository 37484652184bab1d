from dataclasses import asdict, replace
from itertools import combinations

import pytest
import torch
from sklearn.metrics import log_loss as sklearn_log_loss
from sklearn.metrics import roc_auc_score
from small_data import make_dataset

from magus_pyg.errors import DataError
from magus_pyg.models import GRUOptions, build_model
from magus_pyg.models.adapters import PairScorer
from magus_pyg.models.calibration import calibration_error
from magus_pyg.runs import load_run
from magus_pyg.runs.data_loading import load_data
from magus_pyg.training import base_quality
from magus_pyg.training.base_quality import full_ranking, judge, labelled_scores


def log():
    """Three users, five items. User 0 likes 3 again and 4 anew in the test part, user 1 dislikes 0, user 2 likes 1."""
    rows = [
        (0, 0, 1, 0), (0, 3, 1, 1), (0, 1, 0, 2), (0, 3, 1, 3), (0, 4, 1, 4),
        (1, 2, 1, 0), (1, 3, 1, 1), (1, 0, 0, 2),
        (2, 4, 1, 0), (2, 0, 1, 1), (2, 1, 1, 2),
    ]  # fmt: skip
    return make_dataset(rows, 3, 5, part=[0, 0, 1, 2, 2, 0, 1, 2, 0, 1, 2])


def falling():
    """Item 0 is the best for all, item 4 the worst."""
    return PairScorer(lambda user, item: -item.to(torch.float32), 3, 5)


def test_each_user_ranks_what_was_not_touched_before():
    found = full_ranking(falling(), log(), "test", k=1)
    # User 0 ranks 2, 4: the positive 3 was touched before. User 1 has no positive. User 2 ranks 1, 2, 3.
    assert [metric.tolist() for metric in found] == [[0, 1], [0, 1], [0.5, 1]]
    # In validation users rank what is not in training: user 1 the items 0, 1, 3, 4, user 2 the items 0 to 3.
    found = full_ranking(falling(), log(), "validation", k=3)
    assert [metric.tolist() for metric in found] == [[1, 1], [pytest.approx(0.5), 1], [pytest.approx(1 / 3), 1]]


def test_blocks_of_users_and_a_draw_of_them(monkeypatch):
    whole = full_ranking(falling(), log(), "test")
    monkeypatch.setattr(base_quality, "_SCORES", 5)
    for metric, again in zip(whole, full_ranking(falling(), log(), "test"), strict=True):
        assert torch.equal(metric, again)
    drawn = [full_ranking(falling(), log(), "test", seed=seed, most=9).reciprocal_rank.tolist() for seed in range(20)]
    assert {tuple(found) for found in drawn} == {(0.5,), (1.0,)}
    assert drawn[3] == full_ranking(falling(), log(), "test", seed=3, most=5).reciprocal_rank.tolist()


def test_a_part_without_positives_and_an_unknown_part():
    data = make_dataset([(0, 0, 1, 0), (0, 1, 0, 1)], 1, 3, part=[0, 2])
    assert [len(metric) for metric in full_ranking(falling(), data, "test")] == [0, 0, 0]
    with pytest.raises(DataError, match="unknown part 'rest'"):
        full_ranking(falling(), data, "rest")


def test_rows_with_sampled_items_that_no_part_holds():
    scores, label = labelled_scores(falling(), log(), "test", 1)
    rows = sorted(zip((-scores).to(torch.int64).tolist(), label.tolist(), strict=True))
    # Untouched in all parts: 2 for user 0; 2 or 3 for user 2. The negative row has none.
    assert [row for row in rows if row[0] not in (2, 3)] == [(0, 0), (1, 1), (4, 1)]
    assert len(rows) == 7
    assert [row[1] for row in rows if row[0] == 2][:2] == [0, 0]
    assert labelled_scores(falling(), log(), "test", 0)[1].tolist() == [1, 1, 0, 1]


def test_a_draw_of_the_rows_of_a_long_part():
    drawn = [labelled_scores(falling(), log(), "test", 0, seed, most=2) for seed in range(40)]
    rows = {tuple(zip((-scores).to(torch.int64).tolist(), label.tolist(), strict=True)) for scores, label in drawn}
    # The test part in its order: 3 and 4, liked by user 0, 0, disliked by user 1, 1, liked by user 2.
    assert rows == set(combinations([(3, 1), (4, 1), (0, 0), (1, 1)], 2))
    again = labelled_scores(falling(), log(), "test", 0, 7, most=2)
    assert all(torch.equal(one, other) for one, other in zip(drawn[7], again, strict=True))


def test_the_negatives_of_validation_do_not_look_at_the_test():
    """Item 1 alone is not touched before the test, where the user likes it."""
    data = make_dataset([(0, item, 1, item) for item in (0, 2, 3, 4)] + [(0, 1, 1, 9)], 1, 5, part=[0, 0, 0, 1, 2])
    scores, label = labelled_scores(falling(), data, "validation", 1)
    assert sorted(zip((-scores).tolist(), label.tolist(), strict=True)) == [(1, 0), (4, 1)]


def test_a_history_goes_up_to_the_part_that_is_judged(tiny_run):
    run = load_run(tiny_run)
    data, rows = load_data(run.config), run.population.training_data(run.config.train)
    model = build_model(GRUOptions(dim=4, hidden=4, init_std=0.5), run.model.features, None, rows.train)
    for part, read in (("validation", rows.train), ("test", rows.train.joined(rows.validation))):
        expected = full_ranking(model.with_history(read), data, part).ndcg.mean()
        assert judge(model, data, part).ndcg == float(expected)
    assert judge(model, data, "test").ndcg != float(full_ranking(model, data, "test").ndcg.mean())
    # So do the scores of one person, and those of a run that plays validation sessions.
    played = replace(run, model=model)
    user, items = torch.tensor([3]), torch.arange(data.n_items)
    later = model.with_history(rows.before("test")).score(user, items)[0].to(torch.float64)
    assert torch.equal(played.scores(run.user_ids[3]), later)
    earlier = replace(run.config, simulation=replace(run.config.simulation, part="validation"))
    found = replace(played, config=earlier).scores(run.user_ids[3])
    assert torch.equal(found, model.score(user, items)[0].to(torch.float64))
    assert not torch.equal(found, later)


def test_a_trained_model_and_what_its_run_tells_of_it(tiny_run):
    run = load_run(tiny_run)
    data = load_data(run.config)
    for part in ("validation", "test"):
        found = judge(run.model, data, part, run.config.train, run.config.seed)
        assert asdict(found) == run.info["base"][part]
        users = torch.arange(data.n_users)
        scores, label = labelled_scores(run.model, data, part, run.config.train.negatives, run.config.seed)
        probability = (run.model.calibration[0] * scores + run.model.calibration[1]).sigmoid()
        assert found.auc == pytest.approx(roc_auc_score(label, scores))
        assert found.calibration_error == pytest.approx(calibration_error(probability, label), abs=1e-6)
        assert found.log_loss == pytest.approx(sklearn_log_loss(label, probability.to(torch.float64)), abs=1e-6)
        ranked = full_ranking(run.model, data, part, most=None)
        assert (found.users, found.k) == (len(ranked.ndcg), 20)
        assert 0 < found.users <= len(users)
        assert (found.recall, found.ndcg, found.mrr) == tuple(float(metric.mean()) for metric in ranked)

"""Out-of-fold scores: folds by pair, one model a fold, no model sees what it scores."""

import pytest
import torch
from told_progress import ToldProgress
from torch import Tensor

from magus_pyg.data import RecDataset, SessionOptions, Sessions, SyntheticOptions, build_sessions, load_dataset
from magus_pyg.errors import ConfigError, ModelError
from magus_pyg.graph import build_relational_graph, n_items, node_words
from magus_pyg.models import FMOptions, Interactions, TrainingData, build_model, feature_space
from magus_pyg.models.base import BaseRecommender
from magus_pyg.training import TrainOptions, training_data
from magus_pyg.training.folds import FoldedSessions, fold_data, fold_of, out_of_fold_scores

TRAIN = TrainOptions(epochs=1, batch_size=512, accelerator="cpu")


@pytest.fixture(scope="module")
def data() -> RecDataset:
    return load_dataset(SyntheticOptions(users=50, items=120, brands=8))


def builder(data: RecDataset, seen: list[Interactions]):  # type: ignore[no-untyped-def]
    graph = build_relational_graph(data.items, list(data.word_fields), max_words=1)
    words = node_words(graph).select(torch.arange(n_items(graph)))
    space = feature_space(data, words, len(graph.vocabulary.words))

    def build(rows: Interactions) -> BaseRecommender:
        seen.append(rows)
        return build_model(FMOptions(dim=4), space, seed=3)

    return build


def fold_sessions(data: RecDataset, folds: int) -> list[Sessions]:
    options = SessionOptions(min_interactions=10, candidates=12)
    return [build_sessions(fold_data(data, fold, folds, 7), "validation", options, 7) for fold in range(folds)]


def keys(user: Tensor, item: Tensor) -> set[tuple[int, int]]:
    return set(zip(user.tolist(), item.tolist(), strict=True))


def test_a_fold_is_a_function_of_the_pair_alone() -> None:
    user, item = torch.arange(60).repeat_interleave(50), torch.arange(50).repeat(60)
    fold = fold_of(user, item, 3, 5)
    order = torch.randperm(3000, generator=torch.Generator().manual_seed(0))
    assert torch.equal(fold_of(user[order], item[order], 3, 5), fold[order])
    counts = torch.bincount(fold, minlength=3)
    assert counts.numel() == 3
    assert int(counts.min()) > 900
    assert not torch.equal(fold_of(user, item, 3, 6), fold)
    with pytest.raises(ConfigError, match=r"at least 2.*got 1"):
        fold_of(user, item, 1, 5)


def test_all_folds_hold_rows_of_each_user_and_item() -> None:
    user, item = torch.arange(60).repeat_interleave(50), torch.arange(50).repeat(60)
    fold = fold_of(user, item, 3, 5).view(60, 50)
    for rows in (fold, fold.T):
        assert all(bool((rows == number).any(1).all()) for number in range(3))


@pytest.mark.parametrize("folds", [2, 3])
def test_no_model_sees_the_rows_of_its_sessions(data: RecDataset, folds: int) -> None:
    seen: list[Interactions] = []
    rows, sessions = training_data(data), fold_sessions(data, folds)
    progress = ToldProgress()
    scored = out_of_fold_scores(builder(data, seen), rows, TRAIN, sessions, 7, progress)
    assert len(scored) == sum(len(own) for own in sessions)
    assert progress.calls == [(number, folds) for number in range(folds + 1)]
    assert sum(len(part) for part in seen) == (folds - 1) * len(rows.train)
    whole = keys(rows.train.user, rows.train.item)
    for number, part in enumerate(seen):
        chosen = scored.take(scored.fold == number)
        present = chosen.sessions.candidates >= 0
        pairs = keys(
            chosen.sessions.user.unsqueeze(1).expand(present.shape)[present], chosen.sessions.candidates[present]
        )
        assert not pairs & keys(part.user, part.item)
        targets = chosen.sessions.targets
        liked = keys(chosen.sessions.user.unsqueeze(1).expand(targets.shape)[targets],
                     chosen.sessions.candidates[targets])  # fmt: skip
        assert liked <= whole  # they are training rows, which the other models are trained on
    assert scored.sessions.id is not None
    assert len(set(scored.sessions.id.tolist())) == len(scored)
    assert bool((scored.scores[scored.sessions.candidates < 0] == 0).all())
    assert bool(torch.isfinite(scored.scores).all())


def test_two_calls_give_the_same_scores_and_folds_differ(data: RecDataset) -> None:
    first, second = (
        out_of_fold_scores(builder(data, []), training_data(data), TRAIN, fold_sessions(data, 2), 7) for _ in range(2)
    )
    assert torch.equal(first.scores, second.scores)
    assert torch.equal(first.sessions.candidates, second.sessions.candidates)


def test_a_leak_is_an_error(data: RecDataset) -> None:
    whole = build_sessions(data, "train", SessionOptions(min_interactions=10, candidates=12), 7)
    with pytest.raises(ModelError, match=r"trained on user \d+ with item \d+, a candidate"):
        out_of_fold_scores(builder(data, []), training_data(data), TRAIN, [whole, whole], 7)


def test_folds_without_sessions_train_nothing(data: RecDataset) -> None:
    seen: list[Interactions] = []
    none = torch.zeros((0, 5), dtype=torch.int64)
    empty = Sessions(none[:, 0], none, none.bool())
    scored = out_of_fold_scores(builder(data, seen), training_data(data), TRAIN, [empty, empty], 7)
    assert not seen
    assert isinstance(scored, FoldedSessions)
    assert len(scored) == 0
    one = fold_sessions(data, 2)[1].take(torch.tensor([0]))
    padded = Sessions(one.user, one.candidates, one.targets, torch.tensor([[5]]), one.id)
    scored = out_of_fold_scores(builder(data, seen), training_data(data), TRAIN, [empty, padded], 7)
    assert len(seen) == 1
    assert scored.fold.tolist() == [1]
    assert scored.sessions.searched is not None


def test_one_fold_is_refused(data: RecDataset) -> None:
    rows = training_data(data)
    with pytest.raises(ConfigError, match="folds must be at least 2"):
        out_of_fold_scores(builder(data, []), TrainingData(rows.train, rows.validation), TRAIN, [], 7)

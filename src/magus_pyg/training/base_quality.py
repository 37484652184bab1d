"""A trained base recommender on rows it was not trained on: full ranking, AUC and calibration."""

from dataclasses import dataclass

import torch
from torch import Tensor

from magus_pyg.data import ItemSets, RecDataset, items_of_users
from magus_pyg.data.dataset import PARTS, part_index
from magus_pyg.engines import Engine, OneProcess
from magus_pyg.models.adapters import part_interactions
from magus_pyg.models.base import BaseRecommender
from magus_pyg.models.binary_metrics import auc, log_loss
from magus_pyg.models.calibration import calibration_error
from magus_pyg.models.ranking_metrics import RankingMetrics, ranking_metrics
from magus_pyg.ragged import Ragged
from magus_pyg.random import hash_keys
from magus_pyg.simulation.protocol import Scorer
from magus_pyg.training.loader import ValidationLoader, resolve_negatives
from magus_pyg.training.train_options import TrainOptions
from magus_pyg.training.training_rows import training_data

__all__ = ["BaseQuality", "full_ranking", "judge", "labelled_scores"]

#: What is judged at most, as judging is not to outlast training where there are a million items: of a full ranking of
#: more scores (user, item) users are drawn, and of a longer part rows.
_MOST_SCORES, _MOST_ROWS = 1 << 24, 1 << 21
_SCORES, _ROWS = 1 << 22, 1 << 16  # at once
_USERS, _LABELLED = 0xBA5E, 0xBA5F  # what a random number is for


@dataclass(frozen=True)
class BaseQuality:
    """How good a base recommender is on a part of the log.

    Attributes:
        part: of the log.
        users: with a positive on an item that they had not touched before, whose rankings are judged.
        k: the length of the head that `recall` and `ndcg` look at.
        recall, ndcg, mrr: means over the users, each ranking all items not touched before; see `ranking_metrics`.
        auc: of the part's rows, or of those that were drawn, with sampled negatives, as in validation.
        log_loss, calibration_error: of their probabilities.
    """

    part: str
    users: int
    k: int
    recall: float
    ndcg: float
    mrr: float
    auc: float
    log_loss: float
    calibration_error: float


def full_ranking(
    model: Scorer,
    data: RecDataset,
    part: str,
    k: int = 20,
    seed: int = 0,
    most: int | None = _MOST_SCORES,
    engine: Engine | None = None,
) -> RankingMetrics:
    """Let a model rank, for each user, every item that the user touched in no earlier part.

    Relevant are the user's positives of the part among them. Users without one are left out.

    Args:
        model: scores them.
        data: the data set.
        part: "train", "validation" or "test".
        k: see `ranking_metrics`.
        seed: of the draw of users.
        most: scores to compute, at most: beyond it as many users as that allows are drawn. None ranks for all users.
        engine: ranks for blocks of users; this process if None.

    Returns:
        The metrics of B users; B may be 0.

    Raises:
        DataError: no such part.
        ModelError: a score that is not finite.
    """
    touched = items_of_users(data, PARTS[: part_index(part)])
    rows = part_interactions(data, part)
    liked = rows.label == 1
    user, item = rows.user[liked], rows.item[liked]
    fresh = ~touched.contains(user, item)
    relevant = _rows(ItemSets.from_pairs(user[fresh], item[fresh], data.n_users, data.n_items))
    users = relevant.lengths.nonzero().squeeze(1)
    fits = len(users) if most is None else max(1, most // data.n_items)
    if len(users) > fits:
        users = users[hash_keys(seed, _USERS, users).argsort(stable=True)[:fits]].sort().values
    empty = torch.zeros(0, dtype=torch.float64)
    found = [RankingMetrics(empty, empty, empty)]
    blocks = torch.split(users, max(1, _SCORES // data.n_items)) if len(users) else ()
    engine = OneProcess() if engine is None else engine
    found += engine.map(_ranked, _Ranking(model, _rows(touched), relevant, data.n_items, k), blocks)
    return RankingMetrics(*(torch.cat(parts) for parts in zip(*found, strict=True)))


@dataclass(frozen=True)
class _Ranking:
    """What users' rankings are made from."""

    model: Scorer
    seen: Ragged
    relevant: Ragged
    n_items: int
    k: int


def _ranked(ranking: _Ranking, users: Tensor) -> RankingMetrics:
    scores = ranking.model.score(users, torch.arange(ranking.n_items))
    scores[ranking.seen.gather(users)] = float("-inf")
    return ranking_metrics(scores, *ranking.relevant.gather(users), ranking.k)


def labelled_scores(
    model: Scorer,
    data: RecDataset,
    part: str,
    negatives: int | str = 1,
    seed: int = 0,
    most: int | None = _MOST_ROWS,
) -> tuple[Tensor, Tensor]:
    """Scores and labels [n] of the rows of a part and of items sampled for its positives, not touched up to its end.

    Args:
        model: scores them.
        data: the data set.
        part: "train", "validation" or "test".
        negatives: `TrainOptions.negatives`.
        seed: of the sampled items, and of the draw of rows.
        most: rows of a longer part that are drawn. None takes all.
    """
    known = items_of_users(data, PARTS[: part_index(part) + 1])
    rows = part_interactions(data, part)
    if most is not None and len(rows) > most:
        rows = rows.take(hash_keys(seed, _LABELLED, torch.arange(len(rows))).argsort(stable=True)[:most].sort().values)
    count = resolve_negatives(negatives, part_interactions(data, "train"))
    loader = ValidationLoader(rows, known, count, seed)
    blocks = [
        model.score(user, item.unsqueeze(1)).squeeze(1)
        for user, item in zip(torch.split(loader.shard.user, _ROWS), torch.split(loader.shard.item, _ROWS), strict=True)
    ]
    return torch.cat(blocks), loader.label


def judge(
    model: BaseRecommender,
    data: RecDataset,
    part: str,
    options: TrainOptions | None = None,
    seed: int = 0,
    engine: Engine | None = None,
) -> BaseQuality:
    """Judge a trained model; nothing is to be chosen by what this says of the test part.

    Args:
        model: trained and calibrated; its histories go up to the beginning of the part.
        data: the data set.
        part: see `BaseQuality`.
        options: how it was trained; `TrainOptions()` where None.
        seed: of the sampled negatives, and of the draws of users and rows.
        engine: see `full_ranking`.
    """
    options = options or TrainOptions()
    model = model.with_history(training_data(data, options).before(part))
    found = full_ranking(model, data, part, seed=seed, engine=engine)
    scores, label = labelled_scores(model, data, part, options.negatives, seed)
    scale, shift = model.calibration.to("cpu", torch.float64)
    logits = scale * scores.to(torch.float64) + shift
    recall, ndcg, mrr = (float(metric.mean()) for metric in found)
    return BaseQuality(
        part, len(found.recall), 20, recall, ndcg, mrr,
        auc(scores, label), log_loss(logits, label), calibration_error(logits.sigmoid(), label),
    )  # fmt: skip


def _rows(sets: ItemSets) -> Ragged:
    return Ragged(sets.ptr, sets.item)

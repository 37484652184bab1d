"""The small log that base recommenders are tested on: eight users, ten items, five words, twenty rows."""

import torch

from magus_pyg.models import FeatureSpace, Interactions, TrainingData
from magus_pyg.ragged import Ragged

# Users 6 and 7 have no training row and equal profiles, items 8 and 9 none and equal words. Item 4 has no words.
ITEM_WORDS = [[0], [0, 1], [1, 2], [2], [], [3, 4], [0, 4], [1], [0, 2], [0, 2]]
USER_PROFILES = [[0], [1], [0, 2], [], [1], [2], [0, 1], [0, 1]]
N_WORDS, N_PROFILES = 5, 3
TRAIN = [
    (0, 0, 1), (0, 1, 1), (0, 3, 0), (1, 2, 1), (1, 3, 1), (1, 0, 0), (2, 4, 1), (2, 5, 0), (3, 6, 1), (3, 7, 0),
    (4, 5, 1), (4, 1, 0), (5, 7, 1), (5, 2, 0),
]  # fmt: skip
VALIDATION = [(0, 6, 1), (0, 5, 0), (1, 7, 1), (1, 6, 0), (6, 0, 1), (2, 8, 0)]
COMBINATIONS = Ragged.from_lists([[0], [1, 2], [], [4, 3, 0]])


def interactions(rows: list[tuple[int, int, int]]) -> Interactions:
    """Rows (user, item, label) as columns."""
    user, item, label = torch.tensor(rows, dtype=torch.int64).view(-1, 3).unbind(1)
    return Interactions(user, item, label)


def small_features() -> FeatureSpace:
    """Eight users, ten items, five words, three profile values."""
    words, profiles = Ragged.from_lists(ITEM_WORDS), Ragged.from_lists(USER_PROFILES)
    return FeatureSpace(len(USER_PROFILES), len(ITEM_WORDS), N_WORDS, N_PROFILES, words, profiles)


def small_data() -> TrainingData:
    """Training and validation rows over `small_features`."""
    return TrainingData(interactions(TRAIN), interactions(VALIDATION), "small")

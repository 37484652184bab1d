"""From a data set to what the base recommenders take, and from foreign recommenders to what the agents take."""

from collections.abc import Callable

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from magus_pyg.data import RecDataset
from magus_pyg.errors import ModelError
from magus_pyg.models.feature_space import FeatureSpace, check_ids
from magus_pyg.models.interactions import Interactions
from magus_pyg.ragged import Ragged

__all__ = [
    "PairScorer",
    "feature_space",
    "part_interactions",
    "profile_values",
]

# Pairs (user, item) scored at once.
_PAIRS = 1 << 18


def part_interactions(data: RecDataset, part: str, users: np.ndarray | None = None) -> Interactions:
    """The rows of a part ("train", "validation" or "test") of a data set; only of the users of the bool mask [U]."""
    rows = data.rows(part)
    if users is not None:
        rows = rows[users[data.user[rows]]]
    user, item, label = (torch.from_numpy(column[rows]) for column in (data.user, data.item, data.label))
    action = None if data.action is None else torch.from_numpy(data.action[rows])
    return Interactions(user, item, label, data.ordered, action, data.actions)


def profile_values(data: RecDataset) -> tuple[list[tuple[str, str]], Ragged]:
    """The values of the profile fields.

    Returns:
        The values as (field, value), ordered by field and then by value, and the ids of each user's values, [U] rows;
        several values of a field are joined by "|", and a missing one ("") is none.
    """
    names: list[tuple[str, str]] = []
    users: list[Tensor] = []
    ids: list[Tensor] = []
    for field in data.profile_fields:
        if field not in data.users.columns:
            known = ", ".join(data.users.columns)
            raise ModelError(f"the profile field {field!r} is no column of the user table; it has {known}")
        texts = pd.Series(data.users[field].to_numpy(), index=range(data.n_users)).astype(str)
        values = texts.str.split("|").explode().str.strip()
        values = values[values != ""]
        codes, found = pd.factorize(values, sort=True)
        users.append(torch.tensor(values.index.to_numpy(), dtype=torch.int64))
        ids.append(torch.tensor(codes, dtype=torch.int64) + len(names))
        names.extend((field, str(value)) for value in found)
    nothing = torch.empty(0, dtype=torch.int64)
    return names, Ragged.from_pairs(torch.cat([nothing, *users]), torch.cat([nothing, *ids]), data.n_users)


def feature_space(data: RecDataset, item_words: Ragged, n_words: int) -> FeatureSpace:
    """The feature space of a data set with its words.

    Args:
        data: the data set.
        item_words: [I] rows of word ids, as in the relational graph (`WordTable.item_words`).
        n_words: number of words.
    """
    names, user_profiles = profile_values(data)
    return FeatureSpace(data.n_users, data.n_items, n_words, len(names), item_words, user_profiles)


class PairScorer:
    """Any function of (user, item) pairs as a scorer of the agents, such as a PyG model used as it is.

    It takes what `BaseRecommender.score` takes, and needs no more than the pairs that are asked for; where all scores
    of all users fit the memory, a matrix [U, I] does as well without any class. Where it is a module, put it into
    evaluation mode first.

    Args:
        pairs: gives the scores, floating [n], of users int64 [n] and items int64 [n]; called without gradients.
        n_users: number of users U.
        n_items: number of items I.
    """

    def __init__(self, pairs: Callable[[Tensor, Tensor], Tensor], n_users: int, n_items: int) -> None:
        self.pairs = pairs
        self.n_users = n_users
        self.n_items = n_items

    def __repr__(self) -> str:
        return f"PairScorer({self.n_users} users, {self.n_items} items)"

    def score(self, users: Tensor, items: Tensor) -> Tensor:
        """Score users against items.

        Args:
            users: int64 [B].
            items: int64 [C], the same items for all users, or [B, C], each user's own; -1 pads.

        Returns:
            float32 [B, C] on the device of `users`; -inf at pads.

        Raises:
            ModelError: an index out of range, or a wrong shape of what is given or of what the function gives.
        """
        check_ids(users, self.n_users, "user")
        check_ids(items, self.n_items, "item", low=-1)
        if users.dim() != 1 or items.dim() not in (1, 2) or (items.dim() == 2 and len(items) != len(users)):
            raise ModelError(
                f"score takes users [B] and items [C] or [B, C] (got {list(users.shape)} and {list(items.shape)})"
            )
        own = items.expand(len(users), -1) if items.dim() == 1 else items
        user, item = users.repeat_interleave(own.shape[1]), own.reshape(-1).clamp(min=0)
        blocks = [torch.empty(0, device=users.device)]
        with torch.no_grad():
            for left, right in zip(torch.split(user, _PAIRS), torch.split(item, _PAIRS), strict=True):
                found = self.pairs(left, right) if len(left) else left.to(torch.float32)
                if tuple(found.shape) != tuple(left.shape) or not found.is_floating_point():
                    raise ModelError(
                        f"the function of pairs must give floating [{len(left)}] for as many pairs "
                        f"(got {found.dtype} {list(found.shape)})"
                    )
                blocks.append(found.to(users.device, torch.float32))
        return torch.cat(blocks).view(own.shape).masked_fill(own < 0, float("-inf"))

"""The users of a synthetic catalogue and what they do, some users at a time.

A user has four favourite categories and in each a favourite maker (brand, else seller); half of the favourites are
those of the user's group, which age and gender tell in part. A row is of a favourite maker, of a favourite category, or
of any category, and the better it fits the likelier it is positive. So taste can be learned from rows, words and
profiles. The rows of a user come in the order of time.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch

from magus_pyg.data.synthetic.shapes import Shape, SyntheticCatalogue, draw, skewed
from magus_pyg.random import integers, uniform

__all__ = ["ActionRows", "ScaleLog"]

# What a random number is for, beside those of the catalogue.
_ACTIVITY, _GROUP, _FAVOURITE, _ANCHOR, _PROFILE, _KIND, _SLOT, _ITEM, _ACTION, _TIME = range(16, 26)
_GROUPS = 16
_SLOTS = 4
_MAKER, _CATEGORY = 0.4, 0.65  # bounds of the kinds of a row: of a favourite maker, of a favourite category, any
_AGES = np.array(["18-24", "25-29", "30-34", "35-39", "40-49", "50+"], dtype=object)
_GENDERS = np.array(["female", "male", ""], dtype=object)
_DAY = 24 * 60 * 60


@dataclass(frozen=True)
class ActionRows:
    """The rows of some users, by user, then by time.

    Attributes:
        user, item: int32 [n].
        action: int8 [n], the place among the actions of the shape.
        time: int64 [n], seconds since 1970.
    """

    user: np.ndarray
    item: np.ndarray
    action: np.ndarray
    time: np.ndarray


class ScaleLog:
    """The log of a catalogue.

    Args:
        shape: sizes.
        catalogue: its items.
        seed: of all numbers.
    """

    def __init__(self, shape: Shape, catalogue: SyntheticCatalogue, seed: int) -> None:
        self.shape, self.catalogue, self.seed = shape, catalogue, seed

    @cached_property
    def ends(self) -> np.ndarray:
        """int64 [U + 1]: the rows of user u are those from `ends[u]` to `ends[u + 1]`; activity is skewed."""
        shape = self.shape
        # Whole numbers: their sums are the same in any order.
        weight = (100 / (0.01 + draw(shape.users, self.seed, _ACTIVITY))).astype(np.int64)
        total = np.concatenate([[0], np.cumsum(weight)])
        free = shape.interactions - shape.users * shape.least
        ends: np.ndarray = np.arange(shape.users + 1) * shape.least + total * free // total[-1]
        return ends

    def chunks(self, rows: int) -> Iterator[range]:
        """The users in ranges with at most about `rows` rows, at least one user each."""
        first = 0
        while first < self.shape.users:
            last = int(np.searchsorted(self.ends, self.ends[first] + rows, side="right")) - 1
            last = min(max(last, first + 1), self.shape.users)
            yield range(first, last)
            first = last

    def rows(self, users: range) -> ActionRows:
        """The rows of some users; the same whichever range a user is asked for in."""
        catalogue, seed = self.catalogue, self.seed
        first, last = int(self.ends[users.start]), int(self.ends[users.stop])
        number = torch.arange(first, last)
        local = np.repeat(np.arange(len(users)), np.diff(self.ends[users.start : users.stop + 1]))
        favourites, anchors = self.favourites(users)
        slot = uniform(seed, _SLOT, number).numpy()
        slot = (slot * slot * _SLOTS).astype(np.int64)  # the first favourite most often
        kind = uniform(seed, _KIND, number).numpy()
        popular = uniform(seed, _ITEM, number).numpy()

        category = favourites[local, slot]
        chance = kind >= _CATEGORY
        # What is left of the kind's number is uniform again.
        any_item = ((kind[chance] - _CATEGORY) / (1 - _CATEGORY) * catalogue.category.size).astype(np.int64)
        category[chance] = catalogue.category[np.minimum(any_item, catalogue.category.size - 1)]
        start = catalogue.category_start[category]
        item = catalogue.by_category[start + skewed(popular, catalogue.category_start[category + 1] - start)]
        maker = kind < _MAKER
        anchor = anchors[local[maker], slot[maker]]
        place = catalogue.maker_start[anchor] + skewed(popular[maker], catalogue.maker_size[anchor])
        item[maker] = catalogue.by_maker[place]

        span = self.shape.days * _DAY
        time = local * span + integers(span, seed, _TIME, number).numpy()
        time.sort()  # by user, then within each
        fit = np.where(maker, 2, np.where(chance, 0, 1))
        return ActionRows(
            user=(local + users.start).astype(np.int32),
            item=item,
            action=self._actions(number, fit),
            time=time % span + int(np.datetime64(self.shape.start, "s").astype(np.int64)),
        )

    def _actions(self, number: torch.Tensor, fit: np.ndarray) -> np.ndarray:
        """int8 [n]: the action of each row, by how well it fits its user's taste (0 to 2)."""
        bounds = np.cumsum(np.array(self.shape.shares), axis=1)[fit]
        drawn = uniform(self.seed, _ACTION, number).numpy()
        # Action k + 1 has the drawn numbers from bound k - 1 to bound k; those above all bounds are action 0.
        above: np.ndarray = (drawn[:, None] >= bounds).sum(axis=1)
        return np.where(above < bounds.shape[1], above + 1, 0).astype(np.int8)

    def favourites(self, users: range) -> tuple[np.ndarray, np.ndarray]:
        """The taste of some users.

        Returns:
            `(categories, anchors)`, int64 [users, 4] each: favourite categories, and in each an item of the favourite
            maker.
        """
        catalogue, seed = self.catalogue, self.seed
        user = torch.arange(users.start, users.stop).unsqueeze(1)
        slot = torch.arange(_SLOTS)
        group = self._group(users).unsqueeze(1)
        shared = uniform(seed, _FAVOURITE, user, slot, 0) < 0.5
        drawn = torch.where(
            shared, uniform(seed, _GROUP, group, slot), uniform(seed, _FAVOURITE, user, slot, 1)
        ).numpy()
        # The category of some item: frequent ones are frequent favourites, and none is empty.
        category = catalogue.category[(drawn * catalogue.category.size).astype(np.int64)].astype(np.int64)
        start = catalogue.category_start[category]
        rank = skewed(uniform(seed, _ANCHOR, user, slot).numpy(), catalogue.category_start[category + 1] - start)
        return category, catalogue.by_category[start + rank].astype(np.int64)

    def _group(self, users: range) -> torch.Tensor:
        return integers(_GROUPS, self.seed, _GROUP, torch.arange(users.start, users.stop), 0, 0)

    def profiles(self, users: range) -> dict[str, np.ndarray]:
        """Age and gender, texts [users], "" where unknown; seven in ten are those of the user's group."""
        group = self._group(users).numpy()
        user = torch.arange(users.start, users.stop)
        table = {}
        for number, (name, values) in enumerate((("age", _AGES), ("gender", _GENDERS))):
            typical = (group if number == 0 else group // len(_AGES)) % (len(values) - number)
            other = integers(len(values), self.seed, _PROFILE, user, number, 0).numpy()
            kept = uniform(self.seed, _PROFILE, user, number, 1).numpy() < 0.7
            table[name] = values[np.where(kept, typical, other)]
        return table

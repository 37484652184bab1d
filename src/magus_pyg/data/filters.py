"""Which users, items and rows the rules of a data set leave (the exclusions of Sec. 4.1, and k-cores)."""

from dataclasses import dataclass

import numpy as np

from magus_pyg.data.dataset_options import LogOptions

__all__ = ["KeptRows", "kept_by_rules"]


@dataclass(frozen=True)
class KeptRows:
    """What stays.

    Attributes:
        users: bool [U].
        items: bool [I].
        rows: bool [n].
    """

    users: np.ndarray
    items: np.ndarray
    rows: np.ndarray

    @property
    def all(self) -> bool:
        """Whether nothing is left out."""
        return bool(self.users.all() and self.items.all())


def kept_by_rules(
    user: np.ndarray, item: np.ndarray, label: np.ndarray, n_users: int, n_items: int, options: LogOptions
) -> KeptRows:
    """Apply `min_user_rows`, `min_item_rows` and `need_positive` until none of them leaves out more.

    Args:
        user: integers [n].
        item: integers [n].
        label: int8 [n], 1 positive.
        n_users: U.
        n_items: I.
        options: the rules.
    """
    users, items = np.ones(n_users, dtype=bool), np.ones(n_items, dtype=bool)
    rows = np.ones(user.size, dtype=bool)
    if not options.min_user_rows and not options.min_item_rows and not options.need_positive:
        return KeptRows(users, items, rows)
    while True:
        before = int(users.sum()) + int(items.sum())
        if options.min_user_rows:
            users &= np.bincount(user[rows], minlength=n_users) >= options.min_user_rows
        if options.need_positive:
            users &= np.bincount(user[rows & (label == 1)], minlength=n_users) > 0
        rows &= users[user]
        if options.min_item_rows:
            items &= np.bincount(item[rows], minlength=n_items) >= options.min_item_rows
            rows &= items[item]
        if int(users.sum()) + int(items.sum()) == before:
            return KeptRows(users, items, rows)

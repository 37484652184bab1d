"""The dialogues of EAR's protocol: a user, the item in mind, and the attribute that is given at the start."""

import logging
from dataclasses import dataclass

import torch
from torch import Tensor

from magus_pyg.data import ItemSets, RecDataset, items_of_users
from magus_pyg.errors import SessionError
from magus_pyg.ragged import Ragged
from magus_pyg.random import integers

__all__ = ["Dialogues", "attribute_matrix", "build_dialogues"]

logger = logging.getLogger(__name__)

_GIVEN = 0x61  # what a random number is for


@dataclass(frozen=True)
class Dialogues:
    """B dialogues on a catalogue of I items with W attributes.

    An attribute is a word, that is the query node of one word; the item in mind (the target) is never shown to agents.

    Attributes:
        user: int64 [B].
        target: int64 [B], the item in mind, in [0, I).
        given: int64 [B], an attribute of the target that is known from the start, in [0, W).
        has: bool [I, W], which item has which attribute.
        known: the items of each user that are no candidates; U sets.
        id: int64 [B], distinct; the random numbers of a dialogue come from it. 0..B-1 if None.
        history: the items of each user that agents draw on (popularity, taste), where these are not all the known
            ones: U sets without any target; `known` if None.

    Raises:
        SessionError: wrong shapes, an index out of range, a target without the given attribute, or a target that is
            among the user's known items or those of the history.
    """

    user: Tensor
    target: Tensor
    given: Tensor
    has: Tensor
    known: ItemSets
    id: Tensor | None = None
    history: ItemSets | None = None

    def __post_init__(self) -> None:
        n = self.user.numel()
        if self.id is None:
            object.__setattr__(self, "id", torch.arange(n))
        for name in ("user", "target", "given", "id"):
            value = getattr(self, name)
            if value.shape != (n,) or value.dtype != torch.int64:
                raise SessionError(f"Dialogues.{name} must be int64 [{n}] (got {value.dtype} {list(value.shape)})")
        if self.has.dim() != 2 or self.has.dtype != torch.bool or self.has.shape[0] != self.known.n_items:
            raise SessionError(
                f"Dialogues.has must be bool [{self.known.n_items}, W] (got {self.has.dtype} {list(self.has.shape)})"
            )
        limits = {"user": len(self.known.sizes), "target": self.has.shape[0], "given": self.has.shape[1]}
        for name, limit in limits.items():
            value = getattr(self, name)
            bad = (value < 0) | (value >= limit)
            if bad.any():
                raise SessionError(f"Dialogues.{name} must be in [0, {limit}) (got {int(value[bad][0])})")
        lacks = ~self.has[self.target, self.given]
        if lacks.any():
            item, word = int(self.target[lacks][0]), int(self.given[lacks][0])
            raise SessionError(f"the target {item} does not have the given attribute {word}")
        there = self.known.contains(self.user, self.target)
        if there.any():
            user, item = int(self.user[there][0]), int(self.target[there][0])
            raise SessionError(
                f"the target {item} is among the known items of user {user}, so it could never be shown: "
                "leave out of `known` what is to be found"
            )
        if self.history is None:
            return
        shape, known = ((len(sets.sizes), sets.n_items) for sets in (self.history, self.known))
        if shape != known:
            raise SessionError(f"Dialogues.history must be of {known[0]} users and {known[1]} items (got {shape})")
        told = self.history.contains(self.user, self.target)
        if told.any():
            user, item = int(self.user[told][0]), int(self.target[told][0])
            raise SessionError(f"the target {item} is in the history of user {user}, which agents see: leave it out")

    def __len__(self) -> int:
        return self.user.numel()

    @property
    def ids(self) -> Tensor:
        """int64 [B], the ids."""
        assert self.id is not None
        return self.id

    @property
    def drawn_on(self) -> ItemSets:
        """The items of each user that agents draw on."""
        return self.known if self.history is None else self.history

    def take(self, index: Tensor) -> "Dialogues":
        """The dialogues at `index` (int64 [K]), with their ids."""
        user, target, given = (column[index] for column in (self.user, self.target, self.given))
        return Dialogues(user, target, given, self.has, self.known, self.ids[index], self.history)


def attribute_matrix(item_words: Ragged, n_words: int) -> Tensor:
    """bool [I, W] from the items' words, [I] rows of word ids below `n_words`."""
    has = torch.zeros((len(item_words), n_words), dtype=torch.bool)
    has[item_words.row, item_words.index.to(torch.int64)] = True
    return has


def build_dialogues(data: RecDataset, item_words: Ragged, n_words: int, part: str, seed: int = 0) -> Dialogues:
    """A dialogue for each positive row of a part of the log.

    The given attribute is drawn uniformly among the target's words from (seed, row), so it is the same for all agents
    and for any subset. Known items are those of the earlier parts: train for "validation", train and validation for
    "test". Rows whose item has no words cannot begin and are left out; their number is logged.

    Args:
        data: the data set.
        item_words: [I] rows of word ids (`WordTable.item_words`).
        n_words: number of words W.
        part: "validation" or "test".
        seed: of the given attributes.

    Raises:
        SessionError: another part, or a row whose item the user knew already.
    """
    earlier = {"validation": ("train",), "test": ("train", "validation")}
    if part not in earlier:
        raise SessionError(f"dialogues are made of the part 'validation' or 'test', got {part!r}")
    row = torch.from_numpy(data.rows(part))
    row = row[torch.from_numpy(data.label)[row] == 1]
    target = torch.from_numpy(data.item)[row]
    count = item_words.lengths[target]
    if bool((count == 0).any()):
        logger.info(
            "%d of %d dialogues have a target without words and are left out", int((count == 0).sum()), len(row)
        )
        row, target, count = row[count > 0], target[count > 0], count[count > 0]
    chosen = integers(count, seed, _GIVEN, row) if len(row) else count
    given = item_words.index[item_words.ptr[target] + chosen].to(torch.int64)
    user = torch.from_numpy(data.user)[row]
    return Dialogues(
        user, target, given, attribute_matrix(item_words, n_words), items_of_users(data, earlier[part]), row
    )


def latest_dialogues(dialogues: Dialogues, per_user: int) -> Dialogues:
    """The last `per_user` dialogues of each user in the order of their ids, which is the order of the log.

    Where a log drifts, these resemble most what comes next.

    Raises:
        SessionError: per_user below 1.
    """
    if per_user < 1:
        raise SessionError(f"per_user must be at least 1, got {per_user}")
    order = torch.argsort(dialogues.ids, stable=True)
    order = order[torch.argsort(dialogues.user[order], stable=True)]
    user = dialogues.user[order]
    end = torch.searchsorted(user, user, right=True)  # where each user's dialogues end
    chosen = order[end - torch.arange(len(user)) <= per_user]
    return dialogues.take(torch.sort(chosen).values)

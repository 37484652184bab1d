"""Making the sessions of a part (reading 18), all at once.

Every random number is a function of (seed, part, user, number of the session, purpose, item or slot). So a session is
the same whichever other users are asked for, in whatever order, on whichever of several machines.
"""

import logging

import torch
from torch import Tensor

from magus_pyg.data.dataset import PARTS, RecDataset, part_index
from magus_pyg.data.itemsets import ItemSets, items_of_users
from magus_pyg.data.sessions import SessionOptions, Sessions
from magus_pyg.errors import DataError
from magus_pyg.memory import require_memory
from magus_pyg.ragged import Ragged
from magus_pyg.random import hash_keys, integers

__all__ = ["build_sessions"]

logger = logging.getLogger(__name__)

_BYTES = 64
"""Of a candidate while sessions are made, about: drawn, joined, sorted and shuffled."""

# Purposes of random numbers: one stream each.
_COUNT, _TARGET, _DISLIKED, _UNTOUCHED, _SHUFFLE = range(5)


def build_sessions(
    data: RecDataset, part: str, options: SessionOptions, seed: int, users: Tensor | None = None
) -> Sessions:
    """Make sessions from a part of the log.

    A user gets sessions with at least `min_interactions` rows in the whole log and, in the part, a positive (for
    "standard", at least `min_targets` of them). Positives are distinct items whose last row in the part is positive;
    disliked ones those whose last row is negative. Standard sessions: targets, then disliked items (at most half the
    list), then items that the user had not touched by the end of the part (reading 32); so a positive that was not
    drawn is never a candidate. Where too few untouched items exist, a session has fewer candidates.

    Args:
        data: the data set.
        part: "train", "validation" or "test".
        options: how sessions are made.
        seed: of all random choices.
        users: int64 [K], the users to make sessions for, in this order; None means all.

    Returns:
        Sessions, user by user, `per_user` each. The id of a session is `user * per_user + number`. The candidates are
        shuffled; pads (-1) stand at the end.

    Raises:
        ConfigError: at options that have no such value.
        DataError: at an unknown part or user.
    """
    options.check()
    which = part_index(part)
    users = torch.arange(data.n_users) if users is None else users.to("cpu", torch.int64)
    if users.numel() and (int(users.min()) < 0 or int(users.max()) >= data.n_users):
        raise DataError(f"users must be in [0, {data.n_users}) (got {int(users.min())} to {int(users.max())})")
    positive, disliked = _last_rows(data, which)
    counts = torch.from_numpy(data.user_ptr).diff()
    needed = options.min_targets if options.kind == "standard" else 1
    eligible = (counts >= options.min_interactions) & (positive.lengths >= needed)
    users = users[eligible[users]]
    size, count = min(options.size(data.n_items), data.n_items), users.numel() * options.per_user
    what = f"{count:,} {part} sessions of {size:,} candidates"
    require_memory(_BYTES * count * size, what, "lower simulation.candidates or sessions.per_user", DataError)
    user = users.repeat_interleave(options.per_user)
    number = torch.arange(options.per_user).repeat(users.numel())
    keys = (seed, which, user, number)
    if options.kind == "paper":
        chosen, targets = _own_items(positive, disliked, user, size, keys)
    else:
        touched = items_of_users(data, PARTS[: which + 1])
        chosen, targets = _standard(positive, disliked, touched, user, options, keys)
    candidates, targets = _shuffle(chosen, targets, keys)
    if options.candidates == "all":  # every item that the user touched in no other way: no session fills the width
        width = int((candidates >= 0).sum(dim=1).max()) if len(user) else 0
        candidates, targets = candidates[:, :width], targets[:, :width]
    short = int(((candidates >= 0).sum(dim=1) < options.size(data.n_items)).sum())
    if short and options.candidates != "all":
        # The user's own items of a part are seldom as many as asked for: with "paper" that is nothing to warn of.
        level = logging.WARNING if options.kind == "standard" else logging.INFO
        logger.log(
            level, "%d of %d %s sessions have fewer than %d candidates", short, len(user), part, options.candidates
        )
    return Sessions(user, candidates, targets, id=user * options.per_user + number)


def _last_rows(data: RecDataset, which: int) -> tuple[Ragged, Ragged]:
    """The distinct items of each user in a part, apart by the label of their last row: positive, disliked; [U] rows."""
    rows = torch.from_numpy(data.part == which).nonzero().squeeze(1)
    user, item = torch.from_numpy(data.user)[rows], torch.from_numpy(data.item)[rows]
    label = torch.from_numpy(data.label)[rows] == 1
    key, inverse = torch.unique(user * data.n_items + item, return_inverse=True)
    last = torch.zeros_like(key).scatter_reduce(0, inverse, torch.arange(rows.numel()), "amax", include_self=False)
    user, item, label = user[last], item[last], label[last]
    return (
        Ragged.from_pairs(user[label], item[label], data.n_users),
        Ragged.from_pairs(user[~label], item[~label], data.n_users),
    )


def _standard(
    positive: Ragged,
    disliked: Ragged,
    touched: ItemSets,
    user: Tensor,
    options: SessionOptions,
    keys: tuple[Tensor | int, ...],
) -> tuple[Tensor, Tensor]:
    """Targets, disliked and untouched items, in this order: candidates [B, C] with pads anywhere, targets [B, C]."""
    size = options.size(touched.n_items)
    # The number of targets is uniform from min_targets to max_targets, then cut to what the user has.
    count = options.min_targets + integers(options.max_targets - options.min_targets + 1, *keys, _COUNT)
    widest = min(size, touched.n_items)
    targets = _draw(positive, user, count, min(options.max_targets, widest), (*keys, _TARGET))
    count = (targets >= 0).sum(dim=1)
    room = (size - count).clamp(max=size // 2)
    refused = _draw(disliked, user, room, min(size // 2, widest), (*keys, _DISLIKED))
    room = size - count - (refused >= 0).sum(dim=1)
    untouched = _draw_untouched(touched, user, room, widest, (*keys, _UNTOUCHED))
    joined = torch.cat([targets, refused, untouched], dim=1)
    is_target = torch.zeros_like(joined, dtype=torch.bool)
    is_target[:, : targets.shape[1]] = targets >= 0
    # Together they are at most `widest` in a row: bring them to the front and cut.
    front = (joined < 0).sort(dim=1, stable=True).indices[:, :widest]
    return joined.gather(1, front), is_target.gather(1, front)


def _own_items(
    positive: Ragged, disliked: Ragged, user: Tensor, size: int, keys: tuple[Tensor | int, ...]
) -> tuple[Tensor, Tensor]:
    """The user's own items of the part, one positive at least (Sec. 4.1): candidates [B, C], targets [B, C]."""
    first = _draw(positive, user, torch.ones_like(user), 1, (*keys, _TARGET))
    row = torch.cat([positive.row, disliked.row])
    item = torch.cat([positive.index, disliked.index])
    liked = torch.cat([torch.ones_like(positive.index), torch.zeros_like(disliked.index)])
    # Positive or not goes through the draw with the item, as its last bit.
    own = Ragged.from_pairs(row, item * 2 + liked, len(positive))
    drawn = _draw(own, user, torch.full_like(user, size), size, (*keys, _DISLIKED), ahead=first[:, 0] * 2 + 1)
    return torch.where(drawn >= 0, drawn >> 1, -1), (drawn >= 0) & (drawn & 1 == 1)


def _draw(
    values: Ragged, user: Tensor, count: Tensor, width: int, keys: tuple[Tensor | int, ...], ahead: Tensor | None = None
) -> Tensor:
    """Draw up to `count` values of each user's row without replacement: int64 [B, width], filled from the left.

    Each value gets random bits and the smallest are taken; the value `ahead` [B] comes before all others.
    """
    result = torch.full((user.numel(), width), -1, dtype=torch.int64)
    position, value = values.gather(user)
    if value.numel() == 0 or width == 0:
        return result
    bits = hash_keys(*(key[position] if isinstance(key, Tensor) else key for key in keys), value)
    if ahead is not None:
        bits = torch.where(value == ahead[position], torch.iinfo(torch.int64).min, bits)
    order = bits.argsort(stable=True)
    order = order[position[order].argsort(stable=True)]
    lengths = values.lengths[user]
    rank = torch.arange(value.numel()) - (lengths.cumsum(0) - lengths)[position]
    kept = rank < count.clamp(max=width)[position]
    result[position[kept], rank[kept]] = value[order][kept]
    return result


def _draw_untouched(
    touched: ItemSets, user: Tensor, count: Tensor, width: int, keys: tuple[Tensor | int, ...]
) -> Tensor:
    """Draw `count` items outside each user's set without replacement, all of them where there are no more: [B, width].

    Slots hold independent ranks of items outside; a session takes the first `count` distinct ones. That needs more
    slots for a few sessions, which are drawn again with twice as many: earlier slots keep their values.
    """
    result = torch.full((user.numel(), width), -1, dtype=torch.int64)
    if width == 0 or user.numel() == 0:
        return result
    free = touched.n_outside[user]
    column = torch.arange(width)
    every = free <= count
    rank = torch.where(every[:, None] & (column < free[:, None]), column, -1)
    active = (~every & (count > 0)).nonzero().squeeze(1)
    slots = width + 8
    while active.numel():
        # In bounded blocks, since the number of slots grows where few items are left outside.
        unfinished = []
        for block in torch.split(active, max(1, 4_000_000 // slots)):
            block_keys = (key[block, None] if isinstance(key, Tensor) else key for key in keys)
            drawn = integers(free[block, None], *block_keys, torch.arange(slots))
            order = drawn.sort(dim=1, stable=True)
            again = torch.zeros_like(drawn, dtype=torch.bool)
            again.scatter_(1, order.indices[:, 1:], order.values[:, 1:] == order.values[:, :-1])
            distinct = (~again).cumsum(dim=1)
            done = distinct[:, -1] >= count[block]
            kept = ~again & (distinct <= count[block, None]) & done[:, None]
            row, slot = kept.nonzero(as_tuple=True)
            rank[block[row], distinct[row, slot] - 1] = drawn[row, slot]
            unfinished.append(block[~done])
        active = torch.cat(unfinished)
        slots *= 2
    row, slot = (rank >= 0).nonzero(as_tuple=True)
    result[row, slot] = touched.outside(user[row], rank[row, slot])
    return result


def _shuffle(candidates: Tensor, targets: Tensor, keys: tuple[Tensor | int, ...]) -> tuple[Tensor, Tensor]:
    """Shuffle each row, pads to the end."""
    bits = hash_keys(*(key[:, None] if isinstance(key, Tensor) else key for key in keys), _SHUFFLE, candidates)
    bits = torch.where(candidates >= 0, bits >> 1, torch.iinfo(torch.int64).max)
    order = bits.argsort(dim=1, stable=True)
    return candidates.gather(1, order), targets.gather(1, order)

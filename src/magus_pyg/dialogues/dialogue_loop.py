"""The loop of EAR's protocol and its record table (Lei et al. 2020, "Estimation-Action-Reflection", WSDM)."""

from collections.abc import Iterator

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from magus_pyg.dialogues.dialogue_protocol import Action, DialogueAgent, DialogueView, Reply
from magus_pyg.dialogues.dialogue_set import Dialogues
from magus_pyg.dialogues.dialogue_taste import known_items
from magus_pyg.errors import SessionError
from magus_pyg.options import between, check_value
from magus_pyg.random import hash_keys, uniform
from magus_pyg.simulation import Scorer
from magus_pyg.simulation.score_checks import checked_scores

__all__ = ["DIALOGUE_COLUMNS", "dialogue_views", "play_dialogues"]

DIALOGUE_COLUMNS = (
    "dialogue", "user", "agent", "horizon", "turn", "asked", "yes", "shown", "position", "success", "done",
)  # fmt: skip

_FLIP = 0x62  # what a random number is for


def play_dialogues(
    agent: DialogueAgent,
    dialogues: Dialogues,
    scorer: Scorer | Tensor,
    turns: int = 15,
    list_length: int = 10,
    noise: float = 0.0,
    seed: int = 0,
    batch_size: int = 256,
) -> pd.DataFrame:
    """Play dialogues: each turn asks about one attribute or shows items, until the target is shown or turns are over.

    The user says Yes to an attribute exactly if the target has it; with noise the answer flips. The given attribute
    and what the user says to shown items are always true. Everything random comes from (seed, dialogue id, turn), so
    results do not depend on which dialogues are played together.

    Args:
        agent: asks and shows; it never sees targets.
        dialogues: B dialogues.
        scorer: a base recommender, or a matrix of scores [U, I].
        turns: the most turns of a dialogue.
        list_length: items shown in a turn.
        noise: probability that an answer about an attribute flips, in [0, 0.5).
        seed: of the noise and of what agents draw.
        batch_size: dialogues played at once; they share the given attribute.

    Returns:
        A row a (dialogue, turn) that was played, sorted by dialogue as given, then turn: `dialogue` (its id), `user`,
        `agent`, `horizon` (= turns), `turn` (from 1), `asked` (attribute, -1 where items were shown), `yes` (the
        answer), `shown` (list of items), `position` of the target among them (from 1, 0 for none), `success`, `done`.

    Raises:
        ConfigError: noise outside [0, 0.5).
        SessionError: turns, list_length or batch_size below 1, or an agent that asks twice, shows an item twice or one
            that is no candidate, or does both or more than it may.
        ModelError: as of `checked_scores`.
    """
    for name, number in (("turns", turns), ("list_length", list_length), ("batch_size", batch_size)):
        if number < 1:
            raise SessionError(f"{name} must be at least 1, got {number}")
    check_value("noise", noise, between(0, 0.5, "[)", ": from 0.5 on a Yes says nothing or means No"))
    tables = [
        _play_batch(agent, dialogues, index, view, noise)
        for index, view in dialogue_views(dialogues, scorer, turns, list_length, seed, batch_size)
    ]
    if not tables:
        return pd.DataFrame({column: [] for column in ("place", *DIALOGUE_COLUMNS)})[list(DIALOGUE_COLUMNS)]
    log = pd.concat(tables, ignore_index=True).sort_values(["place", "turn"], kind="stable", ignore_index=True)
    return log[list(DIALOGUE_COLUMNS)]


def dialogue_views(
    dialogues: Dialogues,
    scorer: Scorer | Tensor,
    turns: int = 15,
    list_length: int = 10,
    seed: int = 0,
    batch_size: int = 256,
) -> Iterator[tuple[Tensor, DialogueView]]:
    """Batches of dialogues that share the given attribute, as (int64 [b] places in `dialogues`, their view)."""
    _, group = torch.unique(dialogues.has, dim=0, return_inverse=True)
    history = dialogues.drawn_on
    popularity = torch.bincount(history.item, minlength=len(dialogues.has))
    key = hash_keys(seed, dialogues.ids)
    for word in torch.unique(dialogues.given).tolist():
        items = torch.nonzero(dialogues.has[:, word]).flatten()
        _, own_group = torch.unique(group[items], return_inverse=True)
        places = torch.nonzero(dialogues.given == word).flatten()
        for index in torch.split(places, batch_size):
            user = dialogues.user[index]
            scores = _scores(scorer, user, items)
            allowed = ~dialogues.known.contains(
                user.repeat_interleave(len(items)), items.repeat(len(index))
            ).view(len(index), len(items))  # fmt: skip
            yield (
                index,
                DialogueView(
                    word,
                    items,
                    dialogues.has[items],
                    own_group,
                    allowed,
                    scores,
                    popularity[items],
                    known_items(user, history, dialogues.has, popularity),
                    turns,
                    list_length,
                    key[index],
                ),
            )


def _scores(scorer: Scorer | Tensor, user: Tensor, items: Tensor) -> Tensor:
    def called(row: int, column: int) -> str:
        return f"the score of user {int(user[row])} for item {int(items[column])}"

    return checked_scores(scorer[user][:, items] if isinstance(scorer, Tensor) else scorer.score(user, items), called)


def _play_batch(
    agent: DialogueAgent, dialogues: Dialogues, index: Tensor, view: DialogueView, noise: float
) -> pd.DataFrame:
    play = agent.start(view)
    column = torch.searchsorted(view.items, dialogues.target[index])
    running = torch.arange(len(index))
    asked_before = torch.zeros((len(index), view.has.shape[1]), dtype=torch.bool)
    asked_before[:, view.given] = True
    left = view.allowed.clone()
    tables = []
    for turn in range(1, view.turns + 1):
        action = play.act(turn)
        _check(agent.name, action, view, asked_before[running], left[running])
        target = column[running]
        asks = action.ask >= 0
        asked_before[running[asks], action.ask[asks]] = True
        flips = uniform(view.key[running], _FLIP, turn) < noise
        yes = asks & (view.has[target, action.ask.clamp(min=0)] ^ flips)
        hits = action.show == target.unsqueeze(1)
        success = hits.any(1)
        row, slot = torch.nonzero(action.show >= 0, as_tuple=True)
        left[running[row], action.show[row, slot]] = False
        tables.append(_records(agent.name, dialogues, index[running], view, turn, action, yes, hits))
        play.update(Reply(action.ask, action.show, yes))
        rest = torch.nonzero(~success).flatten()
        running = running[rest]
        if not len(running):
            break
        play.keep(rest)
    return pd.concat(tables, ignore_index=True)


def _records(
    name: str,
    dialogues: Dialogues,
    place: Tensor,
    view: DialogueView,
    turn: int,
    action: Action,
    yes: Tensor,
    hits: Tensor,
) -> pd.DataFrame:
    """The rows of one turn."""
    success = hits.any(1).numpy()
    shown = view.items[action.show.clamp(min=0)].numpy() if len(view.items) else action.show.numpy()
    lists = [row[:size] for row, size in zip(shown.tolist(), (action.show >= 0).sum(1).tolist(), strict=True)]
    position = np.where(success, hits.to(torch.int64).argmax(1).numpy() + 1, 0)
    return pd.DataFrame(
        {
            "place": place.numpy(),
            "dialogue": dialogues.ids[place].numpy(),
            "user": dialogues.user[place].numpy(),
            "agent": name,
            "horizon": view.turns,
            "turn": turn,
            "asked": action.ask.numpy(),
            "yes": yes.numpy(),
            "shown": lists,
            "position": position,
            "success": success,
            "done": success | (turn == view.turns),
        }
    )


def _check(name: str, action: Action, view: DialogueView, asked: Tensor, left: Tensor) -> None:
    """Raise SessionError where an action is against the rules."""
    n, (n_items, n_words) = len(asked), view.has.shape
    if action.ask.shape != (n,) or action.show.shape != (n, view.list_length):
        got = f"{list(action.ask.shape)} and {list(action.show.shape)}"
        raise SessionError(f"agent {name!r} acted in shapes {got}, expected {[n]} and {[n, view.list_length]}")
    asks, shows = action.ask >= 0, action.show >= 0
    if bool((action.ask >= n_words).any()) or bool((action.show >= n_items).any()):
        raise SessionError(f"agent {name!r} asked or showed what is not there ({n_words} attributes, {n_items} items)")
    if bool((asks & shows.any(1)).any()):
        raise SessionError(f"agent {name!r} asked and showed items in the same turn")
    if bool((asks & asked.gather(1, action.ask.clamp(min=0).unsqueeze(1)).squeeze(1)).any()):
        raise SessionError(f"agent {name!r} asked an attribute that was asked or given before")
    row, slot = torch.nonzero(shows, as_tuple=True)
    cell = row * max(n_items, 1) + action.show[row, slot]
    if not bool(left[row, action.show[row, slot]].all()) or len(torch.unique(cell)) < len(cell):
        raise SessionError(f"agent {name!r} showed an item that the user knows, or twice")

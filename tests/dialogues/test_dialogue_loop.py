"""Dialogues and the loop: by hand, from a data set, and against agents that break the rules."""

import pandas as pd
import pytest
import torch
from small_catalogue import HAS, dialogues
from torch import Tensor

from magus_pyg.data import ItemSets, SyntheticOptions, load_dataset
from magus_pyg.dialogues import (
    DIALOGUE_COLUMNS,
    Action,
    DialogueItemsAgent,
    Dialogues,
    DialogueView,
    Reply,
    attribute_matrix,
    build_dialogues,
    dialogue_views,
    latest_dialogues,
    play_dialogues,
    summarize_dialogues,
)
from magus_pyg.errors import ConfigError, ModelError, SessionError
from magus_pyg.graph import build_word_table
from magus_pyg.ragged import Ragged

SCORES = torch.tensor([[5.0, 4.0, 3.0, 2.0, 1.0, 0.0]])


class Script:
    """An agent that acts as it is told; `answers` are what it was told back."""

    name = "script"

    def __init__(self, *actions: "int | list[int]") -> None:
        self.actions = actions
        self.answers: list[bool] = []

    def start(self, view: DialogueView) -> "Script":
        self.view = view
        return self

    def act(self, turn: int) -> Action:
        action = self.actions[turn - 1]
        if isinstance(action, int):
            return Action(torch.tensor([action]), torch.full((1, self.view.list_length), -1))
        return Action(torch.tensor([-1]), torch.tensor([action]))

    def update(self, reply: Reply) -> None:
        self.answers += reply.yes.tolist()

    def keep(self, rows: Tensor) -> None:
        assert rows.tolist() == [0]


def test_a_dialogue_by_hand() -> None:
    # Given attribute 0, the candidates are the items 0, 1, 2, 4, 5; user 0 knows item 2. Columns 1 and 3 are 1 and 4.
    agent = Script(1, 2, [0, -1], [3, 1])
    log = play_dialogues(agent, dialogues(target=1), SCORES, turns=6, list_length=2)
    assert agent.view.items.tolist() == [0, 1, 2, 4, 5]
    assert agent.view.allowed.tolist() == [[True, True, False, True, True]]
    assert agent.view.scores.tolist() == [[5, 4, 3, 1, 0]]
    assert agent.view.popularity.tolist() == [0, 0, 1, 0, 0]
    assert agent.view.group.tolist() == [1, 2, 0, 3, 0] or len(set(agent.view.group.tolist())) == 4
    assert agent.view.group[2] == agent.view.group[4]  # both have attribute 0 alone
    assert list(log.columns) == list(DIALOGUE_COLUMNS)
    assert log["turn"].tolist() == [1, 2, 3, 4]
    assert log["asked"].tolist() == [1, 2, -1, -1]
    assert log["yes"].tolist() == [False, True, False, False]  # item 1 has the attributes 0 and 2
    assert log["shown"].tolist() == [[], [], [0], [4, 1]]
    assert log["position"].tolist() == [0, 0, 0, 2]
    assert log["success"].tolist() == log["done"].tolist() == [False, False, False, True]


def test_the_last_turn_ends_a_dialogue() -> None:
    log = play_dialogues(Script(1, 2), dialogues(target=1), SCORES, turns=2)
    assert log["done"].tolist() == [False, True]
    assert not log["success"].any()


@pytest.mark.parametrize(
    ("agent", "message"),
    [
        (Script(0), "asked or given before"),
        (Script(1, 1), "asked or given before"),
        (Script(3), "what is not there"),
        (Script([5, -1]), "what is not there"),
        (Script([2, -1]), "that the user knows, or twice"),
        (Script([0, 0]), "that the user knows, or twice"),
        (Script([0, -1], [0, -1]), "that the user knows, or twice"),
        (Script([0]), r"acted in shapes \[1\] and \[1, 1\], expected \[1\] and \[1, 2\]"),
    ],
)
def test_agents_that_break_the_rules(agent: Script, message: str) -> None:
    with pytest.raises(SessionError, match=message):
        play_dialogues(agent, dialogues(target=1), SCORES, turns=2, list_length=2)


def test_asking_and_showing_at_once_is_refused() -> None:
    agent = Script(1)
    agent.act = lambda turn: Action(torch.tensor([1]), torch.tensor([[0]]))  # type: ignore[method-assign]
    with pytest.raises(SessionError, match="in the same turn"):
        play_dialogues(agent, dialogues(target=1), SCORES, list_length=1)


def test_bad_arguments() -> None:
    given = dialogues(target=1)
    for name in ("turns", "list_length", "batch_size"):
        with pytest.raises(SessionError, match=f"{name} must be at least 1, got 0"):
            play_dialogues(DialogueItemsAgent(), given, SCORES, **{name: 0})  # type: ignore[arg-type]
    for noise in (-0.1, 0.5, float("nan")):
        with pytest.raises(ConfigError, match=r"noise must be in \[0, 0.5\)"):
            play_dialogues(DialogueItemsAgent(), given, SCORES, noise=noise)
    with pytest.raises(ModelError, match="user 0 for item 4 is nan"):
        play_dialogues(DialogueItemsAgent(), given, SCORES.where(SCORES != 1.0, float("nan")))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"target": 3}, "the target 3 does not have the given attribute 0"),
        ({"target": 2}, "the target 2 is among the known items of user 0"),
        ({"target": 6}, r"Dialogues.target must be in \[0, 6\) \(got 6\)"),
        ({"user": 1}, r"Dialogues.user must be in \[0, 1\) \(got 1\)"),
        ({"given": -1}, r"Dialogues.given must be in \[0, 3\) \(got -1\)"),
    ],
)
def test_dialogues_that_cannot_be(change: dict[str, int], message: str) -> None:
    with pytest.raises(SessionError, match=message):
        dialogues(**{"target": 1, **change})


def test_columns_of_dialogues_are_checked() -> None:
    one = torch.tensor([0])
    known = ItemSets.from_pairs(one[:0], one[:0], 1, 6)
    with pytest.raises(SessionError, match=r"Dialogues.target must be int64 \[1\] \(got torch.int32 \[1\]\)"):
        Dialogues(one, one.int(), one, HAS, known)
    with pytest.raises(SessionError, match=r"Dialogues.has must be bool \[6, W\]"):
        Dialogues(one, one, one, HAS[:5], known)
    with pytest.raises(SessionError, match=r"history must be of 1 users and 6 items \(got \(2, 6\)\)"):
        Dialogues(one, one, one, HAS, known, history=ItemSets.from_pairs(one, one, 2, 6))
    with pytest.raises(SessionError, match="the target 1 is in the history of user 0"):
        Dialogues(one, one + 1, one, HAS, known, history=ItemSets.from_pairs(one, one + 1, 1, 6))


def test_agents_draw_on_the_history_alone() -> None:
    zero, user = torch.tensor([0]), torch.tensor([0, 0])
    known, history = (ItemSets.from_pairs(user, torch.tensor(items), 1, 6) for items in ([2, 3], [3, 5]))
    told = Dialogues(zero, zero, zero, HAS, known, history=history)
    ((_, view),) = dialogue_views(told, SCORES)
    assert view.allowed.tolist() == [[True, True, False, True, True]]  # of items 0, 1, 2, 4, 5, all but the known one
    assert view.popularity.tolist() == [0, 0, 0, 0, 1]
    assert torch.equal(view.known.has, HAS[[3, 5]])
    ((_, view),) = dialogue_views(told.take(zero), SCORES)
    assert view.popularity.tolist() == [0, 0, 0, 0, 1]


def test_no_dialogues_give_an_empty_table() -> None:
    log = play_dialogues(DialogueItemsAgent(), dialogues(target=1).take(torch.tensor([], dtype=torch.int64)), SCORES)
    assert list(log.columns) == list(DIALOGUE_COLUMNS)
    assert len(log) == 0
    assert summarize_dialogues(log)["dialogues"].tolist() == [0]


def test_dialogues_of_a_data_set() -> None:
    data = load_dataset(SyntheticOptions(users=60, items=80))
    table = build_word_table(data.items, data.word_fields, data.merge_fields, data.max_share)
    built = build_dialogues(data, table.item_words, len(table.words), "test", seed=3)
    rows = [row for row in data.rows("test") if data.label[row] == 1 and table.item_words.lengths[data.item[row]] > 0]
    assert built.ids.tolist() == rows
    assert built.target.tolist() == data.item[rows].tolist()
    assert bool(built.has[built.target, built.given].all())
    earlier = pd.DataFrame({"user": data.user, "item": data.item})[data.part < 2].drop_duplicates()
    assert int(built.known.sizes.sum()) == len(earlier)
    again = build_dialogues(data, table.item_words, len(table.words), "test", seed=3)
    other = build_dialogues(data, table.item_words, len(table.words), "test", seed=4)
    assert torch.equal(built.given, again.given)
    assert not torch.equal(built.given, other.given)
    validation = build_dialogues(data, table.item_words, len(table.words), "validation")
    assert int(validation.known.sizes.sum()) == len(earlier.loc[data.part[earlier.index] == 0])
    with pytest.raises(SessionError, match="'validation' or 'test', got 'train'"):
        build_dialogues(data, table.item_words, len(table.words), "train")


def test_the_latest_dialogues_of_each_user() -> None:
    known = ItemSets.from_pairs(torch.zeros(0, dtype=torch.int64), torch.zeros(0, dtype=torch.int64), 2, 6)
    user, item = torch.tensor([1, 0, 1, 1]), torch.tensor([0, 1, 1, 4])
    given = Dialogues(user, item, torch.zeros(4, dtype=torch.int64), HAS, known, torch.tensor([8, 3, 2, 9]))
    assert latest_dialogues(given, 1).ids.tolist() == [3, 9]
    assert latest_dialogues(given, 2).ids.tolist() == [8, 3, 9]
    assert latest_dialogues(given, 5).ids.tolist() == [8, 3, 2, 9]
    with pytest.raises(SessionError, match="at least 1, got 0"):
        latest_dialogues(given, 0)


def test_attribute_matrix() -> None:
    assert attribute_matrix(Ragged.from_lists([[1], [], [0, 1]]), 2).int().tolist() == [[0, 1], [0, 0], [1, 1]]

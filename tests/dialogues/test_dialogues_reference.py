"""The batched agents play like the literal one-dialogue player, on random small catalogues."""

import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from literal_dialogues import Dialogue, Policy, bayes_policy, items_policy, max_entropy_policy, play

from magus_pyg.data import ItemSets
from magus_pyg.dialogues import (
    DialogueAgent,
    DialogueBayesAgent,
    DialogueBayesState,
    DialogueItemsAgent,
    DialogueMagusAgent,
    DialogueMaxEntropyAgent,
    Dialogues,
    play_dialogues,
)

STATES = st.builds(
    DialogueBayesState,
    temperature=st.sampled_from([1.0, 0.3]),
    given_power=st.sampled_from([1.0, 0.0]),
    popularity=st.sampled_from([0.0, -0.5]),
    unknown=st.sampled_from([0.0, 0.7]),
    taste=st.sampled_from([0.0, 0.8]),
    habit=st.sampled_from([0.0, 0.5]),
    habit_unknown=st.sampled_from([0.0, -0.6]),
    error_rate=st.sampled_from([0.0, 0.0, 0.1, 0.3]),
    bits=st.sampled_from([0.7, 1.0]),
    speed=st.sampled_from([0.0, 1.0]),
)


@st.composite
def dialogue_sets(draw: st.DrawFn) -> tuple[Dialogues, torch.Tensor]:
    """Up to 6 dialogues on up to 9 items with up to 4 attributes; some have none, many the same. Agents draw on all
    known items or on some."""
    n_items, n_words, n_users = draw(st.integers(1, 9)), draw(st.integers(1, 4)), 3
    rows = draw(st.lists(st.sets(st.integers(0, n_words - 1)), min_size=n_items, max_size=n_items))
    has = torch.tensor([[word in row for word in range(n_words)] for row in rows])
    pairs = [(i, w) for i, row in enumerate(rows) for w in sorted(row)]
    chosen = draw(st.lists(st.tuples(st.integers(0, n_users - 1), st.sampled_from(pairs)), max_size=6)) if pairs else []
    known = draw(st.sets(st.tuples(st.integers(0, n_users - 1), st.integers(0, n_items - 1)), max_size=8))
    known -= {(user, item) for user, (item, _) in chosen}
    table = torch.tensor(sorted(known), dtype=torch.int64).reshape(-1, 2)
    columns = torch.tensor([[u, i, w] for u, (i, w) in chosen], dtype=torch.int64).reshape(-1, 3).T
    sets = ItemSets.from_pairs(table[:, 0], table[:, 1], n_users, n_items)
    some = table[::2]
    history = draw(st.sampled_from([None, ItemSets.from_pairs(some[:, 0], some[:, 1], n_users, n_items)]))
    dialogues = Dialogues(*columns, has, sets, torch.arange(len(chosen)) * 11, history)
    score = st.one_of(st.integers(0, 2).map(float), st.floats(-3, 3, width=16))
    flat = draw(st.lists(score, min_size=n_users * n_items, max_size=n_users * n_items))
    return dialogues, torch.tensor(flat, dtype=torch.float64).view(n_users, n_items)


def assert_plays_literally(
    log: pd.DataFrame, dialogues: Dialogues, scores: torch.Tensor, policy: Policy, noise: float, refusals: bool
) -> None:
    has = [frozenset(torch.nonzero(row).flatten().tolist()) for row in dialogues.has]
    history = dialogues.known if dialogues.history is None else dialogues.history
    popularity = torch.bincount(history.item, minlength=len(has)).tolist()
    start = 0
    for place in range(len(dialogues)):
        user = int(dialogues.user[place])
        known, told = (
            frozenset(sets.item[sets.ptr[user] : sets.ptr[user + 1]].tolist()) for sets in (dialogues.known, history)
        )
        rows = play(
            Dialogue(
                has,
                scores[user].tolist(),
                known,
                int(dialogues.target[place]),
                int(dialogues.given[place]),
                int(dialogues.ids[place]),
                dialogues.has.shape[1],
                popularity,
                turns=5,
                list_length=2,
                noise=noise,
                refusals=refusals,
                seed=4,
                history=told,
            ),
            policy,
        )
        played = log.iloc[start : start + len(rows)]
        assert (played["dialogue"] == int(dialogues.ids[place])).all()
        assert list(zip(played["asked"], played["yes"], played["shown"], strict=True)) == rows
        start += len(rows)
    assert start == len(log)


@pytest.mark.parametrize("refusals", [True, False])
@pytest.mark.parametrize("noise", [0.0, 0.3])
@given(case=dialogue_sets(), state=STATES)
def test_agents_play_like_the_literal_player(
    noise: float, refusals: bool, case: tuple[Dialogues, torch.Tensor], state: DialogueBayesState
) -> None:
    dialogues, scores = case
    pairs: list[tuple[DialogueAgent, Policy]] = [
        (DialogueItemsAgent(refusals), items_policy),
        (DialogueMaxEntropyAgent(refusals), max_entropy_policy),
        (DialogueBayesAgent(state, refusals), bayes_policy(state)),
    ]
    for agent, policy in pairs:
        log = play_dialogues(agent, dialogues, scores, turns=5, list_length=2, noise=noise, seed=4)
        assert_plays_literally(log, dialogues, scores, policy, noise, refusals)


@given(case=dialogue_sets(), data=st.data())
def test_batches_orders_and_shards_change_nothing(case: tuple[Dialogues, torch.Tensor], data: st.DataObject) -> None:
    dialogues, scores = case
    agent = data.draw(
        st.sampled_from(
            [
                DialogueMagusAgent(minus_scale=0.3),
                DialogueMagusAgent(False),
                DialogueMaxEntropyAgent(),
                DialogueBayesAgent(DialogueBayesState()),
                DialogueBayesAgent(DialogueBayesState(taste=0.8, habit=0.5)),
            ]
        )
    )
    whole = play_dialogues(agent, dialogues, scores, 5, 2, noise=0.2, seed=1)
    assert whole.equals(play_dialogues(agent, dialogues, scores, 5, 2, noise=0.2, seed=1, batch_size=1))
    order = data.draw(st.permutations(range(len(dialogues))))[:3]
    part = play_dialogues(agent, dialogues.take(torch.tensor(order, dtype=torch.int64)), scores, 5, 2, 0.2, seed=1)
    for dialogue, rows in part.groupby("dialogue"):
        expected = whole[whole["dialogue"] == dialogue].reset_index(drop=True)
        assert rows.reset_index(drop=True).equals(expected)
    for row in whole.to_dict("records"):  # known items are never shown, nor any item twice
        user = torch.tensor([row["user"]] * len(row["shown"]), dtype=torch.int64)
        assert not dialogues.known.contains(user, torch.tensor(row["shown"], dtype=torch.int64)).any()
    for _, rows in whole.groupby("dialogue"):
        shown = [item for items in rows["shown"] for item in items]
        assert len(shown) == len(set(shown))

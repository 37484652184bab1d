"""What every simulated user must do: a user's test class inherits `UserContract` and says how the user is made."""

from collections.abc import Sequence
from typing import Any, ClassVar

import pandas as pd
import pytest
import torch
from torch import Tensor

from magus_pyg.agents import ItemsAgent, MagusAgent, MagusOptions
from magus_pyg.data import Sessions
from magus_pyg.errors import ConfigError
from magus_pyg.graph import n_items, n_nodes
from magus_pyg.random import hash_keys, integers, uniform
from magus_pyg.simulation import Agent, ShownList, User, simulate
from magus_pyg.testing.agent_contract import rows_of
from magus_pyg.testing.small_sessions import small_graph, small_scores, small_sessions


def random_lists(count: int, length: int, seed: int, round_number: int = 2, targets: int = 2) -> ShownList:
    """Lists of random nodes of the small catalogue, filled from the front, with random matches."""
    graph = small_graph()
    row, place = torch.arange(count).unsqueeze(1), torch.arange(length)
    present = place < integers(length + 1, seed, 1, row)
    is_item = (uniform(seed, 2, row, place) < 0.5) & present
    matches = torch.where(is_item, integers(2, seed, 3, row, place), integers(targets + 1, seed, 4, row, place))
    queries = n_items(graph) + integers(n_nodes(graph) - n_items(graph), seed, 6, row, place)
    nodes = torch.where(is_item, integers(n_items(graph), seed, 7, row, place), queries)
    return ShownList(
        present,
        is_item,
        torch.where(present, matches, 0),
        torch.full((count,), targets),
        round_number,
        hash_keys(seed, 5, torch.arange(count)),
        graph,
        torch.where(present, nodes, -1),
        integers(n_items(graph), seed, 8, row, torch.arange(targets)),
    )


def take_lists(shown: ShownList, rows: Tensor) -> ShownList:
    """Some of the lists."""
    present, is_item, matches = shown.present[rows], shown.is_item[rows], shown.matches[rows]
    assert shown.nodes is not None
    assert shown.targets is not None
    read = (shown.graph, shown.nodes[rows], shown.targets[rows])
    return ShownList(present, is_item, matches, shown.n_targets[rows], shown.round, shown.key[rows], *read)


class UserContract:
    """Inherit, and say how the user is made and what it refuses.

    Attributes:
        is_random: whether its answers depend on the seed.
        min_targets: the fewest targets of sessions it plays.
        refused: arguments of `make` that are out of range, with a part of the message.
    """

    is_random: ClassVar[bool] = False
    min_targets: ClassVar[int] = 1
    refused: ClassVar[Sequence[tuple[dict[str, Any], str]]] = ()

    @classmethod
    def make(cls, **arguments: Any) -> User:
        """The user; without arguments, one that does what is special about it often enough to be seen."""
        raise NotImplementedError

    @classmethod
    def sessions(cls) -> Sessions:
        """Sessions of the small catalogue, with sessions without targets where the user can play them."""
        sessions = small_sessions()
        if cls.min_targets > 1:
            targets = sessions.candidates >= 0  # all candidates of the first two sessions and the padded ones
            sessions = Sessions(sessions.user, sessions.candidates, targets, sessions.searched, sessions.id)
            sessions = sessions.take(sessions.targets.sum(1) >= cls.min_targets)
        return sessions

    @classmethod
    def agents(cls) -> list[Agent]:
        """Agents that play with the user, items alone and with queries."""
        graph = small_graph()
        return [ItemsAgent(graph, small_scores()), MagusAgent(graph, small_scores(), MagusOptions(negative="signed"))]

    def answers(self, shown: ShownList) -> list[Tensor]:
        """The user's clicks, Not Care and who leaves, as columns."""
        answer = self.make().answer(shown)
        leaves = torch.zeros_like(answer.clicked, dtype=torch.bool) if answer.leaves is None else answer.leaves
        return [answer.clicked, answer.not_care, leaves]

    @pytest.mark.parametrize(("count", "length"), [(300, 3), (1, 1), (0, 3), (4, 0), (0, 0), (50, 7)])
    def test_answers_are_to_what_was_shown(self, count: int, length: int) -> None:
        shown = random_lists(count, length, seed=1)
        clicked, not_care, leaves = self.answers(shown)
        assert (clicked.dtype, not_care.dtype, leaves.dtype) == (torch.int64, torch.bool, torch.bool)
        assert clicked.shape == leaves.shape == (count,)
        assert not_care.shape == (count, length)
        assert bool(((clicked >= -1) & (clicked < max(length, 1))).all())
        rows = torch.nonzero(clicked >= 0).flatten()
        assert bool(shown.present[rows, clicked[rows]].all()), "clicks what is not shown"
        assert not bool((not_care & (~shown.present | shown.is_item)).any()), "Not Care to what is no shown query"
        assert not bool(not_care[rows, clicked[rows]].any()), "Not Care to what is clicked"

    def test_answers_are_the_same_again_and_change_nothing(self) -> None:
        shown = random_lists(200, 3, seed=2)
        before = [column.clone() for column in (shown.present, shown.is_item, shown.matches, shown.n_targets)]
        first, second = self.answers(shown), self.answers(shown)
        assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))
        after = (shown.present, shown.is_item, shown.matches, shown.n_targets)
        assert all(torch.equal(a, b) for a, b in zip(before, after, strict=True))

    def test_lists_are_answered_alike_together_and_alone(self) -> None:
        shown = random_lists(40, 3, seed=3)
        together = self.answers(shown)
        for rows in [torch.tensor([number]) for number in range(40)] + [torch.arange(39, -1, -3)]:
            for column, alone in zip(together, self.answers(take_lists(shown, rows)), strict=True):
                assert torch.equal(column[rows], alone)

    def test_what_is_wanted_are_candidates_in_any_order_and_company(self) -> None:
        sessions, user = self.sessions(), self.make()
        assert sessions.id is not None
        key = hash_keys(7, sessions.id)
        before = sessions.targets.clone()
        order = torch.randperm(sessions.candidates.shape[1], generator=torch.Generator().manual_seed(1))
        for number in range(1, 7):
            wanted = user.wants(sessions.candidates, sessions.targets, number, key)
            assert wanted.shape == sessions.candidates.shape
            assert wanted.dtype == torch.bool
            assert not bool((wanted & (sessions.candidates < 0)).any())
            moved = user.wants(sessions.candidates[:, order], sessions.targets[:, order], number, key)
            assert torch.equal(moved, wanted[:, order])
            for row in range(len(sessions)):
                alone = user.wants(
                    sessions.candidates[row : row + 1], sessions.targets[row : row + 1], number, key[row : row + 1]
                )
                assert torch.equal(alone, wanted[row : row + 1])
        assert torch.equal(sessions.targets, before)

    def test_sessions_are_played_alike_batched_one_by_one_and_in_shards(self) -> None:
        sessions, user = self.sessions(), self.make()
        order = torch.arange(len(sessions) - 1, -1, -1)
        for agent in self.agents():
            whole = rows_of(simulate(agent, sessions, user, 6, 2, seed=4))
            assert rows_of(simulate(agent, sessions, user, 6, 2, seed=4)) == whole
            for size in (1, 3):
                assert rows_of(simulate(agent, sessions, user, 6, 2, seed=4, batch_size=size)) == whole
            shards = [simulate(agent, sessions.take(part), user, 6, 2, seed=4) for part in (order[:3], order[3:])]
            assert rows_of(pd.concat(shards, ignore_index=True)) == whole

    def test_the_seed_decides_what_is_random(self) -> None:
        sessions, user = self.sessions(), self.make()
        logs = [
            [rows_of(simulate(agent, sessions, user, 6, 2, seed=seed)) for agent in self.agents()] for seed in range(6)
        ]
        assert any(log != logs[0] for log in logs) == self.is_random

    def test_records_end_where_the_session_ends(self) -> None:
        for agent in self.agents():
            log = simulate(agent, self.sessions(), self.make(), 6, 2, seed=4)
            last = log.groupby("session").tail(1)
            assert bool(last["done"].all())
            assert int(log["done"].sum()) == log["session"].nunique()
            assert bool(log.loc[log["target_clicked"], "done"].all())

    def test_it_says_what_it_is(self) -> None:
        assert repr(self.make()).startswith(type(self.make()).__name__)

    def test_arguments_out_of_range(self) -> None:
        for arguments, message in self.refused:
            with pytest.raises(ConfigError, match=message):
                self.make(**arguments)

"""All users under the contract of users, with one of the kind that others write; impatience and drift by hand."""

from typing import Any

import pytest
import torch
from catalogues import APPLE_FIELDS, apple_table

from magus_pyg.agents import ItemsAgent
from magus_pyg.data import Sessions
from magus_pyg.errors import SessionError
from magus_pyg.graph import build_relational_graph
from magus_pyg.random import hash_keys, integers, uniform
from magus_pyg.simulation import (
    Answer,
    DriftingUser,
    ImpatientUser,
    NoisyUser,
    NotCareUser,
    ShownList,
    TruthfulUser,
    User,
    first_click,
    session_metrics,
    simulate,
)
from magus_pyg.testing import UserContract, small_graph, small_scores, small_sessions
from magus_pyg.testing.user_contract import random_lists


class TestTruthful(UserContract):
    @classmethod
    def make(cls, **arguments: Any) -> User:
        return TruthfulUser(**arguments)


class TestNotCare(UserContract):
    min_targets = 2

    @classmethod
    def make(cls, **arguments: Any) -> User:
        return NotCareUser(**arguments)


class TestNoisy(UserContract):
    is_random = True
    refused = (({"p": 0.5}, r"user\.p "), ({"p": -0.1}, r"user\.p "), ({"p": 0.1, "p_item": 1.1}, "p_item"))

    @classmethod
    def make(cls, **arguments: Any) -> User:
        return NoisyUser(**{"p": 0.3, "p_item": 0.2, **arguments})


class TestImpatient(UserContract):
    is_random = True
    refused = (
        ({"p": -0.01}, r"user\.p must be in .*got -0\.01"),
        ({"p": 1.5}, r"user\.p must be in"),
        ({"growth": 2.0}, r"user\.growth must be in .*got 2\.0"),
        ({"p": float("nan")}, r"user\.p"),
    )

    @classmethod
    def make(cls, **arguments: Any) -> User:
        return ImpatientUser(**{"p": 0.2, "growth": 0.2, **arguments})


class TestDrifting(UserContract):
    is_random = True
    refused = (
        ({"first": 1}, r"user\.first must be at least 2.*got 1"),
        ({"first": 3, "last": 2}, r"user\.last must be at least 3 \(got 2\), first=3"),
    )

    @classmethod
    def make(cls, **arguments: Any) -> User:
        return DriftingUser(**{"first": 2, "last": 4, **arguments})


class TestImpatientNoisyDrifting(UserContract):
    """Users within users."""

    is_random = True

    @classmethod
    def make(cls, **arguments: Any) -> User:
        return ImpatientUser(0.1, 0.1, DriftingUser(2, 3, NoisyUser(0.2)))


class Hurried(User):
    """The example of `magus_pyg.simulation.users`."""

    def __repr__(self) -> str:
        return "Hurried()"

    def answer(self, shown: ShownList) -> Answer:
        liked = shown.present & (shown.matches > 0)
        liked[:, 1:] = False
        return Answer(first_click(shown.is_item, liked), torch.zeros_like(liked))


class TestHurried(UserContract):
    @classmethod
    def make(cls, **arguments: Any) -> User:
        return Hurried(**arguments)


# ---------------------------------------------------------------- impatience


def test_the_chance_to_leave_grows_round_by_round() -> None:
    user, count = ImpatientUser(0.1, 0.2), 20_000
    for number, chance in [(1, 0.1), (2, 0.3), (3, 0.5), (6, 1.0), (9, 1.0)]:
        shown = random_lists(count, 2, seed=1, round_number=number)
        leaves = user.answer(shown).leaves
        assert leaves is not None
        assert leaves.double().mean() == pytest.approx(chance, abs=0.015)
        assert torch.equal(leaves, uniform(shown.key, 0x22, number) < chance)
    assert not ImpatientUser(0.0, 0.0).answer(random_lists(50, 2, seed=1)).leaves.any()  # type: ignore[union-attr]


def test_a_session_that_is_left_ends_without_success() -> None:
    graph, scores = small_graph(), small_scores()
    log = simulate(ItemsAgent(graph, scores), small_sessions(), ImpatientUser(1.0, 0.0), rounds=5, list_length=1)
    assert log["round"].tolist() == [1] * 9
    assert log["done"].all()
    patient = simulate(ItemsAgent(graph, scores), small_sessions(), rounds=5, list_length=1)
    first = patient[patient["round"] == 1]
    assert log["target_clicked"].tolist() == first["target_clicked"].tolist()  # the last list is still answered
    metrics = session_metrics(log)
    assert metrics["SA@5"].tolist() == log["target_clicked"].astype(float).tolist()
    assert metrics["RA@5"].tolist() == metrics["RA@3"].tolist()  # over the one round played


def test_leaving_is_the_users_and_not_the_agents() -> None:
    """Sessions that two agents both go on with are left in the same round."""
    graph = small_graph()
    user, sessions = ImpatientUser(0.2, 0.2), small_sessions()
    other = small_scores().flip(1)
    ends = []
    for scores in (small_scores(), other):
        log = simulate(ItemsAgent(graph, scores), sessions, user, rounds=5, list_length=1, seed=2)
        last = log[log["done"]]
        ends.append(dict(zip(last["session"], zip(last["round"], last["target_clicked"], strict=True), strict=True)))
    for session, (left, found) in ends[0].items():
        if not found and not ends[1][session][1]:
            assert ends[1][session][0] == left


# ---------------------------------------------------------------- drift


def drift_of(key: int, first: int, last: int, free: list[int], count: int) -> tuple[int, set[int]]:
    """The round and the new targets, one session at a time."""
    changes = first + int(integers(last - first + 1, torch.tensor(key), 0x23))
    order = sorted(free, key=lambda item: float(uniform(torch.tensor(key), 0x24, item)))
    return changes, set(order[:count])


def test_targets_change_once_to_others_as_many() -> None:
    sessions, user = small_sessions(), DriftingUser(2, 4)
    assert sessions.id is not None
    key = hash_keys(3, sessions.id)
    seen = set()
    for row in range(len(sessions)):
        items = [item for item in sessions.candidates[row].tolist() if item >= 0]
        old = set(sessions.candidates[row][sessions.targets[row]].tolist())
        changes, new = drift_of(int(key[row]), 2, 4, [item for item in items if item not in old], len(old))
        seen.add(changes)
        for number in range(1, 7):
            wanted = user.wants(sessions.candidates, sessions.targets, number, key)[row]
            expected = new if number >= changes and new else old
            assert set(sessions.candidates[row][wanted].tolist()) == expected
            assert not new & old
    assert len(seen) > 1


def test_success_counts_the_targets_of_the_round() -> None:
    # Two candidates: item 0 is wanted first, item 1 from the second round on.
    graph = build_relational_graph(apple_table(), APPLE_FIELDS, max_words=1)
    sessions = Sessions(torch.tensor([0]), torch.tensor([[0, 1]]), torch.tensor([[True, False]]))
    late = simulate(ItemsAgent(graph, torch.tensor([[2.0, 1.0, 0.0]])), sessions, DriftingUser(2, 2), 3, 1)
    assert late["target_clicked"].tolist() == [True]  # before the change
    log = simulate(ItemsAgent(graph, torch.tensor([[1.0, 2.0, 0.0]])), sessions, DriftingUser(2, 2), 3, 1)
    assert log["shown"].tolist() == [[1], [0], []]  # 1 is shown before it is wanted, 0 when it no longer is
    assert not log["target_clicked"].any()
    assert log["clicked"].tolist() == [-1, -1, -1]
    three = Sessions(torch.tensor([0]), torch.tensor([[0, 1, 2]]), torch.tensor([[True, True, False]]))
    log = simulate(ItemsAgent(graph, torch.tensor([[0.0, 1.0, 2.0]])), three, DriftingUser(2, 2), 3, 1)
    assert log["n_targets"].tolist() == [2, 1, 1]  # 2 alone is left to be wanted, and it was shown before
    assert not log["target_clicked"].any()


def test_fewer_new_targets_where_fewer_are_left() -> None:
    candidates, key = torch.tensor([[0, 1, 2], [3, 4, -1]]), torch.tensor([1, 2])
    targets = torch.tensor([[True, True, False], [True, True, False]])
    wanted = DriftingUser(2, 2).wants(candidates, targets, 2, key)
    assert wanted.tolist() == [[False, False, True], [True, True, False]]  # and none changes where none is left


# ---------------------------------------------------------------- users that break the rules


class Odd(User):
    """Answers and wants what it is told to."""

    def __init__(self, answer: Answer | None = None, wants: torch.Tensor | None = None) -> None:
        self.given, self.wanted = answer, wants

    def __repr__(self) -> str:
        return "Odd()"

    def answer(self, shown: ShownList) -> Answer:
        return TruthfulUser().answer(shown) if self.given is None else self.given

    def wants(
        self, candidates: torch.Tensor, targets: torch.Tensor, round_number: int, key: torch.Tensor
    ) -> torch.Tensor:
        return targets if self.wanted is None else self.wanted


NONE, NOBODY = torch.tensor([-1]), torch.zeros((1, 2), dtype=torch.bool)


@pytest.mark.parametrize(
    ("user", "message"),
    [
        (Odd(Answer(NONE.double(), NOBODY)), "answers clicked torch.float64"),
        (Odd(Answer(torch.tensor([-1, -1]), NOBODY)), r"answers clicked torch.int64 \[2\], expected .* \[1\]"),
        (Odd(Answer(NONE, NOBODY[:, :1])), r"answers not_care .* \[1, 1\], expected .* \[1, 2\]"),
        (Odd(Answer(NONE, NOBODY, NONE)), "answers leaves torch.int64"),
        (Odd(Answer(NONE, ~NOBODY)), "answers Not Care to what is no shown query"),
        (Odd(wants=torch.ones(1, 3)), r"wants float32 \[1, 3\], expected bool \[1, 3\]"),
        (Odd(wants=torch.ones(1, 2, dtype=torch.bool)), r"wants bool \[1, 2\], expected bool \[1, 3\]"),
        (Odd(wants=torch.ones(1, 3, dtype=torch.bool)), r"wants a pad"),
    ],
)
def test_answers_and_wishes_that_do_not_fit(user: User, message: str) -> None:
    graph = build_relational_graph(apple_table(), APPLE_FIELDS, max_words=1)
    sessions = Sessions(torch.tensor([0]), torch.tensor([[0, 1, -1]]), torch.tensor([[True, False, False]]))
    with pytest.raises(SessionError, match=rf"Odd\(\) {message}"):
        simulate(ItemsAgent(graph, torch.tensor([[1.0, 2.0, 0.0]])), sessions, user, rounds=1, list_length=2)

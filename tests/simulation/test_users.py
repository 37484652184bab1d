"""What users click: truthfully (the first target, else the first query of one), not caring, and in error."""

import pytest
import torch
from catalogues import APPLE_FIELDS, apple_table
from hypothesis import given
from hypothesis import strategies as st
from playing import Case, cases

from magus_pyg.agents import ItemsAgent, MagusAgent
from magus_pyg.data import Sessions
from magus_pyg.errors import ConfigError, SessionError
from magus_pyg.graph import SessionGraphBuilder, build_relational_graph
from magus_pyg.random import hash_keys, uniform
from magus_pyg.simulation import ShownList, TruthfulUser, User, first_click, simulate
from magus_pyg.simulation.users import NoisyUser, NotCareUser
from reference import truthful_answer


@pytest.mark.parametrize(
    ("kinds", "liked", "position"),
    [
        ("qiq", [1, 1, 1], 1),  # an item wins over a query above it
        ("iiq", [0, 1, 1], 1),
        ("ii", [1, 1], 0),
        ("qq", [0, 1], 1),
        ("qq", [1, 1], 0),
        ("qi", [0, 0], -1),
        ("", [], -1),
    ],
)
def test_first_click_by_hand(kinds: str, liked: list[int], position: int) -> None:
    is_item = torch.tensor([[kind == "i" for kind in kinds]], dtype=torch.bool).reshape(1, len(kinds))
    assert first_click(is_item, torch.tensor([liked], dtype=torch.bool).reshape(1, -1)).tolist() == [position]


def test_no_sessions() -> None:
    none = torch.zeros((0, 3), dtype=torch.bool)
    assert first_click(none, none).shape == (0,)


@given(cases(), st.data())
def test_truthful_answers_equal_the_reference(case, data: st.DataObject) -> None:  # type: ignore[no-untyped-def]
    graphs = SessionGraphBuilder(case.graph).build(case.sessions.candidates)
    counts = graphs.count_targets(case.sessions.targets)
    length = case.list_length
    shown, expected = [], []
    for session in range(len(case.sessions)):
        held = torch.nonzero(graphs.valid[session]).flatten().tolist()
        chosen = data.draw(st.lists(st.sampled_from(held), unique=True, max_size=length))
        shown.append(chosen + [-1] * (length - len(chosen)))
        nodes = graphs.node[session][chosen].tolist()
        click = truthful_answer(case.nodes, nodes, case.targets(session))
        expected.append(-1 if click is None else nodes.index(click))
    slots = torch.tensor(shown, dtype=torch.int64).reshape(len(shown), length)
    present = slots >= 0
    matches = torch.where(present, counts.gather(1, slots.clamp(min=0)), 0) if len(shown) else slots
    listed = ShownList(
        present=present,
        is_item=graphs.is_item[slots.clamp(min=0)] & present,
        matches=matches,
        n_targets=case.sessions.targets.sum(1),
        round=1,
        key=torch.zeros(len(shown), dtype=torch.int64),
    )
    answer = TruthfulUser().answer(listed)
    assert answer.clicked.tolist() == expected
    assert not answer.not_care.any()
    assert answer.not_care.shape == present.shape


def test_a_user_must_say_what_it_answers() -> None:
    nothing = torch.zeros((0, 1), dtype=torch.bool)
    listed = ShownList(nothing, nothing, nothing.long(), torch.zeros(0), 1, torch.zeros(0))
    with pytest.raises(NotImplementedError, match="User must define answer"):
        User().answer(listed)


def listed(kinds: str, matches: list[int], n_targets: int = 2, number: int = 1, key: int = 7) -> ShownList:
    """One list; a dot is an empty place."""
    present = torch.tensor([[kind != "." for kind in kinds]])
    is_item = torch.tensor([[kind == "i" for kind in kinds]])
    return ShownList(
        present, is_item, torch.tensor([matches]), torch.tensor([n_targets]), number, torch.tensor([key])
    )  # fmt: skip


@pytest.mark.parametrize(
    ("kinds", "matches", "clicked", "not_care"),
    [
        ("qq", [2, 1], 1, [1, 0]),  # shared by both targets: passed over, and the next one is clicked
        ("qqq", [3, 0, 2], -1, [1, 0, 1]),
        ("qi", [2, 1], 1, [1, 0]),  # a target is clicked whatever stands above it
        ("qqi", [1, 2, 0], 0, [0, 1, 0]),  # below the click too, it is answered Not Care
        ("q.", [1, 0], 0, [0, 0]),
        ("..", [0, 0], -1, [0, 0]),
    ],
)
def test_not_care_by_hand(kinds: str, matches: list[int], clicked: int, not_care: list[int]) -> None:
    answer = NotCareUser().answer(listed(kinds, matches, n_targets=3))
    assert answer.clicked.tolist() == [clicked]
    assert answer.not_care.int().tolist() == [not_care]


def test_not_care_without_shared_targets_is_an_error() -> None:
    with pytest.raises(
        SessionError, match=r"Not Care with single-target sessions.*place 0.*set sessions.min_targets=2"
    ):
        NotCareUser().answer(listed("qq", [1, 0], n_targets=1))
    nobody = torch.zeros((0, 2), dtype=torch.bool)
    none = torch.zeros(0, dtype=torch.int64)
    assert len(NotCareUser().answer(ShownList(nobody, nobody, nobody.long(), none, 1, none)).clicked) == 0


def test_not_care_in_the_loop() -> None:
    # macbook pro grey (0) and iphone pro (2) are both wanted: "pro" tells nothing about which.
    graph = build_relational_graph(apple_table(), APPLE_FIELDS, max_words=1)
    sessions = Sessions(torch.tensor([0]), torch.tensor([[0, 1, 2]]), torch.tensor([[True, False, True]]))
    log = simulate(MagusAgent(graph, torch.tensor([[8.0, 0.0, 7.0]])), sessions, NotCareUser(), rounds=1, list_length=1)
    # Eq. (4): pro holds 1 + 7/8 of all mass, so y = 15/8 and it outranks the best item.
    assert log["kinds"].tolist() == [["query"]]
    assert log["clicked"].tolist() == [-1]
    assert simulate(MagusAgent(graph, torch.tensor([[8.0, 0.0, 7.0]])), sessions, rounds=1, list_length=1)[
        "position"
    ].tolist() == [1]


def seed_where(flips: list[bool], p: float, number: int = 1) -> int:
    """A key whose flips at the first positions are as asked for."""
    for key in range(10_000):
        draws = uniform(torch.tensor([[key]]), 0x21, number, torch.arange(len(flips)))
        if (draws < p)[0].tolist() == flips:
            return key
    raise AssertionError("no such key")


@pytest.mark.parametrize(
    ("kinds", "matches", "flips", "clicked"),
    [
        ("qq", [0, 1], [True, False], 0),  # a Yes that should be a No wins, being first
        ("qq", [1, 1], [True, False], 1),  # a No that should be a Yes
        ("qq", [1, 0], [True, False], -1),
        ("qi", [0, 1], [True, True], 1),  # items do not flip with p_item = 0
        ("q.", [0, 0], [False, True], -1),  # an empty place is never clicked
    ],
)
def test_noise_by_hand(kinds: str, matches: list[int], flips: list[bool], clicked: int) -> None:
    key = seed_where(flips, 0.3)
    answer = NoisyUser(0.3).answer(listed(kinds, matches, key=key))
    assert answer.clicked.tolist() == [clicked]
    assert not answer.not_care.any()


def test_noise_of_items_and_its_share() -> None:
    n = 20_000
    everywhere = torch.ones((n, 2), dtype=torch.bool)
    is_item = torch.tensor([True, False]).expand(n, 2)
    matches = torch.zeros((n, 2), dtype=torch.int64)
    shown = ShownList(everywhere, is_item, matches, torch.ones(n), 3, hash_keys(5, torch.arange(n)))
    clicked = NoisyUser(0.2, p_item=0.1).answer(shown).clicked
    assert abs((clicked == 0).double().mean() - 0.1) < 0.01
    assert abs((clicked == 1).double().mean() - 0.9 * 0.2) < 0.01
    assert (NoisyUser(0.0).answer(shown).clicked == -1).all()
    assert (NoisyUser(0.0, p_item=1.0).answer(shown).clicked == 0).all()


def test_a_clicked_item_that_is_no_target_is_no_success() -> None:
    graph = build_relational_graph(apple_table(), APPLE_FIELDS, max_words=1)
    sessions = Sessions(torch.tensor([0]), torch.tensor([[0, 1]]), torch.tensor([[False, True]]))
    agent = ItemsAgent(graph, torch.tensor([[2.0, 1.0, 0.0]]))
    log = simulate(agent, sessions, NoisyUser(0.0, p_item=1.0), rounds=2, list_length=1)
    assert log["position"].tolist() == [1, 0]  # item 0 is clicked in error, the target 1 is passed over in error
    assert log["target_clicked"].tolist() == [False, False]


@pytest.mark.parametrize("user", [NoisyUser(0.3, 0.2), NotCareUser()], ids=repr)
@given(case=cases(), data=st.data())
def test_answers_do_not_depend_on_the_batch(user: User, case: Case, data: st.DataObject) -> None:
    many = torch.nonzero(case.sessions.targets.sum(1) >= 2).flatten()
    sessions = case.sessions.take(many) if isinstance(user, NotCareUser) else case.sessions
    agent = MagusAgent(case.graph, case.matrix)
    whole = simulate(agent, sessions, user, case.rounds, case.list_length, seed=3)
    single = simulate(agent, sessions, user, case.rounds, case.list_length, seed=3, batch_size=1)
    assert whole.equals(single)
    order = data.draw(st.permutations(range(len(sessions))))
    shard = simulate(
        agent, sessions.take(torch.tensor(order[:2], dtype=torch.int64)), user, case.rounds, case.list_length, 3
    )
    for session, rows in shard.groupby("session"):
        expected = whole[whole["session"] == session].reset_index(drop=True)
        assert rows.reset_index(drop=True).equals(expected)


@pytest.mark.parametrize(("p", "p_item"), [(-0.1, 0), (0.5, 0), (float("nan"), 0), (0.1, 1.1), (0.1, -0.2)])
def test_a_noise_that_is_none_is_refused(p: float, p_item: float) -> None:
    with pytest.raises(ConfigError, match=r"user\.p.* must be in"):
        NoisyUser(p, p_item)


def test_users_say_what_they_are() -> None:
    assert repr(NotCareUser()) == "NotCareUser()"
    assert repr(NoisyUser(0.1)) == "NoisyUser(p=0.1, p_item=0.0)"

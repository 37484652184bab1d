"""What a truthful user clicks (reading: the first target, else the first query that is part of one, else nothing)."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from magus_pyg.graph import SessionGraphBuilder
from magus_pyg.simulation import ShownList, TruthfulUser, User, first_click
from playing import cases
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

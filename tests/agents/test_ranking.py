"""Choosing the best slots, and min-max scaling."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from magus_pyg.agents.ranking import rank_top, scale_to_unit, scale_to_wholes
from magus_pyg.graph import whole_units

_SMALL = st.integers(-2, 2).map(float)


@given(st.integers(0, 3), st.integers(0, 6), st.integers(1, 4), st.data())
def test_rank_top_is_a_sort_by_value_tie_and_slot(rows: int, slots: int, n: int, data: st.DataObject) -> None:
    value, tie = (
        torch.tensor([[data.draw(_SMALL) for _ in range(slots)] for _ in range(rows)]).reshape(rows, slots).double()
        for _ in range(2)
    )
    allowed = torch.tensor([[data.draw(st.booleans()) for _ in range(slots)] for _ in range(rows)], dtype=torch.bool)
    allowed = allowed.reshape(rows, slots)
    expected = []
    for row in range(rows):
        order = [slot for slot in range(slots) if allowed[row, slot]]
        order.sort(key=lambda slot: (-value[row, slot].item(), -tie[row, slot].item(), slot))
        expected.append((order + [-1] * n)[:n])
    before = value.clone(), allowed.clone()
    assert rank_top(value, tie, allowed, n).tolist() == expected
    assert torch.equal(value, before[0])
    assert torch.equal(allowed, before[1])


@given(st.lists(st.floats(-1e6, 1e6, width=32), max_size=6), st.data())
def test_scale_to_unit(values: list[float], data: st.DataObject) -> None:
    valid = [data.draw(st.booleans()) for _ in values]
    value = torch.tensor([values], dtype=torch.float64).reshape(1, len(values))
    mask = torch.tensor([valid], dtype=torch.bool).reshape(1, len(values))
    kept = [v for v, keep in zip(values, valid, strict=True) if keep]
    low, high = (min(kept), max(kept)) if kept else (0.0, 0.0)
    expected = [(v - low) / (high - low) if keep and high > low else 0.0 for v, keep in zip(values, valid, strict=True)]
    assert scale_to_unit(value, mask).tolist() == [expected]


@pytest.mark.parametrize("shape", [(0, 0), (0, 3), (2, 0)])
def test_nothing_to_scale_or_rank(shape: tuple[int, int]) -> None:
    value = torch.zeros(shape, dtype=torch.float64)
    mask = torch.zeros(shape, dtype=torch.bool)
    assert scale_to_unit(value, mask).shape == shape
    assert rank_top(value, value, mask, 2).tolist() == [[-1, -1]] * shape[0]


def test_padding_does_not_take_part() -> None:
    value = torch.tensor([[5.0, 1.0, 3.0, 100.0]])
    valid = torch.tensor([[True, True, True, False]])
    assert scale_to_unit(value, valid).tolist() == [[1.0, 0.0, 0.5, 0.0]]
    assert rank_top(value, value, valid, 4).tolist() == [[0, 2, 1, -1]]


def test_whole_numbers_by_hand() -> None:
    value = torch.tensor([[3.0, 5.0, 4.0, 99.0], [2.0, 2.0, 2.0, 2.0], [0.0, 0.1, 0.3, 0.0]], dtype=torch.float64)
    valid = torch.tensor([[True, True, True, False], [True] * 4, [True] * 4])
    wholes, one = scale_to_wholes(value, valid)
    assert wholes[0].tolist() == [0.0, 2.0**39, 2.0**38, 0.0]  # the span 2 is 2**39, since its power of two is 4
    assert one.flatten().tolist() == [2.0**39, 1.0, wholes[2].max()]
    assert wholes[1].tolist() == [0.0] * 4
    assert wholes[2].tolist() == [round(number * 2.0**41) for number in value[2].tolist()]
    assert scale_to_wholes(value[:, :0], valid[:, :0])[1].tolist() == [[1.0]] * 3


@given(st.lists(st.floats(-1e300, 1e300), min_size=1, max_size=8), st.integers(-1000, 1000))
def test_whole_numbers_are_those_of_eq_2(values: list[float], power: int) -> None:
    value = torch.tensor([values], dtype=torch.float64)
    value = torch.ldexp(value / value.abs().max().clamp(min=1.0), torch.tensor(power))
    valid = torch.ones_like(value, dtype=torch.bool)
    wholes, one = scale_to_wholes(value, valid)
    for mine, its in zip(scale_to_wholes(value), (wholes, one), strict=True):
        assert torch.equal(mine, its)
    assert torch.equal(wholes, wholes.round())
    assert 0.0 <= wholes.min() <= wholes.max() <= 2.0**40
    if power > -900:
        assert torch.allclose(wholes / one, scale_to_unit(value, valid), rtol=0.0, atol=2.0**-39)


@pytest.mark.parametrize("count", [1, 2, 4096, 4097, 8193])
def test_sums_of_whole_numbers_fit(count: int) -> None:
    value = torch.arange(count, dtype=torch.float64).unsqueeze(0) % 2
    _, one = scale_to_wholes(value, torch.ones_like(value, dtype=torch.bool))
    assert float(one) == (whole_units(count) / 2 if count > 1 else 1.0)

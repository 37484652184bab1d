"""Values of lists by hand, by brute force and by the literal planner."""

import math
from dataclasses import replace

import pytest
import torch
from bayes_reference import Knobs, best, enumerate_lists, list_value, plan, worth
from hypothesis import example, given, settings
from hypothesis import strategies as st

from magus_pyg.agents.bayes import PlanSettings, QueryChoices, plan_lists
from magus_pyg.agents.bayes.asking import falling
from magus_pyg.agents.bayes.branches import (
    UNIT,
    AnswerOdds,
    BranchOrder,
    branch_values_dense,
    branch_values_sparse,
    to_units,
)
from magus_pyg.agents.bayes.horizon import ClickRates
from magus_pyg.agents.bayes.planning import list_order


def choices_of(sets: list[list[frozenset[int]]]) -> QueryChoices:
    """Choices given as sets of items, one list a session; slots count from 100."""
    width = max((len(row) for row in sets), default=0)
    slot = torch.full((len(sets), width), -1, dtype=torch.int64)
    query, item = [], []
    for b, row in enumerate(sets):
        for g, held in enumerate(row):
            slot[b, g] = 100 + g
            query += [b * width + g] * len(held)
            item += sorted(held)
    return QueryChoices(slot, torch.tensor(query, dtype=torch.int64), torch.tensor(item, dtype=torch.int64))


def beliefs(n: int) -> st.SearchStrategy[list[float]]:
    """Probabilities in whole units of 1/64, with many ties, some zero."""
    return st.lists(st.integers(0, 16), min_size=n, max_size=n).map(lambda row: [v / max(sum(row), 1) for v in row])


@st.composite
def problems(
    draw: st.DrawFn, max_items: int = 10, max_choices: int = 8, min_items: int = 1
) -> tuple[list[list[float]], list[list[frozenset[int]]]]:
    n = draw(st.integers(min_items, max_items))
    n_sessions = draw(st.integers(1, 3))
    item_set = st.frozensets(st.integers(0, n - 1), min_size=1)
    sets = [draw(st.lists(item_set, max_size=max_choices, unique=True)) for _ in range(n_sessions)]
    return [draw(beliefs(n)) for _ in range(n_sessions)], sets


# ---------------------------------------------------------------- V_m after an answer


def test_v_m_by_hand() -> None:
    mass = torch.tensor([[0.1, 0.4, 0.2, 0.3]], dtype=torch.float64)
    inside = torch.tensor([[[True, True, False, False], [False, False, True, False]]])
    clicked, refused = branch_values_dense(mass, inside, 1, AnswerOdds())
    assert clicked.tolist()[0] == pytest.approx([0.4, 0.2])
    assert refused.tolist()[0] == pytest.approx([0.3, 0.4])
    # e = 0.2, m = 2, click on {0.1, 0.4}: 0.32, 0.08 within, 0.06, 0.04 outside; on {0.2}: 0.16 and 0.08.
    noisy = AnswerOdds(0.2, torch.full((1, 2), 0.2, dtype=torch.float64))
    clicked, refused = branch_values_dense(mass, inside, 2, noisy)
    assert clicked.tolist()[0] == pytest.approx([0.40, 0.24])
    assert refused.tolist()[0] == pytest.approx([0.24 + 0.16, 0.32 + 0.24])


@settings(max_examples=100)
@given(
    problems(), st.integers(1, 8), st.sampled_from([0.0, 0.01, 0.2, 0.45]), st.sampled_from([0.0, 0.3, 0.9]), st.data()
)
def test_dense_is_brute_force_and_sparse_is_dense(
    problem: tuple[list[list[float]], list[list[frozenset[int]]]],
    m: int,
    error: float,
    spread: float,
    data: st.DataObject,
) -> None:
    rows, sets = problem
    choices, n_items = choices_of(sets), len(rows[0])
    width = choices.slot.shape[1]
    mass = torch.tensor(rows, dtype=torch.float64)
    gone = data.draw(st.sets(st.integers(0, n_items - 1)))  # items taken out before
    mass[:, sorted(gone)] = 0.0
    units = to_units(mass)
    outside = None
    if error or spread:
        generator = torch.Generator().manual_seed(data.draw(st.integers(0, 99)))
        other = spread * torch.rand((len(rows), width), generator=generator, dtype=torch.float64)
        outside = other.clamp(min=error, max=1.0 - error)
    answers = AnswerOdds(error, outside)
    clicked, refused = branch_values_dense(units, choices.dense(n_items), m, answers)
    for b, row in enumerate(sets):
        for g, held in enumerate(row):
            out = 0.0 if outside is None else outside[b, g].item()
            yes = {i: mass[b, i].item() * (1 - error if i in held else out) for i in range(n_items)}
            no = {i: mass[b, i].item() * (error if i in held else 1 - out) for i in range(n_items)}
            assert clicked[b, g].item() / UNIT == pytest.approx(best(yes, m), abs=1e-12)
            assert refused[b, g].item() / UNIT == pytest.approx(best(no, m), abs=1e-12)
    choice, item = choices.pairs(torch.arange(len(rows)), n_items)
    items = units.argsort(dim=1, descending=True, stable=True)
    # With the sums of other sizes beside it, those of m are the same.
    sizes = sorted({1, m, data.draw(st.integers(1, 9))})
    order = BranchOrder.of(units, items, choice, item, width, max(sizes))
    sparse = branch_values_sparse(order, sizes, answers)[sizes.index(m)]
    for fast, slow in zip(sparse, (clicked, refused), strict=True):
        if outside is None:
            assert torch.equal(fast, slow)  # whole units: to the last bit
        else:
            assert torch.allclose(fast / UNIT, slow / UNIT, rtol=0, atol=1e-12)


# ---------------------------------------------------------------- lists


def test_a_list_by_hand() -> None:
    # Five equal items, N = 2, one more round of 2. A query of two of them beside an item outside it reaches all five.
    belief = torch.full((1, 5), 0.2, dtype=torch.float64)
    choices = choices_of([[frozenset({0, 1}), frozenset({4})]])
    allowed = torch.ones((1, 2), dtype=torch.bool)
    found = plan_lists(belief, choices, allowed, PlanSettings(n=2, rounds=1))
    assert found.value.item() == pytest.approx(1.0)
    assert found.queries.tolist() == [[0, -1]]
    assert found.items.tolist() == [[2, -1]]  # one of the three that are left after a refusal, not the first of all
    assert found.click.tolist()[0] == pytest.approx([0.4, 0.0])
    # Without a round to come nothing is asked.
    found = plan_lists(belief, choices, allowed, PlanSettings(n=2, rounds=0))
    assert found.items.tolist() == [[0, 1]]
    assert found.queries.tolist() == [[-1, -1]]
    assert found.value.item() == pytest.approx(0.4)


def test_as_many_first_queries_as_sessions() -> None:
    # One session of three is planned, with three first queries: not to be taken for all sessions once.
    sets = [[], [], [frozenset({0}), frozenset({0, 2}), frozenset({0, 1, 3})]]
    belief = torch.tensor([[0.0] * 6, [0.0] * 6, [1 / 6] * 6], dtype=torch.float64)
    choices = choices_of(sets)
    found = plan_lists(belief, choices, choices.slot >= 0, PlanSettings(n=2, rounds=1, beam=8))
    assert found.queries.tolist() == [[-1, -1], [-1, -1], [1, 2]]
    assert found.value[2].item() == pytest.approx(1.0)


def test_nothing_is_asked_where_all_items_can_be_shown() -> None:
    belief = torch.tensor([[0.5, 0.25, 0.25]], dtype=torch.float64)
    choices = choices_of([[frozenset({0})]])
    found = plan_lists(belief, choices, torch.ones((1, 1), dtype=torch.bool), PlanSettings(n=1, rounds=2))
    assert found.queries.tolist() == [[-1]]
    assert found.value.item() == pytest.approx(1.0)


KNOBS = st.builds(
    Knobs,
    n=st.integers(1, 3),
    rounds=st.integers(0, 3),
    error=st.sampled_from([0.0, 0.1, 0.3]),
    others=st.sampled_from([0.0, 0.6]),
    discount=st.sampled_from([1.0, 1.0, 0.9, 0.5]),
    rate=st.sampled_from([0.0, 0.0, 0.05, 0.3]),
    targets=st.sampled_from([1.0173, 1.9173]),  # no item ties with a query, which rounding would decide
    beam=st.sampled_from([1, 2, 8]),
    ending=st.sampled_from([0.0, 0.05, 0.3, 2.0]),
).map(lambda knobs: knobs if knobs.rate else replace(knobs, ending=0.0))


def settings_of(knobs: Knobs, exact: bool = False) -> PlanSettings:
    clicks = ClickRates(knobs.rate, knobs.ending)
    return PlanSettings(
        knobs.n, knobs.rounds, knobs.error, knobs.others, knobs.discount, clicks, knobs.targets, exact, knobs.beam
    )


@settings(max_examples=120)
@given(problems(min_items=5), KNOBS)
@example(  # one of the two first queries holds nothing that is left: none follows it
    ([[0, 2 / 21, 9 / 21, 0, 0, 0, 0, 10 / 21]], [[frozenset({0}), frozenset({0, 1, 2})]]),
    Knobs(n=3, rounds=1, rate=0.05, targets=1.0173, beam=2, ending=0.3),
)
@example(  # fewer first queries than are tried
    ([[0, 1 / 3, 2 / 3, 0, 0], [0.0] * 5], [[frozenset({0, 1, 2})], []]),
    Knobs(n=3, rounds=1, discount=0.9, rate=0.05, targets=1.0173, beam=2, ending=2.0),
)
def test_plans_are_those_of_the_literal_planner(
    problem: tuple[list[list[float]], list[list[frozenset[int]]]], knobs: Knobs
) -> None:
    rows, sets = problem
    choices = choices_of(sets)
    belief = torch.tensor(rows, dtype=torch.float64)
    allowed = choices.slot >= 0
    found = plan_lists(belief, choices, allowed, settings_of(knobs))
    dense = plan_lists(belief, choices, allowed, settings_of(knobs, exact=True))
    for b, row in enumerate(sets):
        mass = dict(enumerate(rows[b]))
        value, _, _ = plan(mass, row, set(range(len(row))), knobs)
        assert found.value[b].item() == pytest.approx(value, abs=3e-9)
        assert dense.value[b].item() == pytest.approx(value, abs=3e-9)
        items = [item for item in found.items[b].tolist() if item >= 0]
        asked = [q for q in found.queries[b].tolist() if q >= 0]
        assert len(set(items)) == len(items)
        assert len(set(asked)) == len(asked)
        assert asked == found.queries[b].tolist()[: len(asked)]
        if asked:  # the value is the list's own, by the formula
            own = list_value(mass, items, [row[q] for q in asked], knobs)
            assert found.value[b].item() == pytest.approx(own, abs=1e-9)


@settings(max_examples=40)
@given(problems(7, 4, min_items=4), st.integers(1, 2), st.integers(1, 2))
def test_lists_of_two_are_the_best_of_all_lists(
    problem: tuple[list[list[float]], list[list[frozenset[int]]]], n: int, rounds: int
) -> None:
    rows, sets = problem
    choices = choices_of(sets)
    belief = torch.tensor(rows, dtype=torch.float64)
    knobs = Knobs(n, rounds, beam=8)
    found = plan_lists(belief, choices, choices.slot >= 0, settings_of(knobs))
    for b, row in enumerate(sets):
        mass = dict(enumerate(rows[b]))
        every = enumerate_lists(range(len(mass)), len(row), n)
        value = max((list_value(mass, i, [row[q] for q in a], knobs) for i, a in every), default=0.0)
        value = max(value, best(mass, n + n * rounds))
        assert found.value[b].item() == pytest.approx(value, abs=3e-9)


def test_three_queries_worth_asking_by_hand() -> None:
    # Four shelves of three equal items, three places now and three later: with three shelves asked for, each answer,
    # none included, leaves three items to show. Two shelves and an item leave five where neither is clicked.
    sets = [[frozenset(range(first, first + 3)) for first in (0, 3, 6, 9)]]
    belief, choices = torch.full((1, 12), 1 / 12, dtype=torch.float64), choices_of(sets)
    plan = plan_lists(belief, choices, choices.slot >= 0, PlanSettings(3, 1))
    assert (plan.queries[0] >= 0).tolist() == [True, True, True]
    assert plan.value[0].item() == pytest.approx(1.0, abs=1e-8)


def test_errors_and_a_discount_leave_out_no_item_that_may_come_to_be_shown() -> None:
    # After a Yes to the four, each of them has 4/5 of 1/20, less than the best one's 1/5 of 1/4, but is shown a round
    # later: they count, though 1/20 is below (1/5) / (4/5) of the best item's 1/4.
    rows, row, knobs = [0.25] + [0.05] * 15, [frozenset({1, 3, 6, 8})], Knobs(3, 1, error=0.2, discount=0.95)
    belief, choices = torch.tensor([rows], dtype=torch.float64), choices_of([row])
    value, _, _ = plan(dict(enumerate(rows)), row, {0}, knobs)
    for exact in (False, True):
        found = plan_lists(belief, choices, choices.slot >= 0, settings_of(knobs, exact=exact))
        assert found.queries.tolist() == [[0, -1, -1]]
        assert found.value.item() == pytest.approx(value, abs=3e-9)


# ---------------------------------------------------------------- the knobs, by hand


def test_what_a_rank_counts_by_hand() -> None:
    # N = 2, two rounds to come, γ = 1/2: one place now, two items a round later, two more after another.
    knobs = Knobs(2, 2, discount=0.5)
    mass = dict(enumerate([0.3, 0.25, 0.2, 0.1, 0.08, 0.05]))
    expected = {0: 0.5 * 0.55 + 0.25 * 0.3, 1: 0.3 + 0.5 * 0.45 + 0.25 * 0.18, 2: 0.55 + 0.5 * 0.3 + 0.25 * 0.13}
    best_masses = torch.tensor([0.0, 0.3, 0.55, 0.75, 0.85, 0.93, 0.98], dtype=torch.float64)
    for places, value in expected.items():
        assert worth(mass, places, knobs) == pytest.approx(value)
        assert settings_of(knobs).horizon.value(best_masses, places).item() == pytest.approx(value)
    assert settings_of(knobs).horizon.sums(1) == [(1, 0.5), (3, 0.25), (5, 0.25)]
    assert settings_of(Knobs(2, 2)).horizon.sums(1) == [(5, 1.0)]
    assert settings_of(Knobs(2, 0, discount=0.5)).horizon.sums(1) == [(1, 1.0)]
    assert settings_of(Knobs(2, 0)).horizon.sums(0) == []
    assert settings_of(Knobs(2, 0)).horizon.value(best_masses, 0).item() == 0.0


def test_discount_by_hand() -> None:
    # Four items, N = 1, three rounds to come: all can be shown, so without a discount nothing is asked. With γ = 0.8
    # showing one after the other is worth 0.25·(1 + 0.8 + 0.64 + 0.512) = 0.738; asking for two of them 0.5·(0.8 +
    # 0.64) = 0.72; at γ = 0.9 these are 0.85975 and 0.855; at γ = 0.4 0.406 and 0.28.
    belief = torch.full((1, 4), 0.25, dtype=torch.float64)
    choices = choices_of([[frozenset({0, 1})]])
    for discount, items, halves in ((0.9, 0.85975, 0.855), (0.8, 0.738, 0.72), (0.4, 0.406, 0.28)):
        found = plan_lists(belief, choices, choices.slot >= 0, PlanSettings(1, 3, discount=discount))
        assert items > halves
        assert found.queries.tolist() == [[-1]]
        assert found.value.item() == pytest.approx(items)
    # Six items: one after the other (1 + 0.8 + 0.64 + 0.512)/6 = 0.492; three of them first: 2·(0.8 + 0.64 + 0.512)/6.
    belief = torch.full((1, 6), 1 / 6, dtype=torch.float64)
    choices = choices_of([[frozenset({0, 1, 2})]])
    found = plan_lists(belief, choices, choices.slot >= 0, PlanSettings(1, 3, discount=0.8))
    assert found.queries.tolist() == [[0]]
    assert found.value.item() == pytest.approx(2 * (0.8 + 0.64 + 0.512) / 6)
    # γ = 0.3: what comes later counts little: (1 + 0.3 + 0.09 + 0.027)/6 against 2·(0.3 + 0.09 + 0.027)/6.
    found = plan_lists(belief, choices, choices.slot >= 0, PlanSettings(1, 3, discount=0.3))
    assert found.queries.tolist() == [[-1]]
    assert found.value.item() == pytest.approx(1.417 / 6)


def test_click_weight_by_hand() -> None:
    # The last round of one: items 0.4 and 0.3, and a query of the other two. Items alone are worth 0.7 and clicks
    # ρ·(0.4 + 0.3/log2 3); the best item and the query 0.4 and ρ·(0.4 + 0.3/log2 3), so items it is.
    belief = torch.tensor([[0.4, 0.3, 0.2, 0.1]], dtype=torch.float64)
    second = 1 / math.log2(3)
    choices = choices_of([[frozenset({2, 3})]])
    found = plan_lists(belief, choices, choices.slot >= 0, PlanSettings(2, 0, clicks=ClickRates(0.5, 0.5)))
    assert found.items.tolist() == [[0, 1]]
    assert found.value.item() == pytest.approx(0.7 + 0.5 * (0.4 + 0.3 * second))
    # A query of three items is clicked with 0.6, before the item of 0.4: worth more once ρ·(0.6 + 0.4/log2 3) + 0.4
    # exceeds 0.7 + ρ·(0.4 + 0.3/log2 3), from ρ = 1.15 on.
    choices = choices_of([[frozenset({1, 2, 3})]])
    for rate, asks in ((1.1, False), (1.2, True)):
        found = plan_lists(belief, choices, choices.slot >= 0, PlanSettings(2, 0, clicks=ClickRates(rate, rate)))
        assert found.queries.tolist() == [[0, -1] if asks else [-1, -1]]
        assert found.items.tolist() == [[0, -1] if asks else [0, 1]]
        value = 0.4 + rate * (0.6 + 0.4 * second) if asks else 0.7 + rate * (0.4 + 0.3 * second)
        assert found.value.item() == pytest.approx(value)
    # With t = 2 the item stands first, by min(1, 0.8) before 0.6: the larger chance is below, and the query pays only
    # once 0.3·ρ/log2 3 exceeds 0.3, from ρ = 1.59 on.
    for rate, asks in ((1.5, False), (1.7, True)):
        planned = PlanSettings(2, 0, clicks=ClickRates(rate, rate), targets=2.0)
        found = plan_lists(belief, choices, choices.slot >= 0, planned)
        assert found.queries.tolist() == [[0, -1] if asks else [-1, -1]]
        value = 0.4 + rate * (0.4 + 0.6 * second) if asks else 0.7 + rate * (0.4 + 0.3 * second)
        assert found.value.item() == pytest.approx(value)


def test_what_a_click_adds_by_hand() -> None:
    # α = 0.3. The first of three rounds pays it in full: 0.3/3 for a click at the top; an item lower down ends the
    # session after one round, so what it lacks of the top counts whole. The second pays two thirds, the last one third.
    for before, paid in ((0, 0.3), (1, 0.2), (2, 0.1)):
        rates = ClickRates.of(0.3, before, 2 - before)
        assert rates.place == pytest.approx(paid / 3)
        assert rates.ending == pytest.approx(paid / (before + 1))
        first_and_third = torch.tensor([1.0, 2.0], dtype=torch.float64)
        expected = [paid / 3, paid * (1 / 3 - 0.5 / (before + 1))]
        assert rates.item(first_and_third).tolist() == pytest.approx(expected)
    assert ClickRates.of(0.0, 1, 1) == ClickRates()
    # Items 0.3 and 0.2 and a query of the other two, 0.5, all to be shown in two more rounds. With the query first,
    # the item at the second place: 1 + ρ·0.5 + 0.3·(ρ - σ·(1 - 1/log2 3)).
    belief = torch.tensor([[0.3, 0.2, 0.3, 0.2]], dtype=torch.float64)
    choices, second = choices_of([[frozenset({2, 3})]]), 1 / math.log2(3)
    planned = PlanSettings(2, 2, clicks=ClickRates(0.1, 0.2))
    found = plan_lists(belief, choices, choices.slot >= 0, planned)
    assert found.queries.tolist() == [[0, -1]]
    assert found.items.tolist() == [[0, -1]]
    assert found.value.item() == pytest.approx(1.0 + 0.1 * 0.5 + 0.3 * (0.1 - 0.2 * (1.0 - second)))


def test_order_of_a_list_by_hand() -> None:
    click = torch.tensor([[0.375, 0.4, 0.0]], dtype=torch.float64)  # the second query never stands above the first
    asked = torch.tensor([[True, True, False]])
    mass = torch.tensor([[0.25, 0.1, 0.0]], dtype=torch.float64)
    shown = torch.tensor([[True, False, False]])
    assert list_order(click, asked, mass, shown, 1.0).tolist() == [[0, 1, 3]]
    assert list_order(click, asked, mass, shown, 1.5).tolist() == [[0, 1, 3]]  # queries before equal items
    assert list_order(click, asked, mass, shown, 2.0).tolist() == [[3, 0, 1]]
    sure = torch.tensor([[0.9, 0.6, 0.0]], dtype=torch.float64)  # both surely one of two targets: in their own order
    both = torch.tensor([[True, True, False]])
    assert list_order(click, ~asked & False, sure, both, 2.0).tolist() == [[3, 4, -1]]


def test_sizes_zero_and_one() -> None:
    none = QueryChoices(
        torch.zeros((2, 0), dtype=torch.int64), torch.zeros(0, dtype=torch.int64), torch.zeros(0, dtype=torch.int64)
    )
    found = plan_lists(
        torch.tensor([[1.0], [0.0]], dtype=torch.float64),
        none,
        torch.zeros((2, 0), dtype=torch.bool),
        PlanSettings(3, 2),
    )
    assert found.items.tolist() == [[0, -1, -1], [-1, -1, -1]]
    empty = plan_lists(
        torch.zeros((0, 4), dtype=torch.float64),
        choices_of([]),
        torch.zeros((0, 0), dtype=torch.bool),
        PlanSettings(2, 1),
    )
    assert empty.items.shape == (0, 2)
    assert none.dense(1).shape == (2, 0, 1)


@pytest.mark.parametrize("size", [0, 1, 30, 4096, 4097])
def test_slots_by_falling_units_are_those_of_a_stable_sort(size: int) -> None:
    generator = torch.Generator().manual_seed(size)
    few = torch.randint(0, 3, (4, size), generator=generator)  # with many equal ones
    many = (torch.rand((4, size), generator=generator, dtype=torch.float64) * UNIT).to(torch.int64)
    for units in (few, many, torch.full_like(few, int(UNIT))):
        assert torch.equal(falling(units), units.argsort(dim=1, descending=True, stable=True))

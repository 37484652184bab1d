"""The race of MAGUS+ forms in two parts: who plays all sessions, who wins, and that the engine does not matter."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, replace
from typing import Any

import pandas as pd
import pytest
import torch
from torch import Tensor
from torch_geometric.data import HeteroData

import magus_pyg as mp
from magus_pyg.agents.judging import Judge, choose_weight_form, weight_forms
from magus_pyg.agents.magus_options import MagusOptions
from magus_pyg.agents.weights import WeightForm, edge_factors
from magus_pyg.engines import Engine, OneProcess
from magus_pyg.graph import n_nodes
from magus_pyg.testing import small_graph, small_scores, small_sessions

UNIT = WeightForm()
THIRD, ALL = 3, 9


class Backwards(OneProcess):
    """Does the last part first."""

    def map(self, work: Callable[..., Any], shared: Any, parts: Iterable[Any]) -> Iterator[Any]:
        return reversed([work(shared, part) for part in reversed(list(parts))])


class Decided(OneProcess):
    """Plays nothing: on the first part every session of a form has one value, on the second another one."""

    def __init__(self, values: Callable[[WeightForm], tuple[float, float]]) -> None:
        self.values = values
        self.finalists: list[WeightForm] = []

    def map(self, work: Callable[..., Any], shared: Any, parts: Iterable[Any]) -> Iterator[Any]:
        for part, form in parts:
            size = len(shared[part].judge.sessions)
            if size != THIRD:
                self.finalists.append(form)
            value = self.values(form)[int(size != THIRD)]
            yield pd.DataFrame({"SA@3": [value] * size, "objective": [value] * size})


@pytest.fixture
def judge(monkeypatch: pytest.MonkeyPatch) -> Judge:
    """Of nine sessions, so many that a race begins on three of them."""
    monkeypatch.setattr("magus_pyg.agents.judging._FEWEST", 1)
    return Judge(mp.prepare_sessions(small_graph(), small_sessions(), small_scores()), (2, 3), 2)


def features(graph: HeteroData) -> Tensor:
    return torch.rand((n_nodes(graph), 3), generator=torch.Generator().manual_seed(5))


def chosen(judge: Judge, engine: Engine | None = None) -> tuple[WeightForm, pd.DataFrame]:
    graph = judge.sessions.graph
    return choose_weight_form(graph, small_scores(), features(graph), MagusOptions(), judge, engine=engine)


def forms(table: pd.DataFrame) -> list[WeightForm]:
    return [WeightForm(*row) for row in table[list(asdict(UNIT))].itertuples(index=False)]


def test_the_best_of_those_that_played_all_sessions_is_chosen(judge: Judge) -> None:
    form, table = chosen(judge)
    assert sorted(set(table["sessions"])) == [THIRD, ALL]
    played = table["sessions"] == ALL
    assert UNIT in forms(table[played])
    assert 2 <= played.sum() <= 9  # six, unit weights, and two beside the best
    assert form == forms(table)[0]
    assert table["objective"][0] == table["objective"][played].max()
    # Those on all sessions first, the best first of both; the others did not do better on the third.
    assert table["sessions"].is_monotonic_decreasing
    for part in (table[played], table[~played]):
        assert part["objective"].is_monotonic_decreasing
    graph = judge.sessions.graph
    for row, tried in zip(table.to_dict("records"), forms(table), strict=True):
        agent = mp.MagusAgent(graph, small_scores(), factors=edge_factors(graph, features(graph), tried))
        by = judge if row["sessions"] == ALL else judge.parts()[0]
        assert {name: row[name] for name in by(agent)} == pytest.approx(by(agent), rel=1e-12)


def test_the_choice_does_not_depend_on_the_engine(judge: Judge) -> None:
    form, table = chosen(judge)
    other, same = chosen(judge, Backwards())
    assert other == form
    pd.testing.assert_frame_equal(same, table, check_exact=True)


@pytest.mark.parametrize(("rest", "winner"), [(0.25, UNIT), (0.5, WeightForm("cosine", 0.02))])
def test_unit_weights_stay_unless_a_form_does_better_on_all(judge: Judge, rest: float, winner: WeightForm) -> None:
    """The form leads on the third by 1; on the six others unit weights have 0.75: with 0.25 it is level on all."""
    leader = WeightForm("cosine", 0.02)
    form, table = chosen(judge, Decided(lambda form: (1.0, rest) if form == leader else (0.0, 0.75 * (form == UNIT))))
    assert form == winner == forms(table)[0]
    assert table["objective"][0] == max(0.5, (1 + 2 * rest) / 3)


def test_forms_that_play_alike_take_one_place_in_the_final(judge: Judge) -> None:
    """Neither refusals nor the factor on R- do anything: nine forms that lead on the third are one."""
    leader, second = WeightForm("cosine", 0.1), WeightForm("centred", 0.1)

    def values(form: WeightForm) -> tuple[float, float]:
        if replace(form, refusal=0.0, minus_scale=1.0) == leader:
            return 1.0, 0.0
        if form == second:
            return 0.75, 1.0
        places = weight_forms()
        return (0.5 - places.index(form) / 100, 0.0) if form in places else (0.0, 0.0)

    engine = Decided(values)
    form, table = chosen(judge, engine)
    alike = [form for form in forms(table) if values(form) == (1.0, 0.0)]
    assert len(alike) == 9
    assert engine.finalists[:2] == [leader, second]
    assert engine.finalists[6:] == [replace(second, minus_scale=value) for value in (0.85, 1.2)]  # beside the best
    assert form == second

"""`relations: swapped` without all of R- as edges: row for row what the explicit form gives."""

from dataclasses import dataclass

import torch
from hypothesis import given
from hypothesis import strategies as st
from playing import Case, Watched, cases

from magus_pyg.agents import EdgeFactors, MagusAgent, MagusOptions
from magus_pyg.graph import SessionGraphBuilder, n_nodes
from magus_pyg.simulation import simulate
from magus_pyg.testing import small_graph, small_scores, small_sessions


@dataclass
class Explicit(MagusOptions):
    """The same options with all of R- as edges."""

    @property
    def needs_explicit(self) -> bool:
        return True


_SWITCHES = {
    "scope": st.sampled_from(["session", "catalogue"]),
    "hops": st.integers(1, 3),
    "negative": st.sampled_from(["zero", "signed", "signed_both"]),
    "unclicked": st.sampled_from(["zero", "unknown"]),
    "clamp": st.booleans(),
}


@given(cases(), st.fixed_dictionaries(_SWITCHES), st.booleans())
def test_rows_and_scores_are_those_of_the_explicit_form(case: Case, switches: dict[str, object], learned: bool) -> None:
    generator = torch.Generator().manual_seed(len(case.nodes))
    side = torch.rand((n_nodes(case.graph), 3), generator=generator, dtype=torch.float64)
    factors = EdgeFactors(side, side.flip(1), 0.5, 0.25) if learned else None
    played = []
    for options in (MagusOptions(relations="swapped", **switches), Explicit(relations="swapped", **switches)):  # type: ignore[arg-type]
        watched = Watched(MagusAgent(case.graph, case.matrix, options, factors))
        played.append((simulate(watched, case.sessions, None, case.rounds, case.list_length), watched.scores))
    assert played[0][0].equals(played[1][0])
    assert played[0][1] == played[1][1]  # to the last bit


def test_normalised_too() -> None:
    graph, scores = small_graph(), small_scores()
    switches = {"relations": "swapped", "propagation": "normalised"}
    logs = [
        simulate(MagusAgent(graph, scores, options), small_sessions(), list_length=2)
        for options in (MagusOptions(**switches), Explicit(**switches))  # type: ignore[arg-type]
    ]
    assert logs[0].equals(logs[1])


def test_no_edges_are_made_that_no_node_sends_along(monkeypatch) -> None:
    """A click is spread along the R⊥ of the clicked nodes alone, and R- is never made as a whole."""
    graph, scores = small_graph(), small_scores()
    asked = []
    found = SessionGraphBuilder.independent

    def watched(builder, graphs, rows, catalogue=False):
        asked.append(rows.numel())
        return found(builder, graphs, rows, catalogue)

    monkeypatch.setattr(SessionGraphBuilder, "independent", watched)
    monkeypatch.setattr(SessionGraphBuilder, "explicit", None)
    log = simulate(MagusAgent(graph, scores, MagusOptions(relations="swapped")), small_sessions(), list_length=2)
    clicks = int((log["clicked"] >= 0).sum())
    assert clicks > 0
    assert sum(asked) <= clicks

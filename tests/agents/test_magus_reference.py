"""The batched agent against the slow literal reference, over random catalogues, scores, targets and every switch."""

from hypothesis import given, settings
from hypothesis import strategies as st
from playing import Case, any_options, assert_agent_is_reference, cases, literal

from magus_pyg.agents import MagusAgent, MagusOptions
from reference import Options


@settings(max_examples=30)
@given(cases())
def test_as_printed(case: Case) -> None:
    assert_agent_is_reference(case, MagusAgent(case.graph, case.matrix), Options())


@settings(max_examples=80)
@given(cases(), any_options(), st.booleans())
def test_every_switch(case: Case, options: MagusOptions, not_care: bool) -> None:
    agent = MagusAgent(case.graph, case.matrix, options)
    assert_agent_is_reference(case, agent, literal(options), not_care=not_care)

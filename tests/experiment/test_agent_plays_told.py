"""The error of told words, from the users who write to the agents that hear them."""

from dataclasses import replace

from fit_cases import fitted_setting, short_config, tiny_data

from magus_pyg.agents import BayesState, MagusAgent
from magus_pyg.experiment.agent_plays import fit_agents
from magus_pyg.experiment.agents_by_name import agent_context, build_agent


def test_it_is_measured_on_validation_where_the_user_writes_and_reaches_the_agents() -> None:
    config = replace(short_config("user=writer", "user.wrong=0.3"), agents=["magus", "bayes"])
    setting = fitted_setting(tiny_data(), config)
    states, _ = fit_agents(setting)
    error = float(states["magus"]["told_error"])
    assert 0.1 < error < 0.5
    assert BayesState.of_tensors(states["bayes"]).told_error == error
    context = agent_context(config, setting.graph, setting.model, rows=None)
    agent = build_agent("magus", context, states["magus"], config)
    assert isinstance(agent, MagusAgent)
    assert agent.options.told_error == error
    assert fit_agents(setting, skip=("magus", "bayes"))[0] == {}
    silent = replace(setting, config=replace(config, user=short_config().user, agents=["magus"]))
    assert fit_agents(silent)[0] == {}

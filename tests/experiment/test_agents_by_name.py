"""Which agents a configuration plays."""

import pytest

from magus_pyg.agents.rivals.rival_options import MaxEntropyOptions, RivalOptions
from magus_pyg.errors import ConfigError
from magus_pyg.experiment.agents_by_name import agent_names
from magus_pyg.runs.config import Config


def test_literal_max_entropy_by_its_option_and_by_its_name() -> None:
    both = ["items", "max_entropy", "max_entropy_literal"]
    assert agent_names(Config(agents=both)) == both
    literal = RivalOptions(max_entropy=MaxEntropyOptions(literal=True))
    assert agent_names(Config(agents=["max_entropy", "items"], rivals=literal)) == ["max_entropy_literal", "items"]
    assert agent_names(Config(agents=both, rivals=literal)) == ["items", "max_entropy_literal"]
    with pytest.raises(ConfigError, match="literal must be true or false"):
        MaxEntropyOptions(literal="yes")  # type: ignore[arg-type]

"""Contract classes for other people's models, agents and users: a test class inherits one and says how it is made.

Needs pytest, which the package itself does without.
"""

try:
    import pytest
except ImportError as error:
    raise ImportError("magus_pyg.testing needs pytest: python -m pip install pytest") from error

_CONTRACTS = ("agent_contract", "model_contract", "user_contract")
pytest.register_assert_rewrite(*(f"{__name__}.{name}" for name in _CONTRACTS))  # else failures show no values

from magus_pyg.testing.agent_contract import AgentContract
from magus_pyg.testing.model_contract import ModelContract
from magus_pyg.testing.small_log import small_data, small_features
from magus_pyg.testing.small_sessions import small_graph, small_model, small_scores, small_sessions
from magus_pyg.testing.user_contract import UserContract

__all__ = [
    "AgentContract",
    "ModelContract",
    "UserContract",
    "small_data",
    "small_features",
    "small_graph",
    "small_model",
    "small_scores",
    "small_sessions",
]

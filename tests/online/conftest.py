"""What makes the sessions of a kind and a variant, by which the tests are parametrized."""

import pytest
from online_cases import Maker, made


@pytest.fixture
def maker(kind: str, variant: str) -> Maker:
    return made(kind, variant)

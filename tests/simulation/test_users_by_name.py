"""The users that the configuration names."""

import pytest

from magus_pyg.errors import ConfigError
from magus_pyg.runs.overrides import compose_config
from magus_pyg.runs.schemas import group_options, typed
from magus_pyg.simulation.users_by_name import USERS, build_user


@pytest.mark.parametrize(
    ("words", "user"),
    [
        (["user=truthful"], "TruthfulUser()"),
        (["user=not_care"], "NotCareUser()"),
        (["user=noisy", "user.p=0.2"], "NoisyUser(p=0.2, p_item=0.0)"),
        (["user=impatient", "user.growth=0.3"], "ImpatientUser(p=0.05, growth=0.3, answers=TruthfulUser())"),
        (["user=reader"], "ReaderUser(locale='en')"),
        (
            ["user=writer", "user.times=2", "user.typos=0.5"],
            "WriterUser(times=2, words=2, typos=0.5, synonyms=0.3, wrong=0.05, filler=True, locale='en')",
        ),
        (["user=drifting", "user.last=4"], "DriftingUser(first=2, last=4, answers=TruthfulUser())"),
    ],
)
def test_users_and_their_keys(words: list[str], user: str) -> None:
    assert repr(build_user(typed(compose_config(words)).user)) == user


def test_every_user_has_a_file() -> None:
    assert group_options("user") == sorted(USERS)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["user=impatient", "user.p=1.2"], r"user\.p must be in \[0, 1\] \(got 1\.2\)"),
        (["user=drifting", "user.first=1"], r"user\.first must be at least 2"),
        (["user=writer", "user.words=9"], r"user\.words must be in \[1, 8\] \(got 9\)"),
        (["user=writer", "user.wrong=-1"], r"user\.wrong must be in"),
        (["user=reader", "user.locale=xx"], r"user\.locale must be one of de, en"),
        (["user=noisy", "user.p=0.7"], r"user\.p must be in"),
    ],
)
def test_keys_out_of_range(words: list[str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        build_user(typed(compose_config(words)).user)

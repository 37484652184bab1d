"""The simulated users by name."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from magus_pyg.errors import ConfigError, did_you_mean
from magus_pyg.options import check_options
from magus_pyg.simulation.users import DriftingUser, ImpatientUser, NoisyUser, NotCareUser, TruthfulUser, User

__all__ = ["USERS", "DriftingOptions", "ImpatientOptions", "NoisyOptions", "UserOptions", "build_user", "user_text"]


@dataclass
class UserOptions:
    """Who answers.

    Attributes:
        name: key in `users.USERS`.
    """

    name: str = "truthful"

    def __post_init__(self) -> None:
        check_options(self, "user")


@dataclass
class NoisyOptions(UserOptions):
    """A user who errs.

    Attributes:
        name: "noisy".
        p: share of shown queries whose judgement flips, in [0, 0.5).
        p_item: share of shown items whose judgement flips, in [0, 1].
    """

    name: str = "noisy"
    p: float = 0.1
    p_item: float = 0.0


@dataclass
class ImpatientOptions(UserOptions):
    """A truthful user who leaves with a chance that grows from round to round.

    Attributes:
        name: "impatient".
        p: chance to leave after the first round, in [0, 1].
        growth: what the chance gains with every round, in [0, 1].
    """

    name: str = "impatient"
    p: float = 0.05
    growth: float = 0.1


@dataclass
class DriftingOptions(UserOptions):
    """A truthful user who comes to want other candidates, once in a session.

    Attributes:
        name: "drifting".
        first: the earliest round that begins with new targets, at least 2.
        last: the latest; the round is drawn evenly between the two.
    """

    name: str = "drifting"
    first: int = 2
    last: int = 3


_TOLD: dict[str, tuple[str, ...]] = {
    "noisy": ("p = {p:g} of queries misjudged", "p_item = {p_item:g} of items"),
    "impatient": ("p = {p:g} to leave", "growth = {growth:g} a round"),
    "drifting": ("changes its mind in round {first} to {last}",),
}
"""How the settings of a user are told; those of others as they are."""


def user_text(name: str, settings: Mapping[str, Any]) -> str:
    """A user with all settings, for titles and notes: "noisy user (p = 0.1 of queries misjudged, p_item = 0 of items)".

    Args:
        name: key in `USERS`.
        settings: its options but the name.
    """
    try:
        told = [part.format(**settings) for part in _TOLD.get(name, ())]
    except KeyError:  # of a run of another release
        told = []
    told = told or [f"{key} = {value}" for key, value in settings.items()]
    return f"{name.replace('_', ' ')} user" + (f" ({', '.join(told)})" if told else "")


def _noisy(options: UserOptions) -> User:
    noise = options if isinstance(options, NoisyOptions) else NoisyOptions()
    return NoisyUser(noise.p, noise.p_item)


def _impatient(options: UserOptions) -> User:
    impatience = options if isinstance(options, ImpatientOptions) else ImpatientOptions()
    return ImpatientUser(impatience.p, impatience.growth)


def _drifting(options: UserOptions) -> User:
    drift = options if isinstance(options, DriftingOptions) else DriftingOptions()
    return DriftingUser(drift.first, drift.last)


USERS: dict[str, Callable[[UserOptions], User]] = {
    "truthful": lambda options: TruthfulUser(),
    "not_care": lambda options: NotCareUser(),
    "noisy": _noisy,
    "impatient": _impatient,
    "drifting": _drifting,
}


def build_user(options: UserOptions) -> User:
    """Make the user that the options name; ConfigError with the list of all where there is none."""
    if options.name not in USERS:
        hint = did_you_mean(options.name, USERS)
        raise ConfigError(f"there is no user {options.name!r}{hint}; there are {', '.join(USERS)}")
    return USERS[options.name](options)

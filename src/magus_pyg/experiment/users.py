"""The simulated users by name."""

from collections.abc import Callable

from magus_pyg.errors import ConfigError
from magus_pyg.experiment.config import UserOptions
from magus_pyg.simulation import TruthfulUser, User

__all__ = ["USERS", "build_user"]

USERS: dict[str, Callable[[UserOptions], User]] = {"truthful": lambda options: TruthfulUser()}


def build_user(options: UserOptions) -> User:
    """Make the user that the options name; ConfigError with the list of all where there is none."""
    if options.name not in USERS:
        raise ConfigError(f"there is no user {options.name!r}; there are {', '.join(USERS)}")
    return USERS[options.name](options)

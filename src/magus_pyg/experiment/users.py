"""The simulated users by name."""

from collections.abc import Callable

from magus_pyg.errors import ConfigError
from magus_pyg.experiment.config import NoisyOptions, UserOptions
from magus_pyg.simulation import NoisyUser, NotCareUser, TruthfulUser, User

__all__ = ["USERS", "build_user"]


def _noisy(options: UserOptions) -> User:
    noise = options if isinstance(options, NoisyOptions) else NoisyOptions()
    return NoisyUser(noise.p, noise.p_item)


USERS: dict[str, Callable[[UserOptions], User]] = {
    "truthful": lambda options: TruthfulUser(),
    "not_care": lambda options: NotCareUser(),
    "noisy": _noisy,
}


def build_user(options: UserOptions) -> User:
    """Make the user that the options name; ConfigError with the list of all where there is none."""
    if options.name not in USERS:
        raise ConfigError(f"there is no user {options.name!r}; there are {', '.join(USERS)}")
    return USERS[options.name](options)

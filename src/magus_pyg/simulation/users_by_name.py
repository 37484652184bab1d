"""The simulated users by name."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from magus_pyg.errors import ConfigError, did_you_mean
from magus_pyg.language import read_lexicons
from magus_pyg.options import check_options, one_of
from magus_pyg.simulation.users import DriftingUser, ImpatientUser, NoisyUser, NotCareUser, TruthfulUser, User
from magus_pyg.simulation.word_users import ReaderUser, WriterUser

__all__ = [
    "USERS",
    "DriftingOptions",
    "ImpatientOptions",
    "NoisyOptions",
    "ReaderOptions",
    "UserOptions",
    "WriterOptions",
    "build_user",
    "user_text",
]


@dataclass
class UserOptions:
    """Who answers.

    Attributes:
        name: key in `USERS`.
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


@dataclass
class ReaderOptions(UserOptions):
    """A user who sees texts alone.

    Attributes:
        name: "reader".
        locale: the language of the questions.
    """

    name: str = "reader"
    locale: str = "en"

    def __post_init__(self) -> None:
        check_options(self, "user", locale=one_of(read_lexicons().by_name))


@dataclass
class WriterOptions(ReaderOptions):
    """A truthful user who writes sentences before the first lists.

    Attributes:
        name: "writer".
        times: before how many lists a sentence is written.
        words: words in each, from 1 to 8.
        typos: chance that a word has a typing error, in [0, 1].
        synonyms: chance that a word that has synonyms is written as one, in [0, 1].
        wrong: chance that a word is of another item than the target, in [0, 1].
        filler: whether words stand in a sentence; else they stand alone.
        locale: the language of the sentences.
    """

    name: str = "writer"
    times: int = 1
    words: int = 2
    typos: float = 0.1
    synonyms: float = 0.3
    wrong: float = 0.05
    filler: bool = True


_TOLD: dict[str, tuple[str, ...]] = {
    "noisy": ("p = {p:g} of queries misjudged", "p_item = {p_item:g} of items"),
    "impatient": ("p = {p:g} to leave", "growth = {growth:g} a round"),
    "drifting": ("changes its mind in round {first} to {last}",),
    "reader": ("texts in {locale}",),
    "writer": (
        "sentences of {words} before {times} list(s)",
        "typos = {typos:g}",
        "synonyms = {synonyms:g}",
        "wrong = {wrong:g}",
    ),
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


def _reader(options: UserOptions) -> User:
    return ReaderUser(options.locale if isinstance(options, ReaderOptions) else "en")


def _writer(options: UserOptions) -> User:
    own = options if isinstance(options, WriterOptions) else WriterOptions()
    return WriterUser(own.times, own.words, own.typos, own.synonyms, own.wrong, own.filler, own.locale)


USERS: dict[str, Callable[[UserOptions], User]] = {
    "truthful": lambda options: TruthfulUser(),
    "not_care": lambda options: NotCareUser(),
    "noisy": _noisy,
    "impatient": _impatient,
    "drifting": _drifting,
    "reader": _reader,
    "writer": _writer,
}


def build_user(options: UserOptions) -> User:
    """Make the user that the options name; ConfigError with the list of all where there is none."""
    if options.name not in USERS:
        hint = did_you_mean(options.name, USERS)
        raise ConfigError(f"there is no user {options.name!r}{hint}; there are {', '.join(USERS)}")
    return USERS[options.name](options)

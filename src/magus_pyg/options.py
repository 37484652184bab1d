"""Checks that all options classes share: types by their annotations, ranges and choices by rules."""

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields
from functools import cache
from numbers import Integral, Real
from types import UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

from magus_pyg.errors import ConfigError, did_you_mean

__all__ = ["Rule", "above", "at_least", "at_most", "between", "check_options", "check_value", "one_of", "one_or_more"]


_LARGEST = 2**63 - 1


@dataclass(frozen=True)
class Rule:
    """What a value has to be.

    Attributes:
        holds: whether it is.
        wanted: what stands after "must be".
        why: the end of the message.
        choices: those that a mistyped word may have meant.
        of_all: whether it is of a list as one, not of each entry.
    """

    holds: Callable[[Any], bool]
    wanted: str
    why: str = ""
    choices: tuple[str, ...] = ()
    of_all: bool = False


def at_least(low: float, *words: str, why: str = "") -> Rule:
    """A finite number of at least `low`, or one of some words; `why` ends the message."""
    others = "".join(f' or "{word}"' for word in words)
    return Rule(lambda value: value in words or (_finite(value) and value >= low), f"at least {low:g}{others}", why)


def at_most(high: float, *words: str) -> Rule:
    """A finite number of at most `high`, or one of some words: for sizes beyond which nothing can be meant."""
    return Rule(lambda value: value in words or (_finite(value) and value <= high), f"at most {high:,}")


def above(low: float) -> Rule:
    """A finite number above `low`."""
    return Rule(lambda value: _finite(value) and value > low, f"above {low:g}")


def between(low: float, high: float, ends: str = "[]", why: str = "") -> Rule:
    """A number of an interval; `ends` says with brackets which of its ends belong to it."""
    return Rule(
        lambda value: (
            _finite(value)
            and low <= value <= high
            and not (value == low and ends[0] == "(")
            and not (value == high and ends[1] == ")")
        ),
        f"in {ends[0]}{low:g}, {high:g}{ends[1]}",
        why,
    )


def one_of(choices: Iterable[str], why: str = "") -> Rule:
    """One of some words."""
    words = tuple(choices)
    return Rule(lambda value: value in words, f"one of {', '.join(words)}", why, words)


def one_or_more(rule: Rule) -> Rule:
    """A list of one or more values that a rule holds for; the rule alone also takes an empty list."""
    return Rule(
        lambda value: len(value) > 0 and all(map(rule.holds, value)), f"one or more, each {rule.wanted}", of_all=True
    )


def check_options(owner: Any, group: str | None = None, /, **rules: Rule) -> None:
    """Check an options object: all fields by their types, some by rules.

    No bool is a number, and no number is infinite or NaN. A rule looks at each entry of a list or mapping, unless it is
    made by `one_or_more`; None is left to the type.

    Args:
        owner: an instance of a dataclass.
        group: what stands before the name of a field in messages; the class if None, nothing if "".
        rules: field -> what its value has to be.

    Raises:
        ConfigError: naming the field, its value and what it has to be.
    """
    kind: Any = type(owner)
    before = kind.__name__ if group is None else group
    for entry in fields(owner):
        value, hint = getattr(owner, entry.name), _hints(kind)[entry.name]
        where = f"{before}.{entry.name}" if before else entry.name
        if not _fits(value, hint):
            raise ConfigError(f"{where} must be {_kind(hint)} (got {value!r})")
        if isinstance(value, Integral) and abs(int(value)) > _LARGEST:
            raise ConfigError(f"{where} must be a number of 64 bits (got {value})")
        if entry.name in rules and value is not None:
            check_value(where, value, rules[entry.name])


def check_value(where: str, value: Any, rule: Rule) -> None:
    """Raise ConfigError, naming `where` and the value, unless a rule holds for it."""
    if isinstance(value, Mapping):
        for key, entry in value.items():
            check_value(f"{where}.{key}", entry, rule)
        return
    for entry in value if isinstance(value, list | tuple) and not rule.of_all else [value]:
        if not rule.holds(entry):
            hint = did_you_mean(str(entry), rule.choices)
            raise ConfigError(f"{where} must be {rule.wanted}{hint} (got {value!r}){rule.why}")


@cache
def _hints(kind: Any) -> dict[str, Any]:
    return get_type_hints(kind)


def _finite(value: object) -> bool:
    try:
        return not isinstance(value, bool) and isinstance(value, Real) and math.isfinite(value)
    except OverflowError:  # a whole number beyond float64
        return False


def _fits(value: Any, hint: Any) -> bool:
    """Whether a value is of an annotated type; of lists and mappings all entries are looked at."""
    if type(value) is hint and hint is not float:
        return True
    kind, inner = get_origin(hint), get_args(hint)
    if kind in (Union, UnionType):
        return any(_fits(value, part) for part in inner)
    if hint is float:
        return _finite(value)
    if hint is int:
        return isinstance(value, Integral) and not isinstance(value, bool)
    if kind in (list, tuple):
        return isinstance(value, list | tuple) and all(_fits(entry, inner[0]) for entry in value)
    if kind is dict:
        return isinstance(value, Mapping) and all(
            _fits(key, inner[0]) and _fits(entry, inner[1]) for key, entry in value.items()
        )
    return not isinstance(hint, type) or isinstance(value, hint)


def _kind(hint: Any) -> str:
    names = {int: "a whole number", float: "a finite number", str: "a text", bool: "true or false", type(None): "none"}
    if get_origin(hint) in (Union, UnionType):
        return " or ".join(map(_kind, get_args(hint)))
    return names.get(hint, str(hint) if get_args(hint) else getattr(hint, "__name__", str(hint)))

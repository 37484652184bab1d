"""What all options classes refuse: other types, numbers that are none, values out of range, unknown words."""

import math
from dataclasses import dataclass, field, fields, is_dataclass
from typing import Any

import numpy as np
import pytest

from magus_pyg.data import DatasetOptions, SessionOptions
from magus_pyg.data.dataset_options import check_dataset_options
from magus_pyg.errors import ConfigError
from magus_pyg.models import MODELS
from magus_pyg.options import above, at_least, between, check_options, check_value, one_of, one_or_more
from magus_pyg.runs import Config
from magus_pyg.runs.schemas import SCHEMAS
from magus_pyg.training import TrainOptions


@dataclass
class Shelf:
    boards: int = 3
    width: float = 80.0
    wood: str = "oak"
    doors: bool = False
    loads: list[float] = field(default_factory=lambda: [1.0])
    rooms: dict[str, int] = field(default_factory=dict)
    most: int | str | None = None

    def check(self) -> None:
        check_options(
            self,
            boards=at_least(1),
            width=between(0, 100, "(]"),
            wood=one_of(("oak", "beech")),
            loads=above(0),
            rooms=at_least(2),
            most=at_least(0, "all", why="; all for no limit"),
        )


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"width": 100},
        {"width": np.float32(2.5), "boards": np.int64(2)},
        {"loads": []},
        {"loads": (1, 2.5)},
        {"rooms": {"hall": 2}},
        {"most": "all"},
        {"most": 0},
    ],
)
def test_what_passes(values: dict[str, Any]) -> None:
    Shelf(**values).check()


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"boards": 0}, "Shelf.boards must be at least 1 (got 0)"),
        ({"boards": True}, "Shelf.boards must be a whole number (got True)"),
        ({"boards": 2.0}, "Shelf.boards must be a whole number (got 2.0)"),
        ({"boards": "3"}, "Shelf.boards must be a whole number (got '3')"),
        ({"boards": None}, "Shelf.boards must be a whole number (got None)"),
        ({"width": 0}, "Shelf.width must be in (0, 100] (got 0)"),
        ({"width": 100.5}, "Shelf.width must be in (0, 100] (got 100.5)"),
        ({"width": math.nan}, "Shelf.width must be a finite number (got nan)"),
        ({"width": math.inf}, "Shelf.width must be a finite number (got inf)"),
        ({"width": 10**400}, f"Shelf.width must be a finite number (got {10**400})"),
        ({"width": False}, "Shelf.width must be a finite number (got False)"),
        ({"wood": "beach"}, "Shelf.wood must be one of oak, beech, did you mean 'beech'? (got 'beach')"),
        ({"wood": "glass"}, "Shelf.wood must be one of oak, beech (got 'glass')"),
        ({"wood": 3}, "Shelf.wood must be a text (got 3)"),
        ({"doors": 1}, "Shelf.doors must be true or false (got 1)"),
        ({"loads": [1.0, 0.0]}, "Shelf.loads must be above 0 (got [1.0, 0.0])"),
        ({"loads": [1.0, math.nan]}, "Shelf.loads must be list[float] (got [1.0, nan])"),
        ({"loads": "heavy"}, "Shelf.loads must be list[float] (got 'heavy')"),
        ({"rooms": {"hall": 2, "attic": 1}}, "Shelf.rooms.attic must be at least 2 (got 1)"),
        ({"rooms": {1: 2}}, "Shelf.rooms must be dict[str, int] (got {1: 2})"),
        ({"most": -1}, "Shelf.most must be at least 0 or \"all\" (got -1); all for no limit"),
        ({"most": "al"}, "Shelf.most must be at least 0 or \"all\" (got 'al'); all for no limit"),
        ({"most": 1.5}, "Shelf.most must be a whole number or a text or none (got 1.5)"),
    ],
)  # fmt: skip
def test_what_is_refused(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Shelf(**values).check()
    assert str(caught.value) == message


def test_how_fields_are_named() -> None:
    for group, where in ((None, "Shelf.boards"), ("shop", "shop.boards"), ("", "boards")):
        with pytest.raises(ConfigError, match=rf"^{where} must be at least 9 \(got 3\)$"):
            check_options(Shelf(), group, boards=at_least(9))


def test_values_beside_options() -> None:
    check_value("p", 0, between(0, 1, "[)"))
    check_value("sizes", [1, 2], one_or_more(at_least(1)))
    for value in (1, -0.1, math.nan, math.inf, True, "half", None):
        with pytest.raises(ConfigError, match=r"^p must be in \[0, 1\) \(got "):
            check_value("p", value, between(0, 1, "[)"))
    for sizes in ([], [1, 0]):
        with pytest.raises(ConfigError, match="sizes must be one or more, each at least 1"):
            check_value("sizes", sizes, one_or_more(at_least(1)))


def options_classes() -> list[type]:
    """Every class of the configuration, and those of their parts."""
    found: dict[type, None] = {}
    waiting = [type(getattr(Config(), entry.name)) for entry in fields(Config)]
    waiting += [schema for group in SCHEMAS.values() for schema in group.values()]
    while waiting:
        kind = waiting.pop()
        if is_dataclass(kind) and kind not in found:
            found[kind] = None
            waiting += [type(getattr(kind(), entry.name)) for entry in fields(kind)]
    return list(found)


def checked(kind: type, values: dict[str, Any]) -> None:
    """Make the options and let them be checked as the package does."""
    made = kind(**values)
    if isinstance(made, DatasetOptions):
        check_dataset_options(made)
    elif hasattr(made, "check"):
        made.check()


@pytest.mark.parametrize("kind", options_classes(), ids=lambda kind: kind.__name__)
def test_no_class_takes_numbers_that_are_none(kind: type) -> None:
    defaults = kind()
    for entry in fields(kind):
        value = getattr(defaults, entry.name)
        if isinstance(value, int | float) and not isinstance(value, bool):
            for wrong in (math.nan, math.inf, True, [1]):
                with pytest.raises(ConfigError, match=rf"{entry.name} must be "):
                    checked(kind, {entry.name: wrong})


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        (TrainOptions, {"lr": math.nan}),
        (TrainOptions, {"lr": math.inf}),
        (TrainOptions, {"epochs": True}),
        (TrainOptions, {"negatives": 1.5}),
        (SessionOptions, {"candidates": "none"}),
        (SessionOptions, {"max_targets": 2.5}),
        *((entry.options, {"name": 3}) for entry in MODELS.values()),
    ],
)
def test_options_made_in_a_script(kind: type, values: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=rf"{next(iter(values))} must be"):
        checked(kind, values)

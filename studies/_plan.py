"""The plan of a study, read from its file of settings: which runs are trained, what each of them plays, in which order.

A training is of a data set, a base recommender and a seed. It is played in scenes: a part of the study (a table or a
figure of the pages) under one of its settings. A cell is a scene of a data set and a base recommender over all seeds:
its methods are compared with each other.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import cache, cached_property
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

import yaml
from _code import data_hash, settings_hash

from magus_pyg.data.synthetic.shape_files import write_scale_data
from magus_pyg.data.synthetic.shapes import ScaleOptions
from magus_pyg.errors import ConfigError, did_you_mean
from magus_pyg.report.method_labels import BASES
from magus_pyg.runs.config import Config
from magus_pyg.runs.overrides import compose_config
from magus_pyg.runs.schemas import typed

KINDS = ("sessions", "dialogues")


class Training(NamedTuple):
    """A run: one base recommender, trained on a data set with a seed."""

    dataset: str
    base: str
    seed: int

    @property
    def key(self) -> str:
        """Names it, as a path."""
        return f"{self.dataset}/{self.base}/s{self.seed}"


class Cell(NamedTuple):
    """What is compared: the methods of a scene on one data set and base recommender, over the seeds."""

    part: str
    scene: str
    dataset: str
    base: str

    @property
    def where(self) -> str:
        """For messages."""
        scene = f" ({self.scene})" if self.scene else ""
        return f"{self.part}{scene}, {self.dataset}, {self.base}"


class Step(NamedTuple):
    """A training, or where there is a cell, one play of it."""

    training: Training
    cell: Cell | None = None
    play: str = "train"

    @property
    def key(self) -> str:
        """Names it, as a path."""
        inside = () if self.cell is None else (self.cell.part, *filter(None, [self.cell.scene]))
        return "/".join((self.training.key, *inside, self.play))


@dataclass(frozen=True)
class SetPlan:
    """A data set: the words that choose it, and for one that is made its shape, scale and seed."""

    words: list[str]
    made: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class BasePlan:
    """A base recommender: the words that choose it, and further ones on some data sets."""

    words: list[str]
    where: dict[str, list[str]] = field(default_factory=dict)


@dataclass(frozen=True)
class PlayPlan:
    """Agents that are fitted and played at once, with the words of their settings."""

    agents: list[str]
    words: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class PartPlan:
    """A part of the study.

    Attributes:
        title: of its tables.
        at: the K of its metrics (the t of dialogues).
        metrics: those of its tables, in order.
        words: over those of the plays.
        scenes: name -> words; one without a name where the part has one setting.
        label: what the scenes' names are, such as "candidates".
        kind: "sessions", or "dialogues" of EAR's protocol.
    """

    title: str
    at: list[int]
    metrics: list[str]
    words: list[str] = field(default_factory=list)
    scenes: dict[str, list[str]] = field(default_factory=lambda: {"": []})
    label: str = ""
    kind: str = "sessions"

    @property
    def chooses(self) -> bool:
        """Whether it is played on validation sessions: what one chooses by, and no result."""
        return "simulation.part=validation" in self.words


@dataclass(frozen=True)
class Stage:
    """What is played at one place of the order: a part on some sets, bases and seeds, with some plays."""

    part: str
    sets: list[str]
    bases: list[str]
    plays: list[str]
    seeds: list[int] | None = None
    scenes: list[str] | None = None


@dataclass(frozen=True)
class Claim:
    """Something the paper says, in our words, and the figures that show whether it holds.

    Attributes:
        says: the claim.
        place: where the paper says it.
        part, scene: the tables it is looked for in.
        first, second: methods; `first` is said to be above each of `second`. `{reading}` in their names stands for
            each reading.
        metrics: in which.
        bases: of these alone.
        below: that it is said to be below instead.
        than: where given, another metric of `second` (SAC), another scene or other bases of the same method are what
            `first` is compared with: means alone, without a test. Keys: metric, scene, part, bases.
    """

    says: str
    place: str
    part: str
    first: str
    second: list[str]
    metrics: list[str]
    scene: str = ""
    bases: list[str] | None = None
    below: bool = False
    than: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Plan:
    """A study.

    Attributes:
        name: of the study, and of the folder of its results.
        seeds: of the trainings, where a stage names no others.
        words: over all runs.
        resamples: bootstrap samples of intervals and tests.
        sets, bases, plays, parts: by name.
        order: what is played, the most worth first.
        readings: name -> what a method's name has beside it in that reading.
        ahead: the methods that are said to be first -> in which metrics, without their K; who is ahead of them is
            listed.
        claims: of the paper.
        readme: the part, sets (without: all that were played), bases and methods of README.md's table.
        pages: files of the repository whose places are filled; without them copies of the pages of `docs` are made in
            the folder of the results.
    """

    name: str
    seeds: list[int]
    sets: dict[str, SetPlan]
    bases: dict[str, BasePlan]
    plays: dict[str, PlayPlan]
    parts: dict[str, PartPlan]
    order: list[Stage]
    words: list[str] = field(default_factory=list)
    resamples: int = 2000
    readings: dict[str, str] = field(default_factory=dict)
    ahead: dict[str, list[str]] = field(default_factory=dict)
    claims: list[Claim] = field(default_factory=list)
    readme: dict[str, Any] = field(default_factory=dict)
    pages: list[str] = field(default_factory=list)

    def check(self) -> None:
        """Raise ConfigError for a name that nothing has, a part without plays, or a set whose name differs."""
        known: dict[str, Mapping[str, Any]] = {"part": self.parts, "sets": self.sets, "bases": self.bases}
        for stage in self.order:
            named = {"part": [stage.part], "sets": stage.sets, "bases": stage.bases, "plays": stage.plays}
            for kind, names in named.items():
                _known(f"order: {kind}", names, known.get(kind, self.plays))
            _known("order: scenes", stage.scenes or [], self.parts[stage.part].scenes)
        for claim in self.claims:
            _known("claims: part", [claim.part, claim.than.get("part", claim.part)], self.parts)
            _known("claims: bases", [*(claim.bases or []), *claim.than.get("bases", [])], [*self.bases, *BASES])
        _known("readme: sets", self.readme.get("sets") or [], self.sets)
        for part in self.parts.values():
            _known("kind", [part.kind], dict.fromkeys(KINDS))

    @cached_property
    def stage_of(self) -> dict[Step, int]:
        """The place in the order of each play, in that order; what two stages ask for stands at the first."""
        found: dict[Step, int] = {}
        for place, stage in enumerate(self.order):
            scenes = stage.scenes or list(self.parts[stage.part].scenes)
            seeds = self.seeds if stage.seeds is None else stage.seeds
            for seed, dataset, base, scene, play in product(seeds, stage.sets, stage.bases, scenes, stage.plays):
                step = Step(Training(dataset, base, seed), Cell(stage.part, scene, dataset, base), play)
                found.setdefault(step, place)
        return found

    @property
    def steps(self) -> tuple[Step, ...]:
        """All plays, in the order of their worth."""
        return tuple(self.stage_of)

    @cached_property
    def cells(self) -> dict[Cell, list[Step]]:
        """The plays of each cell."""
        found: dict[Cell, list[Step]] = {}
        for step in self.steps:
            assert step.cell is not None
            found.setdefault(step.cell, []).append(step)
        return found

    @property
    def choosing(self) -> list[str]:
        """The parts that are played on validation sessions."""
        return [name for name, part in self.parts.items() if part.chooses]

    def words_of(self, step: Step) -> list[str]:
        """The words of a step, of which a later one replaces an earlier one of the same key."""
        dataset, base, seed = step.training
        words = [*self.sets[dataset].words, *self.bases[base].words, *self.bases[base].where.get(dataset, [])]
        words += ["magus=none", "agents=[items]", f"seed={seed}", *self.words]
        if step.cell is not None:
            part, play = self.parts[step.cell.part], self.plays[step.play]
            words += [*part.words, *part.scenes[step.cell.scene], *play.words, f"agents=[{','.join(play.agents)}]"]
        return list({word.partition("=")[0].lstrip("+"): word for word in words}.values())

    def config_of(self, step: Step, *places: str) -> Config:
        """The settings of a step; `places` are words that say where files lie; errors as of `_composed`."""
        return _composed(step.training.dataset, [*self.words_of(step), *places])

    def settings(self, step: Step) -> str:
        """The hash of the settings of a step, whatever its seed."""
        words = tuple(word for word in self.words_of(step) if not word.startswith("seed="))
        return _settings_of(step.training.dataset, words)

    def data(self, dataset: str, root: Path | None) -> str:
        """The hash of the files of a data set; "" for one that is made.

        Raises:
            DataError: its folder is not there.
        """
        config = typed(compose_config(self.sets[dataset].words))
        path = getattr(config.dataset, "path", None)
        if self.sets[dataset].made or path is None:
            return ""
        return data_hash((root or Path()) / (path or config.dataset.name))

    def make(self, dataset: str, folder: Path) -> None:
        """Make a set that is made, unless it is there."""
        made = self.sets[dataset].made
        if made and not (folder / dataset).exists():
            write_scale_data(ScaleOptions(**made, out=str(folder / dataset)))


def _composed(dataset: str, words: Sequence[str]) -> Config:
    """The settings that words stand for.

    Raises:
        ConfigError: as of `compose_config`; or the words give the set another name than the plan.
    """
    config = typed(compose_config(words))
    if config.dataset.name != dataset:
        raise ConfigError(
            f"sets: {dataset!r} is called {config.dataset.name!r} by its own words: add dataset.name={dataset}"
        )
    return config


@cache
def _settings_of(dataset: str, words: tuple[str, ...]) -> str:
    return settings_hash(_composed(dataset, words))


def read_plan(path: Path) -> Plan:
    """Read a file of settings; with `extends: FILE` it changes those of another one in its folder, key by key.

    Raises:
        ConfigError: no such file, a key that there is not, or a name that nothing has.
    """
    values = _read(path)
    try:
        plan = Plan(
            **{
                **_checked(Plan, values, path),
                "sets": _named(SetPlan, values, "sets", path),
                "bases": _named(BasePlan, values, "bases", path),
                "plays": _named(PlayPlan, values, "plays", path),
                "parts": _named(PartPlan, values, "parts", path),
                "order": [Stage(**_checked(Stage, entry, path)) for entry in values["order"]],
                "claims": [Claim(**_checked(Claim, entry, path)) for entry in values.get("claims", [])],
            }
        )
    except (KeyError, TypeError) as error:
        raise ConfigError(f"{path} lacks something: {error}") from error
    plan.check()
    return plan


def with_unseen(plan: Plan, name: str, words: Sequence[str]) -> Plan:
    """The plan's part `unseen` on another data set alone; ConfigError where there is no such part or no words."""
    if not words:
        raise ConfigError(f"--unseen {name}: the words that choose the data set are missing, such as dataset=tabular")
    order = [replace(stage, sets=[name]) for stage in plan.order if stage.part == "unseen"]
    sets = {name: SetPlan([*words, f"dataset.name={name}"])}
    other = replace(
        plan, name=f"{plan.name}-{name}", sets=sets, order=order, readme={**plan.readme, "sets": []}, pages=[]
    )
    other.check()
    return other


def _read(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise ConfigError(f"there is no file of settings {path}")
    values = yaml.safe_load(path.read_text(encoding="utf-8"))
    if not isinstance(values, dict):
        raise ConfigError(f"{path} holds no keys")
    base = values.pop("extends", None)
    return values if base is None else _merged(_read(path.parent / base), values)


def _merged(old: dict[str, Any], new: dict[str, Any]) -> dict[str, Any]:
    """`old` with the values of `new`; an entry of `sets` or `bases` is whole, and all of them are those of `new`."""
    both = dict(old)
    for key, value in new.items():
        inside = isinstance(value, dict) and isinstance(old.get(key), dict) and key not in ("sets", "bases")
        both[key] = _merged(old[key], value) if inside else value
    return both


def _checked(kind: type[Any], values: Mapping[str, Any], path: Path) -> dict[str, Any]:
    names = [entry.name for entry in fields(kind)]
    for key in values:
        if key not in names:
            raise ConfigError(
                f"{path}: there is no key {key!r}{did_you_mean(str(key), names)}; there are {', '.join(names)}"
            )
    return dict(values)


def _named(kind: type[Any], values: Mapping[str, Any], key: str, path: Path) -> dict[str, Any]:
    return {str(name): kind(**_checked(kind, entry, path)) for name, entry in values[key].items()}


def _known(what: str, names: Iterable[str], known: Mapping[str, Any] | Sequence[str]) -> None:
    for name in names:
        if name not in known:
            raise ConfigError(f"{what}: there is no {name!r}{did_you_mean(name, list(known))}")

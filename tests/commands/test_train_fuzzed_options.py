"""The whole option space under hostile values: every key of every group and schema, and words that are no settings.

Each ends in code 0, or in code 2 and one message, and leaves nothing behind. `MAGUS_FUZZ=all` tries every value with
every key, which takes some minutes; else each key gets a share of the values, its own.
"""

import os
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import pytest
from omegaconf import DictConfig

from magus_pyg.commands import train
from magus_pyg.commands.command_line import guarded
from magus_pyg.commands.train import main_train
from magus_pyg.experiment import pipeline
from magus_pyg.runs import Config, overrides
from magus_pyg.runs.schemas import SCHEMAS, group_options, groups

VALUES = (
    "", "null", "true", "nan", "inf", "-inf", "-1", "0", "1.5", "1e12", "1_004", "9" * 30, "0x10", "now", "banana",
    "ключ😀", "[]", "[1,2]", "[nan,-1]", "[[a],{b:c}]", "{}", "{a:1}", "{a:[b", "'", '"a b"', "a b", "a,b", "a=b/c",
    "${oc.env:HOME}", "${nothing.here}", "${", "${dataset.name}", "~", "~/x", "~nobody/x", "/dev/null/x", "../..",
    "!!python/object:os.system", "*x", "&a", "%s", "a\x1b[31m", "a\0b", "x" * 5000, "???", "[bold]x[/]", "\u202e=x",
    "9" * 400,
)  # fmt: skip

WORDS = (
    "foo", "=", "a=", "=b", "~seed", "~dataset", "+seed=1", "++seed=1", "+new=1", "seed@x=5", "model@x=fm", "seed=1,2",
    "model=fm,din", "experiment=null", "experiment=nope", "experiment=[quick,paper]", "model={dim:3}", "model=[fm]",
    "model=null", "dataset=", "dataset={name:x}", "user=noisi", "--config-dir=/none", "--config-dir", "--cfg", "--foo",
    "--config-path=x", "-mm", "hydra.run.dir=x", "hydra/launcher=x", "\0", "${x}=1", "paths.conf=/none", "paths=x",
    "paths.conf=/dev/null", "resume=/none", "resume=a=b/run", "resume=a\0b", "x" * 10_000, "😀=1", "dataset.=3", ".=3",
    "dataset..users=3", "seed.x=1", "dataset.name.x=1", "+dataset.merge_fields.a=[b]", "dataset/name=3",
    "seed=choice(1)", "seed=range(1,3)", "dataset.merge_fields={a:[b],a:[c]}", "magus.name=foo", "model.name=din",
    "@", "-", "--", "seed=" + "9" * 5000, "resume=" + "x" * 5000, "paths.conf=" + "x" * 5000,
)  # fmt: skip

LIMIT = 10.0  # seconds


def keys(kind: type, before: str) -> Iterator[str]:
    """The keys of an options class and those of its parts."""
    made = kind()
    for entry in fields(kind):
        value = getattr(made, entry.name)
        name = f"{before}.{entry.name}" if before else entry.name
        if is_dataclass(value) and before:
            yield from keys(type(value), name)
        elif not is_dataclass(value):
            yield name


def option_space() -> list[tuple[tuple[str, ...], str]]:
    """(words that choose the class, key) for every key of every class."""
    single = [field.name for field in fields(Config) if is_dataclass(getattr(Config(), field.name))]
    space = [((), key) for key in keys(Config, "")]
    space += [((), key) for name in single if name not in SCHEMAS for key in keys(type(getattr(Config(), name)), name)]
    for group, classes in SCHEMAS.items():
        options = {name.replace("movielens", "ml"): kind for name, kind in classes.items()}
        for name, kind in options.items():
            assert name in group_options(group), name
            space += [((f"{group}={name}",), key) for key in keys(kind, group)]
    return space


@pytest.fixture
def checked_only(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """`main_train` that ends where data would be loaded, in an empty folder; compositions are made once."""
    home = tmp_path / "home"
    home.mkdir()
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.chdir(work)
    monkeypatch.setattr(train, "train_run", lambda config, console, resume=None: None)
    monkeypatch.setattr(pipeline, "check_devices", lambda options: None)  # it takes Lightning's import: tried below
    made: dict[tuple[Any, ...], DictConfig] = {}
    compose: Callable[..., DictConfig] = overrides._compose

    def once(words: list[str], own: Path | None) -> DictConfig:
        if (*words, own) not in made:
            made[(*words, own)] = compose(words, own)
        return made[(*words, own)].copy()

    monkeypatch.setattr(overrides, "_compose", once)
    return tmp_path


def faults(words: list[str], folder: Path, capsys: pytest.CaptureFixture[str]) -> list[str]:
    """What is wrong with how a command ends."""
    began, found = time.perf_counter(), []
    try:
        code = guarded(main_train, words)
    except SystemExit as end:
        code = int(end.code or 0)
    except BaseException as error:  # noqa: BLE001 (whatever it is, a person would see its trace)
        return [f"{words}: {type(error).__name__}: {error}"]
    shown = capsys.readouterr()
    if code not in (0, 2):
        found.append(f"{words}: code {code}")
    if code == 2 and (shown.err.count("error: ") < 1 or not shown.err.startswith("error: ") or shown.out):
        found.append(f"{words}: no single message ({shown.err[:200]!r})")
    if time.perf_counter() - began > LIMIT:
        found.append(f"{words}: {time.perf_counter() - began:.0f} s")
    left = [str(path.relative_to(folder)) for path in folder.rglob("*") if path.name not in ("home", "work")]
    if left:
        found.append(f"{words}: left {left}")
        shutil.rmtree(folder / "work")
        (folder / "work").mkdir()
    return found


def test_every_key_with_hostile_values(checked_only: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found, count, share = [], 0, 1 if os.environ.get("MAGUS_FUZZ") == "all" else 9
    for number, (chosen, key) in enumerate(option_space()):
        for value in VALUES[number % share :: share]:
            found += faults([*chosen, f"{key}={value}"], checked_only, capsys)
            count += 1
    assert count > 1500
    assert not found, "\n".join(found)


def test_words_that_are_no_settings(checked_only: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = []
    for word in WORDS:
        found += faults([word], checked_only, capsys)
        found += faults(["-m", word], checked_only, capsys)
    for group in groups():
        for value in VALUES:
            found += faults([f"{group}={value}"], checked_only, capsys)
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    "word",
    [
        "train.accelerator=gpu",
        "train.strategy=banana",
        "train.devices=4096",
        "ray.workers=1000",
        "simulation.list_length=1000",
        "magus.hops=1000",
        "sessions.candidates=1000000",
        "seed=9223372036854775807",
        "dataset.name='[bold] ../..'",
        "sessions.min_interactions=100000",
        "train.filter=paper",
    ],
)
def test_what_goes_on_with_a_tiny_run(
    word: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    sizes = ["dataset.users=30", "dataset.items=40", "train.epochs=1", "simulation.resamples=10", "model.dim=2"]
    began = time.perf_counter()
    code = guarded(main_train, [*sizes, word])
    assert code in (0, 2)
    assert time.perf_counter() - began < 3 * LIMIT
    if code == 2:
        assert capsys.readouterr().err.startswith("error: ")
        assert not list(tmp_path.iterdir())
    else:
        assert len(list((tmp_path / "runs").iterdir())) == 1

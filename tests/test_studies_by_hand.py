"""studies/: hashes of code and data, settings, claims and power, on small cases by hand."""

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from repository import ROOT

from magus_pyg.errors import ConfigError, DataError

STUDIES = ROOT / "studies"
sys.path.insert(0, str(STUDIES))

import _claim_tables  # noqa: E402
import _claims  # noqa: E402
import _code  # noqa: E402
import _play  # noqa: E402
from _plan import Cell, Claim, Step, Training, read_plan, with_unseen  # noqa: E402

TENTH = STUDIES / "tenth.yaml"


def test_the_hash_of_code_counts_what_is_computed_alone(tmp_path: Path) -> None:
    def hashed(text: str) -> str:
        for name in _code.DECIDING:
            place = tmp_path / name if name.endswith(".py") else tmp_path / name / "a.py"
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(text, encoding="utf-8")
        return _code.hash_of_source(tmp_path)

    plain = hashed("def f(x: int) -> int:\n    return x + 1\n")
    same = '"""New."""\n\n# a word\ndef f(x: int) -> int:\n    """Add."""\n    return (\n        x + 1  # one\n    )\n'
    assert hashed(same) == plain
    for other in ("(x: int) -> int:\n    return x + 2", "(x: int) -> int:\n    return x - 1",
                  "(y: int) -> int:\n    return y + 1", "(x: int) -> str:\n    return x + 1"):  # fmt: skip
        assert hashed(f"def f{other}\n") != plain
    (tmp_path / "ragged.py").unlink()
    with pytest.raises(DataError, match=r"ragged\.py is not there"):
        _code.hash_of_source(tmp_path)


def test_what_decided_a_play_is_compared_in_words() -> None:
    stamp = _play.Stamp("a", "b", "c")
    assert stamp.unlike(_play.Stamp("a", "b", "c")) == ""
    assert stamp.unlike(_play.Stamp("a", "x", "y")) == "other data (x, not b) and other settings (y, not c)"


def test_the_hash_of_data_counts_its_files_and_not_what_describes_them(tmp_path: Path) -> None:
    folders = [tmp_path / name for name in "abc"]
    for folder, text in zip(folders, ("1,2", "1,2", "1,3"), strict=True):
        folder.mkdir()
        (folder / "items.csv").write_text(text, encoding="utf-8")
    (folders[1] / "README.md").write_text("new", encoding="utf-8")
    first, second, third = map(_code.data_hash, folders)
    assert first == second != third
    with pytest.raises(DataError, match="is not there"):
        _code.data_hash(tmp_path / "d")


@pytest.mark.parametrize("name", ["full", "quick", "tenth"])
def test_settings_name_what_there_is(name: str) -> None:
    plan = read_plan(STUDIES / f"{name}.yaml")
    assert plan.name == name
    assert plan.parts.keys() == read_plan(STUDIES / "full.yaml").parts.keys()
    assert [claim.says for claim in plan.claims] == [claim.says for claim in read_plan(STUDIES / "full.yaml").claims]
    seen: set[tuple[str, str]] = set()
    for step in plan.steps if name == "full" else ():  # each play and each scene once, each base once
        assert step.cell is not None
        kinds = {("play", step.play), ("scene", f"{step.cell.part} {step.cell.scene}"), ("base", step.training.base)}
        if not kinds <= seen:
            seen |= kinds
            plan.settings(step)


def test_words_of_a_step_replace_those_before_them() -> None:
    plan = read_plan(STUDIES / "full.yaml")
    step = Step(Training("amazon-hin", "rgat", 2), Cell("lengths", "4", "amazon-hin", "rgat"), "swapped")
    words = plan.words_of(step)
    assert words[:3] == ["dataset=amazon-hin", "model=rgat", "train.epochs=15"]
    assert {"magus=base", "magus.relations=swapped", "agents=[magus]", "seed=2", "refit=true"} <= set(words)
    assert len({word.partition("=")[0] for word in words}) == len(words)
    other = step._replace(training=Training("amazon-hin", "rgat", 0))
    assert plan.settings(step) == plan.settings(other)
    assert plan.settings(step) != plan.settings(step._replace(play="own"))


def test_the_part_of_unseen_sets_is_played_on_any_set() -> None:
    plan = with_unseen(read_plan(STUDIES / "full.yaml"), "shop", ["dataset=tabular", "dataset.path=my/shop"])
    assert plan.name == "full-shop"
    assert {(step.training.dataset, step.cell and step.cell.part) for step in plan.steps} == {("shop", "unseen")}
    assert {step.training.seed for step in plan.steps} == {0, 1, 2}
    assert plan.config_of(plan.steps[0]).dataset.name == "shop"
    with pytest.raises(ConfigError, match="the words that choose the data set are missing"):
        with_unseen(plan, "shop", [])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"order": [{"part": "table2", "sets": [], "bases": [], "plays": []}]}, "order: part: there is no 'table2'"),
        (
            {"order": [{"part": "table1", "sets": ["shop"], "bases": [], "plays": []}]},
            "order: sets: there is no 'shop'",
        ),
        ({"ordre": []}, "there is no key 'ordre', did you mean 'order'"),
        ({"sets": {"small-shop": {"words": ["dataset=synthetic"]}}}, "is called 'synthetic' by its own words"),
    ],
)
def test_a_wrong_setting_is_named(change: dict[str, Any], message: str, tmp_path: Path) -> None:
    path = tmp_path / "other.yaml"
    path.write_text(yaml.safe_dump({"extends": str(TENTH), **change}), encoding="utf-8")

    def read() -> None:
        plan = read_plan(path)
        plan.settings(plan.steps[0])

    with pytest.raises(ConfigError, match=message):
        read()


def claimed(differences: list[float], p: float) -> list[_claims.Finding]:
    """What is found of a claim from tests on as many bases, all with one p."""
    claim = Claim("", "", "table1", "a{reading}", ["b"], ["SA@3"])
    rows = [
        {"part": "table1", "scene": "", "dataset": "d", "base": str(number), "metric": "SA@3", "first": "a",
         "second": "b", "difference": value, "low": value - 0.02, "high": value + 0.02, "p": p}
        for number, value in enumerate(differences)
    ]  # fmt: skip
    tests = pd.DataFrame(rows)
    plan: Any = SimpleNamespace(readings={"one": "", "other": " (x)"}, ahead=["a"])
    return _claims.find(plan, SimpleNamespace(tests=tests), claim)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("differences", "p", "verdict", "below"),
    [
        ([0.1, 0.1, -0.1], 0.001, "mixed", "mixed"),
        ([0.1, 0.1, 0.0], 0.001, "holds", "the other way round"),
        ([0.1, 0.0, 0.0, 0.0], 0.001, "holds in part", "level or the other way round"),
        ([0.1, 0.1], 0.03, "level", "level"),  # Holm: 0.06
        ([-0.1], 0.03, "the other way round", "holds"),
    ],
)
def test_verdicts(differences: list[float], p: float, verdict: str, below: str) -> None:
    (found,) = claimed(differences, p)
    assert (found.reading, found.dataset, found.cells) == ("one", "d", len(differences))
    assert (found.verdict(), found.verdict(below=True)) == (verdict, below)
    assert found.difference == pytest.approx(np.mean(differences))
    assert (found.low, found.high) == (min(differences), max(differences))


def test_the_claims_of_a_page() -> None:
    rows = [("fm", "a", "b", "SA@3", 0.1), ("gru", "a", "b", "SA@3", 0.2), ("fm", "a", "b", "SA@5", -0.1),
            ("gru", "a", "b", "SA@5", 0.1), ("fm", "a (x)", "b", "SA@5", 0.3),
            ("fm", "c", "b", "RA@3", -0.2)]  # fmt: skip
    tests = pd.DataFrame(
        [{"part": "table1", "scene": "", "dataset": "d", "base": base, "metric": metric, "first": first,
          "second": second, "difference": value, "low": value - 0.02, "high": value + 0.02, "p": 0.001}
         for base, first, second, metric, value in rows]
    )  # fmt: skip
    readings, metrics = {"as defined": "", "swapped": " (x)"}, ["SA@3", "SA@5"]
    claims = [
        Claim("All is well.", "Sec. 1", "table1", "a{reading}", ["b"], metrics),
        Claim("Some is not.", "Sec. 2", "table1", "c", ["b"], ["RA@3"], below=True),
        Claim("More to come.", "Sec. 3", "table1", "d", ["b"], ["RA@3"]),
    ]
    plan: Any = SimpleNamespace(readings=readings, claims=claims)
    results: Any = SimpleNamespace(tests=tests)
    assert _claim_tables.claim_lines(plan, results) == [
        "| claim | as defined | swapped |",
        "|---|---|---|",
        "| 1. All is well. | holds 1, mixed 1 | holds 1 |",
        "| 2. Some is not. | holds 1 |  |",
        "| 3. More to come. |  |  |",
        "", "### 1. All is well.", "", "Sec. 1. Compared: `a{reading}` with `b`.", "",
        "| reading | data | SA@3 | SA@5 |",
        "|---|---|---|---|",
        "| as defined | d | +0.150 holds (+0.100 to +0.200; 2 ahead, 0 behind of 2) "
        "| +0.000 mixed (-0.100 to +0.100; 1 ahead, 1 behind of 2) |",
        "| swapped | d |  | +0.300 holds |",
        "", "### 2. Some is not.", "", "Sec. 2. Compared: `c` with `b`.", "",
        "| reading | data | RA@3 |",
        "|---|---|---|",
        "| any | d | -0.200 holds |",
        "", "### 3. More to come.", "", "Sec. 3. Compared: `d` with `b`.", "",
        "Not played yet.",
    ]  # fmt: skip


def test_claims_of_means_compare_metrics_scenes_and_bases() -> None:
    rows = [("fm", "", "SAC", 0.5), ("fm", "", "SA@3", 0.9), ("gru", "", "SAC", 0.6), ("gru", "", "SA@3", 0.8),
            ("fm", "5", "SA@3", 0.95)]  # fmt: skip
    figures = pd.DataFrame(
        [{"part": "table1", "scene": scene, "dataset": "d", "base": base, "id": "a", "metric": metric, "mean": mean}
         for base, scene, metric, mean in rows]
    )  # fmt: skip

    def found(**changes: Any) -> _claims.Finding:
        values = {
            "says": "",
            "place": "",
            "part": "table1",
            "first": "a",
            "second": ["a"],
            "metrics": ["SA@3"],
            **changes,
        }
        plan: Any = SimpleNamespace(readings={})
        (only,) = _claims.find(plan, SimpleNamespace(figures=figures), Claim(**values))  # type: ignore[arg-type]
        return only

    metric = found(than={"metric": "SAC"})
    assert (metric.cells, metric.verdict()) == (2, "holds")
    assert [metric.difference, metric.low, metric.high] == pytest.approx([0.3, 0.2, 0.4])
    scene = found(scene="5", than={"scene": ""})
    assert (scene.cells, scene.difference) == (1, pytest.approx(0.05))
    bases = found(bases=["gru"], than={"bases": ["fm"]})
    assert (bases.difference, bases.verdict(), bases.verdict(below=True)) == (
        pytest.approx(-0.1),
        "the other way round",
        "holds",
    )


def test_parts_on_validation_sessions_choose() -> None:
    assert read_plan(STUDIES / "full.yaml").choosing == read_plan(TENTH).choosing == ["tried"]


def test_power_and_who_is_ahead_by_hand() -> None:
    tests = pd.DataFrame(
        [
            ("table1", "", "d", "fm", "SA@3", "a", "b", -0.05, -0.05 - 0.0196, -0.05 + 0.0196, 0.001, 400, 100),
            ("table1", "", "d", "fm", "SA@5", "a", "b", -0.01, -0.03, 0.01, 0.4, 400, 100),
            ("table1", "", "d", "gru", "SA@3", "a", "b", 0.02, 0.01, 0.03, 0.01, 400, 100),
            ("table1", "", "d", "gru", "SA@5", "a", "b", 0.0, 0.0, 0.0, 1.0, 400, 100),  # alike everywhere
            ("ear", "", "d", "fm", "AT", "a", "b", -2.0, -3.0, -1.0, 0.02, 400, 100),  # fewer turns are ahead
            ("ear", "", "d", "fm", "AT", "a", "c", 1.0, 0.5, 1.5, 0.02, 400, 100),
            ("table1", "", "d", "fm", "RA@3", "a", "c", -0.2, -0.3, -0.1, 0.001, 400, 100),  # not what it plays for
            ("tried", "", "d", "fm", "SA@3", "a", "c", -0.1, -0.2, -0.05, 0.001, 400, 100),  # on validation sessions
        ],
        columns=["part", "scene", "dataset", "base", "metric", "first", "second", "difference", "low", "high", "p",
                 "pairs", "users"],
    )  # fmt: skip
    results: Any = SimpleNamespace(tests=tests)
    plan: Any = SimpleNamespace(ahead={"a": ["SA", "AT"]}, choosing=["tried"])
    row, turns = _claims.who_is_ahead(plan, results).to_dict("records")
    assert (row["base"], row["metric"], row["second"]) == ("fm", "SA@3", "b")
    assert [row["by"], row["low"], row["high"], row["p_holm"]] == pytest.approx([0.05, 0.0304, 0.0696, 0.005])
    assert (turns["second"], turns["by"], turns["low"], turns["p_holm"]) == ("c", 1.0, 0.5, 0.04)
    found = _claims.power(results)
    found = found[found["part"] == "table1"].set_index("metric")
    assert found.loc["SA@5", "tests"] == 1
    assert found.loc["SA@5", "shown"] == pytest.approx(0.02 / 1.959964 * (1.959964 + 0.841621), rel=1e-5)
    assert found.loc["SA@5", "sd"] == pytest.approx(0.02 / 1.959964 * 10, rel=1e-5)

"""What was served, by arm: values by hand, and the file of a command."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from served_logs import SERVED, answer, write_served

from magus_pyg.commands.report import main_report
from magus_pyg.data import SyntheticOptions
from magus_pyg.errors import ConfigError, DataError, RunError
from magus_pyg.report.served_report import build_served_table, served_rounds
from magus_pyg.serve.stores import LogRow

ARM = {"experiment": "lists", "rounds": 5, "list_length": 3}


def start(session: str, **values: object) -> LogRow:
    return LogRow("start", session, SERVED, **values)  # type: ignore[arg-type]


def log(folder: Path, rows: list[LogRow]) -> Path:
    return write_served(folder, SyntheticOptions(), rows)


@pytest.fixture
def two_arms(tmp_path: Path) -> Path:
    a, b = {**ARM, "arm": "a", "variant": "base"}, {**ARM, "arm": "b", "variant": "bayes"}
    return log(
        tmp_path,
        [
            # anna, arm a: a query at place 2, then the item at place 1.
            start("s1", user_hash="anna", **a),
            answer("s1", ["i1", "brand:x", "i2"], 1, user_hash="anna", **a),
            answer("s1", ["i3", "i4", "i5"], 0, round=2, user_hash="anna", **a),
            # anna again: a click that was taken back, then nothing.
            start("s2", user_hash="anna", **a),
            answer("s2", ["i1", "brand:x", "i2"], 0, user_hash="anna", **a),
            LogRow("undo", "s2", SERVED, user_hash="anna", **a),
            answer("s2", ["i1", "brand:x", "i2"], None, user_hash="anna", **a),
            # a guest, arm b: left at once; another one: the item at place 3 of the fourth list.
            start("s3", **b),
            start("s4", **b),
            *(
                answer("s4", ["brand:x", "tag:y", "i1"], 2 if turn == 4 else None, round=turn, **b)
                for turn in range(1, 5)
            ),
        ],
    )


def test_values_by_hand(two_arms: Path) -> None:
    table = build_served_table([two_arms], resamples=50)
    assert table.metrics == ("SA@3", "RA@3", "SA@5", "RA@5", "rounds with a query")
    means = {(row.arm, row.metric): row.mean for row in table.frame.itertuples()}
    anna = (1 / np.log2(3) + 1) / 2  # places 2 and 1 of two rounds; the other session has 0
    guest = 1 / np.log2(4) / 4
    assert means == pytest.approx(
        {
            ("a", "SA@3"): 0.5, ("a", "RA@3"): anna / 2, ("a", "SA@5"): 0.5, ("a", "RA@5"): anna / 2,
            ("a", "rounds with a query"): 2 / 3,
            ("b", "SA@3"): 0.0, ("b", "RA@3"): 0.0, ("b", "SA@5"): 0.5, ("b", "RA@5"): guest / 2,
            ("b", "rounds with a query"): 1.0,
        }
    )  # fmt: skip
    sizes = table.frame.groupby("arm")[["sessions", "users"]].first()
    assert sizes.to_dict("index") == {"a": {"sessions": 2, "users": 1}, "b": {"sessions": 2, "users": 2}}
    differences = table.frame[table.frame["arm"] == "b"].set_index("metric")["difference"]
    assert differences["RA@5"] == pytest.approx(guest / 2 - anna / 2)
    assert np.isnan(differences["rounds with a query"])
    assert table.frame["p"].isna().all()  # too few people
    assert "1 of 4 sessions were left before their first answer." in table.notes


def test_intervals_are_by_person(tmp_path: Path) -> None:
    """Ten sessions of one person tell no more than one: the interval is as wide as between two people."""
    rows = [answer(f"s{at}", ["i1"], 0, user_hash="anna", **ARM) for at in range(10)]
    rows += [answer("t", ["i1"], None, user_hash="berta", **ARM)]
    frame = build_served_table([log(tmp_path, rows)]).frame.set_index("metric")
    assert frame.loc["SA@5", ["mean", "low", "high"]].tolist() == pytest.approx([10 / 11, 0.0, 1.0])


def test_a_difference_between_arms_is_found(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    rows = []
    for person in range(400):
        arm = "ab"[person % 2]
        hit = rng.random() < (0.3 if arm == "a" else 0.6)
        rows.append(answer(f"s{person}", ["i1"], 0 if hit else None, user_hash=f"p{person}", arm=arm, **ARM))
    frame = build_served_table([log(tmp_path, rows)], [1]).frame
    found = frame[(frame["arm"] == "b") & (frame["metric"] == "SA@1")].iloc[0]
    by_arm = frame[frame["metric"] == "SA@1"].set_index("arm")["mean"]
    assert found["difference"] == pytest.approx(by_arm["b"] - by_arm["a"])
    # The usual standard error of a difference of shares.
    error = np.sqrt(sum(mean * (1 - mean) / 200 for mean in by_arm))
    assert (found["difference_high"] - found["difference_low"]) / (2 * 1.96 * error) == pytest.approx(1, abs=0.1)
    assert found["p"] < 0.01
    assert np.isnan(frame[frame["arm"] == "a"]["p"]).all()


def test_rounds_as_a_record_table(two_arms: Path) -> None:
    rounds = served_rounds(two_arms).sort_values(["session", "round"])
    columns = ["session", "round", "position", "queries_shown", "target_clicked", "answered"]
    assert rounds[columns].to_numpy().tolist() == [
        ["s1", 1, 2, 1, False, True],
        ["s1", 2, 1, 0, True, True],
        ["s2", 1, 0, 1, False, True],
        ["s3", 1, 0, 0, False, False],
        ["s4", 1, 0, 2, False, True],
        ["s4", 2, 0, 2, False, True],
        ["s4", 3, 0, 2, False, True],
        ["s4", 4, 3, 2, True, True],
    ]


def test_the_command_writes_it(two_arms: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main_report([f"runs={two_arms}", f"out={tmp_path / 'out'}", "resamples=50", "at=[2]"])
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["served.csv", "served.md", "served.txt"]
    text = (tmp_path / "out" / "served.txt").read_text()
    assert text in capsys.readouterr().out
    head = text.splitlines()[0].split("  ")
    assert [cell.strip() for cell in head if cell.strip()] == [
        "experiment", "arm", "variant", "sessions", "people", "SA@2", "RA@2", "rounds with a query",
    ]  # fmt: skip
    frame = pd.read_csv(tmp_path / "out" / "served.csv")
    assert frame.groupby("arm")["mean"].first().to_dict() == {"a": 0.5, "b": 0.0}
    assert "| lists | a | base | 2 | 1 | 0.500" in (tmp_path / "out" / "served.md").read_text()


def test_what_cannot_be_reported(two_arms: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="name such logs alone"):
        main_report([f"runs={two_arms},{tmp_path}"])
    with pytest.raises(ConfigError, match="a table by arm"):
        main_report([f"runs={two_arms}", "table=1"])
    with pytest.raises(ConfigError, match="had 5 rounds"):
        build_served_table([two_arms], [6])
    with pytest.raises(RunError, match="no session was served yet"):
        build_served_table([log(tmp_path / "new", [])])
    with pytest.raises(DataError, match="is no log"):
        served_rounds(tmp_path / "nothing")


def test_words_of_people_are_harmless_in_the_files(tmp_path: Path) -> None:
    folder = log(tmp_path, [answer("s", ["i1"], 0, **{**ARM, "arm": "=1+1|<b>\x1b"})])
    main_report([f"runs={folder}", f"out={tmp_path / 'out'}", "resamples=50"])
    for path in (tmp_path / "out").iterdir():
        text = path.read_text()
        assert "\x1b" not in text
        assert path.suffix == ".txt" or "<b>" not in text or path.suffix == ".csv"
    assert "'=1+1|" in (tmp_path / "out" / "served.csv").read_text()

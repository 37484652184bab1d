"""Successive sessions with and without learning: no target returns, the table by hand, the command."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from magus_pyg.data import Sessions
from magus_pyg.errors import ConfigError
from magus_pyg.experiment.learning_curve import distinct_targets, learning_table, main
from magus_pyg.runs import load_run


def sessions_of(rows: list[tuple[int, list[int], list[int]]], width: int = 3) -> Sessions:
    """Rows (user, candidates, targets)."""
    candidates = [items + [-1] * (width - len(items)) for _, items, _ in rows]
    targets = [[item in wanted for item in items] + [False] * (width - len(items)) for _, items, wanted in rows]
    return Sessions(
        torch.tensor([user for user, _, _ in rows], dtype=torch.int64),
        torch.tensor(candidates, dtype=torch.int64).reshape(len(rows), width),
        torch.tensor(targets, dtype=torch.bool).reshape(len(rows), width),
        id=torch.arange(len(rows)) * 3,
    )


def test_no_target_returns_by_hand() -> None:
    made = distinct_targets(
        sessions_of(
            [
                (0, [1, 2, 3], [1, 2]),
                (0, [2, 4, 1], [2, 4]),  # 1 and 2 were wanted before
                (1, [1, 2, 3], [1]),  # by another user
                (0, [1, 5, 6], [1]),  # nothing is left to be wanted
                (0, [3, 4, 5], [5]),  # 3 was no target; 4 was
            ]
        )
    )
    assert made.id is not None
    assert made.id.tolist() == [0, 3, 6, 12]
    assert made.candidates.tolist() == [[1, 2, 3], [-1, 4, -1], [1, 2, 3], [3, -1, 5]]
    assert made.targets.tolist() == [[1, 1, 0], [0, 1, 0], [1, 0, 0], [0, 0, 1]]


_ITEMS = st.lists(st.integers(0, 5), unique=True, max_size=3)


@given(st.lists(st.tuples(st.integers(0, 2), _ITEMS, _ITEMS), max_size=8))
def test_no_target_returns(rows: list[tuple[int, list[int], list[int]]]) -> None:
    made = distinct_targets(sessions_of(rows))
    expected, wanted_before = [], {user: set() for user in range(3)}  # type: ignore[var-annotated]
    for user, items, targets in rows:
        before = set(wanted_before[user])
        wanted_before[user] |= set(items) & set(targets)
        if (set(items) & set(targets)) - before:
            kept = [-1 if item in before else item for item in items]
            expected.append((user, kept + [-1] * (3 - len(items)), (set(items) & set(targets)) - before))
    got = zip(made.user.tolist(), made.candidates.tolist(), made.targets, strict=True)
    assert [(user, row, set(torch.tensor(row)[wanted].tolist())) for user, row, wanted in got] == expected


def log_of(learn: str, hits: dict[int, int]) -> pd.DataFrame:
    """Sessions 0 and 1 of user 0, session 5 of user 7, two rounds; `hits` says in which round a session succeeds."""
    rows = []
    for session, user in ((0, 0), (1, 0), (5, 7)):
        for number in (1, 2):
            hit = hits.get(session) == number
            rows.append((session, user, "items", 2, number, 1 if hit else 0, 0, hit, learn))
            if hit:
                break
    columns = ["session", "user", "agent", "horizon", "round", "position", "queries_shown", "target_clicked", "learn"]
    return pd.DataFrame(rows, columns=columns)


def test_the_table_by_hand() -> None:
    records = pd.concat([log_of("none", {0: 1, 5: 2}), log_of("per_session", {0: 1, 1: 1, 5: 2})], ignore_index=True)
    table = learning_table(records, [2], resamples=50)
    assert table["agent"].tolist() == ["items"] * 4
    assert table["learn"].tolist() == ["none", "none", "per_session", "per_session"]
    assert table["number"].tolist() == [1, 2, 1, 2]
    assert table["sessions"].tolist() == [2, 1, 2, 1]
    assert table["SA@2"].tolist() == [1.0, 0.0, 1.0, 1.0]
    assert table["RA@2"].tolist() == [0.75, 0.0, 0.75, 1.0]
    assert np.isnan(table["SA@2_gain"][0])
    assert table["SA@2_gain"].tolist()[2:] == [0.0, 1.0]
    assert table["SA@2_gain_low"].tolist()[2:] == [0.0, 1.0]
    alone = learning_table(log_of("per_session", {}), [2], resamples=50)
    assert "SA@2_gain" not in alone.columns


TINY = ["dataset.users=60", "dataset.items=160", "dataset.brands=8", "train.epochs=1", "simulation.resamples=50"]


@pytest.fixture(scope="module")
def learned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    runs = tmp_path_factory.mktemp("learning")
    return main([*TINY, "agents=[items,magus]", "sessions.per_user=3", f"paths.runs={runs}"])


def test_the_command_trains_and_plays_both_ways(learned: Path) -> None:
    table = pd.read_csv(learned / "results.csv")
    assert list(table["agent"].unique()) == ["items", "magus"]
    assert set(table["learn"]) == {"none", "per_session"}
    assert table["number"].max() <= 3
    first = table[(table["number"] == 1) & (table["learn"] == "per_session")]
    assert (first[[f"{metric}_gain" for metric in ("RA@3", "SA@3", "RA@5", "SA@5")]] == 0).all(axis=None)
    records = pd.read_parquet(learned / "records.parquet")
    plays = [set(rows["session"]) for _, rows in records.groupby(["agent", "learn"])]
    assert all(entry == plays[0] for entry in plays)
    ways = {way: rows.reset_index(drop=True) for way, rows in records[records["agent"] == "items"].groupby("learn")}
    shown = {way: rows["shown"].map(list).tolist() for way, rows in ways.items()}
    assert shown["none"] != shown["per_session"]


def test_a_run_that_is_named_gives_the_same(learned: Path) -> None:
    before = (learned / "results.csv").read_text()
    assert main([f"run={learned.parent}"]) == learned
    assert (learned / "results.csv").read_text() == before


def test_the_run_itself_learned_from_its_sessions(learned: Path) -> None:
    """`magus.learn=per_session` in the main job: the second sessions differ from those without learning."""
    from magus_pyg.commands.simulate import main_simulate

    run = load_run(learned.parent)
    assert run.magus_options.learn == "per_session"
    main_simulate([f"run={learned.parent}", "magus.learn=none"])
    without = pd.read_parquet(learned.parent / "simulations" / "1" / "records.parquet")
    frozen, learning = (log[log["agent"] == "items"] for log in (without, run.records))
    number = [log["session"] % 3 for log in (frozen, learning)]
    same = [log[which == 0]["shown"].map(list).tolist() for log, which in zip((frozen, learning), number, strict=True)]
    assert same[0] == same[1]
    later = [log[which > 0]["shown"].map(list).tolist() for log, which in zip((frozen, learning), number, strict=True)]
    assert later[0] != later[1]


def test_what_cannot_be_played(learned: Path, tiny_run: Path, trainer: Callable[..., Path]) -> None:
    with pytest.raises(ConfigError, match=r"sessions\.per_user must be at least 2 .*got 1.*experiment=learning"):
        main([f"run={tiny_run}"])
    with pytest.raises(ConfigError, match="seed=3: a run that is named plays with its own settings"):
        main([f"run={learned.parent}", "seed=3"])

"""A person at the terminal, played by a script."""

import io
from pathlib import Path

import pytest

from magus_pyg.commands.play import main_play
from magus_pyg.errors import ConfigError, DataError
from magus_pyg.graph import item_id_of, n_items, title_of
from magus_pyg.runs import load_run


def answer(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(text))


def test_a_transcript(tiny_run: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    user = load_run(tiny_run).user_ids[2]
    answer(monkeypatch, "x\n7\n1\n\nq\n")
    # Without the R- weights of the first guess queries come first, and the first of them is clicked.
    main_play([f"run={tiny_run}", f"user={user}", "magus.minus_scale=0"])
    shown = capsys.readouterr().out
    assert f"user {user}, base, 5 rounds" in shown
    assert "round 3 of 5" in shown
    assert "round 4 of 5" not in shown
    assert "'x' is none of 1 to 3, ?1 to ?3, Enter or q" in shown
    assert "'7' is none of 1 to 3" in shown
    assert "rose from" in shown
    assert shown.rstrip().endswith("stopped")


def test_clicking_an_item_ends_the_session(
    tiny_run: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    user = load_run(tiny_run).user_ids[0]
    answer(monkeypatch, "1\n" * 9)
    main_play([f"run={tiny_run}", f"user={user}", "simulation.rounds=9", "magus=none"])
    shown = capsys.readouterr().out
    assert "none, 9 rounds" in shown
    graph = load_run(tiny_run).graph
    named = [f"item {item_id_of(graph, item)}: {title_of(graph, item)} (" for item in range(n_items(graph))]
    listed = [name for name in named if f"  1  {name}" in shown]
    assert len(listed) == 1
    assert f"found {listed[0]}" in shown
    assert "found item" in shown
    assert "in round 1" in shown


def test_all_rounds_without_a_click_and_the_end_of_the_input(
    tiny_run: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    user = load_run(tiny_run).user_ids[0]
    answer(monkeypatch, "\n\n")
    main_play([f"run={tiny_run}", f"user={user}", "simulation.rounds=2", "simulation.list_length=4"])
    assert "nothing found in 2 rounds" in capsys.readouterr().out
    answer(monkeypatch, "\n")
    main_play([f"run={tiny_run}", f"user={user}"])
    assert capsys.readouterr().out.rstrip().endswith("stopped")


def test_what_play_refuses(tiny_run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ConfigError, match=r"user=\.\.\. is missing: one of the run's 60 users, such as u"):
        main_play([f"run={tiny_run}"])
    with pytest.raises(DataError, match="no user 'nobody'"):
        main_play([f"run={tiny_run}", "user=nobody"])
    with pytest.raises(ConfigError, match="belongs to the trained run"):
        main_play([f"run={tiny_run}", "user=u0", "seed=3"])
    main_play(["--help"])
    assert "Type the number" in capsys.readouterr().out

"""A person at the terminal, played by a script."""

import io
from pathlib import Path

import pytest

from magus_pyg.commands.play import main_play
from magus_pyg.errors import ConfigError, DataError
from magus_pyg.graph import n_items, title_of, words_of
from magus_pyg.runs import load_run


def answer(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(text))


def test_a_transcript(tiny_run: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    user = load_run(tiny_run).user_ids[2]
    answer(monkeypatch, "x\n7\n1 2\nh\n1\n\nq\n")
    # Without the R- weights of the first guess queries come first, and the first of them is clicked.
    main_play([f"run={tiny_run}", f"user={user}", "magus.minus_scale=0"])
    shown = capsys.readouterr().out
    assert f"user {user}, base, 5 rounds" in shown
    assert "round 3 of 5" in shown
    assert "round 4 of 5" not in shown
    assert "'x' is none of 1 to 3; Enter means none of these, h is for help" in shown
    assert "'7' is none of 1 to 3" in shown
    assert "one click at a time" in shown
    assert "start again, with nothing answered" in shown
    assert shown.count("round 1 of 5") == 2  # the list is shown again after the help alone
    assert shown.count("  the same items are ahead as before") == 1
    assert "  1  anything with " in shown
    assert shown.rstrip().endswith("stopped")


def test_back_start_again_and_what_does_not_matter(
    tiny_run: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    user = load_run(tiny_run).user_ids[2]

    def lists(typed: str) -> list[str]:
        answer(monkeypatch, typed)
        main_play([f"run={tiny_run}", f"user={user}", "magus=bayes", "simulation.min_items=1"])
        return capsys.readouterr().out.split("\nround ")

    first, second = lists("\nq\n")[1:3]
    assert "items not shown yet (and their places before):" in first
    back = lists("\nb\nq\n")
    assert [part.splitlines()[:4] for part in back[1:4]] == [
        first.splitlines()[:4], second.splitlines()[:4], first.splitlines()[:4]
    ]  # fmt: skip
    assert "there is no answer to take back" in lists("b\nq\n")[1]
    again = lists("1\n\ns\nq\n")
    assert "started again" in again[3]
    assert again[4].splitlines()[:4] == first.splitlines()[:4]
    careless, refused = lists("d1\nq\n"), lists("\nq\n")
    assert careless[1].splitlines()[:4] == refused[1].splitlines()[:4]
    assert careless[2] != refused[2]
    assert "Not Care answers a query that is not clicked" in lists("d3\nq\n")[1]  # an item


def test_words_are_told_and_explained_with_what_moved_most_first(
    tiny_run: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run = load_run(tiny_run)
    word = words_of(run.graph, n_items(run.graph))[0].value
    answer(monkeypatch, f"?1\n?9\n+{word.upper()}\n-no such word\n\n\n?1\nq\n")
    main_play([f"run={tiny_run}", f"user={run.user_ids[2]}", "magus=bayes"])
    shown = capsys.readouterr().out
    assert "by the base scores alone: no answer has moved it yet" in shown
    assert "?9 is none of ?1 to ?3" in shown
    assert "no item has the word 'no such word'" in shown
    moved = [float(line.split()[0]) for line in shown[shown.index("round 3 of 5"):].splitlines() if " round " in line
             and line.strip()[:1] in ("+", "-")]  # fmt: skip
    assert len(moved) > 1
    assert [abs(change) for change in moved] == sorted(map(abs, moved), reverse=True)


def test_clicking_an_item_ends_the_session(
    tiny_run: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    user = load_run(tiny_run).user_ids[0]
    answer(monkeypatch, "1\n" * 9)
    main_play([f"run={tiny_run}", f"user={user}", "simulation.rounds=9", "magus=none"])
    shown = capsys.readouterr().out
    assert "none, 9 rounds" in shown
    graph = load_run(tiny_run).graph
    named = [f"{title_of(graph, item)} (" for item in range(n_items(graph))]
    listed = [name for name in named if f"  1  {name}" in shown]
    assert len(listed) == 1
    assert f"found {listed[0]}" in shown
    assert "in round 1" in shown
    assert "the session is over: b takes the last answer back, s starts again, Enter ends" in shown
    answer(monkeypatch, "1\nb\n\n1\n\n")  # back from the end, then to it again
    main_play([f"run={tiny_run}", f"user={user}", "simulation.rounds=9", "magus=none"])
    shown = capsys.readouterr().out
    assert shown.count("\nfound ") == 2
    assert shown.count("round 1 of 9") == 2
    assert "the same items are ahead as before" in shown


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
    assert "start again, with nothing answered" in capsys.readouterr().out


def test_a_sentence_in_place_of_a_number(
    tiny_run: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    user = load_run(tiny_run).user_ids[2]
    answer(monkeypatch, "I am a student, no grocereis please, xyzzy\nx budget\nx budget\nqwxyz\nx qwxyz\nq\n")
    main_play([f"run={tiny_run}", f"user={user}"])
    said = capsys.readouterr().out
    assert "'grocereis' is read as 'groceries'" in said
    assert "not understood: xyzzy" in said
    assert "understood: low price band: budget; not groceries (x WORD takes one back)" in said
    assert "taken back: budget" in said
    assert "nothing was said of 'budget'" in said
    assert said.count("nothing that the catalogue has") == 2

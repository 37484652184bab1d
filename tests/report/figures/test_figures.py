"""Figures: written, the same bytes again, labels apart, and a clear word where matplotlib is missing."""

import sys
from pathlib import Path

import pandas as pd
import pytest
from run_folders import records, write_run, write_simulation

from magus_pyg.errors import ConfigError
from magus_pyg.report import pool_plays, read_plays
from magus_pyg.report.series import SERIES_COLUMNS, round_series, success_series, time_series
from magus_pyg.report.story import Story, StoryNode, StoryRound

pytest.importorskip("matplotlib", reason="figures need the extra [figures]")

from magus_pyg.report.figures import line_panels, save_figure, story_graphs, styled, time_bars
from magus_pyg.report.figures.line_panels import looks_of
from magus_pyg.report.figures.session_case import drawn_nodes
from magus_pyg.report.figures.style import COLUMN, label_lines, look_of, spread

PNG = b"\x89PNG"


@pytest.fixture
def points(tmp_path: Path) -> pd.DataFrame:
    run = write_run(tmp_path / "a", {"items": [1, 0, 3, 4], "magus": [2, 0, 3, 1]})
    write_simulation(run, 1, {"magus": [1, 1, 3, 2]}, magus__negative="signed")
    return round_series(pool_plays(read_plays(tmp_path)), resamples=50)


def story() -> Story:
    words = StoryNode(3, "Milk", 1, False, False, 5)
    pair = StoryNode(4, "Oat Milk", 2, False, False, 2)
    items = {0: StoryNode(0, "item m1", 2, True, True, 0), 1: StoryNode(1, "item m2", 1, True, False, 1)}
    nodes = {**items, 3: words, 4: pair}
    first = StoryRound({0: 0.4, 1: 0.9, 3: 1.0, 4: 0.0}, (3, 1), 3, (3, 4), 3)
    second = StoryRound({0: 1.0, 1: 0.1, 3: 0.2, 4: 0.9}, (0, 4), 0, (1,), None)
    return Story("shop", "fm", "magus", "u7", 7, nodes, ((3, 4), (3, 0), (3, 1), (4, 0)), (first, second))


def test_lines_are_written_and_the_same_again(points: pd.DataFrame, tmp_path: Path) -> None:
    written = []
    for name in ("one", "two"):
        with styled():
            paths = save_figure(line_panels(points, "K, rounds"), tmp_path / name / "figure3")
        assert [path.name for path in paths] == ["figure3.png", "figure3.svg"]
        written.append([path.read_bytes() for path in paths])
    assert written[0] == written[1]
    png, svg = written[0]
    assert png.startswith(PNG)
    assert b"<svg" in svg


def test_what_is_in_a_panel(points: pd.DataFrame) -> None:
    with styled():
        figure = line_panels(points, "K, rounds")
        assert figure.get_size_inches()[0] == pytest.approx(COLUMN)
        top, bottom = figure.axes
        assert (top.get_ylabel(), bottom.get_ylabel()) == ("RA@K", "SA@K")
        assert (top.get_title("left"), bottom.get_xlabel()) == ("shop", "K, rounds")
        assert [line.get_ydata().tolist() for line in bottom.lines] == [
            [0.5, 0.75, 0.75, 0.75], [0.75, 1.0, 1.0, 1.0], [0.25, 0.5, 0.75, 0.75],
        ]  # fmt: skip
        labels = [text.get_text() for text in bottom.texts if text.get_text()]
        assert set(labels) == {"items", "MAGUS", "MAGUS, negative=signed"}


def test_no_points_are_refused() -> None:
    with styled():
        with pytest.raises(ConfigError, match="nothing to draw"):
            line_panels(pd.DataFrame(columns=list(SERIES_COLUMNS)), "K")
        with pytest.raises(ConfigError, match="nothing to draw"):
            time_bars(pd.DataFrame())


def test_planned_points_and_several_data_sets(tmp_path: Path) -> None:
    log = pd.concat([records([3, 0], "bayes", rounds=3), records([4, 2], "bayes")], ignore_index=True)
    write_run(tmp_path / "a", {"items": [1, 0], "bayes": log})
    write_run(tmp_path / "b", {"items": [1, 0], "ear": [1, 0]}, dataset={"name": "other"})
    table = success_series(pool_plays(read_plays(tmp_path), ["sessions.candidates"]), resamples=50)
    with styled():
        figure = line_panels(table, "K, rounds", rows="metric", columns="dataset")
        other, shop = figure.axes
        assert [text.get_text() for text in shop.texts if text.get_text()] == ["items", "bayes"]
        assert "EAR" in [text.get_text() for text in other.texts]  # not in the last panel, so labelled here
        hollow = [line for line in shop.lines if line.get_markerfacecolor() == "white"]
        assert [(line.get_xdata().tolist(), line.get_ydata().tolist()) for line in hollow] == [([3], [0.5])]
        save_figure(figure, tmp_path / "candidates")
        # A panel for each data set and number of candidates: what is missing stays empty.
        table.loc[table["dataset"] == "other", "panel"] = "100"
        hidden = line_panels(table, "K", rows="dataset", columns="panel")
        assert [axes.get_visible() for axes in hidden.axes] == [True, False, False, True]


def test_bars(tmp_path: Path) -> None:
    write_run(tmp_path / "a", {"items": [1, 0], "bayes": [1, 0]})
    write_run(tmp_path / "b", {"items": [1, 0]}, model={"name": "rgat"}, train__epochs=7)
    times = time_series(pool_plays(read_plays(tmp_path)))
    with styled():
        figure = time_bars(times)
        training, session = figure.axes
        texts = [text.get_text() for text in training.texts]
        assert texts == ["66 s", "60 s", "60 s", "FM", "RGAT"]
        assert [text.get_text() for text in session.texts] == ["2.00 ms"] * 3
        assert save_figure(figure, tmp_path / "six")[0].stat().st_size > 1000
        times["session_ms"] = float("nan")
        assert [text.get_text() for text in time_bars(times).axes[1].texts] == ["not noted"] * 3
        both = pd.concat([times, times.assign(dataset="other")])
        assert [axes.get_title("left") for axes in time_bars(both).axes] == [
            "shop\ntraining", "\na session", "other\ntraining", "\na session",
        ]  # fmt: skip


def test_a_session(tmp_path: Path) -> None:
    told = story()
    assert (told.found, told.popular_found) == (True, False)
    with styled():
        figure = story_graphs(told)
        assert len(figure.axes) == 2
        texts = [text.get_text() for text in figure.axes[0].texts]
        assert {"Round 1", "MAGUS shows", "Milk  ✓ clicked", "item m2", "1.00", "0.40", "Oat Milk"} <= set(texts)
        assert "item m1  ✓ found" in [text.get_text() for text in figure.axes[1].texts]
        first = [path.read_bytes() for path in save_figure(figure, tmp_path / "a")]
        again = [path.read_bytes() for path in save_figure(story_graphs(told), tmp_path / "b")]
    assert first == again


def test_which_nodes_are_drawn() -> None:
    told = story()
    assert [[entry.node for entry in layer] for layer in drawn_nodes(told)] == [[3], [4], [0, 1]]
    more = {node: StoryNode(node, f"word {node}", 1, False, False, 0) for node in range(10, 40)}
    scores = {node: node / 100 for node in more}
    first, second = told.rounds
    rounds = (
        StoryRound(first.scores | scores, (*first.shown, 10), 3, first.popular, 3),
        StoryRound(second.scores | scores, second.shown, 0, second.popular, None),
    )
    crowded = Story("shop", "fm", "magus", "u7", 7, told.nodes | more, told.edges, rounds)
    # What was shown, then the best of the others.
    assert [entry.node for entry in drawn_nodes(crowded)[0]] == [3, 10, 39, 38, 37, 36, 35, 34, 33]


def test_labels_move_apart() -> None:
    assert spread([0.1, 0.5, 0.9], 0.2, 0.0, 1.0) == [0.1, 0.5, 0.9]
    assert spread([0.5, 0.5, 0.5], 0.2, 0.0, 1.0) == pytest.approx([0.3, 0.5, 0.7])
    assert spread([0.95, 1.0], 0.2, 0.0, 1.0) == pytest.approx([0.8, 1.0])
    assert spread([0.0, 0.0], 0.2, 0.0, 1.0) == pytest.approx([0.0, 0.2])
    # The lower pair moves up to 0.3 and meets the third.
    assert spread([0.4, 0.4, 0.55], 0.2, 0.0, 1.0) == pytest.approx([0.25, 0.45, 0.65])
    assert spread([], 0.2, 0.0, 1.0) == []
    with styled():
        from magus_pyg.report.figures.style import figure_of

        figure, [[axes]] = figure_of(1, 1, 3.0, 2.0)
        axes.set_ylim(0, 1)
        figure.canvas.draw()
        label_lines(axes, [(0.5, "one", "k"), (0.5, "two", "k")], 1.0)
        assert [text.get_text() for text in axes.texts] == ["one", "", "two", ""]


def test_looks() -> None:
    series = {"MAGUS": "magus", "MAGUS, hops=2": "magus", "mine": "mine", "yours": "yours"}
    looks = looks_of(pd.DataFrame(series.items(), columns=["series", "method"]))
    assert looks["MAGUS"].colour == looks["MAGUS, hops=2"].colour == look_of("magus").colour
    assert looks["MAGUS"].dashes != looks["MAGUS, hops=2"].dashes
    assert len({look.colour for look in looks.values()}) == 3


def test_without_matplotlib(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(ConfigError, match=r"pip install 'magus-pyg\[figures\]'"), styled():
        pass


def test_the_users_own_style_is_left_alone() -> None:
    import matplotlib as mpl

    before = mpl.rcParams["font.size"]
    with styled():
        assert mpl.rcParams["font.size"] == 7.0
    assert mpl.rcParams["font.size"] == before

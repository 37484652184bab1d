"""Synthetic catalogues of the paper's sizes: exact, the same in any pieces, with a taste, and read by `tabular`."""

import shlex
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from repository import ROOT

from magus_pyg.commands.make_data import main_make_data, parse_words, train_command
from magus_pyg.data import TabularOptions, load_dataset
from magus_pyg.data.synthetic.shape_files import write_scale_data
from magus_pyg.data.synthetic.shape_log import ScaleLog
from magus_pyg.data.synthetic.shapes import SHAPES, ScaleOptions, catalogue_frame, make_catalogue
from magus_pyg.errors import ConfigError, DataError

SCALE = 0.001
STORED_ENDS = [47, 129, 54925]
STORED_ITEMS = [502, 139, 377, 713, 178, 32, 230, 343]
STORED_TIMES = [0, 10440, 16385, 39625]
STORED_WORDS = [["0", "cat_0", "seller_31", "brand_0"], ["1", "cat_0", "seller_8", "brand_48"]]


def options(shape: str = "tmall", **changes: object) -> ScaleOptions:
    return replace(ScaleOptions(shape=shape, scale=SCALE, seed=3), **changes)  # type: ignore[arg-type]


def log_of(chosen: ScaleOptions) -> ScaleLog:
    shape = chosen.sized()
    return ScaleLog(shape, make_catalogue(shape, chosen.seed), chosen.seed)


def test_the_sizes_are_those_of_the_paper() -> None:
    tmall, alipay = (ScaleOptions(shape=name).sized() for name in ("tmall", "alipay"))
    assert (tmall.users, tmall.items, tmall.interactions) == (424_170, 1_090_390, 54_925_331)
    assert (alipay.users, alipay.items, alipay.interactions) == (498_308, 2_200_191, 35_179_371)
    assert tmall.fields == ("category", "seller", "brand")
    assert alipay.fields == ("category", "seller")
    small = options().sized()
    assert (small.users, small.items, small.interactions) == (424, 1090, 54_925)
    assert ScaleOptions(shape="tmall", scale=1e-9).sized().interactions == 10  # one user, with the rows each has


@pytest.mark.parametrize("name", list(SHAPES))
def test_the_content_does_not_depend_on_the_pieces(tmp_path: Path, name: str) -> None:
    tables = {}
    for rows in (700, 9_973, 10**9):
        folder = write_scale_data(options(name, out=str(tmp_path / str(rows)), chunk_rows=rows))
        found = {path.stem: pq.read_table(path).to_pandas() for path in sorted(folder.iterdir())}
        assert list(found) == ["interactions", "items", "users"]
        for table, frame in found.items():
            pd.testing.assert_frame_equal(frame, tables.setdefault(table, frame), check_categorical=False)
    groups = pq.ParquetFile(tmp_path / "700" / "interactions.parquet").metadata.num_row_groups
    assert groups > 20
    other = log_of(options(name, seed=4)).rows(range(9))
    assert not np.array_equal(other.item, log_of(options(name)).rows(range(9)).item[: other.item.size])


def test_the_values_stay_what_they_are() -> None:
    # Whole numbers from exact arithmetic: on every machine these.
    log = log_of(options())
    rows = log.rows(range(100, 102))
    assert log.ends[[1, 2, -1]].tolist() == STORED_ENDS
    assert rows.item[:8].tolist() == STORED_ITEMS
    assert (rows.time[:4] - rows.time[0]).tolist() == STORED_TIMES
    assert [catalogue_frame(log.catalogue).iloc[n].tolist() for n in (0, 1)] == STORED_WORDS


def test_a_user_has_the_same_rows_whoever_is_asked_for_with_them() -> None:
    log = log_of(options())
    together, alone = log.rows(range(10, 30)), log.rows(range(17, 18))
    mine = together.user == 17
    for name in ("user", "item", "action", "time"):
        assert np.array_equal(getattr(together, name)[mine], getattr(alone, name))
    assert log.rows(range(5, 5)).user.size == 0


def test_every_user_has_rows_in_the_order_of_time() -> None:
    log = log_of(options())
    rows = log.rows(range(log.shape.users))
    assert rows.user.size == log.shape.interactions
    counts = np.bincount(rows.user)
    assert counts.min() >= log.shape.least
    assert counts.max() > 10 * np.median(counts)  # few users have many rows
    same = np.diff(rows.user) == 0
    assert (np.diff(rows.user) >= 0).all()
    assert (np.diff(rows.time)[same] >= 0).all()
    days = pd.to_datetime(rows.time[[0, rows.time.argmin(), rows.time.argmax()]], unit="s")
    assert days.min() >= pd.Timestamp("2015-05-11")
    assert days.max() < pd.Timestamp("2015-11-13")
    assert set(np.unique(rows.action)) == {0, 1, 2, 3}


@pytest.mark.parametrize("name", list(SHAPES))
def test_rows_follow_the_taste_of_their_user(name: str) -> None:
    log = log_of(options(name, scale=0.01))
    users = range(500)
    rows, (favourites, anchors) = log.rows(users), log.favourites(users)
    category = log.catalogue.category[rows.item]
    liked = (favourites[rows.user] == category[:, None]).any(axis=1)
    strangers = (favourites[(rows.user + 250) % 500] == category[:, None]).any(axis=1)
    assert liked.mean() > 0.65
    assert strangers.mean() < liked.mean() - 0.2
    maker = log.catalogue.seller if log.catalogue.brand is None else log.catalogue.brand
    fits = (favourites[rows.user] == category[:, None]) & (maker[anchors][rows.user] == maker[rows.item][:, None])
    positive = rows.action == log.shape.actions.index(log.shape.positive)
    own, any_other = positive[fits.any(axis=1)].mean(), positive[~liked].mean()
    assert own > 5 * any_other
    assert 0.03 < positive.mean() < 0.2


def test_values_are_skewed_and_sellers_and_brands_tell_the_category() -> None:
    shape = ScaleOptions(shape="tmall", scale=0.02).sized()
    catalogue = make_catalogue(shape, 0)
    frame = catalogue_frame(catalogue)
    assert list(frame.columns) == ["item_id", "category", "seller", "brand"]
    shares = frame["category"].value_counts(normalize=True)
    assert shares.iloc[0] > 0.05
    assert shares.iloc[len(shares) // 2] < 0.005
    for field in ("seller", "brand"):
        known = frame[frame[field] != ""]
        assert 0.98 < len(known) / len(frame) <= 1
        common = known[known[field].isin(known[field].value_counts().index[20:200])]
        first = common.groupby(field)["category"].agg(lambda values: values.value_counts(normalize=True).iloc[0])
        assert first.median() > 0.5
    both = frame.groupby(["category", "seller", "brand"]).ngroups
    assert both < 0.7 * len(frame)
    order = catalogue.category[catalogue.by_category]
    assert (np.diff(order) >= 0).all()
    assert np.array_equal(np.sort(catalogue.by_maker), np.arange(shape.items))
    for item in (0, 1, shape.items - 1):
        place, size = int(catalogue.maker_start[item]), int(catalogue.maker_size[item])
        group = catalogue.by_maker[place : place + size]
        assert catalogue.brand is not None
        expected = (catalogue.category == catalogue.category[item]) & (catalogue.brand == catalogue.brand[item])
        assert sorted(group.tolist()) == np.flatnonzero(expected).tolist()


@pytest.mark.parametrize(("name", "profiles"), [("tmall", ["age", "gender"]), ("alipay", [])])
def test_the_folder_is_read_by_the_tabular_loader(tmp_path: Path, name: str, profiles: list[str]) -> None:
    from magus_pyg.runs.overrides import compose_config
    from magus_pyg.runs.schemas import typed

    chosen = options(name, out=str(tmp_path / "a folder, (odd)"))
    write_scale_data(chosen)
    words = shlex.split(train_command(chosen))
    assert words[:2] == ["magus-train", "dataset=tabular"]
    settings = typed(compose_config(words[1:])).dataset
    assert isinstance(settings, TabularOptions)
    data = load_dataset(settings, None)
    shape = chosen.sized()
    assert data.name == f"{name}-like"
    assert (data.n_users, data.n_items) == (shape.users, shape.items)
    assert shape.interactions * 0.999 <= len(data.user) <= shape.interactions  # exact copies of a row are dropped
    assert list(data.word_fields) == list(shape.fields)
    assert list(data.profile_fields) == profiles
    assert 0.03 < data.label.mean() < 0.2
    assert data.has_negatives
    pd.testing.assert_frame_equal(
        data.items.astype(object), catalogue_frame(make_catalogue(shape, chosen.seed)).astype(object)
    )


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["shape=taobao", "out=x"], r"shape must be one of tmall, alipay \(got 'taobao'\)"),
        (["out=x"], r"shape must be one of tmall, alipay \(got ''\)"),
        (["shape=tmall"], "out is missing"),
        (["shape=tmall", "out=x", "scale=0"], r"scale must be in \(0, 10\] \(got 0.0\)"),
        (["shape=tmall", "out=x", "scale=nan"], r"\(got nan\)"),
        (["shape=tmall", "out=x", "scale=big"], "scale=big: the value must be a number"),
        (["shape=tmall", "out=x", "seed=1.5"], "seed=1.5: the value must be a whole number"),
        (["shape=tmall", "out=x", "chunk_rows=0"], "chunk_rows must be at least 1"),
        (["shape=tmall", "out=x", "size=1"], "'size=1' is no setting; write key=value with one of shape, out, scale"),
        (["tmall"], "'tmall' is no setting"),
    ],
)
def test_unusable_words(words: list[str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        parse_words(words)


def test_a_folder_that_exists_stays_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "kept").write_text("x")
    with pytest.raises(DataError, match=r"exists already: remove it, or name another folder \(out=\)"):
        write_scale_data(options(out=str(tmp_path)))
    assert [path.name for path in tmp_path.iterdir()] == ["kept"]


def test_what_fails_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise OSError("disk on fire")

    monkeypatch.setattr(ScaleLog, "rows", fail)
    with pytest.raises(DataError, match="could not be written: disk on fire"):
        write_scale_data(options(out=str(tmp_path / "inner" / "out")))
    assert list((tmp_path / "inner").iterdir()) == []
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="could not be written"):
        write_scale_data(options(out=str(tmp_path / "file" / "out")))


def test_too_small_a_disk_is_refused_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda path: type("Usage", (), {"free": 2**20})())
    with pytest.raises(DataError, match=r"would take about 0\.\d GiB, and 0\.0 GiB are free .*lower scale"):
        write_scale_data(options(out=str(tmp_path / "out"), scale=1.0))
    assert list(tmp_path.iterdir()) == []


def test_the_command_writes_and_says_how_to_go_on(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main_make_data(["shape=alipay", f"out={tmp_path / 'a'}", "scale=0.0005", "seed=1"])
    shown = capsys.readouterr()
    assert shown.out.startswith("magus-train dataset=tabular dataset.name=alipay-like")
    assert "rows" in shown.err
    main_make_data(["--help"])
    assert "magus-make-data shape=tmall|alipay out=FOLDER" in capsys.readouterr().out


def test_the_script_ends_with_one_line_and_code_2(tmp_path: Path) -> None:
    script = ROOT / "scripts" / "make_data.py"
    command = [sys.executable, str(script), "shape=tmall", f"out={tmp_path}"]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 2
    assert result.stderr.startswith("error: ")
    assert len(result.stderr.splitlines()) == 1

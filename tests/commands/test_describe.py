"""The command that describes a data set: figures by hand, and every problem of its files at once."""

import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
import torch
from repository import ROOT

from magus_pyg.commands.describe import main_describe
from magus_pyg.commands.train import main_train
from magus_pyg.errors import ConfigError, DataError
from magus_pyg.experiment.description import describe, independent_pairs
from magus_pyg.graph import build_relational_graph
from magus_pyg.ragged import Ragged
from magus_pyg.runs.data_loading import load_data
from magus_pyg.runs.overrides import compose_config
from magus_pyg.runs.schemas import typed

ITEMS = "item_id,title,brand,tag\n007,Seven,Acme,red|small\n7,Other,,red\n8,Eight,Bolt,red\n"
LOG = "user_id,item_id,rating,timestamp\n01,007,5,1000000030\n1,7,2,1000000010\n01,8,3,1000000020\n01,7,4,1000000040\n"
WORDS = ["dataset=tabular", "dataset.word_fields=[brand,tag]", "sessions.min_interactions=1", "sessions.candidates=3"]


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    (tmp_path / "items.csv").write_text(ITEMS)
    (tmp_path / "interactions.csv").write_text(LOG)
    return tmp_path


def test_figures_by_hand(shop: Path) -> None:
    config = typed(compose_config([*WORDS, f"dataset.path={shop}"]))
    found = describe(load_data(config), config)
    assert found.sizes == {
        "users": "2",
        "items": "3 (3 in the log)",
        "interactions": "4",
        "rows a user": "2.00 on average, from 1 to 3",
        "users with 30 rows or more": "0 (0 with a positive one)",
        "positive": "50.0%",
        "training, validation, test": "3, 0, 1",
        "profile fields": "none",
        "times": "2001-09-09 to 2001-09-09; 0.0% of the rows share the one before them",
        "test rows of items with at most one training row": "100.0%",
        "training rows of others later than a user's test": "0.0%",
    }
    assert found.warning is not None
    assert found.warning.startswith("test items hardly occur in training: 100% of the test rows")
    assert found.fields.to_dict("list") == {
        "field": ["brand", "tag"],
        "words": [2, 1],
        "share": [2 / 3, 1.0],
        "common": ["Acme (1), Bolt (1)", "red (3), small (1)"],
    }
    assert found.dropped == {"tag=red": 1.0}
    assert found.columns == {"title": 3}
    # Acme, small, Bolt, Acme+small. R+: three to item 007, one to item 8, two into Acme+small. R⊥: Acme and small.
    assert found.graph == {
        "nodes": 7, "query nodes": 4, "of 1 word": 3, "of 2 words": 1, "R+ pairs": 6, "R⊥ pairs": 1, "R- pairs": 14,
    }  # fmt: skip
    assert found.sessions == {"train": (1, 1), "validation": (0, 0), "test": (1, 1)}
    assert found.notes == {}


def test_pairs_agree_with_the_explicit_graph() -> None:
    sizes = ["dataset.users=5", "dataset.items=60", "dataset.brands=6", "dataset.min_interactions=5"]
    config = typed(compose_config([*sizes, "dataset.mean_interactions=6", "dataset.mean_searches=0"]))
    data = load_data(config)
    graph = build_relational_graph(
        data.items, list(data.word_fields), merge_fields=data.merge_fields, max_share=data.max_share, materialize=True
    )
    found = describe(data, config).graph
    assert found["nodes"] == graph["node"].num_nodes
    assert found["R+ pairs"] == graph["node", "improves", "node"].edge_index.shape[1]
    assert found["R⊥ pairs"] == graph["node", "independent", "node"].edge_index.shape[1] // 2
    assert found["R- pairs"] == graph["node", "inhibits", "node"].edge_index.shape[1] // 2


def test_pairs_in_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    queries = Ragged.from_lists([[0, 1, 2], [1, 3], [], [0, 3]])
    # 01 02 12 13 03 share an item.
    assert independent_pairs(queries, 0) == 5
    monkeypatch.setattr("magus_pyg.experiment.description._CHUNK", 1)
    assert independent_pairs(queries, 2) == 3
    monkeypatch.setattr("magus_pyg.experiment.description._MOST_PAIRS", 3)
    assert independent_pairs(queries, 0) is None
    assert independent_pairs(Ragged(torch.zeros(3, dtype=torch.int64), torch.empty(0, dtype=torch.int64)), 0) == 0


def test_every_problem_is_shown(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (shop / "interactions.csv").write_text(LOG + "1,7\n1,9,3,5\n1,7,x,5\n1,7,y,5\n")
    with pytest.raises(DataError, match="3 problems in the files of dataset 'tabular', listed above"):
        main_describe([*WORDS, f"dataset.path={shop}"])
    shown = capsys.readouterr().out
    assert "3 problems in the files; rows with one were left out:" in shown
    assert "1. " in shown
    assert "interactions.csv, line 6: 2 columns instead of 4: ['1', '7']" in shown
    assert "line 7, column 'item_id': '9' is no item of items.csv (1 rows with 1 such ids)" in shown
    assert "line 8, column 'rating': 'x' is no rating (2 such rows); words need dataset.positive=action" in shown
    assert "dataset.decimal=','; lines 8, 9" in shown
    assert "3 (3 in the log)" in shown
    (shop / "items.csv").unlink()
    with pytest.raises(DataError, match="2 problems in the files of dataset"):
        main_describe([*WORDS, f"dataset.path={shop}"])
    assert "holds no items.csv.gz or items.csv or items.parquet" in capsys.readouterr().out


def test_help_and_flags(capsys: pytest.CaptureFixture[str]) -> None:
    main_describe(["--help"])
    assert "magus-describe [dataset=...]" in capsys.readouterr().out
    with pytest.raises(ConfigError, match="unknown flag '--all'"):
        main_describe(["--all"])
    with pytest.raises(ConfigError, match="did you mean 'ml-100k'"):
        main_describe(["dataset=ml100k"])


def test_as_a_script(shop: Path) -> None:
    command = [sys.executable, str(ROOT / "scripts" / "describe.py"), *WORDS, f"dataset.path={shop}"]
    (shop / "interactions.csv").write_text("")
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "interactions.csv is empty (0 bytes)" in done.stdout
    assert done.stderr.startswith("error: 1 problem in the files")


def test_what_is_printed_of_good_files(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main_describe([*WORDS, f"dataset.path={shop}"])
    shown = capsys.readouterr().out
    for part in ("dataset tabular", "most common", "R⊥ pairs", "sessions possible", "no problem found in the files"):
        assert part in shown
    assert "test items hardly occur in training" in " ".join(shown.split())
    assert "words left out because more items carry them than max_share allows: tag=red (100%)" in shown


@pytest.mark.real_data
def test_real_sets(real_data_root: Path) -> None:
    expected = {
        "ml-100k": (["943", "100,000", "744 (744 with a positive one)"], [18, 8], 759, 14_912, 744),
        "amazon-hin": (["6,170", "195,791", "1,595 (1,595 with a positive one)"], [333, 21], 813, 6_662, 1595),
        "amazon-beauty": (["22,363", "198,502", "519 (519 with a positive one)"], [435, 199], 12_404, 175_818, 519),
    }
    for name, (sizes, words, queries, improves, sessions) in expected.items():
        config = typed(compose_config([f"dataset={name}", f"paths.data={real_data_root}"]))
        found = describe(load_data(config), config)
        keys = ("users", "interactions", "users with 30 rows or more")
        assert [found.sizes[key] for key in keys] == sizes
        assert found.fields["words"].tolist() == words
        assert (found.graph["query nodes"], found.graph["R+ pairs"]) == (queries, improves)
        assert found.sessions["train"] == (sessions, sessions)
        assert found.warning is None
        later = float(found.sizes["training rows of others later than a user's test"].removesuffix("%"))
        assert 10 < later < 60


def test_train_on_a_tmall_log(tmp_path: Path) -> None:
    sys.path.insert(0, str(ROOT / "tests" / "data"))
    try:
        from raw_logs import write_tmall
    finally:
        sys.path.pop(0)
    write_tmall(tmp_path / "data", 100_000, 770, 2_000)
    words = ["dataset=tmall", "model=din", "magus=base", "train.epochs=1", "simulation.resamples=20"]
    main_train([*words, f"paths.data={tmp_path / 'data'}", f"paths.runs={tmp_path / 'runs'}"])
    (run,) = (tmp_path / "runs").iterdir()
    results = pd.read_csv(run / "results.csv")
    assert results["method"].tolist() == ["items", "magus"]
    assert run.name.endswith("-tmall-din-base-s0")

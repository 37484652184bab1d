"""Run folders read back, and those that cannot be."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

import magus_pyg as mp
from magus_pyg.errors import DataError, GraphError, RunError
from magus_pyg.runs import load_run


@pytest.fixture
def copy(tiny_run: Path, tmp_path: Path) -> Path:
    return shutil.copytree(tiny_run, tmp_path / "run")


def test_a_run_answers_without_its_data(tiny_run: Path) -> None:
    run = load_run(tiny_run)
    assert (run.variant, run.edge_factors) == ("base", None)
    assert run.magus_options == mp.MagusOptions()
    assert run.config.simulation.rounds == 5
    user = run.user_ids[3]
    scores = run.user_scores(user)
    data = run.dataset()
    touched = {str(data.item_ids[item]) for item in data.item[data.user == 3]}
    assert set(scores) == set(map(str, data.item_ids)) - touched
    chosen = [str(data.item_ids[number]) for number in (5, 2)]
    exact = run.model.score(torch.tensor([3]), torch.tensor([5, 2]))[0].tolist()
    assert list(run.user_scores(user, chosen).items()) == list(zip(chosen, exact, strict=True))


def test_searched_queries_are_those_before_the_test(tiny_run: Path) -> None:
    run = load_run(tiny_run)
    found = [run.searched_queries(user) for user in run.user_ids]
    assert any(found)
    assert max(len(queries) for queries in found) <= run.config.simulation.searches
    for queries in found:
        assert all(mp.find_query(run.graph, words) is not None for words in queries)


def test_a_session_of_a_run(tiny_run: Path) -> None:
    run = load_run(tiny_run)
    session = mp.MagusSession.from_run(run, run.user_ids[0])
    assert len(session.recommend()) == run.config.simulation.list_length
    assert mp.MagusSession.from_run(tiny_run, run.user_ids[0]).variant == "base"


def test_unknown_users_and_items(tiny_run: Path) -> None:
    run = load_run(tiny_run)
    with pytest.raises(DataError, match=r"no user 'nobody'.*60 users"):
        run.user_scores("nobody")
    with pytest.raises(GraphError, match="unknown item id 'nothing'"):
        run.user_scores(run.user_ids[0], ["nothing"])


def test_folders_that_are_no_run(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="there is no run folder"):
        load_run(tmp_path / "nowhere")
    with pytest.raises(RunError, match=r"no run\.json"):
        load_run(tmp_path)


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("format", 99, "version 99 of the run format.*reads 1"),
        ("version", "9.9.9", "written by magus-pyg 9.9.9.*install magus-pyg==9.9.9"),
        ("state", "training", r"incomplete.*train\.py resume="),
    ],
)
def test_runs_of_another_version_or_without_an_end(copy: Path, key: str, value: object, message: str) -> None:
    info = json.loads((copy / "run.json").read_text())
    (copy / "run.json").write_text(json.dumps({**info, key: value}))
    with pytest.raises(RunError, match=message):
        load_run(copy)


def test_damaged_info(copy: Path) -> None:
    text = (copy / "run.json").read_text()
    (copy / "run.json").write_text(text[: len(text) // 2])
    with pytest.raises(RunError, match=r"run\.json is cut off"):
        load_run(copy)


@pytest.mark.parametrize(
    "name", ["config.yaml", "model.safetensors", "graph.safetensors", "population.safetensors", "records.parquet"]
)
def test_missing_cut_off_and_changed_files(copy: Path, name: str) -> None:
    path = copy / name
    content = path.read_bytes()
    path.write_bytes(content[:-7])
    with pytest.raises(RunError, match=f"{name} has .* bytes instead of"):
        load_run(copy)
    # As long as it was, but not what it was: the reader of the file itself has to notice.
    path.write_bytes(b"\0" * 64 + content[64:])
    with pytest.raises(RunError, match=name):
        load_run(copy)
    path.unlink()
    with pytest.raises(RunError, match=f"{name} is missing"):
        load_run(copy)


def test_other_data_is_refused(copy: Path) -> None:
    text = (copy / "config.yaml").read_text()
    changed = text.replace("users: 60", "users: 61")
    assert changed != text
    (copy / "config.yaml").write_text(changed)
    with pytest.raises(RunError, match="trained on other data"):
        load_run(copy).dataset()


def test_keys_of_another_version(copy: Path) -> None:
    info = json.loads((copy / "run.json").read_text())
    text = (copy / "config.yaml").read_text() + "colour: red\n"
    (copy / "config.yaml").write_text(text)
    info["files"]["config.yaml"] = len(text)
    (copy / "run.json").write_text(json.dumps(info))
    with pytest.raises(RunError, match=r"config\.yaml cannot be read.*colour"):
        load_run(copy)


def test_two_runs_in_one_second(tmp_path: Path, trainer: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> None:
    from magus_pyg.runs import Config
    from magus_pyg.runs.folder import RunFolder

    config = Config()
    config.paths.runs = str(tmp_path)
    names = {RunFolder.create(config).path.name for _ in range(3)}
    assert len(names) == 3

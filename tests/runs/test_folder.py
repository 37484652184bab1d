"""Run folders read back, and those that cannot be."""

import hashlib
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
import torch
from run_formats import CONFIG_0_1_0, SCHEMAS_0_1_0, edit_json, flip, list_again, to_format_1

import magus_pyg as mp
from magus_pyg.commands.simulate import main_simulate
from magus_pyg.errors import DataError, GraphError, RunError
from magus_pyg.report import read_plays
from magus_pyg.runs import load_run
from magus_pyg.runs.folder import RunFolder
from magus_pyg.runs.play_folder import PlayFolder


@pytest.fixture
def copy(tiny_run: Path, tmp_path: Path) -> Path:
    return shutil.copytree(tiny_run, tmp_path / "run")


def test_a_run_answers_without_its_data(tiny_run: Path) -> None:
    run = load_run(tiny_run)
    assert (run.variant, run.edge_factors) == ("base", None)
    assert run.magus_options == mp.MagusOptions()
    assert run.config.simulation.rounds == 5
    user = run.user_ids[3]
    data = run.dataset()
    assert set(run.known_items(user)) == {str(data.item_ids[item]) for item in data.item[data.user == 3]}
    exact = run.model.score(torch.tensor([3]), torch.arange(data.n_items))[0]
    assert torch.equal(run.scores(user), exact.to(torch.float64))


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
        run.scores("nobody")
    with pytest.raises(DataError, match="no user 'nobody'"):
        run.known_items("nobody")
    with pytest.raises(GraphError, match="unknown item id 'nothing'"):
        run.scores(liked=["nothing"])
    with pytest.raises(DataError, match="liked items are for guests"):
        run.scores(run.user_ids[0], liked=[run.graph.vocabulary.item_ids[0]])


def test_folders_that_are_no_run(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="there is no run folder"):
        load_run(tmp_path / "nowhere")
    with pytest.raises(RunError, match=r"no run\.json"):
        load_run(tmp_path)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"format": 99}, r"has version 99 of the run format.*reads 1 and 2: install magus-pyg=="),
        ({"format": 3, "version": "7.0"}, r"version 3 of the run format, by magus-pyg 7\.0.*install magus-pyg==7\.0"),
        ({"format": 0}, "version 0 of the run format"),
        ({"format": "2"}, "version 2 of the run format"),
        ({"format": True}, "version True of the run format"),
        ({"format": None}, r"run\.json is cut off or damaged .*'format'"),
        ({"files": None}, r"run\.json is cut off or damaged .*'files'"),
        ({"files": {}}, r"run\.json is cut off or damaged .*'config\.yaml'"),
        ({"files": []}, r"run\.json is cut off or damaged"),
        ({"files": 7}, r"run\.json is cut off or damaged"),
        ({"seconds": None}, r"run\.json is cut off or damaged .*'seconds'"),
        ({"data": {}}, r"run\.json is cut off or damaged .*'fingerprint'"),
        ({"schemas": None}, r"config\.yaml cannot be read .*'schemas'"),
        ({"schemas": {"model": "nothing"}}, r"config\.yaml cannot be read .*'nothing'"),
        ({"state": "training"}, r"incomplete.*magus-train resume="),
        ({"state": None}, r"incomplete.*magus-train resume="),
    ],
)
def test_other_formats_and_runs_without_an_end(copy: Path, changes: dict[str, object], message: str) -> None:
    edit_json(copy / "run.json", **changes)
    with pytest.raises(RunError, match=message):
        load_run(copy)


@pytest.mark.parametrize("version", ["0.0.9", "0.1.0", "9.9.9", None])
def test_any_release_reads_the_formats_that_it_knows(copy: Path, tiny_run: Path, version: str | None) -> None:
    edit_json(copy / "run.json", version=version)
    load_run(copy)
    to_format_1(copy, version or "0.1.0")
    old, new = load_run(copy), load_run(tiny_run)
    assert (old.info["format"], new.info["format"]) == (1, 2)
    pd.testing.assert_frame_equal(old.records, new.records)
    assert old.config == new.config
    assert torch.equal(old.scores(old.user_ids[0]), new.scores(new.user_ids[0]))


def test_a_simulation_of_a_run_of_format_1(copy: Path) -> None:
    """What is written today into an old folder is of today's format, and both are read."""
    main_simulate([f"run={copy}", "agents=[items]", "simulation.rounds=2"])
    to_format_1(copy)
    main_simulate([f"run={copy}", "agents=[items]", "simulation.rounds=2"])
    first, second = RunFolder(copy).simulations
    assert (first.read_info()["format"], second.read_info()["format"]) == (1, 2)
    pd.testing.assert_frame_equal(first.read_records(), second.read_records())
    for folder in (first, second):
        folder.check(folder.read_info())


def test_the_configuration_of_release_0_1_0(tmp_path: Path) -> None:
    """No key of a configuration of format 1 may be lost, however options are renamed."""
    folder = RunFolder(tmp_path)
    folder.config.write_text(CONFIG_0_1_0)
    config = folder.read_config({"schemas": SCHEMAS_0_1_0})
    assert (config.dataset.name, config.model.name, config.magus.name) == ("ml-100k", "fm", "bayes")
    assert (config.train.weight_decay, config.rivals.ear.reflection_steps) == (0.02, 2)


@pytest.mark.parametrize("text", ["", "[]", '"text"', "7", "null", "{", "[" * 100_000, "\ud800", "{}"])
def test_damaged_info(copy: Path, text: str) -> None:
    (copy / "run.json").write_bytes(text.encode("utf-16" if text == "\ud800" else "utf-8", "surrogatepass"))
    with pytest.raises(RunError, match=r"run\.json is cut off or damaged"):
        load_run(copy)


def test_info_that_is_cut_off(copy: Path) -> None:
    text = (copy / "run.json").read_text()
    for length in range(0, len(text) - 2, 97):
        (copy / "run.json").write_text(text[:length])
        with pytest.raises(RunError, match=r"run\.json is cut off"):
            load_run(copy)


FILES = ["config.yaml", "model.safetensors", "graph.safetensors", "population.safetensors", "records.parquet",
         "results.csv", "history.csv", "item-columns.arrow"]  # fmt: skip


@pytest.fixture(scope="module")
def fitted_run(trainer: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run whose agents have fitted something, of another seed than `tiny_run`."""
    return trainer(tmp_path_factory.mktemp("fitted"), "seed=1", "agents=[items,normalised]")


def test_every_file_is_listed(fitted_run: Path) -> None:
    files = json.loads((fitted_run / "run.json").read_text())["files"]
    held = {str(path.relative_to(fitted_run)) for path in fitted_run.rglob("*") if path.is_file()}
    assert set(files) == held - {"run.json", "checkpoints/last.pt"}
    assert {"agents/normalised.safetensors", "normalised-tried.csv", *FILES} == set(files)
    for name, entry in files.items():
        content = (fitted_run / name).read_bytes()
        assert entry == {"size": len(content), "sha256": hashlib.sha256(content).hexdigest()}


@pytest.mark.parametrize("name", [*FILES, "agents/normalised.safetensors", "normalised-tried.csv"])
def test_missing_cut_off_and_changed_files(fitted_run: Path, tmp_path: Path, name: str) -> None:
    copy = shutil.copytree(fitted_run, tmp_path / "run")
    path = copy / name
    content = path.read_bytes()
    for place in (0, 0.25, 0.5, 0.75, 1):
        flip(path, place)
        with pytest.raises(RunError, match=rf"{name} is not what was written"):
            load_run(copy)
        path.write_bytes(content)
    for other in (content[:-7], b"", content + b"\n"):
        path.write_bytes(other)
        with pytest.raises(RunError, match=f"{name} has .* bytes instead of"):
            load_run(copy)
    path.write_bytes(content)
    load_run(copy)
    path.unlink()
    with pytest.raises(RunError, match=f"{name} is missing"):
        load_run(copy)


@pytest.mark.parametrize("name", FILES[:5])
def test_files_of_format_1_that_are_cut_off_or_broken(copy: Path, name: str) -> None:
    path = to_format_1(copy) / name
    content = path.read_bytes()
    path.write_bytes(content[:-7])
    with pytest.raises(RunError, match=f"{name} has .* bytes instead of"):
        load_run(copy)
    # As long as it was, but not what it was: the reader of the file itself has to notice.
    for broken in (b"\0" * 64 + content[64:], b"\xff" * len(content), bytes(len(content))):
        path.write_bytes(broken)
        with pytest.raises(RunError, match=name):
            load_run(copy)
    path.unlink()
    with pytest.raises(RunError, match=f"{name} is missing"):
        load_run(copy)


def test_files_of_another_run(copy: Path, fitted_run: Path) -> None:
    """Whatever is put in place of a file of the run is noticed, of equal size or not."""
    for name in FILES:
        held = (copy / name).read_bytes()
        other = (fitted_run / name).read_bytes()
        if other != held:
            (copy / name).write_bytes(other)
            with pytest.raises(RunError, match=name):
                load_run(copy)
            (copy / name).write_bytes(held)
    load_run(copy)
    shutil.copytree(fitted_run / "agents", copy / "agents")
    with pytest.raises(RunError, match=r"agents/normalised\.safetensors is not in .*run\.json"):
        load_run(copy)


@pytest.mark.parametrize("of_format_1", [True, False])
def test_a_model_of_another_seed(copy: Path, fitted_run: Path, of_format_1: bool) -> None:
    """Even where the list of the files was brought up to date."""
    if of_format_1:
        to_format_1(copy)
    shutil.copy(fitted_run / "model.safetensors", copy)
    list_again(copy, "model.safetensors")
    with pytest.raises(RunError, match=r"model\.safetensors .*seed 1"):
        load_run(copy)


def test_names_that_lead_out_of_the_folder(copy: Path) -> None:
    (copy.parent / "outside").write_text("x")
    for name in ("../outside", str(copy.parent / "outside"), "agents/../../outside"):
        info = json.loads((copy / "run.json").read_text())
        info["files"][name] = info["files"]["results.csv"]
        edit_json(copy / "run.json", files=info["files"])
        with pytest.raises(RunError, match=r"run\.json is cut off or damaged .*outside of the folder"):
            load_run(copy)
        del info["files"][name]
        edit_json(copy / "run.json", files=info["files"])


BOMB = "a: &a [x, x]\n" + "".join(
    f"{chr(98 + i)}: &{chr(98 + i)} [*{chr(97 + i)}, *{chr(97 + i)}]\n" for i in range(20)
)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "it holds no keys"),
        ("{}", "it holds no keys"),
        ("- 1\n- 2\n", "it holds no keys"),
        ("seed: 0\n", "it lacks 'dataset'"),
        ("seed: [\n", "parsing"),
        ("seed: ${oc.env:HOME}\n", r"line 1: .*HOME.* asks for one"),
        ("seed: 0\npaths: {data: '${oc.env:HOME}'}\n", r"line 2: .*HOME.* asks for one"),
        ("seed: ${simulation.rounds}\n", "asks for one"),
        (BOMB, r"line 2: it refers to another place \(\*a\)"),
        ("a: " + "[" * 5000, "more than 20 levels"),
        ("a: " + "x" * 2**18, "characters, more than 262,144"),
        ("a: !!python/object/apply:os.getcwd []\n", "python"),
    ],
)
@pytest.mark.parametrize("of_format_1", [True, False])
def test_configurations_that_are_none(copy: Path, text: str, message: str, of_format_1: bool) -> None:
    if of_format_1:
        to_format_1(copy)
    (copy / "config.yaml").write_text(text)
    list_again(copy, "config.yaml")
    with pytest.raises(RunError, match=rf"config\.yaml cannot be read .*{message}"):
        load_run(copy)


def test_other_data_is_refused(copy: Path) -> None:
    text = (copy / "config.yaml").read_text()
    changed = text.replace("users: 60", "users: 61")
    assert changed != text
    (copy / "config.yaml").write_text(changed)
    list_again(copy, "config.yaml")
    with pytest.raises(RunError, match="trained on other data"):
        load_run(copy).dataset()


def test_keys_of_another_version(copy: Path) -> None:
    (copy / "config.yaml").write_text((copy / "config.yaml").read_text() + "colour: red\n")
    list_again(copy, "config.yaml")
    with pytest.raises(RunError, match=r"config\.yaml cannot be read.*colour"):
        load_run(copy)


@pytest.mark.parametrize("name", ["config.yaml", "records.parquet", "results.csv"])
def test_a_changed_file_of_a_simulation(copy: Path, name: str) -> None:
    main_simulate([f"run={copy}", "agents=[items]"])
    (folder,) = RunFolder(copy).simulations
    folder.check(folder.read_info())
    flip(folder.path / name, 0.5)
    with pytest.raises(RunError, match=rf"simulations/1/{name} is not what was written"):
        folder.check(folder.read_info())
    with pytest.raises(RunError, match=rf"simulations/1/{name} is not what was written"):
        read_plays(copy)
    load_run(copy)  # which needs no simulation


def test_a_simulation_that_fails_leaves_nothing(copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run, folder = load_run(copy), RunFolder(copy)

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    play = (run.config, run.records, run.results, {}, {}, {"seconds": {}})
    with monkeypatch.context() as patch:
        patch.setattr(PlayFolder, "write_info", interrupt)
        with pytest.raises(KeyboardInterrupt):
            folder.write_simulation(*play)
    assert not list((copy / "simulations").iterdir())
    assert [folder.write_simulation(*play).name for _ in range(3)] == ["1", "2", "3"]
    assert [entry.path.name for entry in folder.simulations] == ["1", "2", "3"]


def test_what_reading_a_run_imports() -> None:
    """Training and composing configurations take seconds to import; reading a run does not."""
    code = "import sys, magus_pyg.runs; print([n for n in ('hydra', 'lightning', 'matplotlib') if n in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_two_runs_in_one_second(tmp_path: Path, trainer: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> None:
    from magus_pyg.runs import Config

    config = Config()
    config.paths.runs = str(tmp_path)
    names = {RunFolder.create(config).path.name for _ in range(3)}
    assert len(names) == 3

"""The guide to one's own data: its commands run as they stand there."""

import re
import shlex
import subprocess

import pytest
from repository import ROOT
from starlette.testclient import TestClient

from magus_pyg.commands.describe import main_describe
from magus_pyg.commands.play import main_play
from magus_pyg.commands.train import main_train
from magus_pyg.serve.app import create_app

GUIDE = ROOT / "docs" / "own_data.md"


def look_at_the_page(words: list[str]) -> None:
    """What `magus-serve` puts in front of people, without a port."""
    with TestClient(create_app(words[0].removeprefix("run="))) as client:
        assert re.search(r"\w+ (drink|cheese|yoghurt)", client.get("/").text)


COMMANDS = {"describe": main_describe, "train": main_train, "play": main_play, "serve": look_at_the_page}


def test_every_command_of_the_guide(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    answers = iter(["2", "q"])
    monkeypatch.setattr("builtins.input", lambda *prompt: next(answers, "q"))
    monkeypatch.setattr("sys.argv", ["train.py"])
    blocks = re.findall(r"^```(sh|python)\n(.*?)^```", GUIDE.read_text(), re.DOTALL | re.MULTILINE)
    ran = []
    for language, text in blocks:
        runs = sorted((tmp_path / "runs").glob("*-shop-*"))
        text = text.replace("RUN", str(runs[-1]) if runs else "RUN")
        script = re.fullmatch(r"magus-(\w+) (.*)\n", text)
        if language == "python":
            exec(compile(text, str(GUIDE), "exec"), {})
        elif script is not None:
            # In this process, since a start takes seconds.
            COMMANDS[script[1]](shlex.split(script[2]))
            ran.append(script[1])
        else:
            subprocess.run(["bash", "-euc", text], check=True)
    assert ran == ["describe", "train", "play", "serve"]
    shown = capsys.readouterr().out
    assert "no problem found in the files" in shown
    assert "Kerry & Sons" in shown
    assert "price 1.79 to 2.19" in shown
    assert "run folder" in shown
    assert "user u-01, bayes" in shown
    assert re.search(r"  \d  \w+ (drink|cheese|yoghurt) \(", shown)


@pytest.mark.parametrize("word", re.findall(r"`\+?(dataset\.\w+)", GUIDE.read_text()))
def test_every_key_it_names_is_there(word):
    from magus_pyg.runs.overrides import compose_config

    names = {"dataset.category": "amazon", "dataset.release": "amazon", "dataset.download": "amazon",
             "dataset.force_reload": "amazon"}  # fmt: skip
    assert word.removeprefix("dataset.") in compose_config([f"dataset={names.get(word, 'tabular')}"]).dataset

"""Words of a command: keys that are texts take what was typed, several values, option files of one's own."""

from pathlib import Path
from typing import Any

import pytest
from omegaconf import OmegaConf

from magus_pyg.commands.command_line import with_own_conf
from magus_pyg.errors import ConfigError
from magus_pyg.runs.overrides import compose_config, parse, single_commands
from magus_pyg.runs.schemas import typed


@pytest.mark.parametrize(
    ("word", "value"),
    [
        ("dataset.positive_actions=[true]", ["true"]),
        ("dataset.positive_actions=[buy,true,1_004]", ["buy", "true", "1_004"]),
        ("dataset.positive_actions=[ buy , 'a,b', \"null\"]", ["buy", "a,b", "null"]),
        ("dataset.positive_actions=[]", []),
        ("dataset.split_values=[0,1,2e3]", ["0", "1", "2e3"]),
        ("dataset.word_fields=[a=b,c:d,(e)]", ["a=b", "c:d", "(e)"]),
        ("dataset.name=1_004", "1_004"),
        ("dataset.name=true", "true"),
        ("dataset.name=007", "007"),
        ("dataset.name='a b'", "a b"),
        (r'dataset.path="C:\\data\"x"', r'C:\data"x'),
        ("dataset.path=~/a=b, c/(d)", "~/a=b, c/(d)"),
        ("dataset.path=", ""),
        ("dataset.rating=null", "null"),
        ("dataset.separator=,", ","),
        ("dataset.delimiter=;", ";"),
        ("dataset.timestamp_format=%Y-%m-%d %H:%M", "%Y-%m-%d %H:%M"),
        ("paths.data=~/x", "~/x"),
        ("paths.data=null", None),
        ("paths.runs=a=b", "a=b"),
        ("resume=a=b/run", "a=b/run"),
        ("agents=[items,magus+]", ["items", "magus+"]),
        ("+dataset.merge_fields={category:[department,1994],'a b':[true]}", {"category": ["department", "1994"],
                                                                             "a b": ["true"]}),
        ("+dataset.empty_values.price=[0,-1,none]", ["0", "-1", "none"]),
    ],
)  # fmt: skip
def test_keys_that_are_texts_take_what_was_typed(word: str, value: Any) -> None:
    config = compose_config(["dataset=tabular", word])
    key = word.partition("=")[0].lstrip("+")
    found = OmegaConf.select(config, key)
    assert (OmegaConf.to_container(found) if OmegaConf.is_config(found) else found) == value


def test_numbers_and_switches_stay_what_they_are() -> None:
    config = typed(compose_config(["seed=1_004", "refit=true", "simulation.candidates=all", "simulation.at=[2,3]"]))
    assert (config.seed, config.refit, config.simulation.candidates, config.simulation.at) == (
        1004,
        True,
        "all",
        [2, 3],
    )


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("seed@x=5", "a key has no @"),
        ("dataset.name=a\0b", "NUL"),
        ("dataset.positive_actions=buy", r"list\[str\], written as \[a,b\]"),
        ("+dataset.merge_fields={a}", r"written as \{name"),
        ("model=fm,din", "add -m"),
        ("seed=1,2", "add -m"),
        ("hydra.run.dir=x", "no key 'hydra'"),
        (f"train.lr={'9' * 400}", "the value must be float"),
        (f"seed={'9' * 5000}", "cannot be read .*5000 digits"),
    ],
)
def test_words_that_are_refused(word: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        compose_config(["dataset=tabular", word])


def test_the_commands_of_several_values() -> None:
    assert single_commands(["seed=0,1", "dataset.name=a", "magus=none,base"]) == [
        [f"seed={seed}", "dataset.name=a", f"magus={magus}"] for seed in (0, 1) for magus in ("none", "base")
    ]
    assert single_commands(["dataset.path=a,'b,c'", "dataset.word_fields=[x,y],[z]"]) == [
        [f"dataset.path={path}", f"dataset.word_fields={names}"]
        for path in ("a", "'b,c'")
        for names in ("[x,y]", "[z]")
    ]
    assert parse(["dataset.path=a,b"])[0].value() == "a,b"


@pytest.fixture
def conf(tmp_path: Path) -> Path:
    """A folder of option files with a blank, a quote and a $ in its name."""
    own = tmp_path / "my conf's $HOME"
    for group, name, text in (
        ("dataset", "shop", "defaults: [/schema/dataset/tabular@_here_, _self_]\nname: shop\nword_fields: [brand]\n"),
        ("experiment", "mine", "# @package _global_\ndefaults: [override /dataset: shop]\ntrain: {epochs: 3}\n"),
    ):
        (own / group).mkdir(parents=True)
        (own / group / f"{name}.yaml").write_text(text)
    return own


def test_option_files_of_ones_own(conf: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for words in ([f"paths.conf={conf}"], with_own_conf(["--config-dir", str(conf)]),
                  with_own_conf([f"--config-dir={conf}"])):  # fmt: skip
        config = typed(compose_config([*words, "dataset=shop"]))
        assert (config.dataset.name, config.dataset.word_fields) == ("shop", ["brand"])
        config = typed(compose_config([*words, "experiment=mine"]))
        assert (config.dataset.name, config.train.epochs, config.paths.conf) == ("shop", 3, str(conf))
        assert typed(compose_config([*words, "dataset=ml-100k"])).dataset.name == "ml-100k"
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    for place in (conf.name, f"~/{conf.name}"):
        assert compose_config([f"paths.conf={place}", "dataset=shop"]).dataset.name == "shop"
    with pytest.raises(ConfigError, match=r"dataset has no option 'shp', did you mean 'shop'"):
        compose_config([f"paths.conf={conf}", "dataset=shp"])
    with pytest.raises(ConfigError, match="dataset has no option 'shop'"):
        compose_config(["dataset=shop"])


@pytest.mark.parametrize(
    ("file", "text", "words", "message"),
    [
        ("dataset/shop.yaml", "a: [", ["dataset=shop"], "shop"),
        ("dataset/shop.yaml", "defaults: [/schema/dataset/nope@_here_]", ["dataset=shop"], "nope"),
        ("train/odd.yaml", f"lr: {'9' * 400}", ["train=odd"], "too large"),
        ("train/odd.yaml", f"lr: {'9' * 5000}", ["train=odd"], "5000 digits"),
        ("dataset/tabular.yaml", "name: x", [], "name of an option of the package"),
        ("datasets/shop.yaml", "name: x", [], "no folder of a group"),
    ],
)
def test_wrong_folders_are_one_error(tmp_path: Path, file: str, text: str, words: list[str], message: str) -> None:
    path = tmp_path / file
    path.parent.mkdir()
    path.write_text(text)
    with pytest.raises(ConfigError, match=message) as caught:
        compose_config([f"paths.conf={tmp_path}", *words])
    assert "Traceback" not in str(caught.value)
    with pytest.raises(ConfigError, match="no folder"):
        compose_config([f"paths.conf={tmp_path / 'nowhere'}"])
    with pytest.raises(ConfigError, match="needs a folder"):
        with_own_conf(["--config-dir"])

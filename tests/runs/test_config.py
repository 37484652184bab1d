"""Every option file, every key, and every way to mistype one."""

from configparser import ConfigParser
from dataclasses import fields, is_dataclass
from typing import Any

import pytest
import yaml
from omegaconf import DictConfig, OmegaConf
from repository import ROOT

from magus_pyg.agents.methods import METHODS, VARIANTS, played_by
from magus_pyg.errors import ConfigError
from magus_pyg.experiment.pipeline import check_config
from magus_pyg.models import MODELS
from magus_pyg.runs.overrides import check_overrides, compose_config
from magus_pyg.runs.schemas import (
    SCHEMAS,
    conf_folder,
    from_container,
    group_options,
    groups,
    schema_names,
    typed,
)

OPTIONS = [(group, option) for group in groups() for option in group_options(group)]
GROUPS = ["dataset", "experiment", "learning", "magus", "model", "rivals", "sessions", "simulation", "train", "user"]


def test_groups_and_what_they_offer() -> None:
    assert groups() == GROUPS
    assert group_options("model") == sorted(MODELS)
    assert group_options("magus") == sorted(VARIANTS) == sorted(SCHEMAS["magus"])
    assert all(name in METHODS for variant in SCHEMAS["magus"].values() for name in played_by(variant()))


@pytest.mark.parametrize(("group", "option"), OPTIONS, ids=lambda value: str(value))
def test_every_option_is_typed_and_complete(group: str, option: str) -> None:
    words = [f"{group}={option}"]
    if option == "not_care":  # which needs queries that several targets share
        words.append("sessions.min_targets=2")
    composed = compose_config(words)
    config = typed(composed)
    if (group, option) not in (("dataset", "tabular"), ("dataset", "served")):  # which need paths of the user's own
        check_config(config)
    # No part escapes its schema: each is an instance of its options class, with the values of the files.
    for name in (field.name for field in fields(config)):
        assert not isinstance(getattr(config, name), dict), name
        node = composed._get_node(name)
        if isinstance(node, DictConfig):
            assert is_dataclass(OmegaConf.get_type(node)), name
    written = OmegaConf.to_container(OmegaConf.structured(config))
    assert isinstance(written, dict)
    assert typed(from_container(written, schema_names(config))) == config  # type: ignore[arg-type]


@pytest.mark.parametrize(("group", "option"), OPTIONS, ids=lambda value: str(value))
def test_every_key_of_a_group_is_written_out_with_a_comment(group: str, option: str) -> None:
    text = (conf_folder() / group / f"{option}.yaml").read_text()
    assert text.startswith("#")
    values: dict[str, Any] = yaml.safe_load(text)
    if group == "experiment" or "tabular" in str(values["defaults"]) or "standard" in str(values["defaults"]):
        return  # overlays and variations name only what differs
    if "default" in values["defaults"]:
        return
    keys = {field.name for field in fields(type(getattr(typed(compose_config([f"{group}={option}"])), group)))}
    assert keys | {"defaults"} == set(values)


@pytest.mark.parametrize(
    ("word", "parts"),
    [
        ("dataset.uzers=3", ["dataset.uzers", "did you mean 'dataset.users'", "brands"]),
        ("datset=synthetic", ["'datset'", "did you mean 'dataset'", "simulation"]),
        ("rounds=3", ["'rounds'", "simulation.rounds"]),
        ("dataset=ml100k", ["dataset", "did you mean 'ml-100k'", "amazon-beauty, amazon-hin"]),
        ("magus=basic", ["'basic'", "did you mean 'base'"]),
        ("train=fast", ["'fast'", "default, ", "paper"]),
        ("dataset.users=many", ["dataset.users", "'many'", "int"]),
        ("dataset.users=null", ["dataset.users", "int"]),
        ("dataset.word_fields=brand", ["list[str]"]),
        ("agents=items", ["list[str]"]),
        ("model.dim.size=3", ["model.dim", "size"]),
        ("+nothing=1", ["'nothing'"]),
        ("~seed", ["seed"]),
        ("seed", ["seed", "key=value"]),
        ("dataset.merge_fields={a: [b]}", ["+dataset.merge_fields"]),
    ],
)
def test_mistyped_words_name_the_valid_ones(word: str, parts: list[str]) -> None:
    with pytest.raises(ConfigError) as caught:
        check_overrides([word])
    for part in parts:
        assert part in str(caught.value)


def test_every_value_of_a_sweep_is_checked() -> None:
    check_overrides(["seed=0,1,2", "magus=none,base"])
    check_overrides(["seed=range(0,3)"])
    with pytest.raises(ConfigError, match="'bose'"):
        check_overrides(["seed=0,1", "magus=none,bose"])
    with pytest.raises(ConfigError, match="must be int"):
        check_overrides(["seed=0,x"])


def test_values_out_of_range_are_refused_before_anything_is_loaded() -> None:
    for word, message in [
        ("train.epochs=0", "epochs must be at least 1"),
        ("simulation.rounds=0", "simulation.rounds"),
        ("simulation.min_items=4", "simulation.min_items must be from 0 to simulation.list_length=3"),
        ("simulation.at=[0]", "simulation.at"),
        ("simulation.part=tests", "train, validation, test"),
        ("sessions.max_targets=0", "max_targets"),
        ("magus.negative=minus", "signed_both"),
        ("agents=[item]", "did you mean 'items'"),
        ("agents=[items,items]", "each once"),
        ("agents=[]", "at least one"),
    ]:
        with pytest.raises(ConfigError, match=message):
            check_config(typed(compose_config([word])))


def test_a_mapping_is_extended_with_a_plus() -> None:
    words = ["dataset=tabular", "+dataset.merge_fields={category: [department, leaf]}"]
    assert typed(compose_config(words)).dataset.merge_fields == {"category": ["department", "leaf"]}


def test_metrics_go_as_far_as_the_rounds() -> None:
    assert typed(compose_config(["simulation.rounds=10"])).simulation.judged_at == [3, 5, 10]
    assert typed(compose_config(["simulation.rounds=5"])).simulation.judged_at == [3, 5]
    assert typed(compose_config(["simulation.rounds=4"])).simulation.judged_at == [3, 4]
    assert typed(compose_config(["simulation.rounds=2"])).simulation.judged_at == [2]


def test_paper_overlay() -> None:
    config = typed(compose_config(["experiment=paper"]))
    train = config.train
    assert (train.lr, train.min_lr, train.batch_size, train.weight_decay) == (1e-2, 1e-5, 1000, 4e-4)
    assert config.sessions.kind == "paper"
    assert vars(config.model)["dropout"] == 0.5


def test_configuration_files_are_installed_with_the_package() -> None:
    parser = ConfigParser()
    parser.read(ROOT / "setup.cfg")
    patterns = parser["options.package_data"]["magus_pyg.conf"].split(", ")
    folder = conf_folder()
    packed = {path for pattern in patterns for path in folder.glob(pattern)}
    assert packed == set(folder.rglob("*.yaml"))
    assert "magus_pyg.conf = conf" in parser["options"]["package_dir"]


@pytest.mark.parametrize("name", MODELS)
def test_the_papers_training_is_all_of_c5(name: str) -> None:
    """App. C.5: rate 1e-2 to 1e-5, embeddings of 64, batches of 1000, L2 4e-4, dropout 0.5; Sec. 4.1: 30 rows."""
    config = typed(compose_config([f"model={name}", "train=paper"]))
    train, model = config.train, config.model
    assert (train.lr, train.min_lr, train.batch_size, train.weight_decay) == (1e-2, 1e-5, 1000, 4e-4)
    assert (train.filter, train.min_interactions) == ("paper", 30)
    assert [getattr(model, key) for key in ("dim", "dropout", "hidden_dropout") if hasattr(model, key)] in (
        [], [64, 0.5], [64, 0.5, 0.5]
    )  # fmt: skip
    assert config.simulation.list_length == 3
    # What is set by name stays, and without the recipe every model has its own.
    if hasattr(model, "dropout"):
        assert typed(compose_config([f"model={name}", "train=paper", "model.dropout=0.3"])).model.dropout == 0.3
        assert typed(compose_config([f"model={name}"])).model == MODELS[name].options()
        assert typed(compose_config([f"model={name}", "train.dropout=0.1"])).model.dropout == 0.1

"""The settings of the service: every default is written out, and what cannot be used is refused by its key."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from omegaconf import OmegaConf

from magus_pyg.errors import ConfigError
from magus_pyg.runs.schemas import conf_folder
from magus_pyg.serve.serve_options import (
    ArmOptions,
    ExperimentOptions,
    KeyOptions,
    LimitOptions,
    PageOptions,
    ServeOptions,
)

FILE = conf_folder() / "serve" / "default.yaml"


def test_the_file_has_every_key_with_its_default_and_a_comment() -> None:
    values = yaml.safe_load(FILE.read_text())
    assert values == OmegaConf.to_container(OmegaConf.structured(ServeOptions().check()))
    explained = {"list_length", "rounds"}  # in `limits` their names say it
    for line in FILE.read_text().splitlines():
        key = line.strip().partition(":")[0]
        assert not line or line.startswith("#") or "#" in line or key in explained | {
            "keys", "limits", "page", "experiment", "name", "arms", "admin_variable",
        }, line  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"host": ""}, "serve.host must be an address"),
        ({"port": 65536}, r"serve.port must be in \[0, 65535\] \(got 65536\)"),
        ({"port": True}, "serve.port must be a whole number"),
        ({"workers": 0}, r"serve.workers must be in \[1, 256\] \(got 0\)"),
        ({"store": "postgres://x"}, r"serve.store must be sqlite, .* \(got 'postgres://x'\)"),
        ({"store": "memory:", "workers": 2}, "serve.store=memory: is of one process alone"),
        ({"variant": "bayess"}, "serve.variant must be one of .*did you mean 'bayes'"),
        ({"list_length": 51}, "serve.list_length must be at most serve.limits.list_length=50"),
        ({"rounds": 101}, "serve.rounds must be at most serve.limits.rounds=100"),
        ({"min_items": 7}, "serve.min_items must be at most serve.list_length=6"),
        ({"expiry_hours": 0.0}, "serve.expiry_hours must be above 0"),
        ({"expiry_hours": float("nan")}, "serve.expiry_hours must be a finite number"),
        ({"log_level": "loud"}, "serve.log_level must be one of"),
        ({"keys": KeyOptions(required="no")}, "serve.keys.required must be one of auto, always, never"),
        ({"limits": LimitOptions(body_bytes=0)}, "serve.limits.body_bytes must be at least 1"),
        ({"page": PageOptions(colour="red")}, r"serve.page.colour must be # and six .* \(got 'red'\)"),
        ({"page": PageOptions(logo="/nowhere.svg")}, "serve.page.logo: there is no file '/nowhere.svg'"),
        ({"experiment": ExperimentOptions(name="ab")}, "serve.experiment needs a name and two or more arms"),
        (
            {"experiment": ExperimentOptions("a b", {"x": ArmOptions(), "y": ArmOptions()})},
            r"a name has up to 64 letters.*\(got 'a b'\)",
        ),
        (
            {"experiment": ExperimentOptions("ab", {"x": ArmOptions(share=0.0), "y": ArmOptions()})},
            "serve.experiment.arms.x.share must be above 0",
        ),
        (
            {"experiment": ExperimentOptions("ab", {"x": ArmOptions(list_length=99), "y": ArmOptions()})},
            "serve.experiment.arms.x.list_length must be at most serve.limits.list_length=50",
        ),
        (
            {"experiment": ExperimentOptions("ab", {"x": ArmOptions(min_items=7), "y": ArmOptions()})},
            "an arm asks for more items than its list of 6 has",
        ),
    ],
)
def test_what_cannot_be_used_is_refused_by_its_key(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        replace(ServeOptions(), **changes).check()


@pytest.mark.parametrize(
    ("host", "required", "needed"),
    [
        ("127.0.0.1", "auto", False),
        ("127.8.0.1", "auto", False),
        ("::1", "auto", False),
        ("localhost", "auto", False),
        ("0.0.0.0", "auto", True),
        ("10.0.0.7", "auto", True),
        ("shop.example", "auto", True),
        ("127.0.0.1", "always", True),
        ("0.0.0.0", "never", False),
    ],
)
def test_keys_are_needed_where_others_reach_the_service(host: str, required: str, needed: bool) -> None:
    assert ServeOptions(host=host, keys=KeyOptions(required=required)).check().needs_keys is needed


def test_it_writes_beside_the_run_unless_a_folder_is_named(tmp_path: Path) -> None:
    assert ServeOptions().folder_of(tmp_path) == tmp_path / "serve"
    assert ServeOptions(folder=str(tmp_path / "x")).folder_of(tmp_path / "run") == tmp_path / "x"
    assert ServeOptions().store_url(tmp_path) == f"sqlite:{tmp_path}/serve/serve.sqlite"
    assert ServeOptions(store="redis://h:1/0").store_url(tmp_path) == "redis://h:1/0"

"""The options classes as Hydra schemas, the folder of the configuration files, and both ways between file and class.

Schemas lie in groups of their own (`schema/dataset`, ...), so that they are no choices of the real groups.
"""

import importlib.util
from dataclasses import fields
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import MissingMandatoryValue, OmegaConfBaseException

from magus_pyg.agents.rivals import RivalOptions
from magus_pyg.agents.variants import BaseVariant, BayesVariant, NoneVariant, PlusVariant
from magus_pyg.data import (
    AlipayOptions,
    AmazonOptions,
    MovieLens1MOptions,
    MovieLens100kOptions,
    MovieLensLatestSmallOptions,
    ServedOptions,
    SessionOptions,
    SyntheticOptions,
    TabularOptions,
    TmallOptions,
)
from magus_pyg.dialogues.dialogue_options import EarSimulation
from magus_pyg.errors import ConfigError, did_you_mean
from magus_pyg.models import MODELS
from magus_pyg.runs.config import Config
from magus_pyg.simulation.simulation_options import SimulationOptions
from magus_pyg.simulation.users_by_name import (
    DriftingOptions,
    ImpatientOptions,
    NoisyOptions,
    ReaderOptions,
    UserOptions,
    WriterOptions,
)
from magus_pyg.training import TrainOptions
from magus_pyg.training.learn_options import LearnOptions

__all__ = [
    "SCHEMAS",
    "check_group_names",
    "conf_folder",
    "from_container",
    "group_options",
    "groups",
    "register",
    "schema_names",
    "typed",
]

#: group -> name of the schema -> class. A model's schema is registered with the model.
SCHEMAS: dict[str, dict[str, type]] = {
    "dataset": {
        "synthetic": SyntheticOptions,
        "movielens-100k": MovieLens100kOptions,
        "movielens-1m": MovieLens1MOptions,
        "movielens-latest-small": MovieLensLatestSmallOptions,
        "amazon": AmazonOptions,
        "alipay": AlipayOptions,
        "tmall": TmallOptions,
        "tabular": TabularOptions,
        "served": ServedOptions,
    },
    "model": {name: entry.options for name, entry in MODELS.items()},
    "magus": {"none": NoneVariant, "base": BaseVariant, "plus": PlusVariant, "bayes": BayesVariant},
    "user": {
        "truthful": UserOptions,
        "noisy": NoisyOptions,
        "impatient": ImpatientOptions,
        "drifting": DriftingOptions,
        "reader": ReaderOptions,
        "writer": WriterOptions,
    },
    "simulation": {"default": SimulationOptions, "ear": EarSimulation},
}
_SINGLE: dict[str, type] = {
    "train": TrainOptions,
    "sessions": SessionOptions,
    "rivals": RivalOptions,
    "learning": LearnOptions,
}


_OVERLAY = "experiment"
"""The group that lies over all others, and has no part of the configuration to itself."""


def conf_folder() -> Path:
    """The folder of the configuration files: beside the sources in a checkout, else inside the installed package.

    Raises:
        ConfigError: if it is in neither place.
    """
    beside = Path(__file__).resolve().parents[3] / "conf"
    if (beside / "config.yaml").is_file() and beside.parent.joinpath("setup.cfg").is_file():
        return beside
    spec = importlib.util.find_spec("magus_pyg.conf")
    for place in (spec.submodule_search_locations or []) if spec is not None else []:
        if (Path(place) / "config.yaml").is_file():
            return Path(place)
    raise ConfigError(f"the configuration files are not in {beside} nor in the package; install magus-pyg again")


def groups() -> list[str]:
    """The names of the groups of a run's configuration, in alphabetical order; `conf/` has those of others as well."""
    own = {entry.name for entry in fields(Config)} | {_OVERLAY}
    return sorted(name for name in own if any((conf_folder() / name).glob("*.yaml")))


def group_options(group: str, own: Path | None = None) -> list[str]:
    """The options of a group, in alphabetical order, with those of a folder of one's own."""
    folders = [conf_folder(), *([] if own is None else [own])]
    return sorted(path.stem for folder in folders for path in (folder / group).glob("*.yaml"))


def register() -> None:
    """Make the schemas known to Hydra, and what `${dropout:0.2}` in a model's file means; may be called again."""
    from hydra.core.config_store import ConfigStore  # reading a run does without Hydra, which takes long to import

    # The dropout of a training recipe (train=paper) is that of every model, unless the model's own is set by name.
    OmegaConf.register_new_resolver("dropout", _recipe_dropout, replace=True)
    store = ConfigStore.instance()
    store.store(group="schema", name="config", node=Config, package="_global_", provider="magus_pyg")
    for group, classes in SCHEMAS.items():
        for name, schema in classes.items():
            store.store(group=f"schema/{group}", name=name, node=schema, provider="magus_pyg")
    for name, schema in _SINGLE.items():
        store.store(group="schema", name=name, node=schema, provider="magus_pyg")


def _recipe_dropout(own: float, *, _root_: DictConfig) -> float:
    of_recipe = _root_.train.dropout
    return own if of_recipe is None else float(of_recipe)


def typed(config: DictConfig) -> Config:
    """The composed configuration as instances of the options classes; interpolations are resolved.

    Raises:
        ConfigError: a key that has to be given and is not, or a value that an options class refuses.
    """
    try:
        result = OmegaConf.to_object(config)
    except MissingMandatoryValue as error:
        key = str(error.full_key)
        raise ConfigError(f"{key} has no default: add {key}=... to the command") from error
    except OmegaConfBaseException as error:
        raise ConfigError(f"{error.full_key or 'the configuration'}: {str(error).splitlines()[0]}") from error
    assert isinstance(result, Config)
    return result


def check_group_names(config: Config) -> None:
    """Raise ConfigError for a model or variant whose `name` is not one of its class, as `model.name=din` gives."""
    for group in ("model", "magus"):
        chosen = getattr(config, group)
        names = [name for name, schema in SCHEMAS[group].items() if schema is type(chosen)]
        if names and chosen.name not in names:
            hint = did_you_mean(chosen.name, SCHEMAS[group])
            raise ConfigError(
                f"{group}.name must be {' or '.join(names)} here{hint} (got {chosen.name!r}); another is chosen by "
                f"{group}=..., of {', '.join(SCHEMAS[group])}"
            )


def schema_names(config: Config) -> dict[str, str]:
    """Which schema each group of a configuration has, to be kept with it: group -> name of the schema."""
    names = {}
    for group, classes in SCHEMAS.items():
        kind = type(getattr(config, group))
        found = [name for name, schema in classes.items() if schema is kind]
        if not found:
            raise ConfigError(f"{group}: {kind.__name__} is no registered schema; there are {', '.join(classes)}")
        own = getattr(getattr(config, group), "name", None)
        names[group] = own if own in found else found[0]
    return names


def from_container(values: dict[str, Any], names: dict[str, str]) -> DictConfig:
    """A configuration that was written to a file, checked against its schemas.

    Options of earlier releases that are gone are passed over.

    Args:
        values: what the file holds.
        names: what `schema_names` gave.

    Raises:
        ConfigError: an unknown schema, or a key or value that the schema refuses.
    """
    base = OmegaConf.structured(Config)
    for group, name in names.items():
        if name not in SCHEMAS.get(group, {}):
            raise ConfigError(f"unknown schema {name!r} of {group!r}")
        schema = SCHEMAS[group][name]
        base[group] = OmegaConf.structured(schema)
        gone: frozenset[str] = getattr(schema, "gone", frozenset()).intersection(values.get(group) or ())
        if gone:
            values = {**values, group: {key: value for key, value in values[group].items() if key not in gone}}
    try:
        merged = OmegaConf.merge(base, OmegaConf.create(values))
    except OmegaConfBaseException as error:
        raise ConfigError(f"{error.full_key or 'the configuration'}: {str(error).splitlines()[0]}") from error
    assert isinstance(merged, DictConfig)
    return merged

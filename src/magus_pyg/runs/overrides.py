"""What is typed after a command, checked before anything is done: every mistake is named with the valid choices.

Hydra's own messages name neither the keys of a group nor the closest one, so the words of the command are looked at
here first; Hydra then gets only what it can compose.
"""

from collections.abc import Sequence
from dataclasses import fields, is_dataclass
from difflib import get_close_matches
from typing import Any, get_type_hints

from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import ConfigAttributeError, ConfigKeyError, OmegaConfBaseException

from magus_pyg.errors import ConfigError, did_you_mean
from magus_pyg.runs.schemas import conf_folder, group_options, groups, register

__all__ = ["apply_values", "check_overrides", "compose_config", "parse", "split_groups"]


def parse(words: Sequence[str]) -> list[Override]:
    """The words of a command as Hydra's overrides.

    Raises:
        ConfigError: a word that is no `key=value`.
    """
    parser = OverridesParser.create()
    overrides = []
    for word in words:
        try:
            overrides.extend(parser.parse_overrides([word]))
        except HydraException as error:
            advice = "write key=value or group=option, and put quotes around values with blanks or commas"
            raise ConfigError(f"{word!r} cannot be read ({str(error).splitlines()[0]}); {advice}") from error
    return overrides


def compose_config(words: Sequence[str] = ()) -> DictConfig:
    """Compose the configuration from words such as "dataset=ml-100k" and "train.epochs=3".

    Raises:
        ConfigError: a misspelt or ill-typed key or an unknown option, with the valid ones and the closest match.
    """
    overrides = parse(words)
    chosen, values = split_groups(overrides)
    config = _compose([override.input_line or "" for override in chosen])
    apply_values(config, values)
    return config


def check_overrides(words: Sequence[str]) -> None:
    """Check the words of a command, those with several values (`-m`) value by value.

    Raises:
        ConfigError: as `compose_config`.
    """
    overrides = parse(words)
    if not any(override.is_sweep_override() for override in overrides):
        compose_config(words)
        return
    choices = [_single_values(override) for override in overrides]
    first = [options[0] for options in choices]
    for position, options in enumerate(choices):
        for option in options[: None if len(options) > 1 else 0]:
            compose_config([*first[:position], option, *first[position + 1 :]])


def split_groups(overrides: Sequence[Override]) -> tuple[list[Override], list[Override]]:
    """Overrides that choose an option of a group, and those that set a key.

    Raises:
        ConfigError: an unknown option.
    """
    known = groups()
    chosen, values = [], []
    for override in overrides:
        key = override.key_or_group
        if key.split(".")[0].split("/")[0] == "hydra":
            continue
        if key in known and not isinstance(override.value(), dict):
            _check_option(key, override)
            chosen.append(override)
        else:
            values.append(override)
    return chosen, values


def apply_values(config: DictConfig, overrides: Sequence[Override]) -> None:
    """Set keys of a composed configuration, in place.

    Raises:
        ConfigError: a misspelt or ill-typed key.
    """
    for override in overrides:
        key = override.key_or_group
        _check_key(config, key)
        if override.is_delete():
            raise ConfigError(f"~{key}: keys cannot be taken away, only set")
        value = override.value()
        try:
            OmegaConf.update(config, key, value, merge=True, force_add=override.is_add() or override.is_force_add())
        except OmegaConfBaseException as error:
            if isinstance(error, ConfigKeyError | ConfigAttributeError):  # new names in a mapping, such as merge_fields
                raise ConfigError(f"{key}={value!r} adds names to a mapping: write +{override.input_line}") from error
            wanted = _type_name(config, key)
            raise ConfigError(f"{key}={value!r}: the value must be {wanted}" if wanted else str(error)) from error


def _compose(words: Sequence[str]) -> DictConfig:
    register()
    if GlobalHydra.instance().is_initialized():
        GlobalHydra.instance().clear()
    try:
        with initialize_config_dir(str(conf_folder()), version_base="1.3"):
            return compose("config", list(words))
    except (HydraException, OmegaConfBaseException) as error:
        raise ConfigError(_first_line(error)) from error


def _first_line(error: BaseException) -> str:
    """The cause's first line: Hydra wraps OmegaConf's messages in its own."""
    cause = error.__cause__
    lines = [line for line in str(error).splitlines() if line.strip()]
    detail = str(cause).splitlines()[0] if cause is not None and str(cause) else ""
    return f"{lines[0] if lines else type(error).__name__}{f' ({detail})' if detail else ''}"


def _single_values(override: Override) -> list[str]:
    if not override.is_sweep_override():
        return [override.input_line or ""]
    key = override.get_key_element()
    return [f"{key}={value}" for value in override.sweep_string_iterator()]


def _check_option(group: str, override: Override) -> None:
    value = override.value()
    options = group_options(group)
    for option in value if isinstance(value, list) else [value]:
        if option is None and group == "experiment":
            continue
        if str(option) not in options:
            raise ConfigError(f"{group} has no option {str(option)!r}{did_you_mean(str(option), options)}; "
                              f"there are {', '.join(options)}")  # fmt: skip


def _check_key(config: DictConfig, key: str) -> None:
    """Walk down the key; ConfigError at the first step that its class does not have."""
    node: Any = config
    walked: list[str] = []
    for step in key.replace("/", ".").split("."):
        where = ".".join(walked)
        kind = OmegaConf.get_type(node) if OmegaConf.is_config(node) else None
        if kind is not None and is_dataclass(kind):
            names = [field.name for field in fields(kind)]
            if step not in names:
                raise ConfigError(_unknown_key(config, key, step, where, names))
        elif not isinstance(node, DictConfig):
            raise ConfigError(f"{where} is a value and has no key {step!r}")
        if kind is None or not is_dataclass(kind):
            return  # a mapping, such as merge_fields: its names are free
        node = node._get_node(step)
        walked.append(step)


def _unknown_key(config: DictConfig, key: str, step: str, where: str, names: list[str]) -> str:
    prefix = f"{where}." if where else ""
    whole = _all_keys(config)
    # A key given without its group, such as rounds=10, is found by its last part.
    last = key.rsplit(".", 1)[-1]
    same = [name for name in whole if name.rsplit(".", 1)[-1] == last]
    close = same or [prefix + name for name in get_close_matches(step, names, n=1, cutoff=0.5)]
    close = close or get_close_matches(key, whole, n=1)
    hint = f", did you mean {' or '.join(repr(name) for name in close[:3])}?" if close else ""
    listed = sorted({*names, *(groups() if not where else [])})
    what = f"the keys of {where!r} are" if where else "the keys and groups are"
    return f"there is no key {prefix + step!r}{hint}; {what} {', '.join(listed)}"


def _all_keys(config: DictConfig) -> list[str]:
    keys: list[str] = []
    for name in map(str, config):
        node = config._get_node(name)
        if isinstance(node, DictConfig) and is_dataclass(OmegaConf.get_type(node)):
            keys.extend(f"{name}.{inner}" for inner in map(str, node))
        keys.append(name)
    return keys


def _type_name(config: DictConfig, key: str) -> str:
    """How the class writes the type of a key, "" where it does not say."""
    head, _, last = key.rpartition(".")
    kind = OmegaConf.get_type(OmegaConf.select(config, head) if head else config)
    hint = get_type_hints(kind).get(last) if kind is not None and is_dataclass(kind) else None
    return "" if hint is None else hint.__name__ if hint in (int, float, str, bool) else str(hint)

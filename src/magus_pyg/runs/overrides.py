"""What is typed after a command, checked before anything is done: every mistake is named with the valid choices.

Hydra's own messages name neither the keys of a group nor the closest one, so the words of the command are looked at
here first; Hydra then gets only what it can compose.
"""

import re
from collections.abc import Sequence
from dataclasses import fields, is_dataclass
from difflib import get_close_matches
from itertools import product
from pathlib import Path
from types import UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

import yaml
from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override, OverrideType, ValueType
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import ConfigAttributeError, ConfigKeyError, OmegaConfBaseException

from magus_pyg.errors import ConfigError, did_you_mean
from magus_pyg.files import home_expanded
from magus_pyg.runs.config import Config
from magus_pyg.runs.schemas import SCHEMAS, conf_folder, group_options, groups, register

__all__ = ["apply_values", "check_overrides", "compose_config", "own_conf", "parse", "single_commands", "split_groups"]

_OWN_CONF = "paths.conf"
_QUOTED = re.compile(r"""\s*(?:'((?:\\.|[^'\\])*)'|"((?:\\.|[^"\\])*)")\s*""", re.DOTALL)
_PIECE = re.compile(r"""'(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*"|.""", re.DOTALL)


def parse(words: Sequence[str], root: type = Config) -> list[Override]:
    """The words of a command as Hydra's overrides, but that the values of keys that are texts are as typed.

    So `dataset.positive_actions=[true,1_004]` names the actions "true" and "1_004", and a path may hold anything.
    Quotes around a whole text, or around an entry of a list, are taken off.

    Args:
        words: of a command.
        root: the class of the configuration whose keys they set.

    Raises:
        ConfigError: a word that is no `key=value`.
    """
    parser = OverridesParser.create()
    overrides = []
    for word in words:
        if "\0" in word:
            raise ConfigError(f"{word!r} holds a NUL character, which no setting can")
        key, equals, typed = word.partition("=")
        hint = _text_hint(key.lstrip("+"), root) if equals else None
        if hint is not None:
            kind = {0: OverrideType.CHANGE, 1: OverrideType.ADD}.get(
                len(key) - len(key.lstrip("+")), OverrideType.FORCE_ADD
            )
            value = _read_text(key, typed, hint)
            overrides.append(Override(kind, key.lstrip("+"), ValueType.ELEMENT, value, input_line=word))
            continue
        try:
            found = parser.parse_overrides([word])  # ValueError: a number of too many digits
        except (HydraException, OmegaConfBaseException, RecursionError, ValueError) as error:
            advice = "write key=value or group=option, and put quotes around values with blanks or commas"
            raise ConfigError(f"{word!r} cannot be read ({str(error).splitlines()[0]}); {advice}") from error
        if any(override.package is not None for override in found):
            raise ConfigError(f"{word!r} cannot be read: a key has no @; write key=value or group=option")
        overrides.extend(found)
    return overrides


def compose_config(words: Sequence[str] = ()) -> DictConfig:
    """Compose the configuration from words such as "dataset=ml-100k" and "train.epochs=3".

    Raises:
        ConfigError: a misspelt or ill-typed key or an unknown option, with the valid ones and the closest match.
    """
    overrides = parse(words)
    own = own_conf(words)
    chosen, values = split_groups(overrides, own)
    config = _compose([override.input_line or "" for override in chosen], own)
    apply_values(config, values)
    return config


def own_conf(words: Sequence[str]) -> Path | None:
    """The folder of one's own configuration files, if the words of a command name one (`paths.conf=FOLDER`).

    Raises:
        ConfigError: there is no such folder, or a file in it has the name of an option of the package.
    """
    named = [override.value() for override in parse([word for word in words if word.startswith(f"{_OWN_CONF}=")])]
    if not named or not named[-1]:
        return None
    own = home_expanded(str(named[-1]))
    wanted = "it holds yaml files in folders named as the groups, such as dataset/shop.yaml"
    try:
        if not own.is_dir():
            raise ConfigError(f"{_OWN_CONF}: there is no folder {own}; {wanted}")
        both = [(group, name) for group in groups() for name in group_options(group, own) if (own / group).is_dir()]
    except OSError as error:
        raise ConfigError(f"{_OWN_CONF}: {own} cannot be read ({error.strerror}); {wanted}") from error
    twice = sorted({f"{group}/{name}.yaml" for group, name in both if both.count((group, name)) > 1})
    if twice:
        raise ConfigError(f"{own / twice[0]} has the name of an option of the package: give it another one")
    if not any((own / group).is_dir() for group in groups()):
        raise ConfigError(f"{_OWN_CONF}: {own} has no folder of a group; {wanted}")
    return own.absolute()


def single_commands(words: Sequence[str]) -> list[list[str]]:
    """The commands that the words of `-m` stand for: each combination of the values between commas, the last key's
    values in turn first.

    Raises:
        ConfigError: a word that is no `key=value`.
    """
    choices = []
    for word in words:
        key, equals, typed = word.partition("=")
        if equals and _text_hint(key.lstrip("+"), Config) is not None:
            choices.append([f"{key}={value}" for value in _split(typed)])
        else:
            choices.extend(_single_values(override) for override in parse([word]))
    return [list(command) for command in product(*choices)]


def check_overrides(words: Sequence[str]) -> None:
    """Compose each command that the words of `-m` stand for; ConfigError as `compose_config`."""
    for command in single_commands(words):
        compose_config(command)


def split_groups(overrides: Sequence[Override], own: Path | None = None) -> tuple[list[Override], list[Override]]:
    """Overrides that choose an option of a group, and those that set a key.

    Args:
        overrides: from `parse`.
        own: the folder of one's own files, from `own_conf`.

    Raises:
        ConfigError: an unknown option, or several values.
    """
    known = groups()
    chosen, values = [], []
    for override in overrides:
        if override.is_sweep_override():
            raise ConfigError(f"{override.input_line} has several values: give one, or add -m to train with each")
        key = override.key_or_group
        if key in known and not override.is_delete() and not isinstance(override.value(), dict):
            _check_option(key, override, own)
            if override.value() is not None:  # experiment=null, as it is anyway
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
        except (OmegaConfBaseException, OverflowError) as error:  # OverflowError: beyond float64
            if isinstance(error, ConfigKeyError | ConfigAttributeError):  # new names in a mapping, such as merge_fields
                raise ConfigError(f"{key}={value!r} adds names to a mapping: write +{override.input_line}") from error
            wanted = _type_name(config, key)
            raise ConfigError(f"{key}={value!r}: the value must be {wanted}" if wanted else str(error)) from error


def _text_hint(key: str, root: type) -> Any:
    """The type of a key whose value is a text, or a list or mapping of texts; None for all others.

    A key of a group is one if it is in all classes of the group that have it.
    """
    kinds: list[Any] = [root]
    for place, step in enumerate(key.replace("/", ".").split(".")):
        found = [_hint_of(kind, step) for kind in kinds]
        kinds = [hint for hint in found if hint is not None]
        if place == 0 and root is Config:
            kinds += SCHEMAS.get(step, {}).values()
    return kinds[0] if kinds and all(map(_is_text, kinds)) else None


def _hint_of(kind: Any, step: str) -> Any:
    if is_dataclass(kind) and isinstance(kind, type):
        return get_type_hints(kind).get(step)
    return get_args(kind)[1] if get_origin(kind) is dict else None


def _is_text(hint: Any) -> bool:
    kind, inner = get_origin(hint), get_args(hint)
    if kind in (Union, UnionType):
        return all(part is type(None) or _is_text(part) for part in inner)
    return hint is str or (kind is list and _is_text(inner[0])) or (kind is dict and _is_text(inner[1]))


def _read_text(key: str, typed: str, hint: Any) -> Any:
    """What was typed, by the type of its key."""
    kind, inner = get_origin(hint), get_args(hint)
    if kind in (Union, UnionType):
        present = next(part for part in inner if part is not type(None))
        return None if typed.strip() == "null" else _read_text(key, typed, present)
    if hint is str:
        return _unquoted(typed)
    form, opened, closed = ("[a,b]", "[", "]") if kind is list else ("{name:[a,b]}", "{", "}")
    text = typed.strip()
    if not (text.startswith(opened) and text.endswith(closed)) or len(text) < 2:
        raise ConfigError(f"{key}={typed!r}: the value must be {hint}, written as {form}")
    parts = [part for part in _split(text[1:-1]) if part.strip()]
    if kind is list:
        return [_read_text(key, part.strip(), inner[0]) for part in parts]
    pairs = [_split(part, ":") for part in parts]
    if any(len(pair) < 2 for pair in pairs):
        raise ConfigError(f"{key}={typed!r}: the value must be {hint}, written as {form}")
    return {_unquoted(pair[0].strip()): _read_text(key, ":".join(pair[1:]).strip(), inner[1]) for pair in pairs}


def _unquoted(text: str) -> str:
    found = _QUOTED.fullmatch(text)
    if found is None:
        return text
    return re.sub(r"""\\(['"\\])""", r"\1", next(part for part in found.groups() if part is not None))


def _split(text: str, separator: str = ",") -> list[str]:
    """Split at the separators that stand outside of quotes and brackets."""
    parts, depth = [""], 0
    for piece in _PIECE.findall(text):
        depth += (piece in "[{(") - (piece in "]})")
        if piece == separator and depth <= 0:
            parts.append("")
        else:
            parts[-1] += piece
    return parts


def _compose(words: Sequence[str], own: Path | None) -> DictConfig:
    register()
    if GlobalHydra.instance().is_initialized():
        GlobalHydra.instance().clear()
    place = str(own).replace("'", "\\'").replace("${", "\\${")
    search = [] if own is None else [f"hydra.searchpath=['file://{place}']"]
    try:
        with initialize_config_dir(str(conf_folder()), version_base="1.3"):
            return compose("config", [*search, *words])
    except (HydraException, OmegaConfBaseException, yaml.YAMLError, RecursionError, ValueError, OverflowError) as error:
        raise ConfigError(_first_line(error)) from error


def _first_line(error: BaseException) -> str:
    """The cause's first line: Hydra wraps OmegaConf's messages in its own."""
    cause = error.__cause__
    lines = [line for line in str(error).splitlines() if line.strip()]
    detail = str(cause).splitlines()[0] if cause is not None and str(cause) else ""
    mark = getattr(error, "problem_mark", None)
    where = "" if mark is None else f"{mark.name}, line {mark.line + 1}: "
    return f"{where}{lines[0] if lines else type(error).__name__}{f' ({detail})' if detail else ''}"


def _single_values(override: Override) -> list[str]:
    if not override.is_sweep_override():
        return [override.input_line or ""]
    key = override.get_key_element()
    return [f"{key}={value}" for value in override.sweep_string_iterator()]


def _check_option(group: str, override: Override, own: Path | None) -> None:
    value = override.value()
    options = group_options(group, own)
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

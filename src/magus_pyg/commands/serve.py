"""Put people behind a trained run, over HTTP."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import yaml
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from magus_pyg.commands.command_line import end_by, needed, take_words, wants_help, with_own_conf
from magus_pyg.errors import ConfigError, did_you_mean
from magus_pyg.files import home_expanded
from magus_pyg.invocation import command_name
from magus_pyg.language import LanguageOptions, OpenAIOptions
from magus_pyg.report import make_console
from magus_pyg.runs.folder import RunFolder
from magus_pyg.runs.overrides import apply_values, parse
from magus_pyg.runs.run import load_run
from magus_pyg.runs.schemas import conf_folder
from magus_pyg.serve.measurement_folder import share_measurements
from magus_pyg.serve.privacy import KEY_FILE, People
from magus_pyg.serve.serve_options import ServeOptions
from magus_pyg.serve.served_log import export_served
from magus_pyg.serve.stores import open_store
from magus_pyg.terminal import say

__all__ = ["command", "main_serve", "service_config"]


_SERVE_HELP = """Put people behind a trained run, over HTTP: a shop calls it, or a browser.

  serve.py run=RUN [serve.port=8000] [serve.host=127.0.0.1] [serve.workers=N] [serve.store=redis://...] [key=value ...]
  serve.py run=RUN export=true [serve.store=...]

It prints its address when it is ready, logs a line of JSON a request on standard error, and keeps sessions and what was
served in RUN/serve. Ctrl-C or SIGTERM: what runs is finished, then it ends with the code 0.
SIGHUP: it takes up what was trained into RUN since, as POST /v1/runs:reload does, and no session is lost.
With export=true it serves nobody: it writes what was served since the last time into RUN/serve/log, beside a service
that runs or not, to train on (train.py dataset=served dataset.path=RUN/serve/log) and to report on.
conf/serve/default.yaml explains all keys; serve=NAME takes serve/NAME.yaml of your own folder, named with --config-dir
FOLDER, over it. language=openai language.base_url=URL language.model=NAME lets a model help with the words of queries;
conf/language/ explains its keys.
"""


@dataclass
class ServiceConfig:
    """What the words of the command set.

    Attributes:
        serve: the service.
        language: how queries are put into words.
    """

    serve: ServeOptions = field(default_factory=ServeOptions)
    language: LanguageOptions = field(default_factory=LanguageOptions)


@dataclass
class _WithModel(ServiceConfig):
    language: OpenAIOptions = field(default_factory=OpenAIOptions)


def service_config(words: Sequence[str]) -> ServiceConfig:
    """conf/serve/default.yaml, a file of one's own over it, and the words of a command over both; checked.

    Raises:
        ConfigError: a misspelt or ill-typed key, a value out of range, or several values.
    """
    own, others = take_words(with_own_conf(words), ("paths.conf", "serve", "language"))
    folder = own.get("paths.conf")
    spoken = _files("language", own.get("language", "rule"), folder, "rule")[-1:]
    root = _WithModel if _loaded(spoken[0]).get("name") == "openai" else ServiceConfig
    config = OmegaConf.structured(root)
    files = {"serve": _files("serve", own.get("serve", "default"), folder, "default"), "language": spoken}
    for path, group in ((path, group) for group, paths in files.items() for path in paths):
        try:
            config = OmegaConf.merge(config, {group: _loaded(path)})
        except (OmegaConfBaseException, OverflowError) as error:
            raise ConfigError(f"{path}: {str(error).splitlines()[0]}") from error
    assert isinstance(config, DictConfig)
    overrides = parse(others, root)
    for override in overrides:
        if override.is_sweep_override():
            raise ConfigError(f"{override.input_line} has several values: a service has one of each")
    apply_values(config, overrides)
    found = OmegaConf.to_object(config)
    assert isinstance(found, ServiceConfig)
    found.serve.check()
    found.language.check()
    return found


def _loaded(path: Path) -> DictConfig:
    try:
        found = OmegaConf.load(path)
    except (OSError, yaml.YAMLError, ValueError, RecursionError, OmegaConfBaseException) as error:
        raise ConfigError(f"{path}: {str(error).splitlines()[0]}") from error
    if not isinstance(found, DictConfig):
        raise ConfigError(f"{path} must hold keys and their values")
    return found


def _files(group: str, name: str, own: str | None, usual: str) -> list[Path]:
    """The files of a group whose values count, the last most; `usual` is the name of the first."""
    folders = [conf_folder() / group, *([] if own is None else [home_expanded(own) / group])]
    default = folders[0] / f"{usual}.yaml"
    if name == usual:
        return [default]
    chosen = folders[-1] / f"{name}.yaml"
    if not chosen.is_file():
        chosen = folders[0] / f"{name}.yaml"
    if not chosen.is_file():
        names = sorted({path.stem for folder in folders for path in folder.glob("*.yaml")})
        raise ConfigError(
            f"{group} has no option {name!r}{did_you_mean(name, names)}; there are {', '.join(names)}; those "
            "of your own lie in a folder that --config-dir names"
        )
    return [default, chosen]


def main_serve(words: Sequence[str]) -> None:
    """Serve until told to stop; `words` as in the help of the command.

    Raises:
        MagusError: see `service_config`, `load_run`, `serve.keys.read_keys` and `serve.workers.serve_app`.
    """
    if wants_help([word for word in words if not word.startswith(("--config-dir", "-cd"))], _SERVE_HELP):
        return
    own, others = take_words(words, ("run", "export"))
    place = needed(own, "run", f"the run folder that {command_name('train')} printed")
    config = service_config(others)
    options = config.serve
    if own.get("export", "false") not in ("true", "false"):
        raise ConfigError(f"export must be true or false (got {own['export']!r})")
    if own.get("export") == "true":
        _export(place, options)
        return
    with share_measurements(options.workers):
        _serve(place, options, config.language)


def _export(place: str, options: ServeOptions) -> None:
    if options.store == "memory:":
        raise ConfigError(
            "serve.store=memory: ends with its service, and there is nothing to export: name another store"
        )
    folder = RunFolder(home_expanded(place))
    config = folder.read_config(folder.read_info())
    own = options.folder_of(folder.path)
    store = open_store(options.store_url(folder.path), make=False)
    try:
        People(own)  # makes the key where nobody was served yet
        done = export_served(store, config, own / "log", own / KEY_FILE)
    finally:
        store.close()
    say(f"{own / 'log'}: {done.answers:,} rows of answers and {done.events:,} events")


def _serve(place: str, options: ServeOptions, language: LanguageOptions) -> None:
    try:
        from magus_pyg.serve.app import create_app
        from magus_pyg.serve.keys import read_keys
        from magus_pyg.serve.request_log import log_as_json
        from magus_pyg.serve.upkeep import warm
        from magus_pyg.serve.workers import listen, serve_app, set_threads
    except ModuleNotFoundError as error:
        raise ConfigError(f"{error.name} is not installed: python -m pip install 'magus-pyg[serve]'") from error
    read_keys(options)  # what is wrong with them is told before the run is read
    set_threads(options)
    console = make_console()
    with listen(options) as taken:
        with console.stage("load the run"):
            app = create_app(load_run(place), options, language=language)
            warm(app.state.service)
            app.state.screens.warm()
        log_as_json(options.log_level)
        reload = app.state.service.changes.reload
        serve_app(app, options, taken, lambda address: say(f"ready: {address}"), reload)
    say("stopped")


def command() -> None:
    """Console command `magus-serve`, `scripts/serve.py`."""
    end_by(main_serve)

"""The settings of the service: `serve.*` of conf/serve/default.yaml, typed and checked before anything is loaded."""

import ipaddress
import re
from dataclasses import dataclass, field, fields
from pathlib import Path

from magus_pyg.agents.methods import VARIANTS
from magus_pyg.errors import ConfigError
from magus_pyg.files import home_expanded
from magus_pyg.options import above, at_least, at_most, between, check_options, one_of

__all__ = [
    "ArmOptions",
    "ExperimentOptions",
    "KeyOptions",
    "LimitOptions",
    "PageOptions",
    "ServeOptions",
]

_STORES = ("sqlite:", "redis://", "rediss://", "unix://")
_LEVELS = ("debug", "info", "warning", "error")
_COLOUR = re.compile(r"#[0-9a-fA-F]{6}")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")


@dataclass
class KeyOptions:
    """Who may ask: bearer keys in two scopes. A key itself is never a setting: settings are printed and seen in `ps`.

    Attributes:
        required: "auto": where the service can be reached from other machines (`serve.host` is no loopback address);
            "always"; or "never", where something in front of the service checks who asks.
        session_file: a file with the keys for sessions, one a line; None for none.
        admin_file: a file with the keys for items, runs, people and measurements; they open sessions too.
        session_variable: the environment variable with keys for sessions, parted by commas or blanks.
        admin_variable: the same of the keys for administration.
    """

    required: str = "auto"
    session_file: str | None = None
    admin_file: str | None = None
    session_variable: str = "MAGUS_SESSION_KEYS"
    admin_variable: str = "MAGUS_ADMIN_KEYS"

    def check(self, group: str = "serve.keys") -> None:
        """Raise ConfigError, naming the key and its value, unless all values are in range."""
        check_options(self, group, required=one_of(("auto", "always", "never")))


@dataclass
class LimitOptions:
    """The most that one request, or one who asks, may want.

    Attributes:
        body_bytes: of the body of a request; more gets 413.
        items_body_bytes: of the body of a request that changes items.
        text_length: signs of a text that a person writes, or of a word.
        list_length: of a list.
        rounds: of a session.
        candidates: ids in one list of ids: candidates, exclusions, liked items, items to remove.
        new_items: rows of one `items:batch`.
        events: rows of one `events:batch`.
        requests: a second for one key, or one address where no key is asked for; 0 for any number.
        new_sessions: that one key, or one address, may begin in a second; 0 for any number.
    """

    body_bytes: int = 1_000_000
    items_body_bytes: int = 8_000_000
    text_length: int = 500
    list_length: int = 50
    rounds: int = 100
    candidates: int = 10_000
    new_items: int = 10_000
    events: int = 1_000
    requests: int = 200
    new_sessions: int = 50

    def check(self, group: str = "serve.limits") -> None:
        """Raise ConfigError, naming the key and its value, unless all values are in range."""
        least = {entry.name: at_least(1) for entry in fields(self)}
        check_options(self, group, **{**least, "requests": at_least(0), "new_sessions": at_least(0)})


@dataclass
class PageOptions:
    """How the page looks.

    Attributes:
        name: of the shop.
        colour: of buttons and links, such as "#1a5fb4".
        logo: an image file; None for none.
        language: of the page where the browser asks for none that it has, as a language tag: "en", "de".
    """

    name: str = "MAGUS"
    colour: str = "#1a5fb4"
    logo: str | None = None
    language: str = "en"

    def check(self, group: str = "serve.page") -> None:
        """Raise ConfigError, naming the key and its value, unless all values are in range."""
        check_options(self, group)
        if not _COLOUR.fullmatch(self.colour):
            raise ConfigError(f"{group}.colour must be # and six hexadecimal digits (got {self.colour!r})")
        if self.logo is not None and not home_expanded(self.logo).is_file():
            raise ConfigError(f"{group}.logo: there is no file {self.logo!r}")


@dataclass
class ArmOptions:
    """One arm of an experiment: what its sessions have where a request does not say otherwise.

    Attributes:
        share: of the people, in relation to the shares of the other arms.
        variant: of MAGUS; None for that of the service.
        list_length: of lists; None for that of the service.
        min_items: fewest items of a list; None for that of the service.
    """

    share: float = 1.0
    variant: str | None = None
    list_length: int | None = None
    min_items: int | None = None

    def check(self, group: str) -> None:
        """Raise ConfigError, naming the key and its value, unless all values are in range."""
        check_options(
            self,
            group,
            share=above(0),
            variant=one_of(VARIANTS),
            list_length=at_least(1),
            min_items=at_least(0),
        )


@dataclass
class ExperimentOptions:
    """A comparison of arms among the people that are served (A/B).

    Attributes:
        name: people are dealt out to the arms by a hash of it and their id; "" where no experiment runs.
        arms: from the name of an arm to what it has; at least two where an experiment runs.
    """

    name: str = ""
    arms: dict[str, ArmOptions] = field(default_factory=dict)

    def check(self, group: str = "serve.experiment") -> None:
        """Raise ConfigError, naming the key and its value, unless all values are in range."""
        check_options(self, group)
        if bool(self.name) != bool(self.arms) or len(self.arms) == 1:
            raise ConfigError(
                f"{group} needs a name and two or more arms, or neither "
                f"(got the name {self.name!r} and the arms {list(self.arms)})"
            )
        for name in [*([self.name] if self.name else []), *self.arms]:
            if not _NAME.fullmatch(name):
                raise ConfigError(f"{group}: a name has up to 64 letters, digits and _.- (got {name!r})")
        for name, arm in self.arms.items():
            arm.check(f"{group}.arms.{name}")


@dataclass
class ServeOptions:
    """The settings of the service.

    Attributes:
        host: the address to listen at.
        port: the port to listen at; 0 takes a free one, which is printed.
        workers: processes that answer. 1: this process, by uvicorn; more: gunicorn, which loads the run once and forks.
        store: where sessions and what was served are kept: "sqlite" (in `folder`), "sqlite:PATH",
            "redis://HOST:PORT/NUMBER" where several machines answer, or "memory:" (one worker; gone at its end).
        folder: of what the service writes; None for `serve/` inside the run folder.
        variant: of sessions whose request names none; None for that of the run.
        list_length, rounds, min_items: of sessions whose request does not name them.
        discount: what an item that a person sees one list later is worth to them, in (0, 1], where a variant plans
            ahead (`BayesState.discount`) and its own is not lower: people leave, and with 1 what they most likely want
            may come last of many lists.
        torch_threads: of one computation in one worker.
        pool_threads: of a worker for rounds that take longer than a few ms, so that short ones go on beside them.
        queue: rounds that may wait for these threads in a worker; one more gets 503 with Retry-After.
        live_sessions: sessions that a worker keeps ready in memory; others are read from the store and played again.
        expiry_hours: a session that nobody used for so long is gone (410).
        retention_days: rows of the log of what was served that are older are removed; None keeps them.
        stop_seconds: how long requests that run may go on after SIGTERM.
        log_level: of the log on standard error.
        proxies: addresses of proxies whose X-Forwarded-For is believed.
        keys, limits, page, experiment: see their classes.
    """

    host: str = "127.0.0.1"
    port: int = 8000
    workers: int = 1
    store: str = "sqlite"
    folder: str | None = None
    variant: str | None = None
    list_length: int = 6
    rounds: int = 10
    min_items: int = 1
    discount: float = 0.95
    torch_threads: int = 1
    pool_threads: int = 2
    queue: int = 64
    live_sessions: int = 2_000
    expiry_hours: float = 24.0
    retention_days: float | None = 365.0
    stop_seconds: float = 8.0
    log_level: str = "info"
    proxies: list[str] = field(default_factory=list)
    keys: KeyOptions = field(default_factory=KeyOptions)
    limits: LimitOptions = field(default_factory=LimitOptions)
    page: PageOptions = field(default_factory=PageOptions)
    experiment: ExperimentOptions = field(default_factory=ExperimentOptions)

    def check(self) -> "ServeOptions":
        """Raise ConfigError, naming the key and its value, unless all values are in range; give the settings back."""
        check_options(
            self,
            "serve",
            port=between(0, 65535),
            workers=between(1, 256),
            variant=one_of(VARIANTS),
            list_length=at_least(1),
            rounds=at_least(1),
            min_items=at_least(0),
            discount=between(0, 1, "(]"),
            torch_threads=between(1, 256),
            pool_threads=between(1, 256),
            queue=at_least(0),
            live_sessions=at_least(0),
            expiry_hours=above(0),
            retention_days=above(0),
            stop_seconds=at_most(3600),
            log_level=one_of(_LEVELS),
        )
        for part in (self.keys, self.limits, self.page, self.experiment):
            part.check()
        if not self.host:
            raise ConfigError("serve.host must be an address, such as 127.0.0.1, or 0.0.0.0 for all (got '')")
        self._check_store()
        for name, most in (("list_length", self.limits.list_length), ("rounds", self.limits.rounds)):
            for where, value in self._defaults(name).items():
                if value > most:
                    raise ConfigError(f"{where} must be at most serve.limits.{name}={most} (got {value})")
        lengths, items = self._defaults("list_length"), self._defaults("min_items")
        for arm in self.experiment.arms.values():
            length = self.list_length if arm.list_length is None else arm.list_length
            if (self.min_items if arm.min_items is None else arm.min_items) > length:
                raise ConfigError(f"serve.experiment: an arm asks for more items than its list of {length} has")
        if items["serve.min_items"] > lengths["serve.list_length"]:
            raise ConfigError(
                f"serve.min_items must be at most serve.list_length={self.list_length} (got {self.min_items})"
            )
        return self

    @property
    def on_loopback(self) -> bool:
        """Whether only programs of this machine reach the service."""
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"

    @property
    def needs_keys(self) -> bool:
        """Whether a request needs a key."""
        return self.keys.required == "always" or (self.keys.required == "auto" and not self.on_loopback)

    def folder_of(self, run: Path) -> Path:
        """Where the service of a run writes."""
        return run / "serve" if self.folder is None else home_expanded(self.folder)

    def store_url(self, run: Path) -> str:
        """The address of the store of a run, as `stores.open_store` takes it."""
        return f"sqlite:{self.folder_of(run) / 'serve.sqlite'}" if self.store == "sqlite" else self.store

    def _defaults(self, name: str) -> dict[str, int]:
        """What sessions have without being asked, of the service and of each arm: key -> value."""
        of_arms = {
            f"serve.experiment.arms.{arm}.{name}": getattr(options, name)
            for arm, options in self.experiment.arms.items()
            if getattr(options, name, None) is not None
        }
        return {f"serve.{name}": getattr(self, name), **of_arms}

    def _check_store(self) -> None:
        if self.store not in ("sqlite", "memory:") and not self.store.startswith(_STORES):
            raise ConfigError(
                f"serve.store must be sqlite, sqlite:PATH, redis://HOST:PORT/NUMBER or memory: (got {self.store!r})"
            )
        if self.store == "memory:" and self.workers > 1:
            raise ConfigError(
                f"serve.store=memory: is of one process alone: take serve.store=sqlite for serve.workers={self.workers}"
            )

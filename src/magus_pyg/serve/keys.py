"""Bearer keys: who asks, and in which of two scopes. A key is kept as its hash alone, and is never logged."""

import hashlib
import hmac
import os
import re
from dataclasses import dataclass
from enum import StrEnum

from magus_pyg.errors import AccessError, ConfigError
from magus_pyg.files import home_expanded
from magus_pyg.serve.serve_options import ServeOptions

__all__ = ["Caller", "KeyRing", "KeyScope", "read_keys"]

_SHORTEST = 16
"""Signs of a key: below, it can be guessed."""
_KEY = re.compile(r"[\x21-\x2b\x2d-\x7e]+")
"""What a key may hold: visible signs of ASCII without the comma, which parts keys."""


class KeyScope(StrEnum):
    """What a key is good for."""

    SESSION = "session"
    """Sessions, suggestions, items to read, events."""
    ADMIN = "admin"
    """Everything: also items, jobs, runs, people and measurements."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks.

    Attributes:
        name: the beginning of the hash of their key, or their address: for counting requests and idempotency keys.
        scope: what they may do; None for nobody that is known.
    """

    name: str
    scope: KeyScope | None


class KeyRing:
    """The keys of a service.

    Args:
        keys: from scope to keys.
        required: whether a request needs one. Without, everybody is an administrator.
    """

    def __init__(self, keys: dict[KeyScope, list[str]], required: bool) -> None:
        self.required = required
        self._hashes = [(_hash(key), scope) for scope, of_scope in keys.items() for key in of_scope]

    def __repr__(self) -> str:
        return f"KeyRing({len(self._hashes)} keys, required={self.required})"

    def caller(self, authorization: str | None, address: str) -> Caller:
        """Who sent a request.

        Every key is compared, each in constant time, so the time tells nothing about them.

        Args:
            authorization: the header field of this name; None without.
            address: from where it came.
        """
        kind, _, key = (authorization or "").partition(" ")
        if kind.lower() == "bearer":
            given, scopes = _hash(key.strip()), []
            for known, scope in self._hashes:
                if hmac.compare_digest(given, known):
                    scopes.append(scope)
            if scopes:
                return Caller(given[:16], KeyScope.ADMIN if KeyScope.ADMIN in scopes else KeyScope.SESSION)
        return Caller(address, None if self.required else KeyScope.ADMIN)

    @staticmethod
    def check(caller: Caller, needed: KeyScope) -> None:
        """Raise AccessError unless a caller may do what needs a scope."""
        if caller.scope is None:
            raise AccessError(f"this needs a key of the scope {needed}: send Authorization: Bearer KEY")
        if needed is KeyScope.ADMIN and caller.scope is not KeyScope.ADMIN:
            raise AccessError(f"this key is of the scope {caller.scope}, and this needs {needed}", known=True)


def read_keys(options: ServeOptions) -> KeyRing:
    """The keys that the settings name, from files and the environment.

    Raises:
        ConfigError: a file that cannot be read, a key that can be guessed or sent by no program, or none where one is
            needed.
    """
    places = options.keys
    keys = {
        KeyScope.SESSION: _read(places.session_file, places.session_variable, "session_file"),
        KeyScope.ADMIN: _read(places.admin_file, places.admin_variable, "admin_file"),
    }
    if options.needs_keys and not any(keys.values()):
        raise ConfigError(
            f"serve.host={options.host} is reached by other machines, and there is no key: set "
            f"{places.session_variable} and {places.admin_variable} in the environment (or serve.keys.session_file and "
            "serve.keys.admin_file), such as to what `openssl rand -hex 24` prints; serve.keys.required=never lets "
            "everybody in"
            if not options.on_loopback
            else "serve.keys.required=always, and there is no key: set "
            f"{places.session_variable} or {places.admin_variable} in the environment"
        )
    return KeyRing(keys, options.needs_keys)


def _read(file: str | None, variable: str, setting: str) -> list[str]:
    found = [(f"the environment variable {variable}", key) for key in re.split(r"[,\s]+", os.environ.get(variable, ""))]
    if file is not None:
        path = home_expanded(file)
        try:
            lines = path.read_text("utf-8").splitlines()
        except (OSError, UnicodeError) as error:
            raise ConfigError(f"serve.keys.{setting}: {path} cannot be read ({error})") from error
        found += [(f"{path}, line {number}", line.strip()) for number, line in enumerate(lines, start=1)]
    keys = [(where, key) for where, key in found if key and not key.startswith("#")]
    for where, key in keys:
        if len(key) < _SHORTEST or not _KEY.fullmatch(key):  # the key itself is not repeated
            raise ConfigError(
                f"{where}: a key has at least {_SHORTEST} signs of ASCII without blanks and commas (got {len(key)} "
                "signs); `openssl rand -hex 24` makes one"
            )
    return [key for _, key in keys]


def _hash(key: str) -> str:
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()

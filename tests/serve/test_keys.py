"""Keys: from where they come, what each is good for, and that none is ever shown."""

from pathlib import Path

import pytest

from magus_pyg.errors import AccessError, ConfigError
from magus_pyg.serve.keys import Caller, KeyRing, KeyScope, read_keys
from magus_pyg.serve.serve_options import KeyOptions, ServeOptions

SESSION, ADMIN = "s" * 20, "a" * 20


@pytest.fixture
def ring() -> KeyRing:
    return KeyRing({KeyScope.SESSION: [SESSION, "t" * 20], KeyScope.ADMIN: [ADMIN]}, required=True)


@pytest.mark.parametrize(
    ("header", "scope"),
    [
        (f"Bearer {SESSION}", KeyScope.SESSION),
        (f"bearer  {'t' * 20} ", KeyScope.SESSION),
        (f"Bearer {ADMIN}", KeyScope.ADMIN),
        (f"Bearer {SESSION[:-1]}", None),
        (f"Bearer {SESSION}{SESSION}", None),
        (f"Basic {SESSION}", None),
        (SESSION, None),
        ("Bearer", None),
        ("Bearer \ud800\x00", None),
        ("", None),
        (None, None),
    ],
)
def test_what_a_header_is_good_for(ring: KeyRing, header: str | None, scope: KeyScope | None) -> None:
    caller = ring.caller(header, "10.0.0.1")
    assert caller.scope is scope
    assert (caller.name == "10.0.0.1") is (scope is None)
    assert SESSION[:8] not in repr(caller)
    assert ADMIN[:8] not in repr(caller)


def test_a_session_key_is_no_admin_key(ring: KeyRing) -> None:
    caller = ring.caller(f"Bearer {SESSION}", "x")
    ring.check(caller, KeyScope.SESSION)
    with pytest.raises(AccessError, match="of the scope session, and this needs admin") as refused:
        ring.check(caller, KeyScope.ADMIN)
    assert refused.value.known
    with pytest.raises(AccessError, match="send Authorization: Bearer KEY") as unknown:
        ring.check(Caller("x", None), KeyScope.SESSION)
    assert not unknown.value.known
    ring.check(ring.caller(f"Bearer {ADMIN}", "x"), KeyScope.SESSION)


def test_everybody_is_admin_where_no_key_is_needed() -> None:
    ring = KeyRing({}, required=False)
    assert ring.caller(None, "127.0.0.1") == Caller("127.0.0.1", KeyScope.ADMIN)
    ring.check(ring.caller("Bearer nonsense", "127.0.0.1"), KeyScope.ADMIN)


def test_keys_come_from_files_and_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "keys"
    file.write_text(f"# of the shop\n{SESSION}\n\n")
    monkeypatch.setenv("MAGUS_ADMIN_KEYS", f"{ADMIN}, {'b' * 16}")
    ring = read_keys(ServeOptions(host="0.0.0.0", keys=KeyOptions(session_file=str(file))))
    assert ring.caller(f"Bearer {SESSION}", "x").scope is KeyScope.SESSION
    assert ring.caller(f"Bearer {ADMIN}", "x").scope is KeyScope.ADMIN
    assert ring.caller(f"Bearer {'b' * 16}", "x").scope is KeyScope.ADMIN
    assert repr(ring) == "KeyRing(3 keys, required=True)"


@pytest.mark.parametrize(
    ("options", "keys", "message"),
    [
        (ServeOptions(host="0.0.0.0"), "", "serve.host=0.0.0.0 is reached by other machines, and there is no key"),
        (ServeOptions(keys=KeyOptions(required="always")), "", "serve.keys.required=always, and there is no key"),
        (ServeOptions(), "short", r"MAGUS_SESSION_KEYS: a key has at least 16 signs .*\(got 5 signs\)"),
        (ServeOptions(), "kéykéykéykéykéyké", "a key has at least 16 signs of ASCII"),
        (ServeOptions(keys=KeyOptions(admin_file="/nowhere")), "", "serve.keys.admin_file: /nowhere cannot be read"),
    ],
)
def test_what_cannot_be_a_key_is_refused_and_not_repeated(
    options: ServeOptions, keys: str, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MAGUS_SESSION_KEYS", keys)
    with pytest.raises(ConfigError, match=message) as refused:
        read_keys(options)
    assert not keys or keys not in str(refused.value)

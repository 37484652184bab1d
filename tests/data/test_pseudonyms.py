"""Names that stand for people: HMAC-SHA256, checked against the standard's own example."""

import hashlib
from pathlib import Path

import numpy as np
import pytest

from magus_pyg.data.pseudonyms import pseudonym, pseudonyms, read_pseudonym_key
from magus_pyg.errors import DataError


def test_it_is_hmac_sha256() -> None:
    # RFC 4231, test case 2.
    whole = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
    assert pseudonym(b"Jefe", "what do ya want for nothing?") == whole[:32]
    # RFC 2104 by hand.
    key, text = bytes(range(32)), "grüße"
    inner = hashlib.sha256(bytes(byte ^ 0x36 for byte in key.ljust(64, b"\0")) + text.encode()).digest()
    outer = hashlib.sha256(bytes(byte ^ 0x5C for byte in key.ljust(64, b"\0")) + inner).hexdigest()
    assert pseudonym(key, text) == outer[:32]


def test_names_tell_keys_and_people_apart() -> None:
    ids = ["1", "01", "", "\ud800", "a" * 1000]
    names = {pseudonym(bytes([key]) * 32, user) for key in range(2) for user in ids}
    assert len(names) == 2 * len(ids)
    assert pseudonyms(b"k", np.array(ids[:2], dtype=object)).tolist() == [pseudonym(b"k", user) for user in ids[:2]]
    assert pseudonyms(b"k", np.array([], dtype=object)).size == 0


def test_a_key_that_is_none(tmp_path: Path) -> None:
    path = tmp_path / "key"
    with pytest.raises(DataError, match="cannot be read"):
        read_pseudonym_key(path)
    for text in ("", "xyz", "00" * 31, "00" * 33):
        path.write_text(text)
        with pytest.raises(DataError, match="64 hexadecimal digits"):
            read_pseudonym_key(path)
    path.write_text("0f" * 32 + "\n")
    assert read_pseudonym_key(path) == b"\x0f" * 32

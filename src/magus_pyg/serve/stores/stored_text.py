"""Records as one line of JSON in ASCII, as every store keeps them, and names as ASCII."""

import json
from collections.abc import Mapping
from dataclasses import MISSING, fields
from json.encoder import encode_basestring_ascii
from typing import Any, TypeVar

from magus_pyg.errors import StoreError
from magus_pyg.serve.stores.stored import Event, Job, LogRow, Reply, StoredSession, Written

__all__ = ["json_text", "name_text", "read_json", "read_record", "record_text"]

Record = TypeVar("Record", StoredSession, Reply, LogRow, Event, Job)


def name_text(name: str) -> str:
    """A name in ASCII: different for different names, itself for letters and digits. Any text is one, also with a NUL
    or half a surrogate pair, which databases refuse."""
    return encode_basestring_ascii(name)[1:-1]


def json_text(value: object) -> str:
    """A JSON value as text.

    Raises:
        StoreError: what JSON does not have, such as NaN.
    """
    try:
        return json.dumps(value, allow_nan=False, separators=(",", ":"))
    except (TypeError, ValueError, RecursionError) as error:
        raise StoreError(f"what is to be kept is no JSON: {error}") from error


def record_text(record: StoredSession | Reply | LogRow | Event | Job) -> str:
    """A record without the values that are its defaults; raises as `json_text`."""
    defaults = _DEFAULTS[type(record)]
    values = {name: getattr(record, name) for name in record.__slots__}
    values = {name: value for name, value in values.items() if name not in defaults or value != defaults[name]}
    if not isinstance(record, StoredSession):
        return json_text(values)
    start, answers = _kept_text(values.pop("start")), ",".join(map(_kept_text, values.pop("answers")))
    return f'{json_text(values)[:-1]},"start":{start},"answers":[{answers}]}}'


def _kept_text(value: object) -> str:
    if not isinstance(value, Written):
        return json_text(value)
    if value.text is None:
        value.text = json_text(value)
    return value.text


def read_json(text: str | bytes) -> Any:
    """What `json_text` wrote.

    Raises:
        StoreError: a text that it did not write.
    """
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise StoreError(f"the store holds a damaged text: {error}") from error


def read_record(kind: type[Record], text: str | bytes, **known: Any) -> Record:
    """What `record_text` wrote, with what is `known` better in its place.

    Raises:
        StoreError: a text that it did not write.
    """
    try:
        return kind(**{**read_json(text), **known})
    except TypeError as error:
        raise StoreError(f"the store holds a damaged {kind.__name__}: {error}") from error


def _defaults_of(kind: Any) -> Mapping[str, Any]:
    found = {field.name: field.default for field in fields(kind) if field.default is not MISSING}
    made = {field.name: field.default_factory() for field in fields(kind) if field.default_factory is not MISSING}
    return {**found, **made}


_DEFAULTS = {kind: _defaults_of(kind) for kind in (StoredSession, Reply, LogRow, Event, Job)}

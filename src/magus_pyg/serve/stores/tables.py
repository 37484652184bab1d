"""The tables of the SQLite store and the statements on them.

SQLAlchemy writes the statements, once; the driver runs their texts: to go through SQLAlchemy each time takes as long as
a round of a session.
"""

import sqlite3
from collections.abc import Mapping
from typing import Any

from sqlalchemy import (
    BindParameter,
    Column,
    Float,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    and_,
    bindparam,
    delete,
    func,
    or_,
    select,
    update,
)
from sqlalchemy.dialects.sqlite import dialect, insert
from sqlalchemy.schema import CreateIndex, CreateTable
from sqlalchemy.sql import ClauseElement

__all__ = ["SCHEMA_VERSION", "Statement", "Statements", "creation"]

SCHEMA_VERSION = 1
"""In the file's `user_version`: a store of a later one is refused."""

_metadata = MetaData()

_sessions = Table(
    "sessions",
    _metadata,
    Column("name", Text, primary_key=True),
    Column("version", Integer, nullable=False),
    Column("expires", Float, nullable=False),
    Column("created", Float, nullable=False),
    Column("user_hash", Text),
    Column("gone", Text),  # why; then nothing else is known of it
    Column("since", Float),
    Column("body", Text),
    sqlite_with_rowid=False,
)
Index("sessions_expires", _sessions.c.expires, sqlite_where=_sessions.c.gone.is_(None))
Index("sessions_since", _sessions.c.since, sqlite_where=_sessions.c.gone.is_not(None))
Index("sessions_user", _sessions.c.user_hash, sqlite_where=_sessions.c.user_hash.is_not(None))

_replies = Table(
    "replies",
    _metadata,
    Column("scope", Text, primary_key=True),
    Column("name", Text, primary_key=True),
    Column("expires", Float, nullable=False),
    Column("session", Text),
    Column("body", Text, nullable=False),
    sqlite_with_rowid=False,
)
Index("replies_expires", _replies.c.expires)
Index("replies_session", _replies.c.session, sqlite_where=_replies.c.session.is_not(None))


def _log(name: str, *columns: Column[str]) -> Table:
    table = Table(
        name,
        _metadata,
        Column("number", Integer, primary_key=True),
        Column("time", Float, nullable=False),
        Column("session", Text),
        Column("user_hash", Text),
        Column("body", Text, nullable=False),
        *columns,
        sqlite_autoincrement=True,  # the number of a removed row is not given again
    )
    Index(f"{name}_time", table.c.time)
    Index(f"{name}_session", table.c.session, sqlite_where=table.c.session.is_not(None))
    Index(f"{name}_user", table.c.user_hash, sqlite_where=table.c.user_hash.is_not(None))
    return table


_rows = _log("rows")
_events = _log("events", Column("name", Text, nullable=False, unique=True))
_changes = Table(
    "changes", _metadata, Column("number", Integer, primary_key=True), Column("body", Text, nullable=False)
)
_jobs = Table(
    "jobs",
    _metadata,
    Column("name", Text, primary_key=True),
    Column("ended", Float),  # None while it goes on
    Column("body", Text, nullable=False),
    sqlite_with_rowid=False,
)

_name: BindParameter[str] = bindparam("the_name")
_now: BindParameter[float] = bindparam("now")
_user: BindParameter[str] = bindparam("the_user")
_living = and_(_sessions.c.gone.is_(None), _sessions.c.expires > _now)
_new_reply, _new_job = insert(_replies), insert(_jobs)
_left = {"user_hash": None, "body": None, "since": _now}
_leave = update(_sessions).where(_sessions.c.name == _name, _sessions.c.gone.is_(None))


# The sessions of a person: begun, or seen in a row.
_seen = select(_rows.c.session).where(_rows.c.user_hash == _user)
_of_user = _seen.union(select(_sessions.c.name).where(_sessions.c.user_hash == _user))


_DIALECT = dialect(paramstyle="named")


class Statement:
    """A statement with named parameters; those that are not given are None.

    Args:
        clause: what it does.
    """

    def __init__(self, clause: ClauseElement) -> None:
        compiled = clause.compile(dialect=_DIALECT)
        self.text, self._values = str(compiled), compiled.params

    def on(self, connection: sqlite3.Connection, values: Mapping[str, Any]) -> sqlite3.Cursor:
        """Run it."""
        return connection.execute(self.text, {**self._values, **values})


def creation() -> list[str]:
    """The statements that make the tables of a new file."""
    made: list[str] = []
    for table in _metadata.sorted_tables:
        made.append(str(CreateTable(table).compile(dialect=_DIALECT)))
        made += [str(CreateIndex(index).compile(dialect=_DIALECT)) for index in sorted(table.indexes, key=str)]
    return made


class Statements:
    """Parameters: `the_name`, `now`, `the_user`, and those of the columns."""

    load = Statement(
        select(*(_sessions.c[name] for name in ("gone", "version", "expires", "created", "body"))).where(
            _sessions.c.name == _name
        )
    )
    create = Statement(insert(_sessions).on_conflict_do_nothing())
    replace = Statement(
        update(_sessions)
        .where(_sessions.c.name == _name, _sessions.c.version == bindparam("expected"), _living)
        .values(
            version=_sessions.c.version + 1,
            expires=func.max(_sessions.c.expires, bindparam("until")),
            user_hash=bindparam("owner"),
            body=bindparam("text"),
        )
    )
    deleted = Statement(_leave.values(gone="deleted", **_left))
    expired = Statement(_leave.where(_sessions.c.expires <= _now).values(gone="expired", **_left))
    all_expired = Statement(
        update(_sessions).where(_sessions.c.gone.is_(None), _sessions.c.expires <= _now).values(gone="expired", **_left)
    )
    forget_gone = Statement(
        delete(_sessions).where(_sessions.c.gone.is_not(None), _sessions.c.since <= bindparam("before"))
    )
    count_living = Statement(select(func.count()).select_from(_sessions).where(_living))

    find_reply = Statement(
        select(_replies.c.body).where(
            _replies.c.scope == bindparam("the_scope"), _replies.c.name == _name, _replies.c.expires > _now
        )
    )
    keep_reply = Statement(
        _new_reply.on_conflict_do_update(
            index_elements=["scope", "name"],
            set_={column: _new_reply.excluded[column] for column in ("expires", "session", "body")},
        )
    )
    late_replies = Statement(delete(_replies).where(_replies.c.expires <= _now))
    replies_of = Statement(delete(_replies).where(_replies.c.session == _name))
    replies_of_expired, replies_of_user = (
        Statement(delete(_replies).where(_replies.c.session.in_(select(_sessions.c.name).where(of))))
        for of in (and_(_sessions.c.gone.is_(None), _sessions.c.expires <= _now), _sessions.c.user_hash == _user)
    )

    add_row = Statement(insert(_rows))
    add_event = Statement(insert(_events).on_conflict_do_nothing(index_elements=["name"]))
    rows_of, events_of = (Statement(delete(table).where(table.c.session == _name)) for table in (_rows, _events))
    read_rows, read_events = (
        Statement(
            select(table.c.number, table.c.body)
            .where(table.c.number > bindparam("after"))
            .order_by(table.c.number)
            .limit(bindparam("most"))
        )
        for table in (_rows, _events)
    )
    count_rows, count_events = (
        Statement(
            select(func.count()).select_from(table).where(table.c.number.between(bindparam("first"), bindparam("last")))
        )
        for table in (_rows, _events)
    )
    old_rows, old_events = (
        Statement(delete(table).where(table.c.time < bindparam("before"))) for table in (_rows, _events)
    )
    events_of_user = Statement(
        delete(_events).where(or_(_events.c.user_hash == _user, _events.c.session.in_(_of_user)))
    )
    rows_of_user = Statement(delete(_rows).where(_rows.c.session.in_(_of_user)))
    sessions_of_user = Statement(
        update(_sessions).where(_sessions.c.user_hash == _user).values(gone="deleted", **_left)
    )

    add_change = Statement(insert(_changes))
    read_changes = Statement(
        select(_changes.c.number, _changes.c.body)
        .where(_changes.c.number > bindparam("after"))
        .order_by(_changes.c.number)
        .limit(bindparam("most"))
    )
    put_job = Statement(
        _new_job.on_conflict_do_update(
            index_elements=["name"], set_={column: _new_job.excluded[column] for column in ("ended", "body")}
        )
    )
    load_job = Statement(select(_jobs.c.body).where(_jobs.c.name == _name))
    old_jobs = Statement(delete(_jobs).where(_jobs.c.ended <= bindparam("before")))

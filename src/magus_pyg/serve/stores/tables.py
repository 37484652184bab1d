"""The tables of the SQLite store and the statements on them."""

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
from sqlalchemy.dialects.sqlite import insert

__all__ = ["SCHEMA_VERSION", "Statements", "metadata"]

SCHEMA_VERSION = 1
"""In the file's `user_version`: a store of a later one is refused."""

metadata = MetaData()

_sessions = Table(
    "sessions",
    metadata,
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
    metadata,
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
        metadata,
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
_changes = Table("changes", metadata, Column("number", Integer, primary_key=True), Column("body", Text, nullable=False))
_jobs = Table(
    "jobs",
    metadata,
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
_leave = {"user_hash": None, "body": None, "since": _now}


# The sessions of a person: begun, or seen in a row.
_seen = select(_rows.c.session).where(_rows.c.user_hash == _user)
_of_user = _seen.union(select(_sessions.c.name).where(_sessions.c.user_hash == _user))


class Statements:
    """Compiled once; parameters: `the_name`, `now`, `the_user`, and those of the columns."""

    load = select(_sessions).where(_sessions.c.name == _name)
    create = insert(_sessions).on_conflict_do_nothing()
    replace = (
        update(_sessions)
        .where(_sessions.c.name == _name, _sessions.c.version == bindparam("expected"), _living)
        .values(
            version=_sessions.c.version + 1,
            expires=func.max(_sessions.c.expires, bindparam("until")),
            user_hash=bindparam("owner"),
            body=bindparam("text"),
        )
    )
    leave = update(_sessions).where(_sessions.c.name == _name, _sessions.c.gone.is_(None))
    deleted = leave.values(gone="deleted", **_leave)
    expired = leave.where(_sessions.c.expires <= _now).values(gone="expired", **_leave)
    all_expired = (
        update(_sessions)
        .where(_sessions.c.gone.is_(None), _sessions.c.expires <= _now)
        .values(gone="expired", **_leave)
    )
    forget_gone = delete(_sessions).where(_sessions.c.gone.is_not(None), _sessions.c.since <= bindparam("before"))
    count_living = select(func.count()).select_from(_sessions).where(_living)

    find_reply = select(_replies.c.body).where(
        _replies.c.scope == bindparam("the_scope"), _replies.c.name == _name, _replies.c.expires > _now
    )
    keep_reply = _new_reply.on_conflict_do_update(
        index_elements=["scope", "name"],
        set_={column: _new_reply.excluded[column] for column in ("expires", "session", "body")},
    )
    late_replies = delete(_replies).where(_replies.c.expires <= _now)
    replies_of = delete(_replies).where(_replies.c.session == _name)
    replies_of_expired, replies_of_user = (
        delete(_replies).where(_replies.c.session.in_(select(_sessions.c.name).where(of)))
        for of in (and_(_sessions.c.gone.is_(None), _sessions.c.expires <= _now), _sessions.c.user_hash == _user)
    )

    add_row = insert(_rows)
    add_event = insert(_events).on_conflict_do_nothing(index_elements=["name"])
    rows_of, events_of = (delete(table).where(table.c.session == _name) for table in (_rows, _events))
    read_rows, read_events = (
        select(table.c.number, table.c.body)
        .where(table.c.number > bindparam("after"))
        .order_by(table.c.number)
        .limit(bindparam("most"))
        for table in (_rows, _events)
    )
    count_rows, count_events = (
        select(func.count()).select_from(table).where(table.c.number.between(bindparam("first"), bindparam("last")))
        for table in (_rows, _events)
    )
    old_rows, old_events = (delete(table).where(table.c.time < bindparam("before")) for table in (_rows, _events))
    events_of_user = delete(_events).where(or_(_events.c.user_hash == _user, _events.c.session.in_(_of_user)))
    rows_of_user = delete(_rows).where(_rows.c.session.in_(_of_user))
    sessions_of_user = update(_sessions).where(_sessions.c.user_hash == _user).values(gone="deleted", **_leave)

    add_change = insert(_changes)
    read_changes = (
        select(_changes)
        .where(_changes.c.number > bindparam("after"))
        .order_by(_changes.c.number)
        .limit(bindparam("most"))
    )
    put_job = _new_job.on_conflict_do_update(
        index_elements=["name"], set_={column: _new_job.excluded[column] for column in ("ended", "body")}
    )
    load_job = select(_jobs.c.body).where(_jobs.c.name == _name)
    old_jobs = delete(_jobs).where(_jobs.c.ended <= bindparam("before"))

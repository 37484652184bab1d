"""The Redis store: the contract of all stores, against a server that is a child of the tests and is killed."""

import logging
import os
import threading
from collections.abc import Iterator

import pytest
import redis
from redis_server import RedisServer, need_redis_server
from store_contract import StoreContract
from store_records import Clock, Opener, answer, event, reply, row, rows_of, session

from magus_pyg.errors import ConfigError, StoreError
from magus_pyg.serve.stores import Outcome, StoredSession, open_store
from magus_pyg.serve.stores.redis_store import RedisStore


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    need_redis_server()
    found = RedisServer(tmp_path_factory.mktemp("redis"))
    yield found
    found.kill()


@pytest.fixture(autouse=True)
def emptied(server: RedisServer) -> None:
    redis.Redis.from_url(server.url).flushall()


class TestRedisStore(StoreContract):
    @pytest.fixture
    def opened(self, server: RedisServer) -> Opener:
        return lambda clock: RedisStore(server.url, clock)


def test_it_goes_on_after_its_server_was_killed(server: RedisServer) -> None:
    store = open_store(server.url, Clock())
    store.create(session())
    for number in range(3):
        assert answer(store, "s", str(number)) == Outcome.DONE
        server.kill()
        with pytest.raises(StoreError, match="could not be used"):
            store.ping()
        server.start()
        found = store.load("s")
        assert isinstance(found, StoredSession)
        assert found.answers == [entry.recommendation_id for entry in rows_of(store)]
        assert len(found.answers) == number + 1
    store.close()


def test_no_acknowledged_answer_is_lost_where_the_server_is_killed_while_it_writes(server: RedisServer) -> None:
    store = RedisStore(server.url, Clock())
    store.create(session())
    told: list[str] = []

    def play() -> None:
        for number in range(100_000):
            answer(store, "s", str(number))
            told.append(str(number))

    def play_until_killed() -> None:
        with pytest.raises(StoreError):
            play()

    player = threading.Thread(target=play_until_killed)
    player.start()
    while len(told) < 20:
        os.sched_yield()
    server.kill()
    player.join()
    server.start()
    found = store.load("s")
    assert isinstance(found, StoredSession)
    assert found.answers[: len(told)] == told
    assert len(found.answers) <= len(told) + 1
    assert found.answers == [entry.recommendation_id for entry in rows_of(store)]
    store.close()


def test_nothing_stays_behind(server: RedisServer) -> None:
    store, clock = RedisStore(server.url, clock := Clock()), clock
    store.create(session(user_hash="h"), [row(user_hash="h")], reply(session_id="s"))
    store.append_events([event(user_hash="h", session_id="s")])
    store.erase_user("h")
    clock.time = 9e9
    store.expire()
    left = sorted(name.decode() for name in redis.Redis.from_url(server.url).scan_iter())
    assert left == ["magus:event_last", "magus:format", "magus:row_last"]
    store.close()


def test_a_server_that_may_lose_answers_is_told(server: RedisServer, caplog: pytest.LogCaptureFixture) -> None:
    client = redis.Redis.from_url(server.url)
    client.config_set("appendfsync", "everysec")
    with caplog.at_level(logging.WARNING):
        RedisStore(server.url).close()
    client.config_set("appendfsync", "always")
    assert "appendfsync to always (now yes and everysec)" in caplog.text
    caplog.clear()
    RedisStore(server.url).close()
    assert not caplog.records


def test_a_store_of_another_release(server: RedisServer) -> None:
    redis.Redis.from_url(server.url).set("magus:format", "2")
    with pytest.raises(StoreError, match="the format b'2'"):
        RedisStore(server.url)


def test_addresses_that_are_none() -> None:
    with pytest.raises(ConfigError, match="none that Redis knows"):
        RedisStore("redis://127.0.0.1:port/0")
    with pytest.raises(StoreError, match="could not be used"):
        RedisStore("redis://127.0.0.1:1/0")

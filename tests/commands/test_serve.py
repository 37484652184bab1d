"""The command that serves: what it refuses before anything is loaded, and a real service from its start to its end."""

import json
import signal
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from kill_service import kills
from real_service import RealService
from redis_server import RedisServer, need_redis_server

from magus_pyg.commands.command_line import guarded
from magus_pyg.commands.serve import main_serve, service_config
from magus_pyg.data.reading.served_files import read_served
from magus_pyg.errors import ConfigError, ConflictError, NotThereError, StoreError
from magus_pyg.serve.client import MagusClient

ADMIN = "admin-key-of-a-shop-"


@pytest.fixture(scope="module")
def service(shop_run: Path) -> Iterator[RealService]:
    """One process on the shop."""
    found = RealService(shop_run, "serve.limits.requests=0", "serve.limits.body_bytes=20000")
    yield found
    if found.process.poll() is None:
        found.stop()


def test_words_set_keys_and_a_file_of_ones_own_lies_under_them(tmp_path: Path) -> None:
    (tmp_path / "serve").mkdir()
    (tmp_path / "serve" / "shop.yaml").write_text("port: 81\nlist_length: 4\npage: {name: Oat and Co}\n")
    config = service_config(["serve=shop", "--config-dir", str(tmp_path), "serve.list_length=5"])
    assert (config.serve.port, config.serve.list_length, config.serve.page.name) == (81, 5, "Oat and Co")
    arms = service_config(["serve.experiment.name=ab", "+serve.experiment.arms={a: {}, b: {variant: bayes}}"])
    assert {name: arm.variant for name, arm in arms.serve.experiment.arms.items()} == {"a": None, "b": "bayes"}


@pytest.mark.parametrize("digits", [400, 5000])
def test_a_file_with_endless_numbers_is_named(tmp_path: Path, digits: int) -> None:
    (tmp_path / "serve").mkdir()
    (tmp_path / "serve" / "shop.yaml").write_text(f"expiry_hours: {'9' * digits}\n")
    with pytest.raises(ConfigError, match=r"shop\.yaml: "):
        service_config(["serve=shop", "--config-dir", str(tmp_path)])


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["serve.prot=1"], "there is no key 'serve.prot', did you mean 'serve.port'"),
        (["serve.port=x"], "serve.port='x': the value must be int"),
        (["serve.port=1,2"], "serve.port=1,2 has several values"),
        (["serve.workers=0"], r"serve.workers must be in \[1, 256\]"),
        (["serve=defualt"], "serve has no option 'defualt', did you mean 'default'"),
        (["train.epochs=3"], "there is no key 'train'"),
        (["nonsense"], "'nonsense' cannot be read"),
    ],
)
def test_what_cannot_be_served_is_refused_by_its_key(words: list[str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        service_config(words)


def test_a_port_that_is_taken_is_told_before_the_run_is_read(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert guarded(main_serve, ["run=/nowhere", f"serve.port={port}"]) == 2
    assert f"serve.port={port}: Address already in use; choose another port" in capsys.readouterr().err
    assert guarded(main_serve, ["run=/nowhere", "serve.port=0"]) == 2
    assert "/nowhere" in capsys.readouterr().err
    assert guarded(main_serve, []) == 2
    assert "run=... is missing" in capsys.readouterr().err


def test_a_person_finds_an_item_in_three_requests(service: RealService) -> None:
    with MagusClient(service.url) as magus:
        shown = magus.begin(list_length=3, rounds=4)
        query = next((entry for entry in shown.entries if entry.kind == "query"), None)
        shown = magus.answer(shown, query)
        item = next(entry for entry in shown.entries if entry.kind == "item")
        shown = magus.answer(shown, item)
        assert (shown.done, shown.found) == (True, item.item_id)


def test_the_client_raises_what_the_service_raised(service: RealService) -> None:
    with MagusClient(service.url) as magus:
        with pytest.raises(NotThereError, match="there is no session 'nowhere'"):
            magus.show("nowhere")
        first = magus.begin(list_length=3)
        magus.answer(first, None)
        with pytest.raises(ConflictError):
            magus.answer(first, first.entries[0])


def test_a_hang_up_takes_up_the_run_anew_and_keeps_sessions(service: RealService) -> None:
    with MagusClient(service.url) as magus:
        before = magus.begin(list_length=3)
        service.process.send_signal(signal.SIGHUP)
        until = time.monotonic() + 60
        while magus.begin(list_length=3).edition == before.edition:
            assert time.monotonic() < until
            time.sleep(0.1)
        assert magus.answer(before, None).round == 2


def test_what_was_served_is_written_as_parquet(service: RealService, shop_run: Path) -> None:
    with MagusClient(service.url) as magus:
        shown = magus.answer(magus.begin(list_length=3), None)
    main_serve([f"run={shop_run}", "export=true"])
    answers = read_served(shop_run / "serve" / "log", "answers")
    rounds = [row for row in answers.to_pylist() if row["session_id"] == shown.session_id]
    assert [(row["kind"], row["clicked"]) for row in rounds] == [("start", None), ("answer", None)]
    with pytest.raises(ConfigError, match=r"export must be true or false \(got 'x'\)"):
        main_serve([f"run={shop_run}", "export=x"])
    with pytest.raises(ConfigError, match=r"serve\.store=memory: ends with its service"):
        main_serve([f"run={shop_run}", "export=true", "serve.store=memory:"])
    with pytest.raises(StoreError, match=r"there is no store .*stroe"):
        main_serve([f"run={shop_run}", "export=true", f"serve.store=sqlite:{shop_run}/serve/stroe"])
    assert read_served(shop_run / "serve" / "log", "answers") == answers


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"x" * 10_000_000, 413),
        (b"[" * 19_000, 422),
        (b'{"rounds": NaN}', 422),
        (b'{"rounds": 1e999}', 422),
        (b'{"user_id": "\\ud800"}', 422),
        (b"\xff\xfe", 422),
        (b"", 422),
    ],
)
def test_bodies_that_nobody_should_send(service: RealService, body: bytes, status: int) -> None:
    with httpx.Client(base_url=service.url, timeout=30.0) as http:
        try:
            reply = http.post("/v1/sessions", content=body, headers={"Content-Type": "application/json"})
            assert reply.status_code == status
            assert reply.json()["status"] == status
        except httpx.WriteError:  # the service has closed the connection, and does not read the rest
            assert status == 413
        assert http.get("/readyz").status_code == 200


def test_what_runs_is_finished_before_the_end(service: RealService) -> None:
    """The last of this service: SIGTERM while requests run."""
    replies, began = [], threading.Event()

    def ask() -> None:
        with httpx.Client(base_url=service.url, timeout=30.0) as http:
            for _ in range(200):
                try:
                    replies.append(http.post("/v1/sessions", json={"list_length": 3}).status_code)
                except httpx.TransportError:
                    return  # nobody is let in any more; a request that was not taken yet is cut off unread
                began.set()

    threads = [threading.Thread(target=ask) for _ in range(3)]
    for thread in threads:
        thread.start()
    assert began.wait(30)
    assert service.stop() == 0
    for thread in threads:
        thread.join()
    assert set(replies) == {201}
    lines = [json.loads(line) for line in service.errors().splitlines()]
    assert {line["level"] for line in lines} <= {"info"}
    assert all(line.get("route", "-").startswith(("/v1/", "/readyz", "-")) for line in lines)


def test_two_services_on_redis_are_one(shop_run: Path, tmp_path: Path) -> None:
    need_redis_server()
    redis = RedisServer(tmp_path)
    words = [f"serve.store={redis.url}", "serve.keys.required=always", "serve.limits.new_sessions=4"]
    services = [RealService(shop_run, *words, MAGUS_ADMIN_KEYS=ADMIN) for _ in range(2)]
    try:
        first, second = (MagusClient(service.url, ADMIN, tries=1) for service in services)
        shown = first.begin(list_length=3)
        assert second.show(shown.session_id).entries == shown.entries
        following = second.answer(shown, None)
        assert first.show(shown.session_id).entries == following.entries
        assert first.answer(shown, None).entries == following.entries  # the same answer again
        assert second.undo(shown.session_id).entries == shown.entries
        header = {"Authorization": f"Bearer {ADMIN}"}
        codes = [
            httpx.post(f"{services[number % 2].url}/v1/sessions", json={}, headers=header).status_code
            for number in range(24)
        ]
        assert 429 in codes  # they count together
        assert httpx.get(f"{services[0].url}/v1/sessions/x").status_code == 401
        redis.kill()
        refused = httpx.get(f"{services[0].url}/v1/sessions/{shown.session_id}", headers=header)
        assert (refused.status_code, "retry-after" in refused.headers) == (503, True)
        assert httpx.get(f"{services[0].url}/livez").status_code == 200
        assert httpx.get(f"{services[0].url}/readyz").status_code == 503
        redis.start()
        assert second.show(shown.session_id).entries == shown.entries
        assert {service.stop(signal.SIGINT) for service in services} == {0}
    finally:
        for service in services:
            service.process.kill()
        redis.kill()


def test_two_workers_outlive_kills_and_lose_nothing(shop_run: Path, tmp_path: Path) -> None:
    ledger = kills(shop_run, tmp_path, "worker", 2)
    assert ledger.faults == []
    assert len(ledger.answered) > 5


def test_a_killed_service_goes_on_where_it_was(shop_run: Path, tmp_path: Path) -> None:
    ledger = kills(shop_run, tmp_path, "service", 1)
    assert ledger.faults == []
    assert len(ledger.answered) > 5

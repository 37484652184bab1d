"""Replies leave in one piece, and do not wait for an acknowledgement."""

import asyncio
import socket
from typing import Any

from uvicorn import Config
from uvicorn.server import ServerState

from magus_pyg.serve.joined_writes import JoinedWrites, _Joining
from magus_pyg.serve.serve_options import ServeOptions
from magus_pyg.serve.workers import listen


class _Transport:
    def __init__(self) -> None:
        self.sent: list[bytes | None] = []

    def write(self, data: bytes) -> None:
        self.sent.append(data)

    def close(self) -> None:
        self.sent.append(None)

    def is_closing(self) -> bool:
        return False


def test_what_is_written_in_one_turn_is_sent_as_one() -> None:
    transport = _Transport()

    async def write() -> None:
        joining = _Joining(transport)  # type: ignore[arg-type]
        assert joining.is_closing() is False
        joining.write(b"head ")
        joining.write(b"body")
        assert transport.sent == []
        await asyncio.sleep(0)
        assert transport.sent == [b"head body"]
        joining.write(b"last")
        joining.close()
        await asyncio.sleep(0)

    asyncio.run(write())
    assert transport.sent == [b"head body", b"last", None]


def test_asyncio_knows_that_the_socket_is_one_of_tcp() -> None:
    """Else it leaves Nagle's algorithm on: a reply then waits up to 40 ms for an acknowledgement of the one before."""

    async def is_quick() -> bool:
        taken, found = listen(ServeOptions(port=0)), asyncio.get_running_loop().create_future()

        class Seen(asyncio.Protocol):
            def connection_made(self, transport: asyncio.BaseTransport) -> None:
                end = transport.get_extra_info("socket")
                found.set_result(bool(end.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)))

        server = await asyncio.get_running_loop().create_server(Seen, sock=taken)
        _, writer = await asyncio.open_connection(*taken.getsockname()[:2])
        try:
            return await asyncio.wait_for(found, 5.0)
        finally:
            writer.close()
            server.close()

    assert asyncio.run(is_quick())


def test_a_client_that_sends_no_more_gets_its_reply() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
            await send({"type": "http.response.body", "body": b"ok"})

    async def ask() -> list[bytes]:
        config = Config(app, http=JoinedWrites, log_config=None, lifespan="off")
        config.load()
        server = ServerState()
        listening = await asyncio.get_running_loop().create_server(
            lambda: JoinedWrites(config, server, {}), "127.0.0.1", 0
        )
        replies = []
        for _ in range(5):
            reader, writer = await asyncio.open_connection(*listening.sockets[0].getsockname()[:2])
            writer.write(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            writer.write_eof()
            replies.append(await asyncio.wait_for(reader.read(), 5.0))
            writer.close()
        listening.close()
        return replies

    assert [reply[-2:] for reply in asyncio.run(ask())] == [b"ok"] * 5


def test_what_is_long_does_not_wait() -> None:
    transport = _Transport()

    async def write() -> None:
        joining = _Joining(transport)  # type: ignore[arg-type]
        joining.write(b"a" * 40_000)
        joining.write(b"b" * 40_000)
        assert [len(data or b"") for data in transport.sent] == [80_000]
        await asyncio.sleep(0)

    asyncio.run(write())
    assert len(transport.sent) == 1

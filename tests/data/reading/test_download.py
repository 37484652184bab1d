"""Downloads from a server on the loopback interface that is slow, broken or hostile."""

import gzip
import hashlib
import io
import random
import stat
import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from magus_pyg.data.reading import download
from magus_pyg.data.reading.download import fetch_archive, fetch_file
from magus_pyg.data.sets.amazon import Amazon, AmazonOptions
from magus_pyg.errors import ConfigError, DataError

Answer = Callable[[BaseHTTPRequestHandler], None]


class Server:
    """Answers by path; `answers` may be added to."""

    def __init__(self) -> None:
        answers: dict[str, Answer] = {}

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                with suppress(OSError):  # the client has had enough
                    answers[self.path](self)

            def log_message(self, *_: object) -> None:
                pass

        self.answers, self.server = answers, ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01})
        self.thread.start()

    def give(self, path: str, content: bytes, stated: int | None = None) -> str:
        def answer(handler: BaseHTTPRequestHandler) -> None:
            handler.send_response(200)
            if stated is None or stated >= 0:
                handler.send_header("Content-Length", str(len(content) if stated is None else stated))
            handler.end_headers()
            handler.wfile.write(content)

        return self.answer(path, answer)

    def answer(self, path: str, answer: Answer) -> str:
        self.answers[path] = answer
        return f"http://127.0.0.1:{self.server.server_address[1]}{path}"


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setattr(download, "_SCHEMES", ("https", "http"))
    found = Server()
    yield found
    found.server.shutdown()
    found.server.server_close()
    found.thread.join()


def zipped(**members: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in members.items():
            file.writestr(name, content)
    return buffer.getvalue()


def refused(fetch: Callable[[], object], message: str, folder: Path) -> None:
    with pytest.raises(DataError, match=message):
        fetch()
    assert not folder.exists() or not list(folder.iterdir())


@pytest.mark.parametrize("url", ["http://127.0.0.1:9/x.zip", "ftp://127.0.0.1/x.zip"])
def test_https_alone(url: str, tmp_path: Path) -> None:
    refused(lambda: fetch_archive(url, None, tmp_path / "x"), "which is not https", tmp_path)


@pytest.mark.parametrize("to", ["http://127.0.0.1:9/y.zip", "ftp://127.0.0.1/y.zip", "file:///etc/hostname"])
def test_nobody_is_sent_on_to_less_than_https(to: str, server: Server, tmp_path: Path) -> None:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(302)
        handler.send_header("Location", to)
        handler.end_headers()

    url = server.answer("/x.zip", answer)
    refused(lambda: fetch_archive(url, None, tmp_path / "x"), "not https|not allowed", tmp_path)


def test_an_archive_and_its_stated_checksum(server: Server, tmp_path: Path) -> None:
    content = zipped(**{"x/a.txt": b"a"})
    url = server.give("/x.zip", content)
    for number, text in enumerate(
        [f"MD5 (x.zip) = {hashlib.md5(content).hexdigest()}\n", f"{hashlib.md5(content).hexdigest()}  x.zip"]
    ):
        md5 = server.give("/x.zip.md5", text.encode())
        assert (fetch_archive(url, md5, tmp_path / str(number)) / "x" / "a.txt").read_bytes() == b"a"
    other = server.give("/x.zip.md5", b"0" * 32)
    refused(lambda: fetch_archive(url, other, tmp_path / "new" / "x"), "MD5 .* instead of 0000", tmp_path / "new")
    none = server.give("/x.zip.md5", b"not found")
    refused(lambda: fetch_archive(url, none, tmp_path / "new" / "x"), "holds no MD5", tmp_path / "new")
    long = server.give("/x.zip.md5", b"0" * 2000)
    refused(lambda: fetch_archive(url, long, tmp_path / "new" / "x"), "1,024", tmp_path / "new")


@pytest.mark.parametrize(
    ("stated", "message"), [(None, "has 300,000 bytes, more than the 100,000"), (-1, "gives more")]
)
def test_a_file_that_is_too_large(
    stated: int | None, message: str, server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(download, "_MOST_FILE", 100_000)
    url = server.give("/x.gz", bytes(300_000), stated)
    refused(lambda: fetch_file(url, tmp_path / "x.gz"), message, tmp_path)


def test_a_file_that_never_ends(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.end_headers()
        for _ in range(1000):
            handler.wfile.write(b"x")
            time.sleep(0.01)

    monkeypatch.setattr(download, "_MOST_SECONDS", 0.3)
    began, url = time.monotonic(), server.answer("/x.gz", answer)
    refused(lambda: fetch_file(url, tmp_path / "x.gz"), "took more than", tmp_path)
    assert time.monotonic() - began < 5


def test_a_server_that_says_nothing(server: Server, tmp_path: Path) -> None:
    url = server.answer("/x.gz", lambda _: time.sleep(1))
    refused(lambda: fetch_file(url, tmp_path / "x.gz", timeout=0.2), "could not be fetched.*timed out", tmp_path)


def test_a_part_of_a_file(server: Server, tmp_path: Path) -> None:
    whole = gzip.compress(random.Random(0).randbytes(500))
    cut = server.give("/x.gz", whole[:30], len(whole))
    refused(lambda: fetch_file(cut, tmp_path / "x.gz"), "was cut off: 30 of", tmp_path)
    unsaid = server.give("/x.gz", whole[:30], -1)
    refused(lambda: fetch_file(unsaid, tmp_path / "x.gz"), "could not be fetched", tmp_path)
    assert fetch_file(server.give("/x.gz", whole), tmp_path / "x.gz").read_bytes() == whole


def test_bombs(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(download, "_FREE_BYTES", 100_000)
    bomb = server.give("/x.gz", gzip.compress(bytes(3_000_000)))
    refused(lambda: fetch_file(bomb, tmp_path / "x.gz"), "unpacks to more than 100 times its size", tmp_path)
    archive = server.give("/x.zip", zipped(a=bytes(3_000_000)))
    refused(lambda: fetch_archive(archive, None, tmp_path / "x"), "1 files of 3,000,000 bytes", tmp_path)
    monkeypatch.setattr(download, "_MOST_MEMBERS", 1)
    many = server.give("/y.zip", zipped(a=b"a", b=b"b"))
    refused(lambda: fetch_archive(many, None, tmp_path / "x"), "would unpack to 2 files", tmp_path)


@pytest.mark.parametrize("name", ["../out.txt", "/out.txt", "a/../../out.txt", "..\\out.txt", "C:/out.txt"])
def test_members_that_lead_outside(name: str, server: Server, tmp_path: Path) -> None:
    url = server.give("/x.zip", zipped(**{"a.txt": b"a", name: b"out"}))
    refused(lambda: fetch_archive(url, None, tmp_path / "in" / "x"), "leads outside", tmp_path / "in")
    assert not list(tmp_path.rglob("*out.txt"))


def test_links_in_an_archive(server: Server, tmp_path: Path) -> None:
    member = zipfile.ZipInfo("link")
    member.external_attr = (stat.S_IFLNK | 0o777) << 16
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        file.writestr(member, "/etc")
    url = server.give("/x.zip", buffer.getvalue())
    refused(lambda: fetch_archive(url, None, tmp_path / "x"), "the link 'link'", tmp_path)


@pytest.mark.parametrize("category", ["../../x", "/etc/x", "a/b", ".hidden", "a\\b", "a b", "a\0", "-x", "é"])
def test_a_category_that_is_no_name(category: str) -> None:
    with pytest.raises(ConfigError, match="is no category as in the names of the files"):
        Amazon(None, AmazonOptions(category=category)).check()

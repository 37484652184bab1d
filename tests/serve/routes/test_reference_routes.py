"""`/docs` shows all addresses of the service, and loads nothing from elsewhere."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from served import served

from magus_pyg.runs import load_run


@pytest.fixture(scope="module")
def client(shop_run: Path) -> Iterator[TestClient]:
    with served(load_run(shop_run)) as client:
        yield client


def test_every_address_and_schema_is_there(client: TestClient) -> None:
    page, document = client.get("/docs"), client.get("/openapi.json").json()
    assert page.status_code == 200
    calls = {f"{method.upper()} {path}" for path, methods in document["paths"].items() for method in methods}
    assert set(re.findall(r"<summary><code>([A-Z]+ [^<]+)</code>", page.text)) == calls
    assert "POST /v1/sessions/{session_id}/answers" in calls
    ids = set(re.findall(r'<details id="([^"]+)">', page.text))
    assert set(document["components"]["schemas"]) <= ids
    assert set(re.findall(r'href="#([^"]+)"', page.text)) <= ids


def test_nothing_is_loaded_from_elsewhere(client: TestClient) -> None:
    page = client.get("/docs")
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert "<script" not in page.text
    loaded = re.findall(r'<(?:link|img)[^>]+(?:href|src)="([^"]+)"', page.text)
    assert loaded
    assert all(client.get(address).status_code == 200 for address in loaded)
    assert not re.findall(r"https?://", page.text)
    assert [client.get(path).status_code for path in ("/redoc", "/docs/oauth2-redirect")] == [404, 404]

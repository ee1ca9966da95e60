"""Who may see the console, and what browsers are told."""

from __future__ import annotations

import base64

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from realtime_message.console.guard import ConsoleGuard

PASSWORD = "correct horse battery ünïcode"


async def _answer(_: Request) -> PlainTextResponse:
    return PlainTextResponse("inside")


def _client(
    host: str = "localhost:8090", password: str = "", allowed: tuple[str, ...] = ()
) -> httpx.AsyncClient:
    app = Starlette(routes=[Route(path, _answer) for path in ("/", "/health", "/files/x")])
    guard = ConsoleGuard(app, password, allowed)
    return httpx.AsyncClient(transport=httpx.ASGITransport(app=guard), base_url=f"http://{host}")


def _basic(credentials: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(credentials.encode()).decode()}


@pytest.mark.parametrize(
    "host", ["localhost:8090", "127.0.0.1:8090", "[::1]:8090", "10.0.0.7", "box", "box.local"]
)
async def test_local_names_are_answered(host: str) -> None:
    """Addresses and names that no stranger's DNS can serve."""
    async with _client(host) as client:
        assert (await client.get("/")).text == "inside"


@pytest.mark.parametrize("host", ["evil.example", "localhost.evil.example", "127.0.0.1.evil.com"])
@pytest.mark.parametrize("path", ["/", "/health", "/files/x"])
async def test_foreign_name_is_refused(host: str, path: str) -> None:
    """A page whose DNS is made to point here reads nothing; the text says what to set."""
    async with _client(host) as client:
        answer = await client.get(path)
    assert answer.status_code == 403
    assert "console.allowed_hosts" in answer.text


async def test_allowed_name_is_answered() -> None:
    """What a proxy passes on; upper and lower case are the same."""
    async with _client("console.example.com", allowed=("Console.Example.com",)) as client:
        assert (await client.get("/")).status_code == 200


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
async def test_only_reading_is_answered(method: str) -> None:
    """No other method reaches the pages."""
    async with _client() as client:
        answer = await client.request(method, "/")
    assert (answer.status_code, answer.headers["allow"]) == (405, "GET, HEAD")


@pytest.mark.parametrize(
    "headers",
    [
        {},
        _basic("rtm:wrong"),
        _basic(PASSWORD),
        _basic(":"),
        {"Authorization": "Basic not-base64!"},
        {"Authorization": f"Bearer {PASSWORD.encode().hex()}"},
    ],
)
async def test_wrong_password_is_refused(headers: dict[str, str]) -> None:
    """The browser asks for it."""
    async with _client(password=PASSWORD) as client:
        answer = await client.get("/", headers=headers)
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith('Basic realm="rtm console"')
    assert "inside" not in answer.text


@pytest.mark.parametrize("user", ["", "rtm", "anyone"])
async def test_password_is_accepted_under_any_name(user: str) -> None:
    """Also one with a colon's neighbours and other alphabets; health needs none."""
    async with _client(password=PASSWORD) as client:
        assert (await client.get("/", headers=_basic(f"{user}:{PASSWORD}"))).text == "inside"
        assert (await client.get("/health")).text == "inside"


@pytest.mark.parametrize(
    ("host", "method", "path", "status"),
    [
        ("localhost", "GET", "/", 200),
        ("localhost", "GET", "/files/x", 200),
        ("localhost", "GET", "/nowhere", 404),
        ("localhost", "POST", "/", 405),
        ("evil.example", "GET", "/", 403),
    ],
)
async def test_every_answer_has_security_headers(
    host: str, method: str, path: str, status: int
) -> None:
    """Refusals too; pages are not kept anywhere."""
    async with _client(host) as client:
        answer = await client.request(method, path)
    assert answer.status_code == status
    policy = answer.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self'")
    assert "unsafe" not in policy
    for rule in ("frame-ancestors 'none'", "base-uri 'none'", "trusted-types 'none'"):
        assert rule in policy
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["x-frame-options"] == "DENY"
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert answer.headers["cross-origin-resource-policy"] == "same-origin"
    expected = "no-cache" if path.startswith("/files") else "no-store"
    assert answer.headers["cache-control"] == expected

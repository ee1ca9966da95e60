"""The chat page's server: files, configuration, tokens, and whom it refuses."""

from __future__ import annotations

import re
from pathlib import Path

import httpx
import jwt
import pytest

from realtime_message.stack import page_server
from realtime_message.stack.page_server import create_page_app

SECRET = "a-secret-of-the-test-with-32-bytes!"
ORIGIN = "http://localhost:5000"
PAGE = Path(page_server.__file__).parent / "page"
DEVICE = "device-key-of-the-test"


def _client(host: str = "localhost:5000", scheme: str = "http") -> httpx.AsyncClient:
    app = create_page_app(
        gateway_port=8000, token_secret=SECRET, rooms=["room:lobby"], receipts_channel="receipts"
    )
    return httpx.AsyncClient(
        transport=httpx.ASGITransport(app=app),
        base_url=f"{scheme}://{host}",
    )


async def _post_token(body: object, origin: str | None = ORIGIN) -> httpx.Response:
    headers = {} if origin is None else {"Origin": origin}
    async with _client() as client:
        return await client.post("/token", json=body, headers=headers)


def _claims(answer: httpx.Response) -> dict[str, object]:
    claims: dict[str, object] = jwt.decode(answer.json()["token"], SECRET, algorithms=["HS256"])
    return claims


async def test_token_says_who_it_is_for() -> None:
    """The token carries the user, the name for others and for the callback service, and an end."""
    answer = await _post_token({"name": " Ada Lovelace ", "device": DEVICE})
    assert answer.status_code == 200
    claims = _claims(answer)
    assert claims["sub"] == answer.json()["user"]
    assert claims["info"] == claims["meta"] == {"name": "Ada Lovelace"}
    assert int(str(claims["exp"])) - int(str(claims["iat"])) == 3600


async def test_user_id_is_stable_for_a_name_on_a_device() -> None:
    """The same name on the same device is the same user; another name or device is another."""
    first, again, other_name, other_device = [
        (await _post_token({"name": name, "device": device})).json()["user"]
        for name, device in (
            ("Ada", DEVICE),
            ("Ada", DEVICE),
            ("Eve", DEVICE),
            ("Ada", DEVICE + "2"),
        )
    ]
    assert re.fullmatch(r"ada-[0-9a-f]{8}", first)
    assert first == again
    assert len({first, other_name, other_device}) == 3


async def test_user_without_a_device_is_new_each_time() -> None:
    """Without a device key, nobody gets an id that someone else may have."""
    users = {(await _post_token({"name": "Ada"})).json()["user"] for _ in range(2)}
    assert len(users) == 2


@pytest.mark.parametrize(
    ("name", "slug"),
    [("小明", "guest"), ("Zoë Ünal", "zoe-unal"), ("--", "guest"), ("x" * 40, "x" * 20)],
)
async def test_user_id_is_ascii(name: str, slug: str) -> None:
    """A user id can be part of a channel name, which is ASCII."""
    user = (await _post_token({"name": name})).json()["user"]
    assert user.rpartition("-")[0] == slug


@pytest.mark.parametrize("name", ["", "   ", "x" * 41, None, 7, ["Ada"], "a\nb", "a\u202eb"])
async def test_name_that_does_not_fit_is_refused(name: object) -> None:
    """Names have 1 to 40 printable characters."""
    answer = await _post_token({"name": name, "device": DEVICE})
    assert answer.status_code == 422
    assert answer.json()["error"]["code"] == "invalid_name"
    assert "1 to 40" in answer.json()["error"]["message"]


@pytest.mark.parametrize("device", ["short", "x" * 65, 5, "spaces are out", None])
async def test_device_that_does_not_fit_is_refused(device: object) -> None:
    """A device key is 8 to 64 plain characters."""
    answer = await _post_token({"name": "Ada", "device": device})
    assert answer.status_code == 422
    assert answer.json()["error"]["code"] == "invalid_device"


@pytest.mark.parametrize("body", ["Ada", ["Ada"], 7])
async def test_body_that_is_no_object_is_refused(body: object) -> None:
    """The body is a JSON object."""
    answer = await _post_token(body)
    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == "malformed_body"


@pytest.mark.parametrize(
    ("content", "kind", "status"),
    [
        (b"{", "application/json", 400),
        (b"null", "application/json", 400),
        (b'{"name": "\\ud800"}', "application/json", 422),
        (b"\xff\xfe{}", "application/json", 400),
        (b'{"name": "Ada"}', "text/plain", 415),
        (b"name=Ada", "application/x-www-form-urlencoded", 415),
        (b'{"name": "' + b"x" * 5000 + b'"}', "application/json", 413),
    ],
)
async def test_bytes_that_are_no_small_json_are_refused(
    content: bytes, kind: str, status: int
) -> None:
    """Broken JSON, another content type and large bodies get an error in JSON."""
    async with _client() as client:
        answer = await client.post(
            "/token", content=content, headers={"Origin": ORIGIN, "Content-Type": kind}
        )
    assert answer.status_code == status
    assert answer.json()["error"]["message"]


@pytest.mark.parametrize(
    "origin", [None, "null", "http://localhost:5001", "https://localhost:5000"]
)
async def test_post_from_elsewhere_is_refused(origin: str | None) -> None:
    """Only the page itself gets a token."""
    answer = await _post_token({"name": "Ada"}, origin)
    assert answer.status_code == 403
    assert answer.json()["error"]["code"] == "foreign_origin"


@pytest.mark.parametrize(
    "host", ["evil.example.com", "localhost.evil.com", "a b", "", "[::1", "x;script-src *"]
)
async def test_name_that_others_control_is_refused(host: str) -> None:
    """Under a name of the public DNS, a foreign page could read this one."""
    async with _client() as client:
        answer = await client.get("/config.json", headers={"Host": host})
    assert answer.status_code == 403
    assert answer.json()["error"]["code"] == "foreign_host"
    assert host not in answer.headers["content-security-policy"] or host == ""


@pytest.mark.parametrize(
    ("host", "gateway"),
    [
        ("localhost:5000", "localhost"),
        ("127.0.0.1:5000", "127.0.0.1"),
        ("192.168.1.7:5000", "192.168.1.7"),
        ("workstation", "workstation"),
        ("workstation.local:5000", "workstation.local"),
        ("[::1]:5000", "[::1]"),
    ],
)
async def test_gateway_is_on_the_host_that_was_asked(host: str, gateway: str) -> None:
    """The page finds the gateway under the name by which it was opened, and may connect there."""
    async with _client() as client:
        answer = await client.get("/config.json", headers={"Host": host})
    assert answer.json() == {
        "gateway_url": f"ws://{gateway}:8000/connection/websocket",
        "receipts_channel": "receipts",
        "rooms": ["room:lobby"],
    }
    allowed = "*" if gateway == "[::1]" else gateway
    assert f"connect-src 'self' ws://{allowed}:8000 " in answer.headers["content-security-policy"]


async def test_gateway_behind_https_is_asked_by_wss() -> None:
    """A page that came by HTTPS may not open an unencrypted WebSocket."""
    async with _client(scheme="https") as client:
        answer = await client.get("/config.json")
    assert answer.json()["gateway_url"].startswith("wss://")


@pytest.mark.parametrize("path", ["/", "/main.js", "/config.json", "/nothing"])
async def test_every_answer_has_the_security_headers(path: str) -> None:
    """No inline script, no strings as HTML, no frame, no guessing of types."""
    async with _client() as client:
        answer = await client.get(path)
    policy = answer.headers["content-security-policy"]
    for rule in ("default-src 'none'", "script-src 'self'", "require-trusted-types-for 'script'"):
        assert rule in policy
    assert "unsafe" not in policy
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["x-frame-options"] == "DENY"
    assert answer.headers["referrer-policy"] == "no-referrer"


async def test_errors_are_json() -> None:
    """A missing file and a wrong method are answered in JSON."""
    async with _client() as client:
        missing = await client.get("/nothing.js")
        wrong = await client.post("/config.json", headers={"Origin": ORIGIN})
        outside = await client.get("/..%2fpage_server.py")
    assert (missing.status_code, missing.json()["error"]["code"]) == (404, "not_found")
    assert (wrong.status_code, wrong.json()["error"]["code"]) == (405, "method_not_allowed")
    assert outside.status_code == 404


async def test_modules_are_served_as_javascript() -> None:
    """Browsers run modules only under a JavaScript type; and an upgrade must be seen at once."""
    async with _client() as client:
        answer = await client.get("/client/client.js")
        again = await client.get(
            "/client/client.js", headers={"If-None-Match": answer.headers["etag"]}
        )
    assert "javascript" in answer.headers["content-type"]
    assert answer.headers["cache-control"] == "no-cache"
    assert again.status_code == 304


def test_page_without_a_room_is_refused() -> None:
    """The page opens the first room, so there must be one."""
    with pytest.raises(ValueError, match="at least one room"):
        create_page_app(gateway_port=1, token_secret=SECRET, rooms=[], receipts_channel="")


def test_page_loads_nothing_from_elsewhere() -> None:
    """No file of the page names another site; nothing in it writes HTML."""
    for path in PAGE.rglob("*"):
        if path.suffix not in {".html", ".css", ".js", ".svg"}:
            continue
        text = path.read_text("utf-8").replace("http://www.w3.org/2000/svg", "")
        assert not re.search(r"https?://", text.replace("http:// on", "")), path
        assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(", text)
        assert not re.search(r"<script(?![^>]*src=)|\sstyle=|\son\w+=", text), path


def test_every_text_is_there_in_every_language() -> None:
    """Both languages have the same keys, and every key that the page uses."""
    source = (PAGE / "strings.js").read_text("utf-8")
    english, chinese = source.split("  zh: {")
    key = re.compile(r'^    (?:"([\w.]+)"|(\w+)):', re.MULTILINE)
    keys = [
        {quoted or plain for quoted, plain in key.findall(text)}
        for text in (english.split("  en: {")[1], chinese)
    ]
    assert {name for name in keys[0] ^ keys[1] if not name.endswith(".one")} == set()
    used: set[str] = set()
    for path in (*PAGE.rglob("*.js"), PAGE / "index.html"):
        text = path.read_text("utf-8")
        used |= set(re.findall(r'\bt\(\s*"([\w.]+)"', text))
        used |= set(re.findall(r'data-(?:text|label|placeholder)="([\w.]+)"', text))
    assert used
    assert used - keys[0] == set()

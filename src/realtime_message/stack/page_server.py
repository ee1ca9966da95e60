"""The chat page's web server: its files, its configuration, and tokens for demo users.

For development only: `POST /token` signs a token for whoever asks from the page itself. What keeps
that harmless is checked here: only same-origin requests, and only under names that cannot be made
to point at this machine by someone else's DNS.
"""

from __future__ import annotations

import hashlib
import ipaddress
import json
import re
import secrets
import socket
import time
import unicodedata
from collections.abc import Sequence
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import jwt
from starlette.applications import Starlette
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

MAX_NAME_CHARACTERS = 40
_MAX_BODY_BYTES = 4096
_PAGE = Path(__file__).parent / "page"
_DEVICE = re.compile(r"[A-Za-z0-9_-]{8,64}")
_LOCAL_SUFFIXES = (".local", ".localhost", ".lan", ".internal", ".home.arpa")


def create_page_app(
    *,
    gateway_port: int,
    token_secret: str,
    rooms: Sequence[str],
    receipts_channel: str,
    token_ttl_seconds: float = 3600.0,
) -> Starlette:
    """Return the ASGI app that serves the chat page.

    Args:
        gateway_port: where the gateway listens, on the host by which the page is opened.
        token_secret: the HMAC key by which the gateway checks connection tokens.
        rooms: the channels that the page opens at first.
        receipts_channel: where the worker publishes what it did with each message.
        token_ttl_seconds: how long a token is valid; the page fetches the next one by itself.
    """

    async def config(request: Request) -> Response:
        return JSONResponse(
            {
                "gateway_url": _gateway_url(request, gateway_port),
                "receipts_channel": receipts_channel,
                "rooms": list(rooms),
            }
        )

    async def token(request: Request) -> Response:
        name, device = _read_person(await _read_body(request))
        user = _user_id(name, device)
        person = {"name": name}
        expires_at = int(time.time() + token_ttl_seconds)
        claims = {"sub": user, "exp": expires_at, "info": person, "meta": person}
        return JSONResponse(
            {"token": jwt.encode(claims, token_secret, algorithm="HS256"), "user": user}
        )

    return Starlette(
        routes=[
            Route("/config.json", config),
            Route("/token", token, methods=["POST"]),
            Mount("/", StaticFiles(directory=_PAGE, html=True)),
        ],
        middleware=[Middleware(_Guard, gateway_port=gateway_port)],
        exception_handlers={_RefusedRequestError: _answer_refused, HTTPException: _answer_http},
    )


class _RefusedRequestError(Exception):
    """A request that gets an error: its code is for the page, its text for a person."""

    def __init__(self, status: HTTPStatus, code: str, text: str) -> None:
        super().__init__(text)
        self.status = status
        self.code = code


def _error(status: int, code: str, text: str) -> JSONResponse:
    return JSONResponse({"error": {"code": code, "message": text}}, status_code=status)


async def _answer_refused(_: Request, error: Exception) -> Response:
    assert isinstance(error, _RefusedRequestError)  # noqa: S101 - as registered above
    return _error(error.status, error.code, str(error))


async def _answer_http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 - as registered above
    status = HTTPStatus(error.status_code)
    code = status.phrase.lower().replace(" ", "_")
    return _error(status, code, f"{request.method} {request.url.path}: {status.phrase.lower()}")


async def _read_body(request: Request) -> dict[str, Any]:
    if not request.headers.get("content-type", "").startswith("application/json"):
        raise _RefusedRequestError(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
            "unsupported_media_type",
            'POST /token takes JSON: send Content-Type: application/json and {"name": "Ada"}',
        )
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > _MAX_BODY_BYTES:
            raise _RefusedRequestError(
                HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
                "body_too_large",
                f"POST /token takes at most {_MAX_BODY_BYTES} bytes",
            )
    try:
        fields = json.loads(body)
    except ValueError:  # also text that is not UTF-8
        fields = None
    if not isinstance(fields, dict):
        raise _RefusedRequestError(
            HTTPStatus.BAD_REQUEST,
            "malformed_body",
            'the body is not a JSON object such as {"name": "Ada"}',
        )
    return fields


def _read_person(fields: dict[str, Any]) -> tuple[str, str]:
    """Return the name and the device key of a token request."""
    name = fields.get("name")
    name = unicodedata.normalize("NFC", name).strip() if isinstance(name, str) else ""
    # Category C: control characters, unassigned ones, lone surrogates, direction overrides.
    printable = not any(unicodedata.category(character).startswith("C") for character in name)
    if not 1 <= len(name) <= MAX_NAME_CHARACTERS or not printable:
        raise _RefusedRequestError(
            HTTPStatus.UNPROCESSABLE_ENTITY,
            "invalid_name",
            f"name: give 1 to {MAX_NAME_CHARACTERS} printable characters",
        )
    device = fields.get("device", secrets.token_urlsafe(16))
    if not isinstance(device, str) or not _DEVICE.fullmatch(device):
        raise _RefusedRequestError(
            HTTPStatus.UNPROCESSABLE_ENTITY,
            "invalid_device",
            "device: give 8 to 64 letters, digits, - or _, or leave it out",
        )
    return name, device


def _user_id(name: str, device: str) -> str:
    """Return a readable id that is the same for a name on a device, and that others cannot ask for.

    The device key is the page's secret: knowing someone's user id is not enough to become them.
    """
    ascii_name = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    slug = re.sub(r"[^a-z0-9]+", "-", ascii_name).strip("-")[:20].rstrip("-") or "guest"
    return f"{slug}-{hashlib.sha256(f'{device}/{name}'.encode()).hexdigest()[:8]}"


def _gateway_url(request: Request, port: int) -> str:
    scheme = "wss" if request.url.scheme == "https" else "ws"
    host, _ = _host_of(request.headers)
    return f"{scheme}://{host}:{port}/connection/websocket"


def _host_of(headers: Headers) -> tuple[str, bool]:
    """Return the name by which the page was asked for, and whether it is a local one."""
    try:
        host = urlsplit(f"//{headers.get('host', '')}").hostname or ""
    except ValueError:
        return "", False
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        is_plain = re.fullmatch(r"[a-z0-9._-]+", host) is not None
        is_local = "." not in host or host.endswith(_LOCAL_SUFFIXES)
        return host, is_plain and (is_local or host == socket.gethostname().lower())
    return f"[{host}]" if address.version == 6 else host, True  # noqa: PLR2004 - IPv6


class _Guard:
    """Refuses requests from elsewhere, and adds the security headers to every answer."""

    def __init__(self, app: ASGIApp, gateway_port: int) -> None:
        self._app = app
        self._gateway_port = gateway_port

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        host, is_local = _host_of(headers)
        policy = _content_security_policy(host if is_local else "localhost", self._gateway_port)

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                _add_headers(MutableHeaders(scope=message), scope["path"], policy)
            await send(message)

        refusal = _refusal(scope, headers, is_local=is_local)
        await (refusal or self._app)(scope, receive, send_guarded)


def _refusal(scope: Scope, headers: Headers, *, is_local: bool) -> JSONResponse | None:
    if not is_local:
        return _error(
            HTTPStatus.FORBIDDEN,
            "foreign_host",
            "this page is for development and opens only under localhost, an IP address, the"
            " machine's own name, or a local name (without dots, or ending in .local or .lan)",
        )
    # Browsers send Origin with every POST.
    own_origin = f"{scope['scheme']}://{headers.get('host', '')}"
    if scope["method"] == "POST" and headers.get("origin") != own_origin:
        return _error(
            HTTPStatus.FORBIDDEN,
            "foreign_origin",
            "POST is answered for the chat page itself; in a terminal use: rtm token USER",
        )
    return None


def _content_security_policy(host: str, gateway_port: int) -> str:
    # A policy cannot name an IPv6 address, so there only the port is fixed.
    gateway = f"{'*' if host.startswith('[') else host}:{gateway_port}"
    return "; ".join(
        (
            "default-src 'none'",
            "script-src 'self'",
            "style-src 'self'",
            "img-src 'self'",
            f"connect-src 'self' ws://{gateway} wss://{gateway}",
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'none'",
            # No string may become HTML or script: the page only ever sets text.
            "require-trusted-types-for 'script'",
            "trusted-types 'none'",
        )
    )


def _add_headers(headers: MutableHeaders, path: str, policy: str) -> None:
    headers["Content-Security-Policy"] = policy
    headers["X-Content-Type-Options"] = "nosniff"
    headers["X-Frame-Options"] = "DENY"
    headers["Referrer-Policy"] = "no-referrer"
    headers["Cross-Origin-Opener-Policy"] = "same-origin"
    headers["Cross-Origin-Resource-Policy"] = "same-origin"
    headers["Permissions-Policy"] = "camera=(), geolocation=(), microphone=()"
    # Files are asked for again each time (answered 304): an upgrade is seen at once.
    headers["Cache-Control"] = "no-store" if path in {"/token", "/config.json"} else "no-cache"
